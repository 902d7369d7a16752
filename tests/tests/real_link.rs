//! The link meter, with real processes: what `/link` and `--watch-link` tell programs, over both carriers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::TcpListener;

use lamparina_tests::real::client::ClientStart;
use lamparina_tests::real::{Client, Folder, Server, wait_for};
use serde_json::Value;

const WORDS: [&str; 5] = ["excellent", "good", "fair", "poor", "silent"];

/// Asks how the link is.
fn link(client: &Client) -> Value {
    let asked = client.events("link").len();
    client.say("/link");
    client.wait_events("link", asked + 1)
}

/// The same, once something is measured that comes with the first acknowledgements.
#[track_caller]
fn link_with(client: &Client, field: &str) -> Value {
    wait_for(field, || {
        let link = link(client);
        (!link[field].is_null()).then_some(link)
    })
}

/// What holds of every open link.
#[track_caller]
fn check(link: &Value, server: &Server, carrier: &str) {
    let number = |value: &Value| {
        value
            .as_u64()
            .unwrap_or_else(|| panic!("{value} in {link}"))
    };
    assert!(WORDS.contains(&link["word"].as_str().unwrap()), "{link}");
    assert_eq!(link["carrier"], carrier, "{link}");
    assert_eq!(link["peer"], server.addr().to_string(), "{link}");
    assert_eq!(link["sealed"], true, "{link}");
    // Over loopback; a machine that is busy takes its time.
    assert!((1..10_000_000).contains(&number(&link["rtt_us"])), "{link}");
    let window = &link["window"];
    // As asked for below.
    assert_eq!(number(&window["frames_max"]), 32, "{link}");
    assert!(number(&window["frames"]) <= 32, "{link}");
    assert!(
        number(&window["bytes"]) <= number(&window["bytes_max"]),
        "{link}"
    );
    for counts in [&link["frames"], &link["bytes"]] {
        assert!(
            number(&counts["sent"]) > 0 && number(&counts["received"]) > 0,
            "{link}"
        );
    }
}

#[test]
fn a_link_over_tcp_is_told_in_numbers_and_what_is_not_measured_is_null() {
    let server = Server::start();
    let ana = server.client("ana").arg("--window=32").enter();
    ana.say("hello");
    ana.wait_event("committed");
    let link = link_with(&ana, "rtt_us");
    check(&link, &server, "tcp");
    assert_eq!(link["kernel"]["nodelay"], true, "{link}");
    assert_eq!(link["window"]["repair"], "sr", "{link}");
    for absent in [
        "loss_out",
        "loss_in",
        "copies",
        "packets",
        "phase",
        "rate_bytes_per_s",
        "rtt_min_us",
        "channel",
    ] {
        assert!(link[absent].is_null(), "{absent}: {link}");
    }
}

#[test]
fn a_link_over_udp_tells_what_datagrams_do() {
    let server = Server::start_udp(&[]);
    let ana = server.client("ana").over_udp().arg("--window=32").enter();
    ana.say("hello");
    ana.wait_event("committed");
    let link = link_with(&ana, "rtt_us");
    check(&link, &server, "udp");
    assert!(link["packets"]["sent"].as_u64().unwrap() > 0, "{link}");
    assert!(link["packets"]["received"].as_u64().unwrap() > 0, "{link}");
    assert!(
        link["copies"].is_u64() && link["congestion_bytes"].is_u64(),
        "{link}"
    );
    assert!(link["phase"].is_string(), "{link}");
    assert!(link["kernel"].is_null(), "{link}");
}

#[test]
fn a_line_that_loses_a_fifth_is_not_called_good() {
    let server = Server::start_udp(&["--rate", "0"]);
    let ana = server.client("ana").over_udp();
    let ana = ana
        .arg("--impair=loss=20%,seed=7")
        .arg("--window=32")
        .enter();
    let (mut said, mut lossy) = (0, Value::Null);
    wait_for("loss measured", || {
        for _ in 0..50 {
            said += 1;
            ana.say(&format!("{said}"));
        }
        ana.wait_events("committed", said);
        lossy = link_with(&ana, "loss_out");
        // A tenth at least, both ways: what is counted wavers around a fifth.
        let loses = |way: &str| lossy[way].as_f64().is_some_and(|share| share > 0.1);
        // Of fewer it is too early to say.
        let enough = |way: &str| lossy["packets"][way].as_u64().unwrap() >= 50;
        (loses("loss_out") && loses("loss_in") && enough("sent") && enough("received"))
            .then_some(())
    });
    check(&lossy, &server, "udp");
    assert!(
        ["fair", "poor"].contains(&lossy["word"].as_str().unwrap()),
        "{lossy}"
    );
    let again = lossy["repaired"].as_u64().unwrap() + lossy["copies"].as_u64().unwrap();
    assert!(again > 0, "{lossy}");
    assert!(lossy["packets"]["lost"].as_u64().unwrap() > 0, "{lossy}");
    assert!(
        lossy["channel"].as_str().unwrap().contains("loss=20%"),
        "{lossy}"
    );
}

#[test]
fn without_a_connection_the_word_is_silent_and_nothing_is_made_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let folder = Folder::new();
    let ana = ClientStart::new(&folder.within("x"), nobody).name("ana");
    let ana = ana.arg("--retry").start();
    let link = link(&ana);
    assert_eq!(link["word"], "silent", "{link}");
    let measures = link.as_object().unwrap().iter();
    let known = |key: &str| ["v", "type", "word", "state"].contains(&key);
    for (key, value) in measures.filter(|(key, _)| !known(key)) {
        assert!(value.is_null(), "{key}: {link}");
    }
}

#[test]
fn who_watches_gets_an_event_each_time_and_the_conversation_goes_on() {
    let server = Server::start();
    let mut ana = server.client("ana").arg("--watch-link=0.05").enter();
    let bob = server.enter("bob");
    ana.wait_events("link", 3);
    bob.say("hello");
    ana.wait_text("hello");
    ana.say("and you");
    bob.wait_text("and you");
    let told = ana.events("link").len();
    ana.wait_events("link", told + 2);
    assert_eq!(ana.leave(), 0);
    assert_eq!(ana.wait_event("closed")["committed"], 1);
}

#[test]
fn people_are_told_in_words_and_a_picture_needs_a_terminal() {
    let server = Server::start();
    let ana = server.client("ana").start_plain();
    ana.say("/link");
    let told = ana.wait("the kernel's part", |heard| {
        let told = heard.err.iter().any(|line| line.contains("kernel  "));
        told.then(|| heard.err.join("\n"))
    });
    assert!(
        told.contains(&format!("tcp to {}, sealed", server.addr())),
        "{told}"
    );
    assert!(
        told.contains("round trip") && told.contains("window"),
        "{told}"
    );
    let mut bob = server.client("bob").arg("--watch-link").start_plain();
    assert_eq!(bob.process().wait_code(), 2);
    assert!(bob.talk().contains("--json"), "{}", bob.talk());
}
