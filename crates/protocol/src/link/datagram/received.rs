//! Packet numbers that came: each is taken once, and one too old to be told from a repetition is taken
//! for one. Also decides when to acknowledge, and measures what is lost on the way to us.

use std::collections::VecDeque;
use std::time::Duration;

use crate::control::{PacketAck, RUNS_MAX, Run};
use crate::datagram::Profile;
use crate::time::Instant;

/// Runs remembered, at most: what lies below the oldest is taken for a repetition.
const RUNS_KEPT: usize = 256;
/// Packets that may wait for an acknowledgement.
const WAITING_MAX: u16 = 8;
/// Packets over which loss towards us is measured.
const LOSS_SPAN: u64 = 256;

/// Where a number stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Novelty {
    /// Above all before: the newest.
    Newest,
    /// New, but later ones came before it.
    Late,
    /// It came before, or is too old to know.
    Again,
}

/// The receiver's side of packet numbers.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Received {
    /// What came, newest first; a gap between any two.
    runs: VecDeque<Run>,
    /// Numbers below are too old to be known.
    floor: u64,
    /// The next number when a lane began its lap, for each lane.
    marks: [u64; 2],
    largest_at: Instant,
    /// Packets that want an acknowledgement and have none.
    waiting: u16,
    due: Option<Instant>,
    /// When a packet came that wants an acknowledgement.
    wanted_at: Option<Instant>,
    ack_within: Duration,
    loss: LossIn,
}

/// Measures loss by what is missing from a span of numbers, once late ones had time to come.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
struct LossIn {
    /// First number of the span.
    from: u64,
    came: u64,
    share_ppm: Option<u32>,
}

impl LossIn {
    fn note(&mut self, largest: u64) {
        self.came += 1;
        let span = largest.saturating_sub(self.from) + 1;
        if span < LOSS_SPAN {
            return;
        }
        // A peer may skip as many numbers as it likes.
        let missing = u128::from(span.saturating_sub(self.came));
        let lost = (missing * 1_000_000 / u128::from(span)) as u32;
        self.share_ppm = Some(match self.share_ppm {
            None => lost,
            Some(before) => before / 2 + lost / 2,
        });
        self.from = largest + 1;
        self.came = 0;
    }
}

impl Received {
    pub(super) fn new(profile: Profile) -> Self {
        Self {
            runs: VecDeque::new(),
            floor: 0,
            marks: [0; 2],
            largest_at: Instant::ZERO,
            waiting: 0,
            due: None,
            wanted_at: None,
            ack_within: match profile {
                Profile::Usual => Duration::from_millis(1),
                Profile::Slow => Duration::from_millis(300),
            },
            loss: LossIn::default(),
        }
    }

    /// What `number` would be.
    pub(super) fn judge(&self, number: u64) -> Novelty {
        let Some(newest) = self.runs.front() else {
            return if number < self.floor {
                Novelty::Again
            } else {
                Novelty::Newest
            };
        };
        if number > newest.last {
            return Novelty::Newest;
        }
        if number < self.floor {
            return Novelty::Again;
        }
        let at = self.runs.partition_point(|run| run.first > number);
        match self.runs.get(at) {
            Some(run) if number <= run.last => Novelty::Again,
            _ => Novelty::Late,
        }
    }

    /// Takes `number`, which is no repetition. `wants` says whether it wants an acknowledgement, and
    /// `at_once` whether without delay.
    pub(super) fn take(&mut self, now: Instant, number: u64, wants: bool, at_once: bool) {
        let gap = self.insert(number);
        if number == self.largest() {
            self.largest_at = now;
        }
        self.loss.note(self.largest());
        if !wants {
            return;
        }
        // A sparse sender waits for each answer; a busy one is told of many at once.
        let quiet = 4 * self.ack_within;
        let sparse = self.wanted_at.is_none_or(|at| at + quiet <= now);
        self.wanted_at = Some(now);
        self.waiting = self.waiting.saturating_add(1);
        let now_due = at_once || gap || self.waiting >= WAITING_MAX;
        let delay = match now_due || (sparse && self.ack_within < Duration::from_millis(10)) {
            true => Duration::ZERO,
            false => self.ack_within,
        };
        let due = now + delay;
        self.due = Some(self.due.map_or(due, |at| at.min(due)));
    }

    /// Puts the number in. Whether it leaves a new gap or fills one.
    fn insert(&mut self, number: u64) -> bool {
        let Some(newest) = self.runs.front_mut() else {
            self.push_front(number);
            return number > 0;
        };
        if number == newest.last + 1 {
            newest.last = number;
            return false;
        }
        if number > newest.last {
            self.push_front(number);
            return true;
        }
        let at = self.runs.partition_point(|run| run.first > number);
        // `at` is the first run that begins at or below the number, `at - 1` the one above it.
        let joins_below = self.runs.get(at).is_some_and(|run| run.last + 1 == number);
        let joins_above = at > 0 && self.runs[at - 1].first == number + 1;
        match (joins_below, joins_above) {
            (true, true) => {
                self.runs[at].last = self.runs[at - 1].last;
                self.runs.remove(at - 1);
            }
            (true, false) => self.runs[at].last = number,
            (false, true) => self.runs[at - 1].first = number,
            (false, false) => {
                let run = Run {
                    first: number,
                    last: number,
                };
                self.runs.insert(at, run);
                self.trim();
            }
        }
        true
    }

    fn push_front(&mut self, number: u64) {
        self.runs.push_front(Run {
            first: number,
            last: number,
        });
        self.trim();
    }

    fn trim(&mut self) {
        while self.runs.len() > RUNS_KEPT {
            if let Some(oldest) = self.runs.pop_back() {
                self.floor = oldest.last + 1;
            }
        }
    }

    fn largest(&self) -> u64 {
        self.runs.front().map_or(0, |run| run.last)
    }

    /// A lane has delivered another lap of places, as many as a window has at most. All places in
    /// packets from before the last lap have been delivered then, so that none of these packets is
    /// needed any more; kept back until the places wrap, its frames would pass for new ones.
    pub(super) fn outlive(&mut self, lane: usize) {
        let next = self.runs.front().map_or(0, |run| run.last + 1);
        if let Some(mark) = self.marks.get_mut(lane) {
            self.floor = self.floor.max(*mark);
            *mark = next;
        }
    }

    /// Whether an acknowledgement is wanted, due or not.
    pub(super) fn waits(&self) -> bool {
        self.due.is_some()
    }

    /// When to acknowledge.
    pub(super) fn due_at(&self) -> Option<Instant> {
        self.due
    }

    /// What came, to be told now; nothing waits afterwards.
    pub(super) fn acknowledge(&mut self, now: Instant, at_once: bool) -> PacketAck {
        self.waiting = 0;
        self.due = None;
        PacketAck {
            delay: match self.runs.is_empty() {
                true => Duration::ZERO,
                false => now.saturating_since(self.largest_at),
            },
            at_once,
            runs: self.runs.iter().take(RUNS_MAX).copied().collect(),
        }
    }

    /// Share of what is sent to us that is lost, in millionths.
    pub(super) fn loss_ppm(&self) -> Option<u32> {
        self.loss.share_ppm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(numbers: &[u64]) -> Received {
        let mut received = Received::new(Profile::Usual);
        for &number in numbers {
            received.take(Instant::ZERO, number, true, false);
        }
        received
    }

    fn runs(received: &Received) -> Vec<(u64, u64)> {
        let pairs = received.runs.iter().map(|run| (run.first, run.last));
        pairs.collect()
    }

    #[test]
    fn numbers_join_to_runs_in_any_order() {
        assert_eq!(runs(&after(&[0, 1, 2])), [(0, 2)]);
        assert_eq!(runs(&after(&[2, 0])), [(2, 2), (0, 0)]);
        assert_eq!(runs(&after(&[2, 0, 1])), [(0, 2)]);
        assert_eq!(runs(&after(&[5, 2, 3, 4])), [(2, 5)]);
        assert_eq!(runs(&after(&[9, 5, 7, 6])), [(9, 9), (5, 7)]);
        assert_eq!(runs(&after(&[9, 5, 8])), [(8, 9), (5, 5)]);
    }

    #[test]
    fn each_number_is_new_once() {
        let received = after(&[0, 1, 5, 6, 9]);
        for (number, novelty) in [
            (0, Novelty::Again),
            (1, Novelty::Again),
            (2, Novelty::Late),
            (4, Novelty::Late),
            (5, Novelty::Again),
            (8, Novelty::Late),
            (9, Novelty::Again),
            (10, Novelty::Newest),
        ] {
            assert_eq!(received.judge(number), novelty, "{number}");
        }
    }

    #[test]
    fn what_is_too_old_to_know_is_taken_for_a_repetition() {
        let numbers: Vec<u64> = (0..2 * RUNS_KEPT as u64).map(|n| 2 * n).collect();
        let received = after(&numbers);
        assert_eq!(received.runs.len(), RUNS_KEPT);
        assert_eq!(received.judge(1), Novelty::Again);
        assert_eq!(received.judge(received.floor), Novelty::Late);
    }

    #[test]
    fn what_was_kept_back_for_two_laps_is_not_taken() {
        let mut received = after(&[0, 2, 3]);
        received.outlive(0);
        assert_eq!(received.judge(1), Novelty::Late);
        received.take(Instant::ZERO, 9, true, false);
        received.outlive(1);
        assert_eq!(received.judge(1), Novelty::Late);
        received.outlive(0);
        assert_eq!(received.judge(1), Novelty::Again);
        assert_eq!(received.judge(4), Novelty::Late);
        received.outlive(1);
        assert_eq!(received.judge(8), Novelty::Again);
        assert_eq!(received.judge(10), Novelty::Newest);
    }

    #[test]
    fn a_gap_is_told_at_once_and_a_stream_now_and_then() {
        let at = Instant::from_micros;
        let mut received = Received::new(Profile::Usual);
        received.take(at(0), 0, true, false);
        assert_eq!(received.due_at(), Some(at(0)));
        received.acknowledge(at(0), false);
        for number in 1..8 {
            received.take(at(100), number, true, false);
            assert_eq!(received.due_at(), Some(at(1_100)));
        }
        received.take(at(110), 8, true, false);
        assert_eq!(received.due_at(), Some(at(110)));
        received.acknowledge(at(110), false);
        received.take(at(200), 10, true, false);
        assert_eq!(received.due_at(), Some(at(200)));
        let ack = received.acknowledge(at(250), false);
        assert_eq!((ack.delay, ack.runs.len()), (Duration::from_micros(50), 2));
        received.take(at(300), 11, false, false);
        assert!(!received.waits());
    }

    #[test]
    fn loss_towards_us_is_measured() {
        let numbers: Vec<u64> = (0..1_024).filter(|n| n % 4 != 1).collect();
        assert_eq!(after(&numbers).loss_ppm(), Some(250_000));
        assert_eq!(after(&[0, 1, 2]).loss_ppm(), None);
        assert_eq!(after(&[0, u64::MAX - 1]).loss_ppm(), Some(999_999));
    }
}
