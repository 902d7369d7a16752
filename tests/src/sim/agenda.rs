//! What happens when: in the order of time, and at one time in the order in which it was planned.

use std::collections::BTreeMap;

use lamparina_protocol::Instant;

/// Plans, one for each key.
#[derive(Debug)]
pub struct Agenda<K> {
    by_time: BTreeMap<(Instant, u64), K>,
    of: BTreeMap<K, (Instant, u64)>,
    serial: u64,
}

impl<K: Copy + Ord> Default for Agenda<K> {
    fn default() -> Self {
        Self {
            by_time: BTreeMap::new(),
            of: BTreeMap::new(),
            serial: 0,
        }
    }
}

impl<K: Copy + Ord> Agenda<K> {
    /// Plans `key` for `at`, instead of whenever it was planned; `None` takes it off.
    pub fn set(&mut self, key: K, at: Option<Instant>) {
        let before = self.of.get(&key).copied();
        if before.map(|(at, _)| at) == at {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&before);
            self.of.remove(&key);
        }
        if let Some(at) = at {
            self.serial += 1;
            self.by_time.insert((at, self.serial), key);
            self.of.insert(key, (at, self.serial));
        }
    }

    /// Plans `key` for `at`, unless it was planned for earlier.
    pub fn no_later(&mut self, key: K, at: Instant) {
        if self.of.get(&key).is_none_or(|(planned, _)| at < *planned) {
            self.set(key, Some(at));
        }
    }

    /// The next.
    pub fn pop(&mut self) -> Option<(Instant, K)> {
        let ((at, _), key) = self.by_time.pop_first()?;
        self.of.remove(&key);
        Some((at, key))
    }
}
