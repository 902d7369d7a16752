//! One direction of a connection: pieces go in, frames come out when the channel lets them; the end
//! of the stream comes out behind the last of them.

use bytes::{Bytes, BytesMut};
use lamparina_impair::{HELD_FRAMES_MAX, Impaired, Input, LENGTH_FIELD_BYTES, Settings};
use lamparina_protocol::Instant;
use lamparina_protocol::frame::HEADER_BYTES;
use lamparina_protocol::seal::record::SEALED_BYTES_MAX;

use super::trace::Trace;

/// Bytes of a frame that has begun and not ended, at most.
const BEGUN_BYTES_MAX: usize = HEADER_BYTES + SEALED_BYTES_MAX;

/// What came out.
#[derive(Debug, Default)]
pub struct Arrived {
    /// Frames, in order.
    pub frames: Vec<Bytes>,
    /// The stream has ended behind them.
    pub ended: bool,
}

/// One direction.
#[derive(Debug)]
pub struct Wire {
    channel: Impaired,
    out: Vec<Bytes>,
    /// The sender has closed; said once nothing is under way.
    closing: bool,
    ended: bool,
    /// Nothing comes out any more, and nobody is told.
    dead: bool,
    /// Datagrams instead of a stream: nobody is told of an end.
    datagrams: bool,
    /// The beginning of a frame whose other pieces follow: a sealed one comes as head, body and tag.
    begun: BytesMut,
}

impl Wire {
    /// A direction of a stream.
    pub fn new(settings: Settings) -> Self {
        Self {
            channel: Impaired::new(settings, true),
            out: Vec::new(),
            closing: false,
            ended: false,
            dead: false,
            datagrams: false,
            begun: BytesMut::new(),
        }
    }

    /// A direction of datagrams.
    pub fn of_datagrams(settings: Settings) -> Self {
        Self {
            datagrams: true,
            ..Self::new(settings)
        }
    }

    /// Puts a datagram on the wire, with an address that no channel damages.
    pub fn send_datagram(
        &mut self,
        now: Instant,
        address: u32,
        datagram: &[u8],
        trace: &mut Trace,
    ) {
        trace.bytes(datagram);
        if self.dead || self.closing {
            return;
        }
        let mut frame = BytesMut::with_capacity(LENGTH_FIELD_BYTES + datagram.len());
        frame.extend_from_slice(&address.to_be_bytes());
        frame.extend_from_slice(datagram);
        let input = Input::Frame(frame.freeze());
        self.channel.handle(now, input, &mut self.out);
        assert!(self.channel.frames_under_way() <= HELD_FRAMES_MAX);
    }

    /// Puts what a link gives out on the wire, frame by frame.
    pub fn send(&mut self, now: Instant, piece: &[u8], trace: &mut Trace) {
        trace.bytes(piece);
        self.begun.extend_from_slice(piece);
        while let Some(length) = self
            .begun
            .first_chunk()
            .map(|field| u32::from_be_bytes(*field))
        {
            let whole = HEADER_BYTES + length as usize;
            if self.begun.len() < whole {
                break;
            }
            let frame = self.begun.split_to(whole).freeze();
            if !self.dead && !self.closing {
                self.channel.handle(now, Input::Frame(frame), &mut self.out);
            }
        }
        assert!(self.begun.len() <= BEGUN_BYTES_MAX, "frames end");
        assert!(self.channel.frames_under_way() <= HELD_FRAMES_MAX);
    }

    /// Another weather.
    pub fn set(&mut self, now: Instant, settings: Settings) {
        let input = Input::Settings(settings);
        self.channel.handle(now, input, &mut self.out);
    }

    /// The sender closes its stream.
    pub fn close(&mut self) {
        self.closing = true;
    }

    /// The wire is cut where nobody notices.
    pub fn kill(&mut self) {
        self.dead = true;
        self.out.clear();
    }

    /// The wire is cut, and the receiver notices.
    pub fn snap(&mut self) {
        self.kill();
        if self.datagrams {
            return;
        }
        self.dead = false;
        self.closing = true;
        self.channel = Impaired::new(Settings::default(), true);
    }

    /// What has come out by now.
    pub fn take(&mut self, now: Instant) -> Arrived {
        self.channel.handle(now, Input::Tick, &mut self.out);
        let mut arrived = Arrived::default();
        std::mem::swap(&mut arrived.frames, &mut self.out);
        if self.dead {
            arrived.frames.clear();
        } else if self.ends() && self.channel.deadline().is_none() {
            self.ended = true;
            arrived.ended = true;
        }
        arrived
    }

    /// When to take again.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        if self.dead {
            return None;
        }
        let end = self.ends();
        let at_once =
            (!self.out.is_empty() || end && self.channel.deadline().is_none()).then_some(now);
        at_once.or_else(|| self.channel.deadline())
    }

    /// Whether the end of the stream is to come.
    fn ends(&self) -> bool {
        self.closing && !self.ended && !self.datagrams
    }

    /// What the channel did to frames.
    pub fn stats(&self) -> lamparina_impair::Stats {
        self.channel.stats()
    }
}
