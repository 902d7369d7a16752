//! What leaves more than once without being asked for: copies of small messages, and the markers behind
//! them that let the peer see that something is missing. How many is chosen from the measured loss;
//! copies never take more than their share of the path.

use std::collections::VecDeque;
use std::time::Duration;

use super::sent::{Carried, LaneId};
use crate::datagram::{Copies, Profile};
use crate::time::Instant;

/// Time between copies, and between markers: what one burst of loss hits, the next may miss.
const COPY_AFTER: Duration = Duration::from_millis(3);
const MARK_AFTER: Duration = Duration::from_millis(2);
/// Share of messages that may need a round trip in spite of copies.
const LOST_AT_MOST: f64 = 0.004;
/// Below this loss nothing is copied.
const LOSS_LEAST: f64 = 0.003;
/// Packets until the measured loss is believed; before, one copy is sent.
const BELIEVED_AFTER: u32 = 64;
/// Packets over which loss is measured.
const LOSS_SPAN: f64 = 192.0;
/// Sets of copies that wait, at most.
const WAITING_MAX: usize = 64;
/// Bytes a second for copies while the path's speed is not known.
const UNKNOWN_BYTES_PER_S: u64 = 64 * 1024;
/// Copies saved up, at most.
const SAVED_BYTES_MAX: u64 = 16 * 1024;

/// Loss of what we send.
#[derive(Debug, Default)]
pub(super) struct LossOut {
    share: f64,
    seen: u32,
}

impl LossOut {
    pub(super) fn note(&mut self, lost: bool) {
        self.seen = self.seen.saturating_add(1);
        let weight = 1.0 / f64::from(self.seen).min(LOSS_SPAN);
        self.share += weight * (f64::from(u8::from(lost)) - self.share);
    }

    /// What was counted as lost came nevertheless.
    pub(super) fn undo(&mut self) {
        let weight = 1.0 / f64::from(self.seen.max(1)).min(LOSS_SPAN);
        self.share = (self.share - weight).max(0.0);
    }

    pub(super) fn ppm(&self) -> Option<u32> {
        (self.seen > 0).then_some((self.share * 1e6) as u32)
    }

    fn is_believed(&self) -> bool {
        self.seen >= BELIEVED_AFTER
    }

    /// Times that a small message should leave, so that few are lost each time.
    fn times(&self) -> u8 {
        if !self.is_believed() {
            return 2;
        }
        if self.share < LOSS_LEAST {
            return 1;
        }
        let mut all_lost = self.share;
        let mut times = 1;
        while all_lost > LOST_AT_MOST && times < 8 {
            all_lost *= self.share;
            times += 1;
        }
        times
    }

    /// Markers behind the last packet: several where they, or what answers them, may be lost too.
    fn markers(&self) -> u8 {
        match self.share {
            _ if !self.is_believed() => 2,
            share if share < 0.001 => 0,
            share if share < 0.03 => 1,
            share if share < 0.08 => 2,
            _ => 3,
        }
    }
}

#[derive(Debug)]
struct Waiting {
    at: Instant,
    places: Vec<u64>,
    left: u8,
}

/// The plan.
#[derive(Debug)]
pub(super) struct Redundancy {
    copies: Copies,
    profile: Profile,
    waiting: VecDeque<Waiting>,
    saved_bytes: u64,
    saved_at: Instant,
    /// No copies until then: they had helped to fill a queue.
    held_until: Instant,
    mark_at: Option<Instant>,
    marks_left: u8,
}

impl Redundancy {
    pub(super) fn new(now: Instant, copies: Copies, profile: Profile) -> Self {
        let copies = match profile {
            Profile::Usual => copies,
            Profile::Slow => Copies::NONE,
        };
        Self {
            copies,
            profile,
            waiting: VecDeque::new(),
            saved_bytes: SAVED_BYTES_MAX,
            saved_at: now,
            held_until: now,
            mark_at: None,
            marks_left: 0,
        }
    }

    /// A packet of the DATA lane has left with nothing waiting behind it: plans its copies.
    pub(super) fn plan(&mut self, now: Instant, loss: &LossOut, carried: &Carried) {
        let times = loss.times().min(self.copies.times_max);
        let room = self.waiting.len() < WAITING_MAX && self.held_until <= now;
        if times > 1 && room && carried.lane() == Some(LaneId::Data) {
            self.waiting.push_back(Waiting {
                at: now + COPY_AFTER,
                places: carried.places().collect(),
                left: times - 1,
            });
        }
    }

    /// A packet that wants an acknowledgement has left: markers follow the last such.
    pub(super) fn plan_markers(&mut self, now: Instant, loss: &LossOut, slack: Duration) {
        self.marks_left = match self.profile {
            // A copy shows what is missing as a marker does.
            Profile::Usual if self.waiting.is_empty() => loss.markers(),
            Profile::Usual | Profile::Slow => 0,
        };
        let after = MARK_AFTER.max(slack + Duration::from_micros(500));
        self.mark_at = (self.marks_left > 0).then(|| now + after);
    }

    /// Whether a marker is to leave now; plans the next.
    pub(super) fn take_marker(&mut self, now: Instant) -> bool {
        if self.mark_at.is_none_or(|at| now < at) {
            return false;
        }
        self.marks_left = self.marks_left.saturating_sub(1);
        self.mark_at = (self.marks_left > 0).then(|| now + MARK_AFTER);
        true
    }

    /// Everything that left was acknowledged: nobody waits for a marker.
    pub(super) fn stop_markers(&mut self) {
        self.mark_at = None;
        self.marks_left = 0;
    }

    /// A queue grows: copies wait for better days.
    pub(super) fn hold(&mut self, until: Instant) {
        self.held_until = until;
        self.waiting.clear();
    }

    /// The places whose copy is to leave now, with what they may cost.
    pub(super) fn due(&mut self, now: Instant, path_bytes_per_s: Option<u64>) -> Option<Vec<u64>> {
        let first = self.waiting.front().filter(|first| first.at <= now)?;
        let places = first.places.clone();
        self.save_up(now, path_bytes_per_s);
        if let Some(mut first) = self.waiting.pop_front() {
            first.left -= 1;
            if first.left > 0 {
                first.at = now + COPY_AFTER;
                let at = self.waiting.partition_point(|other| other.at <= first.at);
                self.waiting.insert(at, first);
            }
        }
        Some(places)
    }

    /// Whether copies of `bytes` are within their share; takes them from it.
    pub(super) fn afford(&mut self, bytes: u64) -> bool {
        if self.saved_bytes < bytes {
            return false;
        }
        self.saved_bytes -= bytes;
        true
    }

    fn save_up(&mut self, now: Instant, path_bytes_per_s: Option<u64>) {
        let share = u64::from(self.copies.share_percent);
        let per_s =
            path_bytes_per_s.map_or(UNKNOWN_BYTES_PER_S, |path| path.saturating_mul(share) / 100);
        let since = now.saturating_since(self.saved_at).as_micros();
        let more = u128::from(per_s) * since / 1_000_000;
        if more > 0 {
            let more = u64::try_from(more).unwrap_or(u64::MAX);
            self.saved_bytes = self.saved_bytes.saturating_add(more).min(SAVED_BYTES_MAX);
            self.saved_at = now;
        }
    }

    /// When something is to leave.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let copy = self.waiting.front().map(|first| first.at);
        [copy, self.mark_at].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(percent: u32) -> LossOut {
        let mut loss = LossOut::default();
        for packet in 0..1_000 {
            loss.note(packet % 100 < percent);
        }
        LossOut {
            share: f64::from(percent) / 100.0,
            ..loss
        }
    }

    #[test]
    fn copies_by_loss() {
        for (percent, times, markers) in [(0, 1, 0), (1, 2, 1), (5, 2, 2), (10, 3, 3), (20, 4, 3)] {
            let loss = loss(percent);
            assert_eq!(
                (loss.times(), loss.markers()),
                (times, markers),
                "{percent} %"
            );
        }
        assert_eq!(LossOut::default().times(), 2);
    }

    #[test]
    fn loss_is_measured() {
        let mut loss = LossOut::default();
        (0..2_000).for_each(|packet| loss.note(packet % 10 == 0));
        let ppm = loss.ppm().unwrap();
        assert!((80_000..120_000).contains(&ppm), "{ppm}");
    }

    #[test]
    fn copies_are_spaced_and_end() {
        let at = Instant::from_millis;
        let mut plan = Redundancy::new(at(0), Copies::default(), Profile::Usual);
        let mut carried = Carried::default();
        carried.add(LaneId::Data, 5);
        plan.plan(at(0), &loss(10), &carried);
        let mut times = Vec::new();
        for ms in 0..20 {
            if let Some(places) = plan.due(at(ms), None) {
                assert_eq!(places, [5]);
                times.push(ms);
            }
        }
        assert_eq!(times, [3, 6]);
        assert_eq!(plan.deadline(), None);
    }

    /// Bytes of copies that are afforded within ten seconds.
    fn afforded(path_bytes_per_s: Option<u64>) -> u64 {
        let at = Instant::from_millis;
        let mut plan = Redundancy::new(at(0), Copies::default(), Profile::Usual);
        let mut sent = 0_u64;
        for ms in 0..10_000 {
            plan.save_up(at(ms), path_bytes_per_s);
            while plan.afford(250) {
                sent += 250;
            }
        }
        sent
    }

    #[test]
    fn copies_keep_to_their_share() {
        // A quarter of the speed for ten seconds, and what was saved.
        for (path_bytes_per_s, least, most) in [
            (Some(400_000), 980_000, 1_020_000),
            (Some(8_000), 30_000, 37_000),
            (None, 640_000, 680_000),
        ] {
            let sent = afforded(path_bytes_per_s);
            let share = least..=most;
            assert!(share.contains(&sent), "{path_bytes_per_s:?}: {sent}");
        }
    }
}
