//! What other people wrote, at every place where it is shown: harmless on a terminal and in the log,
//! exact in JSON.

use lamparina_protocol::clean;
use lamparina_tests::real::Server;

/// All but what would end a typed line.
const HOSTILE: &str = "a\u{1b}[2J\u{1b}]0;t\u{7}\u{8}\u{9b}31m\u{202e}b\u{2066}\u{200b}\u{e0041}\u{2028}[9] eva: no\
                       \u{feff}\u{e000}c\u{fe0f}\u{fe0f}d\u{200d}e\u{85}event=produced stamp=1 \u{301}می\u{200c}خواهم";

#[track_caller]
fn assert_harmless(what: &str, shown: &str) {
    let bad = shown.chars().find(|&c| c != '\n' && clean::is_harmful(c));
    assert_eq!(bad, None, "{what}: {shown:?}");
}

#[test]
fn every_sink_cleans_and_json_carries_it_exactly() {
    let mut server = Server::start_with(&["--log-text"]);
    let eva = server.enter("eva");
    let bob = server.client("bob").arg("--plain").start_plain();
    let ana = server.enter("ana");
    ana.wait_event("connected");
    ana.say(&format!("BROADCAST:ALL:{HOSTILE}"));
    // Errors quote what was asked for.
    ana.say(&format!("MSG:no{HOSTILE}:x"));
    ana.say(&format!("/{HOSTILE}"));
    ana.say("BROADCAST:ALL:over");

    // JSON: the same text, and no raw byte of it that a terminal would obey.
    assert_eq!(eva.wait_text("over")["text"], "over");
    assert_eq!(eva.events("message")[0]["text"], HOSTILE);
    for client in [&ana, &eva] {
        for line in &client.transcript().heard().out {
            assert_harmless("json", &String::from_utf8_lossy(&line.bytes));
        }
        assert_harmless("talk beside json", &client.talk());
    }
    // Lines for people.
    let shown = bob.transcript().wait("the last line", |heard| {
        let lines: Vec<_> = heard
            .out
            .iter()
            .map(|line| String::from_utf8_lossy(&line.bytes).into_owned())
            .collect();
        let last = lines.last()?;
        last.ends_with("ana: over").then_some(lines)
    });
    assert!(shown[0].ends_with(&clean::text(HOSTILE)), "{shown:?}");
    for line in &shown {
        assert_harmless("line mode", line);
    }
    assert_harmless("talk", &bob.talk());
    // The log holds the text of both messages, each on its line, exactly.
    assert_eq!(server.stop(), 0);
    let raw = std::fs::read_to_string(server.log_file()).expect("it can be read");
    assert_harmless("server.log", &raw);
    let produced: Vec<_> = server
        .log()
        .into_iter()
        .filter(|line| line.event == "produced")
        .collect();
    assert_eq!(produced.len(), 2, "{raw}");
    assert_eq!(produced[0].field("text"), HOSTILE);
    assert_harmless(
        "server's stderr",
        &server.process().transcript().heard().err.join("\n"),
    );
}
