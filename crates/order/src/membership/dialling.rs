//! When a peer is called again: each waiting time twice the one before up to a limit, the second half of it left to
//! chance; after so many attempts in a row no more, unless there is news of it.

use std::time::Duration;

use lamparina_protocol::Instant;

use super::chance::Chance;
use super::types::{Attempt, MembershipConfig};

/// An attempt of which nothing was heard for so long has failed.
pub(super) const ATTEMPT_LASTS: Duration = Duration::from_secs(15);

/// The calls to one peer.
#[derive(Clone, Debug)]
pub(super) struct Dialling {
    /// The next waiting time, at most.
    limit: Duration,
    /// Failures since the last success.
    failures: u32,
    /// Not before then.
    next: Instant,
    under_way: Option<(Attempt, Instant)>,
}

impl Dialling {
    pub(super) const fn new(config: &MembershipConfig, first: Instant) -> Self {
        Self {
            limit: config.backoff_first,
            failures: 0,
            next: first,
            under_way: None,
        }
    }

    /// When to call; none while a call is under way, or where there were too many.
    pub(super) fn next(&self, config: &MembershipConfig, forever: bool) -> Option<Instant> {
        let may = forever || self.failures < config.attempts;
        (may && self.under_way.is_none()).then_some(self.next)
    }

    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) const fn attempt(&self) -> Option<Attempt> {
        match self.under_way {
            Some((attempt, _)) => Some(attempt),
            None => None,
        }
    }

    /// When the call under way is given up.
    pub(super) fn gives_up(&self) -> Option<Instant> {
        self.under_way.map(|(_, since)| since + ATTEMPT_LASTS)
    }

    pub(super) const fn begin(&mut self, now: Instant, attempt: Attempt) {
        self.under_way = Some((attempt, now));
    }

    pub(super) fn fail(&mut self, now: Instant, config: &MembershipConfig, chance: &mut Chance) {
        self.under_way = None;
        self.failures = self.failures.saturating_add(1);
        self.next = now + chance.jitter(self.limit);
        self.limit = (self.limit * 2).min(config.backoff_max);
    }

    /// The call under way is over, whatever came of it.
    pub(super) const fn end(&mut self) {
        self.under_way = None;
    }

    /// A link was made, by whomever.
    pub(super) const fn succeed(&mut self, config: &MembershipConfig) {
        (self.limit, self.failures) = (config.backoff_first, 0);
    }

    /// The link has ended: the first call comes soon.
    pub(super) fn lose(&mut self, now: Instant, chance: &mut Chance) {
        self.next = now + chance.jitter(self.limit);
    }

    /// Not before `until`, and without the haste of a first attempt.
    pub(super) fn rest(&mut self, until: Instant) {
        self.next = self.next.max(until);
    }

    /// News of it: once more, after the longest waiting time.
    pub(super) fn allow_one(&mut self, now: Instant, config: &MembershipConfig) {
        if self.failures >= config.attempts {
            self.failures = config.attempts.saturating_sub(1);
            self.next = self.next.max(now + config.backoff_max);
        }
    }

    /// Everything anew, from `first` on.
    pub(super) const fn reset(&mut self, config: &MembershipConfig, first: Instant) {
        (self.limit, self.failures) = (config.backoff_first, 0);
        self.next = first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTEMPTS: u32 = 10;

    #[test]
    fn waits_double_with_jitter_and_end() {
        let config = MembershipConfig::default();
        assert_eq!(config.attempts, ATTEMPTS);
        for seed in 0..200 {
            let mut chance = Chance::new(seed);
            let mut now = Instant::from_millis(77);
            let mut dialling = Dialling::new(&config, now);
            for limit in [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000] {
                assert!(dialling.next(&config, false) >= Some(now));
                dialling.begin(now, Attempt(limit));
                assert_eq!(dialling.next(&config, true), None);
                dialling.fail(now, &config, &mut chance);
                let next = dialling.next(&config, false).unwrap();
                let limit = Duration::from_millis(limit);
                let wait = next - now;
                assert!(wait >= limit / 2 && wait <= limit, "seed {seed}: {wait:?}");
                now = next;
            }
            dialling.fail(now, &config, &mut chance);
            assert_eq!(dialling.next(&config, false), None);
            assert!(dialling.next(&config, true).is_some());
            dialling.allow_one(now, &config);
            assert!(dialling.next(&config, false) >= Some(now + config.backoff_max));
            dialling.fail(now, &config, &mut chance);
            assert_eq!(dialling.next(&config, false), None);
            dialling.reset(&config, now);
            assert_eq!(dialling.next(&config, false), Some(now));
        }
    }
}
