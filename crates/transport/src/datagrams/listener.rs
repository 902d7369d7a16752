//! One UDP socket for many links: what comes is handed on by connection id, whatever address it comes
//! from. What belongs to no link is judged by the [`Gate`]; what that lets in waits to be accepted.
//!
//! The task that receives lives as long as [`Receiving`]: also while a server that takes no more says
//! goodbye.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lamparina_protocol::datagram::{ConnectionId, Gate, Load, Profile, Verdict, peek};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::debug;

use super::inbox::Inbox;
use super::socket::{Arrived, PIECE_BYTES, Socket};
use crate::clock::Clock;

/// Links that wait to be accepted; what asks beyond asks again.
pub const ACCEPTING_MAX: usize = 256;
/// Pieces taken by one system call.
const PIECES: usize = 16;
/// Calls before other tasks have their turn.
const CALLS_AT_ONCE: usize = 8;

/// Asked how busy the listener's owner is, for each datagram that asks for a link.
pub type AskLoad = Box<dyn Fn() -> Load + Send + Sync>;

/// Links that others ask for, over one socket.
#[derive(Debug)]
pub struct DatagramListener {
    incoming: mpsc::Receiver<Incoming>,
    receiving: Receiving,
}

/// The task that receives for all links of a listener, as long as this lives.
#[derive(Debug)]
pub struct Receiving {
    task: JoinHandle<()>,
    shared: Arc<Shared>,
}

/// What the links of a listener share.
pub(crate) struct Shared {
    pub(crate) socket: Socket,
    links: Mutex<HashMap<ConnectionId, Arc<Inbox>>>,
}

/// A link that somebody asks for; its first datagram waits inside. Dropped, it was not asked for.
#[derive(Debug)]
pub struct Incoming {
    pub(crate) from: SocketAddr,
    pub(crate) proven: bool,
    profile: Profile,
    pub(crate) place: Place,
}

/// A link's place among those of its listener, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    connection: ConnectionId,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) shared: Arc<Shared>,
}

impl DatagramListener {
    /// Receives from `socket`, which is bound. `secret` is random and known to nobody else.
    ///
    /// # Errors
    ///
    /// When the system does not let it be used so.
    pub fn start(
        socket: std::net::UdpSocket,
        clock: Clock,
        secret: [u8; 32],
        load: AskLoad,
    ) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let shared = Arc::new(Shared {
            socket: Socket::new(socket)?,
            links: Mutex::default(),
        });
        let (accepting, incoming) = mpsc::channel(ACCEPTING_MAX);
        let receiver = Receiver {
            shared: shared.clone(),
            clock,
            gate: Gate::new(secret),
            load,
            accepting,
        };
        let task = tokio::spawn(receiver.run());
        let receiving = Receiving { task, shared };
        Ok(Self {
            incoming,
            receiving,
        })
    }

    /// The next link that is asked for. Cancel-safe. `None` when nothing can come any more.
    pub async fn next(&mut self) -> Option<Incoming> {
        self.incoming.recv().await
    }

    /// Takes no more links. Those that there are go on as long as what this gives lives.
    pub fn stop(self) -> Receiving {
        self.receiving
    }

    /// The address bound.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.receiving.shared.socket.local_addr()
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Incoming {
    /// The link's id.
    pub const fn connection(&self) -> ConnectionId {
        self.place.connection
    }

    /// What kind of line its caller says it is.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// Where it was asked for from.
    pub const fn from(&self) -> SocketAddr {
        self.from
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let links = self.lock().len();
        f.debug_struct("Shared")
            .field("socket", &self.socket)
            .field("links", &links)
            .finish()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<ConnectionId, Arc<Inbox>>> {
        // Nothing that panics runs inside.
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(self: &Arc<Self>, connection: ConnectionId) -> Place {
        let inbox = Arc::new(Inbox::new());
        self.lock().insert(connection, inbox.clone());
        Place {
            connection,
            inbox,
            shared: self.clone(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.lock().remove(&self.connection);
        let dropped = self.inbox.dropped();
        if dropped > 0 {
            debug!(connection = %self.connection, dropped, "datagrams found no room");
        }
    }
}

/// The task that receives.
struct Receiver {
    shared: Arc<Shared>,
    clock: Clock,
    gate: Gate,
    load: AskLoad,
    accepting: mpsc::Sender<Incoming>,
}

impl Receiver {
    async fn run(self) {
        let mut buffer = vec![0; PIECES * PIECE_BYTES];
        let mut arrived = Vec::new();
        loop {
            self.shared.socket.readable().await;
            for _ in 0..CALLS_AT_ONCE {
                match self.shared.socket.try_receive(&mut buffer, &mut arrived) {
                    Ok(()) => self.hand_on(&mut arrived),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // What one peer's machine said of one datagram concerns nobody else.
                    Err(error) => debug!("of an earlier datagram: {error}"),
                }
            }
            tokio::task::yield_now().await;
        }
    }

    fn hand_on(&self, arrived: &mut Vec<Arrived>) {
        for datagram in arrived.drain(..) {
            let Some((connection, _)) = peek(&datagram.bytes) else {
                continue;
            };
            let inbox = self.shared.lock().get(&connection).cloned();
            match inbox {
                Some(inbox) => inbox.push(datagram),
                None => self.unknown(datagram),
            }
        }
    }

    /// Of no link that there is.
    fn unknown(&self, datagram: Arrived) {
        let (now, load) = (self.clock.now(), (self.load)());
        match self.gate.judge(now, &datagram.bytes, datagram.from, load) {
            Verdict::Open {
                connection,
                proven,
                profile,
            } => {
                // Without room nothing is kept: who asks does so again.
                let Ok(room) = self.accepting.try_reserve() else {
                    return;
                };
                let (from, place) = (datagram.from, self.shared.place(connection));
                place.inbox.push(datagram);
                room.send(Incoming {
                    from,
                    proven,
                    profile,
                    place,
                });
            }
            Verdict::Retry(retry) => {
                let socket = &self.shared.socket;
                // A socket that is full drops it: who asks does so again.
                let _ = socket.try_send(datagram.from, datagram.to, &retry, retry.len());
            }
            Verdict::Silence(why) => {
                debug!(from = %datagram.from, ?why, "a datagram is not answered")
            }
        }
    }
}
