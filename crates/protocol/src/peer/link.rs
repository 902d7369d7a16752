//! What two neighbours tell each other on their link, as messages of kind DATA: first in, first out.

use bytes::Bytes;

use super::message::{Chain, Digest, Incarnation};
use super::name::PeerName;

/// Tips in a [`LinkMessage::Want`], at most.
pub const TIPS_MAX: usize = 4_096;
/// Messages in one [`LinkMessage::Messages`], at most.
pub const BUNDLE_MAX: usize = 1_024;

/// First words of both sides of a link (the hello, and the welcome). Who they are is proved by the seal.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PeerHello {
    /// Version of what peers say: 1.
    pub version: u16,
    /// What this peer is called.
    pub name: PeerName,
    /// In which life.
    pub incarnation: Incarnation,
    /// The port at which it listens; 0 where it does not.
    pub port: u16,
}

/// The last message of a chain that a peer has. A chain of which it has several branches has a tip each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tip {
    /// Of which chain.
    pub chain: Chain,
    /// Its place there.
    pub n: u64,
    /// Its digest.
    pub digest: Digest,
}

/// What one neighbour says to the other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LinkMessage {
    /// "This I have: send what I lack, at most so many": the version vector, and the request for a page.
    Want {
        /// What it has.
        tips: Vec<Tip>,
        /// How many messages at most; 0 only says what it has.
        limit: u32,
    },
    /// Signed messages, each as its author signed it, in the sender's delivery order.
    Messages(Vec<Bytes>),
    /// The page that was wanted is over. With `more` it asks again; else it is told everything from here on as it comes.
    PageEnd {
        /// Whether something is left.
        more: bool,
    },
    /// Signed announcements, each as its author signed it.
    Announcements(Vec<Bytes>),
    /// What membership says: coded by `peer::control`.
    Control(Bytes),
    /// It leaves and will not come back in this life.
    Bye,
}
