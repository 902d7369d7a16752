//! What a neighbour said, read and proved, as far as that needs no more than its bytes.

use bytes::Bytes;
use lamparina_protocol::peer::LinkMessage;
use lamparina_protocol::peer::ReadError;
use lamparina_protocol::peer::message::Digest;
use lamparina_protocol::peer::signed::{Signed, SignedAnnouncement};

use super::proven::Proven;

/// What a neighbour said.
#[derive(Debug)]
pub(crate) enum Said {
    /// What it has, and what it wants.
    Want { has: Vec<Digest>, limit: u32 },
    /// Messages, in its delivery order.
    Messages(Vec<Signed>),
    /// A page is over.
    PageEnd { more: bool },
    /// Announcements of clocks.
    Announcements(Vec<SignedAnnouncement>),
    /// What membership says.
    Control(Bytes),
    /// It leaves.
    Bye,
}

impl Said {
    /// Reads a link message, and proves what is signed in it.
    ///
    /// # Errors
    ///
    /// [`ReadError`]: the neighbour's fault, for it passed on what it had to refuse.
    pub(crate) fn read(bytes: &Bytes, proven: &Proven) -> Result<Self, ReadError> {
        Ok(match LinkMessage::decode(bytes)? {
            LinkMessage::Want { has, limit } => Self::Want { has, limit },
            LinkMessage::Messages(items) => {
                let read = items.iter().map(|item| proven.read(item));
                Self::Messages(read.collect::<Result<_, _>>()?)
            }
            LinkMessage::PageEnd { more } => Self::PageEnd { more },
            LinkMessage::Announcements(items) => {
                let read = items.iter().map(SignedAnnouncement::read);
                Self::Announcements(read.collect::<Result<_, _>>()?)
            }
            LinkMessage::Control(body) => Self::Control(body),
            LinkMessage::Bye => Self::Bye,
        })
    }
}
