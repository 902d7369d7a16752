//! Chance from a seed: the same seed rolls the same numbers on every machine.

use std::ops::Range;

/// SplitMix64 (Steele, Lea, Flood 2014): any seed will do.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice for one `purpose` of a run, so that a further roll for one does not change the others.
    pub const fn new(seed: u64, purpose: u64) -> Self {
        let mut dice = Self(seed ^ purpose.wrapping_mul(0xd134_2543_de82_ef95));
        dice.roll();
        dice
    }

    /// Any number.
    pub const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `range`, which is not empty.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.roll() % (range.end - range.start)
    }

    /// An index below `len`, which is not 0.
    pub fn index(&mut self, len: usize) -> usize {
        (self.roll() % len as u64) as usize
    }

    /// One of `items`, which are not none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.index(items.len())]
    }

    /// True `chance` times out of a hundred.
    pub const fn percent(&mut self, chance: u64) -> bool {
        self.roll() % 100 < chance
    }
}
