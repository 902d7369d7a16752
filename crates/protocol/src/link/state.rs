//! The states of a link. Each carries only what it may use.

use std::time::Duration;

use bytes::Bytes;

use super::carrier::Carrier;
use super::datagram::DatagramFlow;
use crate::control::{Disconnect, Terms};
use crate::frame::Seq;
use crate::seal::PublicKey;
use crate::time::Instant;

/// Where a link stands.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "an open link is the common one; boxing it would cost every message a detour"
)]
pub(super) enum State {
    /// Initiator: SYN goes out until SYN_ACK comes.
    Calling(Box<Calling>),
    /// Initiator of a sealed link: the layer above is asked whether it trusts the responder.
    Proving(Box<Proving>),
    /// Responder: SYN is awaited.
    Listening(Listening),
    /// Responder: the layer above is asked.
    Asked(Box<Asked>),
    /// Responder: SYN_ACK goes out until HANDSHAKE_ACK comes.
    Answered(Box<Answered>),
    /// Messages flow.
    Open(Open),
    /// What is pending still flows; then DISCONNECT.
    Closing(Box<Closing>),
    /// Nothing happens any more.
    Closed,
}

#[derive(Debug)]
pub(super) struct Calling {
    pub(super) hello: Bytes,
    /// The payload of SYN, once it was said: it is repeated as it was.
    pub(super) syn: Bytes,
    pub(super) until: Instant,
    pub(super) repeat: Repeat,
}

#[derive(Debug)]
pub(super) struct Proving {
    pub(super) hello: Bytes,
    pub(super) until: Instant,
    pub(super) terms: Terms,
    pub(super) round_trip: Option<Duration>,
    /// The responder's token.
    pub(super) echo: u32,
    pub(super) welcome: Bytes,
    pub(super) server: PublicKey,
}

#[derive(Debug)]
pub(super) struct Listening {
    pub(super) until: Instant,
}

#[derive(Debug)]
pub(super) struct Asked {
    pub(super) until: Instant,
    pub(super) terms: Terms,
    pub(super) peer_token: u32,
    /// The initiator's first words, of a link in clear.
    pub(super) hello: Bytes,
}

#[derive(Debug)]
pub(super) struct Answered {
    pub(super) until: Instant,
    pub(super) terms: Terms,
    /// The payload of SYN_ACK.
    pub(super) syn_ack: Bytes,
    /// The initiator's first words, of a link in clear.
    pub(super) hello: Bytes,
    pub(super) repeat: Repeat,
}

#[derive(Debug)]
pub(super) struct Open {
    pub(super) flow: Carrier,
    /// Initiator: the responder's token, to answer a repeated SYN_ACK.
    pub(super) answer: Option<u32>,
}

#[derive(Debug)]
pub(super) struct Closing {
    pub(super) open: Open,
    /// What is said when nothing is pending any more; `next` is known only then.
    pub(super) bye: Disconnect,
    /// Runs once it has been said.
    pub(super) repeat: Repeat,
    /// When it was said first.
    pub(super) waiting_since: Instant,
    /// The peer has said its own: the place that its next frame would have.
    pub(super) peer_next: Option<Seq>,
}

impl Closing {
    /// Nothing of ours is pending, and nothing of the peer's, as far as it has said.
    pub(super) fn is_complete(&self) -> bool {
        let flow = &self.open.flow;
        let awaited = flow.next_awaited();
        flow.is_drained() && self.peer_next.is_none_or(|next| next == awaited)
    }
}

/// Something said again until it is answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repeat {
    pub(super) times: u8,
    pub(super) said_at: Instant,
    /// When to say it (again).
    pub(super) at: Instant,
}

impl Repeat {
    /// Not said yet; to be said at `at`.
    pub(super) const fn at(at: Instant) -> Self {
        Self {
            times: 0,
            said_at: at,
            at,
        }
    }
}

impl State {
    /// The state in a word.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Calling(_) => "calling",
            Self::Proving(_) => "proving",
            Self::Listening(_) => "listening",
            Self::Asked(_) => "asked",
            Self::Answered(_) => "answered",
            Self::Open(_) => "open",
            Self::Closing(_) => "closing",
            Self::Closed => "closed",
        }
    }

    /// The flow of messages, in the states that have one.
    #[inline]
    pub(super) fn open(&self) -> Option<&Open> {
        match self {
            Self::Open(open) => Some(open),
            Self::Closing(closing) => Some(&closing.open),
            _ => None,
        }
    }

    /// The same, to be changed.
    #[inline]
    pub(super) fn open_mut(&mut self) -> Option<&mut Open> {
        match self {
            Self::Open(open) => Some(open),
            Self::Closing(closing) => Some(&mut closing.open),
            _ => None,
        }
    }

    /// The flow of an open link over datagrams.
    pub(super) fn datagrams(&self) -> Option<&DatagramFlow> {
        match &self.open()?.flow {
            Carrier::Datagrams(flow) => Some(flow),
            Carrier::Stream(_) => None,
        }
    }

    /// The same, to be changed.
    pub(super) fn datagrams_mut(&mut self) -> Option<&mut DatagramFlow> {
        match &mut self.open_mut()?.flow {
            Carrier::Datagrams(flow) => Some(flow),
            Carrier::Stream(_) => None,
        }
    }

    /// Before the first input: the handshake may take so long, counted from its beginning.
    pub(super) fn allow_handshake(&mut self, begun: Instant, within: Duration) {
        match self {
            Self::Calling(calling) => calling.until = begun + within,
            Self::Listening(listening) => listening.until = begun + within,
            _ => {}
        }
    }

    /// The end of the time for the handshake, during it.
    pub(super) fn handshake_until(&self) -> Option<Instant> {
        match self {
            Self::Calling(calling) => Some(calling.until),
            Self::Proving(proving) => Some(proving.until),
            Self::Listening(listening) => Some(listening.until),
            Self::Asked(asked) => Some(asked.until),
            Self::Answered(answered) => Some(answered.until),
            Self::Open(_) | Self::Closing(_) | Self::Closed => None,
        }
    }

    /// What is being repeated.
    pub(super) fn repeat_at(&self) -> Option<Instant> {
        match self {
            Self::Calling(calling) => Some(calling.repeat.at),
            Self::Answered(answered) => Some(answered.repeat.at),
            Self::Closing(closing) => (closing.repeat.times > 0).then_some(closing.repeat.at),
            _ => None,
        }
    }
}
