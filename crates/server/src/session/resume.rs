//! Where a member's deliveries go on.
//!
//! A client that brings a cursor of this log goes on after it; one without goes on after what
//! the member's clients said they had handed over; a new member begins with its entry. A cursor
//! beyond the log, which can have lost its end since, is cut to what is still the same.

use lamparina_protocol::Lamport;
use lamparina_protocol::control::Hello;
use lamparina_store::TermBegan;

use super::machine::SessionConfig;
use crate::hub::Entered;
use crate::tail::Start;

/// The answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Resume {
    /// The `prev` of the next delivery.
    pub resumed: Lamport,
    /// No message up to this stamp is delivered.
    pub low: Lamport,
    /// Where what was missed is, when something was.
    pub source: Option<Source>,
    /// Something that was missed is no longer here. Said also when it is only not known whether
    /// what fell off the tail was addressed to this member. Never where there is a store.
    pub gap: bool,
    /// The cursor given was beyond the log.
    pub rewound: bool,
    /// Up to which stamp the log is the one that the client knew.
    pub same: Lamport,
}

/// Where deliveries come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// The tail, from this batch on.
    Tail(u64),
    /// The store, until what follows is in the tail.
    Store,
}

/// Where deliveries go on after `entered`. `start_after` looks into the tail.
pub fn resume(
    entered: &Entered,
    hello: &Hello,
    config: &SessionConfig,
    start_after: impl FnOnce(Lamport) -> Start,
) -> Resume {
    let known = hello.log == config.log && hello.cursor > Lamport::ZERO;
    let valid = valid_upto(hello, config).min(entered.after);
    let rewound = known && (hello.cursor > valid || hello.term > config.term);
    let cursor = if entered.new_member {
        Lamport::ZERO
    } else if hello.log == config.log {
        hello.cursor.min(valid)
    } else {
        entered.consumed
    };
    let low = cursor.max(entered.since);
    let missed_nothing = Resume {
        resumed: cursor,
        low,
        source: None,
        gap: false,
        rewound,
        same: valid,
    };
    if entered.last_addressed <= low {
        return missed_nothing;
    }
    // What was said to all during a ban is in the tail and not for it: the store knows.
    if low < entered.back_since {
        if config.store {
            return Resume {
                source: Some(Source::Store),
                ..missed_nothing
            };
        }
        let start = start_after(entered.back_since);
        let low = start.complete_after.max(entered.back_since);
        return Resume {
            resumed: low,
            low,
            source: Some(Source::Tail(start.position)),
            gap: true,
            ..missed_nothing
        };
    }
    let start = start_after(low);
    let source = Some(Source::Tail(start.position));
    if start.complete_after <= low {
        return Resume {
            source,
            ..missed_nothing
        };
    }
    if config.store {
        return Resume {
            source: Some(Source::Store),
            ..missed_nothing
        };
    }
    Resume {
        resumed: start.complete_after,
        low: start.complete_after,
        source,
        gap: true,
        ..missed_nothing
    }
}

/// Up to which stamp the log is the one that the client knew: where a term began that it did not
/// know of, the log may have lost its end before.
fn valid_upto(hello: &Hello, config: &SessionConfig) -> Lamport {
    let unknown = |began: &&TermBegan| {
        // A client from a later term knew another life of this log, and of this life nothing that
        // was given since the present term began.
        began.term > hello.term || (hello.term > config.term && began.term == config.term)
    };
    let began = config.terms.iter().filter(unknown).map(|began| began.after);
    began.min().unwrap_or(Lamport::new(u64::MAX))
}
