//! Chance from a seed: the same seed decides the same.

use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood 2014): any seed will do.
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// An index below `len`; 0 where that is 0.
    pub(super) const fn index(&mut self, len: usize) -> usize {
        if len == 0 {
            return 0;
        }
        (self.draw() % len as u64) as usize
    }

    /// One of `items`, taken out; none where there is none.
    pub(super) fn take<T>(&mut self, items: &mut Vec<T>) -> Option<T> {
        let at = self.index(items.len());
        (at < items.len()).then(|| items.swap_remove(at))
    }

    /// Between half of `limit` and `limit`.
    pub(super) fn jitter(&mut self, limit: Duration) -> Duration {
        let half = limit / 2;
        let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX - 1);
        half + Duration::from_micros(self.draw() % (micros + 1))
    }
}
