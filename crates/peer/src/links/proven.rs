//! Messages that were looked at already: in a mesh each comes from every neighbour, and its signature is
//! proved once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use lamparina_order::converging::Incoming;
use lamparina_protocol::peer::signed::{Signed, digest_of};
use lamparina_protocol::peer::{Digest, ReadError};

/// Messages that are remembered; older ones are proved again.
const REMEMBERED_MAX: usize = 16_384;
const SIGNATURE_BYTES: usize = 64;

/// What was looked at lately.
#[derive(Debug, Default)]
pub(crate) struct Proven(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    seen: HashMap<Digest, Seen>,
    order: VecDeque<Digest>,
}

#[derive(Clone, Copy, Debug)]
enum Seen {
    /// This signature is its author's. The same content with another one is not proved.
    Signed([u8; SIGNATURE_BYTES]),
    /// It was delivered here.
    Delivered,
}

impl Proven {
    /// Reads a signed message, and proves it unless that was done.
    ///
    /// # Errors
    ///
    /// As [`Signed::read`].
    pub(crate) fn read(&self, bytes: &Bytes) -> Result<Incoming, ReadError> {
        let digest = digest_of(bytes)?;
        let seen = self.lock().seen.get(&digest).copied();
        let signature = bytes.last_chunk();
        match seen {
            Some(Seen::Delivered) => return Ok(Incoming::Known(digest)),
            Some(Seen::Signed(known)) if signature == Some(&known) => {
                return Ok(Incoming::New(Arc::new(Signed::read_own(bytes)?)));
            }
            _ => {}
        }
        let read = Signed::read(bytes)?;
        if let Some(signature) = signature {
            self.lock().note(digest, Seen::Signed(*signature));
        }
        Ok(Incoming::New(Arc::new(read)))
    }

    /// A message was delivered: others that bring it need not prove it.
    pub(crate) fn delivered(&self, digest: Digest) {
        self.lock().note(digest, Seen::Delivered);
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        // Nothing that panics runs inside.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    fn note(&mut self, digest: Digest, seen: Seen) {
        match self.seen.entry(digest) {
            // Delivered while another link read it: that stays.
            std::collections::hash_map::Entry::Occupied(mut known) => {
                if !matches!(known.get(), Seen::Delivered) {
                    known.insert(seen);
                }
                return;
            }
            std::collections::hash_map::Entry::Vacant(free) => drop(free.insert(seen)),
        }
        self.order.push_back(digest);
        if self.order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::links::tests::signed;

    #[test]
    fn what_was_proved_is_not_proved_again_and_nothing_else_passes() {
        let proven = Proven::default();
        let message = signed(1);
        let bytes = message.bytes().clone();
        let mut forged = bytes.to_vec();
        *forged.last_mut().unwrap() ^= 1;
        let forged = Bytes::from(forged);
        let is_new = |read: Result<Incoming, ReadError>| matches!(read, Ok(Incoming::New(_)));
        assert!(proven.read(&forged).is_err());
        assert!(is_new(proven.read(&bytes)));
        assert!(is_new(proven.read(&bytes)));
        assert!(
            proven.read(&forged).is_err(),
            "only that signature was proved"
        );
        proven.delivered(message.digest());
        let read = proven.read(&forged);
        assert!(matches!(read, Ok(Incoming::Known(digest)) if digest == message.digest()));
        let other = signed(2);
        assert!(is_new(proven.read(other.bytes())));
    }
}
