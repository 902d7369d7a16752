//! Which messages reach a member, and which it may see: decided from the journal alone, so that
//! what a server said from memory and what it says from disk is the same.

use lamparina_order::{Record, Recorded, To};
use lamparina_protocol::{Lamport, MemberId};

use crate::stays::Stays;

/// One member, as far as messages are concerned.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Viewer {
    /// Who.
    pub member: MemberId,
    /// The last stamp given before it became a member.
    pub since: Lamport,
    /// Where it was and is.
    pub stays: Stays,
}

impl Viewer {
    /// Whether an entry is a message that is delivered to this member.
    pub fn receives(&self, record: &Record) -> bool {
        let Recorded::Message(message) = &record.event else {
            return false;
        };
        message.member != self.member
            && match &message.to {
                To::All => record.stamp > self.since && !self.stays.was_banned(record.index),
                To::Members(members) => members.binary_search(&self.member).is_ok(),
                To::Room(room) => self.stays.was_in(*room, record.index),
            }
    }

    /// Whether this member may see an entry when it asks for history: messages to all, also from
    /// before its time; its own; and whatever it received.
    pub fn may_see(&self, record: &Record) -> bool {
        match &record.event {
            Recorded::Message(message) => {
                message.member == self.member || message.to == To::All || self.receives(record)
            }
            _ => false,
        }
    }
}
