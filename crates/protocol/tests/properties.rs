//! Any bytes, any split, any order of inputs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use lamparina_protocol::Instant;
use lamparina_protocol::control::{
    Ack, CloseCode, Disconnect, HandshakeAck, Nack, Repair, Syn, SynAck, Terms, read_ping,
};
use lamparina_protocol::frame::{Decoded, Frame, FrameDecoder, FrameType, LostBoundary, Seq};
use lamparina_protocol::link::{Event, Input, Link, LinkConfig, Outgoing, Output};
use lamparina_protocol::seal::{IdentityKey, LinkKeys, SEED_BYTES, Transport};
use proptest::collection::vec;
use proptest::prelude::*;

fn kind() -> impl Strategy<Value = FrameType> {
    prop::sample::select(FrameType::ALL.to_vec())
}

fn frame() -> impl Strategy<Value = Frame> {
    let payload = vec(any::<u8>(), 0..300);
    (kind(), any::<u16>(), any::<bool>(), payload).prop_map(|(kind, seq, last, payload)| Frame {
        kind,
        seq: Seq::new(seq),
        last,
        payload: payload.into(),
    })
}

/// Everything the decoder makes of `bytes`, cut before each place in `cuts`.
fn decoded(bytes: &Bytes, cuts: &[usize]) -> (Vec<Decoded>, Option<LostBoundary>) {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    cuts.push(bytes.len());
    let mut decoder = FrameDecoder::default();
    let (mut all, mut from) = (Vec::new(), 0);
    for to in cuts {
        decoder.push(bytes.slice(from..to));
        from = to;
        loop {
            match decoder.next() {
                Ok(Some(one)) => all.push(one),
                Ok(None) => break,
                Err(lost) => return (all, Some(lost)),
            }
        }
    }
    (all, None)
}

fn joined(frames: &[Frame]) -> Bytes {
    let mut out = BytesMut::new();
    frames.iter().for_each(|frame| frame.encode_into(&mut out));
    out.freeze()
}

fn any_terms() -> impl Strategy<Value = Terms> {
    let limits = (any::<u16>(), any::<u16>(), any::<u32>(), any::<u32>());
    let flags = (any::<bool>(), any::<bool>());
    (limits, flags).prop_map(|((fragment, frames, bytes, message), (gbn, bulk))| Terms {
        version: 1,
        fragment_bytes: fragment,
        window_frames: frames,
        window_bytes: bytes,
        repair: if gbn {
            Repair::GoBackN
        } else {
            Repair::SelectiveRepeat
        },
        message_bytes_max: message,
        bulk,
    })
}

/// What may befall a link.
#[derive(Clone, Debug)]
enum Blow {
    Frames(Vec<Frame>),
    Bytes(Vec<u8>),
    Say(u16),
    SayBulk(u16),
    Accept,
    Close,
    Eof,
    Wait(u32),
}

fn small_seq() -> impl Strategy<Value = u16> {
    prop_oneof![8 => 0..12u16, 1 => 65_530..=65_535u16, 1 => any::<u16>()]
}

/// Frames that get far: places, ranges and lengths near what a link expects.
fn likely_frame() -> impl Strategy<Value = Frame> {
    let numbers = vec(small_seq(), 0..9);
    (kind(), small_seq(), any::<bool>(), numbers).prop_map(|(kind, seq, last, numbers)| {
        let sequenced = kind.is_sequenced();
        let payload: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
        Frame {
            kind,
            seq: Seq::new(match kind {
                // A lane's number.
                FrameType::Ack | FrameType::Nack => u16::from(last),
                _ if sequenced => seq,
                _ => 0,
            }),
            last: last || !sequenced,
            payload: payload.into(),
        }
    })
}

fn blow() -> impl Strategy<Value = Blow> {
    prop_oneof![
        10 => vec(likely_frame(), 1..4).prop_map(Blow::Frames),
        1 => vec(frame(), 1..3).prop_map(Blow::Frames),
        1 => vec(any::<u8>(), 0..40).prop_map(Blow::Bytes),
        6 => (0..400u16).prop_map(Blow::Say),
        3 => (0..400u16).prop_map(Blow::SayBulk),
        1 => Just(Blow::Accept),
        1 => Just(Blow::Close),
        1 => Just(Blow::Eof),
        4 => (0..3_000_000u32).prop_map(Blow::Wait),
    ]
}

fn strike(link: &mut Link, now: &mut Instant, blow: Blow, out: &mut Output) {
    let input = match blow {
        // Inside records a peer says what it likes; in clear it would only end the link.
        Blow::Frames(frames) if link.is_sealed() && link.terms().is_some() => {
            Input::Frames(joined(&frames))
        }
        Blow::Frames(frames) => Input::Bytes(joined(&frames)),
        Blow::Bytes(bytes) => Input::Bytes(bytes.into()),
        Blow::Say(bytes) => return say(link, *now, FrameType::Data, bytes, out),
        Blow::SayBulk(bytes) => return say(link, *now, FrameType::Bulk, bytes, out),
        Blow::Accept => Input::Accept {
            welcome: Bytes::new(),
        },
        Blow::Close => Input::Close {
            code: CloseCode::Goodbye,
            text: String::new(),
        },
        Blow::Eof => Input::Eof,
        Blow::Wait(micros) => {
            *now += Duration::from_micros(u64::from(micros));
            Input::Tick
        }
    };
    let _ = link.handle(*now, input, out);
}

fn say(link: &mut Link, now: Instant, kind: FrameType, bytes: u16, out: &mut Output) {
    let body = Bytes::from(vec![1; usize::from(bytes)]);
    let _ = link.send(now, &Outgoing::own(kind, body));
    link.flush(now, out);
}

fn keys(number: u8) -> LinkKeys {
    let identity = IdentityKey::from_seed(&[number; 32]);
    LinkKeys::new(identity, [number; SEED_BYTES], Transport::Tcp)
}

/// Two links that have opened; one of them is struck.
fn opened(gbn: bool, initiator: bool, sealed: bool) -> Link {
    let repair = if gbn {
        Repair::GoBackN
    } else {
        Repair::SelectiveRepeat
    };
    let config = LinkConfig {
        repair,
        fragment_bytes: 64,
        window_frames: 8,
        window_bytes: 400,
        ..LinkConfig::new(1)
    };
    let mut ours = Link::initiate(config.clone(), Bytes::new(), Instant::ZERO);
    let mut theirs = Link::respond(config, Instant::ZERO);
    if sealed {
        ours = ours.sealed(keys(1));
        theirs = theirs.sealed(keys(2));
    }
    let (mut there, mut back) = (Output::default(), Output::default());
    ours.handle(Instant::ZERO, Input::Tick, &mut there).unwrap();
    let mut accept = Some(Input::Accept {
        welcome: Bytes::new(),
    });
    for _ in 0..2 {
        for bytes in there.wire.drain(..) {
            let input = Input::Bytes(bytes);
            theirs.handle(Instant::ZERO, input, &mut back).unwrap();
        }
        if let Some(accept) = accept.take() {
            theirs.handle(Instant::ZERO, accept, &mut back).unwrap();
        }
        for bytes in back.wire.drain(..) {
            let input = Input::Bytes(bytes);
            ours.handle(Instant::ZERO, input, &mut there).unwrap();
        }
        if ours.state() == "proving" {
            ours.handle(Instant::ZERO, Input::Trust, &mut there)
                .unwrap();
        }
    }
    assert_eq!((ours.state(), theirs.state()), ("open", "open"));
    if initiator { ours } else { theirs }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_gives_the_same_frames(frames in vec(frame(), 0..6), cuts in vec(any::<usize>(), 0..12)) {
        let (all, lost) = decoded(&joined(&frames), &cuts);
        let expected: Vec<Decoded> = frames.into_iter().map(Decoded::Frame).collect();
        prop_assert_eq!(all, expected);
        prop_assert_eq!(lost, None);
    }

    #[test]
    fn any_bytes_give_the_same_however_split(
        mut bytes in vec(any::<u8>(), 0..400),
        frames in vec(frame(), 0..3),
        cuts in vec(any::<usize>(), 0..12),
    ) {
        let mut all = joined(&frames).to_vec();
        // Mostly possible lengths, so that decoding goes on.
        if bytes.len() >= 4 {
            bytes[..3].fill(0);
        }
        all.append(&mut bytes);
        let all = Bytes::from(all);
        prop_assert_eq!(decoded(&all, &cuts), decoded(&all, &[]));
    }

    #[test]
    fn accepted_bytes_encode_to_themselves(frame in frame(), flip in any::<Option<(usize, u8)>>()) {
        let mut bytes = frame.to_bytes().to_vec();
        if let Some((at, bits)) = flip {
            let at = at % bytes.len();
            bytes[at] ^= bits;
        }
        let bytes = Bytes::from(bytes);
        if let (all, None) = decoded(&bytes, &[])
            && let [Decoded::Frame(frame)] = &all[..]
        {
            prop_assert_eq!(frame.to_bytes(), bytes);
        }
    }

    #[test]
    fn handshakes_go_there_and_back(
        terms in any_terms(),
        (echo, token) in any::<(u32, u32)>(),
        words in vec(any::<u8>(), 0..1_025),
    ) {
        let words = Bytes::from(words);
        let syn = Syn { terms, sealed: false, token, hello: words.clone() };
        prop_assert_eq!(Syn::from_bytes(&syn.to_bytes()), Ok(syn));
        let syn_ack = SynAck { terms, sealed: false, echo, token, welcome: words };
        prop_assert_eq!(SynAck::from_bytes(&syn_ack.to_bytes()), Ok(syn_ack));
        let ack = HandshakeAck { echo, hello: Bytes::new() };
        prop_assert_eq!(HandshakeAck::from_bytes(&ack.to_bytes()), Ok(ack));
    }

    #[test]
    fn goodbyes_go_there_and_back(code in any::<u16>(), orderly in any::<bool>(), next in any::<u16>(), text in "\\PC{0,200}") {
        let bye = Disconnect { code, orderly, next: Seq::new(next), text };
        let read = Disconnect::from_bytes(&bye.to_bytes()).unwrap();
        prop_assert!(bye.text.starts_with(&read.text));
        prop_assert!(read.text.len() == bye.text.len() || read.text.len() > 508);
        prop_assert_eq!(Disconnect { text: String::new(), ..read }, Disconnect { text: String::new(), ..bye });
    }

    #[test]
    fn any_payload_is_judged(mut bytes in vec(any::<u8>(), 0..150), ours in any::<bool>()) {
        if ours && bytes.len() > 8 {
            bytes[..8].copy_from_slice(b"LMPR\0\x01\0\0");
        }
        if let Ok(syn) = Syn::from_bytes(&bytes) {
            prop_assert_eq!(&syn.to_bytes(), &bytes);
        }
        if let Ok(syn_ack) = SynAck::from_bytes(&bytes) {
            prop_assert_eq!(&syn_ack.to_bytes(), &bytes);
        }
        if let Ok(ack) = HandshakeAck::from_bytes(&bytes) {
            prop_assert_eq!(&ack.to_bytes()[..], &bytes);
        }
        if let Ok(ack) = Ack::from_bytes(&bytes) {
            prop_assert_eq!(&ack.to_bytes(), &bytes);
        }
        if let Ok(nack) = Nack::from_bytes(&bytes) {
            prop_assert_eq!(&nack.to_bytes(), &bytes);
        }
        if let Ok(echo) = read_ping(&bytes) {
            prop_assert_eq!(&echo[..], &bytes);
        }
        let _ = Disconnect::from_bytes(&bytes);
    }

    #[test]
    fn no_input_breaks_a_link(
        gbn in any::<bool>(),
        initiator in any::<bool>(),
        open in prop::bool::weighted(0.8),
        sealed in prop::bool::weighted(0.3),
        blows in vec(blow(), 1..40),
    ) {
        let mut link = match (open, initiator) {
            (true, initiator) => opened(gbn, initiator, sealed),
            (false, true) => Link::initiate(LinkConfig::new(1), Bytes::new(), Instant::ZERO),
            (false, false) => Link::respond(LinkConfig::new(1), Instant::ZERO),
        };
        if sealed && !open {
            link = link.sealed(keys(1));
        }
        let mut now = Instant::ZERO;
        let mut closed = false;
        for blow in blows {
            let mut out = Output::default();
            strike(&mut link, &mut now, blow, &mut out);
            if closed {
                prop_assert!(out.wire.is_empty() && out.events.is_empty());
            }
            closed |= out.events.iter().any(|event| matches!(event, Event::Closed(_)));
            prop_assert_eq!(closed, link.state() == "closed");
            prop_assert_eq!(closed, link.deadline().is_none());
            if open {
                prop_assert!(link.stats().in_flight_bytes <= 400);
                prop_assert!(link.stats().in_flight_frames <= 8);
            }
            // What goes out is whole frames.
            for piece in out.wire {
                let mut decoder = FrameDecoder::sealed();
                decoder.push(piece);
                while let Some(one) = decoder.next().unwrap() {
                    prop_assert!(matches!(one, Decoded::Frame(_)));
                }
                prop_assert!(!decoder.is_mid_frame());
            }
        }
    }
}
