//! The client's contract with people and scripts: typed lines, exit codes, closing words.

use std::net::TcpListener;

use lamparina_tests::real::client::ClientStart;
use lamparina_tests::real::{Folder, Server};

/// An address at which nobody listens.
fn nobody() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it is bound")
}

#[test]
fn without_a_name_and_a_terminal_the_usage_is_told() {
    let folder = Folder::new();
    let mut client = ClientStart::new(&folder.within("x"), nobody()).start();
    assert_eq!(client.process().wait_code(), 2);
    assert!(client.talk().contains("--name"), "{}", client.talk());
}

#[test]
fn an_ill_formed_name_or_option_is_a_matter_of_usage() {
    let folder = Folder::new();
    for (name, arg) in [("a b", "--json"), ("ALL", "--json"), ("ana", "--no-such")] {
        let start = ClientStart::new(&folder.within("x"), nobody()).name(name);
        let mut client = start.arg(arg).start();
        assert_eq!(client.process().wait_code(), 2, "{name} {arg}");
        assert!(!client.talk().is_empty());
    }
}

#[test]
fn a_server_that_cannot_be_reached_is_said_with_its_address() {
    let folder = Folder::new();
    let addr = nobody();
    let mut client = ClientStart::new(&folder.within("x"), addr)
        .name("ana")
        .start();
    assert_eq!(client.leave(), 3);
    let error = client.wait_event("error");
    assert_eq!(error["code"], "cannot-reach", "{error}");
    let text = error["text"].as_str().unwrap_or_default();
    assert!(text.contains(&addr.to_string()), "{error}");
}

#[test]
fn a_nick_of_another_profile_is_refused() {
    let server = Server::start();
    let ana = server.enter("ana");
    let other = ClientStart::new(&server.folder().within("other"), server.addr());
    let mut other = other.name("Ana").start();
    assert_eq!(other.process().wait_code(), 4);
    let said = other.words();
    assert!(
        said.contains("nick-taken") || said.contains("belongs"),
        "{said}"
    );
    assert!(ana.events("disconnected").is_empty());
}

#[test]
fn a_nick_belongs_to_its_owner_also_while_away() {
    let server = Server::start();
    let mut bob = server.enter("bob");
    assert_eq!(bob.leave(), 0);
    let other = ClientStart::new(&server.folder().within("other"), server.addr());
    let mut other = other.name("bob").start();
    assert_eq!(other.process().wait_code(), 4, "{}", other.words());
    server.enter("bob");
}

#[test]
fn a_newer_session_of_the_same_profile_takes_over() {
    let server = Server::start();
    let bob = server.enter("bob");
    let mut first = server.enter("ana");
    let second = server.enter("ana");
    assert_eq!(first.process().wait_code(), 4);
    let error = first.wait_event("error");
    assert_eq!(error["code"], "taken-over", "{error}");
    assert_eq!(first.events("connected").len(), 1, "it does not come back");
    second.say("still me");
    bob.wait_text("still me");
}

#[test]
fn an_unknown_command_is_an_error_and_is_never_sent() {
    let server = Server::start();
    let mut ana = server.enter("ana");
    let bob = server.enter("bob");
    for line in ["/frobnicate", "/msgx bob hi", "/"] {
        ana.say(line);
    }
    ana.say("end");
    assert_eq!(bob.wait_texts(1), ["end"]);
    assert_eq!(ana.leave(), 0);
    assert_eq!(ana.events("error").len(), 3);
}

#[test]
fn texts_arrive_byte_for_byte() {
    let server = Server::start();
    let ana = server.enter("ana");
    let bob = server.enter("bob");
    let cases = [
        ("//x", "/x"),
        ("///", "//"),
        ("MSG:bob:a:b:: c", "a:b:: c"),
        ("MSG:bob: both ends  ", " both ends  "),
        ("MSG:bob:/quit", "/quit"),
        ("BROADCAST:ALL:MSG:bob:x", "MSG:bob:x"),
        ("  blanks first and last  ", "  blanks first and last  "),
        ("msg:bob:not a command", "msg:bob:not a command"),
        ("MSGS:bob:nor this", "MSGS:bob:nor this"),
        (
            "tab\tescape \u{1b}[31m \u{202e}",
            "tab\tescape \u{1b}[31m \u{202e}",
        ),
        (
            "e\u{301} \u{1f469}\u{200d}\u{1f680}",
            "e\u{301} \u{1f469}\u{200d}\u{1f680}",
        ),
        ("/msg bob by slash", "by slash"),
        ("/pub * to all", "to all"),
    ];
    for (line, _) in cases {
        ana.say(line);
    }
    let texts = bob.wait_texts(cases.len());
    assert_eq!(texts, cases.map(|(_, text)| text));
}

#[test]
fn a_line_that_cannot_be_sent_is_an_error_and_the_next_one_goes() {
    let server = Server::start();
    let mut ana = server.enter("ana");
    let bob = server.enter("bob");
    let bad: [&[u8]; 9] = [
        b"MSG:bob:",
        b"MSG:bob",
        b"MSG::x",
        b"MULTICAST:,:x",
        b"BROADCAST:ALL:",
        b"BROADCAST:lab:x",
        b"MSG:b ob:x",
        b"not text \xff\xfe",
        b"BROADCAST:#nowhere:x",
    ];
    for line in bad {
        ana.write(line);
        ana.write(b"\n");
    }
    ana.say("end");
    assert_eq!(bob.wait_texts(1), ["end"]);
    assert_eq!(ana.leave(), 0);
    let errors = ana.events("error");
    assert_eq!(errors.len(), bad.len(), "{errors:#?}");
    for error in errors {
        assert!(
            error["code"].is_string() && error["text"].is_string(),
            "{error}"
        );
    }
}

#[test]
fn strict_makes_an_error_count() {
    let server = Server::start();
    let mut ana = server.client("ana").arg("--strict").enter();
    ana.say("MSG:nobody:x");
    ana.say("fine");
    assert_eq!(ana.leave(), 6);
    let closed = ana.wait_event("closed");
    assert_eq!(
        (&closed["committed"], &closed["pending"]),
        (&1.into(), &0.into()),
        "{closed}"
    );
}

#[test]
fn at_the_end_of_input_everything_given_is_settled() {
    let server = Server::start();
    let bob = server.enter("bob");
    let mut ana = server.client("ana").start();
    // No newline after the last line.
    let lines: Vec<String> = (0..100).map(|number| format!("line {number}")).collect();
    ana.write(lines.join("\n").as_bytes());
    assert_eq!(ana.leave(), 0);
    let closed = ana.wait_event("closed");
    let counts = ["sent", "committed", "pending"].map(|key| closed[key].as_u64());
    assert_eq!(counts, [Some(100), Some(100), Some(0)]);
    assert_eq!(bob.wait_texts(100), lines);
}

#[test]
fn quit_ends_as_the_end_of_input_does() {
    let server = Server::start();
    let bob = server.enter("bob");
    let mut ana = server.enter("ana");
    ana.write(b"one\n/quit\nnever\n");
    assert_eq!(ana.process().wait_code(), 0);
    assert_eq!(ana.wait_event("closed")["committed"], 1);
    bob.wait("left", |heard| heard.of_type("left").next().cloned());
    assert_eq!(bob.wait_texts(1), ["one"]);
}

#[test]
fn every_line_of_json_has_a_version_and_a_type() {
    let server = Server::start();
    let mut ana = server.enter("ana");
    let bob = server.enter("bob");
    ana.wait_event("joined");
    for line in [
        "hi",
        "/who",
        "/nope",
        "/help",
        "/rtt",
        "/link",
        "/queue",
        "/nick anna",
    ] {
        ana.say(line);
    }
    bob.say("ho");
    ana.wait_text("ho");
    assert_eq!(ana.leave(), 0);
    for line in &ana.transcript().heard().out {
        let shown = String::from_utf8_lossy(&line.bytes);
        assert_eq!(line.json["v"], 1, "{shown}");
        assert!(line.json["type"].is_string(), "{shown}");
    }
    let connected = ana.wait_event("connected");
    assert_eq!(connected["as"], "ana", "{connected}");
    assert_eq!(
        connected["server"],
        server.addr().to_string(),
        "{connected}"
    );
    assert!(connected["stamp"].is_u64(), "{connected}");
}

#[test]
fn an_output_that_nobody_reads_ends_the_client_quietly() {
    let server = Server::start();
    let bob = server.enter("bob");
    let mut ana = server.client("ana").start_unheard();
    bob.wait("joined", |heard| heard.of_type("joined").next().cloned());
    bob.say("for nobody");
    assert_eq!(ana.leave(), 0);
    assert!(!ana.talk().contains("panicked"), "{}", ana.talk());
    bob.wait("left", |heard| heard.of_type("left").next().cloned());
}

#[test]
fn a_terminal_is_shown_nothing_that_it_would_obey() {
    let server = Server::start();
    let ana = server.enter("ana");
    let mut bob = server.client("bob").arg("--plain").start_plain();
    ana.wait_event("joined");
    ana.say("MSG:bob:a\u{1b}]0;title\u{7} \u{202e}b\u{9b}2J c\rd\u{200b}");
    ana.say("MSG:bob:end");
    bob.wait("the end", |heard| {
        let mut lines = heard.out.iter();
        lines.find(|line| line.bytes.ends_with(b"end")).map(|_| ())
    });
    assert_eq!(bob.leave(), 0);
    let heard = bob.transcript().heard();
    let lines = heard.out.iter();
    let shown: Vec<String> = lines
        .map(|line| String::from_utf8(line.bytes.clone()).unwrap())
        .collect();
    let hidden = |c: char| c.is_control() || "\u{202e}\u{200b}\u{feff}".contains(c);
    assert!(!shown.iter().any(|line| line.contains(hidden)), "{shown:?}");
    assert!(shown.iter().any(|line| line.contains("title")), "{shown:?}");
}
