//! Sealed links: `Noise_XX_25519_AESGCM_SHA256`, the only suite. Nothing of what a sealed link says is
//! readable, changeable or repeatable on the way, and both ends prove who they are by their Ed25519
//! keys before anything is taken from them.
//!
//! | module | part |
//! |---|---|
//! | [`handshake`] | the three messages in SYN, SYN_ACK and HANDSHAKE_ACK |
//! | `noise` | what `snow` works with: keys and randomness are arguments |
//! | `binding` | an identity key signs the Noise key of one handshake |
//! | [`record`] | SEALED: packet number and one AEAD over many frames |
//! | `packet` | the same for datagrams |
//! | `number` | packet numbers and the keys that they choose |

mod binding;
pub mod handshake;
pub(crate) mod noise;
mod number;
mod packet;
pub mod record;

use std::sync::Arc;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

/// Random bytes that one link consumes: its Noise key, and its ephemeral key.
pub const SEED_BYTES: usize = 64;
/// Records after which a direction goes on with another key.
pub const REKEY_EVERY: u64 = 1 << 23;
/// Bytes of an authentication tag.
pub const TAG_BYTES: usize = 16;
/// Bytes of a signature (Ed25519).
pub const SIGNATURE_BYTES: usize = 64;
/// Bytes of the words that stand first in what is signed, and say what it is.
pub const DOMAIN_BYTES: usize = 16;

/// What carries a link; both ends must mean the same.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(u8)]
pub enum Transport {
    /// A TCP stream.
    #[default]
    Tcp = 1,
    /// Datagrams.
    Udp = 2,
    /// A WebSocket.
    WebSocket = 3,
}

/// A public identity key (Ed25519), as a peer has proved it.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PublicKey(pub [u8; 32]);

impl std::fmt::Display for PublicKey {
    /// 64 hexadecimal digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// An identity: an Ed25519 key. Cheap to clone; wiped from memory with its last clone.
#[derive(Clone)]
pub struct IdentityKey(Arc<SigningKey>);

impl IdentityKey {
    /// The key whose seed (RFC 8032) this is.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Arc::new(SigningKey::from_bytes(seed)))
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a digest as what `domain` says: a signature for one domain is of no use in another. The
    /// same digest gives the same signature.
    pub fn sign(&self, domain: &[u8; DOMAIN_BYTES], digest: &[u8; 32]) -> [u8; SIGNATURE_BYTES] {
        self.0.sign(&signed_text(domain, digest)).to_bytes()
    }

    /// What the key is made from, for keys of other kinds that are derived from it.
    pub(crate) fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }
}

impl PublicKey {
    /// Whether this key signed `digest` as what `domain` says. Weak keys and signatures with two forms
    /// are not taken.
    pub fn verifies(
        &self,
        domain: &[u8; DOMAIN_BYTES],
        digest: &[u8; 32],
        signature: &[u8; SIGNATURE_BYTES],
    ) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(&self.0) else {
            return false;
        };
        let signature = Signature::from_bytes(signature);
        let text = signed_text(domain, digest);
        key.verify_strict(&text, &signature).is_ok()
    }
}

/// A text of 48 bytes: those that bind a handshake have 80.
fn signed_text(domain: &[u8; DOMAIN_BYTES], digest: &[u8; 32]) -> [u8; DOMAIN_BYTES + 32] {
    let mut text = [0; DOMAIN_BYTES + 32];
    text[..DOMAIN_BYTES].copy_from_slice(domain);
    text[DOMAIN_BYTES..].copy_from_slice(digest);
    text
}

impl std::fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IdentityKey({})", self.public())
    }
}

/// What one side brings to a sealed link.
#[derive(Clone, Debug)]
pub struct LinkKeys {
    pub(crate) identity: IdentityKey,
    pub(crate) seed: Zeroizing<[u8; SEED_BYTES]>,
    pub(crate) transport: Transport,
    pub(crate) rekey_every: u64,
}

impl LinkKeys {
    /// `seed` is random and used for one link only: with the same seed twice, secrets are lost.
    pub fn new(identity: IdentityKey, seed: [u8; SEED_BYTES], transport: Transport) -> Self {
        Self {
            identity,
            seed: Zeroizing::new(seed),
            transport,
            rekey_every: REKEY_EVERY,
        }
    }

    /// Another interval between keys, the same on both sides, at least 1: for tests that cannot wait
    /// for eight million records.
    #[must_use]
    pub fn with_rekey_every(self, records: u64) -> Self {
        Self {
            rekey_every: records.max(1),
            ..self
        }
    }
}

/// Why something sealed is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SealFault {
    /// It was changed on the way, or is not of this handshake.
    #[error("it does not open with the keys of this link")]
    NotOpened,
    /// It opens, and does not hold what it must.
    #[error("it opens and cannot be read")]
    Malformed,
    /// The identity key did not sign.
    #[error("its signature is not by the key that it names")]
    BadSignature,
    /// What was agreed on in clear is not what the other side says.
    #[error("the terms in clear are not those that were sealed")]
    OtherTerms,
    /// A packet number that is not above those before, or too far above.
    #[error("packet number {0} has no place here")]
    Number(u64),
    /// All packet numbers are used.
    #[error("all packet numbers are used")]
    Exhausted,
}
