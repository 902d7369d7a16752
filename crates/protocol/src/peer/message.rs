//! A chat message as its author signs it. Its bytes are the ones that were signed: they are kept and
//! passed on as they came, so that its digest is the same everywhere.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;

use super::name::PeerName;
use crate::identity::AuthorKey;
use crate::message::{MESSAGE_BYTES_MAX, TEXT_BYTES_MAX};
use crate::nick::RoomName;
use crate::time::UnixMicros;

/// Causal heads that a message names, at most.
pub const HEADS_MAX: usize = 512;
/// Recipients of a private message, at most; the author is one.
pub const ENVELOPES_MAX: usize = 64;
/// Bytes of the key in an [`Envelope`].
pub const ENVELOPE_KEY_BYTES: usize = 80;
/// Bytes of what is sealed in a private message, at most: a text, whom it is for, a tag.
pub const SEALED_BYTES_MAX: usize = TEXT_BYTES_MAX + 16 * 1024;
/// Bytes of [`Foreign::peer_id`], at most: 129 characters of any kind.
pub const PEER_ID_BYTES_MAX: usize = 129 * 4;
/// Bytes of [`Foreign::msg_id`], at most.
pub const MSG_ID_BYTES_MAX: usize = 256;
/// Bytes of a signed message, at most.
pub const SIGNED_BYTES_MAX: usize = 1 // version
    + 32 + 8 + 8 + 32 // name, prev
    + 2 + HEADS_MAX * 32
    + 8 + 2 * (1 + 255) + 19 // sent_at, from, addr
    + 1 + 1 + ENVELOPES_MAX * (32 + ENVELOPE_KEY_BYTES) + 4 + SEALED_BYTES_MAX
    + 1 + 2 + PEER_ID_BYTES_MAX + 2 + MSG_ID_BYTES_MAX + 19
    + 64;
// One fits into a bundle of its own.
const _: () = assert!(SIGNED_BYTES_MAX + 16 <= MESSAGE_BYTES_MAX);

/// BLAKE3 of a message's bytes without the signature (key derivation, context [`DIGEST_CONTEXT`](super::signed::DIGEST_CONTEXT)): what other
/// messages name as their causes.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    /// Lower-case hexadecimal, all 64 digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// A life of a peer: each start begins another, with a greater number than all before (Unix
/// milliseconds in the upper 48 bits, random below). A peer that lost what it had said, or was restored from
/// a backup, can so never name two messages alike.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Incarnation(pub u64);

/// The messages that one author sent in one life, each naming the one before.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Chain {
    /// Who.
    pub author: AuthorKey,
    /// In which life.
    pub incarnation: Incarnation,
}

/// The name of a message: `(author, incarnation, n)`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MessageName {
    /// Of which chain.
    pub chain: Chain,
    /// Its place there, from 1.
    pub n: u64,
}

/// What an author signs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Content {
    /// Its name.
    pub name: MessageName,
    /// The message before it in its chain; none exactly where `n` is 1.
    pub prev: Option<Digest>,
    /// Messages that its author had been delivered and that no other of its causes covers, ascending, without
    /// `prev`; at most [`HEADS_MAX`]. Its stamp is one more than the greatest of all its causes' stamps.
    pub heads: Vec<Digest>,
    /// When, by its author's clock; for people.
    pub sent_at: UnixMicros,
    /// What its author is called.
    pub from: PeerName,
    /// Where its author listens, as far as it knows.
    pub addr: Option<SocketAddr>,
    /// What it says, and to whom.
    pub body: Body,
    /// Of a message that came over another protocol: whose it is. Its author only received it.
    pub foreign: Option<Foreign>,
}

/// What a message says, and to whom.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Body {
    /// To everybody. A text has at most [`TEXT_BYTES_MAX`] bytes.
    All(String),
    /// To those of a room or namespace. Everybody can read it.
    Room(RoomName, String),
    /// To some, by their keys; nobody else can read it.
    Private {
        /// The key of the text, sealed for each of them, ascending by whom it is for; the author's own
        /// among them. 1 to [`ENVELOPES_MAX`].
        envelopes: Vec<Envelope>,
        /// The text (with whom it is for), sealed; at most [`SEALED_BYTES_MAX`] bytes.
        sealed: Bytes,
    },
}

/// A key sealed for one recipient.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Envelope {
    /// For whom.
    pub to: AuthorKey,
    /// The sealed key.
    pub key: [u8; ENVELOPE_KEY_BYTES],
}

/// Whose message it was on the other side of another protocol (PyP2P).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Foreign {
    /// `name@namespace` there: any text of at most [`PEER_ID_BYTES_MAX`] bytes.
    pub peer_id: String,
    /// Its name there, at most [`MSG_ID_BYTES_MAX`] bytes. Where several of us enter the same message, the first in order is shown.
    pub msg_id: String,
    /// Where it came from.
    pub addr: Option<SocketAddr>,
}
