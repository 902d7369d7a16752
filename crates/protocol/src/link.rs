//! A link: frames from below, messages above, each once and in order.

use std::time::Duration;

use bytes::Bytes;

use crate::control::CloseCode;
use crate::frame::{FrameType, SharedBody};
use crate::time::Instant;

/// Who speaks first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// Sends SYN.
    Initiator,
    /// Answers it.
    Responder,
}

/// How holes are repaired.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Repair {
    /// Only what is missing is sent again; the receiver keeps what came early.
    #[default]
    SelectiveRepeat,
    /// Everything from the hole on is sent again; the receiver drops what came early.
    GoBackN,
}

/// What one side brings to the handshake. The lower limit of both sides holds.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// Payload bytes of a frame: 64 to 8,180.
    pub fragment_bytes: u16,
    /// Frames in flight: 1 to 16,384.
    pub window_frames: u16,
    /// Frame bytes in flight: at least one whole frame.
    pub window_bytes: u32,
    /// Go-Back-N holds when either side asks for it.
    pub repair: Repair,
    /// Bytes of a message, fragments joined.
    pub message_bytes_max: u32,
    /// A random number that tells this connection from others between the same ends.
    pub token: u32,
    /// Sends a PING after this long without a word from the peer.
    pub ping_after: Duration,
    /// Closes after this long without a word from the peer.
    pub dead_after: Duration,
    /// The handshake must be complete this long after its start.
    pub handshake_within: Duration,
}

/// What both sides agreed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Terms {
    /// Protocol version.
    pub version: u16,
    /// Payload bytes of a frame.
    pub fragment_bytes: u16,
    /// Frames in flight.
    pub window_frames: u16,
    /// Frame bytes in flight.
    pub window_bytes: u32,
    /// How holes are repaired.
    pub repair: Repair,
    /// Bytes of a message.
    pub message_bytes_max: u32,
}

/// What happens to a link.
#[derive(Clone, Debug)]
pub enum Input {
    /// Bytes of the stream, split anyhow.
    Bytes(Bytes),
    /// The stream has ended.
    Eof,
    /// Responder: the answer to [`Event::Asked`].
    Accept {
        /// Goes into SYN_ACK; at most 1,024 bytes.
        welcome: Bytes,
    },
    /// Orderly end: everything sent before is delivered first, then DISCONNECT.
    Close {
        /// Why.
        code: CloseCode,
        /// Why, in words; cut at 512 bytes.
        text: String,
    },
    /// End at once, with a word of why. Also the answer to [`Event::Asked`] that refuses.
    Abort {
        /// Why.
        code: CloseCode,
        /// Why, in words; cut at 512 bytes.
        text: String,
    },
    /// Time has passed.
    Tick,
}

/// What a link tells the layer above.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// Responder: a well-formed SYN. Answer with `Accept` or `Abort`.
    Asked {
        /// The initiator's first words.
        hello: Bytes,
        /// What would be agreed on.
        terms: Terms,
    },
    /// Messages can flow.
    Opened {
        /// What was agreed on.
        terms: Terms,
        /// Initiator: the responder's first words. Responder: empty.
        welcome: Bytes,
    },
    /// A whole message, once, in order.
    Received {
        /// One of the sequenced types.
        kind: FrameType,
        /// Its bytes.
        body: Bytes,
    },
    /// The peer closes; what is pending is still delivered to it.
    PeerClosing {
        /// Its code, as a number: a later version may have more.
        code: u16,
        /// Its words, as they came.
        text: String,
    },
    /// Nothing follows. Write what `wire` holds, then close the transport.
    Closed(CloseReason),
}

/// How a link ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CloseReason {
    /// Both sides said goodbye with nothing pending.
    Orderly,
    /// The peer ended it: a refusal or an error, by its code and words.
    ByPeer {
        /// Its code, as a number.
        code: u16,
        /// Its words.
        text: String,
    },
    /// This side ended it: the peer's fault, the channel's, or the layer above.
    ByUs {
        /// Why.
        code: CloseCode,
        /// Why, in words.
        text: String,
    },
    /// The transport ended without a word.
    Eof,
}

/// What a call gives back. The caller owns it, reads it and clears it.
#[derive(Debug, Default)]
pub struct Output {
    /// Bytes to send, in order. Each piece is one or more whole frames.
    pub wire: Vec<Bytes>,
    /// What happened, in order.
    pub events: Vec<Event>,
}

/// A message to send: a part shared by all its recipients, and this recipient's own end.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// One of the sequenced types.
    pub kind: FrameType,
    /// The shared part.
    pub body: SharedBody,
    /// The last eight bytes of a delivery; nothing for other messages.
    pub tail: Option<[u8; 8]>,
}

impl Outgoing {
    /// A message for one recipient only.
    pub fn own(kind: FrameType, body: Bytes) -> Self {
        Self {
            kind,
            body: SharedBody::new(body),
            tail: None,
        }
    }
}

/// Why `send` did not take a message. The link is unchanged.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SendError {
    /// The window and the queue behind it are full; try again when [`Link::has_room`].
    #[error("the window is full")]
    Full,
    /// The link is not open (yet, or any more).
    #[error("the link is not open")]
    NotOpen,
    /// The message is longer than agreed.
    #[error("the message is longer than the peer accepts")]
    TooLong,
    /// The type is not a sequenced one.
    #[error("frames of this type carry no messages")]
    NotSequenced,
}

/// The caller's mistake. The link is unchanged.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UseError {
    /// `Accept` without an `Asked`.
    #[error("nothing was asked")]
    NothingAsked,
    /// `welcome` is over 1,024 bytes.
    #[error("the first words are too long")]
    WordsTooLong,
}

/// Counters and measures, for people and tests.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LinkStats {
    /// Frames sent, all types, again included.
    pub frames_sent: u64,
    /// Frames accepted, all types.
    pub frames_received: u64,
    /// Sequenced frames sent again.
    pub retransmitted: u64,
    /// Frames that came with a bad checksum.
    pub damaged: u64,
    /// Sequenced frames that came again.
    pub duplicates: u64,
    /// Sequenced frames that came before their turn.
    pub early: u64,
    /// NACK frames sent.
    pub nacks_sent: u64,
    /// NACK frames received.
    pub nacks_received: u64,
    /// Retransmission time-outs.
    pub timeouts: u64,
    /// Bytes put on the wire.
    pub bytes_sent: u64,
    /// Bytes that came.
    pub bytes_received: u64,
    /// Frames in flight now.
    pub in_flight_frames: u32,
    /// Frame bytes in flight now.
    pub in_flight_bytes: u32,
    /// Smoothed round-trip time, once measured.
    pub rtt: Option<Duration>,
    /// Its variation.
    pub rtt_variation: Option<Duration>,
    /// The retransmission time-out now.
    pub rto: Duration,
}

/// One end of a link.
#[derive(Debug)]
pub struct Link {
    config: LinkConfig,
}

impl Link {
    /// An initiator: the first `Tick` sends SYN with `hello` (at most 1,024 bytes).
    pub fn initiate(config: LinkConfig, hello: Bytes, now: Instant) -> Self {
        let _ = (hello, now);
        Self { config }
    }

    /// A responder, waiting for SYN.
    pub fn respond(config: LinkConfig, now: Instant) -> Self {
        let _ = now;
        Self { config }
    }

    /// Applies one input. What follows is appended to `out`, in order.
    ///
    /// # Errors
    ///
    /// [`UseError`] where the input has no place now. What the peer does wrong is no error here: it
    /// ends the link with a DISCONNECT in `wire` and `Closed(ByUs)` in `events`.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Output) -> Result<(), UseError> {
        let _ = (now, input, out, &self.config);
        unimplemented!()
    }

    /// Takes a message. It leaves with the next [`Link::flush`] or `handle`, as far as the window allows.
    ///
    /// # Errors
    ///
    /// [`SendError`]; the message is not taken then.
    pub fn send(&mut self, now: Instant, message: &Outgoing) -> Result<(), SendError> {
        let _ = (now, message);
        unimplemented!()
    }

    /// Appends the frames of messages taken since to `out`, as one piece where possible.
    pub fn flush(&mut self, now: Instant, out: &mut Output) {
        let _ = (now, out);
    }

    /// Whether `send` would take a message of a window's size now.
    pub fn has_room(&self) -> bool {
        unimplemented!()
    }

    /// Whether everything sent has been acknowledged.
    pub fn is_drained(&self) -> bool {
        unimplemented!()
    }

    /// When to call again with `Input::Tick`; `None` while nothing is pending.
    pub fn deadline(&self) -> Option<Instant> {
        unimplemented!()
    }

    /// Counters and measures.
    pub fn stats(&self) -> LinkStats {
        unimplemented!()
    }

    /// What was agreed on, once open.
    pub fn terms(&self) -> Option<Terms> {
        unimplemented!()
    }
}
