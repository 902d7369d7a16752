//! Whoever said the last word of a link says it again while the peer still talks: it was lost, and
//! nobody else knows that link any more.

use std::time::Duration;

use crate::time::Instant;

/// The last word is said again so often, at most.
pub const LAST_WORDS_MAX: u8 = 8;
/// For so long, at least.
pub const LINGER_MIN: Duration = Duration::from_millis(200);
/// For so long, at most.
pub const LINGER_MAX: Duration = Duration::from_secs(2);

/// The machine.
#[derive(Clone, Copy, Debug)]
pub struct Lingering {
    until: Instant,
    said: u8,
}

impl Lingering {
    /// The last word has been said, on a link whose retransmission time-out is `rto`.
    pub fn new(now: Instant, rto: Duration) -> Self {
        Self {
            until: now + (3 * rto).clamp(LINGER_MIN, LINGER_MAX),
            said: 0,
        }
    }

    /// The peer still talks: whether to say it again.
    pub fn came(&mut self, now: Instant) -> bool {
        let again = now < self.until && self.said < LAST_WORDS_MAX;
        self.said += u8::from(again);
        again
    }

    /// When it is over; `None` when it is already.
    pub fn until(&self) -> Option<Instant> {
        (self.said < LAST_WORDS_MAX).then_some(self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_is_said_again_a_few_times_for_a_while() {
        let at = Instant::from_millis;
        for (rto, until) in [(1, 200), (200, 600), (9_000, 2_000)] {
            let mut lingering = Lingering::new(at(0), Duration::from_millis(rto));
            assert_eq!(lingering.until(), Some(at(until)));
            assert!(lingering.came(at(until - 1)) && !lingering.came(at(until)));
            let said = (0..99).filter(|_| lingering.came(at(1))).count();
            assert_eq!(said + 1, usize::from(LAST_WORDS_MAX));
            assert_eq!(lingering.until(), None);
        }
    }
}
