//! PyP2P peers: whatever two of them say on several connections, cut anywhere and with any time between, what
//! we say is one line of ASCII each, with every member that strangers need, one at a time; what is shown
//! and told stays in bounds; and the same input does the same twice.

use std::collections::BTreeSet;
use std::time::Duration;

use lamparina_protocol::{Instant, UnixMicros};
use lamparina_pyp2p::contacts::{ConnectionId, Contacts, Input, Output};
use lamparina_pyp2p::limits::LINE_BYTES_MAX;
use lamparina_pyp2p::line::LineReader;
use lamparina_pyp2p::message::read;
use lamparina_pyp2p::{MsgId, PeerId, Record, Settings, Topic};
use serde_json::Value;

use crate::choices::Choices;

const CONNECTIONS: usize = 4;

/// Drives all contacts by the choices, twice.
pub fn pyp2p(input: &[u8]) {
    lines(input);
    assert_eq!(run(input), run(input), "the same twice");
}

/// Lines are the same however they are cut, and reading one never fails otherwise than in words.
fn lines(input: &[u8]) {
    let (mut whole, mut cut) = (Vec::new(), Vec::new());
    let (mut one, mut other) = (LineReader::default(), LineReader::default());
    let read_whole = one.push(input, &mut whole);
    let read_cut = input
        .iter()
        .try_for_each(|byte| other.push(&[*byte], &mut cut));
    assert_eq!(
        (read_whole, one.end(), &whole),
        (read_cut, other.end(), &cut)
    );
    for line in &whole {
        if let Err(error) = read(line) {
            assert!(!error.to_string().is_empty());
        }
    }
}

fn run(input: &[u8]) -> Vec<Output> {
    let mut choices = Choices::new(input);
    let me = PeerId::own("ana", "lab").expect("this is a name");
    let mut contacts = Contacts::new(Settings::new(me, UnixMicros(0)), [1; 16]);
    let (mut now, mut all) = (Instant::ZERO, Vec::new());
    let mut busy = BTreeSet::new();
    for n in 0..CONNECTIONS {
        let addr = ([127, 0, 0, 1], 1).into();
        let connection = ConnectionId::Accepted(n as u64);
        let mut out = Vec::new();
        let _ = contacts.handle(now, Input::Accepted { connection, addr }, &mut out);
        assert!(out.is_empty());
    }
    while !choices.is_empty() {
        now += Duration::from_millis(u64::from(choices.byte()).pow(2));
        let mut out = Vec::new();
        one(&mut choices, &mut contacts, now, &mut out);
        for output in &out {
            judge(output, &mut busy);
        }
        for output in &out {
            // Lines are written at once, or never.
            if let (Output::Write { connection, .. }, true) = (output, choices.flag()) {
                busy.remove(connection);
                let mut more = Vec::new();
                let connection = *connection;
                let _ = contacts.handle(now, Input::Written { connection }, &mut more);
                for output in &more {
                    judge(output, &mut busy);
                }
                all.extend(more);
            }
        }
        all.extend(out);
    }
    all
}

fn one(choices: &mut Choices<'_>, contacts: &mut Contacts, now: Instant, out: &mut Vec<Output>) {
    let connection = ConnectionId::Accepted(choices.below(CONNECTIONS) as u64);
    let dialled = ConnectionId::Dialled(choices.below(CONNECTIONS) as u64);
    let rui = PeerId::received("rui@lab").expect("this is a name");
    let msg_id = MsgId::from_random([choices.byte(); 16]);
    let refused = match choices.below(12) {
        0 => contacts.handle(now, Input::Tick, out),
        1 => contacts.handle(now, Input::Broken { connection }, out),
        2 => contacts.handle(now, Input::EndOfStream { connection }, out),
        3 => {
            let text = choices.text(40);
            let (msg_id, to, text) = (&msg_id, &rui, &text);
            contacts.handle(now, Input::Send { msg_id, to, text }, out)
        }
        4 => {
            let (text, topic) = (choices.text(40), Topic::All);
            let input = Input::Publish {
                msg_id: &msg_id,
                topic: &topic,
                text: &text,
            };
            contacts.handle(now, input, out)
        }
        5 => {
            let addr = ([127, 0, 0, 1], choices.u16().max(1)).into();
            let (peer, expires_in) = (rui, choices.byte().into());
            let records = &[Record {
                peer,
                addr,
                expires_in,
            }];
            let namespace = None;
            contacts.handle(now, Input::Discovered { records, namespace }, out)
        }
        6 => contacts.handle(
            now,
            Input::Connected {
                connection: dialled,
            },
            out,
        ),
        7 => contacts.handle(
            now,
            Input::DialFailed {
                connection: dialled,
            },
            out,
        ),
        8 => {
            let line = line(choices);
            let bytes = line.as_bytes();
            contacts.handle(now, Input::Bytes { connection, bytes }, out)
        }
        9 => {
            let line = line(choices);
            let bytes = line.as_bytes();
            let connection = dialled;
            contacts.handle(now, Input::Bytes { connection, bytes }, out)
        }
        _ => {
            let bytes = choices.bytes(200);
            contacts.handle(now, Input::Bytes { connection, bytes }, out)
        }
    };
    if let Err(refused) = refused {
        assert!(!refused.to_string().is_empty());
    }
}

/// A line that may well be one.
fn line(choices: &mut Choices<'_>) -> String {
    const KINDS: [&str; 10] = [
        "HELLO", "HELLO_OK", "PING", "PONG", "SEND", "ACK", "PUB", "BYE", "BYE_OK", "X",
    ];
    let kind = KINDS[choices.below(KINDS.len())];
    let who = ["rui@lab", "eva@mar", "ana@lab"][choices.below(3)];
    let (msg_id, acked, lone) = (choices.below(4), choices.flag(), choices.flag());
    let payload = if lone { "\\ud800" } else { "oi" };
    format!(
        "{{\"type\":\"{kind}\",\"peer_id\":\"{who}\",\"msg_id\":\"{msg_id}\",\"payload\":\"{payload}\",\"require_ack\":{acked}}}\n"
    )
}

fn judge(output: &Output, busy: &mut BTreeSet<ConnectionId>) {
    match output {
        Output::Write { connection, line } => {
            assert!(busy.insert(*connection), "one line at a time");
            assert!(line.is_ascii() && line.len() <= LINE_BYTES_MAX);
            assert_eq!(line.find('\n'), Some(line.len() - 1));
            let object: Value = serde_json::from_str(line).expect("what we say is JSON");
            assert_eq!(object["ttl"], 1);
            let needs: &[&str] = match object["type"].as_str() {
                Some("HELLO" | "HELLO_OK") => &["peer_id", "version"],
                Some("PING" | "PONG" | "ACK") => &["msg_id", "timestamp"],
                Some("SEND" | "PUB") => &["msg_id", "src", "dst", "payload"],
                Some("BYE") => &["msg_id", "src", "dst", "reason"],
                Some("BYE_OK") => &["msg_id", "src", "dst"],
                other => panic!("we say no {other:?}"),
            };
            assert!(needs.iter().all(|member| object[member].is_string()));
        }
        Output::Close { connection } => {
            busy.remove(connection);
        }
        Output::Said { from, .. } => assert_ne!(from.as_str(), "ana@lab", "nobody is us"),
        _ => {}
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let hello = b"{\"type\":\"HELLO\",\"peer_id\":\"rui@lab\"}\n";
    let send = b"{\"type\":\"SEND\",\"msg_id\":\"m\",\"payload\":\"oi\",\"require_ack\":true}\n";
    let bye = b"{\"type\":\"BYE\",\"msg_id\":\"b\"}\n";
    let step = |connection: u8, kind: u8, rest: &[u8]| {
        let length = u16::try_from(rest.len()).unwrap_or(0).to_be_bytes();
        let head: &[u8] = if kind == 11 { &length } else { &[] };
        [&[3, connection, 1, 7, kind][..], head, rest, &[1, 1]].concat()
    };
    let talk = [
        step(0, 11, hello),
        step(0, 11, send),
        step(0, 3, b"\0\x02oi"),
        step(0, 11, bye),
    ];
    vec![
        talk.concat(),
        [
            step(0, 11, hello),
            step(1, 11, hello),
            step(0, 4, b"\0\x02oi"),
            step(0, 1, b""),
        ]
        .concat(),
        [
            step(0, 5, b"\x10\x01\x09"),
            step(0, 6, b""),
            step(1, 9, b"\x01\0\0\0\0"),
            step(0, 0, b""),
        ]
        .concat(),
        (0..60)
            .flat_map(|n| step(n % 4, 8, &[n % 10, n % 3, n, 1, n & 1]))
            .collect(),
        b"{\"type\":\"PING\"}\n\xff\xfe\n[]\n\n{\"a\":\"\\ud800\"}\n".to_vec(),
    ]
}
