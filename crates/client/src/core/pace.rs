//! Sends no faster than the server said it takes. What is on its way counts as not yet counted there,
//! so that no delay of the channel makes it too much: until it is answered, nothing is filled up in
//! its place.

use std::time::Duration;

use lamparina_protocol::Instant;
use lamparina_protocol::bucket::{Rate, TokenBucket};
use lamparina_protocol::control::Pace as Announced;

/// A hundredth longer than a second: two clocks that differ by less still agree.
const SECOND: Duration = Duration::from_millis(1_010);

/// How fast messages go out over the present connection.
#[derive(Debug, Default)]
pub(super) struct Pace {
    bucket: Option<TokenBucket>,
    announced: Announced,
    /// Messages that have gone out and are not answered.
    under_way: u32,
    /// One was too fast after all: nothing goes out until all that did is answered.
    held_back: bool,
}

impl Pace {
    /// A connection, and what its server said. Nothing goes out before [`Self::entered`].
    pub(super) fn begin(&mut self, announced: Announced) {
        *self = Self {
            announced,
            ..Self::default()
        };
    }

    /// The session has entered, with so much left of the burst.
    pub(super) fn entered(&mut self, left: u32, now: Instant) {
        let Announced { per_second, burst } = self.announced;
        let rate = Rate {
            count: per_second,
            period: SECOND,
        };
        self.bucket = (per_second > 0).then(|| TokenBucket::holding(rate, burst, left, now));
    }

    /// What the server said; 0 a second for no limit.
    pub(super) const fn announced(&self) -> Announced {
        self.announced
    }

    /// Counts a message that goes out now.
    ///
    /// # Errors
    ///
    /// How long it has to wait, at least; zero where it waits for answers.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        if self.held_back {
            return Err(Duration::ZERO);
        }
        if let Some(bucket) = &mut self.bucket {
            bucket.take_holding(now, self.under_way)?;
        }
        self.under_way += 1;
        Ok(())
    }

    /// When the next message may go out; `None` where it may now, or waits for answers.
    pub(super) fn next_at(&self, now: Instant) -> Option<Instant> {
        let mut bucket = self.bucket.filter(|_| !self.held_back)?;
        // Looked at, not taken: the bucket is a copy.
        bucket
            .take_holding(now, self.under_way)
            .err()
            .map(|wait| now + wait)
    }

    /// A message is answered, one way or the other.
    pub(super) fn answered(&mut self, now: Instant) {
        if let Some(bucket) = &mut self.bucket {
            bucket.refill(now, self.under_way);
        }
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// The server found one too fast: it counts with an empty bucket, and so does this.
    pub(super) fn hold_back(&mut self, now: Instant) {
        let Announced { per_second, burst } = self.announced;
        let rate = Rate {
            count: per_second.max(1),
            period: SECOND,
        };
        self.bucket = Some(TokenBucket::holding(rate, burst.max(1), 0, now));
        self.held_back = true;
    }

    pub(super) const fn is_held_back(&self) -> bool {
        self.held_back
    }

    /// Once everything is answered, what was held back may go. Says so once.
    pub(super) fn is_over(&mut self) -> bool {
        let over = self.held_back && self.under_way == 0;
        self.held_back &= !over;
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn pace(per_second: u32, burst: u32, left: u32) -> Pace {
        let mut pace = Pace::default();
        let announced = Announced {
            per_second,
            burst,
            left,
        };
        pace.begin(announced, at(0));
        pace
    }

    #[test]
    fn nothing_waits_where_nothing_is_counted() {
        let mut pace = pace(0, 0, 0);
        assert!((0..10_000).all(|_| pace.take(at(0)).is_ok()));
        assert_eq!(pace.next_at(at(0)), None);
    }

    #[test]
    fn what_is_left_goes_at_once_and_the_rest_by_the_clock() {
        let mut pace = pace(10, 4, 2);
        assert_eq!([pace.take(at(0)), pace.take(at(0))], [Ok(()), Ok(())]);
        let wait = Duration::from_millis(101);
        assert_eq!(pace.take(at(0)), Err(wait));
        assert_eq!(pace.next_at(at(0)), Some(at(101)));
        // Two of four are under way: two more may be filled up meanwhile, whatever the time.
        assert_eq!(
            [pace.take(at(9_000)), pace.take(at(9_000))],
            [Ok(()), Ok(())]
        );
        assert!(pace.take(at(9_000)).is_err());
        assert!(pace.take(at(99_000)).is_err());
        (0..4).for_each(|_| pace.answered(at(99_000)));
        assert!(pace.take(at(99_000)).is_err());
        assert_eq!(pace.take(at(99_101)), Ok(()));
    }

    #[test]
    fn who_was_too_fast_waits_for_all_answers_and_then_for_its_turn() {
        let mut pace = pace(10, 4, 4);
        (0..3).for_each(|_| pace.take(at(0)).unwrap());
        pace.answered(at(1));
        pace.hold_back(at(1));
        assert_eq!(pace.take(at(5_000)), Err(Duration::ZERO));
        assert_eq!(pace.next_at(at(5_000)), None);
        assert!(!pace.is_over());
        (0..2).for_each(|_| pace.answered(at(5_000)));
        assert!(pace.is_over());
        assert!(!pace.is_over());
    }
}
