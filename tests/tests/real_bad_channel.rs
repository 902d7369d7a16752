//! Clients behind a bad channel: over TCP too, the window repairs what the channel breaks.

use lamparina_tests::real::order::{assert_committed_as_delivered, assert_one_order};
use lamparina_tests::real::{Client, Server};

/// The channel of both clients, in both directions.
const BAD: &str = "loss=20%,corrupt=1%,dup=2%,delay=10ms,jitter=5ms,reorder=5%,seed=7";
/// Messages each way.
const MESSAGES: usize = 200;
/// The same where everything after a hole goes again, which takes its time.
const MESSAGES_BACK: usize = 40;

#[test]
fn a_bad_channel_loses_doubles_and_reorders_nothing() {
    talk_both_ways(&[], MESSAGES);
}

#[test]
fn a_bad_channel_is_repaired_by_going_back_too() {
    talk_both_ways(&["--repair", "gbn"], MESSAGES_BACK);
}

#[test]
fn a_small_window_of_small_frames_repairs_a_large_message() {
    let server = Server::start();
    let bob = server.enter("bob");
    let start = server
        .client("ana")
        .arg("--impair")
        .arg("loss=5%,dup=5%,seed=3");
    let ana = start
        .arg("--window")
        .arg("8")
        .arg("--fragment")
        .arg("512")
        .enter();
    let text = "0123456789abcdef".repeat(2_048);
    ana.say(&format!("MSG:bob:{text}"));
    assert!(bob.wait_texts(1) == [text], "it came changed");
}

fn talk_both_ways(args: &[&str], messages: usize) {
    let server = Server::start();
    let [mut ana, mut bob] = ["ana", "bob"].map(|nick| {
        let start = server.client(nick).arg("--impair").arg(BAD);
        let start = args.iter().fold(start, |start, arg| start.arg(arg));
        start.enter()
    });
    ana.wait_event("joined");
    for number in 0..messages {
        ana.say(&format!("ana {number}"));
        bob.say(&format!("bob {number}"));
    }
    assert_numbered("bob", messages, &ana);
    assert_numbered("ana", messages, &bob);
    for person in [&ana, &bob] {
        person.wait_events("committed", messages);
        assert!(
            person.events("disconnected").is_empty(),
            "the link itself held"
        );
    }
    assert_one_order(&[&ana, &bob]);
    assert_committed_as_delivered(&ana, &bob);
    assert_committed_as_delivered(&bob, &ana);
    assert_eq!((ana.leave(), bob.leave()), (0, 0));
    // Nothing came a second time until the end.
    assert_eq!(ana.events("message").len(), messages);
    assert_eq!(bob.events("message").len(), messages);
}

#[track_caller]
fn assert_numbered(from: &str, messages: usize, at: &Client) {
    let expected: Vec<String> = (0..messages)
        .map(|number| format!("{from} {number}"))
        .collect();
    assert_eq!(at.wait_texts(messages), expected);
}

#[test]
fn a_server_in_the_lab_makes_a_channel_bad_for_who_asks() {
    let server = Server::start_with(&["--lab"]);
    let [ana, bob] = ["ana", "bob"].map(|nick| server.enter(nick));
    ana.say("/channel loss=30%,dup=10%,seed=5");
    let settings = ana.wait_event("channel");
    let spec = settings["spec"].as_str().unwrap_or_default();
    assert!(spec.contains("loss=30%"), "{settings}");
    for number in 0..MESSAGES {
        bob.say(&format!("bob {number}"));
        ana.say(&format!("ana {number}"));
    }
    assert_numbered("bob", MESSAGES, &ana);
    assert_numbered("ana", MESSAGES, &bob);
    ana.say("/channel nonsense=1");
    ana.wait_event("error");
    assert_one_order(&[&ana, &bob]);
}

#[test]
fn any_other_server_refuses_to_make_a_channel_bad() {
    let server = Server::start();
    let [ana, bob] = ["ana", "bob"].map(|nick| server.enter(nick));
    ana.say("/channel loss=30%");
    let error = ana.wait_event("error");
    assert_eq!(error["code"], "not-allowed", "{error}");
    assert!(
        error["text"]
            .as_str()
            .is_some_and(|text| text.contains("--lab")),
        "{error}"
    );
    ana.say("goes on");
    bob.wait_text("goes on");
}
