//! What a batch of entries says to clients, encoded once and never changed: sessions share it.
//!
//! Items stand in the order in which they happened. Lists of indices, ascending, say whom they
//! reach, so that a session looks only at its own.

use std::sync::Arc;

use lamparina_protocol::frame::{FrameType, SharedBody};
use lamparina_protocol::message::RefusalCode;
use lamparina_protocol::{Lamport, MemberId, Nick, Pseq};

use super::ask::ConnectionId;

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
    /// An answer as it is.
    Reply,
    /// An answer as it is, which says no.
    Refusal(Box<Words>),
    /// For the session itself.
    Note(Box<Note>),
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
    /// These, in ascending order.
    These(Vec<ConnectionId>),
}

impl Batch {
    /// The items that reach a connection and its member, ascending; `merged` is room to work in.
    pub fn reaching<'a>(
        &'a self,
        connection: ConnectionId,
        member: Option<MemberId>,
        merged: &'a mut Vec<u32>,
    ) -> &'a [u32] {
        let answers = of(&self.connections, connection);
        let (own, everyone) = match member {
            Some(member) => (of(&self.members, member), &self.everyone[..]),
            None => (&[][..], &[][..]),
        };
        if answers.is_empty() && own.is_empty() && self.lanes.is_empty() {
            return everyone;
        }
        merged.clear();
        merged.extend_from_slice(everyone);
        merged.extend(own.iter().map(|(_, index)| *index));
        merged.extend(answers.iter().map(|(_, index)| *index));
        for lane in &self.lanes {
            if member.is_some_and(|member| lane.members.binary_search(&member).is_ok()) {
                merged.extend_from_slice(&lane.items);
            }
        }
        // A few ascending runs: the stable sort finds and merges them.
        merged.sort();
        merged
    }
}

/// The entries of `key`.
fn of<K: Copy + Ord>(entries: &[(K, u32)], key: K) -> &[(K, u32)] {
    let from = entries.partition_point(|(other, _)| *other < key);
    let entries = &entries[from..];
    &entries[..entries.partition_point(|(other, _)| *other == key)]
}
