//! Peers without a server, as real processes over loopback: what they promise to people and scripts.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use lamparina_tests::real::peer::Line;
use lamparina_tests::real::process::Signal;
use lamparina_tests::real::{Folder, Peer, PeerStart, log};
use serde_json::Value;

/// Lines that each says where many are said.
const LINES_EACH: usize = 20;

fn start(folder: &Folder, name: &str) -> PeerStart {
    PeerStart::new(&folder.within(name), name)
}

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it is bound")
}

/// Every peer says its lines, all at the same time.
fn all_talk(peers: &[Peer]) {
    for number in 0..LINES_EACH {
        for (at, peer) in peers.iter().enumerate() {
            peer.say(&format!("line {number} of {at}"));
        }
    }
}

/// Every peer has every line once, in one order, and was told of each once.
#[track_caller]
fn assert_one_history(peers: &[Peer], count: usize) {
    let histories: Vec<Vec<Line>> = peers.iter().map(|peer| peer.wait_history(count)).collect();
    for history in &histories {
        assert_eq!(history.len(), count);
        assert!(history.is_sorted(), "{history:#?}");
        assert_eq!(history, &histories[0]);
    }
    let expected: BTreeSet<&Line> = histories[0].iter().collect();
    assert_eq!(expected.len(), count, "each once");
    for peer in peers {
        let mut told: Vec<Line> = peer
            .events("message")
            .iter()
            .filter(|event| event["history"] != true)
            .map(Line::of)
            .collect();
        told.extend(peer.events("committed").iter().map(Line::of));
        let once: BTreeSet<&Line> = told.iter().collect();
        assert_eq!(once.len(), told.len(), "nobody is told twice");
        assert!(once.is_subset(&expected));
    }
}

#[test]
fn three_in_a_line_have_every_line_once_in_one_order() {
    let folder = Folder::new();
    let lonely = |name: &str| start(&folder, name).args(&["--no-mesh"]);
    let ana = lonely("ana").enter();
    let bob = lonely("bob").calls(ana.addr()).enter();
    let carla = lonely("carla").calls(bob.addr()).enter();
    let peers = [ana, bob, carla];
    all_talk(&peers);
    assert_one_history(&peers, 3 * LINES_EACH);
}

#[test]
fn three_in_a_cycle_have_every_line_once_in_one_order() {
    let folder = Folder::new();
    let ana = start(&folder, "ana").enter();
    let addr = ana.addr();
    let (host, port) = (addr.ip().to_string(), addr.port().to_string());
    // As the words of the command line have it.
    let words = ["127.0.0.1", "0", "bob", &host, &port, "--json"];
    let bob = start(&folder, "bob").start_with(&words);
    bob.wait_event("connected");
    let carla = start(&folder, "carla").calls(addr).calls(bob.addr());
    let carla = carla.enter();
    let peers = [ana, bob, carla];
    all_talk(&peers);
    assert_one_history(&peers, 3 * LINES_EACH);
}

#[test]
fn a_newcomer_has_what_was_said_before_and_speaks_behind_it() {
    let folder = Folder::new();
    let ana = start(&folder, "ana").enter();
    for number in 0..LINES_EACH {
        ana.say(&format!("line {number}"));
    }
    let last = ana.wait_events("committed", LINES_EACH);
    let bob = start(&folder, "bob").calls(ana.addr()).enter();
    bob.say("and I");
    let said = bob.wait_event("committed");
    assert!(
        Line::of(&said).stamp > Line::of(&last).stamp,
        "{said} behind {last}"
    );
    ana.wait_text("and I");
    assert_eq!(bob.wait_history(LINES_EACH + 1), ana.history());
}

#[test]
fn who_comes_back_has_its_history_and_goes_on_with_it() {
    let folder = Folder::new();
    let bob = start(&folder, "bob").enter();
    let mut ana = start(&folder, "ana").calls(bob.addr()).enter();
    ana.say("before");
    let before = ana.wait_event("committed");
    bob.wait_text("before");
    assert_eq!(ana.leave(), 0);
    bob.wait_where("left", "nick", "ana@lan");
    bob.say("while you were away");
    bob.wait_event("committed");
    let ana = start(&folder, "ana").calls(bob.addr()).enter();
    ana.say("after");
    let after = ana.wait_event("committed");
    assert_eq!(before["author"], after["author"], "the same key");
    assert!(
        before["epoch"].as_u64() < after["epoch"].as_u64(),
        "another life"
    );
    let history = ana.wait_history(3);
    let texts: Vec<_> = history.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["before", "while you were away", "after"]);
    bob.wait_text("after");
    assert_eq!(bob.history(), history);
}

#[test]
fn what_was_said_apart_becomes_one_history_and_what_was_final_stays_in_order() {
    let folder = Folder::new();
    for name in ["ana", "bob"] {
        let mut alone = start(&folder, name).start();
        for number in 1..=3 {
            alone.say(&format!("{name} {number}"));
        }
        assert_eq!(alone.leave(), 0, "{}", alone.talk());
    }
    let ana = start(&folder, "ana").enter();
    let before = ana.history();
    assert_eq!(before.len(), 3);
    let bob = start(&folder, "bob").calls(ana.addr()).enter();
    for peer in [&ana, &bob] {
        let merged = peer.wait_event("merged");
        assert_eq!(merged["lines"], 3, "{merged}");
        assert_eq!(merged["ranges"][0]["first"], 1, "{merged}");
    }
    let history = ana.wait_history(6);
    assert_eq!(bob.wait_history(6), history);
    let stamps: Vec<_> = history.iter().map(|line| line.stamp).collect();
    assert_eq!(stamps, [1, 1, 2, 2, 3, 3], "neither had seen the other's");
    let kept: Vec<_> = history
        .iter()
        .filter(|line| before.contains(line))
        .collect();
    assert_eq!(kept, before.iter().collect::<Vec<_>>());
    // Alone, everything that ana had said was final: what came among it is late.
    let late = ana.wait_text("bob 1");
    assert_eq!(late["late"], true, "{late}");
}

#[test]
fn what_was_committed_survives_a_kill() {
    let folder = Folder::new();
    let mut ana = start(&folder, "ana").enter();
    for number in 0..LINES_EACH {
        ana.say(&format!("line {number}"));
    }
    ana.wait_events("committed", LINES_EACH);
    ana.process().kill();
    // Alone, so that nobody else could give it back.
    let ana = start(&folder, "ana").enter();
    let history = ana.history();
    assert_eq!(history.len(), LINES_EACH);
    let bob = start(&folder, "bob").calls(ana.addr()).enter();
    assert_eq!(bob.wait_history(LINES_EACH), history);
}

/// Whether any file below `folder` holds these bytes.
fn holds(folder: &Path, needle: &str) -> bool {
    let entries = std::fs::read_dir(folder).expect("the folder can be read");
    entries.filter_map(Result::ok).any(|entry| {
        let path = entry.path();
        match path.is_dir() {
            true => holds(&path, needle),
            false => std::fs::read(&path).is_ok_and(|bytes| {
                let mut places = bytes.windows(needle.len());
                places.any(|place| place == needle.as_bytes())
            }),
        }
    })
}

#[test]
fn what_is_said_to_some_is_read_by_them_alone() {
    let folder = Folder::new();
    // Carla stands between, and passes everything on.
    let carla = start(&folder, "carla").args(&["--no-mesh"]).enter();
    let lonely = |name: &str| {
        let peer = start(&folder, name).args(&["--no-mesh"]);
        peer.calls(carla.addr()).enter()
    };
    let (ana, bob, eva) = (lonely("ana"), lonely("bob"), lonely("eva"));
    ana.say("MSG:bob:for bob alone");
    let one = bob.wait_text("for bob alone");
    assert_eq!(
        (&one["kind"], &one["to"]),
        (&"unicast".into(), &serde_json::json!(["bob@lan"]))
    );
    ana.say("MULTICAST:bob,eva@lan:for bob and eva");
    for peer in [&bob, &eva] {
        let two = peer.wait_text("for bob and eva");
        assert_eq!(two["kind"], "multicast");
        let to: BTreeSet<_> = two["to"].as_array().unwrap().iter().map(text).collect();
        assert_eq!(to, BTreeSet::from(["bob@lan", "eva@lan"]));
    }
    ana.say("for all");
    for peer in [&bob, &eva, &carla] {
        peer.wait_text("for all");
    }
    let texts = |peer: &Peer| -> Vec<String> {
        let history = peer.history();
        history.into_iter().map(|line| line.text).collect()
    };
    assert_eq!(texts(&carla), ["for all"]);
    assert_eq!(texts(&eva), ["for bob and eva", "for all"]);
    assert_eq!(texts(&bob), ["for bob alone", "for bob and eva", "for all"]);
    carla.say("/find bob");
    let found = carla.wait_event("found");
    assert_eq!(found["hits"], serde_json::json!([]));
    let home = folder.within("carla");
    assert!(holds(&home, "for all"), "the look would find it");
    assert!(!holds(&home, "for bob"), "sealed for others, also on disk");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn a_namespace_is_a_room_of_its_peers() {
    let folder = Folder::new();
    let ana = start(&folder, "ana").enter();
    let calls = |home: &str, name: &str| {
        let peer = PeerStart::new(&folder.within(home), name);
        peer.calls(ana.addr()).enter()
    };
    let (bob, lab) = (calls("bob", "bob"), calls("lab", "bob@lab"));
    for peer in [&bob, &lab] {
        peer.wait_where("joined", "nick", "ana@lan");
    }
    ana.wait_where("joined", "nick", "bob@lan");
    ana.wait_where("joined", "nick", "bob@lab");
    ana.say("/pub #lab to the lab");
    let said = lab.wait_text("to the lab");
    assert_eq!(said["to"], serde_json::json!(["#lab"]));
    ana.say("MSG:bob:which one?");
    let error = ana.wait_where("error", "code", "ambiguous-user");
    for name in ["bob@lan", "bob@lab"] {
        assert!(text(&error["text"]).contains(name), "{error}");
    }
    ana.say("MSG:bob@lab:you");
    lab.wait_text("you");
    ana.say("for all");
    bob.wait_text("for all");
    let heard: Vec<_> = bob.events("message");
    assert!(heard.iter().all(|event| event["text"] != "to the lab"));
    ana.say("/peers #lab");
    let peers = ana.wait_event("peers");
    let nicks = peers["peers"].as_array().unwrap().iter();
    let nicks: Vec<_> = nicks.map(|peer| text(&peer["nick"])).collect();
    assert_eq!(nicks, ["bob@lab"]);
    bob.say("/join #lab");
    bob.wait_where("info", "about", "join");
    ana.say("BROADCAST:#lab:to the lab again");
    bob.wait_text("to the lab again");
}

#[test]
fn every_event_says_what_the_page_promises() {
    let folder = Folder::new();
    let ana = start(&folder, "ana").enter();
    let bob = start(&folder, "bob").calls(ana.addr()).enter();
    let joined = ana.wait_where("joined", "nick", "bob@lan");
    assert_eq!(joined["addrs"][0], bob.addr().to_string());
    bob.say("hello");
    let committed = bob.wait_event("committed");
    let message = ana.wait_text("hello");
    for field in ["stamp", "author", "incarnation", "n", "digest"] {
        assert_eq!(message[field], committed[field], "{field}");
    }
    assert_eq!(
        Line::of(&message).incarnation,
        committed["epoch"].as_u64().unwrap()
    );
    assert_eq!(message["n"], committed["pseq"]);
    assert_eq!(message["from"], "bob@lan");
    assert_eq!(message["addr"], bob.addr().to_string());
    assert_eq!(message["kind"], "broadcast");
    assert_eq!(message["to"], serde_json::json!(["ALL"]));
    assert_eq!(
        (&message["late"], &message["history"]),
        (&false.into(), &false.into())
    );
    assert!(message["via"].is_null());
    // Both announce their clocks: sooner or later nothing can come before it.
    let stamp = message["stamp"].as_u64();
    ana.wait("the line to be final", |heard| {
        heard
            .of_type("final")
            .find(|event| event["upto"].as_u64() >= stamp)
            .cloned()
    });
    ana.say("/who");
    let users = ana.wait_event("users");
    assert_eq!(users["total"], 2, "{users}");
    bob.say("/conn");
    let links = bob.wait_event("conn");
    assert_eq!(links["outbound"][0]["nick"], "ana@lan", "{links}");
    assert_eq!(links["inbound"], serde_json::json!([]));
    ana.say("/conn");
    let links = ana.wait_event("conn");
    assert_eq!(links["inbound"][0]["nick"], "bob@lan", "{links}");
    ana.say("/coordinator");
    ana.wait_event("coordinator");
    ana.say("/rtt");
    ana.wait_event("rtt");
    ana.say(&format!("/trace {}", text(&message["digest"])));
    let trace = ana.wait_event("trace");
    assert_eq!(trace["message"]["text"], "hello");
    ana.say("and back");
    let back = Line::of(&ana.wait_event("committed")).stamp;
    ana.say(&format!("/why {} {back}", message["stamp"]));
    let why = ana.wait_event("why");
    assert_eq!(why["reason"], "seen", "ana had read it: {why}");
    ana.say("/find hell");
    let found = ana.wait_event("found");
    assert_eq!(found["hits"][0]["text"], "hello", "{found}");
    for peer in [&ana, &bob] {
        let heard = peer.transcript().heard();
        for line in &heard.out {
            assert_eq!(line.json["v"], 1, "{heard}");
            assert!(line.json["type"].is_string(), "{heard}");
        }
    }
}

#[test]
fn lines_for_people_say_who_where_and_for_whom() {
    let folder = Folder::new();
    let mut ana = start(&folder, "ana").start_plain();
    let listening = ana.wait("the address", |heard| {
        let line = heard.out.first()?;
        let line = String::from_utf8_lossy(&line.bytes).into_owned();
        Some(line.strip_prefix("listening on ")?.to_owned())
    });
    let bob = start(&folder, "bob").calls(listening.parse().unwrap());
    let bob = bob.enter();
    bob.say("hello");
    bob.say("MSG:ana:and you");
    let addr = bob.addr();
    ana.wait("both lines", |heard| {
        let lines: Vec<_> = heard.out.iter().map(|line| line.bytes.clone()).collect();
        let lines = lines.join(&b'\n');
        let lines = String::from_utf8_lossy(&lines).into_owned();
        let both = [
            format!("bob@lan ({addr}) -> all: hello"),
            format!("bob@lan ({addr}) -> you: and you"),
        ];
        both.iter().all(|line| lines.contains(line)).then_some(())
    });
    ana.say("hi");
    ana.wait("one's own line", |heard| {
        let own = |line: &&[u8]| line.ends_with(b"you -> all: hi");
        let mut lines = heard.out.iter().map(|line| line.bytes.as_slice());
        lines.find(own).map(drop)
    });
    bob.wait_text("hi");
    assert_eq!(ana.leave(), 0, "{}", ana.talk());
    assert!(ana.talk().contains("bob@lan"), "{}", ana.talk());
    let closing = "sent 1, committed 1, pending 0";
    assert!(ana.talk().contains(closing), "{}", ana.talk());
}

#[test]
fn what_cannot_be_done_is_said_in_words_and_nothing_is_sent() {
    let folder = Folder::new();
    let mut ana = start(&folder, "ana").args(&["--strict"]).enter();
    let bob = start(&folder, "bob").calls(ana.addr()).enter();
    ana.wait_where("joined", "nick", "bob@lan");
    for (line, code, part) in [
        ("/frobnicate", "unknown-command", "/help"),
        ("/nick eva", "no-server", "--name"),
        ("/queue", "no-server", "/conn"),
        ("MSG:bob", "malformed", "MSG:user:text"),
        ("MSG:bob:", "empty-text", "empty"),
        ("MSG:a b:x", "nick-invalid", "no name"),
        ("MSG:nobody:x", "unknown-user", "bob@lan"),
        ("MULTICAST:bob,nobody:x", "unknown-user", "nobody"),
        ("/unregister", "refused", "rendezvous"),
        ("/history 0", "malformed", "1 to"),
        ("/trace 99999", "refused", "99999"),
    ] {
        let before = ana.events("error").len();
        ana.say(line);
        let error = ana.wait_events("error", before + 1);
        assert_eq!(error["code"], code, "{line}: {error}");
        assert!(text(&error["text"]).contains(part), "{line}: {error}");
    }
    ana.say("end");
    bob.wait_text("end");
    assert_eq!(bob.events("message").len(), 1, "nothing else was sent");
    assert_eq!(ana.leave(), 6, "told so by --strict");
    let closed = ana.wait_event("closed");
    assert_eq!(closed["sent"], 1, "{closed}");
}

#[test]
fn a_file_of_settings_does_what_options_do() {
    let folder = Folder::new();
    let ana = start(&folder, "ana").enter();
    let file = folder.path().join("peer.toml");
    let settings = format!(
        "name = \"bob\"\nnamespace = \"lab\"\nlisten = \"127.0.0.1:0\"\npeer = [\"{}\"]\nping-every = 0.5\n\
         ping-within = 1.5\nlog = \"info\"\njson = true\n",
        ana.addr()
    );
    std::fs::write(&file, settings).unwrap();
    let args = ["--config", file.to_str().unwrap()];
    let mut bob = start(&folder, "bob").start_with(&args);
    bob.wait_where("connected", "as", "bob@lab");
    ana.wait_where("joined", "nick", "bob@lab");
    assert_eq!(bob.leave(), 0, "{}", bob.talk());
    std::fs::write(&file, "peers = [\"127.0.0.1:1\"]\n").unwrap();
    let mut bob = start(&folder, "bob").start_with(&args);
    assert_eq!(bob.process().wait_code(), 2);
    assert!(bob.talk().contains("did you mean peer?"), "{}", bob.talk());
}

#[test]
fn at_the_end_of_input_everything_is_passed_on_first() {
    let folder = Folder::new();
    let ana = start(&folder, "ana").enter();
    let mut bob = start(&folder, "bob").calls(ana.addr()).start();
    for number in 0..LINES_EACH {
        bob.say(&format!("line {number}"));
    }
    bob.say("MSG:ana:to you alone");
    assert_eq!(bob.leave(), 0, "{}", bob.talk());
    let closed = bob.wait_event("closed");
    let count = LINES_EACH as u64 + 1;
    for (field, expected) in [("sent", count), ("committed", count), ("pending", 0)] {
        assert_eq!(closed[field], expected, "{closed}");
    }
    ana.wait_text("to you alone");
    ana.wait_where("left", "nick", "bob@lan");
    assert_eq!(ana.history().len(), LINES_EACH + 1);
}

#[test]
fn alone_it_keeps_what_was_said_and_leaves() {
    let folder = Folder::new();
    let mut ana = start(&folder, "ana").start();
    ana.say("to whoever comes");
    assert_eq!(ana.leave(), 0, "{}", ana.talk());
    let closed = ana.wait_event("closed");
    assert_eq!(
        (&closed["committed"], &closed["pending"]),
        (&1.into(), &0.into()),
        "{closed}"
    );
    let ana = start(&folder, "ana").enter();
    assert_eq!(ana.history().len(), 1);
}

#[test]
fn peers_that_were_named_and_are_not_there_are_told() {
    let folder = Folder::new();
    let mut ana = start(&folder, "ana").calls(nobody()).start();
    ana.say("hello?");
    assert_eq!(ana.leave(), 3, "{}", ana.talk());
    assert!(
        ana.talk().contains("none of the peers named was reached"),
        "{}",
        ana.talk()
    );
}

#[test]
fn a_signal_ends_it_with_a_goodbye() {
    let folder = Folder::new();
    let ana = start(&folder, "ana").enter();
    for signal in [Signal::TERM, Signal::INT] {
        let stays = start(&folder, "bob").args(&["--stay"]).calls(ana.addr());
        let mut bob = stays.enter();
        bob.process().end_input();
        let before = ana.events("left").len();
        ana.say("still there?");
        bob.wait_events("message", 1);
        bob.process().signal(signal);
        assert_eq!(bob.process().wait_code(), 0, "{}", bob.talk());
        bob.wait_event("closed");
        ana.wait_events("left", before + 1);
    }
}

#[test]
fn one_process_at_a_time_has_a_folder() {
    let folder = Folder::new();
    let _ana = start(&folder, "ana").enter();
    let mut other = start(&folder, "ana").start();
    assert_eq!(other.process().wait_code(), 1, "{}", other.talk());
    assert!(!other.talk().is_empty());
}

#[test]
fn what_happens_stands_in_the_log_file() {
    let folder = Folder::new();
    let file = folder.path().join("logs/peer.log");
    let logs = ["--log-file", file.to_str().unwrap()];
    let mut ana = start(&folder, "ana").args(&logs).enter();
    let mut bob = start(&folder, "bob").calls(ana.addr()).enter();
    ana.say("MSG:bob:hello");
    bob.wait_text("hello");
    bob.say("and back");
    ana.wait_text("and back");
    assert_eq!(bob.leave(), 0, "{}", bob.talk());
    ana.wait_where("left", "nick", "bob@lan");
    ana.wait_event("link_down");
    assert_eq!(ana.leave(), 0, "{}", ana.talk());
    let lines = log::read(&file);
    let shown = log::shown(&lines);
    for (event, fields) in [
        ("started", &[][..]),
        ("connected", &[("nick", "bob@lan")]),
        (
            "produced",
            &[
                ("kind", "unicast"),
                ("from", "ana@lan"),
                ("to", "bob@lan"),
                ("bytes", "5"),
            ],
        ),
        (
            "produced",
            &[("kind", "broadcast"), ("from", "bob@lan"), ("to", "ALL")],
        ),
        ("consumed", &[("by", "ana@lan"), ("count", "1")]),
        ("disconnected", &[("nick", "bob@lan")]),
        ("stopped", &[]),
    ] {
        let fits = |line: &&log::LogLine| {
            line.event == event
                && fields
                    .iter()
                    .all(|(key, value)| line.fields.get(*key).map(String::as_str) == Some(*value))
        };
        assert!(
            lines.iter().any(|line| fits(&line)),
            "{event} {fields:?}\n{shown}"
        );
    }
    assert!(!shown.contains("and back"), "no texts unless asked for");
}
