//! Damage: a damaged frame has its old length and at least one flipped bit.

use bytes::{Bytes, BytesMut};

use crate::rng::Stream;

/// Bits flipped in one damaged frame, at most. Small, because that is what a checksum must withstand;
/// more than the 3 that CRC-32 always catches in our frames, because real damage does not stop there.
pub const BITS_FLIPPED_MAX: u64 = 8;

/// `frame` with 1 to [`BITS_FLIPPED_MAX`] bits flipped, none of them in its first `spared` bytes;
/// `None` where no other bytes are left.
pub(crate) fn flip(frame: &Bytes, seed: u64, spared: usize) -> Option<Bytes> {
    let bits = frame.len().checked_sub(spared)?.checked_mul(8)? as u64;
    if bits == 0 {
        return None;
    }
    let numbers = Stream::raw(seed);
    let mut damaged = BytesMut::from(frame.as_ref());
    for draw in 0..=numbers.below(0, BITS_FLIPPED_MAX) {
        let bit = numbers.below(1 + draw, bits);
        let byte = spared + (bit / 8) as usize;
        // A bit drawn twice stays flipped: two flips would undo each other.
        damaged[byte] = (damaged[byte] & !(1 << (bit % 8))) | (!frame[byte] & (1 << (bit % 8)));
    }
    Some(damaged.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flipped_bits(a: &[u8], b: &[u8]) -> u32 {
        a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
    }

    #[test]
    fn flips_one_to_eight_bits_and_spares_the_head() {
        let frame = Bytes::from(vec![0b1010_0101; 40]);
        let mut seen = [0u32; BITS_FLIPPED_MAX as usize + 1];
        for seed in 0..4_000 {
            let damaged = flip(&frame, seed, 4).unwrap();
            assert_eq!(damaged.len(), frame.len());
            assert_eq!(damaged[..4], frame[..4]);
            seen[flipped_bits(&damaged, &frame) as usize] += 1;
        }
        assert_eq!(seen[0], 0);
        assert!(seen[1..].iter().all(|&n| n > 300), "{seen:?}");
    }

    #[test]
    fn every_bit_may_be_hit() {
        let frame = Bytes::from_static(&[0; 6]);
        let mut hit = [0u8; 6];
        for seed in 0..500 {
            for (hit, byte) in hit.iter_mut().zip(flip(&frame, seed, 0).unwrap()) {
                *hit |= byte;
            }
        }
        assert_eq!(hit, [0xff; 6]);
    }

    #[test]
    fn tiny_frames_are_damaged_too_unless_all_of_them_is_spared() {
        for seed in 0..200 {
            assert_ne!(flip(&Bytes::from_static(b"x"), seed, 0).unwrap(), b"x"[..]);
            assert_ne!(
                flip(&Bytes::from_static(b"head!"), seed, 4).unwrap(),
                b"head!"[..]
            );
        }
        for (frame, spared) in [(&b""[..], 0), (b"", 4), (b"hea", 4), (b"head", 4)] {
            assert_eq!(flip(&Bytes::from_static(frame), 1, spared), None);
        }
    }
}
