//! Round-trip time and retransmission time-out (RFC 6298). Keeps `RTO_MIN <= rto`, and never takes
//! a sample that could belong to two transmissions: that is for the caller to know (Karn's rule).

use std::time::Duration;

/// Time-out before anything was measured (RFC 6298, 2.1).
const INITIAL_US: u32 = 1_000_000;
/// Least time-out. RFC 6298 (2.4) asks for a second, made for the ACK delays of its day; ours are
/// 5 ms at most, so that 200 ms, as in Linux, leaves room for a busy peer.
const RTO_MIN_US: u32 = 200_000;
/// Most that measures alone can make of it. RFC 6298 (2.5) allows a limit of 60 s or more; ours is
/// lower since a link is given up after that long.
const RTO_MAX_US: u32 = 10_000_000;
/// Back-off ends here, so that a path that loses four frames of ten is still tried some twenty times
/// before the link is given up.
const BACKED_OFF_MAX_US: u32 = 3_000_000;
/// Clock granularity G of RFC 6298 (2.3).
const GRANULARITY_US: u32 = 1_000;
/// How long to wait before asking for the same thing again, when a round trip is shorter or unknown.
const AGAIN_MIN_US: u32 = 10_000;
const AGAIN_UNKNOWN_US: u32 = 100_000;
/// Samples above this are taken for this: longer than any link lives without a word.
const SAMPLE_MAX_US: u32 = 60_000_000;

const _: () = assert!(RTO_MIN_US < BACKED_OFF_MAX_US && BACKED_OFF_MAX_US < RTO_MAX_US);

/// Smoothed round-trip time of one link.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RoundTrip {
    /// Zero until measured.
    smoothed_us: u32,
    variation_us: u32,
    doublings: u8,
}

impl RoundTrip {
    /// Takes a measure and ends the back-off (RFC 6298, 2.2 and 2.3).
    pub(crate) fn sample(&mut self, took: Duration) {
        let sample = u32::try_from(took.as_micros())
            .unwrap_or(SAMPLE_MAX_US)
            .clamp(1, SAMPLE_MAX_US);
        if self.smoothed_us == 0 {
            self.smoothed_us = sample;
            self.variation_us = sample / 2;
        } else {
            let off = self.smoothed_us.abs_diff(sample);
            self.variation_us = self.variation_us - self.variation_us / 4 + off / 4;
            self.smoothed_us = (self.smoothed_us - self.smoothed_us / 8 + sample / 8).max(1);
        }
        self.doublings = 0;
    }

    /// Doubles the time-out (RFC 6298, 5.5) until the next sample.
    pub(crate) fn back_off(&mut self) {
        self.doublings = self.doublings.saturating_add(1);
    }

    /// The retransmission time-out now.
    pub(crate) fn rto(&self) -> Duration {
        self.rto_after(self.doublings)
    }

    /// The time-out after `doublings` repetitions.
    pub(crate) fn rto_after(&self, doublings: u8) -> Duration {
        let base = if self.smoothed_us == 0 {
            INITIAL_US
        } else {
            let margin = self.variation_us.saturating_mul(4).max(GRANULARITY_US);
            (self.smoothed_us.saturating_add(margin)).clamp(RTO_MIN_US, RTO_MAX_US)
        };
        let doubled = u64::from(base) << doublings.min(16);
        let limit = u64::from(base.max(BACKED_OFF_MAX_US));
        Duration::from_micros(doubled.min(limit))
    }

    /// How long a NACK, or what it asked for, is given before it is repeated: a round trip.
    pub(crate) fn again_after(&self) -> Duration {
        let again = match self.smoothed_us {
            0 => AGAIN_UNKNOWN_US,
            measured => measured.max(AGAIN_MIN_US),
        };
        Duration::from_micros(u64::from(again))
    }

    /// The smoothed time, once measured.
    pub(crate) fn smoothed(&self) -> Option<Duration> {
        (self.smoothed_us > 0).then(|| Duration::from_micros(u64::from(self.smoothed_us)))
    }

    /// Its variation, once measured.
    pub(crate) fn variation(&self) -> Option<Duration> {
        (self.smoothed_us > 0).then(|| Duration::from_micros(u64::from(self.variation_us)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(samples_ms: &[u64], doublings: u8, smoothed_us: u32, rto_ms: u64) {
        let mut trip = RoundTrip::default();
        for &sample in samples_ms {
            trip.sample(Duration::from_millis(sample));
        }
        (0..doublings).for_each(|_| trip.back_off());
        assert_eq!(trip.smoothed_us, smoothed_us);
        assert_eq!(trip.rto(), Duration::from_millis(rto_ms));
    }

    #[test]
    fn time_outs_by_rfc_6298() {
        check(&[], 0, 0, 1_000);
        check(&[], 1, 0, 2_000);
        check(&[], 2, 0, 3_000);
        check(&[100], 0, 100_000, 300);
        check(&[100], 2, 100_000, 1_200);
        check(&[100], 200, 100_000, 3_000);
        check(&[100, 100], 0, 100_000, 250);
        check(&[100, 180], 0, 110_000, 340);
        check(&[1], 0, 1_000, 200);
        check(&[0], 0, 1, 200);
        check(&[4_000], 0, 4_000_000, 10_000);
        check(&[4_000], 3, 4_000_000, 10_000);
        check(&[u64::MAX / 1_000], 0, 60_000_000, 10_000);
    }
}
