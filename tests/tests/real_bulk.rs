//! Long texts, which travel beside their messages: in order between small ones, once, and also where a
//! client is killed while one is half on its way.

use lamparina_protocol::message::TEXT_BYTES_MAX;
use lamparina_tests::real::order::{assert_committed_as_delivered, assert_one_order};
use lamparina_tests::real::proxy::Proxy;
use lamparina_tests::real::{Client, Server};

/// Where the way ends: behind a handshake and some of a long text, and far before its end.
const HALF_WAY_BYTES: usize = TEXT_BYTES_MAX / 2;

fn long(mark: char) -> String {
    let line = format!("{mark} is said at length. ");
    let mut text = line.repeat(TEXT_BYTES_MAX / line.len() + 1);
    text.truncate(TEXT_BYTES_MAX);
    text
}

/// Whether these texts are those, told in few words where they are not.
#[track_caller]
fn assert_texts(texts: &[String], expected: &[&str]) {
    let short = |text: &str| format!("{:.9} ({} bytes)", text, text.len());
    let (got, wanted): (Vec<_>, Vec<_>) = (
        texts.iter().map(|text| short(text)).collect(),
        expected.iter().map(|text| short(text)).collect(),
    );
    assert_eq!(got, wanted);
    assert!(texts == expected, "a text came changed");
}

/// Waits until so many lines of one's own are on disk.
fn wait_queued(client: &Client, count: usize) {
    client.wait_events("queued", count);
}

#[test]
fn long_texts_between_small_ones_keep_their_places() {
    let server = Server::start();
    let [ana, bob, carla] = ["ana", "bob", "carla"].map(|nick| server.enter(nick));
    let (a, b) = (long('a'), long('b'));
    for text in ["one", &a, "two", &b, "three"] {
        ana.say(&format!("BROADCAST:ALL:{text}"));
    }
    bob.say("and bob");
    let expected = ["one", &a, "two", &b, "three"];
    for reader in [&bob, &carla] {
        let texts = reader.wait("all of ana's", |heard| {
            let ana = heard.messages().filter(|message| message["from"] == "ana");
            let texts: Vec<String> = ana
                .map(|message| message["text"].as_str().unwrap_or_default().to_owned())
                .collect();
            (texts.len() == expected.len()).then_some(texts)
        });
        assert_texts(&texts, &expected);
    }
    carla.wait_texts(expected.len() + 1);
    ana.wait_events("committed", expected.len());
    assert_one_order(&[&bob, &carla]);
    assert_committed_as_delivered(&ana, &bob);
}

#[test]
fn a_reader_killed_half_way_through_a_text_gets_it_whole_when_it_is_back() {
    let server = Server::start();
    let proxy = Proxy::holding_down(server.addr(), HALF_WAY_BYTES);
    let ana = server.enter("ana");
    let mut bob = server.client("bob").through(proxy.addr()).enter();
    ana.wait_event("joined");
    let text = long('a');
    for text in ["one", &text, "two", "three"] {
        ana.say(&format!("MSG:bob:{text}"));
    }
    bob.wait_text("one");
    ana.wait_events("committed", 4);
    proxy.wait_held(1);
    // What is behind the text came before its end, and is not shown before it.
    assert_texts(&bob.wait_texts(1), &["one"]);
    bob.process().kill();

    let bob = server.enter("bob");
    bob.wait_text("three");
    let texts = bob.wait_texts(3);
    let shown_again = texts.len() - 3;
    assert_texts(&texts[shown_again..], &[&text, "two", "three"]);
    // The place is kept at most 100 ms after a line is written.
    assert!(shown_again == 0 || texts[0] == "one");
}

#[test]
fn an_author_killed_half_way_through_a_text_says_it_once() {
    let server = Server::start();
    let proxy = Proxy::holding_up(server.addr(), HALF_WAY_BYTES);
    let bob = server.enter("bob");
    let mut ana = server.client("ana").through(proxy.addr()).enter();
    let text = long('a');
    for text in ["one", &text, "two"] {
        ana.say(&format!("MSG:bob:{text}"));
    }
    wait_queued(&ana, 3);
    proxy.wait_held(1);
    assert_texts(&bob.wait_texts(1), &["one"]);
    ana.process().kill();

    let mut ana = server.enter("ana");
    ana.say("MSG:bob:three");
    assert_texts(&bob.wait_texts(4), &["one", &text, "two", "three"]);
    assert_eq!(ana.leave(), 0);
    assert_one_order(&[&bob]);
}

#[test]
fn a_connection_cut_half_way_loses_and_doubles_nothing() {
    let server = Server::start();
    let down = Proxy::holding_down(server.addr(), HALF_WAY_BYTES);
    let ana = server.enter("ana");
    let mut bob = server.client("bob").through(down.addr()).enter();
    ana.wait_event("joined");
    let text = long('a');
    for text in ["one", &text, "two"] {
        ana.say(&format!("MSG:bob:{text}"));
    }
    down.wait_held(1);
    // Each connection carries half: it comes again and again, and is never shown in part.
    down.cut();
    bob.wait_event("disconnected");
    down.wait_held(2);
    assert_texts(&bob.wait_texts(1), &["one"]);
    bob.process().kill();
    let bob = server.enter("bob");
    bob.wait_text("two");
    let texts = bob.wait_texts(2);
    assert_texts(&texts[texts.len() - 2..], &[&text, "two"]);
}
