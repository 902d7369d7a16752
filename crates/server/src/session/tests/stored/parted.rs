//! Long texts, which travel beside their messages where the link speaks the BULK lane.

use bytes::Bytes;
use lamparina_order::Action;
use lamparina_protocol::message::{PartedSubmit, TEXT_BYTES_MAX, TextName};

use super::*;
use crate::session::TEXTS_WAITING_BYTES_MAX;
use crate::testing::submit;

/// Ana's session, in, over a link that speaks the lane and has as much room there as is said.
fn live(room_bulk: usize) -> Stage {
    let mut stage = Stage::new();
    stage.tail = Tail::new(usize::MAX, 100);
    stage.order(vec![ask(9, enter("bob"))]);
    stage.bulk = true;
    stage.taker.room_bulk = room_bulk;
    stage.enter(&hello(1, 1));
    stage.lines();
    stage
}

impl Stage {
    fn bob_says_long(&mut self, bytes: usize) {
        self.said += 1;
        let text = self.said.to_string().repeat(bytes);
        let said = ask(9, say(self.said, Audience::All, &text));
        self.order(vec![said]);
    }

    fn text(&mut self, text: &str) {
        let body = Bytes::copy_from_slice(text.as_bytes());
        let kind = FrameType::Bulk;
        self.input(Input::Link(Event::Received { kind, body }));
    }

    /// A message whose text is `named`.
    fn parted(&mut self, pseq: u64, named: &str) {
        let parted = PartedSubmit {
            text: TextName::of(named.as_bytes()),
            rest: submit(pseq, Audience::All, ""),
        };
        self.give(FrameType::Data, &ToServer::SubmitParted(Box::new(parted)));
    }

    /// The texts of messages asked of the order.
    fn said(&mut self) -> Vec<String> {
        let asked = std::mem::take(&mut self.asked);
        let said = asked.into_iter().filter_map(|asked| match asked.ask {
            Ask::Entry(entry) => match entry.action {
                Action::Say(message) => Some(message.text),
                other => Some(format!("{other:?}")),
            },
            _ => None,
        });
        said.collect()
    }
}

#[test]
fn a_long_text_comes_beside_its_message_and_holds_nothing_up() {
    let mut stage = live(0);
    stage.bob_says(1);
    stage.bob_says_long(9_000);
    stage.bob_says(1);
    assert_eq!(stage.follow(), Followed::CaughtUp);
    let expected = [
        "1 bob: x (prev 0)",
        "2 bob: text of 9000 bytes (prev 1)",
        "3 bob: x (prev 2)",
    ];
    assert_eq!(stage.lines(), expected);
    // The text follows when there is room, and nothing need happen for that.
    stage.taker.room_bulk = 1;
    stage.follow();
    assert_eq!(stage.lines(), ["bulk 2222.. (9000 bytes)"]);
    stage.follow();
    assert_eq!(stage.lines(), [""; 0]);
}

#[test]
fn whoever_does_not_speak_the_lane_is_sent_whole_messages() {
    let mut stage = Stage::live(&hello(1, 1));
    stage.lines();
    stage.bob_says_long(9_000);
    stage.follow();
    assert_eq!(stage.lines(), ["1 bob: 1111.. (9000 bytes) (prev 0)"]);
}

#[test]
fn texts_that_wait_are_bounded() {
    let mut stage = live(0);
    let bytes = TEXT_BYTES_MAX / 2;
    for _ in 0..6 {
        stage.bob_says_long(bytes);
    }
    assert_eq!(stage.follow(), Followed::Full);
    assert_eq!(stage.lines().len(), TEXTS_WAITING_BYTES_MAX / bytes);
    // With room for each that is taken, nothing waits.
    stage.taker.room_bulk = usize::MAX;
    assert_eq!(stage.follow(), Followed::CaughtUp);
    let lines = stage.lines();
    let texts = lines.iter().filter(|line| line.starts_with("bulk"));
    assert_eq!((texts.count(), lines.len()), (6, 8), "{lines:?}");
}

#[test]
fn from_the_store_too() {
    let mut stage = Stage::new();
    (stage.bulk, stage.taker.room_bulk) = (true, usize::MAX);
    stage.enter(&hello(1, 1));
    stage.lines();
    stage.taker.room = 0;
    stage.bob_says_long(9_000);
    stage.bob_says(8);
    stage.follow();
    stage.taker.room = usize::MAX;
    stage.follow();
    stage.read_all();
    let lines = stage.lines();
    let expected = [
        "1 bob: text of 9000 bytes (prev 0)",
        "bulk 1111.. (9000 bytes)",
        "2 bob: x (prev 1)",
    ];
    assert_eq!(lines[..3], expected);
    assert_eq!(lines.len(), 10);
    stage.give(
        FrameType::Data,
        &ToServer::History {
            before: Lamport::new(2),
            count: 5,
        },
    );
    stage.follow();
    stage.read_all();
    let lines = stage.lines();
    let expected = [
        "history 1 bob: text of 9000 bytes",
        "bulk 1111.. (9000 bytes)",
    ];
    assert_eq!(lines[..2], expected);
}

#[test]
fn text_and_message_reach_the_order_together_in_either_order() {
    let mut stage = live(0);
    stage.parted(1, "one");
    stage.give(FrameType::ListRequest, &());
    assert_eq!(stage.said(), [""; 0]);
    stage.text("one");
    assert_eq!(stage.said(), ["one"]);
    stage.text("two");
    assert_eq!(stage.said(), [""; 0]);
    stage.parted(2, "two");
    assert_eq!(stage.said(), ["two"]);
    assert_eq!(stage.end(), "alive");
}

#[test]
fn what_does_not_fit_is_refused_and_settles_nothing() {
    let mut stage = live(0);
    stage.parted(1, "one");
    stage.text("another");
    assert_eq!(stage.said(), [""; 0]);
    stage.follow();
    assert_eq!(stage.lines(), ["refused 1: malformed"]);
    // No text at all: bytes that are none, under their right name.
    let parted = PartedSubmit {
        text: TextName::of(b"\xff\xff"),
        rest: submit(1, Audience::All, ""),
    };
    stage.give(FrameType::Data, &ToServer::SubmitParted(Box::new(parted)));
    let (kind, body) = (FrameType::Bulk, Bytes::from_static(b"\xff\xff"));
    stage.input(Input::Link(Event::Received { kind, body }));
    stage.follow();
    assert_eq!(stage.lines(), ["refused 1: malformed"]);
    stage.parted(1, "one");
    stage.text("one");
    assert_eq!(stage.said(), ["one"]);
}

#[test]
fn a_name_that_is_none_settles_the_message_when_its_text_has_come() {
    let mut stage = live(0);
    let parted = PartedSubmit {
        text: TextName::of(b"one"),
        rest: submit(1, Audience::Unicast(nick("bob")), ""),
    };
    let message = ToServer::SubmitParted(Box::new(parted));
    let mut body = codec::encode(&message).unwrap().to_vec();
    let at = body.windows(3).position(|bytes| bytes == b"bob").unwrap();
    body[at] = b' ';
    let (kind, body) = (FrameType::Data, Bytes::from(body));
    stage.input(Input::Link(Event::Received { kind, body }));
    assert_eq!(stage.said(), [""; 0]);
    stage.text("one");
    let said = stage.said();
    assert!(said[0].starts_with("Misaddressed"), "{said:?}");
    assert_eq!(stage.end(), "alive");
}

#[test]
fn one_text_comes_at_a_time_and_none_is_too_long() {
    for both in [
        |stage: &mut Stage| (0..2).for_each(|_| stage.text("one")),
        |stage: &mut Stage| (0..2).for_each(|_| stage.parted(1, "one")),
        |stage: &mut Stage| stage.text(&"x".repeat(TEXT_BYTES_MAX + 1)),
    ] {
        let mut stage = live(0);
        both(&mut stage);
        assert!(
            stage.end().starts_with("abort BadMessage"),
            "{}",
            stage.end()
        );
    }
}
