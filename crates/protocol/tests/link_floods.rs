//! A peer that asks without reading, or asks for everything at once, cannot make a link queue or
//! work without bound.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::{Bytes, BytesMut};
use lamparina_protocol::Instant;
use lamparina_protocol::frame::{FrameType, HEADER_BYTES, Seq, put_frame};
use lamparina_protocol::link::{Input, Link, LinkConfig, Outgoing, Output, Repair};

const FRAMES: u16 = 1_000;
const BODY_BYTES: usize = 100;
const WINDOW: usize = FRAMES as usize * (BODY_BYTES + HEADER_BYTES);

fn give(link: &mut Link, at_ms: u64, input: Input) -> usize {
    let mut out = Output::default();
    link.handle(Instant::from_millis(at_ms), input, &mut out)
        .unwrap();
    out.wire.iter().map(Bytes::len).sum()
}

/// An open responder with `FRAMES` frames in flight; the time is 20 ms.
fn loaded(repair: Repair) -> Link {
    let ours = LinkConfig {
        repair,
        ..LinkConfig::new(1)
    };
    let mut peer = Link::initiate(ours, Bytes::new(), Instant::ZERO);
    let mut link = Link::respond(LinkConfig::new(2), Instant::ZERO);
    let carry = |from: &mut Link, to: &mut Link, input: Input, at_ms: u64| {
        let mut out = Output::default();
        from.handle(Instant::from_millis(at_ms), input, &mut out)
            .unwrap();
        for piece in out.wire {
            give(to, at_ms, Input::Bytes(piece));
        }
    };
    carry(&mut peer, &mut link, Input::Tick, 0);
    let welcome = Input::Accept {
        welcome: Bytes::new(),
    };
    let mut out = Output::default();
    link.handle(Instant::ZERO, welcome, &mut out).unwrap();
    let mut answer = Output::default();
    for piece in out.wire {
        peer.handle(Instant::from_millis(20), Input::Bytes(piece), &mut answer)
            .unwrap();
    }
    for piece in answer.wire {
        give(&mut link, 20, Input::Bytes(piece));
    }
    let message = Outgoing::own(FrameType::Data, Bytes::from(vec![7; BODY_BYTES]));
    for _ in 0..FRAMES {
        link.send(Instant::from_millis(20), &message).unwrap();
    }
    link.flush(Instant::from_millis(20), &mut Output::default());
    link
}

/// `count` NACKs of everything in flight, or other control frames, in one piece.
fn flood(kind: FrameType, payload: &[u8], count: usize) -> Input {
    let mut out = BytesMut::new();
    (0..count).for_each(|_| put_frame(&mut out, kind, Seq::FIRST, true, payload));
    Input::Bytes(out.freeze())
}

fn all() -> [u8; 4] {
    let [high, low] = FRAMES.to_be_bytes();
    [0, 0, high, low]
}

#[test]
fn who_does_not_read_is_sent_nothing_again() {
    for repair in [Repair::SelectiveRepeat, Repair::GoBackN] {
        let mut link = loaded(repair);
        link.set_blocked(true);
        let mut bytes = 0;
        // A NACK and a PING every 20 ms, and every time-out of a minute.
        for at_ms in (40..60_000).step_by(20) {
            bytes += give(&mut link, at_ms, flood(FrameType::Nack, &all(), 1));
            bytes += give(&mut link, at_ms, flood(FrameType::Ping, &[1; 8], 1));
        }
        assert_eq!(bytes, 0, "{repair:?}");
        assert!(link.stats().timeouts > 5);
        // Once the way is free, the newest PING is answered and repairs go on.
        link.set_blocked(false);
        assert_eq!(give(&mut link, 60_000, Input::Tick), HEADER_BYTES + 8);
        let again = give(&mut link, 60_020, flood(FrameType::Nack, &all(), 1));
        assert!(again >= WINDOW, "{repair:?}: {again}");
    }
}

#[test]
fn a_blocked_link_is_not_due_at_once() {
    let mut link = loaded(Repair::SelectiveRepeat);
    link.set_blocked(true);
    let mut data = BytesMut::new();
    put_frame(&mut data, FrameType::Data, Seq::new(0), true, b"x");
    put_frame(&mut data, FrameType::Data, Seq::new(2), true, b"x");
    // An ACK and a NACK are owed and have to wait.
    assert_eq!(give(&mut link, 30, Input::Bytes(data.freeze())), 0);
    assert!(
        link.deadline()
            .is_some_and(|at| at > Instant::from_millis(100))
    );
    link.set_blocked(false);
    assert!(give(&mut link, 31, Input::Tick) > 2 * HEADER_BYTES);
}

#[test]
fn a_thousand_requests_in_one_piece_are_a_few() {
    let mut link = loaded(Repair::SelectiveRepeat);
    assert_eq!(
        give(&mut link, 40, flood(FrameType::Ping, &[9; 8], 1_000)),
        HEADER_BYTES + 8
    );
    // The frames sent again for the first NACK are too young for the others.
    let again = give(&mut link, 60, flood(FrameType::Nack, &all(), 1_000));
    assert!((WINDOW..2 * WINDOW).contains(&again), "{again}");
}

#[test]
fn of_a_thousand_acks_the_newest_counts() {
    let mut link = loaded(Repair::SelectiveRepeat);
    let ack = |next: u16, start: u16| {
        let [n0, n1] = next.to_be_bytes();
        let [s0, s1] = start.to_be_bytes();
        [n0, n1, s0, s1, 0, 5]
    };
    let mut out = BytesMut::new();
    for place in 0..500 {
        put_frame(
            &mut out,
            FrameType::Ack,
            Seq::FIRST,
            true,
            &ack(place, place + 10),
        );
    }
    give(&mut link, 40, Input::Bytes(out.freeze()));
    assert_eq!(link.stats().in_flight_frames, u32::from(FRAMES) - 499);
    // What the newest names as early is not sent again, and nothing else is left out.
    let again = give(&mut link, 60, flood(FrameType::Nack, &all(), 1));
    assert_eq!(
        again,
        (usize::from(FRAMES) - 499 - 5) * (BODY_BYTES + HEADER_BYTES)
    );
}
