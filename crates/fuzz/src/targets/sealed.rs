//! Sealed links with an attacker on the way, who sees and changes every piece: who is proved is who
//! is there, and what is heard is what was said, in order and without a hole, up to some point.

use bytes::Bytes;
use lamparina_protocol::Instant;
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::link::{Event, Input, Link, LinkConfig, Outgoing, Output};
use lamparina_protocol::seal::{IdentityKey, LinkKeys, PublicKey, SEED_BYTES, Transport};

use crate::choices::Choices;

const NOW: Instant = Instant::from_millis(1);
/// Turns of one conversation.
const TURNS: usize = 24;

/// One end, and what is on its way to it.
struct End {
    link: Link,
    waiting: Vec<Bytes>,
    said: Vec<Bytes>,
    heard: Vec<Bytes>,
    closed: bool,
}

fn identity(number: u8) -> IdentityKey {
    IdentityKey::from_seed(&[number; 32])
}

fn keys(number: u8) -> LinkKeys {
    let keys = LinkKeys::new(identity(number), [number; SEED_BYTES], Transport::Tcp);
    // Often enough to be reached here.
    keys.with_rekey_every(4)
}

/// Two of ours talk; the input decides what is said and what becomes of each piece.
pub fn sealed(input: &[u8]) {
    let mut choices = Choices::new(input);
    let mut ends = [
        Link::initiate(LinkConfig::new(1), Bytes::from_static(b"hello"), NOW).sealed(keys(1)),
        Link::respond(LinkConfig::new(2), NOW).sealed(keys(2)),
    ]
    .map(|link| End {
        link,
        waiting: Vec::new(),
        said: Vec::new(),
        heard: Vec::new(),
        closed: false,
    });
    let mut touched = false;
    for turn in 0..TURNS {
        let which = turn % 2;
        let mut out = Output::default();
        let _ = ends[which].link.handle(NOW, Input::Tick, &mut out);
        for piece in std::mem::take(&mut ends[which].waiting) {
            for piece in attack(&mut choices, piece, &mut touched) {
                let _ = ends[which].link.handle(NOW, Input::Bytes(piece), &mut out);
                answer(which, &mut ends[which].link, &mut out);
            }
        }
        if choices.flag() {
            let text = Bytes::copy_from_slice(choices.bytes(300));
            let message = Outgoing::own(FrameType::Data, text.clone());
            if ends[which].link.send(NOW, &message).is_ok() {
                ends[which].said.push(text);
            }
            ends[which].link.flush(NOW, &mut out);
        }
        note(&mut ends[which], which, &out);
        ends[1 - which].waiting.extend(out.wire);
    }
    for (which, end) in ends.iter().enumerate() {
        let said = &ends[1 - which].said;
        assert!(said.starts_with(&end.heard), "heard what was not said");
        assert!(touched || !end.closed, "nobody touched it, and it ended");
    }
}

/// Answers what a link asks for.
fn answer(which: usize, link: &mut Link, out: &mut Output) {
    for place in 0..out.events.len() {
        let input = match &out.events[place] {
            Event::Proven { server } => {
                assert_eq!((which, *server), (0, identity(2).public()));
                Input::Trust
            }
            Event::Asked { .. } => Input::Accept {
                welcome: Bytes::from_static(b"welcome"),
            },
            _ => continue,
        };
        // Asked again of the same event it is refused, and nothing happens.
        let _ = link.handle(NOW, input, out);
    }
}

fn note(end: &mut End, which: usize, out: &Output) {
    let other: PublicKey = identity(2 - which as u8).public();
    for event in &out.events {
        match event {
            Event::Opened { peer, words, .. } => {
                assert_eq!(*peer, Some(other), "only who is there is proved");
                let expected: &[u8] = if which == 0 { b"welcome" } else { b"hello" };
                assert_eq!(words, expected);
            }
            Event::Received { body, .. } => end.heard.push(body.clone()),
            Event::Closed(_) => end.closed = true,
            _ => {}
        }
    }
}

/// What reaches the other end in the place of a piece.
fn attack(choices: &mut Choices<'_>, piece: Bytes, touched: &mut bool) -> Vec<Bytes> {
    let how = choices.byte();
    if how < 200 || piece.is_empty() {
        return vec![piece];
    }
    *touched = true;
    let at = usize::from(choices.u16()) % piece.len();
    match how % 6 {
        0 => Vec::new(),
        1 => vec![piece.clone(), piece],
        2 => vec![piece.slice(..at)],
        3 => vec![piece.slice(at..)],
        4 => vec![Bytes::copy_from_slice(choices.bytes(40)), piece],
        _ => {
            let mut damaged = piece.to_vec();
            damaged[at] ^= choices.byte().max(1);
            vec![damaged.into()]
        }
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let said = |text: &[u8]| [&[1, 0, text.len() as u8][..], text].concat();
    let talk = [said(b"one"), said(b"two"), said(&[7; 200])].concat();
    let calm = |turns: usize| vec![0; turns];
    vec![
        Vec::new(),
        [calm(6), talk.clone(), talk.clone()].concat(),
        [calm(5), talk.clone(), vec![205, 0, 9, 1], talk.clone()].concat(),
        [vec![0, 209, 0, 50, 4], talk.clone()].concat(),
        [calm(7), talk.clone(), vec![204, 0, 0], talk].concat(),
    ]
}
