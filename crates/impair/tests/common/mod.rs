//! A channel in virtual time, for the tests of this folder: frames in, what came out and when.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

use bytes::Bytes;
use lamparina_impair::{Impaired, Input, Settings, Stats};
use lamparina_protocol::Instant;

/// What came out, with the microsecond at which it did.
pub type Out = Vec<(u64, Bytes)>;

pub fn settings(text: &str) -> Settings {
    text.parse().unwrap()
}

/// The n-th test frame, `bytes` long (at least 4): n, then a pattern that damage would show in.
pub fn frame(n: u32, bytes: usize) -> Bytes {
    let mut frame: Vec<u8> = (0..bytes).map(|i| (i as u8) ^ 0x5A).collect();
    frame[..4].copy_from_slice(&n.to_be_bytes());
    frame.into()
}

/// Which test frame it is.
pub fn number(frame: &Bytes) -> u32 {
    u32::from_be_bytes(frame[..4].try_into().unwrap())
}

pub fn numbers(out: &Out) -> Vec<u32> {
    out.iter().map(|(_, frame)| number(frame)).collect()
}

/// A channel and its clock. Checks at every step what must always hold.
pub struct World {
    pub channel: Impaired,
    pub now: u64,
    pub out: Out,
    entered: u64,
}

impl World {
    pub fn new(text: &str) -> Self {
        Self::with(settings(text), true)
    }

    pub fn with(settings: Settings, stream: bool) -> Self {
        Self {
            channel: Impaired::new(settings, stream),
            now: 0,
            out: Out::new(),
            entered: 0,
        }
    }

    /// Goes to `micros`, giving the channel a tick whenever it wants one, and then `input`.
    pub fn at(&mut self, micros: u64, input: Input) {
        while let Some(deadline) = self.channel.deadline() {
            if deadline.as_micros() > micros {
                break;
            }
            self.handle(deadline.as_micros(), Input::Tick);
        }
        self.handle(micros, input);
    }

    /// Ticks until nothing is under way, and gives what came out since the beginning.
    pub fn finish(&mut self) -> &Out {
        while let Some(deadline) = self.channel.deadline() {
            self.handle(deadline.as_micros(), Input::Tick);
        }
        assert_eq!(self.channel.frames_under_way(), 0);
        &self.out
    }

    pub fn stats(&self) -> Stats {
        self.channel.stats()
    }

    fn handle(&mut self, micros: u64, input: Input) {
        self.entered += u64::from(matches!(input, Input::Frame(_)));
        let mut out = Vec::new();
        let now = Instant::from_micros(micros);
        self.channel.handle(now, input, &mut out);
        self.now = self.now.max(micros);
        self.out
            .extend(out.into_iter().map(|frame| (self.now, frame)));

        assert!(
            self.channel
                .deadline()
                .is_none_or(|at| at.as_micros() > self.now)
        );
        let stats = self.channel.stats();
        let gone = stats.lost + stats.partitioned + stats.dropped_by_queue + stats.out;
        let under_way = self.channel.frames_under_way() as u64;
        assert_eq!(stats.entered, self.entered);
        assert_eq!(stats.entered + stats.duplicated, gone + under_way);
        assert_eq!(stats.out, self.out.len() as u64);
        assert!(stats.out <= 2 * stats.entered);
        assert_eq!(self.channel.deadline().is_some(), under_way > 0);
    }
}

/// `count` frames of `bytes` each, one every `gap` microseconds, through `text`, to the end.
pub fn run(text: &str, count: u32, bytes: usize, gap: u64) -> World {
    let mut world = World::new(text);
    for n in 0..count {
        world.at(u64::from(n) * gap, Input::Frame(frame(n, bytes)));
    }
    world.finish();
    world
}
