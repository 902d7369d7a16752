//! An open link and a hostile peer: its memory stays within what was agreed, what it sends is whole
//! frames, what it delivers is no longer than agreed, and once closed it does nothing.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use lamparina_protocol::Instant;
use lamparina_protocol::control::CloseCode;
use lamparina_protocol::frame::{Decoded, Frame, FrameDecoder, FrameType, Seq};
use lamparina_protocol::link::{Event, Input, Link, LinkConfig, Outgoing, Output, Repair};

use crate::choices::Choices;

const WINDOW_FRAMES: u16 = 8;
const WINDOW_BYTES: u32 = 400;
const MESSAGE_BYTES: u32 = 700;
/// Inputs to one link.
const BLOWS_MAX: usize = 64;

/// Opens two links, then strikes one of them.
pub fn link(input: &[u8]) {
    let mut choices = Choices::new(input);
    let ways = choices.byte();
    let mut link = opened(ways & 1 == 1, ways & 2 == 2);
    let mut now = Instant::ZERO;
    let mut closed = false;
    for _ in 0..BLOWS_MAX {
        if choices.is_empty() {
            break;
        }
        let mut out = Output::default();
        strike(&mut link, &mut now, &mut choices, &mut out);
        closed = check(&link, &out, closed);
        let stats = link.stats();
        assert!(stats.in_flight_bytes <= WINDOW_BYTES);
        assert!(stats.bulk_in_flight_bytes <= WINDOW_BYTES);
        assert!(stats.in_flight_frames <= u32::from(WINDOW_FRAMES));
    }
}

/// Checks one call's output; gives whether the link is closed.
pub(super) fn check(link: &Link, out: &Output, was_closed: bool) -> bool {
    if was_closed {
        assert!(out.wire.is_empty() && out.events.is_empty());
    }
    let ends = out
        .events
        .iter()
        .position(|event| matches!(event, Event::Closed(_)));
    if let Some(end) = ends {
        assert_eq!(end + 1, out.events.len(), "nothing follows the end");
    }
    let closed = was_closed || ends.is_some();
    assert_eq!(closed, link.state() == "closed");
    assert_eq!(closed, link.deadline().is_none());
    for event in &out.events {
        if let Event::Received { kind, body } = event {
            assert!(kind.is_sequenced() && body.len() <= MESSAGE_BYTES as usize);
        }
    }
    for piece in &out.wire {
        let mut decoder = FrameDecoder::default();
        decoder.push(piece.clone());
        while let Some(one) = decoder.next().expect("our lengths are possible") {
            assert!(matches!(one, Decoded::Frame(_)), "{one:?}");
        }
        assert!(!decoder.is_mid_frame(), "whole frames go out");
    }
    closed
}

/// One input of any kind.
pub(super) fn strike(
    link: &mut Link,
    now: &mut Instant,
    choices: &mut Choices<'_>,
    out: &mut Output,
) {
    let input = match choices.below(16) {
        0..=7 => Input::Bytes(frames(choices)),
        8 => Input::Bytes(Bytes::copy_from_slice(choices.bytes(40))),
        way @ 9..=11 => {
            let body = Bytes::from(vec![1; usize::from(choices.u16()) % 800]);
            let kind = match way {
                11 => FrameType::Bulk,
                _ => FrameType::Data,
            };
            let _ = link.send(*now, &Outgoing::own(kind, body));
            return link.flush(*now, out);
        }
        12 => Input::Accept {
            welcome: Bytes::copy_from_slice(choices.bytes(40)),
        },
        13 => match choices.below(4) {
            0 => Input::Eof,
            1 => Input::Abort {
                code: CloseCode::Limit,
                text: choices.text(20),
            },
            _ => Input::Close {
                code: CloseCode::Goodbye,
                text: choices.text(20),
            },
        },
        _ => {
            *now += Duration::from_micros(u64::from(choices.u32() % 3_000_000));
            Input::Tick
        }
    };
    let _ = link.handle(*now, input, out);
}

/// Frames that get far: places, ranges and lengths near what a link expects.
fn frames(choices: &mut Choices<'_>) -> Bytes {
    let mut out = BytesMut::new();
    for _ in 0..=choices.below(3) {
        let kind = FrameType::ALL[choices.below(FrameType::ALL.len())];
        let seq = match choices.byte() {
            near @ 0..=239 => u16::from(near % 12),
            behind @ 240..=247 => u16::MAX - u16::from(behind % 8),
            _ => choices.u16(),
        };
        let sequenced = kind.is_sequenced();
        let is_of_lane = matches!(kind, FrameType::Ack | FrameType::Nack);
        let odd = choices.byte() > 250;
        let payload = choices.bytes(80);
        Frame {
            kind,
            seq: Seq::new(match sequenced || odd {
                true => seq,
                false => u16::from(is_of_lane && seq % 4 == 1),
            }),
            last: choices.flag() || !(sequenced || odd),
            payload: Bytes::copy_from_slice(payload),
        }
        .encode_into(&mut out);
    }
    out.freeze()
}

fn config(gbn: bool) -> LinkConfig {
    let repair = match gbn {
        true => Repair::GoBackN,
        false => Repair::SelectiveRepeat,
    };
    LinkConfig {
        repair,
        fragment_bytes: 64,
        window_frames: WINDOW_FRAMES,
        window_bytes: WINDOW_BYTES,
        message_bytes_max: MESSAGE_BYTES,
        ..LinkConfig::new(1)
    }
}

/// One end of two links that have opened.
fn opened(gbn: bool, initiator: bool) -> Link {
    let mut ours = Link::initiate(config(gbn), Bytes::new(), Instant::ZERO);
    let mut theirs = Link::respond(config(gbn), Instant::ZERO);
    let (mut there, mut back) = (Output::default(), Output::default());
    let _ = ours.handle(Instant::ZERO, Input::Tick, &mut there);
    let mut accept = Some(Input::Accept {
        welcome: Bytes::new(),
    });
    for _ in 0..2 {
        for bytes in there.wire.drain(..) {
            let _ = theirs.handle(Instant::ZERO, Input::Bytes(bytes), &mut back);
        }
        if let Some(accept) = accept.take() {
            let _ = theirs.handle(Instant::ZERO, accept, &mut back);
        }
        for bytes in back.wire.drain(..) {
            let _ = ours.handle(Instant::ZERO, Input::Bytes(bytes), &mut there);
        }
    }
    assert_eq!((ours.state(), theirs.state()), ("open", "open"));
    if initiator { ours } else { theirs }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    // Way; then: frames (one of them: kind, seq, odd, payload, last) or other inputs.
    let data = |seq: u8, text: &[u8], last: u8| {
        let mut input = vec![0, 0, 3, seq, 0, 0, text.len() as u8];
        input.extend_from_slice(text);
        input.push(last);
        input
    };
    let ack = |next: u8| vec![0, 0, 1, 0, 0, 0, 2, 0, next, 1];
    let bulk_ack = |next: u8| vec![0, 0, 1, 1, 0, 0, 2, 0, next, 1];
    let bulk = |seq: u8, text: &[u8], last: u8| {
        let mut input = vec![0, 0, 13, seq, 0, 0, text.len() as u8];
        input.extend_from_slice(text);
        input.push(last);
        input
    };
    let say_bulk = vec![11, 1, 44];
    let say = vec![9, 0, 100];
    let wait = vec![14, 0, 4, 0, 0];
    let sets = [
        vec![
            vec![0],
            data(0, b"ab", 1),
            data(2, b"cd", 1),
            data(1, b"e", 0),
            wait.clone(),
        ],
        vec![
            vec![1],
            say.clone(),
            say.clone(),
            ack(1),
            wait.clone(),
            ack(4),
            vec![13, 2, 0, 0],
        ],
        vec![
            vec![2],
            data(0, &[7; 64], 0),
            data(1, &[7; 64], 1),
            say,
            ack(2),
            wait.clone(),
        ],
        vec![
            vec![0],
            say_bulk.clone(),
            bulk(1, b"cd", 1),
            data(0, b"ab", 0),
            bulk(0, b"e", 0),
            bulk_ack(2),
            wait.clone(),
            data(1, b"f", 1),
            bulk_ack(5),
            say_bulk,
            vec![13, 2, 0, 0],
        ],
        vec![
            vec![3],
            vec![0, 0, 5, 0, 0, 0, 5, 0, 0, 1, 0, 0, 1],
            wait,
            ack(0),
        ],
    ];
    sets.iter().map(|set| set.concat()).collect()
}
