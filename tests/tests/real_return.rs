//! Coming in and coming back: the clock first, then what was said; then what was missed, between
//! two marks; then only what is new.

use lamparina_tests::real::order::number;
use lamparina_tests::real::{Client, Server};
use serde_json::Value;

/// Everything that a client was told so far but presence and receipts, as short words, in order.
fn told(client: &Client) -> Vec<String> {
    let heard = client.transcript().heard();
    let words = |event: &Value| {
        let kind = event["type"].as_str().unwrap_or_default();
        Some(match kind {
            "message" if event["history"] == true => format!("earlier {}", event["text"]),
            "message" => format!("{}", event["text"]),
            "connected" => format!("connected at {}", event["stamp"]),
            "catch_up" => format!("missed {} to {}", event["from"], event["to"]),
            "caught_up" => format!("caught up {}", event["count"]),
            "history" => format!("history {}", event["count"]),
            _ => return None,
        })
    };
    let lines = heard.out.iter().map(|line| &line.json);
    lines.filter_map(words).collect()
}

#[test]
fn the_clock_then_history_then_what_was_missed_then_what_is_new() {
    let server = Server::start();
    let ana = server.enter("ana");
    ana.say("before");
    let stamp = number(&ana.wait_event("committed"), "stamp");
    let mut bob = server.enter("bob");
    bob.wait_event("history");
    let first = [
        format!("connected at {stamp}"),
        "earlier \"before\"".to_owned(),
        "history 1".to_owned(),
    ];
    assert_eq!(told(&bob), first, "a newcomer");
    bob.say("hello");
    let own = number(&bob.wait_event("committed"), "stamp");
    assert_eq!(bob.leave(), 0);

    ana.wait_text("hello");
    for text in ["MSG:bob:one", "to all"] {
        ana.say(text);
    }
    let to = number(&ana.wait_events("committed", 3), "stamp");
    let mut bob = server.enter("bob");
    bob.wait_event("caught_up");
    ana.say("new");
    bob.wait_text("new");
    let back = [
        format!("connected at {to}"),
        format!("missed 0 to {to}"),
        "\"one\"".to_owned(),
        "\"to all\"".to_owned(),
        "caught up 2".to_owned(),
        "\"new\"".to_owned(),
    ];
    assert!(to > own);
    assert_eq!(told(&bob), back, "who was away");
    assert_eq!(bob.leave(), 0);

    // The place read is kept: nothing of it comes again.
    let last = number(&ana.wait_events("committed", 4), "stamp");
    let bob = server.enter("bob");
    ana.say("newer");
    bob.wait_text("newer");
    assert_eq!(
        told(&bob),
        [format!("connected at {last}"), "\"newer\"".to_owned()]
    );
}
