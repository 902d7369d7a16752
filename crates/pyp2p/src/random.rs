//! Numbers from a seed: jitter, and the 16 bytes of each UUID. Whoever drives a machine gives it a
//! seed of its own from the system's randomness; tests give a number.

use std::time::Duration;

use crate::ids::MsgId;

/// Bytes of a seed.
pub const SEED_BYTES: usize = 16;

/// Two streams of SplitMix64 (Steele, Lea and Flood, *Fast Splittable Pseudorandom Number
/// Generators*, 2014), so that ids made from different seeds do not meet.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    one: u64,
    two: u64,
}

impl Random {
    pub(crate) const fn new(seed: [u8; SEED_BYTES]) -> Self {
        let seed = u128::from_le_bytes(seed);
        Self {
            one: seed as u64,
            two: (seed >> 64) as u64,
        }
    }

    pub(crate) const fn bytes(&mut self) -> [u8; SEED_BYTES] {
        let (one, two) = (draw(&mut self.one), draw(&mut self.two));
        (((two as u128) << 64) | one as u128).to_le_bytes()
    }

    pub(crate) fn msg_id(&mut self) -> MsgId {
        MsgId::from_random(self.bytes())
    }

    /// A time from `least` to `most`, both possible.
    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = most.saturating_sub(least).as_micros();
        let span = u64::try_from(span).unwrap_or(u64::MAX - 1);
        least + Duration::from_micros(draw(&mut self.one) % (span + 1))
    }
}

const fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The next waiting time between attempts: twice the one before up to a limit, the second half of it
/// left to chance, so that those who lost the same peer do not come back at once.
pub(crate) fn backoff(
    random: &mut Random,
    attempt: u32,
    first: Duration,
    most: Duration,
) -> Duration {
    let doubled = first.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX));
    let limit = doubled.min(most);
    random.between(limit / 2, limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_and_others_differ() {
        let draws = |seed: u8| {
            let mut random = Random::new([seed; SEED_BYTES]);
            [(); 4].map(|()| random.bytes())
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
        assert_ne!(draws(1)[0], draws(1)[1]);
    }

    #[test]
    fn waits_double_with_jitter_up_to_the_limit() {
        for seed in 0..100 {
            let mut random = Random::new([seed; SEED_BYTES]);
            let (first, most) = (Duration::from_secs(1), Duration::from_secs(20));
            for (attempt, limit) in [(0, 1), (1, 2), (2, 4), (4, 16), (5, 20), (31, 20), (99, 20)] {
                let wait = backoff(&mut random, attempt, first, most);
                let limit = Duration::from_secs(limit);
                assert!(wait >= limit / 2 && wait <= limit, "seed {seed}: {wait:?}");
            }
        }
    }
}
