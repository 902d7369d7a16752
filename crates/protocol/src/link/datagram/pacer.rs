//! Spreads packets over time, so that no queue needs to take a window at once. In nanoseconds: short
//! packets on a fast path do not add up rounding errors.

use std::time::Duration;

use crate::time::Instant;

/// After a pause, what may leave at once: the granularity of timers.
const BURST: Duration = Duration::from_millis(1);
/// How far small messages may run ahead of their time: they must not wait for large ones.
const AHEAD: Duration = Duration::from_millis(5);

/// When the next packet may leave.
#[derive(Debug, Default)]
pub(super) struct Pacer {
    next_nanos: u64,
}

impl Pacer {
    /// Whether a packet may leave now; `urgent` for small messages.
    pub(super) fn allows(&self, now: Instant, urgent: bool) -> bool {
        let ahead = if urgent { AHEAD } else { Duration::ZERO };
        self.next_nanos <= nanos(now + ahead)
    }

    /// When a packet may leave.
    pub(super) fn allows_at(&self, urgent: bool) -> Instant {
        let at = Instant::from_micros(self.next_nanos.div_ceil(1_000));
        match urgent {
            true => Instant::from_micros(at.as_micros().saturating_sub(AHEAD.as_micros() as u64)),
            false => at,
        }
    }

    /// `bytes` leave.
    pub(super) fn on_sent(&mut self, now: Instant, bytes: u64, bytes_per_s: u64) {
        let earliest = nanos(now).saturating_sub(BURST.as_nanos() as u64);
        let took = u128::from(bytes) * 1_000_000_000 / u128::from(bytes_per_s.max(1));
        let took = u64::try_from(took).unwrap_or(u64::MAX);
        self.next_nanos = self.next_nanos.max(earliest).saturating_add(took);
    }
}

fn nanos(at: Instant) -> u64 {
    at.as_micros().saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_leave_at_the_rate_whatever_the_ticks() {
        for tick_us in [10, 100, 900] {
            let mut pacer = Pacer::default();
            let mut sent = 0;
            for tick in 0..1_000_000 / tick_us {
                let now = Instant::from_micros(tick * tick_us);
                while pacer.allows(now, false) {
                    pacer.on_sent(now, 1_250, 12_500_000);
                    sent += 1;
                }
            }
            assert!((9_990..=10_011).contains(&sent), "{tick_us} us: {sent}");
        }
    }

    #[test]
    fn urgent_ones_run_ahead_a_little() {
        let mut pacer = Pacer::default();
        let now = Instant::from_millis(100);
        let mut sent = 0;
        while pacer.allows(now, true) {
            pacer.on_sent(now, 1_000, 1_000_000);
            sent += 1;
        }
        // One millisecond of rest, the one that is due, and five ahead.
        assert_eq!(sent, 7);
        assert!(!pacer.allows(now, false));
        assert_eq!(pacer.allows_at(false), Instant::from_millis(106));
        assert_eq!(pacer.allows_at(true), Instant::from_millis(101));
    }
}
