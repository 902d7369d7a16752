//! What the library asks its driver to do.

use std::time::Duration;

use lamparina_impair::{Settings, Stats};
use lamparina_protocol::Audience;
use lamparina_protocol::link::{LinkStats, Terms};
use lamparina_transport::SocketOptions;
use tokio::sync::oneshot;

use crate::core::carrier::Carrier;
use crate::core::conversation::{CancelError, CancelReport, SayError, Status};
use crate::core::event::MessageName;
use crate::core::meter::Reading;
use crate::core::outbox::{Ask, Cancel};

/// Why not; and the request itself, where it will be taken later.
pub(crate) type NotTaken<T> = (SayError, Option<T>);

/// One request, with where its answer goes.
#[derive(Debug)]
pub(crate) enum Request {
    /// A message.
    Say {
        /// For whom.
        audience: Audience,
        /// The text. Comes back where it was not taken for want of room.
        text: String,
        /// Its name.
        reply: oneshot::Sender<Result<MessageName, NotTaken<(Audience, String)>>>,
    },
    /// Something else for the server.
    Ask {
        /// What.
        ask: Ask,
        /// Whether it was taken.
        reply: oneshot::Sender<Result<(), NotTaken<Ask>>>,
    },
    /// Take messages back.
    Cancel {
        /// Which.
        which: Cancel,
        /// What came of it.
        reply: oneshot::Sender<Result<CancelReport, CancelError>>,
    },
    /// Send here what waits for another log.
    Adopt {
        /// How many that were, and how many are left.
        reply: oneshot::Sender<Result<(usize, usize), SayError>>,
    },
    /// Forget what waits for another log.
    Forget {
        /// How many that were.
        reply: oneshot::Sender<Result<usize, SayError>>,
    },
    /// How things are.
    Status {
        /// So they are.
        reply: oneshot::Sender<NetStatus>,
    },
    /// A new connection now.
    Reconnect,
    /// Leave, orderly.
    Close {
        /// How long to wait for what is unsettled.
        within: Option<Duration>,
    },
}

/// A conversation and its connection, as they are now.
#[derive(Clone, Debug)]
pub struct NetStatus {
    /// The conversation.
    pub conversation: Status,
    /// The link's counters and measures; `None` while there is none.
    pub link: Option<LinkStats>,
    /// What the link is like, once it is open.
    pub reading: Option<Reading>,
    /// What carries it.
    pub carrier: Option<Carrier>,
    /// Whether links are sealed.
    pub sealed: bool,
    /// What both ends agreed on, once they have.
    pub terms: Option<Terms>,
    /// This end of the connection and the other one: `HOST:PORT`, behind `udp://` over datagrams.
    pub ends: Option<(String, String)>,
    /// What holds at its TCP socket.
    pub socket: Option<SocketOptions>,
    /// The bad channel on purpose, where there is one.
    pub channel: Option<ChannelStatus>,
}

/// A bad channel on purpose: what it is set to and what it did.
#[derive(Clone, Debug)]
pub struct ChannelStatus {
    /// What became of frames towards the server.
    pub outward: Stats,
    /// What became of frames from the server.
    pub inward: Stats,
    /// The settings of both; each direction has a seed of its own, derived from theirs.
    pub settings: Settings,
}
