//! What the handle asks of the node.

use std::time::Duration;

use lamparina_protocol::RoomName;
use lamparina_protocol::peer::MessageName;
use tokio::sync::oneshot;

use crate::error::PeerError;
use crate::event::{
    CoordinatorLine, HistoryKey, Line, LinkLine, PeerLine, Recipients, Summary, Trace, Why,
};

/// Requests that wait; whoever has one more waits with it.
pub(crate) const REQUESTS_MAX: usize = 64;

/// Where an answer goes. Who asked may have gone.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// A request.
#[derive(Debug)]
pub(crate) enum Request {
    Say {
        to: Recipients,
        text: String,
        reply: Reply<Result<MessageName, PeerError>>,
    },
    Peers(Reply<Vec<PeerLine>>),
    Links(Reply<Vec<LinkLine>>),
    Coordinator(Reply<Option<CoordinatorLine>>),
    History {
        count: u32,
        before: Option<HistoryKey>,
        reply: Reply<Result<Vec<Line>, PeerError>>,
    },
    Find {
        words: String,
        reply: Reply<Result<Vec<Line>, PeerError>>,
    },
    Why {
        one: String,
        other: String,
        reply: Reply<Result<Why, PeerError>>,
    },
    Trace {
        which: String,
        reply: Reply<Result<Trace, PeerError>>,
    },
    Reconnect,
    Dial(String),
    Unregister(Reply<Result<(), PeerError>>),
    Join(RoomName),
    Leave(RoomName),
    Close {
        within: Duration,
        reply: Reply<Summary>,
    },
}
