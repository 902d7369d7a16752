//! How much may be in flight and how fast it leaves. Loss by chance never slows a link down: its speed is
//! what the path was seen to deliver, made up for what chance takes; only a queue that fills does.
//!
//! After BBR (Cardwell et al., *BBR: Congestion-Based Congestion Control*, 2016): measure the delivery
//! rate and the shortest round trip, send at that rate, ask for more now and then. Three things differ.
//!
//! - *Chance or queue*: a loss while the round trip is near its shortest is chance. Its share is
//!   measured while this side sends less than the path takes, and the rate is divided by what
//!   remains, so that a lossy path is filled as a clean one is.
//! - *Low queue*: starting, and asking for more, end as soon as a queue shows, not a round or three later.
//! - *Others*: when the queue stays although this side held back, somebody fills it. Then the window is
//!   that of TCP (CUBIC, RFC 9438), which shares such a queue evenly, until the queue goes away.

mod cubic;
mod filters;

use std::time::Duration;

use super::delivery::RateSample;
use crate::time::Instant;
use cubic::Cubic;
use filters::{MaxByRound, MaxByTime, MinByTime};

/// Packets in flight before anything was measured.
const INITIAL_PACKETS: u64 = 32;
/// Round trips whose least says whether there is a queue now.
const RECENT: usize = 8;
/// Packets that may always be in flight.
const MIN_PACKETS: u64 = 4;
/// Rounds that a measured rate counts.
const RATE_ROUNDS: u64 = 10;
/// The shortest round trip counts between one and two of these.
const RTT_HALF: Duration = Duration::from_secs(20);
/// The longest queue counts between one and two of these.
const QUEUE_HALF: Duration = Duration::from_secs(5);
/// While starting the window doubles each round trip, and leaves within half of one.
const START_GAIN: f64 = 2.0;
/// Rounds at the measured rate between two attempts at more.
const CRUISE_ROUNDS: u32 = 6;
const CRUISE_GAIN: f64 = 1.0;
/// Gains of the rounds that ask for more: bolder while the path gives it.
const UP_GAINS: [f64; 4] = [1.1, 1.25, 1.5, 2.0];
/// How much is held back at most, and at least.
const DOWN_GAIN: f64 = 0.75;
const DOWN_GAIN_LEAST: f64 = 0.95;
const DRAIN_GAIN: f64 = 0.5;
/// Window as a multiple of what the path holds.
const WINDOW_GAIN: f64 = 2.0;
/// One packet in so many lost makes a round a lossy one.
const LOSSY_ONE_IN: u32 = 50;
/// Packets over which chance is measured at a time.
const CHANCE_PACKETS: u32 = 96;
/// Chance takes at most this share: beyond it the path is taken for broken.
const CHANCE_MAX: f64 = 0.5;
/// Times in a row that holding back left a queue, before others are taken to fill it.
const STRIKES_MAX: u8 = 2;
/// While sharing with others, how often to look whether they are gone.
const LOOK_EVERY: Duration = Duration::from_secs(8);

/// What the controller does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    /// Each round twice as fast, until the path's speed is found.
    Start { best: u64, rounds_without: u8 },
    /// The queue that starting made runs empty.
    Drain,
    /// At the measured rate, for so many rounds.
    Cruise { rounds: u32 },
    /// Faster, for a round: whether the path takes more.
    Up { step: usize },
    /// Slower, until what asking for more put into the queue is out of it.
    Down { since_round: u64, gain: f64 },
    /// Others fill the queue.
    Share {
        look_at: Instant,
        looking: Option<u64>,
    },
}

/// What an acknowledgement brought.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acked {
    /// The round trip of its newest packet.
    pub(super) rtt: Option<Duration>,
    pub(super) rate: Option<RateSample>,
    /// Bytes acknowledged for the first time.
    pub(super) bytes: u64,
    /// Bytes delivered, in all.
    pub(super) delivered: u64,
    /// What its newest packet knew of that when it left.
    pub(super) delivered_before: u64,
    /// Bytes in flight after it.
    pub(super) in_flight: u64,
}

/// The controller.
#[derive(Debug)]
pub(super) struct Congestion {
    mode: Mode,
    packet: u64,
    rate: MaxByRound,
    rtt_min: MinByTime,
    queue_max: MaxByTime,
    /// The round trip as last seen.
    rtt_last: Duration,
    srtt: Duration,
    round: u64,
    round_ends: u64,
    /// The shortest round trip within this round.
    round_rtt: Option<Duration>,
    /// The rate of this round and the one before.
    round_rate: u64,
    last_rate: u64,
    /// Something in this round was not limited by the application.
    round_full: bool,
    /// A packet found the queue full in this round.
    round_congested: bool,
    /// Packets of this round whose fate is known, and those of them that were lost.
    round_seen: u32,
    round_lost: u32,
    chance: f64,
    chance_seen: u32,
    chance_lost: u32,
    strikes: u8,
    cubic: Cubic,
    /// The rate from which on asking for more has brought more.
    up_from: u64,
    /// Bytes that may be in flight while starting.
    start_window: u64,
    /// The last round trips: their least is free of jitter.
    recent: [Duration; RECENT],
    left_share_at: Option<Instant>,
    empties: u8,
}

impl Congestion {
    /// `packet` bytes in each packet, and a first measure of the round trip.
    pub(super) fn new(now: Instant, packet: u64, rtt: Option<Duration>) -> Self {
        let mut rtt_min = MinByTime::new(RTT_HALF, now);
        if let Some(rtt) = rtt {
            rtt_min.note(now, rtt);
        }
        Self {
            mode: Mode::Start {
                best: 0,
                rounds_without: 0,
            },
            packet,
            rate: MaxByRound::new(RATE_ROUNDS),
            rtt_min,
            queue_max: MaxByTime::new(QUEUE_HALF, now),
            rtt_last: rtt.unwrap_or_default(),
            srtt: rtt.unwrap_or(Duration::from_millis(100)),
            round: 0,
            round_ends: 0,
            round_rtt: None,
            round_rate: 0,
            last_rate: 0,
            round_full: false,
            round_congested: false,
            round_seen: 0,
            round_lost: 0,
            chance: 0.0,
            chance_seen: 0,
            chance_lost: 0,
            strikes: 0,
            cubic: Cubic::new(now, INITIAL_PACKETS * packet, packet),
            up_from: 0,
            start_window: INITIAL_PACKETS * packet,
            recent: [rtt.unwrap_or_default(); RECENT],
            left_share_at: None,
            empties: 0,
        }
    }

    /// The shortest round trip of late.
    pub(super) fn rtt_min(&self) -> Option<Duration> {
        self.rtt_min.get()
    }

    /// What the round trip has beyond its shortest.
    pub(super) fn queue(&self) -> Duration {
        let least = self.rtt_min.get().unwrap_or(self.rtt_last);
        self.rtt_last.saturating_sub(least)
    }

    /// Bytes a second that the path takes: those delivered, and those that chance took.
    pub(super) fn capacity(&self) -> Option<u64> {
        let delivered = self.rate.get()? as f64;
        Some((delivered / (1.0 - self.chance.min(CHANCE_MAX))) as u64)
    }

    /// Whether the path has been filled once, so that its speed is known and not only a lower limit.
    pub(super) fn is_capacity_known(&self) -> bool {
        !matches!(self.mode, Mode::Start { .. })
    }

    /// What the path holds without a queue.
    fn path_bytes(&self) -> Option<f64> {
        let rtt = self.rtt_min.get()?;
        Some(self.capacity()? as f64 * rtt.as_micros() as f64 / 1e6)
    }

    /// Bytes that may be in flight.
    pub(super) fn window(&self) -> u64 {
        let least = MIN_PACKETS * self.packet;
        match (self.mode, self.path_bytes()) {
            (Mode::Share { looking, .. }, _) => {
                let window = self.cubic.window();
                let now = if looking.is_some() {
                    window / 2
                } else {
                    window
                };
                now.max(least)
            }
            (Mode::Start { .. }, _) | (_, None) => self.start_window,
            (_, Some(path)) => (WINDOW_GAIN * path) as u64 + least,
        }
    }

    /// Bytes a second at which packets leave.
    pub(super) fn pacing(&self) -> u64 {
        let gain = match self.mode {
            Mode::Start { .. } => return self.window_per_s(START_GAIN),
            Mode::Share { .. } => return self.window_per_s(1.25),
            Mode::Drain => DRAIN_GAIN,
            Mode::Cruise { .. } => CRUISE_GAIN,
            Mode::Up { step } => UP_GAINS[step.min(UP_GAINS.len() - 1)],
            Mode::Down { gain, .. } => gain,
        };
        match self.capacity() {
            Some(capacity) => ((gain * capacity as f64) as u64).max(self.packet),
            None => self.window_per_s(1.0),
        }
    }

    /// The window in a round trip, so many times as fast.
    fn window_per_s(&self, gain: f64) -> u64 {
        let srtt_s = self.srtt.as_micros().max(1_000) as f64 / 1e6;
        ((gain * self.window() as f64 / srtt_s) as u64).max(self.packet)
    }

    /// A part of the shortest round trip, or what two packets need by themselves where that is more:
    /// less of a queue says nothing.
    fn queue_of(&self, part: u32) -> Duration {
        let least = self.rtt_min.get().unwrap_or_default();
        let packets_s = match self.capacity() {
            Some(capacity) => 2.0 * self.packet as f64 / capacity.max(1) as f64,
            None => 0.0,
        };
        let packets = Duration::from_micros((packets_s * 1e6) as u64);
        (least / part).max(packets).max(Duration::from_millis(2))
    }

    /// The queue now, whatever the jitter.
    fn queue_now(&self) -> Duration {
        let least = self.rtt_min.get().unwrap_or_default();
        let recent = self.recent.iter().min().copied().unwrap_or_default();
        recent.saturating_sub(least)
    }

    /// Whether packets that leave now measure chance: less is sent than the path takes, because the
    /// controller holds back or the application has no more. While starting nobody knows what the path
    /// takes.
    pub(super) fn is_quiet(&self, app_limited: bool) -> bool {
        match self.mode {
            Mode::Start { .. } => false,
            Mode::Drain | Mode::Down { .. } => true,
            Mode::Cruise { .. } | Mode::Up { .. } | Mode::Share { .. } => app_limited,
        }
    }

    /// A loss now would be the queue's.
    fn is_queue_full(&self) -> bool {
        let queue = self.queue();
        queue > self.queue_of(4) && queue.as_micros() * 5 > self.queue_max.get().as_micros() * 2
    }

    /// A packet was acknowledged or taken for lost; `quiet` as it was when it left.
    pub(super) fn on_fate(&mut self, now: Instant, lost: bool, quiet: bool) {
        let full = self.is_queue_full();
        if lost && full {
            self.on_queue_full(now);
        }
        self.round_seen += 1;
        self.round_lost += u32::from(lost);
        if !quiet || full {
            return;
        }
        self.chance_seen += 1;
        self.chance_lost += u32::from(lost);
        if self.chance_seen == CHANCE_PACKETS {
            let share = f64::from(self.chance_lost) / f64::from(self.chance_seen);
            let weight = if self.chance == 0.0 { 1.0 } else { 0.25 };
            self.chance += weight * (share - self.chance);
            self.chance_seen = 0;
            self.chance_lost = 0;
        }
    }

    /// What was taken for lost came nevertheless.
    pub(super) fn on_spurious(&mut self) {
        self.chance_lost = self.chance_lost.saturating_sub(1);
    }

    fn on_queue_full(&mut self, now: Instant) {
        if std::mem::replace(&mut self.round_congested, true) {
            return;
        }
        if let Mode::Share { .. } = self.mode {
            self.cubic.on_congestion(now);
        }
    }

    /// An acknowledgement came, after the fates of its packets.
    pub(super) fn on_ack(&mut self, now: Instant, acked: &Acked) {
        if let Some(rtt) = acked.rtt {
            self.rtt_last = rtt;
            self.recent.rotate_left(1);
            self.recent[RECENT - 1] = rtt;
            self.srtt = (self.srtt * 7 + rtt) / 8;
            self.rtt_min.note(now, rtt);
            self.queue_max.note(now, self.queue());
            self.round_rtt = Some(self.round_rtt.map_or(rtt, |least| least.min(rtt)));
        }
        if let Some(rate) = acked.rate {
            self.note_rate(rate);
        }
        if let Mode::Start { .. } = self.mode
            && acked.in_flight + acked.bytes >= self.start_window / 2
        {
            self.start_window += acked.bytes;
        }
        if let Mode::Share { .. } = self.mode
            && acked.in_flight + acked.bytes >= self.window() * 3 / 4
        {
            let rtt = self.srtt;
            self.cubic.on_acked(now, acked.bytes, rtt);
        }
        if acked.delivered_before >= self.round_ends {
            self.round_ends = acked.delivered;
            self.on_round(now, acked.in_flight);
        }
        self.on_progress(acked.in_flight);
    }

    fn note_rate(&mut self, sample: RateSample) {
        let best = self.rate.get().unwrap_or(0);
        if !sample.app_limited {
            self.round_full = true;
            self.round_rate = self.round_rate.max(sample.bytes_per_s);
        }
        // A sample that the application limited says only that the path takes at least so much.
        if !sample.app_limited || sample.bytes_per_s > best {
            self.rate.note(self.round, sample.bytes_per_s);
        }
    }

    /// What does not wait for the round's end.
    fn on_progress(&mut self, in_flight: u64) {
        let path = self.path_bytes().unwrap_or(f64::MAX);
        let queued = self.queue_now() > self.queue_of(8);
        let filling = self.queue_now() > self.queue_of(16);
        match self.mode {
            Mode::Start { .. } if queued => self.mode = Mode::Drain,
            Mode::Drain if in_flight as f64 <= path => {
                self.mode = Mode::Cruise { rounds: 2 };
            }
            Mode::Up { .. } | Mode::Cruise { .. } if filling => {
                self.hold_back();
            }
            Mode::Down { since_round, .. }
                if self.round > since_round && in_flight as f64 <= 0.97 * path && !queued =>
            {
                self.strikes = 0;
                self.cruise();
            }
            _ => {}
        }
    }

    /// As much slower as takes the queue out in a round trip.
    fn hold_back(&mut self) {
        let least = self.rtt_min.get().unwrap_or_default().as_micros().max(1) as f64;
        let queue = self.queue_now().as_micros() as f64;
        self.mode = Mode::Down {
            since_round: self.round,
            gain: (1.0 - queue / least).clamp(DOWN_GAIN, DOWN_GAIN_LEAST),
        };
    }

    fn cruise(&mut self) {
        self.mode = Mode::Cruise {
            rounds: CRUISE_ROUNDS,
        };
    }

    /// A round trip is over.
    fn on_round(&mut self, now: Instant, in_flight: u64) {
        let least = self.rtt_min.get().unwrap_or_default();
        let round_rtt = self.round_rtt.take().unwrap_or(least);
        let queue = round_rtt.saturating_sub(least);
        let full = std::mem::take(&mut self.round_full);
        let congested = std::mem::take(&mut self.round_congested);
        self.last_rate = std::mem::take(&mut self.round_rate);
        let seen = std::mem::take(&mut self.round_seen);
        let lossy = std::mem::take(&mut self.round_lost) * LOSSY_ONE_IN > seen;
        match self.mode {
            Mode::Start {
                best,
                rounds_without,
            } => {
                // Where the application limits what is sent, loss says nothing of the path's speed.
                if full || (lossy && 2 * in_flight >= self.start_window) {
                    self.on_round_starting(best, rounds_without, queue, congested, lossy);
                }
            }
            Mode::Drain => {}
            Mode::Cruise { rounds } => {
                if congested {
                    self.slow_down();
                } else if full {
                    let rounds = rounds.saturating_sub(1);
                    self.up_from = more_than(self.rate.get().unwrap_or(0));
                    self.mode = match rounds {
                        0 => Mode::Up { step: 0 },
                        rounds => Mode::Cruise { rounds },
                    };
                }
            }
            Mode::Up { step } => {
                match self.last_rate >= self.up_from && full && !congested {
                    true => self.mode = Mode::Up { step: step + 1 },
                    false => self.hold_back(),
                }
                self.up_from = more_than(self.last_rate);
            }
            Mode::Down { since_round, .. } => {
                self.on_round_down(now, since_round, queue, in_flight)
            }
            Mode::Share { look_at, looking } => self.on_round_sharing(now, look_at, looking, queue),
        }
        self.round += 1;
    }

    fn on_round_starting(
        &mut self,
        best: u64,
        rounds_without: u8,
        queue: Duration,
        congested: bool,
        lossy: bool,
    ) {
        let rate = self.rate.get().unwrap_or(0);
        let grew = rate as f64 >= 1.25 * best as f64;
        let rounds_without = if grew { 0 } else { rounds_without + 1 };
        let queued = queue > self.queue_of(4);
        // Where no queue shows, what is lost beyond the path's speed does.
        let lost_for_nothing = lossy && !grew;
        self.mode = match rounds_without >= 3 || queued || congested || lost_for_nothing {
            true => Mode::Drain,
            false => Mode::Start {
                best: if grew { rate } else { best },
                rounds_without,
            },
        };
    }

    /// The queue overflowed at what was taken for the path's speed: what was delivered of late is.
    fn slow_down(&mut self) {
        if self.last_rate > 0 {
            self.rate.reset(self.round, self.last_rate);
        }
        self.hold_back();
    }

    fn on_round_down(&mut self, now: Instant, since_round: u64, queue: Duration, in_flight: u64) {
        if self.round < since_round + 2 {
            return;
        }
        if queue <= self.queue_of(5) {
            self.strikes = 0;
            self.cruise();
            return;
        }
        if self.round < since_round + 4 {
            return;
        }
        self.strikes += 1;
        let recently = self
            .left_share_at
            .is_some_and(|at| now.saturating_since(at) < Duration::from_secs(20));
        if self.strikes < STRIKES_MAX && !recently {
            self.cruise();
            return;
        }
        self.strikes = 0;
        self.empties = 0;
        let window = match recently {
            true => self.cubic.window().max(in_flight),
            false => in_flight.max(MIN_PACKETS * self.packet),
        };
        self.cubic = Cubic::new(now, window, self.packet);
        self.mode = Mode::Share {
            look_at: now + LOOK_EVERY,
            looking: None,
        };
    }

    fn on_round_sharing(
        &mut self,
        now: Instant,
        look_at: Instant,
        looking: Option<u64>,
        queue: Duration,
    ) {
        match looking {
            None if look_at <= now => {
                self.mode = Mode::Share {
                    look_at,
                    looking: Some(self.round),
                };
            }
            None => {}
            Some(since) if self.round < since + 2 => {}
            Some(_) => {
                let empty = queue <= self.queue_of(10);
                self.empties = if empty { self.empties + 1 } else { 0 };
                if self.empties >= 2 {
                    self.left_share_at = Some(now);
                    self.rate.reset(self.round, self.last_rate.max(self.packet));
                    self.cruise();
                } else {
                    self.mode = Mode::Share {
                        look_at: now + LOOK_EVERY,
                        looking: None,
                    };
                }
            }
        }
    }

    /// Nothing was heard for several probes: what was known of the path may hold no more.
    pub(super) fn on_outage(&mut self, now: Instant) {
        self.rate = MaxByRound::new(RATE_ROUNDS);
        self.mode = Mode::Start {
            best: 0,
            rounds_without: 0,
        };
        self.rtt_min = MinByTime::new(RTT_HALF, now);
        self.start_window = INITIAL_PACKETS / 2 * self.packet;
        self.strikes = 0;
    }

    /// What the controller does, in a word or two.
    pub(super) fn phase(&self) -> &'static str {
        match self.mode {
            Mode::Start { .. } => "starting",
            Mode::Drain => "draining",
            Mode::Cruise { .. } => "steady",
            Mode::Up { .. } => "asking for more",
            Mode::Down { .. } => "holding back",
            Mode::Share { .. } => "sharing",
        }
    }
}

/// A rate that is clearly above `rate`.
fn more_than(rate: u64) -> u64 {
    rate.saturating_add(rate / 25)
}
