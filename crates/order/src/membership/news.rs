//! What was flooded already: of each peer the greatest number it used. Keeps: nothing passes twice while its
//! peer is remembered, so that no flood goes round.

use std::collections::BTreeMap;

use lamparina_protocol::AuthorKey;

/// Peers remembered, at most; of more the one whose number is the oldest to have come is forgotten.
const REMEMBERED_MAX: usize = 1_024;

/// The greatest number of each peer.
#[derive(Clone, Debug)]
pub(super) struct News<N> {
    greatest: BTreeMap<AuthorKey, (N, u64)>,
    came: u64,
}

impl<N: Copy + Ord> News<N> {
    pub(super) const fn new() -> Self {
        Self {
            greatest: BTreeMap::new(),
            came: 0,
        }
    }

    pub(super) fn is_new(&self, key: &AuthorKey, number: N) -> bool {
        let known = self.greatest.get(key);
        known.is_none_or(|(greatest, _)| number > *greatest)
    }

    /// After [`Self::is_new`], once it is proved.
    pub(super) fn note(&mut self, key: AuthorKey, number: N) {
        self.came += 1;
        self.greatest.insert(key, (number, self.came));
        if self.greatest.len() > REMEMBERED_MAX {
            let oldest = self.greatest.iter().min_by_key(|(_, (_, came))| *came);
            if let Some(key) = oldest.map(|(key, _)| *key) {
                self.greatest.remove(&key);
            }
        }
    }

    /// What is remembered, without when it came.
    #[cfg(test)]
    pub(super) fn greatest(&self) -> Vec<(AuthorKey, N)> {
        let all = self.greatest.iter();
        all.map(|(key, (greatest, _))| (*key, *greatest)).collect()
    }
}
