//! The light end against frames as a server writes them, and against a real link.

use bytes::Bytes;
use lamparina_protocol::control::{Ack, CloseCode};
use lamparina_protocol::link::{Event, Input, Link, LinkConfig, Output, Repair};
use lamparina_protocol::message::{Delivery, RefusalCode, ToClient, ToServer};
use lamparina_protocol::{Audience, Epoch, Instant, Lamport, MemberId, Prev, Pseq, UnixMicros};

use super::*;
use crate::histogram::Histogram;

const SIZE: usize = 40;

fn tally() -> Tally {
    Tally {
        now_ns: 3_000,
        text_bytes: SIZE,
        latency: Some(Histogram::default()),
        commits: Some(Histogram::default()),
    }
}

fn ours() -> Ours {
    let terms = Terms {
        version: 1,
        fragment_bytes: 8_180,
        window_frames: 4,
        window_bytes: 1 << 20,
        repair: Repair::SelectiveRepeat,
        message_bytes_max: 1 << 18,
        bulk: false,
    };
    Ours::new(0, terms, 1, SIZE)
}

fn nick(name: &str) -> Nick {
    Nick::try_from(name).unwrap()
}

fn mark(counter: u64) -> Mark {
    Mark {
        sent_ns: 1_000,
        author: 2,
        counter,
    }
}

fn delivery(stamp: u64, prev: u64) -> ToClient {
    let mut text = vec![0; SIZE];
    mark(stamp).write(&mut text);
    ToClient::Message(Delivery {
        stamp: Lamport::new(stamp),
        member: MemberId(2),
        from: nick("ana"),
        epoch: Epoch(1),
        pseq: Pseq(stamp),
        clock: Lamport::new(stamp),
        seen: Lamport::ZERO,
        sent_at: UnixMicros(0),
        audience: Audience::All,
        history: false,
        text: String::from_utf8(text).unwrap(),
        prev: Prev(Lamport::new(prev)),
    })
}

fn entered(resumed: u64) -> ToClient {
    ToClient::Entered {
        nick: nick("rui"),
        member: MemberId(1),
        clock: Lamport::new(resumed),
        settled: Pseq(0),
        resumed: Lamport::new(resumed),
        gap: false,
        newest: Lamport::new(resumed),
        rewound: false,
        same: Lamport::ZERO,
        left: 0,
    }
}

fn committed(pseq: u64, stamp: u64) -> ToClient {
    ToClient::Committed {
        epoch: Epoch(1),
        pseq: Pseq(pseq),
        stamp: Lamport::new(stamp),
    }
}

/// The frames of `messages`, the first at place `first`.
fn frames(first: u16, messages: &[ToClient]) -> BytesMut {
    let mut out = BytesMut::new();
    for (place, message) in messages.iter().enumerate() {
        let body = codec::encode(message).unwrap();
        let seq = Seq::new(first).plus(place as u16);
        put_frame(&mut out, FrameType::Data, seq, true, &body);
    }
    out
}

/// A fault whose words hold `words`.
#[track_caller]
fn check_fault(messages: &[ToClient], words: &str) {
    let mut ours = ours();
    let fault = ours.walk(&frames(0, messages), &mut tally()).unwrap_err();
    assert!(fault.to_string().contains(words), "{fault}");
}

#[test]
fn deliveries_are_counted_in_any_split_and_answered_by_one_ack() {
    let mut messages = vec![entered(250)];
    messages.extend((251..=450).map(|stamp| delivery(stamp, stamp - 1)));
    let bytes = frames(0, &messages);
    for step in [61, 1_000, bytes.len()] {
        let (mut ours, mut tally, mut kept) = (ours(), tally(), Vec::new());
        for chunk in bytes.chunks(step) {
            kept.extend_from_slice(chunk);
            let used = ours.walk(&kept, &mut tally).unwrap();
            kept.drain(..used);
        }
        assert!(ours.entered() && kept.is_empty());
        assert_eq!((ours.received(), ours.duplicates()), (200, 0));
        let latency = tally.latency.unwrap();
        assert_eq!((latency.total(), latency.quantile(1.0)), (4, 2_000));
        let (mut out, mut wanted) = (BytesMut::new(), BytesMut::new());
        assert!(
            !ours.answer(&mut out, false),
            "so many are acknowledged at once"
        );
        let ack = Ack {
            next: Seq::new(201),
            ranges: Vec::new(),
        };
        put_frame(
            &mut wanted,
            FrameType::Ack,
            Seq::FIRST,
            true,
            &ack.to_bytes(),
        );
        assert_eq!(out, wanted);
        ours.answer(&mut out, true);
        assert_eq!(out, wanted, "nothing more is owed");
    }
}

#[test]
fn what_breaks_the_order_is_a_fault() {
    check_fault(
        &[delivery(1, 0), delivery(3, 2)],
        "stamp 3 with prev 2 came after stamp 1",
    );
    check_fault(
        &[delivery(1, 0), delivery(1, 1)],
        "stamp 1 with prev 1 came after stamp 1",
    );
    check_fault(
        &[committed(1, 5), committed(3, 6)],
        "commit 3 came after commit 1",
    );
    let refused = ToClient::Refused {
        epoch: Epoch(1),
        pseq: Pseq(1),
        code: RefusalCode::Gap,
        text: "no".to_owned(),
    };
    check_fault(&[refused], "Gap");
}

#[test]
fn holes_damage_and_ends_are_faults_and_repeats_are_counted() {
    let mut ours = ours();
    let hole = ours.walk(&frames(2, &[entered(0)]), &mut tally());
    assert!(
        hole.unwrap_err()
            .to_string()
            .contains("2 frames are missing")
    );
    ours.walk(&frames(0, &[entered(0)]), &mut tally()).unwrap();
    ours.walk(&frames(0, &[entered(0)]), &mut tally()).unwrap();
    assert_eq!(ours.duplicates(), 1);
    let mut ack = BytesMut::new();
    assert!(
        ours.answer(&mut ack, false) && ack.is_empty(),
        "few wait for company"
    );
    assert!(!ours.answer(&mut ack, true) && !ack.is_empty());
    let mut damaged = frames(1, &[delivery(1, 0)]);
    damaged[30] ^= 1;
    assert!(ours.walk(&damaged, &mut tally()).is_err());
    let mut end = BytesMut::new();
    let words = Disconnect {
        code: CloseCode::TooSlow as u16,
        orderly: false,
        next: Seq::FIRST,
        text: "too slow".to_owned(),
    };
    put_frame(
        &mut end,
        FrameType::Disconnect,
        Seq::FIRST,
        true,
        &words.to_bytes(),
    );
    let fault = ours.walk(&end, &mut tally()).unwrap_err();
    assert!(fault.to_string().contains("code 17, too slow"), "{fault}");
}

#[test]
fn pings_are_answered_with_their_own_bytes() {
    let (mut ours, mut ping, mut out) = (ours(), BytesMut::new(), BytesMut::new());
    put_frame(&mut ping, FrameType::Ping, Seq::FIRST, true, b"12345678");
    ours.walk(&ping, &mut tally()).unwrap();
    assert!(!ours.answer(&mut out, false));
    let mut pong = BytesMut::new();
    put_frame(&mut pong, FrameType::Pong, Seq::FIRST, true, b"12345678");
    assert_eq!(out, pong);
}

#[test]
fn a_real_link_takes_what_is_sent_and_the_window_holds() {
    let mut server = open_server();
    let mut ours = Ours::new(0, server.terms().unwrap(), 1, SIZE);
    let (mut out, mut output) = (BytesMut::new(), Output::default());
    ours.put_nick(&mut out, nick("rui")).unwrap();
    for counter in 1..=3 {
        ours.put(&mut out, &To::All, mark(counter), SIZE);
    }
    assert_eq!((ours.room(), ours.unsettled()), (0, 3));
    let bytes = Input::Bytes(out.freeze());
    server.handle(Instant::ZERO, bytes, &mut output).unwrap();
    let said = output.events.iter().filter_map(|event| match event {
        Event::Received { kind, body } if *kind == FrameType::Data => codec::decode(body).ok(),
        _ => None,
    });
    let numbers = said.map(|message| match message {
        ToServer::Submit(submit) => (submit.pseq.0, submit.clock.get()),
        other => panic!("{other:?}"),
    });
    assert_eq!(numbers.collect::<Vec<_>>(), [(1, 1), (2, 2), (3, 3)]);
    // Its delayed acknowledgement opens the window again.
    let due = server.deadline().unwrap();
    server.handle(due, Input::Tick, &mut output).unwrap();
    ours.walk(&output.wire.concat(), &mut tally()).unwrap();
    assert_eq!(ours.room(), 4);
}

/// A responder that has shaken hands with an initiator whose window has four places.
fn open_server() -> Link {
    let now = Instant::ZERO;
    let config = LinkConfig {
        window_frames: 4,
        bulk: false,
        ..LinkConfig::default()
    };
    let mut client = Link::initiate(config, Bytes::new(), now);
    let mut server = Link::respond(LinkConfig::default(), now);
    let (mut up, mut down) = (Output::default(), Output::default());
    client.handle(now, Input::Tick, &mut up).unwrap();
    while server.terms().is_none() || !up.wire.is_empty() {
        for piece in up.wire.drain(..) {
            server.handle(now, Input::Bytes(piece), &mut down).unwrap();
        }
        if down
            .events
            .iter()
            .any(|event| matches!(event, Event::Asked { .. }))
        {
            let welcome = Bytes::new();
            server
                .handle(now, Input::Accept { welcome }, &mut down)
                .unwrap();
        }
        down.events.clear();
        for piece in down.wire.drain(..) {
            client.handle(now, Input::Bytes(piece), &mut up).unwrap();
        }
    }
    server
}
