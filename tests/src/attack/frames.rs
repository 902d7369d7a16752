//! What a peer can do inside a link: with fragments, places, acknowledgements, and frames that want
//! an answer. In clear, for frames are written by hand; on a sealed link the same machine judges them.

use bytes::Bytes;
use lamparina_protocol::control::{Ack, CloseCode, Nack, SeqRange};
use lamparina_protocol::frame::{FrameType, HEADER_BYTES, PAYLOAD_BYTES_MAX, Seq};
use lamparina_protocol::message::MESSAGE_BYTES_MAX;

use super::healthy::Healthy;
use super::{Report, Size, crowd};
use crate::real::Server;
use crate::real::process::resident_bytes;
use crate::real::raw::{Raw, frame};

/// Memory that one connection may take, whatever it does: its window (1 MiB) and a message.
const ATTACKER_BYTES_MAX: u64 = 3 << 20;
/// The window's frames, and the first place behind the nick.
const WINDOW: u16 = 16_384;
const FIRST: u16 = 1;

/// Everything, one after the other, beside two people who talk.
pub fn window(size: Size) -> Report {
    let did = "endless messages, places at and beyond the window, holes, floods";
    let mut report = Report::new("window", did);
    let server = Server::start_clear();
    let healthy = Healthy::talk(server.addr(), false);
    let without = healthy.measure(size.of(50, 1_000));
    closed(&mut report, &server);
    edge(&mut report, &server);
    holes(&mut report, &server, size);
    floods(&mut report, &server, size);
    let with = healthy.since(size.of(50, 1_000));
    crowd::compare(&mut report, &without, &with, 2);
    healthy.stop();
    report
}

fn data(seq: u16, last: bool, payload: &[u8]) -> Bytes {
    frame(FrameType::Data, seq, last, payload)
}

/// Faults that end the link, each with its code.
fn closed(report: &mut Report, server: &Server) {
    let whole = MESSAGE_BYTES_MAX / PAYLOAD_BYTES_MAX;
    let rest = MESSAGE_BYTES_MAX % PAYLOAD_BYTES_MAX;
    let fragments = |more: usize| -> Vec<u8> {
        let full = (0..whole).map(|n| data(FIRST + n as u16, false, &[b'x'; PAYLOAD_BYTES_MAX]));
        let end = data(FIRST + whole as u16, true, &vec![b'x'; rest + more]);
        full.chain([end]).flatten().collect()
    };
    let endless = (0..WINDOW).flat_map(|n| data(FIRST.wrapping_add(n), false, &[b'x'; 64]));
    let ack = |next: u16, ranges: &[(u16, u16)]| {
        let ranges = ranges.iter().map(|(first, count)| range(*first, *count));
        let ack = Ack {
            next: Seq::new(next),
            ranges: ranges.collect(),
        };
        frame(FrameType::Ack, 0, true, &ack.to_bytes()).to_vec()
    };
    let cases = [
        ("endless", endless.collect(), CloseCode::TooLong),
        ("one byte too long", fragments(1), CloseCode::TooLong),
        // As long as may be: put together, and then not understood.
        ("as long as may be", fragments(0), CloseCode::BadMessage),
        (
            "beyond the window",
            data(FIRST.wrapping_add(WINDOW), true, b"x").to_vec(),
            CloseCode::BeyondWindow,
        ),
        (
            "far beyond",
            data(FIRST + 32_767, true, b"x").to_vec(),
            CloseCode::BeyondWindow,
        ),
        ("optimistic ACK", ack(2, &[]), CloseCode::AckUnsent),
        (
            "optimistic range",
            ack(1, &[(2, 100)]),
            CloseCode::AckUnsent,
        ),
        (
            "ranges that overlap",
            ack(0, &[(5, 9), (6, 1)]),
            CloseCode::BadControl,
        ),
        (
            "another type inside",
            [
                data(FIRST, false, b"x"),
                frame(FrameType::SetNick, FIRST + 1, true, b"x"),
            ]
            .concat(),
            CloseCode::BadMessage,
        ),
    ];
    let all = cases.len();
    let mut good = 0;
    for (number, (name, bytes, code)) in cases.into_iter().enumerate() {
        let mut raw = Raw::enter(server.addr(), &format!("fault-{number}"));
        raw.send(&bytes);
        let words = raw.last_words();
        let as_due = words.as_ref().is_some_and(|words| words.0 == code.number());
        if !as_due {
            eprintln!("window: {name}: {words:?} instead of {code:?}");
        }
        good += usize::from(as_due);
    }
    report.counted(
        "faults end with their code",
        format!("{good} of {all}"),
        good == all,
    );
}

fn range(first: u16, count: u16) -> SeqRange {
    SeqRange {
        start: Seq::new(first),
        count,
    }
}

/// The last place of the window is inside, and what is behind is acknowledged again.
fn edge(report: &mut Report, server: &Server) {
    let mut raw = Raw::enter(server.addr(), "edge");
    raw.send(&data(FIRST + (WINDOW - 1), true, b"x"));
    raw.send(&data(FIRST.wrapping_sub(1), true, b"x"));
    raw.send(&data(FIRST.wrapping_sub(32_768), true, b"x"));
    let alive = answers(&mut raw).is_some();
    report.counted("the window's edge is inside", alive, alive);
}

/// Sends a PING and reads to its PONG: everything before has been dealt with. Gives the bytes read.
fn answers(raw: &mut Raw) -> Option<usize> {
    const LAST: &[u8; 8] = b"the last";
    raw.send(&frame(FrameType::Ping, 0, true, LAST));
    let mut bytes = 0;
    loop {
        let frame = raw.next_frame()?;
        bytes += HEADER_BYTES + frame.payload.len();
        match frame.kind {
            FrameType::Pong if frame.payload == LAST[..] => return Some(bytes),
            FrameType::Disconnect => return None,
            _ => {}
        }
    }
}

/// Windows filled behind a hole that is never filled: with whole frames, and with as many as there
/// are places, of one byte, every second one.
fn holes(report: &mut Report, server: &Server, size: Size) {
    let peers = size.of(4, 50);
    let whole: Vec<u8> = (1..120)
        .flat_map(|n| data(FIRST + n, false, &[b'x'; PAYLOAD_BYTES_MAX]))
        .collect();
    let tiny: Vec<u8> = (1..WINDOW)
        .step_by(2)
        .flat_map(|n| data(FIRST + n, false, b"x"))
        .collect();
    for (name, bytes) in [("whole frames", whole), ("one byte each", tiny)] {
        let before = resident_bytes(server.pid());
        let mut held = Vec::new();
        for number in 0..peers {
            let nick = format!("{}-{number}", name.replace(' ', "-"));
            let mut raw = Raw::enter(server.addr(), &nick);
            raw.send(&bytes);
            held.push(raw);
        }
        let alive = held.iter_mut().filter_map(answers).count();
        let each = resident_bytes(server.pid()).saturating_sub(before) / peers as u64;
        report.counted(
            format!("holes behind {name}: at most 3 MiB each"),
            format!("{} KiB, {alive} of {peers} open", each / 1024),
            each <= ATTACKER_BYTES_MAX && alive == peers,
        );
    }
}

/// Frames that want an answer, many more than may be answered.
fn floods(report: &mut Report, server: &Server, size: Size) {
    let count = size.of(10_000, 200_000);
    let nack = Nack {
        ranges: (0..32).map(|n| range(n * 2, 1)).collect(),
    };
    let ack = Ack {
        next: Seq::new(0),
        ranges: Vec::new(),
    };
    let kinds = [
        ("PING", frame(FrameType::Ping, 0, true, b"answer! ")),
        ("NACK", frame(FrameType::Nack, 0, true, &nack.to_bytes())),
        ("old ACK", frame(FrameType::Ack, 0, true, &ack.to_bytes())),
        ("repetition", frame(FrameType::SetNick, 0, true, b"\x01x")),
    ];
    for (name, one) in kinds {
        let before = resident_bytes(server.pid());
        let mut raw = Raw::enter(server.addr(), &format!("flood-{}", name.replace(' ', "-")));
        let sent = one.len() * count;
        let piece = one.repeat(1_000);
        for _ in 0..count / 1_000 {
            raw.send(&piece);
        }
        let read = answers(&mut raw);
        let grown = resident_bytes(server.pid()).saturating_sub(before);
        report.counted(
            format!("{count} times {name}: fewer bytes come back, at most 3 MiB"),
            format!("{read:?} bytes for {sent}, {} KiB", grown / 1024),
            read.is_some_and(|read| read <= sent) && grown <= ATTACKER_BYTES_MAX,
        );
    }
}
