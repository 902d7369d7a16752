//! Every state of a link and every input: what goes out, what the layer above hears, which state
//! follows. The expected text lies beside this file, so that a change of protocol shows in review;
//! `UPDATE_EXPECT=1 cargo test -p lamparina-protocol --test link_table` writes it anew.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use lamparina_protocol::Instant;
use lamparina_protocol::control::{
    Ack, CloseCode, Disconnect, HandshakeAck, MAGIC, Nack, SeqRange, Syn, SynAck, Terms,
};
use lamparina_protocol::frame::{
    Decoded, FrameDecoder, FrameType, HEADER_BYTES, Header, Seq, checksum, put_frame,
};
use lamparina_protocol::link::{CloseReason, Event, Input, Link, LinkConfig, Outgoing, Output};
use lamparina_protocol::seal::{IdentityKey, LinkKeys, SEED_BYTES, Transport};

const OURS: u32 = 7;
const THEIRS: u32 = 9;
const NOW: Instant = Instant::from_millis(100);

// States.

fn tell(link: &mut Link, input: Input) -> Output {
    let mut out = Output::default();
    link.handle(NOW, input, &mut out).unwrap();
    out
}

fn calling_first() -> Link {
    Link::initiate(LinkConfig::new(OURS), Bytes::from_static(b"hi"), NOW)
}

fn calling() -> Link {
    let mut link = calling_first();
    tell(&mut link, Input::Tick);
    link
}

fn listening() -> Link {
    Link::respond(LinkConfig::new(OURS), NOW)
}

fn asked() -> Link {
    let mut link = listening();
    tell(&mut link, syn(|_| {}));
    link
}

fn answered() -> Link {
    let mut link = asked();
    let welcome = Bytes::from_static(b"yo");
    tell(&mut link, Input::Accept { welcome });
    link
}

fn open_initiator() -> Link {
    let mut link = calling();
    tell(&mut link, syn_ack(|_| {}));
    link
}

fn open_without_bulk() -> Link {
    let mut link = calling();
    tell(&mut link, syn_ack(|syn_ack| syn_ack.terms.bulk = false));
    link
}

/// In the BULK lane places 0 and 1 are in flight, more waits, and place 1 of the peer's came early.
fn open_with_bulk() -> Link {
    let mut link = answered();
    tell(&mut link, handshake_ack(OURS));
    let body = Bytes::from_static(&[7; 1_500]);
    link.send(NOW, &Outgoing::own(FrameType::Bulk, body))
        .unwrap();
    link.flush(NOW, &mut Output::default());
    tell(&mut link, bulk(1));
    link
}

fn closing_with_bulk() -> Link {
    let mut link = open_with_bulk();
    tell(&mut link, close());
    link
}

/// Places 0 and 1 are in flight, place 1 of the peer's came early.
fn open_responder() -> Link {
    let mut link = answered();
    tell(&mut link, handshake_ack(OURS));
    say(&mut link);
    say(&mut link);
    tell(&mut link, data(1));
    link
}

fn say(link: &mut Link) {
    let body = Bytes::from_static(b"text");
    link.send(NOW, &Outgoing::own(FrameType::Data, body))
        .unwrap();
    link.flush(NOW, &mut Output::default());
}

fn closing_pending() -> Link {
    let mut link = open_responder();
    tell(&mut link, close());
    link
}

fn closing_said() -> Link {
    let mut link = open_initiator();
    tell(&mut link, close());
    link
}

fn closing_asked() -> Link {
    let mut link = open_responder();
    tell(&mut link, disconnect(true, 2));
    link
}

fn closed() -> Link {
    let mut link = calling();
    tell(&mut link, Input::Eof);
    link
}

// States of a sealed link. Keys are fixed, so that both sides say the same in every run.

fn keys(number: u8) -> LinkKeys {
    let identity = IdentityKey::from_seed(&[number; 32]);
    LinkKeys::new(identity, [number; SEED_BYTES], Transport::Tcp)
}

fn sealed_initiator(token: u32) -> Link {
    let mut link =
        Link::initiate(LinkConfig::new(token), Bytes::from_static(b"hi"), NOW).sealed(keys(1));
    tell(&mut link, Input::Tick);
    link
}

fn sealed_responder(token: u32) -> Link {
    Link::respond(LinkConfig::new(token), NOW).sealed(keys(2))
}

fn yo() -> Input {
    Input::Accept {
        welcome: Bytes::from_static(b"yo"),
    }
}

/// What `link` says to `input`, as the other side gets it.
fn said(link: &mut Link, input: Input) -> Input {
    Input::Bytes(tell(link, input).wire.concat().into())
}

fn sealed_syn(token: u32) -> Input {
    let config = LinkConfig::new(token);
    let mut link = Link::initiate(config, Bytes::from_static(b"hi"), NOW).sealed(keys(1));
    said(&mut link, Input::Tick)
}

fn sealed_calling() -> Link {
    sealed_initiator(OURS)
}

/// Both sides of a sealed link that is open, and the frames of its handshake but the first.
fn sealed_pair(tokens: [u32; 2]) -> ([Link; 2], [Input; 2]) {
    let mut client = sealed_initiator(tokens[0]);
    let mut server = sealed_responder(tokens[1]);
    tell(&mut server, sealed_syn(tokens[0]));
    let second = said(&mut server, yo());
    tell(&mut client, second.clone());
    let third = said(&mut client, Input::Trust);
    tell(&mut server, third.clone());
    ([client, server], [second, third])
}

fn sealed_syn_ack() -> Input {
    sealed_pair([OURS, THEIRS]).1[0].clone()
}

fn sealed_handshake_ack() -> Input {
    sealed_pair([THEIRS, OURS]).1[1].clone()
}

fn record(mut link: Link) -> Input {
    let body = Bytes::from_static(b"text");
    link.send(NOW, &Outgoing::own(FrameType::Data, body))
        .unwrap();
    let mut out = Output::default();
    link.flush(NOW, &mut out);
    Input::Bytes(out.wire.concat().into())
}

fn record_of_server() -> Input {
    let ([_, server], _) = sealed_pair([OURS, THEIRS]);
    record(server)
}

fn record_of_client() -> Input {
    let ([client, _], _) = sealed_pair([THEIRS, OURS]);
    record(client)
}

fn sealed_proving() -> Link {
    let mut link = sealed_calling();
    tell(&mut link, sealed_syn_ack());
    link
}

fn sealed_listening() -> Link {
    sealed_responder(OURS)
}

fn sealed_asked() -> Link {
    let mut link = sealed_listening();
    tell(&mut link, sealed_syn(THEIRS));
    link
}

fn sealed_answered() -> Link {
    let mut link = sealed_asked();
    tell(&mut link, yo());
    link
}

fn sealed_open_initiator() -> Link {
    let ([client, _], _) = sealed_pair([OURS, THEIRS]);
    client
}

fn sealed_open_responder() -> Link {
    let ([_, server], _) = sealed_pair([THEIRS, OURS]);
    server
}

type State = (&'static str, fn() -> Link);

const STATES: [State; 21] = [
    ("calling, SYN not sent", calling_first),
    ("calling", calling),
    ("listening", listening),
    ("asked", asked),
    ("answered", answered),
    ("open, initiator", open_initiator),
    ("open, initiator, without BULK", open_without_bulk),
    ("open, responder, 0-1 in flight, 1 early", open_responder),
    (
        "open, responder, of BULK 0-1 in flight, 1 early",
        open_with_bulk,
    ),
    ("closing, 0-1 in flight, 1 early", closing_pending),
    ("closing, of BULK 0-1 in flight, 1 early", closing_with_bulk),
    ("closing, goodbye said", closing_said),
    (
        "closing, goodbye heard, 0-1 in flight, 1 early",
        closing_asked,
    ),
    ("closed", closed),
    ("sealed, calling", sealed_calling),
    ("sealed, proving", sealed_proving),
    ("sealed, listening", sealed_listening),
    ("sealed, asked", sealed_asked),
    ("sealed, answered", sealed_answered),
    ("sealed, open, initiator", sealed_open_initiator),
    ("sealed, open, responder", sealed_open_responder),
];

// Inputs.

fn frame(kind: FrameType, seq: u16, last: bool, payload: &[u8]) -> Input {
    let mut out = BytesMut::new();
    put_frame(&mut out, kind, Seq::new(seq), last, payload);
    Input::Bytes(out.freeze())
}

fn control(kind: FrameType, payload: &[u8]) -> Input {
    frame(kind, 0, true, payload)
}

fn terms() -> Terms {
    Terms {
        version: 1,
        fragment_bytes: 1_000,
        window_frames: 64,
        window_bytes: 100_000,
        repair: Default::default(),
        message_bytes_max: 5_000,
        bulk: true,
    }
}

fn syn(change: fn(&mut Syn)) -> Input {
    let mut syn = Syn {
        terms: terms(),
        sealed: false,
        token: THEIRS,
        hello: Bytes::from_static(b"hi"),
    };
    change(&mut syn);
    control(FrameType::Syn, &syn.to_bytes())
}

fn syn_ack(change: fn(&mut SynAck)) -> Input {
    let mut syn_ack = SynAck {
        terms: terms(),
        sealed: false,
        echo: OURS,
        token: THEIRS,
        welcome: Bytes::from_static(b"yo"),
    };
    change(&mut syn_ack);
    control(FrameType::SynAck, &syn_ack.to_bytes())
}

fn handshake_ack(echo: u32) -> Input {
    let hello = Bytes::new();
    control(
        FrameType::HandshakeAck,
        &HandshakeAck { echo, hello }.to_bytes(),
    )
}

fn data(seq: u16) -> Input {
    frame(FrameType::Data, seq, true, b"text")
}

fn bulk(seq: u16) -> Input {
    frame(FrameType::Bulk, seq, true, b"body")
}

/// An ACK or NACK of the lane that has this number.
fn of_lane(lane: u16, input: Input) -> Input {
    let Input::Bytes(bytes) = input else {
        return input;
    };
    let kind = FrameType::from_number(bytes[4]).unwrap();
    frame(kind, lane, true, &bytes[HEADER_BYTES..])
}

fn ack(next: u16, ranges: &[(u16, u16)]) -> Input {
    let next = Seq::new(next);
    let ranges = seq_ranges(ranges);
    control(FrameType::Ack, &Ack { next, ranges }.to_bytes())
}

fn nack(ranges: &[(u16, u16)]) -> Input {
    let ranges = seq_ranges(ranges);
    control(FrameType::Nack, &Nack { ranges }.to_bytes())
}

fn seq_ranges(ranges: &[(u16, u16)]) -> Vec<SeqRange> {
    let ranges = ranges.iter().map(|&(start, count)| SeqRange {
        start: Seq::new(start),
        count,
    });
    ranges.collect()
}

fn disconnect(orderly: bool, next: u16) -> Input {
    let bye = Disconnect {
        code: CloseCode::Limit.number(),
        orderly,
        next: Seq::new(next),
        text: "bye".to_owned(),
    };
    control(FrameType::Disconnect, &bye.to_bytes())
}

fn close() -> Input {
    Input::Close {
        code: CloseCode::ShuttingDown,
        text: "bye".to_owned(),
    }
}

/// A frame with a good checksum, whatever its fields say.
fn raw(kind: u8, last: u8) -> Input {
    let mut header = Header {
        length: 0,
        kind,
        seq: Seq::FIRST,
        checksum: 0,
        last,
    };
    header.checksum = header.checksum_after(checksum::of(b""));
    Input::Bytes(Bytes::copy_from_slice(&header.to_bytes()))
}

fn damaged(input: Input) -> Input {
    let Input::Bytes(bytes) = input else {
        return input;
    };
    let mut bytes = bytes.to_vec();
    bytes[8] ^= 1;
    Input::Bytes(bytes.into())
}

fn version(number: u8) -> Input {
    let payload = [&MAGIC[..], &[0, number, 1, 2, 3]].concat();
    control(FrameType::Syn, &payload)
}

fn beyond() -> Input {
    data(64)
}

type Given = (&'static str, fn() -> Input);

const INPUTS: [Given; 64] = [
    ("SYN", || syn(|_| {})),
    ("SYN, Go-Back-N, small", || {
        syn(|syn| {
            syn.terms.repair = lamparina_protocol::link::Repair::GoBackN;
            syn.terms.fragment_bytes = 64;
        })
    }),
    ("SYN, other protocol", || {
        control(FrameType::Syn, b"HTTP/1.1")
    }),
    ("SYN, version 2", || version(2)),
    ("SYN, fragment 63", || {
        syn(|syn| syn.terms.fragment_bytes = 63)
    }),
    ("SYN, window 0", || syn(|syn| syn.terms.window_frames = 0)),
    ("SYN, window too small", || {
        syn(|syn| syn.terms.window_bytes = 1_011)
    }),
    ("SYN, cut short", || {
        control(FrameType::Syn, b"LMPR\0\x01\0\0")
    }),
    ("SYN_ACK", || syn_ack(|_| {})),
    ("SYN_ACK, other token", || {
        syn_ack(|syn_ack| syn_ack.echo = 8)
    }),
    ("SYN_ACK, above the offer", || {
        syn_ack(|syn_ack| syn_ack.terms.message_bytes_max = u32::MAX)
    }),
    ("SYN_ACK, version 2", || {
        control(FrameType::SynAck, b"LMPR\0\x02")
    }),
    ("HANDSHAKE_ACK", || handshake_ack(OURS)),
    ("HANDSHAKE_ACK, other token", || handshake_ack(THEIRS)),
    ("HANDSHAKE_ACK, too long", || {
        control(FrameType::HandshakeAck, &[0; 5])
    }),
    ("DATA 0", || data(0)),
    ("DATA 0, not last", || {
        frame(FrameType::Data, 0, false, b"te")
    }),
    ("DATA 2", || data(2)),
    ("DATA 65,535 (behind)", || data(65_535)),
    ("DATA 64 (beyond)", beyond),
    ("DATA 0, over the fragment", || {
        frame(FrameType::Data, 0, true, &[0; 1_001])
    }),
    ("SET_NICK 0", || frame(FrameType::SetNick, 0, true, b"nick")),
    ("LIST_REQUEST 0", || {
        frame(FrameType::ListRequest, 0, true, b"")
    }),
    ("LIST_RESPONSE 0", || {
        frame(FrameType::ListResponse, 0, true, b"")
    }),
    ("CHANNEL 0", || frame(FrameType::Channel, 0, true, b"")),
    ("ACK 0", || ack(0, &[])),
    ("ACK 2", || ack(2, &[])),
    ("ACK 3 (unsent)", || ack(3, &[])),
    ("ACK 0, 1 early", || ack(0, &[(1, 1)])),
    ("ACK, odd length", || control(FrameType::Ack, &[0; 3])),
    ("NACK 0-1", || nack(&[(0, 2)])),
    ("NACK 5 (unsent)", || nack(&[(5, 1)])),
    ("NACK, empty", || nack(&[])),
    ("PING", || control(FrameType::Ping, b"12345678")),
    ("PING, seq 1", || {
        frame(FrameType::Ping, 1, true, b"12345678")
    }),
    ("PONG", || control(FrameType::Pong, b"12345678")),
    ("DISCONNECT", || disconnect(false, 0)),
    ("DISCONNECT, orderly, 0 next", || disconnect(true, 0)),
    ("DISCONNECT, orderly, 2 next", || disconnect(true, 2)),
    ("SEALED", || control(FrameType::Sealed, b"")),
    ("BULK 0", || bulk(0)),
    ("BULK 0, not last", || {
        frame(FrameType::Bulk, 0, false, b"bo")
    }),
    ("BULK 2", || bulk(2)),
    ("BULK 65,535 (behind)", || bulk(65_535)),
    ("BULK 64 (beyond)", || bulk(64)),
    ("BULK 0, damaged", || damaged(bulk(0))),
    ("ACK 0 of BULK", || of_lane(1, ack(0, &[]))),
    ("ACK 1 of BULK", || of_lane(1, ack(1, &[]))),
    ("ACK 2 of BULK", || of_lane(1, ack(2, &[]))),
    ("ACK 3 of BULK (unsent)", || of_lane(1, ack(3, &[]))),
    ("NACK 0-1 of BULK", || of_lane(1, nack(&[(0, 2)]))),
    ("ACK 0 of lane 2", || of_lane(2, ack(0, &[]))),
    ("RETRY", || control(FrameType::Retry, &[7; 16])),
    ("type 77", || raw(77, 1)),
    ("last 2", || raw(FrameType::Data.number(), 2)),
    ("SYN, damaged", || damaged(syn(|_| {}))),
    ("DATA 0, damaged", || damaged(data(0))),
    ("SYN, sealed", || sealed_syn(THEIRS)),
    ("SYN_ACK, sealed", sealed_syn_ack),
    ("HANDSHAKE_ACK, sealed", sealed_handshake_ack),
    ("record of the server, DATA 0", record_of_server),
    ("record of the client, DATA 0", record_of_client),
    ("record, damaged", || damaged(record_of_client())),
    ("bytes of HTTP", || {
        Input::Bytes(Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n"))
    }),
];

const CALLS: [Given; 6] = [
    ("end of stream", || Input::Eof),
    ("Trust", || Input::Trust),
    ("Accept", || Input::Accept {
        welcome: Bytes::from_static(b"yo"),
    }),
    ("Close", close),
    ("Abort", || Input::Abort {
        code: CloseCode::TooSlow,
        text: "bye".to_owned(),
    }),
    ("Tick", || Input::Tick),
];

// Printing.

fn printed(link: &mut Link, now: Instant, input: Input) -> String {
    let mut out = Output::default();
    let mut line = String::new();
    if let Err(error) = link.handle(now, input, &mut out) {
        write!(line, "error: {error}; ").unwrap();
    }
    let mut decoder = FrameDecoder::sealed();
    for piece in out.wire {
        decoder.push(piece);
        while let Some(Decoded::Frame(frame)) = decoder.next().unwrap() {
            write!(
                line,
                "{}; ",
                frame_words(frame.kind, frame.seq, &frame.payload)
            )
            .unwrap();
        }
    }
    for event in out.events {
        write!(line, "{}; ", event_words(event)).unwrap();
    }
    write!(line, "-> {}", link.state()).unwrap();
    line
}

fn frame_words(kind: FrameType, seq: Seq, payload: &[u8]) -> String {
    let ranges = |ranges: Vec<SeqRange>| -> String {
        let words = ranges
            .iter()
            .map(|range| format!(" {}+{}", range.start.get(), range.count));
        words.collect()
    };
    let lane = match seq.get() {
        0 => "",
        _ => " of BULK",
    };
    match kind {
        FrameType::Ack => {
            let ack = Ack::from_bytes(payload).unwrap();
            let next = ack.next.get();
            format!("send Ack{lane} {next}{}", ranges(ack.ranges))
        }
        FrameType::Nack => {
            let nack = Nack::from_bytes(payload).unwrap();
            format!("send Nack{lane}{}", ranges(nack.ranges))
        }
        FrameType::Disconnect => {
            let bye = Disconnect::from_bytes(payload).unwrap();
            let code = CloseCode::from_number(bye.code).unwrap();
            let form = if bye.orderly { "orderly" } else { "at once" };
            format!("send Disconnect {code:?}, {form}, next {}", bye.next.get())
        }
        kind if kind.is_sequenced() => format!("send {kind:?} {}", seq.get()),
        kind => format!("send {kind:?}"),
    }
}

fn event_words(event: Event) -> String {
    match event {
        Event::Asked { terms } => {
            format!("Asked({}, {:?})", terms.fragment_bytes, terms.repair)
        }
        Event::Opened { terms, .. } => {
            format!("Opened({}, {:?})", terms.fragment_bytes, terms.repair)
        }
        Event::Proven { .. } => "Proven".to_owned(),
        Event::Received { kind, body } => format!("Received({kind:?}, {} bytes)", body.len()),
        Event::PeerClosing { code, text } => format!("PeerClosing({code}, {text})"),
        Event::Closed(CloseReason::ByUs { code, text }) => format!("Closed(ByUs {code:?}: {text})"),
        Event::Closed(CloseReason::ByPeer { code, text }) => {
            format!("Closed(ByPeer {code}: {text})")
        }
        Event::Closed(CloseReason::Unproven { code, text }) => {
            format!("Closed(Unproven {code}: {text})")
        }
        Event::Closed(reason) => format!("Closed({reason:?})"),
    }
}

fn table() -> String {
    let mut text = String::new();
    for (state, make) in STATES {
        writeln!(text, "{state}").unwrap();
        for (name, input) in INPUTS.iter().chain(&CALLS) {
            let line = printed(&mut make(), NOW, input());
            writeln!(text, "  {name:<28} {line}").unwrap();
        }
        for (name, kind) in [("send", FrameType::Data), ("send BULK", FrameType::Bulk)] {
            let mut link = make();
            let message = Outgoing::own(kind, Bytes::from_static(b"text"));
            let sent = link.send(NOW, &message);
            let line = printed(&mut link, NOW, Input::Tick);
            writeln!(text, "  {name:<28} {sent:?}; {line}").unwrap();
        }
        for seconds in [2, 70] {
            let name = format!("Tick, {seconds} s later");
            let later = NOW + Duration::from_secs(seconds);
            let line = printed(&mut make(), later, Input::Tick);
            writeln!(text, "  {name:<28} {line}").unwrap();
        }
        writeln!(text).unwrap();
    }
    text
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the expected text is a file, written anew on request"
)]
fn every_state_and_every_input() {
    let table = table();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/link_table.txt");
        std::fs::write(path, &table).unwrap();
        return;
    }
    let expected = include_str!("link_table.txt");
    for (number, (got, expected)) in table.lines().zip(expected.lines()).enumerate() {
        assert_eq!(got, expected, "line {}", number + 1);
    }
    assert_eq!(table.lines().count(), expected.lines().count());
}
