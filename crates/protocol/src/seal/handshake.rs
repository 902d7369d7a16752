//! The three messages of Noise XX. Both Noise keys live for one handshake; identity keys sign them. What
//! was said in clear before (version, transport, terms) is bound by prologue and seal, so that nobody
//! on the way can change it unseen.

use bytes::{BufMut, Bytes};
use snow::HandshakeState;

use super::binding::{PROOF_BYTES, Side, sign, verify};
use super::noise::{self, KEY_BYTES};
use super::record::{Opener, Sealer};
use super::{IdentityKey, LinkKeys, PublicKey, SealFault, TAG_BYTES, Transport};
use crate::control::{SYN_ACK_CLEAR_BYTES, SYN_CLEAR_BYTES, WORDS_BYTES_MAX};

/// Bytes of the first message.
pub const FIRST_BYTES: usize = KEY_BYTES;
/// Bytes of the second message beside the welcome: ephemeral key, Noise key, identity, terms, tags.
pub const SECOND_EXTRA_BYTES: usize =
    KEY_BYTES + KEY_BYTES + TAG_BYTES + PROOF_BYTES + SYN_ACK_CLEAR_BYTES + TAG_BYTES;
/// Bytes of the third message beside the hello: Noise key, identity, tags.
pub const THIRD_EXTRA_BYTES: usize = KEY_BYTES + TAG_BYTES + PROOF_BYTES + TAG_BYTES;

/// What was said in clear before SYN's words.
pub type SynClear = [u8; SYN_CLEAR_BYTES];
/// What was said in clear before SYN_ACK's words.
pub type SynAckClear = [u8; SYN_ACK_CLEAR_BYTES];

/// Both directions of a link whose handshake is complete.
#[derive(Debug)]
pub struct Secrets {
    /// What leaves.
    pub sealer: Sealer,
    /// What comes.
    pub opener: Opener,
}

/// What the responder said and proved.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The server's identity.
    pub server: PublicKey,
    /// Its first words.
    pub welcome: Bytes,
}

/// What the initiator said and proved.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Call {
    /// The client's identity.
    pub author: PublicKey,
    /// Its first words.
    pub hello: Bytes,
}

/// What the handshake of one side works with.
struct Party {
    noise: HandshakeState,
    noise_public: [u8; KEY_BYTES],
    identity: IdentityKey,
    rekey_every: u64,
}

impl Party {
    fn begin(initiator: bool, keys: &LinkKeys, syn: &SynClear) -> Result<Self, SealFault> {
        let prologue = prologue(keys.transport, syn);
        let (fixed, ephemeral) = split_seed(&keys.seed);
        let noise_public = noise::public(fixed);
        let noise = noise::begin(initiator, &prologue, (fixed, &noise_public), ephemeral);
        Ok(Self {
            noise: noise.map_err(|_error| SealFault::Malformed)?,
            noise_public,
            identity: keys.identity.clone(),
            rekey_every: keys.rekey_every,
        })
    }

    fn proof(&self, side: Side) -> [u8; PROOF_BYTES] {
        let hash = self.noise.get_handshake_hash();
        sign(side, &self.identity, hash, &self.noise_public)
    }

    /// Writes a message; its size is within what Noise takes, and it is our turn.
    fn write(&mut self, payload: &[u8], extra: usize) -> Result<Vec<u8>, SealFault> {
        // `snow` wants room for a tag also where there is none.
        let mut message = vec![0; payload.len() + extra + TAG_BYTES];
        let length = self.noise.write_message(payload, &mut message);
        message.truncate(length.map_err(|_error| SealFault::Malformed)?);
        Ok(message)
    }

    /// Reads a message. When it does not open, the handshake is over: frames have checksums, so that
    /// this is somebody's work and not the channel's.
    fn read(&mut self, message: &[u8]) -> Result<Vec<u8>, SealFault> {
        let mut payload = vec![0; message.len()];
        let length = self.noise.read_message(message, &mut payload);
        payload.truncate(length.map_err(|_error| SealFault::NotOpened)?);
        Ok(payload)
    }

    fn proved(
        &self,
        side: Side,
        hash: &[u8],
        proof: &[u8; PROOF_BYTES],
    ) -> Result<PublicKey, SealFault> {
        let theirs = self.noise.get_remote_static();
        let theirs = theirs.and_then(<[u8]>::first_chunk::<KEY_BYTES>);
        let theirs = theirs.ok_or(SealFault::Malformed)?;
        verify(side, proof, hash, theirs).ok_or(SealFault::BadSignature)
    }

    fn secrets(mut self, initiator: bool) -> Secrets {
        let (first, second) = self.noise.dangerously_get_raw_split();
        let (ours, theirs) = match initiator {
            true => (first, second),
            false => (second, first),
        };
        Secrets {
            sealer: Sealer::new(&ours, self.rekey_every),
            opener: Opener::new(&theirs, self.rekey_every),
        }
    }
}

/// The client's side.
pub struct Initiator {
    side: Box<Party>,
    /// The hash after the first message, which the server signs.
    hash: [u8; 32],
}

impl Initiator {
    /// Begins, and gives the first message.
    ///
    /// # Errors
    ///
    /// Never with keys of this crate.
    pub fn begin(keys: &LinkKeys, syn: &SynClear) -> Result<(Self, Vec<u8>), SealFault> {
        let mut side = Box::new(Party::begin(true, keys, syn)?);
        let first = side.write(&[], FIRST_BYTES)?;
        let hash = hash_of(&side.noise);
        Ok((Self { side, hash }, first))
    }

    /// Reads the second message; `clear` is what SYN_ACK said before it.
    ///
    /// # Errors
    ///
    /// [`SealFault`]; the handshake is over then.
    pub fn read(&mut self, clear: &SynAckClear, second: &[u8]) -> Result<Answer, SealFault> {
        let payload = self.side.read(second)?;
        let (proof, rest) = payload
            .split_first_chunk::<PROOF_BYTES>()
            .ok_or(SealFault::Malformed)?;
        let (sealed, welcome) = rest
            .split_first_chunk::<SYN_ACK_CLEAR_BYTES>()
            .ok_or(SealFault::Malformed)?;
        let server = self.side.proved(Side::Server, &self.hash, proof)?;
        if sealed != clear {
            return Err(SealFault::OtherTerms);
        }
        Ok(Answer {
            server,
            welcome: words(welcome)?,
        })
    }

    /// Gives the third message and what follows it. Only now the server learns who calls.
    ///
    /// # Errors
    ///
    /// Never after a second message was read.
    pub fn finish(mut self, hello: &[u8]) -> Result<(Vec<u8>, Secrets), SealFault> {
        let mut payload = self.side.proof(Side::Client).to_vec();
        payload.put_slice(hello);
        let third = self.side.write(&payload, KEY_BYTES + 2 * TAG_BYTES)?;
        Ok((third, self.side.secrets(true)))
    }
}

/// The server's side.
pub struct Responder {
    side: Box<Party>,
    /// The hash after the second message, which the client signs.
    hash: [u8; 32],
}

impl Responder {
    /// Reads the first message.
    ///
    /// # Errors
    ///
    /// [`SealFault::NotOpened`] for what is no key.
    pub fn begin(keys: &LinkKeys, syn: &SynClear, first: &[u8]) -> Result<Self, SealFault> {
        let mut side = Box::new(Party::begin(false, keys, syn)?);
        let payload = side.read(first)?;
        if !payload.is_empty() {
            return Err(SealFault::Malformed);
        }
        let hash = [0; 32];
        Ok(Self { side, hash })
    }

    /// Gives the second message; `clear` is what SYN_ACK says before it.
    ///
    /// # Errors
    ///
    /// When the first message's key is none that gives a secret.
    pub fn answer(&mut self, clear: &SynAckClear, welcome: &[u8]) -> Result<Vec<u8>, SealFault> {
        let mut payload = self.side.proof(Side::Server).to_vec();
        payload.put_slice(clear);
        payload.put_slice(welcome);
        let second = self.side.write(&payload, 2 * KEY_BYTES + 2 * TAG_BYTES)?;
        self.hash = hash_of(&self.side.noise);
        Ok(second)
    }

    /// Reads the third message.
    ///
    /// # Errors
    ///
    /// [`SealFault`]; after `NotOpened` the handshake is over, after others there are keys.
    pub fn read(&mut self, third: &[u8]) -> Result<Call, SealFault> {
        let payload = self.side.read(third)?;
        let (proof, hello) = payload
            .split_first_chunk::<PROOF_BYTES>()
            .ok_or(SealFault::Malformed)?;
        let author = self.side.proved(Side::Client, &self.hash, proof)?;
        Ok(Call {
            author,
            hello: words(hello)?,
        })
    }

    /// What follows the third message, once it was read.
    pub fn finish(self) -> Secrets {
        self.side.secrets(false)
    }
}

impl std::fmt::Debug for Initiator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Initiator")
    }
}

impl std::fmt::Debug for Responder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Responder")
    }
}

/// What both sides must mean alike, although it is said in clear.
fn prologue(transport: Transport, syn: &SynClear) -> Vec<u8> {
    let mut prologue = b"Lamparina".to_vec();
    prologue.put_u8(transport as u8);
    prologue.put_slice(syn);
    prologue
}

fn split_seed(seed: &[u8; 2 * KEY_BYTES]) -> (&[u8; KEY_BYTES], &[u8; KEY_BYTES]) {
    let (fixed, ephemeral) = seed.split_at(KEY_BYTES);
    (
        fixed.first_chunk().expect("half of 64 bytes is 32"),
        ephemeral.first_chunk().expect("half of 64 bytes is 32"),
    )
}

fn hash_of(noise: &HandshakeState) -> [u8; 32] {
    let hash = noise.get_handshake_hash();
    *hash.first_chunk().expect("SHA-256 gives 32 bytes")
}

fn words(bytes: &[u8]) -> Result<Bytes, SealFault> {
    if bytes.len() > WORDS_BYTES_MAX {
        return Err(SealFault::Malformed);
    }
    Ok(Bytes::copy_from_slice(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::SEED_BYTES;

    fn keys(number: u8) -> LinkKeys {
        let identity = IdentityKey::from_seed(&[number; 32]);
        LinkKeys::new(identity, [number; SEED_BYTES], Transport::Tcp)
    }

    /// A proof that names another key than the one that signed.
    fn stolen(party: &Party, side: Side) -> [u8; PROOF_BYTES] {
        let mut proof = party.proof(side);
        proof[..32].copy_from_slice(&IdentityKey::from_seed(&[9; 32]).public().0);
        proof
    }

    #[test]
    fn a_server_that_names_anothers_key_is_not_believed() {
        let (mut ours, first) = Initiator::begin(&keys(1), &[0; SYN_CLEAR_BYTES]).unwrap();
        let mut theirs = Responder::begin(&keys(2), &[0; SYN_CLEAR_BYTES], &first).unwrap();
        let mut payload = stolen(&theirs.side, Side::Server).to_vec();
        payload.extend([0; SYN_ACK_CLEAR_BYTES]);
        let second = theirs.side.write(&payload, 2 * KEY_BYTES + 2 * TAG_BYTES);
        let read = ours.read(&[0; SYN_ACK_CLEAR_BYTES], &second.unwrap());
        assert_eq!(read, Err(SealFault::BadSignature));
    }

    #[test]
    fn a_client_that_names_anothers_key_is_not_believed_and_has_the_keys() {
        let clear = [0; SYN_ACK_CLEAR_BYTES];
        let (mut ours, first) = Initiator::begin(&keys(1), &[0; SYN_CLEAR_BYTES]).unwrap();
        let mut theirs = Responder::begin(&keys(2), &[0; SYN_CLEAR_BYTES], &first).unwrap();
        let second = theirs.answer(&clear, b"").unwrap();
        ours.read(&clear, &second).unwrap();
        for proof in [
            stolen(&ours.side, Side::Client),
            // The words of a server do not pass for a client's.
            ours.side.proof(Side::Server),
        ] {
            let mut theirs = Responder::begin(&keys(2), &[0; SYN_CLEAR_BYTES], &first).unwrap();
            theirs.answer(&clear, b"").unwrap();
            let (mut ours, first) = Initiator::begin(&keys(1), &[0; SYN_CLEAR_BYTES]).unwrap();
            assert_eq!(first.len(), FIRST_BYTES);
            ours.read(&clear, &second).unwrap();
            let third = ours.side.write(&proof, KEY_BYTES + 2 * TAG_BYTES).unwrap();
            assert_eq!(theirs.read(&third), Err(SealFault::BadSignature));
            let mut wire = Vec::new();
            let told = Bytes::from_static(b"no");
            theirs.finish().sealer.seal(vec![told], &mut wire).unwrap();
            let record = wire.remove(0).split_off(crate::frame::HEADER_BYTES);
            let mut opener = ours.side.secrets(true).opener;
            assert_eq!(opener.open(record).unwrap(), "no");
        }
    }

    #[test]
    fn terms_that_were_sealed_otherwise_are_not_believed() {
        let mut clear = [0; SYN_ACK_CLEAR_BYTES];
        let (mut ours, first) = Initiator::begin(&keys(1), &[0; SYN_CLEAR_BYTES]).unwrap();
        let mut theirs = Responder::begin(&keys(2), &[0; SYN_CLEAR_BYTES], &first).unwrap();
        let second = theirs.answer(&clear, b"").unwrap();
        clear[9] = 1;
        assert_eq!(ours.read(&clear, &second), Err(SealFault::OtherTerms));
    }
}
