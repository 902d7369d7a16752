//! How fast the path delivers: rate samples that neither a burst of packets nor a burst of
//! acknowledgements can make too high (draft-cheng-iccrg-delivery-rate-estimation).

use std::time::Duration;

use crate::time::Instant;

/// What a packet remembers of the moment when it left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snapshot {
    /// Bytes delivered by then.
    pub(super) delivered: u64,
    /// When that many were.
    delivered_at: Instant,
    /// When the packet left whose acknowledgement had made it so many.
    first_sent_at: Instant,
    /// There was less to send than the path would have taken.
    pub(super) app_limited: bool,
}

/// One measure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct RateSample {
    /// Bytes a second that came.
    pub(super) bytes_per_s: u64,
    /// There was less to send than the path would have taken: it may take more.
    pub(super) app_limited: bool,
}

/// The sender's account of what was delivered.
#[derive(Debug)]
pub(super) struct Delivery {
    delivered: u64,
    delivered_at: Instant,
    first_sent_at: Instant,
    /// Until so many bytes are delivered, samples are limited by the application.
    app_limited_until: u64,
    /// What that was before the application paused; forgotten once the pause was seen on the wire.
    before_pause: Option<u64>,
}

impl Delivery {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            delivered: 0,
            delivered_at: now,
            first_sent_at: now,
            // A first message is no measure of a path.
            app_limited_until: 1,
            before_pause: None,
        }
    }

    /// Bytes delivered so far.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// A packet leaves; `idle` when nothing is in flight: the pause before it is no part of a rate.
    pub(super) fn on_sent(&mut self, now: Instant, idle: bool) -> Snapshot {
        if idle {
            self.first_sent_at = now;
            self.delivered_at = now;
        }
        Snapshot {
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent_at: self.first_sent_at,
            app_limited: self.delivered < self.app_limited_until,
        }
    }

    /// There is nothing more to send now, with `in_flight_bytes` under way.
    pub(super) fn note_app_limited(&mut self, in_flight_bytes: u64) {
        self.before_pause.get_or_insert(self.app_limited_until);
        self.app_limited_until = self.delivered + in_flight_bytes + 1;
    }

    /// The application goes on; where it is `in_time` for the next packet, it has not paused.
    pub(super) fn end_pause(&mut self, in_time: bool) {
        if let (Some(before), true) = (self.before_pause.take(), in_time) {
            self.app_limited_until = before;
        }
    }

    /// A packet was acknowledged.
    pub(super) fn on_acked(&mut self, now: Instant, bytes: u64) {
        self.delivered += bytes;
        self.delivered_at = now;
    }

    /// The measure that the newest packet of an acknowledgement gives, once all of it was counted.
    /// Nothing where the time is shorter than a round trip: then it says more of bursts than of the path.
    pub(super) fn sample(
        &mut self,
        now: Instant,
        newest: &Snapshot,
        sent_at: Instant,
        rtt_min: Duration,
    ) -> Option<RateSample> {
        self.first_sent_at = self.first_sent_at.max(sent_at);
        let sending = sent_at.saturating_since(newest.first_sent_at);
        let acking = now.saturating_since(newest.delivered_at);
        let took = sending.max(acking);
        if took.is_zero() || took < rtt_min {
            return None;
        }
        let bytes = self.delivered - newest.delivered;
        let per_s = u128::from(bytes) * 1_000_000 / took.as_micros();
        Some(RateSample {
            bytes_per_s: u64::try_from(per_s).unwrap_or(u64::MAX),
            app_limited: newest.app_limited,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paced_stream_is_measured_at_its_speed() {
        let at = Instant::from_millis;
        let mut delivery = Delivery::new(at(0));
        let mut sent = Vec::new();
        for ms in 0..100 {
            if ms >= 40 {
                let (sent_at, snapshot): (_, Snapshot) = sent[ms as usize - 40];
                delivery.on_acked(at(ms), 1_000);
                let rtt = Duration::from_millis(40);
                let sample = delivery.sample(at(ms), &snapshot, sent_at, rtt);
                // The first round trip shows how it began.
                if let Some(sample) = sample.filter(|_| ms >= 80) {
                    let speed = sample.bytes_per_s;
                    assert!((950_000..=1_050_000).contains(&speed), "{ms}: {speed}");
                }
            }
            sent.push((at(ms), delivery.on_sent(at(ms), ms == 0)));
        }
        assert_eq!(delivery.delivered(), 60_000);
    }

    #[test]
    fn what_the_application_limits_is_marked() {
        let mut delivery = Delivery::new(Instant::ZERO);
        let limited =
            |delivery: &mut Delivery| delivery.on_sent(Instant::from_millis(1), false).app_limited;
        assert!(limited(&mut delivery));
        delivery.on_acked(Instant::from_millis(1), 500);
        assert!(!limited(&mut delivery));
        delivery.note_app_limited(500);
        delivery.end_pause(true);
        assert!(!limited(&mut delivery));
        delivery.note_app_limited(500);
        delivery.end_pause(false);
        assert!(limited(&mut delivery));
        delivery.on_acked(Instant::from_millis(1), 501);
        assert!(!limited(&mut delivery));
    }
}
