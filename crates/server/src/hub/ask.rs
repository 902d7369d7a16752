//! What sessions hand to the ordering task.

use lamparina_order::{Action, Entry};
use lamparina_protocol::{Audience, Lamport, MemberId};

use super::operate::{OperatorAsk, Ticket};

/// One connection of this server's life; never used twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(pub u64);

/// A request with its asker: answers go to that connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asked {
    /// Who asked.
    pub by: ConnectionId,
    /// What.
    pub ask: Ask,
}

/// A request to the ordering task.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ask {
    /// Something that wants a place in the order.
    Entry(Entry),
    /// A member's client handed deliveries to its person or program.
    Consumed {
        /// Which member.
        member: MemberId,
        /// Up to which stamp.
        upto: Lamport,
        /// How many since the last time.
        count: u64,
    },
    /// Whether this connection is still the one of the member's open session.
    Confirm {
        /// Which member.
        member: MemberId,
    },
    /// What an operator asks: the answer has its ticket.
    Operate {
        /// Whose question.
        ticket: Ticket,
        /// What.
        ask: Box<OperatorAsk>,
    },
    /// Who is present, as of this place.
    List,
    /// An answer when everything asked before has been answered.
    Barrier,
}

/// What a waiting request costs beside its text.
const ASKED_COST_BYTES: usize = 256;
/// What a recipient named costs.
const NAME_COST_BYTES: usize = 64;

impl Asked {
    /// Memory held while it waits, about.
    pub fn cost_bytes(&self) -> usize {
        let Ask::Entry(Entry {
            action: Action::Say(submit),
            ..
        }) = &self.ask
        else {
            return ASKED_COST_BYTES;
        };
        let names = match &submit.audience {
            Audience::Multicast(nicks) => nicks.len() * NAME_COST_BYTES,
            Audience::Unicast(_) | Audience::All | Audience::Room(_) => 0,
        };
        ASKED_COST_BYTES + names + submit.text.len()
    }
}
