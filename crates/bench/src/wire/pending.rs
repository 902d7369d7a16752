//! When the messages of one author that await their commit were sent. Commits come in the order of
//! sending, so the oldest is always the one that is settled.

use std::collections::VecDeque;

use super::Tally;

/// Times of sending, oldest first; as many as the window lets be in flight.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    sent_ns: VecDeque<u64>,
}

impl Pending {
    /// A message was sent.
    pub(super) fn send(&mut self, sent_ns: u64) {
        self.sent_ns.push_back(sent_ns);
    }

    /// The oldest message has its commit. Gives whether there was one.
    pub(super) fn settle(&mut self, tally: &mut Tally) -> bool {
        let Some(sent_ns) = self.sent_ns.pop_front() else {
            return false;
        };
        if let Some(commits) = &mut tally.commits {
            commits.record(tally.now_ns.saturating_sub(sent_ns));
        }
        true
    }

    /// How many await theirs.
    pub(super) fn len(&self) -> u64 {
        self.sent_ns.len() as u64
    }
}
