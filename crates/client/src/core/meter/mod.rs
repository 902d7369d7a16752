//! What one link is like now: its counters and measures, what they did in the last seconds, and a
//! word. Looks at most every [`LOOK_EVERY`], and only while something moves: between two looks further
//! apart than that nothing has, so that an idle program is not woken for it.
//!
//! Keeps the looks of the last seconds only, ascending in time.

mod word;

use std::collections::VecDeque;
use std::time::Duration;

use lamparina_protocol::Instant;
use lamparina_protocol::link::LinkStats;

use word::Judge;
pub use word::{BETTER_FOR, Measures, Word};

/// How often to look while something moves.
pub const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Rates are means over so long.
pub const RATE_OVER: Duration = Duration::from_secs(5);
/// "Lately", for repairs and time-outs.
pub const LATELY: Duration = Duration::from_secs(10);
/// Of fewer datagrams than this their loss says nothing: one of four is always a quarter.
pub const LOSS_COUNTS_FROM: u64 = 50;
/// Rates of a young link are means over so long at least.
const RATE_OVER_MIN: Duration = Duration::from_secs(1);
/// Looks that reach back as far as anything asks, two to each time to look when it is asked in between,
/// the one before and the present one.
const LOOKS_MAX: usize = 2 * (LATELY.as_millis() / LOOK_EVERY.as_millis()) as usize + 2;
/// After so long without anything the word cannot change any more but by silence.
const SETTLED_AFTER: Duration = LATELY.saturating_add(BETTER_FOR);

const _: () = assert!(RATE_OVER.as_millis() <= LATELY.as_millis());

/// What a link is like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reading {
    /// In a word.
    pub word: Word,
    /// How long an answer is awaited and nothing has come; zero where none is.
    pub unanswered: Duration,
    /// Bytes sent in a second, a mean over [`RATE_OVER`].
    pub sent_bytes_per_s: u64,
    /// Bytes received in a second, the same.
    pub received_bytes_per_s: u64,
    /// Frames sent again in the last [`RATE_OVER`].
    pub again_lately: u64,
    /// Time-outs in the last [`LATELY`].
    pub timeouts_lately: u64,
    /// Counters since the link began, and measures.
    pub stats: LinkStats,
}

/// Reads one link.
#[derive(Clone, Debug)]
pub struct Meter {
    /// The link asks for an answer after so long without a word.
    ping_after: Duration,
    looks: VecDeque<Look>,
    judge: Option<Judge>,
    /// When something came last.
    heard_at: Instant,
    /// Since when something is in flight.
    sent_at: Option<Instant>,
    /// Something may have moved since the last look.
    moved: bool,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    at: Instant,
    stats: LinkStats,
}

impl Meter {
    /// Of a link that begins now and asks for an answer after `ping_after` without a word.
    pub fn new(now: Instant, ping_after: Duration) -> Self {
        let stats = LinkStats::default();
        Self {
            ping_after,
            looks: VecDeque::from([Look { at: now, stats }]),
            judge: None,
            heard_at: now,
            sent_at: None,
            moved: false,
        }
    }

    /// Something may have moved.
    pub const fn moved(&mut self) {
        self.moved = true;
    }

    /// When to look again; `None` while nothing has moved.
    pub fn deadline(&self) -> Option<Instant> {
        let last = self.looks.back()?;
        self.moved.then_some(last.at + LOOK_EVERY)
    }

    /// Looks, where it is time.
    pub fn look(&mut self, now: Instant, stats: impl FnOnce() -> LinkStats) {
        if self.deadline().is_some_and(|at| at <= now) {
            self.take(now, stats());
        }
    }

    /// The reading now.
    pub fn read(&mut self, now: Instant, stats: LinkStats) -> Reading {
        self.take(now, stats);
        let unanswered = self.unanswered(now);
        let measures = self.measures(now, &stats);
        let rate = |of: fn(&LinkStats) -> u64| self.rate(now, &stats, of);
        Reading {
            word: self
                .judge
                .map_or_else(|| Judge::new(&measures).word(), |judge| judge.word()),
            unanswered,
            sent_bytes_per_s: rate(|stats| stats.bytes_sent),
            received_bytes_per_s: rate(|stats| stats.bytes_received),
            again_lately: self.since(now, RATE_OVER, &stats, |stats| stats.retransmitted),
            timeouts_lately: self.since(now, LATELY, &stats, |stats| stats.timeouts),
            stats,
        }
    }

    /// Takes what the counters say at `now`, and what they said at each look that was left out.
    fn take(&mut self, now: Instant, stats: LinkStats) {
        while let Some(last) = self.looks.back().copied() {
            let settled = now.saturating_since(last.at) > SETTLED_AFTER;
            let next = match settled {
                // Of a long silence only the end matters.
                true => Instant::from_micros(
                    now.as_micros()
                        .saturating_sub(SETTLED_AFTER.as_micros() as u64),
                ),
                false => last.at + LOOK_EVERY,
            };
            if next >= now {
                break;
            }
            self.push(next, last.stats);
        }
        self.push(now, stats);
        self.moved = false;
    }

    fn push(&mut self, at: Instant, stats: LinkStats) {
        let before = self.looks.back().map(|look| look.stats).unwrap_or_default();
        if stats.frames_received > before.frames_received {
            self.heard_at = at;
        }
        self.sent_at = match stats.in_flight_frames > 0 {
            true => Some(self.sent_at.unwrap_or(at)),
            false => None,
        };
        let measures = self.measures(at, &stats);
        match &mut self.judge {
            Some(judge) => judge.look(at, &measures),
            None => self.judge = Some(Judge::new(&measures)),
        }
        // Asked more often than that, the newest look stands for itself and the one before.
        if let [.., before, _] = self.looks.make_contiguous()
            && at.saturating_since(before.at) < LOOK_EVERY
        {
            self.looks.pop_back();
        }
        if self.looks.len() == LOOKS_MAX {
            self.looks.pop_front();
        }
        self.looks.push_back(Look { at, stats });
    }

    fn measures(&self, now: Instant, stats: &LinkStats) -> Measures {
        let lately = |of: fn(&LinkStats) -> u64| self.since(now, LATELY, stats, of);
        let counts = |loss: Option<u32>, of: u64| loss.filter(|_| of >= LOSS_COUNTS_FROM);
        let outward = counts(stats.loss_out_ppm, stats.packets_sent);
        let inward = counts(stats.loss_in_ppm, stats.packets_received);
        Measures {
            loss_ppm: outward.max(inward),
            again: lately(|stats| stats.retransmitted),
            sent: lately(|stats| stats.frames_sent),
            rtt: stats.rtt,
            // Over datagrams these are probes, early ones, which nobody notices.
            timeouts: match stats.packets_sent {
                0 => lately(|stats| stats.timeouts),
                _ => 0,
            },
            unanswered: self.unanswered(now),
        }
    }

    /// What is in flight is answered soon; and when nothing is, the link asks by itself.
    fn unanswered(&self, now: Instant) -> Duration {
        let quiet = now.saturating_since(self.heard_at);
        let waits = self.sent_at.map_or(Duration::ZERO, |since| {
            now.saturating_since(since.max(self.heard_at))
        });
        waits.max(quiet.saturating_sub(self.ping_after))
    }

    /// By how much a counter has grown in the last `over`.
    fn since(
        &self,
        now: Instant,
        over: Duration,
        stats: &LinkStats,
        of: fn(&LinkStats) -> u64,
    ) -> u64 {
        let base = self.base(now, over).map_or(0, |look| of(&look.stats));
        of(stats).saturating_sub(base)
    }

    fn rate(&self, now: Instant, stats: &LinkStats, of: fn(&LinkStats) -> u64) -> u64 {
        let began = self.base(now, RATE_OVER).map_or(now, |look| look.at);
        // A base is as old as `RATE_OVER` unless the link is younger.
        let over = now.saturating_since(began);
        let over = over.clamp(RATE_OVER_MIN, RATE_OVER).as_micros() as u64;
        let grown = self.since(now, RATE_OVER, stats, of);
        grown.saturating_mul(1_000_000) / over
    }

    /// What held `over` before now, or at the beginning.
    fn base(&self, now: Instant, over: Duration) -> Option<&Look> {
        let old = |look: &&Look| now.saturating_since(look.at) >= over;
        let newest_old = self.looks.iter().rev().find(old);
        newest_old.or_else(|| self.looks.front())
    }
}

#[cfg(test)]
mod tests;
