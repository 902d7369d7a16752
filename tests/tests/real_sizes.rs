//! Large messages and many equal ones.

use lamparina_protocol::message::TEXT_BYTES_MAX;
use lamparina_tests::real::Server;
use lamparina_tests::real::order::{assert_committed_as_delivered, assert_one_order};

/// Lines that differ in nothing but their number.
const EQUAL_LINES: usize = 1_000;

/// A text of `bytes` bytes in which no part repeats soon.
fn text_of(bytes: usize) -> String {
    let mut text: String = (0..)
        .map(|n: u32| format!("{n} "))
        .take(bytes / 2)
        .collect();
    text.truncate(bytes - 1);
    text + "."
}

#[test]
fn a_message_of_256_kib_arrives_whole() {
    let server = Server::start();
    let [ana, bob] = ["ana", "bob"].map(|nick| server.enter(nick));
    let text = text_of(TEXT_BYTES_MAX);
    ana.say(&format!("MSG:bob:{text}"));
    let came = bob.wait_texts(1);
    assert_eq!(came[0].len(), text.len());
    assert!(came[0] == text, "it came changed");
    ana.wait_event("committed");
}

#[test]
fn one_byte_more_is_refused_in_words_and_what_follows_goes() {
    let server = Server::start();
    let mut ana = server.enter("ana");
    let bob = server.enter("bob");
    ana.say(&format!("MSG:bob:{}", text_of(TEXT_BYTES_MAX + 1)));
    let error = ana.wait_event("error");
    assert_eq!(error["code"], "too-long", "{error}");
    assert!(
        !error["text"].as_str().unwrap_or_default().is_empty(),
        "{error}"
    );
    ana.say(&text_of(TEXT_BYTES_MAX + 1));
    ana.say("short");
    assert_eq!(bob.wait_texts(1), ["short"]);
    assert_eq!(ana.leave(), 0);
    assert_eq!(ana.events("error").len(), 2);
}

#[test]
fn a_thousand_equal_lines_are_a_thousand_messages() {
    let server = Server::start();
    let bob = server.enter("bob");
    let mut ana = server.client("ana").start();
    ana.write("same\n".repeat(EQUAL_LINES).as_bytes());
    assert_eq!(ana.leave(), 0);
    let closed = ana.wait_event("closed");
    let counts = ["sent", "committed", "pending"].map(|key| closed[key].as_u64());
    assert_eq!(counts, [Some(1_000), Some(1_000), Some(0)], "{closed}");

    let carla = server.enter("carla");
    carla.say("MSG:bob:last");
    bob.wait_text("last");
    let texts = bob.wait_texts(EQUAL_LINES + 1);
    assert_eq!(texts.len(), EQUAL_LINES + 1);
    assert!(texts[..EQUAL_LINES].iter().all(|text| text == "same"));
    assert_one_order(&[&bob]);
    let mut from_ana = bob.events("message");
    from_ana.retain(|message| message["from"] == "ana");
    assert_eq!(from_ana.len(), EQUAL_LINES);
    drop(carla);
    bob.transcript()
        .heard()
        .out
        .retain(|line| line.json["from"] != "carla");
    assert_committed_as_delivered(&ana, &bob);
}
