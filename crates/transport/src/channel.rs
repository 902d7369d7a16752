//! A bad channel on purpose, between frames and transport (or their seal), one machine for each
//! direction. The link on this side sees only what the channel lets through, so over TCP too it has to
//! repair.

use bytes::Bytes;
use lamparina_impair::{Impaired, Input, Settings};
use lamparina_protocol::Instant;

use crate::frames::FrameCutter;

/// Both directions of an impaired stream.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) outward: Direction,
    pub(crate) inward: Direction,
}

/// One direction: bytes in, frames out.
#[derive(Debug)]
pub(crate) struct Direction {
    cutter: FrameCutter,
    impaired: Impaired,
    frames: Vec<Bytes>,
}

impl Channel {
    /// `outward` and `inward` carry seeds of their own, so that both directions differ.
    pub(crate) fn new(outward: Settings, inward: Settings) -> Self {
        Self {
            outward: Direction::new(outward),
            inward: Direction::new(inward),
        }
    }

    /// When either direction wants to be asked again.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        [
            self.outward.impaired.deadline(),
            self.inward.impaired.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

impl Direction {
    fn new(settings: Settings) -> Self {
        Self {
            cutter: FrameCutter::default(),
            impaired: Impaired::new(settings, true),
            frames: Vec::new(),
        }
    }

    /// The channel's settings and counts.
    pub(crate) fn impaired(&self) -> &Impaired {
        &self.impaired
    }

    /// Other settings from now on; frames under way keep their fate.
    pub(crate) fn set(&mut self, now: Instant, settings: Settings, through: &mut Vec<Bytes>) {
        self.impaired
            .handle(now, Input::Settings(settings), through);
    }

    /// Sends `bytes` into the channel; what comes out now is pushed to `through`.
    pub(crate) fn push(&mut self, now: Instant, bytes: &[u8], through: &mut Vec<Bytes>) {
        self.cutter.cut(bytes, &mut self.frames);
        for frame in self.frames.drain(..) {
            self.impaired.handle(now, Input::Frame(frame), through);
        }
    }

    /// Lets out what is due.
    pub(crate) fn tick(&mut self, now: Instant, through: &mut Vec<Bytes>) {
        self.impaired.handle(now, Input::Tick, through);
    }
}
