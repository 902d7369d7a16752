//! Taking messages back that never went out. Places have no holes afterwards, and what may have
//! reached a server keeps its own.

use lamparina_protocol::Pseq;

use super::{Item, Outbox};
use crate::core::event::MessageName;

/// Which messages to cancel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cancel {
    /// The one with this number of `/queue`.
    One(u64),
    /// All that can be.
    All,
}

/// What came of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Cancelled {
    /// Taken back, by the names that `send` gave, with their numbers.
    pub cancelled: Vec<(MessageName, u64)>,
    /// Stay, because they may have reached a server.
    pub too_late: usize,
    /// Are called otherwise from now on: before, and after.
    pub moved: Vec<(MessageName, MessageName)>,
}

impl Outbox {
    /// Takes back messages that never went out. Those behind one move up, for places have no
    /// holes. `None` where there is none of that number.
    pub fn cancel(&mut self, which: Cancel) -> Option<Cancelled> {
        let mut done = Cancelled::default();
        let mut hole = None;
        let mut place = 0;
        while let Some(item) = self.items.get(place) {
            let wanted = match item {
                Item::Say(said) if which == Cancel::All => Some((said.submit.pseq, said.sent)),
                Item::Say(said) if which == Cancel::One(said.number) => {
                    Some((said.submit.pseq, said.sent))
                }
                _ => None,
            };
            match wanted {
                Some((pseq, false)) => {
                    hole.get_or_insert(pseq);
                    let said = self.remove_said(place);
                    done.cancelled
                        .extend(said.map(|said| (said.given, said.number)));
                    continue;
                }
                Some((_, true)) => done.too_late += 1,
                None => {}
            }
            place += 1;
        }
        done.moved = self.close_hole(hole);
        let found = done.too_late > 0 || !done.cancelled.is_empty();
        (found || which == Cancel::All).then_some(done)
    }

    /// Takes back what its author does not know to be stored: the newest messages.
    pub(in crate::core) fn drop_unstored(&mut self) -> Vec<MessageName> {
        let (mut dropped, mut hole) = (Vec::new(), None);
        let unstored = |item: &Item| matches!(item, Item::Say(said) if !said.queued);
        while let Some(place) = self.items.iter().position(unstored) {
            if let Some(said) = self.remove_said(place) {
                hole.get_or_insert(said.submit.pseq);
                dropped.push(said.given);
            }
        }
        self.close_hole(hole);
        dropped
    }

    /// Messages behind `hole`, which never went out, move up. Gives those whose names change.
    fn close_hole(&mut self, hole: Option<Pseq>) -> Vec<(MessageName, MessageName)> {
        match hole {
            Some(hole) => self.move_unsent(hole, hole),
            None => Vec::new(),
        }
    }
}
