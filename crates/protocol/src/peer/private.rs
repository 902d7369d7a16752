//! Messages for some: a text under a key of its own, and that key sealed for each of them (Noise's one-way
//! pattern). Both are bound to the message's name, so that no part is of use in another message.
//!
//! Whom a message is for can be seen by their keys; what it says, and how they are called, cannot. Who holds a
//! recipient's identity key later can read it then: there is no forward secrecy.

use bytes::{BufMut, Bytes};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::bytes::{ReadError, Reader, at_most, put_long, put_name};
use super::message::{
    Body, ENVELOPE_KEY_BYTES, ENVELOPES_MAX, Envelope, MessageName, SEALED_BYTES_MAX,
};
use super::name::PeerName;
use crate::identity::AuthorKey;
use crate::message::TEXT_BYTES_MAX;
use crate::seal::noise::{KEY_BYTES, ONE_WAY_EXTRA_BYTES, open_one_way, public, seal_one_way};
use crate::seal::{IdentityKey, TAG_BYTES};

const SEALING_CONTEXT: &str = "lamparina 2026 peer sealing key v1";
const CONTENT_CONTEXT: &str = "lamparina 2026 peer private content key v1";
const EPHEMERAL_CONTEXT: &str = "lamparina 2026 peer private ephemeral key v1";
const PROLOGUE: &[u8] = b"lamparina private";
/// A key seals one text, so its nonce need not differ from others.
const NONCE: [u8; 12] = [0; 12];
/// Whom it is for, at most so many names; more recipients than names are possible, not fewer.
const NAMES_BYTES_MAX: usize = ENVELOPES_MAX * 2 * (1 + 64);

const _: () = assert!(ENVELOPE_KEY_BYTES == KEY_BYTES + ONE_WAY_EXTRA_BYTES);
const _: () = assert!(1 + NAMES_BYTES_MAX + 4 + TEXT_BYTES_MAX + TAG_BYTES <= SEALED_BYTES_MAX);

/// The key pair (X25519) that messages for one peer alone are sealed for; the same for the same identity.
#[derive(Clone)]
pub struct SealingKey {
    private: Zeroizing<[u8; KEY_BYTES]>,
    public: [u8; KEY_BYTES],
    author: AuthorKey,
}

impl SealingKey {
    /// That of an identity.
    pub fn of(identity: &IdentityKey) -> Self {
        let private = Zeroizing::new(blake3::derive_key(SEALING_CONTEXT, &*identity.seed()));
        Self {
            public: public(&private),
            private,
            author: AuthorKey(identity.public().0),
        }
    }

    /// Its public half: what an announcement says.
    pub const fn public(&self) -> [u8; KEY_BYTES] {
        self.public
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealingKey(of {})", self.author)
    }
}

/// For whom a message is sealed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PrivateRecipient {
    /// Who.
    pub author: AuthorKey,
    /// Their sealing key, as they announced it.
    pub sealing: [u8; 32],
}

/// What a private message says to those whom it is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PrivateText {
    /// How those are called that it is for.
    pub to: Vec<PeerName>,
    /// The text.
    pub text: String,
}

/// Why a private message cannot be made or read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PrivateError {
    /// Nobody, or too many.
    #[error("a private message is for 1 to {ENVELOPES_MAX} peers, oneself among them")]
    Recipients,
    /// The text is longer than the limit.
    #[error("the text is longer than {TEXT_BYTES_MAX} bytes")]
    TooLong,
    /// Their sealing key is none.
    #[error("the key of {0} is none that one can seal for")]
    Key(AuthorKey),
    /// It is for others.
    #[error("it is not for this peer")]
    NotOurs,
    /// It was made so that it does not open, or was moved here from another message.
    #[error("it does not open")]
    NotOpened,
    /// It opens and cannot be read.
    #[error("it opens and cannot be read: {0}")]
    Read(#[from] ReadError),
}

/// Seals a text for `recipients` in the message that will have this name. `seed` is random and used once; the same
/// recipient twice counts once.
///
/// # Errors
///
/// [`PrivateError`].
pub fn seal(
    name: &MessageName,
    seed: &Zeroizing<[u8; 32]>,
    recipients: &[PrivateRecipient],
    said: &PrivateText,
) -> Result<Body, PrivateError> {
    let mut recipients = recipients.to_vec();
    recipients.sort_by_key(|recipient| recipient.author);
    recipients.dedup_by_key(|recipient| recipient.author);
    if !(1..=ENVELOPES_MAX).contains(&recipients.len()) || said.to.len() > ENVELOPES_MAX {
        return Err(PrivateError::Recipients);
    }
    if said.text.len() > TEXT_BYTES_MAX {
        return Err(PrivateError::TooLong);
    }
    let prologue = prologue(name);
    let content_key = Zeroizing::new(blake3::derive_key(CONTENT_CONTEXT, &**seed));
    let envelopes: Result<_, PrivateError> = recipients
        .iter()
        .map(|recipient| envelope(recipient, &prologue, seed, &content_key))
        .collect();
    Ok(Body::Private {
        envelopes: envelopes?,
        sealed: seal_text(&content_key, &prologue, said)?,
    })
}

/// Opens a private message that is for this peer.
///
/// # Errors
///
/// [`PrivateError`]; `NotOurs` also for what is not private.
pub fn open(
    key: &SealingKey,
    name: &MessageName,
    body: &Body,
) -> Result<PrivateText, PrivateError> {
    let Body::Private { envelopes, sealed } = body else {
        return Err(PrivateError::NotOurs);
    };
    let ours = |envelope: &&Envelope| envelope.to == key.author;
    let envelope = envelopes.iter().find(ours).ok_or(PrivateError::NotOurs)?;
    let prologue = prologue(name);
    let Ok(content_key) = open_one_way(&key.private, &prologue, &envelope.key) else {
        return Err(PrivateError::NotOpened);
    };
    let mut text = Zeroizing::new(sealed.to_vec());
    let opened = aead(&content_key)?
        .open_in_place(
            Nonce::assume_unique_for_key(NONCE),
            Aad::from(&prologue),
            &mut text,
        )
        .map_err(|_unspecified| PrivateError::NotOpened)?;
    let mut from = Reader(opened);
    let count = at_most("names", usize::from(from.u8()?), ENVELOPES_MAX)?;
    let to: Result<_, ReadError> = (0..count).map(|_| from.name()).collect();
    let to = to?;
    let length = at_most("bytes of text", from.u32()? as usize, TEXT_BYTES_MAX)?;
    let text = from.text(length)?.to_owned();
    from.end()?;
    Ok(PrivateText { to, text })
}

fn envelope(
    recipient: &PrivateRecipient,
    prologue: &[u8],
    seed: &[u8; 32],
    content_key: &[u8; 32],
) -> Result<Envelope, PrivateError> {
    let to = recipient.author;
    let mut derive = blake3::Hasher::new_derive_key(EPHEMERAL_CONTEXT);
    derive.update(seed).update(&to.0);
    let ephemeral = Zeroizing::new(*derive.finalize().as_bytes());
    let sealed = seal_one_way(&recipient.sealing, prologue, &ephemeral, content_key);
    let key = sealed.ok().and_then(|key| key.try_into().ok());
    let key = key.ok_or(PrivateError::Key(to))?;
    Ok(Envelope { to, key })
}

fn seal_text(
    content_key: &[u8; 32],
    prologue: &[u8],
    said: &PrivateText,
) -> Result<Bytes, PrivateError> {
    let mut text = Vec::with_capacity(said.text.len() + 256);
    text.put_u8(said.to.len() as u8);
    said.to.iter().for_each(|name| put_name(&mut text, name));
    put_long(&mut text, said.text.as_bytes());
    aead(content_key)?
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(NONCE),
            Aad::from(prologue),
            &mut text,
        )
        .map_err(|_unspecified| PrivateError::TooLong)?;
    Ok(text.into())
}

fn aead(key: &[u8]) -> Result<LessSafeKey, PrivateError> {
    let key = UnboundKey::new(&AES_256_GCM, key);
    let key = key.map_err(|_unspecified| PrivateError::NotOpened)?;
    Ok(LessSafeKey::new(key))
}

/// What both seals are bound to.
fn prologue(name: &MessageName) -> Vec<u8> {
    let mut out = Vec::with_capacity(PROLOGUE.len() + 48);
    out.put_slice(PROLOGUE);
    out.put_slice(&name.chain.author.0);
    out.put_u64(name.chain.incarnation.0);
    out.put_u64(name.n);
    out
}
