//! What a neighbour said, read and proved, as far as that needs no more than its bytes.

use std::sync::Arc;

use bytes::Bytes;
use lamparina_order::converging::{self, Heard, Incoming};
use lamparina_protocol::peer::{LinkMessage, ReadError, Signed, SignedAnnouncement};

use super::proven::Proven;

/// What a neighbour said.
#[derive(Debug)]
pub(crate) enum Said {
    /// For the order.
    Order(Heard),
    /// For membership.
    Control(Bytes),
}

impl Said {
    /// Reads a link message, and proves what is signed in it.
    ///
    /// # Errors
    ///
    /// [`ReadError`]: the neighbour's fault, for it passed on what it had to refuse.
    pub(crate) fn read(bytes: &Bytes, proven: &Proven) -> Result<Self, ReadError> {
        Ok(Self::Order(match LinkMessage::decode(bytes)? {
            LinkMessage::Want { has, limit } => Heard::Want { has, limit },
            LinkMessage::Messages(items) => {
                let read = items.iter().map(|item| match converging::named(item) {
                    Some(digest) => Ok(Incoming::Named(digest)),
                    None => proven.read(item),
                });
                Heard::Messages(read.collect::<Result<_, _>>()?)
            }
            LinkMessage::PageEnd { more } => Heard::PageEnd { more },
            LinkMessage::Announcements(items) => {
                // The newest of each author is kept: it must not keep what came with it.
                let read = items
                    .iter()
                    .map(|item| SignedAnnouncement::read(&Bytes::copy_from_slice(item)));
                Heard::Announcements(read.collect::<Result<_, _>>()?)
            }
            LinkMessage::Control(body) => return Ok(Self::Control(body)),
            LinkMessage::Bye => Heard::Bye,
            LinkMessage::Need(digests) => Heard::Need(digests),
            LinkMessage::Given(items) => Heard::Given(given(&items, proven)?),
            LinkMessage::NameOnly(authors) => Heard::NameOnly(authors),
        }))
    }
}

/// What was needed, but for what has come meanwhile.
fn given(items: &[Bytes], proven: &Proven) -> Result<Vec<Arc<Signed>>, ReadError> {
    let mut given = Vec::new();
    for item in items {
        if let Incoming::New(signed) = proven.read(item)? {
            given.push(signed);
        }
    }
    Ok(given)
}
