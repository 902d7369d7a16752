//! What tells a sender that a packet did not come, and when to ask. By time, not by counting: a packet is
//! lost when one that left later came and a round trip and a little more have passed (RACK, RFC 8985);
//! the little more grows with the reordering that is seen. A probe timer runs for each packet with
//! messages by itself, so that later traffic does not put it off.

use std::time::Duration;

use super::congestion::Acked;
use super::flow::DatagramFlow;
use super::sent::{LaneId, Packet, round_trip};
use crate::control::PacketAck;
use crate::datagram::Profile;
use crate::frame::FrameType;
use crate::link::fault::LinkFault;
use crate::time::Instant;

/// Least and, without reordering, most time that a later packet is given to be overtaken.
const SLACK_MIN: Duration = Duration::from_micros(250);
const SLACK_MAX_CALM: Duration = Duration::from_millis(2);
/// Least time beyond a round trip before a probe.
const PROBE_SLACK: Duration = Duration::from_millis(3);
const PROBE_SLACK_SLOW: Duration = Duration::from_millis(1_500);
/// A probe while nothing was measured (RFC 6298, 2.1 is 1 s; a handshake has measured mostly).
const PROBE_UNKNOWN: Duration = Duration::from_millis(500);
const PROBE_UNKNOWN_SLOW: Duration = Duration::from_secs(6);
/// Probes are not further apart than this, or than three round trips where that is more.
const PROBE_MAX: Duration = Duration::from_secs(2);
/// Probes in a row that are not put off further.
const PROBES_SWIFT: u32 = 2;
/// Probes in a row after which the path counts as gone: one packet a probe from then on.
const PROBES_GONE: u32 = 4;

/// The sender's view of what came last.
#[derive(Debug)]
pub(super) struct Repairs {
    /// When the packet left that came and had left last; its number and its round trip.
    newest: Option<(Instant, u64, Duration)>,
    /// The largest number acknowledged.
    largest: Option<u64>,
    /// What reordering needs, fading.
    reordering: Duration,
    faded_at: Instant,
    loss_at: Option<Instant>,
    probes: u32,
    probed_at: Instant,
    /// Packets that may leave although the path counts as gone.
    pub(super) credit: u32,
    pub(super) progress_at: Instant,
    profile: Profile,
}

impl Repairs {
    pub(super) fn new(now: Instant, profile: Profile) -> Self {
        Self {
            newest: None,
            largest: None,
            reordering: Duration::ZERO,
            faded_at: now,
            loss_at: None,
            probes: 0,
            probed_at: now,
            credit: 0,
            progress_at: now,
            profile,
        }
    }

    /// Whether nothing has been heard for several probes.
    pub(super) fn is_path_gone(&self) -> bool {
        self.probes >= PROBES_GONE
    }

    /// Something leaves and nothing is in flight: the peer's silence counts from now.
    pub(super) fn begin(&mut self, now: Instant) {
        if self.probes == 0 {
            self.progress_at = now;
        }
    }

    /// Reordering by `extent` was seen.
    fn note_reordering(&mut self, extent: Duration) {
        self.reordering = self.reordering.max(extent + extent / 4);
    }

    /// What reordering needs fades by an eighth each second.
    fn fade(&mut self, now: Instant) {
        if self.faded_at + Duration::from_secs(1) <= now {
            self.reordering -= self.reordering / 8;
            self.faded_at = now;
        }
    }
}

impl DatagramFlow {
    /// Time that a packet is given beyond a round trip before a later one tells of its loss.
    pub(super) fn slack(&self) -> Duration {
        let rtt = self.rtt.smoothed().unwrap_or_default();
        let calm = (rtt / 32).clamp(SLACK_MIN, SLACK_MAX_CALM);
        calm.max(self.repairs.reordering)
            .min(rtt.max(SLACK_MAX_CALM))
    }

    /// Time after which a packet without an answer is probed for.
    pub(super) fn probe_after(&self) -> Duration {
        let slow = self.repairs.profile == Profile::Slow;
        let Some(rtt) = self.rtt.smoothed() else {
            return if slow {
                PROBE_UNKNOWN_SLOW
            } else {
                PROBE_UNKNOWN
            };
        };
        let least = if slow { PROBE_SLACK_SLOW } else { PROBE_SLACK };
        let variation = 4 * self.rtt.variation().unwrap_or_default();
        // The peer may wait a little before it acknowledges.
        let answer = Duration::from_millis(if slow { 300 } else { 1 });
        rtt + variation.max(least).max(self.repairs.reordering) + answer
    }

    /// The same, later with each probe in vain.
    fn probe_again_after(&self) -> Duration {
        let base = self.probe_after();
        let doublings = self.repairs.probes.saturating_sub(PROBES_SWIFT).min(16);
        let most = PROBE_MAX.max(3 * base);
        base.saturating_mul(1 << doublings).min(most)
    }

    /// An acknowledgement.
    pub(in crate::link) fn on_ack(
        &mut self,
        now: Instant,
        payload: &[u8],
    ) -> Result<(), LinkFault> {
        let ack =
            PacketAck::from_bytes(payload).map_err(|e| LinkFault::control(FrameType::Ack, e))?;
        self.want_answer(ack.at_once);
        if !ack.runs.iter().all(|run| self.sent.may_name(run)) {
            return Err(LinkFault::AckUnsent);
        }
        let mut came = Vec::new();
        let lowest = self.sent.lowest_open();
        for run in ack.runs.iter().take_while(|run| run.last >= lowest) {
            self.sent.acknowledge(run, &mut came);
        }
        if !came.is_empty() {
            // As they left: the later ones have the later measures.
            came.sort_unstable_by_key(|(number, ..)| *number);
            self.on_came(now, &ack, &came);
        }
        self.detect(now);
        Ok(())
    }

    /// Packets that are acknowledged for the first time, in the order of their numbers.
    fn on_came(&mut self, now: Instant, ack: &PacketAck, came: &[(u64, Packet, bool)]) {
        let Some((last_number, last, last_was_lost)) = came.last() else {
            return;
        };
        let least = self.congestion.rtt_min().unwrap_or_default();
        let is_largest = ack.runs.first().is_some_and(|run| run.last == *last_number);
        let delay = if is_largest {
            ack.delay
        } else {
            Duration::ZERO
        };
        let rtt = round_trip(now, last.sent_at, delay, least);
        self.note_reordering(now, came);
        if self
            .repairs
            .newest
            .is_none_or(|(at, number, _)| (at, number) < (last.sent_at, *last_number))
        {
            self.repairs.newest = Some((last.sent_at, *last_number, rtt));
        }
        let measured = is_largest.then_some(rtt);
        if let Some(rtt) = measured {
            self.rtt.sample(rtt);
        }
        let mut bytes = 0;
        for (_, packet, was_lost) in came {
            bytes += u64::from(packet.bytes);
            self.delivery.on_acked(now, u64::from(packet.bytes));
            if *was_lost {
                self.counters.spurious += 1;
                self.loss.undo();
                self.congestion.on_spurious();
            } else {
                self.loss.note(false);
                self.congestion.on_fate(now, false, packet.quiet);
            }
            if let Some(lane) = packet.carried.lane() {
                for place in packet.carried.places() {
                    self.lane(lane).acknowledge(place);
                }
            }
        }
        let rate = match last_was_lost {
            true => None,
            false => self
                .delivery
                .sample(now, &last.snapshot, last.sent_at, least),
        };
        self.repairs.largest = self.repairs.largest.max(Some(*last_number));
        self.repairs.progress_at = now;
        self.repairs.probes = 0;
        self.repairs.credit = 0;
        self.congestion.on_ack(
            now,
            &Acked {
                rtt: measured,
                rate,
                bytes,
                delivered: self.delivery.delivered(),
                delivered_before: last.snapshot.delivered,
                in_flight: self.sent.in_flight_bytes(),
            },
        );
        // Forgets those that are settled.
        let _ = self.sent.first_data();
        if self.sent.is_idle() {
            self.redundancy.stop_markers();
        }
        self.hold_copies_while_queueing(now);
    }

    /// Packets that come after later ones were acknowledged: how much later than those.
    fn note_reordering(&mut self, now: Instant, came: &[(u64, Packet, bool)]) {
        self.repairs.fade(now);
        let (Some(largest), Some((_, _, newest_rtt))) = (self.repairs.largest, self.repairs.newest)
        else {
            return;
        };
        for (_, packet, _) in came.iter().take_while(|(number, ..)| *number < largest) {
            let took = now.saturating_since(packet.sent_at);
            self.repairs
                .note_reordering(took.saturating_sub(newest_rtt));
        }
    }

    /// A queue that grows while copies are sent may be theirs.
    fn hold_copies_while_queueing(&mut self, now: Instant) {
        let least = self.congestion.rtt_min().unwrap_or_default();
        if self.congestion.queue() > least / 2 + Duration::from_millis(20) {
            self.redundancy.hold(now + Duration::from_secs(2));
        }
    }

    /// Takes packets for lost whose time has passed (RFC 8985, 6.2).
    fn detect(&mut self, now: Instant) {
        self.repairs.loss_at = None;
        let Some((newest_at, newest, rtt)) = self.repairs.newest else {
            return;
        };
        let wait = rtt + self.slack();
        let mut lost = Vec::new();
        for (number, packet) in self.sent.in_flight() {
            if number >= newest || packet.sent_at > newest_at {
                break;
            }
            let at = packet.sent_at + wait;
            if now < at {
                self.repairs.loss_at = Some(at);
                break;
            }
            lost.push(number);
        }
        for number in lost {
            self.lose(now, number);
        }
        // Forgets those that are settled.
        let _ = self.sent.first_data();
        let rtt = self.rtt.smoothed().unwrap_or_default();
        let old = (4 * rtt).max(Duration::from_secs(1));
        let before = now.as_micros().saturating_sub(old.as_micros() as u64);
        self.sent.forget_lost_before(Instant::from_micros(before));
    }

    /// A packet is taken for lost: what it carried leaves again. While the path is gone that says
    /// nothing of its quality.
    fn lose(&mut self, now: Instant, number: u64) {
        let Some(packet) = self.sent.lose(number) else {
            return;
        };
        self.counters.lost += 1;
        if !self.repairs.is_path_gone() {
            self.loss.note(true);
            self.congestion.on_fate(now, true, packet.quiet);
        }
        if let Some(lane) = packet.carried.lane() {
            for place in packet.carried.places() {
                self.lane(lane).lose(place);
            }
        }
    }

    /// Timers of loss and probes.
    pub(in crate::link) fn on_time(
        &mut self,
        now: Instant,
        dead_after: Duration,
        timeouts: &mut u64,
    ) -> Result<(), LinkFault> {
        if self.repairs.loss_at.is_some_and(|at| at <= now) {
            self.detect(now);
        }
        while self.probe_at().is_some_and(|at| at <= now) {
            let stuck = now.saturating_since(self.repairs.progress_at) >= dead_after;
            if stuck && self.repairs.is_path_gone() {
                return Err(LinkFault::GaveUp);
            }
            *timeouts += 1;
            self.probe(now);
        }
        Ok(())
    }

    /// When to probe: each packet with messages by itself; of others only the earliest, later.
    fn probe_at(&self) -> Option<Instant> {
        if self.repairs.is_path_gone() {
            let waits = !self.sent.is_idle() || !self.is_drained();
            return waits.then(|| self.repairs.probed_at + self.probe_again_after());
        }
        let after = self.probe_again_after();
        let data = self.sent.first_data_at().map(|at| at + after);
        let any = self
            .sent
            .first()
            .map(|(_, at)| at + after + self.rtt_or_zero());
        [data, any].into_iter().flatten().min()
    }

    fn rtt_or_zero(&self) -> Duration {
        self.rtt.smoothed().unwrap_or_default()
    }

    /// A packet had no answer for too long.
    fn probe(&mut self, now: Instant) {
        let after = self.probe_again_after();
        // What several packets tell at once is one probe.
        if self.repairs.probes == 0 || self.repairs.probed_at + self.probe_after() <= now {
            self.repairs.probes += 1;
            self.repairs.probed_at = now;
            if self.repairs.probes == PROBES_GONE {
                self.congestion.on_outage(now);
                self.lose_all(now);
            }
        }
        self.repairs.credit = 2;
        if self.repairs.is_path_gone() {
            self.repairs.probed_at = now;
            self.lose_all(now);
            return;
        }
        match self.sent.first_data() {
            Some((number, at)) if at + after <= now => self.lose(now, number),
            _ => {
                if let Some((number, _)) = self.sent.first() {
                    self.lose(now, number);
                }
            }
        }
    }

    fn lose_all(&mut self, now: Instant) {
        let numbers: Vec<u64> = self.sent.in_flight().map(|(number, _)| number).collect();
        for number in numbers {
            self.lose(now, number);
        }
    }

    /// When the timers here run out.
    pub(super) fn repairs_deadline(&self) -> Option<Instant> {
        [self.repairs.loss_at, self.probe_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether frames of `lane` may leave by congestion control, `bytes` more.
    pub(super) fn may_leave(&self, lane: LaneId, bytes: u64) -> bool {
        if self.repairs.is_path_gone() {
            return self.repairs.credit > 0;
        }
        let in_flight = self.sent.in_flight_bytes() + bytes;
        // Small messages never wait for the window that large bodies fill.
        let extra = match lane {
            LaneId::Data => 8 * bytes,
            LaneId::Bulk => 0,
        };
        in_flight <= self.congestion.window() + extra
    }
}
