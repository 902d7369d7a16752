//! Counts: `entered + duplicated` is always what left one way or another plus what is still waiting.

use std::fmt;

/// What a channel has done so far.
///
/// `entered + duplicated == lost + partitioned + dropped_by_queue + out + ` those still under way.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Frames that entered.
    pub entered: u64,
    /// Frames lost by chance.
    pub lost: u64,
    /// Copies with flipped bits.
    pub damaged: u64,
    /// Frames that were doubled.
    pub duplicated: u64,
    /// Copies that came out behind a frame that entered after them, by `reorder` or by jitter.
    pub reordered: u64,
    /// Copies that did not come out in the moment they entered.
    pub delayed: u64,
    /// Copies for which there was no room, at the rate limit or in the channel.
    pub dropped_by_queue: u64,
    /// Copies that came out.
    pub out: u64,
    /// Frames that entered while nothing passed.
    pub partitioned: u64,
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in, {} out", self.entered, self.out)?;
        for (count, what) in [
            (self.lost, "lost"),
            (self.partitioned, "cut off"),
            (self.damaged, "damaged"),
            (self.duplicated, "doubled"),
            (self.reordered, "out of order"),
            (self.delayed, "late"),
            (self.dropped_by_queue, "without room"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}
