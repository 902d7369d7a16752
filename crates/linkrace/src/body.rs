//! Bodies of messages: each begins with its tag and goes on with bytes that follow from tag, kind and
//! length alone, so that whoever receives one can tell whether it is whole.

use std::sync::OnceLock;

use bytes::{BufMut, Bytes, BytesMut};

/// Which of the two kinds of messages it is. Each has tags of its own.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// What a person waits for: chat.
    Small,
    /// What takes as long as it takes: files, history.
    Bulk,
}

/// Bytes of a body, at least: its tag.
pub const BODY_BYTES_MIN: usize = 8;
/// Bytes of a body, at most.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// Distance between the beginnings of two tags' bytes; odd, so that they do not repeat soon.
const STRIDE: u64 = 7_919;

/// The body of the message `tag`, `length` bytes long.
///
/// # Panics
///
/// Where `length` is out of bounds.
pub fn make(kind: Kind, tag: u64, length: usize) -> Bytes {
    assert!((BODY_BYTES_MIN..=BODY_BYTES_MAX).contains(&length));
    let mut body = BytesMut::with_capacity(length);
    body.put_u64(tag);
    body.put_slice(filling(kind, tag, length - BODY_BYTES_MIN));
    body.freeze()
}

/// The tag of a body that is whole; `None` where a byte of it is not what it should be.
pub fn read(kind: Kind, body: &[u8]) -> Option<u64> {
    let (tag, rest) = body.split_first_chunk::<BODY_BYTES_MIN>()?;
    let tag = u64::from_be_bytes(*tag);
    (body.len() <= BODY_BYTES_MAX && rest == filling(kind, tag, rest.len())).then_some(tag)
}

fn filling(kind: Kind, tag: u64, length: usize) -> &'static [u8] {
    static NOISE: OnceLock<Vec<u8>> = OnceLock::new();
    let noise = NOISE.get_or_init(noise);
    let stride = tag.wrapping_mul(STRIDE).wrapping_add(kind as u64 * 31);
    let from = (stride % BODY_BYTES_MAX as u64) as usize;
    &noise[from..from + length]
}

/// Twice as many bytes as a body has at most, none like its neighbours (xorshift64).
fn noise() -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let words = (0..2 * BODY_BYTES_MAX / 8).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_body_is_known_and_a_damaged_one_is_not() {
        for (kind, tag, length) in [
            (Kind::Small, 0, 8),
            (Kind::Small, 3, 200),
            (Kind::Bulk, u64::MAX, BODY_BYTES_MAX),
        ] {
            let body = make(kind, tag, length);
            assert_eq!(body.len(), length);
            assert_eq!(read(kind, &body), Some(tag));
            for at in [8, 9, length / 2, length - 1] {
                let mut damaged = body.to_vec();
                if at < 8 || at >= length {
                    continue;
                }
                damaged[at] ^= 4;
                assert_eq!(read(kind, &damaged), None, "{kind:?} {tag} at {at}");
            }
        }
        // A damaged tag belongs to other bytes.
        let mut body = make(Kind::Small, 5, 200).to_vec();
        body[7] ^= 1;
        assert_eq!(read(Kind::Small, &body), None);
        assert_eq!(read(Kind::Small, &[0; 7]), None);
        assert_ne!(make(Kind::Small, 1, 64)[8..], make(Kind::Bulk, 1, 64)[8..]);
    }
}
