//! An author's word about its clock: whatever it says from now on has a greater stamp. Signed, flooded.

use std::net::SocketAddr;

use super::message::Incarnation;
use super::name::PeerName;
use crate::identity::AuthorKey;
use crate::lamport::Lamport;

/// What an author announces.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Announcement {
    /// Who.
    pub author: AuthorKey,
    /// In which life.
    pub incarnation: Incarnation,
    /// Counts this life's announcements, from 1: an older one is not news.
    pub beat: u64,
    /// Messages that it has sent in this life.
    pub sent: u64,
    /// Its next message has a greater stamp than this.
    pub clock: Lamport,
    /// What it is called.
    pub name: PeerName,
    /// Where it listens, as far as it knows.
    pub addr: Option<SocketAddr>,
    /// Messages for it alone are sealed for this key (X25519).
    pub sealing: [u8; 32],
    /// It says nothing more in this life.
    pub gone: bool,
}
