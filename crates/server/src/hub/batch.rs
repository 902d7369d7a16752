//! What a batch of entries says to clients, encoded once and never changed: sessions share it.
//!
//! Items stand in the order in which they happened. Lists of indices, ascending, say whom they
//! reach, so that a session looks only at its own.

use std::sync::Arc;

use lamparina_protocol::control::CloseCode;
use lamparina_protocol::frame::{FrameType, SharedBody};
use lamparina_protocol::message::RefusalCode;
use lamparina_protocol::nick::NICK_BYTES_MAX;
use lamparina_protocol::{Lamport, MemberId, Nick, Pseq};

use super::ask::ConnectionId;
use crate::parted::Parted;

/// Everything that one batch of entries says.
#[derive(Debug)]
pub struct Batch {
    /// The last stamp before this batch.
    pub after: Lamport,
    /// In order.
    pub items: Vec<Item>,
    /// Items for every member of their time.
    pub everyone: Vec<u32>,
    /// Items for the members of larger rooms.
    pub lanes: Vec<Lane>,
    /// Items for single members, present or not; by member, then by item.
    pub members: Vec<(MemberId, u32)>,
    /// Answers to connections; by connection, then by item.
    pub connections: Vec<(ConnectionId, u32)>,
    /// Memory held.
    pub cost_bytes: usize,
}

/// Items that share one list of recipients.
#[derive(Debug)]
pub struct Lane {
    /// In ascending order.
    pub members: Arc<[MemberId]>,
    /// Which items.
    pub items: Vec<u32>,
}

/// One thing said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Item {
    /// What it is to a session.
    pub what: What,
    /// The frame type that carries it.
    pub kind: FrameType,
    /// Its bytes; of a message all but the last eight (`prev`); of a note none.
    pub body: SharedBody,
    /// A message with a long text, in two parts.
    pub parted: Option<Box<Parted>>,
}

/// What an item is to a session that it reaches.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum What {
    /// A message: `prev` is still to be added.
    Message {
        /// Its place.
        stamp: Lamport,
        /// Its author, who is not delivered it.
        author: MemberId,
    },
    /// Something happened beside messages.
    Event {
        /// Whom it does not reach.
        except: Option<MemberId>,
    },
    /// A member is called otherwise from here on.
    Renamed(Box<(MemberId, Nick)>),
    /// What a member asked for and is told together with others.
    Done {
        /// Which member.
        by: MemberId,
    },
    /// An answer as it is, to one request.
    Reply,
    /// An answer as it is, which says no.
    Refusal(Box<Words>),
    /// For the session itself.
    Note(Box<Note>),
}

impl What {
    /// Memory held beside the item.
    pub(super) fn boxed_bytes(&self) -> usize {
        match self {
            Self::Message { .. } | Self::Event { .. } | Self::Done { .. } | Self::Reply => 0,
            Self::Renamed(_) => size_of::<(MemberId, Nick)>() + NICK_BYTES_MAX,
            Self::Refusal(words) => size_of::<Words>() + words.text.len(),
            Self::Note(note) => {
                let words = match &**note {
                    Note::ClaimRefused(words) => words.text.len(),
                    Note::Entered(_) => NICK_BYTES_MAX,
                    Note::Ended(why) => size_of_val(&**why) + why.1.len(),
                    Note::TakenOver | Note::Confirmed | Note::Barrier => 0,
                };
                size_of::<Note>() + words
            }
        }
    }
}

/// A refusal: its code for programs, its words for people.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Words {
    /// Why.
    pub code: RefusalCode,
    /// Why, and what to do.
    pub text: String,
}

/// What a session is told about itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Note {
    /// Its claim was granted.
    Entered(Entered),
    /// Its claim was not granted.
    ClaimRefused(Words),
    /// A newer session of its author has entered.
    TakenOver,
    /// It was ended by an operator: the code, and the words for the client.
    Ended(Box<(CloseCode, String)>),
    /// Its member's open session is this one.
    Confirmed,
    /// Everything it asked before has been answered.
    Barrier,
}

/// Where a session begins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entered {
    /// The nick held.
    pub nick: Nick,
    /// The member's number.
    pub member: MemberId,
    /// The order's clock.
    pub clock: Lamport,
    /// The last settled `pseq` of its epoch.
    pub settled: Pseq,
    /// It became a member by this.
    pub new_member: bool,
    /// The last stamp given before it became a member.
    pub since: Lamport,
    /// The last stamp given when its last ban ended; 0 for never. What the tail holds for every
    /// member up to there may not be for it.
    pub back_since: Lamport,
    /// The last stamp that its clients said they handed over.
    pub consumed: Lamport,
    /// The last stamp addressed to it.
    pub last_addressed: Lamport,
    /// The last stamp given.
    pub after: Lamport,
}

/// Which sessions a batch reaches.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rings {
    /// All of them.
    Everyone,
    /// These, in this order; one that is named again need not be rung again.
    These(Vec<ConnectionId>),
}

impl Rings {
    /// Whether at most one session is reached.
    pub fn is_for_one(&self) -> bool {
        matches!(self, Self::These(these) if these.len() <= 1)
    }
}

impl Batch {
    /// The items, from `from` on, that reach a connection and its member, ascending; `own` is room
    /// to work in.
    pub fn reaching<'a>(
        &'a self,
        connection: ConnectionId,
        member: Option<MemberId>,
        from: u32,
        own: &'a mut Vec<u32>,
    ) -> Reaching<'a> {
        own.clear();
        own.extend(
            of(&self.connections, connection)
                .iter()
                .map(|(_, index)| *index),
        );
        if let Some(member) = member {
            own.extend(of(&self.members, member).iter().map(|(_, index)| *index));
            for lane in &self.lanes {
                if lane.members.binary_search(&member).is_ok() {
                    own.extend_from_slice(&lane.items);
                }
            }
        }
        // A few ascending runs: the stable sort finds and merges them.
        own.sort();
        let everyone = match member {
            Some(_) => &self.everyone[..],
            None => &[],
        };
        Reaching {
            everyone: onward(everyone, from),
            own: onward(own, from),
        }
    }
}

/// Two ascending lists of items as one.
#[derive(Clone, Debug)]
pub struct Reaching<'a> {
    everyone: &'a [u32],
    own: &'a [u32],
}

impl Iterator for Reaching<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        let first = match (self.everyone.first(), self.own.first()) {
            (Some(shared), Some(own)) if own < shared => &mut self.own,
            (Some(_), _) => &mut self.everyone,
            (None, _) => &mut self.own,
        };
        let (index, rest) = first.split_first()?;
        *first = rest;
        Some(*index)
    }
}

/// The items from `from` on.
fn onward(items: &[u32], from: u32) -> &[u32] {
    &items[items.partition_point(|index| *index < from)..]
}

/// The entries of `key`.
fn of<K: Copy + Ord>(entries: &[(K, u32)], key: K) -> &[(K, u32)] {
    let from = entries.partition_point(|(other, _)| *other < key);
    let entries = &entries[from..];
    &entries[..entries.partition_point(|(other, _)| *other == key)]
}
