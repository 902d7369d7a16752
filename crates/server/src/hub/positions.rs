//! How far each member's clients handed over: only grows, and is stored with the next batch, at
//! the latest within a second. Nothing of the order depends on it.

use std::collections::BTreeMap;

use lamparina_protocol::{Lamport, MemberId, UnixMicros};
use lamparina_store::Position;

/// The positions of all members.
#[derive(Clone, Debug, Default)]
pub(super) struct Positions {
    /// By member number.
    consumed: Vec<Lamport>,
    /// Not stored yet.
    new: BTreeMap<MemberId, Position>,
}

impl Positions {
    /// As the store has them.
    pub(super) fn stored(positions: impl IntoIterator<Item = Position>) -> Self {
        let mut all = Self::default();
        for position in positions {
            all.raise(position.member, position.consumed);
        }
        all
    }

    /// The last stamp handed over; 0 for none.
    pub(super) fn of(&self, member: MemberId) -> Lamport {
        let consumed = self.consumed.get(member.0 as usize);
        consumed.copied().unwrap_or_default()
    }

    /// Raises what is known; gives what was known before.
    pub(super) fn raise(&mut self, member: MemberId, upto: Lamport) -> Lamport {
        let at = member.0 as usize;
        if at >= self.consumed.len() {
            self.consumed.resize(at + 1, Lamport::ZERO);
        }
        let before = self.consumed[at];
        self.consumed[at] = before.max(upto);
        before
    }

    /// To be stored, where it says more than before.
    pub(super) fn note(&mut self, at: UnixMicros, member: MemberId, upto: Lamport) {
        if upto > self.of(member) {
            self.again(Position {
                member,
                consumed: upto,
                at,
            });
        }
    }

    /// To be stored, unless something newer is.
    pub(super) fn again(&mut self, position: Position) {
        let known = self.new.entry(position.member).or_insert(position);
        if known.consumed < position.consumed {
            *known = position;
        }
    }

    /// What is to be stored now.
    pub(super) fn take(&mut self) -> Vec<Position> {
        std::mem::take(&mut self.new).into_values().collect()
    }

    pub(super) fn has_new(&self) -> bool {
        !self.new.is_empty()
    }
}
