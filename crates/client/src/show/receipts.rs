//! Of the receipts that come for one's own messages, those that people want to see: each one where
//! names were named, and the last one where everybody, or a room, was addressed.

use std::collections::BTreeMap;

use lamparina_protocol::{Audience, Lamport};

use crate::core::event::Event;

/// Own messages of which the audience is known, at most; the oldest are forgotten first, and count
/// as said to many.
pub const OWN_KEPT_MAX: usize = 4_096;

/// One's own messages of late: whether names were named.
#[derive(Clone, Debug, Default)]
pub struct Receipts {
    named: BTreeMap<Lamport, bool>,
}

impl Receipts {
    /// Takes note of an event; a line, where it is a receipt to be shown.
    pub fn line(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::Committed(commit) => {
                let named = matches!(
                    commit.audience,
                    Audience::Unicast(_) | Audience::Multicast(_)
                );
                self.named.insert(commit.stamp, named);
                if self.named.len() > OWN_KEPT_MAX {
                    self.named.pop_first();
                }
                None
            }
            Event::Receipt {
                stamp,
                by,
                delivered,
                of,
                ..
            } => {
                let named = self.named.get(stamp).copied().unwrap_or_default();
                match (named, delivered == of) {
                    (true, _) => Some(format!("[{stamp}] delivered to {by} ({delivered} of {of})")),
                    (false, true) => Some(format!("[{stamp}] delivered to all {of}")),
                    (false, false) => None,
                }
            }
            // Stamps are another order's from now on.
            Event::NewLog { .. } | Event::Rewound { .. } => {
                self.named.clear();
                None
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::{Commit, MessageName};
    use crate::core::testing::nick;
    use lamparina_protocol::{Epoch, MemberId, Pseq};

    fn commit(stamp: u64, audience: Audience) -> Event {
        let name = MessageName {
            epoch: Epoch(1),
            pseq: Pseq(1),
        };
        Event::Committed(Commit {
            name,
            was: None,
            stamp: Lamport::new(stamp),
            audience,
            text: "x".to_owned(),
        })
    }

    fn receipt(stamp: u64, by: &str, delivered: u32, of: u32) -> Event {
        Event::Receipt {
            stamp: Lamport::new(stamp),
            by: nick(by),
            member: MemberId(1),
            delivered,
            of,
        }
    }

    #[test]
    fn each_by_name_and_the_last_of_many() {
        let mut receipts = Receipts::default();
        let both = vec![nick("ana"), nick("bob")];
        receipts.line(&commit(5, Audience::Multicast(both)));
        receipts.line(&commit(6, Audience::All));
        let mut line = |stamp, by, delivered, of| receipts.line(&receipt(stamp, by, delivered, of));
        assert_eq!(
            line(5, "bob", 1, 2).unwrap(),
            "[5] delivered to bob (1 of 2)"
        );
        assert_eq!(
            line(5, "ana", 2, 2).unwrap(),
            "[5] delivered to ana (2 of 2)"
        );
        assert_eq!(line(6, "bob", 1, 2), None);
        assert_eq!(line(6, "ana", 2, 2).unwrap(), "[6] delivered to all 2");
        assert_eq!(line(4, "ana", 1, 2), None, "of an earlier run");
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut receipts = Receipts::default();
        for stamp in 1..=OWN_KEPT_MAX as u64 + 1 {
            receipts.line(&commit(stamp, Audience::Unicast(nick("ana"))));
        }
        assert_eq!(receipts.named.len(), OWN_KEPT_MAX);
        assert_eq!(receipts.line(&receipt(1, "ana", 1, 2)), None);
        assert!(receipts.line(&receipt(2, "ana", 1, 2)).is_some());
    }
}
