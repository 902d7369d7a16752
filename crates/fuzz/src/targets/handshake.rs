//! A handshake: between two of ours over a bad channel it ends with the same terms on both sides,
//! within what both offered; a hostile peer ends it, or keeps to it.

use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::Instant;
use lamparina_protocol::link::{
    Event, HANDSHAKE_WITHIN, Input, Link, LinkConfig, Output, Repair, Terms,
};

use super::link;
use crate::choices::Choices;

/// Steps of one handshake: until it must have ended.
const STEPS_MAX: usize = 64;

/// Two of ours over a bad channel; or one of ours and whatever the input says.
pub fn handshake(input: &[u8]) {
    let mut choices = Choices::new(input);
    match choices.flag() {
        true => alone(&mut choices),
        false => together(&mut choices),
    }
}

fn alone(choices: &mut Choices<'_>) {
    let config = config(choices);
    let mut ours = match choices.flag() {
        true => Link::initiate(config, Bytes::from_static(b"hello"), Instant::ZERO),
        false => Link::respond(config, Instant::ZERO),
    };
    let (mut now, mut closed) = (Instant::ZERO, false);
    for _ in 0..STEPS_MAX {
        if choices.is_empty() {
            break;
        }
        let mut out = Output::default();
        link::strike(&mut ours, &mut now, choices, &mut out);
        closed = link::check(&ours, &out, closed);
    }
    // Who never finishes is not waited for.
    let mut out = Output::default();
    let before = ours.state();
    let _ = ours.handle(now + 2 * HANDSHAKE_WITHIN, Input::Tick, &mut out);
    if before != "open" && before != "closing" {
        assert_eq!(ours.state(), "closed", "{before} for ever");
    }
}

fn config(choices: &mut Choices<'_>) -> LinkConfig {
    let repair = match choices.flag() {
        true => Repair::GoBackN,
        false => Repair::SelectiveRepeat,
    };
    LinkConfig {
        repair,
        fragment_bytes: choices.u16(),
        window_frames: choices.u16(),
        window_bytes: choices.u32(),
        // `check` holds every link against this bound.
        message_bytes_max: u32::from(choices.u16()) % 700 + 1,
        ..LinkConfig::new(choices.u32())
    }
}

/// One end, and what waits to reach it.
struct End {
    link: Link,
    waiting: Vec<Bytes>,
    opened: Option<Terms>,
}

fn together(choices: &mut Choices<'_>) {
    let (mine, yours) = (config(choices), config(choices));
    let offered = (mine.message_bytes_max, yours.message_bytes_max);
    let hello = Bytes::copy_from_slice(choices.bytes(80));
    let welcome = Bytes::copy_from_slice(choices.bytes(80));
    let mut now = Instant::ZERO;
    let mut ends = [
        Link::initiate(mine, hello.clone(), now),
        Link::respond(yours, now),
    ]
    .map(|link| End {
        link,
        waiting: Vec::new(),
        opened: None,
    });
    for step in 0..STEPS_MAX {
        let which = step % 2;
        let mut out = Output::default();
        let fate = choices.byte();
        if !ends[which].waiting.is_empty() {
            let piece = ends[which].waiting.remove(0);
            if let Some(piece) = befall(fate, piece, &mut ends[which].waiting) {
                let _ = ends[which].link.handle(now, Input::Bytes(piece), &mut out);
            }
        }
        let _ = ends[which].link.handle(now, Input::Tick, &mut out);
        let asked = out.events.iter().any(|event| match event {
            Event::Asked { hello: heard, .. } => {
                assert_eq!(*heard, hello);
                true
            }
            _ => false,
        });
        if asked {
            let welcome = welcome.clone();
            let answer = Input::Accept { welcome };
            assert_eq!(ends[1].link.handle(now, answer, &mut out), Ok(()));
        }
        for event in &out.events {
            if let Event::Opened {
                terms,
                welcome: heard,
            } = event
            {
                assert!(which == 1 || *heard == welcome);
                assert!(ends[which].opened.replace(*terms).is_none(), "opened once");
            }
        }
        ends[1 - which].waiting.extend(out.wire);
        now += Duration::from_millis(250);
    }
    if let [Some(mine), Some(yours)] = [ends[0].opened, ends[1].opened] {
        assert_eq!(mine, yours);
        assert_eq!(mine.message_bytes_max, offered.0.min(offered.1));
    }
}

/// What becomes of a piece on its way: mostly nothing.
fn befall(fate: u8, piece: Bytes, waiting: &mut Vec<Bytes>) -> Option<Bytes> {
    match fate {
        200..=219 => None,
        220..=239 => {
            waiting.push(piece.clone());
            Some(piece)
        }
        240..=255 if piece.len() > 4 => {
            // Anywhere but in the length: boundaries stay where they are.
            let at = 4 + usize::from(fate) * 7 % (piece.len() - 4);
            let mut damaged = piece.to_vec();
            damaged[at] ^= 1 << (fate % 8);
            Some(damaged.into())
        }
        _ => Some(piece),
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let config = [0, 0x1f, 0xf4, 0x10, 0, 0, 0x10, 0, 0, 1, 0, 0, 0, 0, 9];
    let words = [0, 5, b'h', b'e', b'l', b'l', b'o', 0, 2, b'h', b'i'];
    let together = |fates: &[u8]| [&[0][..], &config, &config, &words, fates].concat();
    let alone = |initiator: u8, rest: &[u8]| [&[1][..], &config, &[initiator], rest].concat();
    vec![
        together(&[]),
        together(&[0, 210, 0, 230, 0, 250, 0, 241, 205]),
        together(&[230, 230, 230, 230]),
        alone(
            0,
            &[0, 0, 0, 0, 0, 0, 80, b'L', b'M', b'P', b'R', 0, 1, 0, 0],
        ),
        alone(
            1,
            &[
                14, 0, 4, 0, 0, 0, 0, 9, 0, 0, 0, 30, b'L', b'M', b'P', b'R', 0, 1,
            ],
        ),
    ]
}
