//! Signatures that were looked at already: in a mesh each message comes from every neighbour, and is
//! proved once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use lamparina_protocol::peer::ReadError;
use lamparina_protocol::peer::message::Digest;
use lamparina_protocol::peer::signed::{Signed, digest_of};

/// Messages that are remembered; older ones are proved again.
const REMEMBERED_MAX: usize = 16_384;
const SIGNATURE_BYTES: usize = 64;

type Signature = [u8; SIGNATURE_BYTES];

/// What was proved lately.
#[derive(Debug, Default)]
pub(crate) struct Proven(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    /// Digests with their signatures: the same content with another signature is not proved.
    signatures: HashMap<Digest, Signature>,
    order: VecDeque<Digest>,
}

impl Proven {
    /// Reads a signed message, and proves it unless that was done.
    ///
    /// # Errors
    ///
    /// As [`Signed::read`].
    pub(crate) fn read(&self, bytes: &Bytes) -> Result<Signed, ReadError> {
        let digest = digest_of(bytes)?;
        let signature: Option<&Signature> = bytes.last_chunk();
        let known = self.lock().signatures.get(&digest).copied();
        if known.is_some() && known.as_ref() == signature {
            return Signed::read_own(bytes);
        }
        let read = Signed::read(bytes)?;
        if let Some(signature) = signature {
            self.note(digest, *signature);
        }
        Ok(read)
    }

    fn note(&self, digest: Digest, signature: Signature) {
        let mut remembered = self.lock();
        if remembered.signatures.insert(digest, signature).is_some() {
            return;
        }
        remembered.order.push_back(digest);
        if remembered.order.len() > REMEMBERED_MAX
            && let Some(oldest) = remembered.order.pop_front()
        {
            remembered.signatures.remove(&oldest);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Remembered> {
        // Nothing that panics runs inside.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
