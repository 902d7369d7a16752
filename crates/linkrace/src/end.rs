//! One end of a transport as the race drives it: a state machine that gets time and datagrams, and
//! gives datagrams and whole messages. Every transport delivers its messages in order, each once.

use bytes::Bytes;
use lamparina_protocol::Instant;
use lamparina_protocol::link::LinkStats;

use crate::body::Kind;

/// Bytes of a datagram, at most: what passes everywhere (RFC 9000, 14). All transports keep to it.
pub const DATAGRAM_BYTES_MAX: usize = 1_200;

/// A message that came out.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Its kind.
    pub kind: Kind,
    /// All of it.
    pub body: Bytes,
}

/// One end.
pub trait End {
    /// Time has passed. Also the first call of all, which begins the handshake.
    fn tick(&mut self, now: Instant);

    /// When to call `tick` again; `None` while nothing is pending.
    fn deadline(&mut self) -> Option<Instant>;

    /// A datagram came.
    fn receive(&mut self, now: Instant, datagram: Bytes);

    /// Takes a message, `false` where there is no room for it now. There always is for a small one.
    fn send(&mut self, now: Instant, kind: Kind, body: &Bytes) -> bool;

    /// Appends the datagrams that leave now.
    fn poll(&mut self, now: Instant, out: &mut Vec<Bytes>);

    /// Appends the messages that have come, in order.
    fn delivered(&mut self, out: &mut Vec<Delivered>);

    /// Whether messages can be sent.
    fn is_open(&self) -> bool;

    /// Whether the end has given up: nothing comes of it any more.
    fn is_dead(&self) -> bool;

    /// Measures of our own link.
    fn link_stats(&self) -> Option<LinkStats> {
        None
    }
}

/// Which of two ends.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Side {
    /// The one that calls. Its datagrams go up.
    Client,
    /// The one that is called.
    Server,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Client, Self::Server];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    /// Place in an array of both.
    pub const fn index(self) -> usize {
        self as usize
    }
}
