//! What a peer states with its signature, so that others can pass it on and nobody can speak for it.
//! Reading proves nothing: whoever has seen the same before need not pay for the proof.

use super::bytes::{ReadError, Reader};
use crate::identity::AuthorKey;
use crate::seal::{DOMAIN_BYTES, IdentityKey, PublicKey, SIGNATURE_BYTES};

/// Something that a peer can sign. Its bytes have one form: what was read writes itself as it was.
pub trait Statement: Sized {
    /// The words that stand first in what is signed, different for each kind.
    const DOMAIN: &'static [u8; DOMAIN_BYTES];
    /// Who states it.
    fn signer(&self) -> AuthorKey;
    /// Appends its bytes.
    fn write(&self, out: &mut Vec<u8>);
    /// Reads them from the front of `bytes`; gives how many there were.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    fn read(bytes: &[u8]) -> Result<(Self, usize), ReadError>;
}

/// A statement with a signature, good or not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attested<T> {
    said: T,
    signature: [u8; SIGNATURE_BYTES],
}

impl<T: Statement> Attested<T> {
    /// Signs `said`, whose signer `identity` should be: others take it for nothing else.
    pub fn sign(identity: &IdentityKey, said: T) -> Self {
        let signature = identity.sign(T::DOMAIN, &digest(&said));
        Self { said, signature }
    }

    /// What is stated, by whoever sent it until [`Self::is_proven`].
    pub const fn said(&self) -> &T {
        &self.said
    }

    /// Whether its signer stated it.
    pub fn is_proven(&self) -> bool {
        PublicKey(self.said.signer().0).verifies(T::DOMAIN, &digest(&self.said), &self.signature)
    }

    /// Appends the statement, then the signature.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        self.said.write(out);
        out.extend(self.signature);
    }

    pub(super) fn get(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        let (said, used) = T::read(reader.0)?;
        reader.slice(used)?;
        let signature = reader.array()?;
        Ok(Self { said, signature })
    }
}

/// BLAKE3 of its bytes.
fn digest<T: Statement>(said: &T) -> [u8; 32] {
    let mut bytes = Vec::new();
    said.write(&mut bytes);
    *blake3::hash(&bytes).as_bytes()
}
