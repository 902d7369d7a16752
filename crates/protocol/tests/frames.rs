//! Frames on a stream: their bytes, the order in which they are judged, any split of them, and what
//! the decoder holds. That damaged frames are recognised is in `frames_damaged.rs`.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

use bytes::{Bytes, BytesMut};
use lamparina_protocol::frame::{
    Decoded, FRAME_BYTES_MAX, Frame, FrameDecoder, FrameFault, FrameType, HEADER_BYTES, Header,
    LostBoundary, PAYLOAD_BYTES_MAX, Seq, SharedBody, checksum, put_frame_shared,
};
use proptest::prelude::*;

fn frame(kind: FrameType, seq: u16, last: bool, payload: impl Into<Bytes>) -> Frame {
    Frame {
        kind,
        seq: Seq::new(seq),
        last,
        payload: payload.into(),
    }
}

/// A frame's bytes with any fields at all and the checksum that fits them.
fn raw(kind: u8, seq: u16, last: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = Header {
        length: payload.len() as u32,
        kind,
        seq: Seq::new(seq),
        checksum: 0,
        last,
    };
    header.checksum = header.checksum_after(checksum::of(payload));
    [&header.to_bytes(), payload].concat()
}

/// All that was decoded, and whether the stream then ended inside a frame, or was lost.
type Stream = (Vec<Decoded>, Result<bool, LostBoundary>);

fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Stream {
    let mut decoder = FrameDecoder::default();
    let mut all = Vec::new();
    for chunk in chunks {
        decoder.push(Bytes::copy_from_slice(chunk));
        loop {
            match decoder.next() {
                Ok(Some(decoded)) => all.push(decoded),
                Ok(None) => break,
                Err(lost) => return (all, Err(lost)),
            }
        }
    }
    (all, Ok(decoder.is_mid_frame()))
}

fn decode_whole(bytes: &[u8]) -> Stream {
    decode([bytes])
}

/// Checksums by another implementation: zlib's `crc32`.
#[test]
fn golden_bytes() {
    #[track_caller]
    fn check(frame: Frame, bytes: &[u8]) {
        assert_eq!(frame.to_bytes(), bytes);
        assert_eq!(
            decode_whole(bytes),
            (vec![Decoded::Frame(frame)], Ok(false))
        );
    }
    // Length (4 bytes), type (1), seq (2), checksum (4), last (1), payload.
    #[rustfmt::skip]
    let table: [(Frame, &[u8]); 4] = [
        (frame(FrameType::Ping, 0, true, ""),
            b"\x00\x00\x00\x00\x0b\x00\x00\xc5\x24\x68\xfe\x01"),
        (frame(FrameType::Data, 0x1234, true, "hello"),
            b"\x00\x00\x00\x05\x04\x12\x34\x6d\xb7\x56\x85\x01hello"),
        (frame(FrameType::Data, 0xffff, false, &b"\x00\xff"[..]),
            b"\x00\x00\x00\x02\x04\xff\xff\x72\xdb\x69\x95\x00\x00\xff"),
        (frame(FrameType::Channel, 1, true, "off"),
            b"\x00\x00\x00\x03\x63\x00\x01\x5b\x04\x7c\xe1\x01off"),
    ];
    for (frame, bytes) in table {
        check(frame, bytes);
    }
}

#[test]
fn a_shared_body_and_a_tail_give_the_same_bytes_as_one_payload() {
    for body_bytes in [0, 1, 7, 8, 127, 128, 129, 5_000, PAYLOAD_BYTES_MAX - 8] {
        let bytes: Vec<u8> = (0..body_bytes).map(|i| i as u8).collect();
        let body = SharedBody::new(bytes.into());
        let tail = [9; 8];
        let mut bytes = BytesMut::new();
        let shared = (body.bytes(), body.crc());
        put_frame_shared(
            &mut bytes,
            FrameType::Data,
            Seq::new(7),
            true,
            shared,
            &tail,
        );
        let payload = [body.bytes(), &tail[..]].concat();
        assert_eq!(bytes, frame(FrameType::Data, 7, true, payload).to_bytes());
    }
}

#[test]
fn every_type_and_no_other_number_is_accepted() {
    for number in 0..=255 {
        let expected = match FrameType::from_number(number) {
            Some(kind) => {
                assert_eq!(kind.number(), number);
                Decoded::Frame(frame(kind, 3, false, "x"))
            }
            None => Decoded::Foreign(FrameFault::UnknownType(number)),
        };
        assert_eq!(
            decode_whole(&raw(number, 3, 0, b"x")),
            (vec![expected], Ok(false))
        );
    }
    assert!(
        (0..=255)
            .filter_map(FrameType::from_number)
            .eq(FrameType::ALL)
    );
}

/// Length, then checksum, then type, then `last`: of several faults the first is named.
#[test]
fn the_order_of_judging() {
    const TOO_LONG: u32 = PAYLOAD_BYTES_MAX as u32 + 1;
    for faults in 0..16u8 {
        let [long, damaged, foreign, last] = [1, 2, 4, 8].map(|fault| faults & fault != 0);
        let kind = if foreign {
            77
        } else {
            FrameType::Data.number()
        };
        let mut bytes = raw(kind, 5, if last { 2 } else { 1 }, b"payload");
        if long {
            bytes[..4].copy_from_slice(&TOO_LONG.to_be_bytes());
        }
        if damaged {
            bytes[HEADER_BYTES] ^= 1;
        }
        let header = Header::from_bytes(bytes.first_chunk().unwrap());
        let expected = match (long, damaged, foreign, last) {
            (true, ..) => Err(LostBoundary { length: TOO_LONG }),
            (_, true, ..) => Ok(Decoded::Damaged(header)),
            (_, _, true, _) => Ok(Decoded::Foreign(FrameFault::UnknownType(77))),
            (.., true) => Ok(Decoded::Foreign(FrameFault::BadLast(2))),
            _ => Ok(Decoded::Frame(frame(FrameType::Data, 5, true, "payload"))),
        };
        let expected = match expected {
            Ok(decoded) => (vec![decoded], Ok(false)),
            Err(lost) => (vec![], Err(lost)),
        };
        assert_eq!(decode_whole(&bytes), expected, "faults {faults:04b}");
    }
    for last in 2..=255 {
        let fault = Decoded::Foreign(FrameFault::BadLast(last));
        assert_eq!(
            decode_whole(&raw(4, 0, last, b"")),
            (vec![fault], Ok(false))
        );
    }
}

#[test]
fn the_longest_frame_is_accepted_and_one_byte_more_is_not() {
    let longest = frame(FrameType::Data, 1, true, vec![7; PAYLOAD_BYTES_MAX]);
    let bytes = longest.to_bytes();
    assert_eq!(bytes.len(), FRAME_BYTES_MAX);
    assert_eq!(
        decode_whole(&bytes),
        (vec![Decoded::Frame(longest)], Ok(false))
    );
    let length = PAYLOAD_BYTES_MAX as u32 + 1;
    let longer = raw(4, 1, 1, &[7; PAYLOAD_BYTES_MAX + 1]);
    assert_eq!(
        decode_whole(&longer),
        (vec![], Err(LostBoundary { length }))
    );
}

#[test]
fn an_impossible_length_is_known_by_its_four_bytes_and_nothing_is_held() {
    let good = frame(FrameType::Ping, 0, true, "");
    let lost = LostBoundary { length: u32::MAX };
    for (good_before, cut) in [(false, 1), (false, 4), (true, 1), (true, 4)] {
        let mut decoder = FrameDecoder::default();
        if good_before {
            decoder.push(good.to_bytes());
            assert_eq!(decoder.next(), Ok(Some(Decoded::Frame(good.clone()))));
        }
        let first = Bytes::from(vec![0xff; cut]);
        let second = Bytes::from(vec![0xff; 4 - cut]);
        decoder.push(first.clone());
        if cut < 4 {
            assert_eq!(decoder.next(), Ok(None));
            assert!(decoder.is_mid_frame());
            decoder.push(second.clone());
        }
        assert_eq!(decoder.next(), Err(lost));
        assert!(!decoder.is_mid_frame());
        assert!(first.is_unique());
        assert!(cut == 4 || second.is_unique());
        // What follows means nothing, and is not kept either.
        let more = good.to_bytes();
        decoder.push(more.clone());
        assert_eq!(decoder.next(), Err(lost));
        assert!(more.is_unique() && !decoder.is_mid_frame());
    }
}

#[test]
fn frames_before_a_lost_boundary_are_delivered() {
    let good = frame(FrameType::Data, 3, true, "good");
    let bytes = [&good.to_bytes()[..], b"GET / HTTP/1.1\r\n"].concat();
    let length = u32::from_be_bytes(*b"GET ");
    let expected = (vec![Decoded::Frame(good)], Err(LostBoundary { length }));
    assert_eq!(decode_whole(&bytes), expected);
}

#[test]
fn a_payload_inside_one_chunk_is_a_slice_of_it() {
    const ONE: usize = HEADER_BYTES + 100;
    let frames: Vec<Frame> = (0..11)
        .map(|n| frame(FrameType::Data, n, true, vec![n as u8; 100]))
        .collect();
    let bytes: Vec<u8> = frames.iter().flat_map(Frame::to_bytes).collect();
    let chunk = Bytes::copy_from_slice(&bytes[..9 * ONE + 60]);
    let rest = Bytes::copy_from_slice(&bytes[9 * ONE + 60..]);
    let mut decoder = FrameDecoder::default();
    decoder.push(chunk.clone());
    for n in 0..9 {
        let Ok(Some(Decoded::Frame(frame))) = decoder.next() else {
            panic!("frame {n} is missing");
        };
        assert_eq!(frame, frames[n]);
        assert_eq!(
            frame.payload.as_ptr(),
            chunk[n * ONE + HEADER_BYTES..].as_ptr()
        );
    }
    // A frame across two chunks is put together elsewhere; the next one is a slice again.
    assert_eq!(decoder.next(), Ok(None));
    decoder.push(rest.clone());
    assert_eq!(decoder.next(), Ok(Some(Decoded::Frame(frames[9].clone()))));
    let Ok(Some(Decoded::Frame(frame))) = decoder.next() else {
        panic!("the last frame is missing");
    };
    assert_eq!(
        frame.payload.as_ptr(),
        rest[ONE - 60 + HEADER_BYTES..].as_ptr()
    );
}

#[test]
fn a_few_bytes_of_a_next_frame_do_not_hold_on_to_the_chunk() {
    let chunk = Bytes::from([&raw(4, 0, 1, &[1; 500])[..], b"\0\0\0"].concat());
    let mut decoder = FrameDecoder::default();
    decoder.push(chunk.clone());
    assert!(matches!(decoder.next(), Ok(Some(Decoded::Frame(_)))));
    assert_eq!(decoder.next(), Ok(None));
    assert!(decoder.is_mid_frame());
    assert!(chunk.is_unique());
}

#[test]
fn mid_frame_is_between_the_first_byte_and_the_last() {
    let bytes = raw(4, 0, 1, b"abc");
    let mut decoder = FrameDecoder::default();
    assert_eq!(decoder.next(), Ok(None));
    assert!(!decoder.is_mid_frame());
    for (place, byte) in bytes.iter().enumerate() {
        let ended = place + 1 == bytes.len();
        decoder.push(Bytes::copy_from_slice(&[*byte]));
        assert_eq!(decoder.next().unwrap().is_some(), ended);
        assert_eq!(decoder.is_mid_frame(), !ended);
    }
    decoder.push(Bytes::new());
    assert_eq!(decoder.next(), Ok(None));
    assert!(!decoder.is_mid_frame());
}

/// Good, damaged, empty and foreign frames, and nine bytes of one more.
fn small_stream() -> Vec<u8> {
    let mut damaged = raw(4, 2, 1, b"damaged");
    damaged[14] ^= 0x10;
    [
        raw(4, 1, 1, b"one"),
        damaged,
        raw(11, 0, 1, b""),
        raw(55, 0, 1, b"?"),
        raw(4, 3, 9, b""),
        raw(4, 4, 0, b"four")[..9].to_vec(),
    ]
    .concat()
}

#[test]
fn every_split_in_three_gives_the_same() {
    for lost in [false, true] {
        let mut bytes = small_stream();
        if lost {
            let last_begins = bytes.len() - 9;
            bytes[last_begins] = 1;
        }
        let expected = decode_whole(&bytes);
        assert_eq!(expected.0.len(), 5);
        assert_eq!(expected.1.is_err(), lost);
        for a in 0..=bytes.len() {
            for b in a..=bytes.len() {
                assert_eq!(decode([&bytes[..a], &bytes[a..b], &bytes[b..]]), expected);
            }
        }
        for size in 1..bytes.len() {
            assert_eq!(decode(bytes.chunks(size)), expected);
        }
    }
}

#[test]
fn chunks_pushed_before_asking_are_joined() {
    let bytes = small_stream();
    let mut decoder = FrameDecoder::default();
    for chunk in bytes.chunks(7) {
        decoder.push(Bytes::copy_from_slice(chunk));
    }
    let mut all = vec![];
    while let Some(decoded) = decoder.next().unwrap() {
        all.push(decoded);
    }
    assert_eq!(all, decode_whole(&bytes).0);
}

/// Frames with fitting checksums and any fields, some altered afterwards, and then some bytes.
fn any_frames() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![6 => 1..=14u8, 1 => Just(99), 1 => any::<u8>()];
    let last = prop_oneof![6 => 0..=1u8, 1 => any::<u8>()];
    let length = prop_oneof![8 => 0..40usize, 1 => 0..=PAYLOAD_BYTES_MAX];
    let altered = proptest::option::weighted(0.2, (any::<prop::sample::Index>(), 1..=255u8));
    let frame = (kind, any::<u16>(), last, length, any::<u8>(), altered).prop_map(
        |(kind, seq, last, length, fill, altered)| {
            let payload: Vec<u8> = (0..length).map(|i| fill.wrapping_add(i as u8)).collect();
            let mut bytes = raw(kind, seq, last, &payload);
            if let Some((place, change)) = altered {
                let place = place.index(bytes.len());
                bytes[place] ^= change;
            }
            bytes
        },
    );
    let rest = proptest::collection::vec(any::<u8>(), 0..20);
    (proptest::collection::vec(frame, 0..8), rest)
        .prop_map(|(frames, rest)| [frames.concat(), rest].concat())
}

proptest! {
    #[test]
    fn any_split_gives_the_same(
        bytes in any_frames(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let chunks = cuts.windows(2).map(|ends| &bytes[ends[0]..ends[1]]);
        prop_assert_eq!(decode(chunks), decode_whole(&bytes));
    }

    /// Walks the bytes beside the decoder: each accepted frame is, byte for byte, what it encodes
    /// to, and nothing is passed over.
    #[test]
    fn what_is_accepted_encodes_to_itself(bytes in any_frames()) {
        let (all, end) = decode_whole(&bytes);
        let mut rest = &bytes[..];
        for decoded in all {
            let header = Header::from_bytes(rest.first_chunk().unwrap());
            let (one, others) = rest.split_at(HEADER_BYTES + header.length as usize);
            rest = others;
            match decoded {
                Decoded::Frame(frame) => prop_assert_eq!(frame.to_bytes(), one),
                Decoded::Damaged(seen) => prop_assert_eq!(seen, header),
                Decoded::Foreign(_) => {
                    let again = raw(header.kind, header.seq.get(), header.last, &one[12..]);
                    prop_assert_eq!(again, one);
                }
            }
        }
        prop_assert_eq!(end.unwrap_or(true), !rest.is_empty());
    }

    /// Random bytes are survived and, having no fitting checksum, never taken for a frame.
    #[test]
    fn any_bytes_at_all_are_survived(
        mut bytes in proptest::collection::vec(any::<u8>(), 4..200),
        possible_length: bool,
    ) {
        if possible_length {
            bytes[..3].fill(0); // Otherwise nearly all tries would end at the first length.
        }
        let (all, _) = decode_whole(&bytes);
        prop_assert!(all.iter().all(|decoded| !matches!(decoded, Decoded::Frame(_))));
    }
}
