//! Links over datagrams: an open one with a hostile peer or a stranger, one that opens, and two of ours
//! with somebody between them. Memory stays within what was agreed, datagrams are no longer than they
//! may be, what is heard was said, each once and in order, and once closed a link does nothing.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use lamparina_protocol::Instant;
use lamparina_protocol::control::CloseCode;
use lamparina_protocol::datagram::{
    ConnectionId, DATAGRAM_HEADER_BYTES, DatagramConfig, OUTSIDE, SYN_DATAGRAM_BYTES_MIN, peek,
    put_header,
};
use lamparina_protocol::frame::checksum;
use lamparina_protocol::frame::{FrameType, Seq, put_frame};
use lamparina_protocol::link::{Event, Input, Link, LinkConfig, Outgoing, Output};
use lamparina_protocol::seal::{IdentityKey, LinkKeys, SEED_BYTES, Transport};

use crate::choices::Choices;

const ID: ConnectionId = ConnectionId(0x1122_3344_5566_7788);
const WINDOW_FRAMES: u16 = 8;
const WINDOW_BYTES: u32 = 1_600;
const MESSAGE_BYTES: u32 = 900;
const DATAGRAM_BYTES: u16 = 320;
/// Inputs to one link, or turns of two.
const BLOWS_MAX: usize = 64;

fn config(token: u32) -> LinkConfig {
    LinkConfig {
        fragment_bytes: 64,
        window_frames: WINDOW_FRAMES,
        window_bytes: WINDOW_BYTES,
        message_bytes_max: MESSAGE_BYTES,
        ..LinkConfig::new(token)
    }
}

fn end(which: usize, sealed: bool) -> Link {
    let number = which as u8 + 1;
    let link = match which {
        0 => Link::initiate(config(1), Bytes::from_static(b"hello"), Instant::ZERO),
        _ => Link::respond(config(2), Instant::ZERO),
    };
    let link = match sealed {
        true => {
            let identity = IdentityKey::from_seed(&[number; 32]);
            let keys = LinkKeys::new(identity, [number; SEED_BYTES], Transport::Udp);
            link.sealed(keys.with_rekey_every(4))
        }
        false => link,
    };
    link.over_datagrams(DatagramConfig {
        datagram_bytes: DATAGRAM_BYTES,
        ..DatagramConfig::new(ID, u64::from(number))
    })
}

/// Answers what a link asks for.
fn answer(link: &mut Link, now: Instant, out: &mut Output) {
    for place in 0..out.events.len() {
        let input = match &out.events[place] {
            Event::Proven { .. } => Input::Trust,
            Event::Asked { .. } => Input::Accept {
                welcome: Bytes::from_static(b"welcome"),
            },
            _ => continue,
        };
        // Asked again of the same event it is refused, and nothing happens.
        let _ = link.handle(now, input, out);
    }
}

/// Two ends that have opened, without anything under way.
fn opened(sealed: bool) -> [Link; 2] {
    let mut ends = [end(0, sealed), end(1, sealed)];
    let mut waiting = [Vec::new(), Vec::new()];
    for turn in 0..8 {
        let which = turn % 2;
        let mut out = Output::default();
        let _ = ends[which].handle(Instant::ZERO, Input::Tick, &mut out);
        for datagram in std::mem::take(&mut waiting[which]) {
            let _ = ends[which].handle(Instant::ZERO, Input::Datagram(datagram), &mut out);
            answer(&mut ends[which], Instant::ZERO, &mut out);
        }
        waiting[1 - which].extend(out.wire);
    }
    assert_eq!((ends[0].state(), ends[1].state()), ("open", "open"));
    ends
}

/// Checks one call's output; gives whether the link is closed.
fn check(link: &Link, out: &Output, was_closed: bool) -> bool {
    if was_closed {
        assert!(out.wire.is_empty() && out.events.is_empty());
    }
    let ends = (out.events.iter()).position(|event| matches!(event, Event::Closed(_)));
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
    for datagram in &out.wire {
        let (connection, number) = peek(datagram).expect("a datagram has its header");
        assert_eq!(connection, ID);
        let most = match number {
            OUTSIDE => SYN_DATAGRAM_BYTES_MIN.max(1_200),
            _ => usize::from(DATAGRAM_BYTES),
        };
        assert!(datagram.len() <= most, "{} bytes", datagram.len());
    }
    let stats = link.stats();
    assert!(stats.in_flight_bytes <= WINDOW_BYTES && stats.bulk_in_flight_bytes <= WINDOW_BYTES);
    assert!(stats.in_flight_frames <= 2 * u32::from(WINDOW_FRAMES));
    closed
}

/// A datagram as a peer in clear would make it, near what a link expects.
fn forged(choices: &mut Choices<'_>) -> Bytes {
    let number = match choices.byte() {
        near @ 0..=199 => u64::from(near % 40),
        200..=229 => OUTSIDE,
        230..=245 => OUTSIDE - 1,
        _ => choices.u64(),
    };
    let mut out = BytesMut::new();
    put_header(&mut out, ID, number);
    for _ in 0..=choices.below(3) {
        let kind = FrameType::ALL[choices.below(FrameType::ALL.len())];
        let seq = match choices.byte() {
            near @ 0..=239 => u16::from(near % 12),
            behind @ 240..=247 => u16::MAX - u16::from(behind % 8),
            _ => choices.u16(),
        };
        let odd = choices.byte() > 250;
        let seq = match kind.is_sequenced() || odd {
            true => Seq::new(seq),
            false => Seq::FIRST,
        };
        let last = choices.flag() || !(kind.is_sequenced() || odd);
        put_frame(&mut out, kind, seq, last, choices.bytes(80));
    }
    if choices.byte() > 240 {
        out.put_bytes(choices.byte(), choices.below(200));
    }
    if number != OUTSIDE {
        let crc = checksum::of(&out);
        out.put_u32(crc);
    }
    out.freeze()
}

fn strike(link: &mut Link, now: &mut Instant, choices: &mut Choices<'_>, out: &mut Output) {
    let input = match choices.below(16) {
        0..=7 => Input::Datagram(forged(choices)),
        8 => {
            let mut bytes = ID.0.to_be_bytes().to_vec();
            bytes.extend_from_slice(choices.bytes(200));
            Input::Datagram(bytes.into())
        }
        9 => Input::Datagram(Bytes::copy_from_slice(choices.bytes(200))),
        way @ 10..=11 => {
            let body = Bytes::from(vec![1; usize::from(choices.u16()) % 1_000]);
            let kind = [FrameType::Data, FrameType::Bulk][way - 10];
            let _ = link.send(*now, &Outgoing::own(kind, body));
            return link.flush(*now, out);
        }
        12 => match choices.below(4) {
            0 => Input::Eof,
            1 => Input::Abort {
                code: CloseCode::Limit,
                text: choices.text(20),
            },
            2 => Input::Bytes(Bytes::copy_from_slice(choices.bytes(40))),
            _ => Input::Close {
                code: CloseCode::Goodbye,
                text: choices.text(20),
            },
        },
        13 => {
            link.challenge(*now, choices.u64().to_be_bytes(), out);
            return;
        }
        _ => {
            *now += Duration::from_micros(u64::from(choices.u32() % 3_000_000));
            Input::Tick
        }
    };
    let _ = link.handle(*now, input, out);
}

fn strikes(link: &mut Link, choices: &mut Choices<'_>, answers: bool) -> Vec<Event> {
    let (mut now, mut closed) = (Instant::ZERO, false);
    let mut events = Vec::new();
    for _ in 0..BLOWS_MAX {
        if choices.is_empty() {
            break;
        }
        let mut out = Output::default();
        strike(link, &mut now, choices, &mut out);
        if answers {
            answer(link, now, &mut out);
        }
        closed = check(link, &out, closed);
        events.append(&mut out.events);
    }
    events
}

/// Strikes an open link: in clear as its peer may, sealed as anybody.
pub fn datagrams(input: &[u8]) {
    let mut choices = Choices::new(input);
    let ways = choices.byte();
    let sealed = ways & 1 == 1;
    let [ours, theirs] = opened(sealed);
    let mut link = if ways & 2 == 2 { ours } else { theirs };
    let events = strikes(&mut link, &mut choices, false);
    if sealed {
        let heard = |event: &Event| matches!(event, Event::Received { .. });
        assert!(!events.iter().any(heard), "a stranger was heard");
        assert_eq!(link.stats().packets_received, 0, "a stranger was believed");
    }
}

/// Strikes a link that is not open yet.
pub fn datagram_handshake(input: &[u8]) {
    let mut choices = Choices::new(input);
    let ways = choices.byte();
    let sealed = ways & 1 == 1;
    let mut link = end(usize::from(ways & 2 == 2), sealed);
    let events = strikes(&mut link, &mut choices, ways & 4 == 4);
    if sealed {
        let proved = |event: &Event| matches!(event, Event::Opened { .. } | Event::Received { .. });
        assert!(!events.iter().any(proved), "a stranger was proved");
    }
}

/// What one of two ends has said and heard, by lane.
#[derive(Default)]
struct Talk {
    said: [Vec<Bytes>; 2],
    heard: [Vec<Bytes>; 2],
}

/// Two of ours talk; the input decides what is said and what becomes of each datagram.
pub fn datagram_pairs(input: &[u8]) {
    let mut choices = Choices::new(input);
    let mut ends = match choices.byte() {
        ways @ 0..=127 => opened(ways & 1 == 1),
        ways => [end(0, ways & 1 == 1), end(1, ways & 1 == 1)],
    };
    let mut talks = [Talk::default(), Talk::default()];
    let mut waiting: [Vec<Bytes>; 2] = Default::default();
    let mut kept: Vec<Bytes> = Vec::new();
    let (mut now, mut closed) = (Instant::ZERO, [false; 2]);
    for turn in 0..BLOWS_MAX {
        if choices.is_empty() {
            break;
        }
        let which = turn % 2;
        let mut out = Output::default();
        now += Duration::from_micros(u64::from(choices.u16()) * 10);
        let _ = ends[which].handle(now, Input::Tick, &mut out);
        for datagram in std::mem::take(&mut waiting[which]) {
            for piece in attack(&mut choices, datagram, &mut kept) {
                let _ = ends[which].handle(now, Input::Datagram(piece), &mut out);
                answer(&mut ends[which], now, &mut out);
            }
        }
        if choices.flag() {
            let lane = usize::from(choices.byte() > 200);
            let kind = [FrameType::Data, FrameType::Bulk][lane];
            let text = Bytes::copy_from_slice(choices.bytes(300));
            let message = Outgoing::own(kind, text.clone());
            if ends[which].send(now, &message).is_ok() {
                talks[which].said[lane].push(text);
            }
            ends[which].flush(now, &mut out);
        }
        closed[which] = check(&ends[which], &out, closed[which]);
        for event in out.events {
            if let Event::Received { kind, body } = event {
                talks[which].heard[usize::from(kind == FrameType::Bulk)].push(body);
            }
        }
        waiting[1 - which].extend(out.wire);
    }
    for which in 0..2 {
        for lane in 0..2 {
            let said = &talks[1 - which].said[lane];
            assert!(
                said.starts_with(&talks[which].heard[lane]),
                "not what was said"
            );
        }
    }
}

/// What comes in the place of a datagram.
fn attack(choices: &mut Choices<'_>, datagram: Bytes, kept: &mut Vec<Bytes>) -> Vec<Bytes> {
    let how = choices.byte();
    if how < 170 || datagram.is_empty() {
        kept.push(datagram.clone());
        return vec![datagram];
    }
    let at = usize::from(choices.u16()) % datagram.len();
    match how % 8 {
        0 => Vec::new(),
        1 => vec![datagram.clone(), datagram],
        2 => vec![datagram.slice(..at)],
        3 => vec![Bytes::copy_from_slice(choices.bytes(40)), datagram],
        4 => {
            // Late: it comes behind whatever comes next.
            kept.push(datagram);
            Vec::new()
        }
        5 => match kept.is_empty() {
            true => vec![datagram],
            false => {
                let old = kept[usize::from(choices.u16()) % kept.len()].clone();
                vec![datagram, old]
            }
        },
        6 => {
            // The same frames under another number.
            let mut other = datagram.to_vec();
            if other.len() >= DATAGRAM_HEADER_BYTES {
                other[15] = other[15].wrapping_add(choices.byte());
            }
            vec![other.into(), datagram]
        }
        _ => {
            let mut damaged = datagram.to_vec();
            damaged[at] ^= choices.byte().max(1);
            vec![damaged.into()]
        }
    }
}

/// Datagrams that ask for a link.
pub(super) fn asking() -> Vec<Vec<u8>> {
    [false, true]
        .map(|sealed| {
            let mut out = Output::default();
            let _ = end(0, sealed).handle(Instant::ZERO, Input::Tick, &mut out);
            out.wire.iter().flatten().copied().collect()
        })
        .to_vec()
}

pub(super) mod seeds {
    /// A forged datagram with one frame: kind by its place in the list of types.
    fn packet(number: u8, kind: u8, seq: u8, payload: &[u8], last: u8) -> Vec<u8> {
        let head = [0, number, 0, kind, seq, 0, last, 0, payload.len() as u8];
        [&head[..], payload, &[0]].concat()
    }

    pub(crate) fn open() -> Vec<Vec<u8>> {
        let say = vec![10, 0, 100];
        let say_bulk = vec![11, 2, 100];
        let wait = vec![14, 0, 4, 0, 0];
        let ack = |upto: u8| {
            let payload = [0, 0, 0, 0, 0, 0, 0, upto, 0, 0, 0, 9, 0, upto];
            packet(upto, 1, 0, &payload, 1)
        };
        let sets = [
            vec![
                vec![0],
                packet(0, 3, 0, b"ab", 1),
                packet(2, 3, 2, b"c", 1),
                wait.clone(),
            ],
            vec![
                vec![2],
                say.clone(),
                say_bulk.clone(),
                ack(0),
                wait.clone(),
                ack(1),
                ack(3),
            ],
            vec![
                vec![1],
                say,
                packet(0, 3, 0, b"ab", 1),
                wait.clone(),
                say_bulk,
            ],
            vec![
                vec![0],
                packet(5, 10, 0, &[7; 8], 1),
                vec![13, 1, 2, 3, 4, 5, 6, 7, 8],
                wait,
            ],
        ];
        sets.iter().map(|set| set.concat()).collect()
    }

    pub(crate) fn handshake() -> Vec<Vec<u8>> {
        let outside = |kind: u8, payload: &[u8]| packet(210, kind, 0, payload, 1);
        let wait = vec![14, 0, 40, 0, 0];
        let sets = [
            vec![vec![0], outside(0, &[0; 30]), wait.clone()],
            vec![
                vec![6],
                wait.clone(),
                outside(9, &[1; 40]),
                packet(0, 3, 0, b"ab", 1),
            ],
            vec![
                vec![5],
                outside(0, &[2; 60]),
                wait.clone(),
                outside(2, &[0; 4]),
            ],
            vec![vec![3], wait.clone(), outside(14, &[9; 20]), wait],
        ];
        sets.iter().map(|set| set.concat()).collect()
    }

    pub(crate) fn pairs() -> Vec<Vec<u8>> {
        let said = |text: &[u8]| [&[0, 9, 1, 0, 0, text.len() as u8][..], text].concat();
        let talk = [said(b"one"), said(b"two"), said(&[7; 200])].concat();
        vec![
            [vec![0], talk.clone(), talk.clone(), vec![0; 20]].concat(),
            [
                vec![1],
                talk.clone(),
                vec![0, 50, 173, 0, 9, 0],
                talk.clone(),
            ]
            .concat(),
            [vec![128], vec![0; 12], talk.clone()].concat(),
            [
                vec![129],
                vec![0; 12],
                talk,
                vec![177, 0, 3, 0, 200, 174, 0, 5],
            ]
            .concat(),
        ]
    }
}
