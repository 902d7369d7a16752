//! What an author has signed. A value in hand has been proved: it was signed here, or its signature was looked at.
//!
//! Signatures are looked at one by one. Verifying many at once would be faster, but takes some that are
//! refused alone, and then peers would not agree on what a message is.

use bytes::Bytes;

use super::announcement::Announcement;
use super::bytes::{ReadError, at_most};
use super::message::{Content, Digest, SIGNED_BYTES_MAX};
use crate::identity::AuthorKey;
use crate::seal::{DOMAIN_BYTES, IdentityKey, PublicKey, SIGNATURE_BYTES};

/// BLAKE3's key derivation context of a message's [`Digest`].
pub const DIGEST_CONTEXT: &str = "lamparina 2026 peer message digest v1";
/// The same of an announcement.
pub const ANNOUNCEMENT_CONTEXT: &str = "lamparina 2026 peer announcement digest v1";

const MESSAGE_DOMAIN: &[u8; DOMAIN_BYTES] = b"lamparina speech";
const ANNOUNCEMENT_DOMAIN: &[u8; DOMAIN_BYTES] = b"lamparina clocks";
/// Bytes of a signed announcement, at most.
pub const ANNOUNCEMENT_BYTES_MAX: usize = 1_024;

/// A message with its author's signature, as it is sent and kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signed {
    content: Content,
    digest: Digest,
    bytes: Bytes,
}

/// Why a content cannot be signed. Our own mistake.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SignError {
    /// It is of another author.
    #[error("only its author signs it")]
    Author,
    /// It has no bytes.
    #[error(transparent)]
    Content(#[from] ReadError),
}

impl Signed {
    /// Signs. The same content gives the same bytes.
    ///
    /// # Errors
    ///
    /// [`SignError`].
    pub fn sign(key: &IdentityKey, content: Content) -> Result<Self, SignError> {
        if content.name.chain.author.0 != key.public().0 {
            return Err(SignError::Author);
        }
        let mut bytes = content.encode()?;
        let digest = Digest(blake3::derive_key(DIGEST_CONTEXT, &bytes));
        bytes.extend_from_slice(&key.sign(MESSAGE_DOMAIN, &digest.0));
        Ok(Self {
            content,
            digest,
            bytes: bytes.into(),
        })
    }

    /// Reads a whole signed message, and proves that its author signed it.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn read(bytes: &Bytes) -> Result<Self, ReadError> {
        let message = Self::read_own(bytes)?;
        let (_, signature) = split(bytes)?;
        prove(
            message.content.name.chain.author,
            MESSAGE_DOMAIN,
            &message.digest.0,
            signature,
        )?;
        Ok(message)
    }

    /// Reads what was proved before it was kept here.
    ///
    /// # Errors
    ///
    /// [`ReadError`], but never that of a bad signature.
    pub fn read_own(bytes: &Bytes) -> Result<Self, ReadError> {
        at_most("bytes", bytes.len(), SIGNED_BYTES_MAX)?;
        let (content, _) = split(bytes)?;
        Ok(Self {
            content: Content::decode(content)?,
            digest: Digest(blake3::derive_key(DIGEST_CONTEXT, content)),
            bytes: bytes.clone(),
        })
    }

    /// What it says.
    pub const fn content(&self) -> &Content {
        &self.content
    }

    /// How others name it.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The content's bytes, then 64 of the signature.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// The digest of a signed message, of which nothing has been looked at yet: enough to see that it came before.
///
/// # Errors
///
/// [`ReadError`]: it is too long, or shorter than a signature.
pub fn digest_of(bytes: &[u8]) -> Result<Digest, ReadError> {
    at_most("bytes", bytes.len(), SIGNED_BYTES_MAX)?;
    let (content, _) = split(bytes)?;
    Ok(Digest(blake3::derive_key(DIGEST_CONTEXT, content)))
}

/// An announcement with its author's signature, as it is sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedAnnouncement {
    announcement: Announcement,
    bytes: Bytes,
}

impl SignedAnnouncement {
    /// Signs. The same announcement gives the same bytes.
    ///
    /// # Errors
    ///
    /// [`SignError`].
    pub fn sign(key: &IdentityKey, announcement: Announcement) -> Result<Self, SignError> {
        if announcement.author.0 != key.public().0 {
            return Err(SignError::Author);
        }
        let mut bytes = announcement.encode();
        let digest = blake3::derive_key(ANNOUNCEMENT_CONTEXT, &bytes);
        bytes.extend_from_slice(&key.sign(ANNOUNCEMENT_DOMAIN, &digest));
        Ok(Self {
            announcement,
            bytes: bytes.into(),
        })
    }

    /// Reads a whole signed announcement, and proves that its author signed it.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn read(bytes: &Bytes) -> Result<Self, ReadError> {
        at_most("bytes", bytes.len(), ANNOUNCEMENT_BYTES_MAX)?;
        let (said, signature) = split(bytes)?;
        let announcement = Announcement::decode(said)?;
        let digest = blake3::derive_key(ANNOUNCEMENT_CONTEXT, said);
        prove(announcement.author, ANNOUNCEMENT_DOMAIN, &digest, signature)?;
        Ok(Self {
            announcement,
            bytes: bytes.clone(),
        })
    }

    /// What it says.
    pub const fn announcement(&self) -> &Announcement {
        &self.announcement
    }

    /// The announcement's bytes, then 64 of the signature.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

fn split(bytes: &[u8]) -> Result<(&[u8], &[u8; SIGNATURE_BYTES]), ReadError> {
    bytes.split_last_chunk().ok_or(ReadError::Short)
}

fn prove(
    author: AuthorKey,
    domain: &[u8; DOMAIN_BYTES],
    digest: &[u8; 32],
    signature: &[u8; SIGNATURE_BYTES],
) -> Result<(), ReadError> {
    match PublicKey(author.0).verifies(domain, digest, signature) {
        true => Ok(()),
        false => Err(ReadError::Signature),
    }
}
