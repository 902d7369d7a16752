//! The newest messages as they were signed, for links: most of what is sent was delivered a moment ago,
//! and some of it is not stored yet. Older ones are read from the store.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::store::{Store, StoreError};

/// Bytes that are kept in memory, at least one message.
const KEPT_BYTES_MAX: usize = 8 << 20;
/// Messages that are kept in memory.
const KEPT_MAX: usize = 16_384;
/// Messages that are read from the store at once: a link that catches up wants them in order.
const AHEAD_MAX: usize = 256;
/// Bytes of them.
const AHEAD_BYTES_MAX: usize = 256 << 10;

/// Signed bytes by position.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    /// The position of the first that is kept.
    first: u64,
    kept: VecDeque<Bytes>,
    bytes: usize,
    /// Read from the store, of one run of positions.
    ahead_from: u64,
    ahead: Vec<Bytes>,
}

impl Bodies {
    /// A message was delivered, at the position after the one before.
    pub(super) fn push(&mut self, position: u64, signed: &Bytes) {
        if self.kept.is_empty() {
            self.first = position;
        }
        debug_assert_eq!(self.first + self.kept.len() as u64, position);
        self.bytes += signed.len();
        // A part of what a link brought would keep all of that in memory, and only the part is counted.
        self.kept.push_back(Bytes::copy_from_slice(signed));
    }

    /// Forgets what the store has, beyond the bounds: positions before `stored`.
    pub(super) fn trim(&mut self, stored: u64) {
        while self.kept.len() > 1
            && (self.bytes > KEPT_BYTES_MAX || self.kept.len() > KEPT_MAX)
            && self.first < stored
            && let Some(oldest) = self.kept.pop_front()
        {
            self.bytes -= oldest.len();
            self.first += 1;
        }
    }

    /// The message at `position`, which was delivered.
    ///
    /// # Errors
    ///
    /// [`StoreError`], also where the store does not have it.
    pub(super) fn get(&mut self, store: &Store, position: u64) -> Result<Bytes, StoreError> {
        if let Some(kept) = of_run(position, self.first, self.kept.len()) {
            return Ok(self.kept[kept].clone());
        }
        if of_run(position, self.ahead_from, self.ahead.len()).is_none() {
            let read = store.stored(position, AHEAD_MAX, AHEAD_BYTES_MAX)?;
            self.ahead_from = position;
            self.ahead = read.into_iter().map(|stored| stored.signed).collect();
        }
        let at = of_run(position, self.ahead_from, self.ahead.len());
        at.map(|at| self.ahead[at].clone())
            .ok_or_else(|| store.missing(position))
    }
}

/// Where `position` is in a run of `count` positions from `first` on.
fn of_run(position: u64, first: u64, count: usize) -> Option<usize> {
    let at = usize::try_from(position.checked_sub(first)?).ok()?;
    (at < count).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_message_keeps_nothing_else_in_memory() {
        let brought = Bytes::from(vec![7; 256 << 10]);
        let mut bodies = Bodies::default();
        bodies.push(0, &brought.slice(..700));
        assert_eq!(
            (bodies.bytes, &bodies.kept[0]),
            (700, &brought.slice(..700))
        );
        assert!(brought.is_unique(), "what a link brought is kept");
    }
}
