//! What goes into a link and what comes out of it.

use std::time::Duration;

use bytes::Bytes;

use crate::control::{CloseCode, Terms};
use crate::frame::{FrameType, SharedBody};
use crate::seal::PublicKey;

/// Who speaks first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// Sends SYN.
    Initiator,
    /// Answers it.
    Responder,
}

/// What happens to a link.
#[derive(Clone, Debug)]
pub enum Input {
    /// Bytes of the stream, split anyhow.
    Bytes(Bytes),
    /// A whole datagram, of a link over datagrams.
    Datagram(Bytes),
    /// Frames that have come through a channel: what [`Output::opened`] held.
    Frames(Bytes),
    /// Initiator of a sealed link: the answer to [`Event::Proven`] that goes on.
    Trust,
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
        /// What would be agreed on.
        terms: Terms,
    },
    /// Initiator of a sealed link: the responder has proved that it holds this key, and does not know
    /// yet who calls. Answer with `Trust` or `Abort`.
    Proven {
        /// The server's identity.
        server: PublicKey,
    },
    /// Messages can flow.
    Opened {
        /// What was agreed on.
        terms: Terms,
        /// The peer's first words: the welcome, or the hello.
        words: Bytes,
        /// Of a sealed link: the identity that the peer has proved.
        peer: Option<PublicKey>,
    },
    /// A whole message, once, in order: those of kind BULK in their own, the others in theirs.
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
    /// On a sealed link, before anything was proved: somebody on the way or at the other end said
    /// this, or did what it names. The attempt has failed, and nothing else follows from it.
    Unproven {
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
    /// Bytes to send, in order. Each piece is one or more whole frames; of a link over datagrams, one
    /// datagram.
    pub wire: Vec<Bytes>,
    /// With [`Link::set_channel`](super::Link::set_channel): frames for the channel to treat before
    /// [`Link::seal_frames`](super::Link::seal_frames).
    pub frames: Vec<Bytes>,
    /// With it: what came, for the channel to treat before [`Input::Frames`].
    pub opened: Vec<Bytes>,
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
    /// The window and the queue behind it are full; try again when [`Link::has_room`](super::Link::has_room).
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
    /// The BULK lane is not spoken on this link.
    #[error("the BULK lane is not spoken on this link")]
    NotSpoken,
}

/// The caller's mistake. The link is unchanged.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UseError {
    /// `Accept` without an `Asked`.
    #[error("nothing was asked")]
    NothingAsked,
    /// `Trust` without a `Proven`.
    #[error("nothing was proved")]
    NothingProven,
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
    /// Frame bytes of the BULK lane in flight now; `in_flight_bytes` counts the DATA lane's.
    pub bulk_in_flight_bytes: u32,
    /// The shortest round trip lately, of a link over datagrams.
    pub rtt_min: Option<Duration>,
    /// Datagrams sent.
    pub packets_sent: u64,
    /// Datagrams accepted.
    pub packets_received: u64,
    /// Datagrams that were sent and taken for lost.
    pub packets_lost: u64,
    /// Datagrams taken for lost that came nevertheless.
    pub packets_spurious: u64,
    /// Frames that left again unasked.
    pub copies_sent: u64,
    /// Share of what we send that is lost lately, in millionths, once measured.
    pub loss_out_ppm: Option<u32>,
    /// Share of what the peer sends that is lost lately, in millionths, once measured.
    pub loss_in_ppm: Option<u32>,
    /// Bytes a second that the line takes, as measured.
    pub rate_bytes_per_s: Option<u64>,
    /// What congestion control does, in a word or two; empty over a stream.
    pub phase: &'static str,
    /// Bytes that congestion control lets be in flight.
    pub congestion_bytes: u64,
    /// Frames that the window takes.
    pub window_frames: u32,
    /// Frame bytes that the window takes.
    pub window_bytes: u32,
}
