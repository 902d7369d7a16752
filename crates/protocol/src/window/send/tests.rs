//! Acknowledgements, samples, repetitions and what is kept, as tables.

use super::*;
use crate::frame::{Decoded, FrameDecoder};

/// A window with `base` as its first place and `count` frames in flight, each with one byte of
/// body, which is its number; two share a buffer.
fn window(base: u16, count: u16) -> SendWindow {
    let mut window = SendWindow::new(64, 1_000);
    window.base = Seq::new(base);
    let mut buffer = Bytes::new();
    for place in 0..count {
        let own = usize::from(place % 2);
        if own == 0 {
            buffer = Bytes::from(vec![place as u8, place as u8 + 1]);
        }
        let body = SharedBody::within(&buffer, own..own + 1);
        push(&mut window, u32::from(place).wrapping_sub(3), &body);
    }
    window.seal();
    window
}

fn push(window: &mut SendWindow, position: u32, body: &SharedBody) {
    let piece = Piece {
        kind: FrameType::Data,
        body,
        stretch: 0..body.bytes().len(),
        crc: body.crc(),
        tail: &[],
        last: true,
    };
    window.push(Instant::ZERO, position, &piece);
}

/// Sends the first `limit` frames again.
fn resend_first(window: &mut SendWindow, now: Instant, limit: usize) -> Vec<Bytes> {
    let mut wire = Vec::new();
    window.want_first(now, limit);
    window.resend_wanted(now, usize::MAX, &mut wire);
    wire
}

/// The bodies of the frames in `wire`, all of them undamaged.
fn bodies(wire: &[Bytes]) -> Vec<u8> {
    let mut decoder = FrameDecoder::default();
    decoder.push(wire.concat().into());
    let mut bodies = Vec::new();
    while let Some(decoded) = decoder.next().unwrap() {
        let Decoded::Frame(frame) = decoded else {
            panic!("sent again, it is no frame: {decoded:?}");
        };
        bodies.extend_from_slice(&frame.payload);
    }
    bodies
}

fn ack(next: u16, ranges: &[(u16, u16)]) -> Ack {
    let ranges = ranges.iter().map(|&(start, count)| SeqRange {
        start: Seq::new(start),
        count,
    });
    Ack {
        next: Seq::new(next),
        ranges: ranges.collect(),
    }
}

#[track_caller]
fn check(base: u16, ack: &Ack, expected: Result<u32, AckFault>, again: &[u8]) {
    let mut window = window(base, 8);
    let got = window.acknowledge(Instant::from_millis(5), ack);
    if got.is_ok_and(|acked| acked.current) {
        window.mark_early(&ack.ranges);
    }
    assert_eq!(got.map(|_| window.frames()), expected);
    let wire = resend_first(&mut window, Instant::from_millis(6), usize::MAX);
    assert_eq!(bodies(&wire), again);
}

#[test]
fn acknowledgements_around_the_wrap() {
    let all = &[0, 1, 2, 3, 4, 5, 6, 7];
    check(10, &ack(10, &[]), Ok(8), all);
    check(10, &ack(9, &[]), Ok(8), all);
    check(10, &ack(18, &[]), Ok(0), &[]);
    check(10, &ack(19, &[]), Err(AckFault), all);
    check(10, &ack(13, &[]), Ok(5), &[3, 4, 5, 6, 7]);
    check(65_533, &ack(0, &[]), Ok(5), &[3, 4, 5, 6, 7]);
    check(65_533, &ack(65_532, &[(1, 1)]), Ok(8), all);
    check(65_533, &ack(65_535, &[(0, 1), (2, 2)]), Ok(6), &[2, 4, 7]);
    check(65_533, &ack(65_535, &[(4, 2)]), Err(AckFault), all);
    check(65_533, &ack(6, &[]), Err(AckFault), all);
    // A range that reaches around the wrap to what `next` has acknowledged.
    check(10, &ack(12, &[(11, 1)]), Err(AckFault), all);
    check(10, &ack(12, &[(9, 1)]), Err(AckFault), all);
    check(65_533, &ack(5, &[]), Ok(0), &[]);
}

#[test]
fn samples_obey_karn() {
    let at = Instant::from_millis(30);
    let sample = |window: &mut SendWindow, next| {
        let acked = window.acknowledge(at, &ack(next, &[])).unwrap();
        acked.sample.map(|took| took.as_millis())
    };
    let mut fresh = window(0, 8);
    assert_eq!(sample(&mut fresh, 3), Some(30));
    resend_first(&mut fresh, at, 1);
    assert_eq!(sample(&mut fresh, 4), None);
    assert_eq!(sample(&mut fresh, 6), Some(30));
    assert_eq!(sample(&mut fresh, 6), None);
}

#[test]
fn nacks_name_anything() {
    let mut window = window(65_533, 8);
    let missing = |window: &mut SendWindow, ms, start, count| {
        let mut wire = Vec::new();
        let range = SeqRange {
            start: Seq::new(start),
            count,
        };
        let again = Duration::from_millis(10);
        let now = Instant::from_millis(ms);
        window.want_missing(now, &range, again);
        window.resend_wanted(now, usize::MAX, &mut wire);
        bodies(&wire)
    };
    assert_eq!(missing(&mut window, 1, 65_535, 3), [2, 3, 4]);
    assert_eq!(missing(&mut window, 5, 65_535, 4), [5]);
    assert_eq!(missing(&mut window, 12, 65_530, 6), [0, 1, 2]);
    assert_eq!(missing(&mut window, 12, 4, 9), [7]);
    assert_eq!(missing(&mut window, 12, 5, 65_535), [0; 0]);
    assert_eq!(missing(&mut window, 12, 40_000, 10), [0; 0]);
}

#[test]
fn what_is_wanted_leaves_as_far_as_there_is_room() {
    let mut window = window(65_530, 8);
    window.want_first(Instant::ZERO, 6);
    // A frame here has 13 bytes.
    let turn = |window: &mut SendWindow| {
        let mut wire = Vec::new();
        let frames = window.resend_wanted(Instant::from_millis(1), 27, &mut wire);
        let bodies = bodies(&wire);
        assert_eq!(frames as usize, bodies.len());
        bodies
    };
    assert_eq!(turn(&mut window), [0, 1]);
    // What has come meanwhile is wanted no more.
    window
        .acknowledge(Instant::ZERO, &ack(65_533, &[(65_535, 1)]))
        .unwrap();
    assert!(window.mark_early(&ack(65_533, &[(65_535, 1)]).ranges));
    assert_eq!(turn(&mut window), [3, 4]);
    assert!(!window.wants_again());
    assert_eq!(turn(&mut window), [0; 0]);
}

#[test]
fn a_drained_window_owns_nothing() {
    let mut window = window(65_530, 8);
    window.acknowledge(Instant::ZERO, &ack(2, &[])).unwrap();
    assert!(window.is_empty());
    assert_eq!(window.slots.capacity() + window.sources.capacity(), 0);
}

#[test]
fn what_is_kept_from_being_freed_is_bounded() {
    let mut window = SendWindow::new(64, 1_000);
    for place in 0..8u8 {
        // Each body is one byte of a large buffer.
        let buffer = Bytes::from(vec![place; 200]);
        let body = SharedBody::within(&buffer, 7..8);
        push(&mut window, u32::from(place), &body);
        assert!(window.kept_bytes <= 500 + u32::from(place));
    }
    window.seal();
    let wire = resend_first(&mut window, Instant::ZERO, usize::MAX);
    assert_eq!(bodies(&wire), [0, 1, 2, 3, 4, 5, 6, 7]);
    window.acknowledge(Instant::ZERO, &ack(7, &[])).unwrap();
    assert_eq!((window.sources.len(), window.kept_bytes), (1, 1));
    window.acknowledge(Instant::ZERO, &ack(8, &[])).unwrap();
    assert_eq!(window.kept_bytes, 0);
}

/// Fills a window of 1 MiB that nothing acknowledges with bodies of `body` bytes, one of each
/// `others + 1` that a buffer of 64 KiB holds; gives the memory held for it, with room unused.
fn held_unread(body: usize, others: usize) -> usize {
    let mut window = SendWindow::new(16_384, 1 << 20);
    let (step, mut position) = (body * (others + 1), 0);
    let frame = (HEADER_BYTES + body) as u32;
    loop {
        let buffer = Bytes::from(vec![0; 64 << 10]);
        for start in (0..buffer.len() - body).step_by(step) {
            if !window.fits(position, frame) {
                let slots = window.slots.capacity() * size_of::<Slot>();
                let sources = window.sources.capacity() * size_of::<Source>();
                return window.kept_bytes as usize + slots + sources;
            }
            let shared = SharedBody::within(&buffer, start..start + body);
            push(&mut window, position, &shared);
            position += frame;
        }
    }
}

#[test]
fn a_peer_that_never_acknowledges_holds_on_to_a_bounded_amount() {
    // All that is said is for it; little of it is; messages of a word.
    for (body, others, bound) in [(200, 0, 3 << 19), (200, 100, 2 << 20), (60, 20, 5 << 19)] {
        let held = held_unread(body, others);
        assert!(held <= bound, "{body} {others}: {held}");
        assert!(held > bound / 2, "the bound says something: {held}");
    }
}
