//! An identity key signs the Noise key of one handshake, and the handshake so far: the signature is
//! of no use in any other handshake, and none made elsewhere is of use here.

use ed25519_dalek::{Signature, Signer, VerifyingKey};

use super::noise::KEY_BYTES;
use super::{IdentityKey, PublicKey};

/// Bytes of a signature.
pub(super) const SIGNATURE_BYTES: usize = 64;
/// Bytes of an identity: its public key and its signature.
pub(super) const PROOF_BYTES: usize = 32 + SIGNATURE_BYTES;

const HASH_BYTES: usize = 32;
const TEXT_BYTES: usize = 16 + HASH_BYTES + KEY_BYTES;

/// Who signs. The words stand first in what is signed, so that neither can pass for the other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    Server,
    Client,
}

fn text(who: Side, hash: &[u8], noise_key: &[u8; KEY_BYTES]) -> [u8; TEXT_BYTES] {
    let domain: &[u8; 16] = match who {
        Side::Server => b"lamparina server",
        Side::Client => b"lamparina client",
    };
    let mut text = [0; TEXT_BYTES];
    text[..16].copy_from_slice(domain);
    text[16..16 + HASH_BYTES].copy_from_slice(&hash[..HASH_BYTES]);
    text[16 + HASH_BYTES..].copy_from_slice(noise_key);
    text
}

/// The public key and its signature.
pub(super) fn sign(
    who: Side,
    identity: &IdentityKey,
    hash: &[u8],
    noise_key: &[u8; KEY_BYTES],
) -> [u8; PROOF_BYTES] {
    let signature = identity.0.sign(&text(who, hash, noise_key));
    let mut proof = [0; PROOF_BYTES];
    proof[..32].copy_from_slice(&identity.public().0);
    proof[32..].copy_from_slice(&signature.to_bytes());
    proof
}

/// The key that signed, when it did. Weak keys and signatures with two forms are not taken.
pub(super) fn verify(
    who: Side,
    proof: &[u8; PROOF_BYTES],
    hash: &[u8],
    noise_key: &[u8; KEY_BYTES],
) -> Option<PublicKey> {
    let (key, signature) = proof.split_first_chunk::<32>()?;
    let signature = Signature::from_slice(signature).ok()?;
    let verifying = VerifyingKey::from_bytes(key).ok()?;
    verifying
        .verify_strict(&text(who, hash, noise_key), &signature)
        .ok()?;
    Some(PublicKey(*key))
}
