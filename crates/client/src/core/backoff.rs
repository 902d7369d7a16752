//! Waiting times between attempts: each twice the one before up to a limit, the second half of it
//! left to chance, so that a thousand clients of one server do not come back at once.

use std::time::Duration;

/// The first waiting time, at most.
pub const RETRY_FIRST_MAX: Duration = Duration::from_millis(250);
/// Any waiting time, at most.
pub const RETRY_MAX: Duration = Duration::from_secs(10);

const _: () = assert!(RETRY_FIRST_MAX.as_millis() < RETRY_MAX.as_millis());

/// The next waiting time.
#[derive(Clone, Debug)]
pub struct Backoff {
    limit: Duration,
    random: u64,
}

impl Backoff {
    /// Begins with the shortest time; `seed` decides the jitter.
    pub const fn new(seed: u64) -> Self {
        Self {
            limit: RETRY_FIRST_MAX,
            random: seed,
        }
    }

    /// The time to wait now: between half the limit and the limit, which doubles.
    pub fn next_wait(&mut self) -> Duration {
        let half = self.limit / 2;
        let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX);
        let wait = half + Duration::from_micros(self.draw() % (micros + 1));
        self.limit = (self.limit * 2).min(RETRY_MAX);
        wait
    }

    /// Back to the shortest time: the connection has held.
    pub const fn reset(&mut self) {
        self.limit = RETRY_FIRST_MAX;
    }

    /// splitmix64 (Steele, Lea, Flood 2014): any seed will do.
    const fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_with_jitter_up_to_the_limit() {
        for seed in 0..200 {
            let mut backoff = Backoff::new(seed);
            for limit in [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000] {
                let wait = backoff.next_wait();
                let limit = Duration::from_millis(limit);
                assert!(wait >= limit / 2 && wait <= limit, "seed {seed}: {wait:?}");
            }
            backoff.reset();
            assert!(backoff.next_wait() <= RETRY_FIRST_MAX);
        }
    }

    #[test]
    fn the_same_seed_waits_the_same_and_others_differ() {
        let waits = |seed| {
            let mut backoff = Backoff::new(seed);
            [(); 4].map(|()| backoff.next_wait())
        };
        assert_eq!(waits(7), waits(7));
        assert_ne!(waits(7), waits(8));
    }
}
