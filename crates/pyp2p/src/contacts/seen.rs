//! What a peer has said already: the last ids, by their hashes, so that a message that is repeated
//! is not shown again (rule 5), in bounded memory.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::ids::MsgId;
use crate::limits::SEEN_MAX;

#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    order: VecDeque<u64>,
    hashes: BTreeSet<u64>,
}

impl Seen {
    /// Whether this id is new; it is not new again among the next [`SEEN_MAX`].
    pub(super) fn is_new(&mut self, msg_id: &MsgId) -> bool {
        // Two ids with one hash, which a peer can make, hide a message of its own only.
        let mut hasher = DefaultHasher::new();
        msg_id.hash(&mut hasher);
        let hash = hasher.finish();
        if !self.hashes.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > SEEN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.hashes.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_5_the_last_ids_are_remembered_and_no_more() {
        let id = |n: usize| MsgId::received(&n.to_string()).unwrap();
        let mut seen = Seen::default();
        for n in 0..SEEN_MAX {
            assert!(seen.is_new(&id(n)));
        }
        assert!((0..SEEN_MAX).all(|n| !seen.is_new(&id(n))));
        assert!(seen.is_new(&id(SEEN_MAX)));
        assert!(seen.is_new(&id(0)), "the oldest one was forgotten");
        assert!(!seen.is_new(&id(2)));
        assert_eq!(seen.hashes.len(), SEEN_MAX);
    }
}
