//! Where a member's deliveries go on.
//!
//! A client that brings a cursor of this log goes on after it; one without goes on after what
//! the member's clients said they had handed over; a new member begins with its entry.

use lamparina_protocol::control::Hello;
use lamparina_protocol::{Lamport, LogId};

use crate::hub::Entered;
use crate::tail::Start;

/// The answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Resume {
    /// The `prev` of the next delivery.
    pub resumed: Lamport,
    /// No message up to this stamp is delivered.
    pub low: Lamport,
    /// The batch to begin with, when something was missed.
    pub replay_from: Option<u64>,
    /// Something that was missed is no longer here. Said also when it is only not known whether
    /// what fell off the tail was addressed to this member.
    pub gap: bool,
}

/// Where deliveries go on after `entered`. `start_after` looks into the tail.
pub fn resume(
    entered: &Entered,
    hello: &Hello,
    log: LogId,
    start_after: impl FnOnce(Lamport) -> Start,
) -> Resume {
    let cursor = if entered.new_member {
        Lamport::ZERO
    } else if hello.log == log {
        hello.cursor.min(entered.after)
    } else {
        entered.consumed
    };
    let low = cursor.max(entered.since);
    if entered.last_addressed <= low {
        return Resume {
            resumed: cursor,
            low,
            replay_from: None,
            gap: false,
        };
    }
    let start = start_after(low);
    let gap = start.complete_after > low;
    Resume {
        resumed: if gap { start.complete_after } else { cursor },
        low: if gap { start.complete_after } else { low },
        replay_from: Some(start.position),
        gap,
    }
}
