//! Writes a Submit in place, byte for byte what [`lamparina_protocol::codec`] writes, without a
//! `String` for each, and reads the few numbers that the load needs of what comes back.

use bytes::{BufMut, BytesMut};

use crate::mark::Mark;
use crate::wire::To;

/// Places in `ToClient`.
pub(super) const MESSAGE: u8 = 0;
/// One's own message has a place.
pub(super) const COMMITTED: u8 = 1;
/// One's own message has none.
pub(super) const REFUSED: u8 = 2;
/// The session has entered.
pub(super) const ENTERED: u8 = 3;
/// Another request was not done.
pub(super) const ERROR: u8 = 9;

/// The numbers of a Submit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    /// The author's epoch.
    pub(super) epoch: u64,
    /// Place in it.
    pub(super) pseq: u64,
    /// The author's clock.
    pub(super) clock: u64,
    /// Delivered up to here.
    pub(super) seen: u64,
}

/// Appends `ToServer::Submit` with a text of `size` bytes that begins with `mark`.
pub(super) fn put_submit(out: &mut BytesMut, numbers: Numbers, to: &To, mark: Mark, size: usize) {
    out.put_u8(0);
    put_number(out, numbers.epoch);
    put_number(out, numbers.pseq);
    put_number(out, numbers.clock);
    put_number(out, numbers.seen);
    // `sent_at` is for people; the mark says when.
    put_number(out, 0);
    match to {
        To::All => out.put_u8(2),
        To::One(nick) => {
            out.put_u8(0);
            put_number(out, nick.len() as u64);
            out.put_slice(nick.as_bytes());
        }
    }
    put_number(out, size as u64);
    let text = out.len();
    out.resize(text + size, 0);
    mark.write(&mut out[text..]);
}

/// The codec's number: one byte up to 250, else a marker and 2, 4 or 8 bytes.
fn put_number(out: &mut BytesMut, number: u64) {
    if number <= 250 {
        out.put_u8(number as u8);
    } else if let Ok(small) = u16::try_from(number) {
        out.put_u8(251);
        out.put_u16(small);
    } else if let Ok(middle) = u32::try_from(number) {
        out.put_u8(252);
        out.put_u32(middle);
    } else {
        out.put_u8(253);
        out.put_u64(number);
    }
}

/// The number at the beginning of `bytes`, and what follows it.
#[inline]
pub(super) fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    match first {
        0..=250 => Some((first.into(), rest)),
        251 => {
            let (digits, rest) = rest.split_first_chunk()?;
            Some((u16::from_be_bytes(*digits).into(), rest))
        }
        252 => {
            let (digits, rest) = rest.split_first_chunk()?;
            Some((u32::from_be_bytes(*digits).into(), rest))
        }
        253 => {
            let (digits, rest) = rest.split_first_chunk()?;
            Some((u64::from_be_bytes(*digits), rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lamparina_protocol::message::{Submit, ToServer};
    use lamparina_protocol::{Audience, Epoch, Lamport, Nick, Pseq, UnixMicros, codec};

    #[track_caller]
    fn check(numbers: Numbers, to: &To, audience: Audience, size: usize) {
        let mark = Mark {
            sent_ns: 77,
            author: 1,
            counter: numbers.pseq,
        };
        let mut text = vec![0; size];
        mark.write(&mut text);
        let wanted = ToServer::Submit(Submit {
            epoch: Epoch(numbers.epoch),
            pseq: Pseq(numbers.pseq),
            clock: Lamport::new(numbers.clock),
            seen: Lamport::new(numbers.seen),
            sent_at: UnixMicros(0),
            audience,
            text: String::from_utf8(text).unwrap(),
        });
        let mut out = BytesMut::new();
        put_submit(&mut out, numbers, to, mark, size);
        assert_eq!(out, codec::encode(&wanted).unwrap());
    }

    #[test]
    fn same_bytes_as_the_codec() {
        for number in [0, 250, 251, 65_535, 65_536, 1 << 32, u64::MAX] {
            let numbers = Numbers {
                epoch: number,
                pseq: number / 3,
                clock: number / 2,
                seen: number,
            };
            check(numbers, &To::All, Audience::All, 128);
            let ana = Audience::Unicast(Nick::try_from("ana").unwrap());
            check(numbers, &To::One("ana".to_owned()), ana, 300);
            let mut out = BytesMut::new();
            put_number(&mut out, number);
            out.put_u8(9);
            assert_eq!(super::number(&out), Some((number, &[9][..])));
            assert_eq!(super::number(&out[..out.len() - 2]), None);
        }
    }
}
