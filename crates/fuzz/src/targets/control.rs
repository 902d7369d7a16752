//! Control payloads: one that is accepted encodes to the same bytes again.

use bytes::Bytes;
use lamparina_protocol::control::{
    Ack, CLOSE_TEXT_BYTES_MAX, Disconnect, HELLO_BYTES, HandshakeAck, Hello, MAGIC, Nack, Pace,
    RANGES_MAX, Repair, SeqRange, Syn, SynAck, Terms, VERSION, WELCOME_BYTES, WORDS_BYTES_MAX,
    Welcome, read_ping,
};
use lamparina_protocol::frame::Seq;
use lamparina_protocol::{AuthorKey, Epoch, Lamport, LogId, SessionNumber, Term};

/// Reads the bytes as every payload there is.
pub fn control(input: &[u8]) {
    if let Ok(syn) = Syn::from_bytes(input) {
        assert!(syn.hello.len() <= WORDS_BYTES_MAX);
        assert_eq!(syn.to_bytes(), input);
    }
    if let Ok(syn_ack) = SynAck::from_bytes(input) {
        assert!(syn_ack.welcome.len() <= WORDS_BYTES_MAX);
        assert_eq!(syn_ack.to_bytes(), input);
    }
    if let Ok(ack) = HandshakeAck::from_bytes(input) {
        assert_eq!(ack.to_bytes(), input);
    }
    if let Ok(ack) = Ack::from_bytes(input) {
        assert!(ack.ranges.len() <= RANGES_MAX);
        assert_eq!(ack.to_bytes(), input);
        check_ranges(&ack.ranges);
    }
    if let Ok(nack) = Nack::from_bytes(input) {
        assert!((1..=RANGES_MAX).contains(&nack.ranges.len()));
        assert_eq!(nack.to_bytes(), input);
        check_ranges(&nack.ranges);
    }
    if let Ok(echo) = read_ping(input) {
        assert_eq!(echo, input);
    }
    if let Some(hello) = Hello::from_bytes(input) {
        assert_eq!(input.len(), HELLO_BYTES);
        assert_eq!(hello.to_bytes(), input);
    }
    if let Some(welcome) = Welcome::from_bytes(input) {
        assert_eq!(input.len(), WELCOME_BYTES);
        assert_eq!(welcome.to_bytes(), input);
    }
    disconnect(input);
}

/// Ranges take a window's worth of work at most: they do not meet.
fn check_ranges(ranges: &[SeqRange]) {
    let places: u32 = ranges.iter().map(|range| u32::from(range.count)).sum();
    assert!(places <= 1 << 16);
    assert!(ranges.iter().all(|range| range.count > 0));
}

fn disconnect(input: &[u8]) {
    let Ok(bye) = Disconnect::from_bytes(input) else {
        return;
    };
    let again = bye.to_bytes();
    match str::from_utf8(&input[5..]) {
        Ok(_) => assert_eq!(again, input),
        // Signs for what is no UTF-8 are longer than it.
        Err(_) => assert!(again.len() <= 5 + CLOSE_TEXT_BYTES_MAX),
    }
    let read = Disconnect::from_bytes(&again).expect("what was written can be read");
    assert!(bye.text.starts_with(&read.text));
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let terms = Terms {
        version: VERSION,
        fragment_bytes: 8_180,
        window_frames: 4_096,
        window_bytes: 1 << 20,
        repair: Repair::SelectiveRepeat,
        message_bytes_max: 327_680,
        bulk: true,
    };
    let hello = Hello {
        author: AuthorKey([7; 32]),
        epoch: Epoch(1),
        session: SessionNumber(2),
        log: LogId([3; 16]),
        term: Term(4),
        cursor: Lamport::new(5),
    };
    let welcome = Welcome {
        log: LogId([3; 16]),
        term: Term(4),
        clock: Lamport::new(6),
        pace: Pace {
            per_second: 20,
            burst: 100,
        },
    };
    let range = |start, count| SeqRange {
        start: Seq::new(start),
        count,
    };
    let ranges = vec![range(9, 2), range(20, 1), range(65_000, 3)];
    let next = Seq::new(7);
    let text = "until tomorrow".to_owned();
    vec![
        Syn {
            sealed: false,
            terms,
            token: 8,
            hello: hello.to_bytes(),
        }
        .to_bytes(),
        SynAck {
            sealed: true,
            terms,
            echo: 8,
            token: 9,
            welcome: welcome.to_bytes(),
        }
        .to_bytes(),
        HandshakeAck {
            echo: 9,
            hello: Bytes::from_static(b"third"),
        }
        .to_bytes(),
        Ack {
            next,
            ranges: ranges.clone(),
        }
        .to_bytes(),
        Nack { ranges }.to_bytes(),
        Disconnect {
            code: 15,
            orderly: true,
            next,
            text,
        }
        .to_bytes(),
        hello.to_bytes().to_vec(),
        welcome.to_bytes().to_vec(),
        MAGIC.to_vec(),
        vec![0xff; 8],
    ]
}
