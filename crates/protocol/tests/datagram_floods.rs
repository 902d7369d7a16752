//! A peer over datagrams that asks, acknowledges or skips without measure cannot make a link queue,
//! answer or work without bound; who acknowledges what never left is found out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use lamparina_protocol::Instant;
use lamparina_protocol::control::{CloseCode, PacketAck, RUNS_MAX, Run};
use lamparina_protocol::datagram::{
    ConnectionId, Copies, DATAGRAM_BYTES, DatagramConfig, OUTSIDE, peek, put_header,
};
use lamparina_protocol::frame::{Decoded, FrameDecoder, FrameType, Seq, checksum, put_frame};
use lamparina_protocol::link::{
    CloseReason, Event, Input, Link, LinkConfig, Outgoing, Output, SendError,
};

const ID: ConnectionId = ConnectionId(7);
const ZERO: Instant = Instant::ZERO;

/// An open responder in clear, and when it was opened: what comes is made by hand.
fn open(config: &LinkConfig) -> Link {
    let datagrams = DatagramConfig {
        copies: Copies::NONE,
        ..DatagramConfig::new(ID, 0x0123_4567_89ab_cdef)
    };
    let mut peer = Link::initiate(config.clone(), Bytes::new(), ZERO).over_datagrams(datagrams);
    let mut link = Link::respond(config.clone(), ZERO).over_datagrams(datagrams);
    let (mut there, mut back) = (Output::default(), Output::default());
    peer.handle(ZERO, Input::Tick, &mut there).unwrap();
    for datagram in there.wire.drain(..) {
        link.handle(ZERO, Input::Datagram(datagram), &mut back)
            .unwrap();
    }
    let welcome = Bytes::new();
    link.handle(ZERO, Input::Accept { welcome }, &mut back)
        .unwrap();
    for datagram in back.wire.drain(..) {
        peer.handle(ZERO, Input::Datagram(datagram), &mut there)
            .unwrap();
    }
    for datagram in there.wire.drain(..) {
        link.handle(ZERO, Input::Datagram(datagram), &mut back)
            .unwrap();
    }
    assert_eq!(link.state(), "open");
    link
}

fn packet(number: u64, frames: &[(FrameType, u16, &[u8])]) -> Input {
    let mut out = BytesMut::new();
    put_header(&mut out, ID, number);
    for (kind, seq, payload) in frames {
        put_frame(&mut out, *kind, Seq::new(*seq), true, payload);
    }
    let crc = checksum::of(&out);
    out.put_u32(crc);
    Input::Datagram(out.freeze())
}

fn bytes_of(input: &Input) -> usize {
    match input {
        Input::Datagram(bytes) => bytes.len(),
        _ => 0,
    }
}

fn ack(runs: &[(u64, u64)], at_once: bool) -> Vec<u8> {
    let runs = runs.iter().map(|&(first, last)| Run { first, last });
    let mut payload = Vec::new();
    PacketAck {
        delay: Duration::ZERO,
        at_once,
        runs: runs.collect(),
    }
    .put(&mut payload);
    payload
}

fn give(link: &mut Link, at_ms: u64, input: Input) -> Output {
    let mut out = Output::default();
    link.handle(Instant::from_millis(at_ms), input, &mut out)
        .unwrap();
    for datagram in &out.wire {
        assert!(datagram.len() <= usize::from(DATAGRAM_BYTES));
    }
    out
}

/// Numbers of the packets among these datagrams.
fn numbers(wire: &[Bytes]) -> Vec<u64> {
    let numbers = wire.iter().filter_map(|datagram| peek(datagram));
    let numbers = numbers.map(|(_, number)| number);
    numbers.filter(|&number| number != OUTSIDE).collect()
}

fn kinds(datagram: &Bytes) -> Vec<FrameType> {
    let mut decoder = FrameDecoder::default();
    decoder.push(datagram.slice(16..datagram.len() - 4));
    let mut kinds = Vec::new();
    while let Ok(Some(Decoded::Frame(frame))) = decoder.next() {
        kinds.push(frame.kind);
    }
    kinds
}

fn say(link: &mut Link, at_ms: u64, bytes: usize) -> (Result<(), SendError>, Vec<Bytes>) {
    let now = Instant::from_millis(at_ms);
    let message = Outgoing::own(FrameType::Data, vec![1; bytes].into());
    let sent = link.send(now, &message);
    let mut out = Output::default();
    link.flush(now, &mut out);
    (sent, out.wire)
}

fn code(out: &Output) -> Option<CloseCode> {
    match out.events.last() {
        Some(Event::Closed(CloseReason::ByUs { code, .. })) => Some(*code),
        _ => None,
    }
}

#[test]
fn a_storm_of_acknowledgements_is_not_answered() {
    let mut link = open(&LinkConfig::new(1));
    for at in 0..64 {
        say(&mut link, at, 100).0.unwrap();
    }
    let sent = link.stats().packets_sent;
    let mut answers = 0;
    for number in 0..20_000 {
        let runs: Vec<_> = (0..RUNS_MAX as u64).rev().map(|n| (2 * n, 2 * n)).collect();
        let runs: Vec<_> = runs.into_iter().filter(|run| run.1 < sent).collect();
        let input = packet(number, &[(FrameType::Ack, 0, &ack(&runs, false)[..])]);
        answers += give(&mut link, 70, input).wire.len();
    }
    // Only what was missing between is repaired, once.
    assert!(answers <= 64, "{answers}");
    assert_eq!(link.state(), "open");
    assert_eq!(link.stats().packets_received, 20_000);
}

#[test]
fn who_asks_for_answers_gets_no_more_than_it_sent() {
    let mut link = open(&LinkConfig::new(1));
    let (mut came, mut left) = (0, 0);
    for number in 0..5_000 {
        let input = packet(2 * number, &[(FrameType::Ack, 0, &ack(&[], true)[..])]);
        came += bytes_of(&input);
        let out = give(&mut link, 1 + number / 10, input);
        assert!(out.wire.len() <= 1);
        left += out.wire.iter().map(Bytes::len).sum::<usize>();
    }
    assert!(left <= 4 * came, "{left} for {came}");
}

#[test]
fn what_never_left_cannot_be_acknowledged() {
    // A number that was not reached.
    let mut link = open(&LinkConfig::new(1));
    let (_, wire) = say(&mut link, 1, 100);
    let last = *numbers(&wire).last().unwrap();
    let payload = ack(&[(0, last + 1)], false);
    let out = give(
        &mut link,
        2,
        packet(0, &[(FrameType::Ack, 0, &payload[..])]),
    );
    assert_eq!(code(&out).map(CloseCode::number), Some(7));

    // One that was skipped: optimistic, a peer acknowledges everything up to the newest.
    let mut link = open(&LinkConfig::new(1));
    let (mut newest, mut skipped, mut number) = (None::<u64>, None, 0);
    for at in 1..40_000 {
        let (sent, wire) = say(&mut link, at, 10);
        sent.unwrap();
        for own in numbers(&wire) {
            if newest.is_some_and(|newest| own > newest + 1) {
                skipped = Some(own - 1);
            }
            newest = Some(own);
        }
        if skipped.is_some() {
            break;
        }
        let runs = [(newest.unwrap(), newest.unwrap())];
        let input = packet(number, &[(FrameType::Ack, 0, &ack(&runs, false)[..])]);
        number += 1;
        assert_eq!(code(&give(&mut link, at, input)), None);
    }
    let skipped = skipped.expect("one number in 2,048 is skipped");
    let payload = ack(&[(skipped, newest.unwrap())], false);
    let input = packet(number, &[(FrameType::Ack, 0, &payload[..])]);
    let out = give(&mut link, 50_000, input);
    assert_eq!(code(&out).map(CloseCode::number), Some(7));
}

#[test]
fn an_acknowledgement_cannot_be_taken_back() {
    let mut link = open(&LinkConfig::new(1));
    for at in 1..=8 {
        say(&mut link, at, 100).0.unwrap();
    }
    for at in 9..200 {
        give(&mut link, at, Input::Tick);
    }
    let last = link.stats().packets_sent - 1;
    let all = ack(&[(0, last)], false);
    let out = give(&mut link, 200, packet(0, &[(FrameType::Ack, 0, &all[..])]));
    assert_eq!(code(&out), None, "{:?}", out.events);
    assert!(link.is_drained());
    // The peer goes on as if it had kept only the newest.
    let less = ack(&[(last, last)], false);
    let again = link.stats().retransmitted;
    for number in 1..500 {
        let input = packet(number, &[(FrameType::Ack, 0, &less[..])]);
        give(&mut link, 200 + number, input);
    }
    assert!(link.is_drained());
    assert_eq!(link.stats().retransmitted, again);
}

#[test]
fn of_many_pings_the_newest_is_answered() {
    let mut link = open(&LinkConfig::new(1));
    let pings = [(FrameType::Ping, 0, &[9_u8; 8][..]); 40];
    let out = give(&mut link, 1, packet(0, &pings));
    let pongs = out.wire.iter().flat_map(kinds);
    let pongs = pongs.filter(|kind| *kind == FrameType::Pong).count();
    assert_eq!(pongs, 1);
    let (mut came, mut left) = (0, 0);
    for number in 1..10_000 {
        let input = packet(number, &[(FrameType::Ping, 0, &[9; 8][..])]);
        came += bytes_of(&input);
        let out = give(&mut link, 2, input);
        assert!(out.wire.len() <= 2, "{} datagrams", out.wire.len());
        left += out.wire.iter().map(Bytes::len).sum::<usize>();
    }
    assert!(left <= 3 * came, "{left} for {came}");
    // What it is remembered by is forgotten once nobody acknowledges it.
    give(&mut link, 50_000, Input::Tick);
    assert!(link.deadline().is_some());
}

#[test]
fn tiny_windows_hold_little_and_stay_open() {
    let config = LinkConfig {
        fragment_bytes: 64,
        window_frames: 1,
        window_bytes: 200,
        ..LinkConfig::new(1)
    };
    let mut link = open(&config);
    let mut taken = 0;
    for at in 0..1_000 {
        match say(&mut link, at / 100, 50).0 {
            Ok(()) => taken += 1,
            Err(error) => assert_eq!(error, SendError::Full),
        }
        assert!(link.stats().in_flight_frames <= 1);
    }
    assert!(taken <= 4, "{taken}");
    // Its peer does not keep to the window, of which it gave one frame.
    let out = give(&mut link, 11, packet(0, &[(FrameType::Data, 1, b"x")]));
    assert_eq!(code(&out).map(CloseCode::number), Some(8));
}

#[test]
fn holes_in_packet_numbers_and_in_places_are_bounded() {
    let config = LinkConfig {
        window_frames: 16_384,
        window_bytes: 30_000,
        ..LinkConfig::new(1)
    };
    let mut link = open(&config);
    let mut kept = 0_usize;
    for number in 0..16_000_u64 {
        // Every second number and every second place, and never the first.
        let seq = (2 * number + 1) as u16;
        let out = give(
            &mut link,
            1 + number,
            packet(2 * number, &[(FrameType::Data, seq, &[1; 100][..])]),
        );
        if let Some(code) = code(&out) {
            assert_eq!(code.number(), 8);
            break;
        }
        kept += 112;
        assert!(kept <= 30_000, "more is kept than was agreed");
    }
    assert_eq!(link.state(), "closed");
}
