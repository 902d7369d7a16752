//! Sealed datagrams: header in clear, and one AEAD over the frames, which vouches for the header too.
//! Numbers may come in any order; whoever calls takes each once.

use bytes::{BufMut, BytesMut};

use super::record::{Opener, Sealer};
use super::{SealFault, TAG_BYTES};
use crate::datagram::DATAGRAM_HEADER_BYTES;
use crate::seal::number::is_usable;

impl Sealer {
    /// Seals a datagram whose header, with `number` in it, is written: everything behind it is
    /// encrypted and a tag appended. Numbers must ascend.
    ///
    /// # Errors
    ///
    /// [`SealFault::Exhausted`] and [`SealFault::Number`]; the datagram must not be used then.
    pub fn seal_datagram(&mut self, number: u64, datagram: &mut BytesMut) -> Result<(), SealFault> {
        if !is_usable(number) {
            return Err(SealFault::Exhausted);
        }
        if number < self.next || datagram.len() < DATAGRAM_HEADER_BYTES {
            return Err(SealFault::Number(number));
        }
        while self.key.generation() < self.key.generation_of(number) {
            self.key = self.key.next();
        }
        let (header, body) = datagram.split_at_mut(DATAGRAM_HEADER_BYTES);
        let tag = self.key.seal(number, header, body)?;
        datagram.put_slice(&tag);
        self.next = number + 1;
        Ok(())
    }
}

impl Opener {
    /// Opens a datagram in place; gives the bytes of its frames, which stand behind the header. What
    /// was sealed with the key before the present one still opens. Nothing changes unless it opens.
    ///
    /// # Errors
    ///
    /// [`SealFault`]: the datagram is nobody's, and to be dropped.
    pub fn open_datagram(
        &mut self,
        number: u64,
        datagram: &mut BytesMut,
    ) -> Result<usize, SealFault> {
        if datagram.len() < DATAGRAM_HEADER_BYTES + TAG_BYTES {
            return Err(SealFault::Malformed);
        }
        if !is_usable(number) {
            return Err(SealFault::Number(number));
        }
        let (header, body) = datagram.split_at_mut(DATAGRAM_HEADER_BYTES);
        let (wanted, present) = (self.key.generation_of(number), self.key.generation());
        if wanted == present {
            return self.key.open(number, header, body);
        }
        if wanted + 1 == present {
            let before = self.before.as_ref().ok_or(SealFault::Number(number))?;
            return before.open(number, header, body);
        }
        // A receiver is never told of keys; to try further ones would be work for a liar.
        if wanted != present + 1 {
            return Err(SealFault::Number(number));
        }
        let next = self.key.next();
        let inner = next.open(number, header, body)?;
        self.before = Some(Box::new(std::mem::replace(&mut self.key, next)));
        Ok(inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datagram::{ConnectionId, put_header};

    fn pair() -> (Sealer, Opener) {
        (Sealer::new(&[7; 32], 10), Opener::new(&[7; 32], 10))
    }

    fn sealed(sealer: &mut Sealer, number: u64) -> BytesMut {
        let mut datagram = BytesMut::new();
        put_header(&mut datagram, ConnectionId(5), number);
        datagram.put_slice(b"frames");
        sealer.seal_datagram(number, &mut datagram).unwrap();
        datagram
    }

    fn opened(
        opener: &mut Opener,
        number: u64,
        mut datagram: BytesMut,
    ) -> Result<usize, SealFault> {
        let length = opener.open_datagram(number, &mut datagram)?;
        assert_eq!(&datagram[16..16 + length], b"frames");
        Ok(length)
    }

    #[test]
    fn any_order_opens_over_one_change_of_keys() {
        let (mut sealer, mut opener) = pair();
        let datagrams: Vec<_> = (0..25).map(|number| sealed(&mut sealer, number)).collect();
        for number in [0, 12, 9, 11, 5] {
            let datagram = datagrams[number as usize].clone();
            assert_eq!(opened(&mut opener, number, datagram), Ok(6), "{number}");
        }
        assert_eq!(opened(&mut opener, 20, datagrams[20].clone()), Ok(6));
        // Two keys back is too far.
        let old = opened(&mut opener, 9, datagrams[9].clone());
        assert_eq!(old, Err(SealFault::Number(9)));
    }

    #[test]
    fn every_flipped_byte_is_noticed_the_header_included() {
        let (mut sealer, mut opener) = pair();
        let good = sealed(&mut sealer, 3);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(
                opened(&mut opener, 3, bad),
                Err(SealFault::NotOpened),
                "{at}"
            );
        }
        assert_eq!(opened(&mut opener, 3, good), Ok(6));
    }

    #[test]
    fn a_number_is_not_sealed_twice() {
        let (mut sealer, _) = pair();
        sealed(&mut sealer, 3);
        let mut again = BytesMut::zeroed(20);
        assert_eq!(
            sealer.seal_datagram(3, &mut again),
            Err(SealFault::Number(3))
        );
        assert_eq!(
            sealer.seal_datagram(u64::MAX, &mut again),
            Err(SealFault::Exhausted)
        );
    }
}
