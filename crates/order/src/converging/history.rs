//! History as people see it: lines by key, pages of it, and why one line stands before another.

use std::collections::BTreeMap;

use super::graph::Graph;
use super::types::{HistoryKey, Position};

/// Why one message stands before another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Why {
    /// It is one of the other's causes: this is a shortest way from the earlier to the later, both included.
    Cause(Vec<Position>),
    /// Neither caused the other: their keys decide.
    Arrangement,
}

/// Lines of history, read only.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    pub(super) graph: &'a Graph,
}

impl History<'_> {
    /// How many lines there are.
    pub fn len(&self) -> u32 {
        self.graph.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The place in history of a delivered message.
    pub fn key(&self, position: Position) -> Option<HistoryKey> {
        (position.0 < self.len()).then(|| self.graph.key(position.0))
    }

    /// Where the message with this key was delivered.
    pub fn position(&self, key: &HistoryKey) -> Option<Position> {
        let position = self.graph.find(&key.digest)?;
        (self.graph.key(position) == *key).then_some(Position(position))
    }

    /// The last `count` lines before `key` (at the end without), ascending.
    pub fn before(&self, key: Option<&HistoryKey>, count: usize) -> Vec<(HistoryKey, Position)> {
        let high = key.map_or(u32::MAX, stamp);
        let stands = |line: &HistoryKey| key.is_none_or(|key| line < key);
        let positions = self.graph.between(0, high).rev();
        let mut lines = self.take(positions, stands, |a, b| b.cmp(a), count);
        lines.reverse();
        lines
    }

    /// The first `count` lines after `key` (from the beginning without), ascending.
    pub fn after(&self, key: Option<&HistoryKey>, count: usize) -> Vec<(HistoryKey, Position)> {
        let low = key.map_or(0, stamp);
        let stands = |line: &HistoryKey| key.is_none_or(|key| line > key);
        let positions = self.graph.between(low, u32::MAX);
        self.take(positions, stands, Ord::cmp, count)
    }

    /// The first `count` of `positions`, which come by stamp, in the order of `by`.
    fn take(
        &self,
        positions: impl Iterator<Item = u32>,
        stands: impl Fn(&HistoryKey) -> bool,
        by: impl Fn(&HistoryKey, &HistoryKey) -> std::cmp::Ordering,
        count: usize,
    ) -> Vec<(HistoryKey, Position)> {
        let mut lines: Vec<(HistoryKey, Position)> = Vec::new();
        let mut sorted = 0;
        for position in positions {
            let key = self.graph.key(position);
            if lines
                .last()
                .is_some_and(|(last, _)| last.stamp != key.stamp)
            {
                lines[sorted..].sort_unstable_by(|(a, _), (b, _)| by(a, b));
                sorted = lines.len();
                if sorted >= count {
                    break;
                }
            }
            if stands(&key) {
                lines.push((key, Position(position)));
            }
        }
        lines[sorted..].sort_unstable_by(|(a, _), (b, _)| by(a, b));
        lines.truncate(count);
        lines
    }

    /// Why `earlier` stands before `later`.
    pub fn why(&self, earlier: Position, later: Position) -> Why {
        // From the later one back: the first time that a message is met is on a shortest way.
        let mut next: BTreeMap<u32, u32> = BTreeMap::new();
        let mut open = std::collections::VecDeque::from([later.0]);
        while let Some(at) = open.pop_front().filter(|at| *at < self.len()) {
            if at == earlier.0 {
                let way = std::iter::successors(Some(at), |at| next.get(at).copied());
                return Why::Cause(way.map(Position).collect());
            }
            // Causes have smaller positions: what stands before the earlier one is no way to it.
            for cause in self.graph.causes(at).filter(|cause| *cause >= earlier.0) {
                if cause != later.0 && !next.contains_key(&cause) {
                    next.insert(cause, at);
                    open.push_back(cause);
                }
            }
        }
        Why::Arrangement
    }
}

const fn stamp(key: &HistoryKey) -> u32 {
    let stamp = key.stamp.get();
    match stamp > u32::MAX as u64 {
        true => u32::MAX,
        false => stamp as u32,
    }
}
