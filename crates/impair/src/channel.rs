//! Carries frames to their time: none comes out before it, the order in which they come out does not
//! depend on how often the channel is ticked, and what is under way is bounded by
//! [`HELD_FRAMES_MAX`] and [`HELD_BYTES_MAX`].
//!
//! In: frames, new settings, time. Out: the same frames, late, twice, damaged or never.

use std::collections::BTreeMap;

use bytes::Bytes;
use lamparina_protocol::Instant;

use crate::damage;
use crate::far_end::FarEnd;
use crate::fate::{Fate, Fates, Journey};
use crate::rate::Sender;
use crate::settings::Settings;
use crate::stats::Stats;

/// Frames under way, at most; what finds no room is dropped and counted.
pub const HELD_FRAMES_MAX: usize = 65_536;
/// Bytes under way, at most; what finds no room is dropped and counted.
pub const HELD_BYTES_MAX: usize = 64 << 20;
/// Bytes at the head of a stream's frame that are never damaged: without them every frame behind
/// would be lost too, which is the end of a connection and not a bad frame.
pub const LENGTH_FIELD_BYTES: usize = 4;

/// One input.
#[derive(Clone, Debug)]
pub enum Input {
    /// Exactly one frame (on a stream) or one datagram enters the channel.
    Frame(Bytes),
    /// New settings from now on; frames under way keep their fate, and the next one is the first of
    /// the new seed.
    Settings(Settings),
    /// Time has passed.
    Tick,
}

/// What comes out at the other end, in order: frames whose time has come.
pub type Output = Bytes;

/// One direction of a bad channel.
///
/// Settings given to [`Impaired::new`] come into force with the first input.
#[derive(Debug)]
pub struct Impaired {
    settings: Settings,
    /// Bytes at the head of each frame that are never damaged.
    spared: usize,
    fates: Fates,
    stats: Stats,
    now: Instant,
    /// When the settings came into force, once they did.
    since: Option<Instant>,
    sender: Sender,
    /// Travelling, by the time of arrival and then by the order of entering.
    travelling: BTreeMap<(Instant, u64), (FrameCopy, usize)>,
    far_end: FarEnd,
    held_bytes: usize,
    held_frames: usize,
    /// Copies that entered, ever: breaks ties between times.
    copies: u64,
    /// The latest frame that has come out.
    latest_out: u64,
}

/// One copy of a frame under way.
#[derive(Debug)]
pub(crate) struct FrameCopy {
    bytes: Bytes,
    /// Which frame it is: the n-th that entered, from 1.
    number: u64,
}

impl Impaired {
    /// A channel; `stream` leaves the length field of each frame alone, so that boundaries survive.
    pub fn new(settings: Settings, stream: bool) -> Self {
        Self {
            fates: Fates::new(&settings),
            settings,
            spared: if stream { LENGTH_FIELD_BYTES } else { 0 },
            stats: Stats::default(),
            now: Instant::ZERO,
            since: None,
            sender: Sender::default(),
            travelling: BTreeMap::new(),
            far_end: FarEnd::default(),
            held_bytes: 0,
            held_frames: 0,
            copies: 0,
            latest_out: 0,
        }
    }

    /// Applies one input; frames that come out now are appended to `out`.
    ///
    /// A time before that of an earlier input counts as that one.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) {
        self.now = self.now.max(now);
        self.since.get_or_insert(self.now);
        self.release(out);
        match input {
            Input::Frame(frame) => self.enter(frame, out),
            Input::Settings(settings) => {
                self.fates = Fates::new(&settings);
                self.settings = settings;
                self.since = Some(self.now);
                self.sender = Sender::default();
            }
            Input::Tick => {}
        }
    }

    /// When to call again with `Input::Tick`; `None` while nothing is under way. Always later than
    /// the last input.
    pub fn deadline(&self) -> Option<Instant> {
        let arrival = self.next_arrival();
        let held = self.far_end.next_due().map(|(until, _)| until);
        match (arrival, held) {
            (Some(arrival), Some(held)) => Some(arrival.min(held)),
            (one, other) => one.or(other),
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What was done so far, under all settings together.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Copies of frames that are under way now.
    pub fn frames_under_way(&self) -> usize {
        self.held_frames
    }

    /// Lets everything out whose time has come, in the order of those times.
    fn release(&mut self, out: &mut Vec<Output>) {
        loop {
            let arrival = self.next_arrival().filter(|at| *at <= self.now);
            let held = self
                .far_end
                .next_due()
                .filter(|(until, _)| *until <= self.now);
            match (arrival, held) {
                // At the same time the one held back still lets the other past.
                (Some(arrival), held) if held.is_none_or(|(until, _)| arrival <= until) => {
                    let Some(((at, _), (copy, behind))) = self.travelling.pop_first() else {
                        return;
                    };
                    self.leave_room(&copy);
                    self.arrive(at, copy, behind, out);
                }
                (_, Some((_, lane))) => {
                    let copy = self.far_end.let_go(lane);
                    self.come_out_after_waiting(copy, out);
                }
                _ => return,
            }
        }
    }

    /// A frame enters: its fate is drawn even where a partition stops it, so that the fates of those
    /// behind it do not depend on when it came.
    fn enter(&mut self, frame: Bytes, out: &mut Vec<Output>) {
        self.stats.entered += 1;
        let fate = self.fates.next();
        let age = self.now.saturating_since(self.since.unwrap_or(self.now));
        if self.settings.partition.is_some_and(|cut| cut.covers(age)) {
            self.stats.partitioned += 1;
            return;
        }
        let Fate::Carried(first, second) = fate else {
            self.stats.lost += 1;
            return;
        };
        if let Some(second) = second {
            self.stats.duplicated += 1;
            self.carry(frame.clone(), first, out);
            self.carry(frame, second, out);
        } else {
            self.carry(frame, first, out);
        }
    }

    /// Sends one copy on its way; one that needs no time arrives at once.
    fn carry(&mut self, frame: Bytes, journey: Journey, out: &mut Vec<Output>) {
        let sent = match self.settings.rate {
            Some(rate) => {
                let queue = self.settings.queue;
                self.sender.accept(self.now, frame.len(), rate, queue)
            }
            None => Some(self.now),
        };
        let Some(sent) = sent else {
            self.stats.dropped_by_queue += 1;
            return;
        };
        let damaged = journey
            .damage
            .and_then(|seed| damage::flip(&frame, seed, self.spared));
        let is_damaged = damaged.is_some();
        let copy = FrameCopy {
            bytes: damaged.unwrap_or(frame),
            number: self.stats.entered,
        };
        let arrival = sent + journey.travel;
        let waits = arrival > self.now || journey.behind > 0;
        if waits && !self.has_room(&copy) {
            self.stats.dropped_by_queue += 1;
            return;
        }
        self.stats.damaged += u64::from(is_damaged);
        self.stats.delayed += u64::from(waits);
        self.copies += 1;
        if arrival > self.now {
            self.take_room(&copy);
            self.travelling
                .insert((arrival, self.copies), (copy, journey.behind));
        } else {
            self.arrive(arrival, copy, journey.behind, out);
        }
    }

    /// A copy arrives at the far end: it comes out, or waits there for others to go past.
    fn arrive(&mut self, at: Instant, copy: FrameCopy, behind: usize, out: &mut Vec<Output>) {
        if behind > 0 {
            self.take_room(&copy);
            self.far_end.hold(at, copy, behind);
            return;
        }
        self.far_end.pass();
        self.come_out(copy, out);
        while let Some(copy) = self.far_end.next_passed() {
            self.come_out_after_waiting(Some(copy), out);
        }
    }

    fn come_out_after_waiting(&mut self, copy: Option<FrameCopy>, out: &mut Vec<Output>) {
        if let Some(copy) = copy {
            self.leave_room(&copy);
            self.come_out(copy, out);
        }
    }

    fn come_out(&mut self, copy: FrameCopy, out: &mut Vec<Output>) {
        self.stats.out += 1;
        self.stats.reordered += u64::from(copy.number < self.latest_out);
        self.latest_out = self.latest_out.max(copy.number);
        out.push(copy.bytes);
    }

    fn next_arrival(&self) -> Option<Instant> {
        self.travelling.first_key_value().map(|((at, _), _)| *at)
    }

    fn has_room(&self, copy: &FrameCopy) -> bool {
        self.held_frames < HELD_FRAMES_MAX && copy.bytes.len() <= HELD_BYTES_MAX - self.held_bytes
    }

    fn take_room(&mut self, copy: &FrameCopy) {
        self.held_frames += 1;
        self.held_bytes += copy.bytes.len();
    }

    fn leave_room(&mut self, copy: &FrameCopy) {
        self.held_frames -= 1;
        self.held_bytes -= copy.bytes.len();
    }
}
