//! Packet numbers of one direction, and the keys that they choose: number `n` is sealed with key
//! `n / interval`, each key made of the one before by Noise's REKEY. A number is the AEAD's nonce.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::{SealFault, TAG_BYTES};

/// Noise keeps this one for REKEY.
const REKEY_NUMBER: u64 = u64::MAX;

/// The key of one direction.
pub(super) struct Key {
    cipher: LessSafeKey,
    /// Which key this is, from 0.
    generation: u64,
    /// Numbers that one key serves.
    interval: u64,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.generation)
    }
}

impl Key {
    pub(super) fn new(bytes: &[u8; 32], interval: u64) -> Self {
        Self {
            cipher: cipher(bytes),
            generation: 0,
            interval,
        }
    }

    pub(super) fn generation_of(&self, number: u64) -> u64 {
        number / self.interval
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The key after this one: 32 zeros encrypted under the number that nothing else uses.
    pub(super) fn next(&self) -> Self {
        let mut bytes = [0; 32];
        // Neither the size nor the tag can be refused.
        let _tag =
            self.cipher
                .seal_in_place_separate_tag(nonce(REKEY_NUMBER), Aad::empty(), &mut bytes);
        Self {
            cipher: cipher(&bytes),
            generation: self.generation + 1,
            interval: self.interval,
        }
    }

    /// Encrypts `body` in place and gives its tag, which vouches for `beside` too.
    pub(super) fn seal(
        &self,
        number: u64,
        beside: &[u8],
        body: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], SealFault> {
        let tag = self
            .cipher
            .seal_in_place_separate_tag(nonce(number), Aad::from(beside), body)
            .map_err(|ring::error::Unspecified| SealFault::Exhausted)?;
        let mut bytes = [0; TAG_BYTES];
        bytes.copy_from_slice(tag.as_ref());
        Ok(bytes)
    }

    /// Decrypts `body`, which ends with its tag, in place; gives the length of what it holds.
    pub(super) fn open(
        &self,
        number: u64,
        beside: &[u8],
        body: &mut [u8],
    ) -> Result<usize, SealFault> {
        self.cipher
            .open_in_place(nonce(number), Aad::from(beside), body)
            .map(|plain| plain.len())
            .map_err(|ring::error::Unspecified| SealFault::NotOpened)
    }
}

/// Numbers that may be used: all but the one kept for REKEY.
pub(super) fn is_usable(number: u64) -> bool {
    number != REKEY_NUMBER
}

fn cipher(bytes: &[u8; 32]) -> LessSafeKey {
    let unbound = UnboundKey::new(&AES_256_GCM, bytes);
    LessSafeKey::new(unbound.expect("32 bytes are a key of AES-256"))
}

/// Noise, 12.4: four zeros, then the number, big-endian.
fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}
