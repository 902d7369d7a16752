//! What `snow` works with. AES-GCM and SHA-256 are ring's; X25519 is curve25519-dalek's, because ring
//! makes ephemeral keys from the system's randomness only, and here randomness is an argument.

use curve25519_dalek::montgomery::MontgomeryPoint;
use snow::params::{CipherChoice, DHChoice, HashChoice, NoiseParams};
use snow::resolvers::{CryptoResolver, RingResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, Error, HandshakeState};
use zeroize::Zeroizing;

/// The one suite.
pub(super) const SUITE: &str = "Noise_XX_25519_AESGCM_SHA256";
/// Bytes of a public or private X25519 key.
pub(crate) const KEY_BYTES: usize = 32;

/// One side of a handshake: `fixed` is its Noise key with the public half beside it, `ephemeral` the
/// randomness of its ephemeral one.
pub(super) fn begin(
    initiator: bool,
    prologue: &[u8],
    (fixed, fixed_public): (&[u8; KEY_BYTES], &[u8; KEY_BYTES]),
    ephemeral: &[u8; KEY_BYTES],
) -> Result<HandshakeState, Error> {
    let params: NoiseParams = SUITE.parse()?;
    let resolver = Resolver {
        fixed: X25519 {
            private: Zeroizing::new(*fixed),
            public: *fixed_public,
        },
        ephemeral: Zeroizing::new(*ephemeral),
    };
    let builder = Builder::with_resolver(params, Box::new(resolver))
        .local_private_key(fixed)?
        .prologue(prologue)?;
    match initiator {
        true => builder.build_initiator(),
        false => builder.build_responder(),
    }
}

/// A message to who holds one key, from nobody in particular: Noise's one-way pattern.
const ONE_WAY: &str = "Noise_N_25519_AESGCM_SHA256";
/// What a one-way message is longer than what it holds: an ephemeral key and a tag.
pub(crate) const ONE_WAY_EXTRA_BYTES: usize = KEY_BYTES + super::TAG_BYTES;

/// Seals `text` for who holds the private half of `to`, together with `prologue`; `ephemeral` is random and used once.
pub(crate) fn seal_one_way(
    to: &[u8; KEY_BYTES],
    prologue: &[u8],
    ephemeral: &[u8; KEY_BYTES],
    text: &[u8],
) -> Result<Vec<u8>, Error> {
    let resolver = Resolver {
        fixed: X25519::none(),
        ephemeral: Zeroizing::new(*ephemeral),
    };
    let mut state = Builder::with_resolver(ONE_WAY.parse()?, Box::new(resolver))
        .remote_public_key(to)?
        .prologue(prologue)?
        .build_initiator()?;
    let mut sealed = vec![0; text.len() + ONE_WAY_EXTRA_BYTES];
    let length = state.write_message(text, &mut sealed)?;
    sealed.truncate(length);
    Ok(sealed)
}

/// Opens what [`seal_one_way`] sealed for this private key with this prologue.
pub(crate) fn open_one_way(
    private: &[u8; KEY_BYTES],
    prologue: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let resolver = Resolver {
        fixed: X25519 {
            private: Zeroizing::new(*private),
            public: public(private),
        },
        ephemeral: Zeroizing::new([0; KEY_BYTES]),
    };
    let mut state = Builder::with_resolver(ONE_WAY.parse()?, Box::new(resolver))
        .local_private_key(private)?
        .prologue(prologue)?
        .build_responder()?;
    let mut text = Zeroizing::new(vec![0; sealed.len()]);
    let length = state.read_message(sealed, &mut text)?;
    text.truncate(length);
    Ok(text)
}

/// The public half of an X25519 key.
pub(crate) fn public(private: &[u8; KEY_BYTES]) -> [u8; KEY_BYTES] {
    MontgomeryPoint::mul_base_clamped(*private).to_bytes()
}

struct Resolver {
    fixed: X25519,
    ephemeral: Zeroizing<[u8; KEY_BYTES]>,
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Once(Some(self.ephemeral.clone()))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        match choice {
            // A key that is set is the fixed one, whose public half is known: to make it again would
            // be a sixth of a handshake.
            DHChoice::Curve25519 => Some(Box::new(self.fixed.clone())),
            _ => None,
        }
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        RingResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        RingResolver.resolve_cipher(choice)
    }
}

/// Gives its bytes once: a handshake makes one ephemeral key, and no byte may serve two keys.
struct Once(Option<Zeroizing<[u8; KEY_BYTES]>>);

impl Random for Once {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        let bytes = self.0.take().ok_or(Error::Rng)?;
        if dest.len() != bytes.len() {
            return Err(Error::Rng);
        }
        dest.copy_from_slice(&*bytes);
        Ok(())
    }
}

#[derive(Clone)]
struct X25519 {
    private: Zeroizing<[u8; KEY_BYTES]>,
    public: [u8; KEY_BYTES],
}

impl X25519 {
    /// Of who has no fixed key.
    fn none() -> Self {
        Self {
            private: Zeroizing::new([0; KEY_BYTES]),
            public: [0; KEY_BYTES],
        }
    }
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        KEY_BYTES
    }

    fn priv_len(&self) -> usize {
        KEY_BYTES
    }

    fn set(&mut self, private: &[u8]) {
        if *private != self.private[..] {
            self.private.copy_from_slice(private);
            self.public = public(&self.private);
        }
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        rng.try_fill_bytes(&mut *self.private)?;
        self.public = public(&self.private);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        &*self.private
    }

    /// A point of small order gives zeros whatever the private key is: not taken, so that no side can
    /// make the keys known to everybody.
    fn dh(&self, theirs: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let theirs = theirs.first_chunk::<KEY_BYTES>().ok_or(Error::Dh)?;
        let shared = MontgomeryPoint(*theirs).mul_clamped(*self.private);
        if shared.0 == [0; KEY_BYTES] {
            return Err(Error::Dh);
        }
        out[..KEY_BYTES].copy_from_slice(&shared.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
