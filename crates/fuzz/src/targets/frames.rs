//! Frames: however a stream is split the same comes out, and what is accepted encodes to the bytes
//! that it was.

use bytes::Bytes;
use lamparina_protocol::frame::{
    Decoded, Frame, FrameDecoder, FrameType, HEADER_BYTES, Header, LostBoundary, PAYLOAD_BYTES_MAX,
    Seq, checksum,
};

use crate::choices::Choices;

/// Reads cuts, then a stream in pieces: raw bytes, good frames, damaged ones, foreign ones.
pub fn frames(input: &[u8]) {
    let mut choices = Choices::new(input);
    let cuts: Vec<usize> = (0..choices.below(8))
        .map(|_| usize::from(choices.u16()))
        .collect();
    let stream = stream(&mut choices);
    let (whole, lost) = decoded(&stream, &[]);
    assert_eq!(decoded(&stream, &cuts), (whole.clone(), lost));
    check_places(&stream, &whole, lost);
}

fn stream(choices: &mut Choices<'_>) -> Bytes {
    let mut stream = Vec::new();
    while !choices.is_empty() {
        match choices.below(4) {
            0 => stream.extend_from_slice(choices.bytes(64)),
            1 => stream.extend(frame(choices).to_bytes()),
            2 => {
                let mut damaged = frame(choices).to_bytes().to_vec();
                let at = usize::from(choices.u16()) % damaged.len();
                damaged[at] ^= choices.byte();
                stream.extend(damaged);
            }
            _ => put_foreign(choices, &mut stream),
        }
    }
    stream.into()
}

fn frame(choices: &mut Choices<'_>) -> Frame {
    Frame {
        kind: FrameType::ALL[choices.below(FrameType::ALL.len())],
        seq: Seq::new(choices.u16()),
        last: choices.flag(),
        payload: Bytes::copy_from_slice(choices.bytes(128)),
    }
}

/// Any header over any payload, with a good checksum.
fn put_foreign(choices: &mut Choices<'_>, stream: &mut Vec<u8>) {
    let mut header = Header {
        length: 0,
        kind: choices.byte(),
        seq: Seq::new(choices.u16()),
        checksum: 0,
        last: choices.byte(),
    };
    let payload = choices.bytes(64);
    header.length = payload.len() as u32;
    header.checksum = header.checksum_after(checksum::of(payload));
    stream.extend_from_slice(&header.to_bytes());
    stream.extend_from_slice(payload);
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
                Err(lost) => {
                    decoder.push(Bytes::from_static(&[0; 64]));
                    assert_eq!(decoder.next(), Err(lost), "what is lost stays lost");
                    assert!(!decoder.is_mid_frame(), "and nothing is held for it");
                    return (all, Some(lost));
                }
            }
        }
    }
    (all, None)
}

/// What was decoded stands there in the stream, one after the other.
fn check_places(stream: &Bytes, all: &[Decoded], lost: Option<LostBoundary>) {
    let mut at = 0;
    for one in all {
        let header = stream[at..].first_chunk().map(Header::from_bytes);
        let header = header.expect("a decoded frame has a header");
        let length = header.length as usize;
        assert!(length <= PAYLOAD_BYTES_MAX);
        let end = at + HEADER_BYTES + length;
        match one {
            Decoded::Frame(frame) => assert_eq!(frame.to_bytes(), stream[at..end]),
            Decoded::Damaged(hint) => assert_eq!(*hint, header),
            Decoded::Foreign(_) => {
                let known = FrameType::from_number(header.kind).is_some();
                assert!(!known || header.last > 1);
            }
        }
        at = end;
    }
    match lost {
        Some(lost) => assert!(lost.length as usize > PAYLOAD_BYTES_MAX),
        // What is left is no whole frame.
        None => {
            let rest = &stream[at..];
            let header = rest.first_chunk().map(Header::from_bytes);
            let needs = header.map_or(HEADER_BYTES, |it| HEADER_BYTES + it.length as usize);
            assert!(rest.len() < needs);
        }
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let good = [0, 1, 3, 0, 7, 1, 0, 5, b'h', b'e', b'l', b'l', b'o'];
    let foreign = [2, 0, 5, 0, 20, 3, 77, 0, 0, 1, 0, 2, 1, 2];
    let raw = [0, 0, 0, 12, 0, 0, 0x1f, 0xf5, 4, 0, 0, 0, 0, 0, 0, 1];
    let damaged = [0, 2, 3, 0, 7, 1, 0, 2, b'a', b'b', 0, 12, 1];
    vec![
        good.to_vec(),
        foreign.to_vec(),
        raw.to_vec(),
        damaged.to_vec(),
        [&good[..], &damaged[1..], &foreign[5..]].concat(),
    ]
}
