//! Links to other peers: a task for each, between its socket and the node. Keeps these: who is there is
//! proved before the node hears of it; what comes has been read, and its signatures looked at, before it
//! costs the node anything; nobody waits for a link but its own task.
//!
//! | file | does |
//! |---|---|
//! | `listener` | accepts, and hears from the first byte what is spoken |
//! | `dial` | makes links |
//! | `task` | drives one |
//! | `said` | what came, read and proved |
//! | `proven` | signatures that were looked at already |

mod dial;
mod listener;
mod proven;
mod said;
mod task;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::AuthorKey;
use lamparina_protocol::codec;
use lamparina_protocol::control::CloseCode;
use lamparina_protocol::link::{Link, LinkConfig};
use lamparina_protocol::peer::PeerHello;
use lamparina_protocol::seal::{IdentityKey, LinkKeys, SEED_BYTES, Transport};
use lamparina_transport::Clock;
use tokio::sync::mpsc;

use crate::event::{Direction, Spoken};
use crate::foreign::FromForeign;
pub(crate) use dial::{Dialled, dial};
pub(crate) use listener::{INBOUND_MAX, listen, listen_datagrams};
pub(crate) use proven::Proven;
pub(crate) use said::Said;

/// The version of what peers say.
pub(crate) const VERSION: u16 = 1;
/// Messages that wait for a link's task; what finds no room waits in the order's cursor.
pub(crate) const QUEUE_MAX: usize = 16;
/// What links have for the node, and it has not taken; then links read no more.
pub(crate) const INPUTS_MAX: usize = 64;
/// What a link that is told to close has to hand over its last words.
pub(crate) const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Numbers of links, of both protocols.
#[derive(Debug, Default)]
pub(crate) struct Numbers(AtomicU64);

impl Numbers {
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// What all links have in common.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) identity: IdentityKey,
    /// Our first words.
    pub(crate) hello: PeerHello,
    pub(crate) config: LinkConfig,
    pub(crate) clock: Clock,
    /// Others are called over UDP first.
    pub(crate) udp: bool,
    pub(crate) numbers: Numbers,
    pub(crate) proven: Proven,
    pub(crate) node: mpsc::Sender<FromLink>,
    /// Streams of the other protocol.
    pub(crate) foreign: mpsc::Sender<FromForeign>,
}

impl Common {
    fn words(&self) -> Bytes {
        // Names are short, and nothing else has a length.
        codec::encode(&self.hello).unwrap_or_default()
    }

    fn keys(&self, transport: Transport) -> Result<LinkKeys, getrandom::Error> {
        let mut seed = [0; SEED_BYTES];
        getrandom::fill(&mut seed)?;
        Ok(LinkKeys::new(self.identity.clone(), seed, transport))
    }

    fn config(&self) -> Result<LinkConfig, getrandom::Error> {
        Ok(LinkConfig {
            token: getrandom::u32()?,
            ..self.config.clone()
        })
    }

    fn initiate(&self, transport: Transport) -> Result<Link, getrandom::Error> {
        let link = Link::initiate(self.config()?, self.words(), self.clock.now());
        Ok(link.sealed(self.keys(transport)?))
    }

    fn respond(&self, transport: Transport) -> Result<Link, getrandom::Error> {
        let link = Link::respond(self.config()?, self.clock.now());
        Ok(link.sealed(self.keys(transport)?))
    }
}

/// What links tell the node.
#[derive(Debug)]
pub(crate) enum FromLink {
    /// A link has opened.
    Opened(Box<Opened>),
    /// Something was said on it.
    Said { number: u64, said: Said },
    /// What was said on it cannot be read, or was not signed: the other side's fault.
    Fault { number: u64, words: String },
    /// Its queue is empty again.
    Room { number: u64 },
    /// It has ended.
    Ended { number: u64, reason: String },
    /// An attempt came to nothing.
    NotDialled { attempt: u64, reason: String },
}

/// A link that has opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) handle: LinkHandle,
    pub(crate) direction: Direction,
    pub(crate) spoken: Spoken,
    /// The socket's other end.
    pub(crate) addr: SocketAddr,
    pub(crate) key: AuthorKey,
    pub(crate) hello: PeerHello,
    /// Of one that we dialled: which attempt it was.
    pub(crate) attempt: Option<u64>,
}

/// The node's end of a link. Dropped, the link closes once what is in its queue has left.
#[derive(Debug)]
pub(crate) struct LinkHandle {
    pub(crate) number: u64,
    queue: mpsc::Sender<Bytes>,
    closing: Arc<OnceLock<(CloseCode, String)>>,
    measures: Arc<Measures>,
}

/// What a link's task measures, for whoever looks.
#[derive(Debug, Default)]
struct Measures {
    /// The last round trip; 0 until there is one.
    rtt_micros: AtomicU64,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
}

impl LinkHandle {
    /// Messages that the queue takes now.
    pub(crate) fn room(&self) -> usize {
        self.queue.capacity()
    }

    /// Puts a message into the queue; `false` where there is no room, or nobody any more.
    pub(crate) fn say(&self, message: Bytes) -> bool {
        self.queue.try_send(message).is_ok()
    }

    /// Closes the link, once what is in the queue has left.
    pub(crate) fn close(self, code: CloseCode, text: String) {
        // Nobody else has set it: it takes the handle.
        let _ = self.closing.set((code, text));
    }

    /// The last round trip, once measured.
    pub(crate) fn rtt(&self) -> Option<Duration> {
        match self.measures.rtt_micros.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Duration::from_micros(micros)),
        }
    }

    /// One without a task, and what sets how many bytes have come.
    #[cfg(test)]
    pub(crate) fn unattended() -> (Self, impl Fn(u64)) {
        let measures = Arc::<Measures>::default();
        let handle = Self {
            number: 1,
            queue: mpsc::channel(QUEUE_MAX).0,
            closing: Arc::default(),
            measures: measures.clone(),
        };
        let set = move |bytes| measures.received_bytes.store(bytes, Ordering::Relaxed);
        (handle, set)
    }

    /// Bytes sent and received so far, as the last look at the link showed.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (
            of(&self.measures.sent_bytes),
            of(&self.measures.received_bytes),
        )
    }
}

#[cfg(test)]
mod tests;
