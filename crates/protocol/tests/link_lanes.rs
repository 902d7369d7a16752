//! How the two lanes of a stream share what leaves: everything else before BULK, and of BULK a turn at
//! a time, none while what left before waits below.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use lamparina_protocol::Instant;
use lamparina_protocol::frame::{Decoded, FrameDecoder, FrameType};
use lamparina_protocol::link::{Event, Input, Link, LinkConfig, Outgoing, Output, SendError};

const NOW: Instant = Instant::from_millis(10);
const TURN_BYTES: usize = 16 * 1024;
const BIG_BYTES: usize = 300 * 1024;

fn give(link: &mut Link, input: Input) -> Output {
    let mut out = Output::default();
    link.handle(NOW, input, &mut out).unwrap();
    out
}

/// Two links that have opened, of which either may not speak BULK.
fn opened(bulk: [bool; 2]) -> [Link; 2] {
    let [ours, theirs] = bulk.map(|bulk| LinkConfig {
        bulk,
        ..LinkConfig::new(1)
    });
    let mut ours = Link::initiate(ours, Bytes::new(), NOW);
    let mut theirs = Link::respond(theirs, NOW);
    let syn = give(&mut ours, Input::Tick).wire.concat();
    give(&mut theirs, Input::Bytes(syn.into()));
    let welcome = Bytes::new();
    let syn_ack = give(&mut theirs, Input::Accept { welcome }).wire.concat();
    let third = give(&mut ours, Input::Bytes(syn_ack.into())).wire.concat();
    give(&mut theirs, Input::Bytes(third.into()));
    [ours, theirs]
}

fn message(kind: FrameType, bytes: usize) -> Outgoing {
    Outgoing::own(kind, Bytes::from(vec![7; bytes]))
}

fn flush(link: &mut Link) -> Vec<Bytes> {
    let mut out = Output::default();
    link.flush(NOW, &mut out);
    out.wire
}

/// The types of the frames in `wire`, and the bytes of those of BULK.
fn kinds(wire: &[Bytes]) -> (Vec<FrameType>, usize) {
    let mut decoder = FrameDecoder::default();
    decoder.push(wire.concat().into());
    let (mut kinds, mut bulk_bytes) = (Vec::new(), 0);
    while let Some(Decoded::Frame(frame)) = decoder.next().unwrap() {
        if frame.kind == FrameType::Bulk {
            bulk_bytes += frame.to_bytes().len();
        }
        kinds.push(frame.kind);
    }
    (kinds, bulk_bytes)
}

#[test]
fn a_call_gives_a_turn_of_bulk_and_all_else_before_it() {
    use FrameType::{Bulk, Data};
    let [mut link, _] = opened([true, true]);
    link.send(NOW, &message(Bulk, BIG_BYTES)).unwrap();
    link.send(NOW, &message(Data, 100)).unwrap();
    assert_eq!(kinds(&flush(&mut link)), (vec![Data, Bulk, Bulk], 16_384));
    assert!(link.has_bulk_to_leave() && !link.has_room_bulk() && link.has_room());
    // A big message of the DATA lane is not held up either, and leaves whole.
    link.send(NOW, &message(Data, 20_000)).unwrap();
    let expected = vec![Data, Data, Data, Bulk, Bulk];
    assert_eq!(kinds(&flush(&mut link)), (expected, 16_384));
    // Who only looks at deadlines gets it too.
    assert!(link.deadline().is_some_and(|at| at <= NOW));
    let turn = give(&mut link, Input::Tick).wire;
    assert_eq!(kinds(&turn), (vec![Bulk, Bulk], 16_384));
    let mut turns = 3;
    while link.has_bulk_to_leave() {
        assert!(kinds(&flush(&mut link)).1 <= TURN_BYTES);
        turns += 1;
    }
    assert_eq!(turns, BIG_BYTES.div_ceil(2 * 8_180));
    assert!(link.has_room_bulk() && !link.is_drained());
    assert_eq!(flush(&mut link).len(), 0);
}

#[test]
fn while_something_waits_below_no_bulk_leaves() {
    let [mut link, _] = opened([true, true]);
    link.send(NOW, &message(FrameType::Bulk, BIG_BYTES))
        .unwrap();
    link.set_blocked(true);
    assert!(!link.has_bulk_to_leave());
    assert_eq!(flush(&mut link).len(), 0);
    assert!(link.deadline().is_none_or(|at| at > NOW));
    link.send(NOW, &message(FrameType::Data, 10)).unwrap();
    assert_eq!(kinds(&flush(&mut link)), (vec![FrameType::Data], 0));
    link.set_blocked(false);
    assert!(link.has_bulk_to_leave());
    assert_eq!(kinds(&give(&mut link, Input::Tick).wire).1, TURN_BYTES);
}

#[test]
fn a_window_of_bulk_waits_for_its_own_acknowledgements_only() {
    let [mut ours, mut theirs] = opened([true, true]);
    let mut sent = 0;
    while ours.has_room_bulk() {
        ours.send(NOW, &message(FrameType::Bulk, BIG_BYTES))
            .unwrap();
        while ours.has_bulk_to_leave() {
            sent += kinds(&flush(&mut ours)).1;
        }
    }
    let window = ours.terms().unwrap().window_bytes as usize;
    assert!((window - 8_192..=window).contains(&sent), "{sent}");
    let stats = ours.stats();
    assert_eq!(
        (stats.bulk_in_flight_bytes as usize, stats.in_flight_bytes),
        (sent, 0)
    );
    // The other lane is as free as ever, and is what says goodbye's place.
    assert!(ours.has_room());
    ours.send(NOW, &message(FrameType::Data, 10)).unwrap();
    let wire = flush(&mut ours).concat();
    let heard = give(&mut theirs, Input::Bytes(wire.into())).events;
    let body = Bytes::from(vec![7; 10]);
    let kind = FrameType::Data;
    assert_eq!(heard, [Event::Received { kind, body }]);
}

#[test]
fn who_does_not_speak_bulk_is_sent_none() {
    for bulk in [[true, false], [false, true], [false, false]] {
        for mut link in opened(bulk) {
            assert!(!link.terms().unwrap().bulk && !link.has_room_bulk());
            let sent = link.send(NOW, &message(FrameType::Bulk, 10));
            assert_eq!(sent, Err(SendError::NotSpoken));
            assert_eq!(flush(&mut link).len(), 0);
        }
    }
    let [mut link, _] = opened([true, true]);
    assert!(link.terms().unwrap().bulk && link.has_room_bulk());
    let sent = link.send(NOW, &message(FrameType::Bulk, 400_000));
    assert_eq!(sent, Err(SendError::TooLong));
}
