//! A token bucket: so many at once, then so many in each period. Both ends count with it: the
//! server what an author sends, the client what it may send.
//!
//! Keeps: between any two moments no more is taken than `burst` and what the time between them
//! gives; no fraction of a token is ever lost or made.

use std::time::Duration;

use crate::Instant;

/// Tokens in each period; none means that nothing is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long; not zero.
    pub period: Duration,
}

impl Rate {
    /// So many in each second.
    pub const fn per_second(count: u32) -> Self {
        let period = Duration::from_secs(1);
        Self { count, period }
    }

    /// So many in each minute.
    pub const fn per_minute(count: u32) -> Self {
        let period = Duration::from_secs(60);
        Self { count, period }
    }

    fn period_micros(self) -> u64 {
        u64::try_from(self.period.as_micros())
            .unwrap_or(u64::MAX)
            .max(1)
    }
}

/// A bucket, as it was at a moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TokenBucket {
    rate: Rate,
    burst: u32,
    /// Tokens times the period in microseconds: what a microsecond gives is then a whole number.
    level: u64,
    at: Instant,
}

impl TokenBucket {
    /// A full one.
    pub fn new(rate: Rate, burst: u32, now: Instant) -> Self {
        Self::holding(rate, burst, burst, now)
    }

    /// One with `tokens` in it, at most `burst`.
    pub fn holding(rate: Rate, burst: u32, tokens: u32, now: Instant) -> Self {
        let level = u64::from(tokens.min(burst)).saturating_mul(rate.period_micros());
        Self {
            rate,
            burst,
            level,
            at: now,
        }
    }

    /// Another rate from now on; what is in it stays, up to the new burst.
    pub fn set(&mut self, rate: Rate, burst: u32, now: Instant) {
        if (rate, burst) == (self.rate, self.burst) {
            return;
        }
        self.refill(now, 0);
        let tokens = (self.level / self.rate.period_micros()) as u32;
        let full = tokens >= self.burst;
        *self = Self::holding(rate, burst, if full { burst } else { tokens }, now);
    }

    /// Takes a token.
    ///
    /// # Errors
    ///
    /// How long until there is one.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        self.take_holding(now, 0)
    }

    /// Takes a token while `held` others may still be on their way to the bucket that this one
    /// stands for: the time until they are in it fills nothing up.
    ///
    /// # Errors
    ///
    /// How long until there is one, if nothing else changes.
    pub fn take_holding(&mut self, now: Instant, held: u32) -> Result<(), Duration> {
        if self.rate.count == 0 {
            return Ok(());
        }
        self.refill(now, held);
        let one = self.rate.period_micros();
        if self.level >= one {
            self.level -= one;
            return Ok(());
        }
        let missing = one - self.level;
        Err(Duration::from_micros(
            missing.div_ceil(u64::from(self.rate.count)),
        ))
    }

    /// Lets the time up to `now` fill it up, to `burst` less `held`.
    pub fn refill(&mut self, now: Instant, held: u32) {
        let passed = now.saturating_since(self.at).as_micros();
        self.at = self.at.max(now);
        let most =
            u64::from(self.burst.saturating_sub(held)).saturating_mul(self.rate.period_micros());
        if self.level >= most {
            return;
        }
        let given = passed.saturating_mul(u128::from(self.rate.count));
        let given = u64::try_from(given).unwrap_or(u64::MAX);
        self.level = self.level.saturating_add(given).min(most);
    }

    /// Whole tokens in it.
    pub fn tokens(&mut self, now: Instant) -> u32 {
        self.refill(now, 0);
        (self.level / self.rate.period_micros()) as u32
    }

    /// Whether it is as full as it gets.
    pub fn is_full(&mut self, now: Instant) -> bool {
        self.rate.count == 0 || self.tokens(now) >= self.burst
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn a_burst_then_the_rate() {
        let mut bucket = TokenBucket::new(Rate::per_second(20), 3, at(0));
        for _ in 0..3 {
            assert_eq!(bucket.take(at(0)), Ok(()));
        }
        assert_eq!(bucket.take(at(0)), Err(Duration::from_millis(50)));
        assert_eq!(bucket.take(at(49)), Err(Duration::from_millis(1)));
        assert_eq!(bucket.take(at(50)), Ok(()));
        assert_eq!(bucket.take(at(50)), Err(Duration::from_millis(50)));
        // Time that runs back gives nothing.
        assert_eq!(bucket.take(at(40)), Err(Duration::from_millis(50)));
        assert!(bucket.is_full(at(1_000_000)));
        assert_eq!(bucket.tokens(at(1_000_000)), 3);
    }

    #[test]
    fn a_minute_is_counted_without_rounding() {
        let mut bucket = TokenBucket::new(Rate::per_minute(7), 1, at(0));
        bucket.take(at(0)).unwrap();
        let mut taken = 0;
        for second in 1..=600 {
            taken += u32::from(bucket.take(at(second * 1_000)).is_ok());
        }
        // One in nine seconds is what whole seconds allow.
        assert_eq!(taken, 66);
    }

    #[test]
    fn no_rate_counts_nothing() {
        let mut bucket = TokenBucket::new(Rate::per_second(0), 0, at(0));
        assert!((0..1_000).all(|_| bucket.take(at(0)).is_ok()));
        assert!(bucket.is_full(at(0)));
    }

    #[test]
    fn a_new_rate_keeps_what_is_left() {
        let mut bucket = TokenBucket::new(Rate::per_second(1), 10, at(0));
        (0..8).for_each(|_| bucket.take(at(0)).unwrap());
        bucket.set(Rate::per_second(5), 4, at(0));
        assert_eq!(bucket.tokens(at(0)), 2);
        bucket.set(Rate::per_second(5), 1, at(0));
        assert_eq!(bucket.tokens(at(0)), 1);
        bucket.set(Rate::per_minute(5), 9, at(0));
        assert_eq!(bucket.tokens(at(0)), 9);
    }

    proptest! {
        /// Whatever the delays, a sender that counts what may still be on its way is never over.
        #[test]
        fn who_counts_what_is_under_way_is_never_refused(
            rate in 1_u32..50,
            burst in 1_u32..40,
            left in 0_u32..40,
            steps in prop::collection::vec((0_u64..3_000, 0_u8..4), 1..400),
        ) {
            let left = left.min(burst);
            let rate = Rate::per_second(rate);
            let mut server = TokenBucket::holding(rate, burst, left, at(0));
            let mut client = TokenBucket::holding(rate, burst, left, at(0));
            // Sent and not yet there; there and not yet answered.
            let (mut way, mut unanswered, mut now) = (0_u32, 0_u32, 0);
            for (passed, what) in steps {
                now += passed;
                match what {
                    0 | 1 => while client.take_holding(at(now), way + unanswered).is_ok() {
                        way += 1;
                    },
                    2 => for _ in 0..std::mem::take(&mut way) {
                        prop_assert_eq!(server.take(at(now)), Ok(()));
                        unanswered += 1;
                    },
                    _ => {
                        client.refill(at(now), way + unanswered);
                        unanswered = 0;
                    }
                }
            }
        }
    }
}
