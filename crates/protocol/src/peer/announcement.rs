//! An author's word about its clock: whatever it says from now on has a greater stamp. Signed, flooded.

use std::net::SocketAddr;

use bytes::BufMut;

use super::bytes::{ReadError, Reader, put_addr, put_name, unknown};
use super::message::{Digest, Incarnation};
use super::name::PeerName;
use crate::identity::AuthorKey;
use crate::lamport::Lamport;

const VERSION: u8 = 1;
/// What an announcement takes as a rule, with its signature.
const ROOM_FIRST_BYTES: usize = 320;

/// What an author announces.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Announcement {
    /// Who.
    pub author: AuthorKey,
    /// In which life.
    pub incarnation: Incarnation,
    /// Counts this life's announcements, from 1: an older one is not news.
    pub beat: u64,
    /// The newest message that it has said, in this life or one before. Who has been delivered it has been
    /// delivered all.
    pub last: Option<Digest>,
    /// Its next message has a greater stamp than this, and so has every other that `last` does not follow.
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

impl Announcement {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(ROOM_FIRST_BYTES);
        out.put_u8(VERSION);
        out.put_slice(&self.author.0);
        out.put_u64(self.incarnation.0);
        out.put_u64(self.beat);
        match &self.last {
            None => out.put_u8(0),
            Some(last) => {
                out.put_u8(1);
                out.put_slice(&last.0);
            }
        }
        out.put_u64(self.clock.get());
        put_name(&mut out, &self.name);
        put_addr(&mut out, self.addr);
        out.put_slice(&self.sealing);
        out.put_u8(u8::from(self.gone));
        out
    }

    /// Reads an announcement that takes up all of `bytes`.
    ///
    /// # Errors
    ///
    /// [`ReadError`]. What is accepted encodes to the same bytes again.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut from = Reader(bytes);
        match from.u8()? {
            VERSION => {}
            version => return Err(unknown("version", version)),
        }
        let announcement = Self {
            author: AuthorKey(from.array()?),
            incarnation: Incarnation(from.u64()?),
            beat: from.u64()?,
            last: match from.flag("mark of a last message")? {
                true => Some(Digest(from.array()?)),
                false => None,
            },
            clock: Lamport::new(from.u64()?),
            name: from.name()?,
            addr: from.addr()?,
            sealing: from.array()?,
            gone: from.flag("mark of leaving")?,
        };
        from.end()?;
        Ok(announcement)
    }
}
