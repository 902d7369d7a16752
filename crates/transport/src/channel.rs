//! A bad channel on purpose, between frames and transport (or their seal), one machine for each
//! direction. The link on this side sees only what the channel lets through, so over TCP too it has to
//! repair. Of a link over datagrams the whole datagrams pass through it.

use bytes::Bytes;
use lamparina_impair::{Impaired, Input, Settings};
use lamparina_protocol::Instant;

use crate::frames::FrameCutter;

/// Both directions of an impaired link.
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
    /// Of a stream, boundaries between frames survive.
    pub(crate) fn new(outward: Settings, inward: Settings, stream: bool) -> Self {
        Self {
            outward: Direction::new(outward, stream),
            inward: Direction::new(inward, stream),
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
    fn new(settings: Settings, stream: bool) -> Self {
        Self {
            cutter: FrameCutter::default(),
            impaired: Impaired::new(settings, stream),
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

    /// The same with a whole datagram.
    pub(crate) fn push_whole(&mut self, now: Instant, datagram: Bytes, through: &mut Vec<Bytes>) {
        self.impaired.handle(now, Input::Frame(datagram), through);
    }

    /// Lets out what is due.
    pub(crate) fn tick(&mut self, now: Instant, through: &mut Vec<Bytes>) {
        self.impaired.handle(now, Input::Tick, through);
    }
}
