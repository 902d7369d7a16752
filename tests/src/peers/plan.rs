//! What a seed means. Most worlds are small, since small ones find most; a few have up to fifty peers.

use std::ops::Range;
use std::time::Duration;

use crate::sim::dice::Dice;

/// How a world is.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Peers that do what they should.
    pub honest: usize,
    /// Peers that do not.
    pub hostile: usize,
    /// Links are tried between so many percent of all pairs.
    pub mesh_percent: u64,
    /// Microseconds that something is under way.
    pub latency_micros: Range<u64>,
    /// Microseconds until a delivery is on the disk.
    pub sync_micros: Range<u64>,
    /// Something befalls somebody every so many milliseconds.
    pub misfortune_millis: Range<u64>,
    /// Somebody says something every so many milliseconds.
    pub say_millis: Range<u64>,
    /// Messages that are said in all.
    pub messages: u64,
    /// Percent of links that take little at a time.
    pub slow_percent: u64,
    /// A member that is not heard for so long is set aside.
    pub aside_after: Duration,
    /// Until when there is trouble.
    pub trouble: Duration,
}

impl Plan {
    /// That of a seed.
    pub fn new(dice: &mut Dice) -> Self {
        let peers = match dice.roll() % 200 {
            0 => dice.within(13..51),
            1..=20 => dice.within(6..13),
            _ => dice.within(3..6),
        } as usize;
        let hostile = match dice.percent(30) {
            true => dice.within(1..2 + peers as u64 / 4) as usize,
            false => 0,
        };
        let calm = dice.percent(15);
        let misfortune = match calm {
            true => 4_000..8_000,
            false => *dice.pick(&[50, 200, 500])..1_500,
        };
        let slowest = *dice.pick(&[2_000, 20_000, 150_000]);
        Self {
            honest: (peers - hostile.min(peers - 2)).max(2),
            hostile: hostile.min(peers - 2),
            mesh_percent: match peers {
                0..6 => *dice.pick(&[40, 70, 100]),
                _ => (300 / peers as u64).max(8),
            },
            latency_micros: 200..slowest,
            sync_micros: 500..*dice.pick(&[2_000, 40_000]),
            misfortune_millis: misfortune,
            say_millis: 1..*dice.pick(&[40, 200, 600]),
            messages: *dice.pick(&[10, 25, 60]),
            slow_percent: *dice.pick(&[0, 0, 30]),
            aside_after: Duration::from_secs(*dice.pick(&[7, 12])),
            trouble: Duration::from_secs(dice.within(3..16)),
        }
    }
}
