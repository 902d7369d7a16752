//! No frame with one, two or three flipped bits is accepted.
//!
//! Small frames: every combination is tried on the decoder. The longest frame: one and two bits,
//! and three as well, by the structure of the code, which the first test establishes from our own
//! checksum. Outside these is only a flip in the length field: it moves the frame's end, so that the
//! checksum is read over other bytes, where it misses one time in 2^32 like any checksum. Such flips
//! are tried out (exhaustively in small frames), and `impair` does not make them on streams.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

use bytes::Bytes;
use lamparina_protocol::frame::{
    Decoded, FRAME_BYTES_MAX, Frame, FrameDecoder, FrameType, HEADER_BYTES, Header,
    PAYLOAD_BYTES_MAX, Seq, checksum,
};

/// Bits of the header's first field, which moves the end of the frame.
const LENGTH_BITS: usize = 32;

fn frame_bytes(payload_bytes: usize) -> Vec<u8> {
    let payload: Vec<u8> = (0..payload_bytes).map(|i| (i * 89 + 7) as u8).collect();
    let frame = Frame {
        kind: FrameType::Data,
        seq: Seq::new(0x0203),
        last: true,
        payload: payload.into(),
    };
    frame.to_bytes().to_vec()
}

fn flip(bytes: &mut [u8], bit: usize) {
    bytes[bit / 8] ^= 0x80 >> (bit % 8);
}

/// Feeds `bytes` and then nothing; whether any frame was accepted, and whether one was damaged.
fn accepted_and_damaged(bytes: &[u8]) -> (bool, bool) {
    let mut decoder = FrameDecoder::default();
    decoder.push(Bytes::copy_from_slice(bytes));
    let (mut accepted, mut damaged) = (false, false);
    while let Ok(Some(decoded)) = decoder.next() {
        accepted |= matches!(decoded, Decoded::Frame(_) | Decoded::Foreign(_));
        damaged |= matches!(decoded, Decoded::Damaged(_));
    }
    (accepted, damaged)
}

/// Checks `bytes` with the bits in `flips` flipped, and restores it.
#[track_caller]
fn check(bytes: &mut [u8], flips: &[usize]) {
    flips.iter().for_each(|bit| flip(bytes, *bit));
    let boundary_is_intact = flips.iter().all(|bit| *bit >= LENGTH_BITS);
    let (accepted, damaged) = accepted_and_damaged(bytes);
    assert!(!accepted, "bits {flips:?} of {} bytes", bytes.len());
    // Between intact boundaries damage is not only refused but also noticed, and can be repaired.
    assert!(damaged || !boundary_is_intact, "bits {flips:?}");
    flips.iter().for_each(|bit| flip(bytes, *bit));
}

#[test]
fn small_frames_with_every_one_two_or_three_bits_flipped() {
    for payload_bytes in 0..=8 {
        let mut bytes = frame_bytes(payload_bytes);
        let bits = bytes.len() * 8;
        assert_eq!(accepted_and_damaged(&bytes), (true, false));
        for a in 0..bits {
            check(&mut bytes, &[a]);
            for b in a + 1..bits {
                check(&mut bytes, &[a, b]);
                for c in b + 1..bits {
                    check(&mut bytes, &[a, b, c]);
                }
            }
        }
    }
}

/// What a flip of `bit` adds to "checksum of the contents, xor checksum in the header". CRC-32 is
/// linear but for a constant: flips of several bits add the sum (xor) of theirs, and a frame whose
/// length is untouched is accepted when that sum is 0.
fn syndrome(good: &[u8], bit: usize) -> u32 {
    let mut bytes = good.to_vec();
    flip(&mut bytes, bit);
    let (header, payload) = bytes.split_at(HEADER_BYTES);
    let header = Header::from_bytes(header.try_into().unwrap());
    header.checksum_after(checksum::of(payload)) ^ header.checksum
}

/// The bits of the longest frame in the order of the code, the last one first: checksum, then the
/// header's other fields, then the payload, each byte (of the checksum: the word) from its highest
/// bit down, as a reflected CRC counts.
fn bits_in_order_of_the_code() -> Vec<usize> {
    let byte = |at: usize| (at * 8)..(at * 8 + 8);
    let checksum = byte(7).chain(byte(8)).chain(byte(9)).chain(byte(10));
    let header = [11, 6, 5, 4, 3, 2, 1, 0].into_iter().flat_map(byte);
    let payload = (HEADER_BYTES..FRAME_BYTES_MAX).rev().flat_map(byte);
    checksum.chain(header).chain(payload).collect()
}

/// Syndromes are the powers of x modulo CRC-32's polynomial, x^0 for the last bit of the code and on
/// to x^65535. So three bits at places i < j < k cancel out exactly if those at 0, j - i and k - i
/// do (x has an inverse), and it is enough to ask whether x^0 + x^a is any x^b.
#[test]
fn the_longest_frame_with_every_one_two_or_three_bits_flipped() {
    let good = frame_bytes(PAYLOAD_BYTES_MAX);
    assert_eq!(accepted_and_damaged(&good), (true, false));
    let order = bits_in_order_of_the_code();
    let powers: Vec<u32> = order.iter().map(|bit| syndrome(&good, *bit)).collect();

    let mut all_bits = order;
    all_bits.sort_unstable();
    assert!(all_bits.into_iter().eq(0..FRAME_BYTES_MAX * 8));
    assert_eq!(powers[0], 1 << 31);
    for (one, next) in powers.iter().zip(&powers[1..]) {
        let reduced = if one & 1 == 1 { 0xEDB8_8320 } else { 0 };
        assert_eq!(*next, (one >> 1) ^ reduced, "not the next power of x");
    }

    let mut sorted = powers.clone();
    sorted.sort_unstable();
    assert_ne!(sorted[0], 0, "one flipped bit would be accepted");
    assert!(
        sorted.windows(2).all(|two| two[0] < two[1]),
        "two flipped bits would be accepted"
    );
    for power in &powers[1..] {
        let third = powers[0] ^ power;
        assert!(
            sorted.binary_search(&third).is_err(),
            "three flipped bits would be accepted"
        );
    }
}

/// The theory above, tried on the decoder; and flips of the length, for which it does not hold.
#[test]
fn the_longest_frame_with_sampled_bits_flipped() {
    let mut bytes = frame_bytes(PAYLOAD_BYTES_MAX);
    let bits = bytes.len() * 8;
    // A multiplicative congruential sequence (D. H. Lehmer; MINSTD, Park and Miller, 1988).
    let mut state = 20_261_121u64;
    let mut any = |below: usize| {
        state = state * 48_271 % 0x7fff_ffff;
        state as usize % below
    };
    for sample in 0..20_000 {
        // Every fourth sample has a flip in the length field or near it.
        let a = any(if sample % 4 == 0 {
            HEADER_BYTES * 8
        } else {
            bits
        });
        let (b, c) = (any(bits), any(bits));
        check(&mut bytes, &[a]);
        if a != b {
            check(&mut bytes, &[a, b]);
        }
        if a != b && b != c && a != c {
            check(&mut bytes, &[a, b, c]);
        }
    }
    for a in 0..LENGTH_BITS {
        check(&mut bytes, &[a]);
        for b in a + 1..LENGTH_BITS {
            check(&mut bytes, &[a, b]);
        }
    }
}

/// A flipped length that makes the frame shorter leaves its end to be read as the next frame.
#[test]
fn a_shorter_length_damages_this_frame_and_then_the_boundary() {
    let mut bytes = frame_bytes(64);
    flip(&mut bytes, 25); // 64 becomes 0.
    let mut decoder = FrameDecoder::default();
    decoder.push(bytes.into());
    let Ok(Some(Decoded::Damaged(header))) = decoder.next() else {
        panic!("a frame of another length was accepted");
    };
    assert_eq!(header.length, 0);
    assert!(decoder.next().is_err());
}
