//! Extremes over a window: the highest rate of the last rounds, the shortest round trip of the last
//! seconds.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Instant;

/// The greatest of the values of the last `rounds` rounds.
#[derive(Debug)]
pub(super) struct MaxByRound {
    /// Round and value, both falling in value and rising in round.
    values: VecDeque<(u64, u64)>,
    rounds: u64,
}

impl MaxByRound {
    pub(super) fn new(rounds: u64) -> Self {
        Self {
            values: VecDeque::new(),
            rounds,
        }
    }

    pub(super) fn get(&self) -> Option<u64> {
        self.values.front().map(|&(_, value)| value)
    }

    /// Notes a value of `round`, which is not before those before.
    pub(super) fn note(&mut self, round: u64, value: u64) {
        while self.values.back().is_some_and(|&(_, last)| last <= value) {
            self.values.pop_back();
        }
        // One value a round is enough, and bounds the queue.
        if self.values.back().is_none_or(|&(last, _)| last < round) {
            self.values.push_back((round, value));
        }
        while let Some(&(first, _)) = self.values.front() {
            if first + self.rounds > round || self.values.len() == 1 {
                break;
            }
            self.values.pop_front();
        }
    }

    /// Forgets everything before `value`.
    pub(super) fn reset(&mut self, round: u64, value: u64) {
        self.values.clear();
        self.values.push_back((round, value));
    }
}

/// The least of the times of the last while, in two halves: between one and two halves old.
#[derive(Debug)]
pub(super) struct MinByTime {
    half: Duration,
    since: Instant,
    now: Option<Duration>,
    before: Option<Duration>,
}

impl MinByTime {
    pub(super) fn new(half: Duration, now: Instant) -> Self {
        Self {
            half,
            since: now,
            now: None,
            before: None,
        }
    }

    pub(super) fn get(&self) -> Option<Duration> {
        match (self.now, self.before) {
            (Some(now), Some(before)) => Some(now.min(before)),
            (one, other) => one.or(other),
        }
    }

    pub(super) fn note(&mut self, at: Instant, value: Duration) {
        if self.since + self.half <= at {
            self.before = self.now.take().or(self.before);
            self.since = at;
        }
        self.now = Some(self.now.map_or(value, |now| now.min(value)));
    }
}

/// The same for the greatest, of what fades: queues.
#[derive(Debug)]
pub(super) struct MaxByTime {
    half: Duration,
    since: Instant,
    now: Duration,
    before: Duration,
}

impl MaxByTime {
    pub(super) fn new(half: Duration, now: Instant) -> Self {
        Self {
            half,
            since: now,
            now: Duration::ZERO,
            before: Duration::ZERO,
        }
    }

    pub(super) fn get(&self) -> Duration {
        self.now.max(self.before)
    }

    pub(super) fn note(&mut self, at: Instant, value: Duration) {
        if self.since + self.half <= at {
            self.before = std::mem::take(&mut self.now);
            self.since = at;
        }
        self.now = self.now.max(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_of_the_last_rounds() {
        let mut max = MaxByRound::new(3);
        let steps = [
            (0, 5, 5),
            (1, 9, 9),
            (1, 3, 9),
            (2, 4, 9),
            (3, 2, 9),
            (4, 1, 4),
            (5, 1, 2),
        ];
        for (round, value, expected) in steps {
            max.note(round, value);
            assert_eq!(max.get(), Some(expected), "round {round}");
        }
        max.reset(5, 1);
        assert_eq!(max.get(), Some(1));
    }

    #[test]
    fn the_last_value_stays_however_old() {
        let mut max = MaxByRound::new(3);
        max.note(0, 7);
        assert_eq!(max.get(), Some(7));
        max.note(90, 2);
        assert_eq!(max.get(), Some(2));
    }

    #[test]
    fn the_least_of_the_last_while() {
        let ms = Duration::from_millis;
        let mut min = MinByTime::new(Duration::from_secs(10), Instant::ZERO);
        assert_eq!(min.get(), None);
        for (at_s, value, expected) in [(0, 40, 40), (5, 50, 40), (11, 60, 40), (22, 70, 60)] {
            min.note(Instant::from_millis(at_s * 1_000), ms(value));
            assert_eq!(min.get(), Some(ms(expected)), "{at_s} s");
        }
    }
}
