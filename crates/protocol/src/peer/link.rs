//! What two neighbours tell each other on their link, as messages of kind DATA: first in, first out.

use bytes::{BufMut, Bytes};

use super::bytes::{ReadError, Reader, at_most, put_list, unknown};
use super::message::{Digest, Incarnation, SIGNED_BYTES_MAX};
use super::name::PeerName;
use super::signed::ANNOUNCEMENT_BYTES_MAX;
use crate::identity::AuthorKey;
use crate::message::MESSAGE_BYTES_MAX;

/// Digests in a [`LinkMessage::Want`], at most.
pub const HAS_MAX: usize = 4_096;
/// Messages in one [`LinkMessage::Messages`], and announcements in one [`LinkMessage::Announcements`], at most.
pub const BUNDLE_MAX: usize = 1_024;
/// Bytes of an item in [`LinkMessage::Messages`] that only names a message: its digest. A signed message is longer.
pub const NAMED_BYTES: usize = 32;
/// Digests in a [`LinkMessage::Need`], and authors in a [`LinkMessage::NameOnly`], at most.
pub const NEED_MAX: usize = 64;
/// Bytes of any link message, at most. A sender ends a bundle before it would be passed; each message fits into one.
pub const LINK_MESSAGE_BYTES_MAX: usize = MESSAGE_BYTES_MAX;
/// What a link message takes besides what is in its list.
pub const BUNDLE_EXTRA_BYTES: usize = 1 + 2;
/// What each item of a list takes besides its own bytes.
pub const ITEM_EXTRA_BYTES: usize = 4;

const _: () = assert!(BUNDLE_EXTRA_BYTES + 4 + HAS_MAX * 32 <= LINK_MESSAGE_BYTES_MAX);
const _: () =
    assert!(BUNDLE_EXTRA_BYTES + ITEM_EXTRA_BYTES + SIGNED_BYTES_MAX <= LINK_MESSAGE_BYTES_MAX);

const WANT: u8 = 1;
const MESSAGES: u8 = 2;
const PAGE_END: u8 = 3;
const ANNOUNCEMENTS: u8 = 4;
const CONTROL: u8 = 5;
const BYE: u8 = 6;
const NEED: u8 = 7;
const GIVEN: u8 = 8;
const NAME_ONLY: u8 = 9;

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

/// What one neighbour says to the other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LinkMessage {
    /// "These I have, and all that caused them: send what I lack, at most so many."
    ///
    /// A peer's messages are closed under causes, so their newest ones name them all: they are its version vector. Others
    /// among them, ever further back, are named for a neighbour that does not know the newest.
    Want {
        /// What it has; at most [`HAS_MAX`].
        has: Vec<Digest>,
        /// How many messages at most; 0 only says what it has.
        limit: u32,
    },
    /// Signed messages, each as its author signed it, in the sender's delivery order; at most [`BUNDLE_MAX`]. One of which
    /// only the digest stands here ([`NAMED_BYTES`]) has its place like the others, and comes by another link, or is needed.
    Messages(Vec<Bytes>),
    /// The page that was wanted is over. With `more` it asks again; else it is told everything from here on as it comes.
    PageEnd {
        /// Whether something is left.
        more: bool,
    },
    /// Signed announcements, each as its author signed it; at most [`BUNDLE_MAX`].
    Announcements(Vec<Bytes>),
    /// What membership says: coded by `peer::control`.
    Control(Bytes),
    /// It leaves and will not come back in this life.
    Bye,
    /// Of what was only named, these have not come by another link; at most [`NEED_MAX`].
    Need(Vec<Digest>),
    /// The answer: signed messages, whose places are where they were named; at most [`NEED_MAX`].
    Given(Vec<Bytes>),
    /// Messages of these authors come sooner by other links: name them only. At most [`NEED_MAX`]; until one of theirs is needed.
    NameOnly(Vec<AuthorKey>),
}

impl LinkMessage {
    /// Its bytes. Lists are within their limits, and so is the whole: who makes bundles ends them in time.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.room());
        match self {
            Self::Want { has, limit } => {
                out.put_u8(WANT);
                out.put_u32(*limit);
                out.put_u16(has.len() as u16);
                has.iter().for_each(|digest| out.put_slice(&digest.0));
            }
            Self::Messages(items) => {
                out.put_u8(MESSAGES);
                put_list(&mut out, items);
            }
            Self::PageEnd { more } => out.put_slice(&[PAGE_END, u8::from(*more)]),
            Self::Announcements(items) => {
                out.put_u8(ANNOUNCEMENTS);
                put_list(&mut out, items);
            }
            Self::Control(body) => {
                out.put_u8(CONTROL);
                out.put_slice(body);
            }
            Self::Bye => out.put_u8(BYE),
            Self::Need(digests) => {
                out.put_slice(&[NEED, digests.len() as u8]);
                digests.iter().for_each(|digest| out.put_slice(&digest.0));
            }
            Self::Given(items) => {
                out.put_u8(GIVEN);
                put_list(&mut out, items);
            }
            Self::NameOnly(authors) => {
                out.put_slice(&[NAME_ONLY, authors.len() as u8]);
                authors.iter().for_each(|author| out.put_slice(&author.0));
            }
        }
        debug_assert!(out.len() <= LINK_MESSAGE_BYTES_MAX);
        out.into()
    }

    /// Reads a link message that takes up all of `bytes`; what is in lists is neither read nor copied.
    ///
    /// # Errors
    ///
    /// [`ReadError`]. What is accepted encodes to the same bytes again.
    pub fn decode(bytes: &Bytes) -> Result<Self, ReadError> {
        at_most("bytes", bytes.len(), LINK_MESSAGE_BYTES_MAX)?;
        let mut from = Reader(bytes);
        let message = match from.u8()? {
            WANT => {
                let limit = from.u32()?;
                let count = at_most("digests", usize::from(from.u16()?), HAS_MAX)?;
                let (digests, _) = from.slice(count * 32)?.as_chunks::<32>();
                let has = digests.iter().copied().map(Digest).collect();
                Self::Want { has, limit }
            }
            MESSAGES => Self::Messages(list(bytes, &mut from, SIGNED_BYTES_MAX)?),
            PAGE_END => Self::PageEnd {
                more: from.flag("mark of more")?,
            },
            ANNOUNCEMENTS => Self::Announcements(list(bytes, &mut from, ANNOUNCEMENT_BYTES_MAX)?),
            CONTROL => {
                let body = bytes.slice_ref(from.slice(from.0.len())?);
                Self::Control(body)
            }
            BYE => Self::Bye,
            NEED => Self::Need(few(&mut from, "digests")?.map(Digest).collect()),
            GIVEN => {
                let items = list(bytes, &mut from, SIGNED_BYTES_MAX)?;
                at_most("items", items.len(), NEED_MAX)?;
                Self::Given(items)
            }
            NAME_ONLY => Self::NameOnly(few(&mut from, "authors")?.map(AuthorKey).collect()),
            kind => return Err(unknown("kind", kind)),
        };
        from.end()?;
        Ok(message)
    }

    fn room(&self) -> usize {
        let listed = |items: &[Bytes]| -> usize {
            let bytes = |item: &Bytes| item.len() + ITEM_EXTRA_BYTES;
            items.iter().map(bytes).sum()
        };
        BUNDLE_EXTRA_BYTES
            + match self {
                Self::Want { has, .. } => 4 + has.len() * 32,
                Self::Messages(items) | Self::Announcements(items) | Self::Given(items) => {
                    listed(items)
                }
                Self::Need(digests) => digests.len() * 32,
                Self::NameOnly(authors) => authors.len() * 32,
                Self::Control(body) => body.len(),
                Self::PageEnd { .. } | Self::Bye => 0,
            }
    }
}

/// A count of at most [`NEED_MAX`] and so many times 32 bytes.
fn few<'a>(
    from: &mut Reader<'a>,
    what: &'static str,
) -> Result<impl Iterator<Item = [u8; 32]> + 'a, ReadError> {
    let count = at_most(what, usize::from(from.u8()?), NEED_MAX)?;
    let (items, _) = from.slice(count * 32)?.as_chunks::<32>();
    Ok(items.iter().copied())
}

fn list(whole: &Bytes, from: &mut Reader<'_>, max: usize) -> Result<Vec<Bytes>, ReadError> {
    let count = at_most("items", usize::from(from.u16()?), BUNDLE_MAX)?;
    // An item takes at least four bytes: what a count claims is not believed.
    if count * ITEM_EXTRA_BYTES > from.0.len() {
        return Err(ReadError::Short);
    }
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        let length = at_most("bytes in an item", from.u32()? as usize, max)?;
        items.push(whole.slice_ref(from.slice(length)?));
    }
    Ok(items)
}
