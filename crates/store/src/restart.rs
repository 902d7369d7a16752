//! How a log goes on after a server ended: its entries are judged again, and a new term begins
//! behind them. The same for every store.

use lamparina_order::{LogIndex, Record, Recorded, Sequenced};
use lamparina_protocol::{Lamport, LogId, Term, UnixMicros};

use crate::traits::{Chain, ReadError, TermBegan};

/// Where a journal ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tip {
    /// The last entry.
    pub index: LogIndex,
    /// Its stamp.
    pub stamp: Lamport,
    /// The chain up to it.
    pub chain: Chain,
}

impl Tip {
    /// Of a log without entries.
    pub fn genesis(log: LogId) -> Self {
        Self {
            index: LogIndex(0),
            stamp: Lamport::ZERO,
            chain: Chain::genesis(log),
        }
    }
}

/// Applies an entry of the journal.
pub(crate) fn replay(state: &mut Sequenced, record: &Record) -> Result<(), ReadError> {
    let replayed = state.replay(record);
    replayed.map_err(|mismatch| {
        let words = format!(
            "{} should be {} and is {}",
            mismatch.what, mismatch.expected, mismatch.found
        );
        ReadError::Damaged(record.index, words)
    })
}

/// The term that begins behind `tip`, and its entry. `None` when terms are used up.
///
/// Its number is the seconds of Unix time where they are more than the term before, so that a log
/// restored from a backup does not use the numbers again of the terms that were cut away: clients
/// hold cursors of those.
pub(crate) fn next_term(
    terms: &[TermBegan],
    tip: Tip,
    now: UnixMicros,
) -> Option<(TermBegan, Record)> {
    let last = terms.last().map_or(0, |last| last.term.0);
    let seconds = u32::try_from(now.0 / 1_000_000).unwrap_or(0);
    let term = Term(last.checked_add(1)?.max(seconds));
    let began = TermBegan {
        term,
        after: tip.stamp,
        at: now,
    };
    let record = Record {
        index: LogIndex(tip.index.0.checked_add(1)?),
        at: now,
        stamp: tip.stamp,
        event: Recorded::Began { term },
    };
    Some((began, record))
}
