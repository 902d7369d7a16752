//! Carries a link by datagrams. [`DatagramListener`] is one socket for all links that others ask for;
//! who asks has a socket of its own. What comes from which address, and where data goes, is decided by
//! [`Paths`] and [`Rebinding`].
//!
//! A link's deadlines may be fractions of a millisecond away, timers are not: a link says at each tick
//! all that is due by then, in bursts of at most a millisecond's worth.

mod inbox;
mod listener;
mod outgoing;
mod socket;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::Instant;
use lamparina_protocol::datagram::{Challenge, Paths, Profile, Rebind, Rebinding, Way};
use lamparina_protocol::link::DatagramOutcome;

pub use inbox::{INBOX_BYTES_EARLY, INBOX_BYTES_MAX};
pub use listener::{ACCEPTING_MAX, AskLoad, DatagramListener, Incoming, Receiving};
pub use outgoing::OUTGOING_BYTES_MAX;
pub use socket::SOCKET_BYTES;

use listener::Place;
use outgoing::{Left, Outgoing};
pub(crate) use socket::Arrived;
use socket::{PIECE_BYTES, Socket};

/// A full socket is asked again after this.
pub(crate) const FULL_FOR: Duration = Duration::from_millis(2);
/// Pieces that who calls takes by one system call.
const CALLER_PIECES: usize = 4;
/// Datagrams that may be a link's last words.
const LAST_WORDS_MAX: usize = 4;

thread_local! {
    /// One read buffer a thread, for the sockets of those who call.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; CALLER_PIECES * PIECE_BYTES]);
}

/// A link's way to its peer.
#[derive(Debug)]
pub(crate) struct Datagrams {
    end: End,
    outgoing: Outgoing,
    full_until: Option<Instant>,
    received_bytes: u64,
    received: u64,
    /// What left at last, to be said again when the peer has not heard it.
    last_words: Vec<Bytes>,
}

#[derive(Debug)]
enum End {
    Called {
        place: Place,
        paths: Paths,
        /// The address of ours that the peer sends to.
        own: Option<IpAddr>,
    },
    Caller {
        socket: Socket,
        peer: SocketAddr,
        rebinding: Rebinding,
        /// Nothing listens there, as the system said before anything came.
        refused: bool,
    },
}

/// What time brought.
pub(crate) enum Due {
    Nothing,
    /// Data leaves from another address of ours from now on.
    OtherWay,
    /// A challenge is to be sent.
    Challenge(Challenge),
    /// Nobody is there who knows the link.
    Gone,
}

impl Datagrams {
    /// For a link that somebody asked for. `seed` is random and known to nobody else.
    pub(crate) fn called(incoming: Incoming, seed: u64) -> Self {
        let Incoming {
            from,
            proven,
            place,
            ..
        } = incoming;
        let paths = Paths::new(from, proven, seed);
        Self::new(End::Called {
            place,
            paths,
            own: None,
        })
    }

    /// For a link to `peer`, from a socket of its own.
    pub(crate) fn call(peer: SocketAddr, profile: Profile, now: Instant) -> io::Result<Self> {
        Ok(Self::new(End::Caller {
            socket: connect(peer)?,
            peer,
            rebinding: Rebinding::new(profile, now),
            refused: false,
        }))
    }

    fn new(end: End) -> Self {
        Self {
            end,
            outgoing: Outgoing::default(),
            full_until: None,
            received_bytes: 0,
            received: 0,
            last_words: Vec::new(),
        }
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket().local_addr()
    }

    pub(crate) fn peer_addr(&self) -> SocketAddr {
        match &self.end {
            End::Called { paths, .. } => paths.current(),
            End::Caller { peer, .. } => *peer,
        }
    }

    fn socket(&self) -> &Socket {
        match &self.end {
            End::Called { place, .. } => &place.shared.socket,
            End::Caller { socket, .. } => socket,
        }
    }

    /// Bytes that came so far.
    pub(crate) const fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// Whether the system said that nothing listens there, and nothing came.
    pub(crate) const fn is_refused(&self) -> bool {
        matches!(&self.end, End::Caller { refused: true, .. }) && self.received == 0
    }

    /// Bytes that wait for the socket.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.outgoing.bytes()
    }

    /// Waits for datagrams and takes them; none where the socket said something else. Cancel-safe.
    pub(crate) async fn take(&mut self) -> Vec<Arrived> {
        match &mut self.end {
            End::Called { place, .. } => poll_fn(|context| place.inbox.poll_take(context)).await,
            End::Caller {
                socket, refused, ..
            } => {
                let mut arrived = Vec::new();
                loop {
                    socket.readable().await;
                    let received =
                        SCRATCH.with_borrow_mut(|buffer| socket.try_receive(buffer, &mut arrived));
                    match received {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) => {
                            *refused |= error.kind() == io::ErrorKind::ConnectionRefused;
                            return arrived;
                        }
                        Ok(()) => return arrived,
                    }
                }
            }
        }
    }

    /// Waits until there are some. Cancel-safe.
    pub(crate) async fn look(&self) {
        match &self.end {
            End::Called { place, .. } => poll_fn(|context| place.inbox.poll_look(context)).await,
            End::Caller { socket, .. } => socket.readable().await,
        }
    }

    /// A datagram came, before the link has judged it.
    pub(crate) fn came(&mut self, arrived: &Arrived) {
        self.received += 1;
        self.received_bytes += arrived.bytes.len() as u64;
        if let End::Called { paths, own, .. } = &mut self.end {
            paths.came(arrived.from, arrived.bytes.len());
            // Only before anything was proved: later whoever pretends to be the peer has no say in it.
            *own = own.or(arrived.to);
        }
    }

    /// The link has judged a datagram that came; gives whether data goes another way from now on.
    pub(crate) fn judged(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: Option<IpAddr>,
        bytes: usize,
        outcome: DatagramOutcome,
    ) -> bool {
        match &mut self.end {
            End::Called { paths, own, .. } => {
                let way = paths.judged(now, from, bytes, outcome);
                if way != Way::Same {
                    tracing::debug!(%from, "a link goes on from another address");
                }
                if outcome.authentic && outcome.newest && from == paths.current() {
                    *own = to;
                }
                way == Way::Other
            }
            // Only the peer's own word says that the socket is a good one.
            End::Caller { rebinding, .. } => {
                if outcome.authentic {
                    rebinding.heard();
                }
                false
            }
        }
    }

    /// The link is open: its peer is where its datagrams come from.
    pub(crate) fn opened(&mut self) {
        if let End::Called { paths, place, .. } = &mut self.end {
            paths.prove();
            place.inbox.widen();
        }
    }

    /// Datagrams are to leave; the peer `owes` an answer to them, or not: only then its silence says
    /// something of this socket.
    pub(crate) fn push_all(&mut self, now: Instant, wire: Vec<Bytes>, owes: bool) {
        if wire.is_empty() {
            return;
        }
        self.last_words.clear();
        let from = wire.len().saturating_sub(LAST_WORDS_MAX);
        self.last_words.extend_from_slice(&wire[from..]);
        for datagram in wire {
            self.push(datagram);
        }
        if let (End::Caller { rebinding, .. }, true) = (&mut self.end, owes) {
            rebinding.sent(now);
        }
    }

    fn push(&mut self, datagram: Bytes) {
        match &mut self.end {
            End::Called { paths, .. } => {
                if paths.may_send(datagram.len()) {
                    self.outgoing.push(datagram);
                }
            }
            End::Caller { .. } => self.outgoing.push(datagram),
        }
    }

    /// Says the last words again.
    pub(crate) fn repeat_last_words(&mut self) {
        for datagram in self.last_words.clone() {
            self.push(datagram);
        }
    }

    /// Whether a peer may be there that has not heard the last words.
    pub(crate) fn may_have_listener(&self) -> bool {
        match &self.end {
            End::Called { paths, .. } => paths.is_proven() && !self.last_words.is_empty(),
            End::Caller { .. } => !self.last_words.is_empty(),
        }
    }

    /// Sends a challenge's datagram to where it belongs. One that is lost here is lost like any other: it
    /// is repeated.
    pub(crate) fn send_challenge(&mut self, challenge: Challenge, datagram: &[u8]) {
        if let End::Called { place, paths, own } = &mut self.end
            && paths.may_challenge(challenge.to, datagram.len())
        {
            let socket = &place.shared.socket;
            let _ = socket.try_send(challenge.to, *own, datagram, datagram.len());
        }
    }

    /// Hands over what the socket takes.
    pub(crate) fn flush(&mut self, now: Instant) {
        if self.outgoing.is_empty() || self.full_until.is_some_and(|until| until > now) {
            return;
        }
        let Self {
            end,
            outgoing,
            full_until,
            ..
        } = self;
        let (to, socket, own, mut caller) = match end {
            End::Called { place, paths, own } => {
                (paths.current(), &place.shared.socket, *own, None)
            }
            End::Caller {
                socket,
                peer,
                rebinding,
                refused,
            } => (*peer, &*socket, None, Some((rebinding, refused))),
        };
        *full_until = None;
        loop {
            let error = match outgoing.send(socket, to, own) {
                Left::All => return,
                Left::Full => {
                    *full_until = Some(now + FULL_FOR);
                    return;
                }
                Left::Failed(error) => error,
            };
            tracing::debug!(%to, "a datagram could not be sent: {error}");
            match &mut caller {
                // Others' datagrams, and those behind it, may leave.
                None => {}
                // It was said once, of an earlier one: the next may leave.
                Some((_, refused)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    **refused = true;
                }
                Some((rebinding, _)) => {
                    rebinding.failed();
                    return;
                }
            }
        }
    }

    /// Notes what the socket said since, and does what time asks for.
    pub(crate) fn due(&mut self, now: Instant) -> Due {
        match &mut self.end {
            End::Called { paths, .. } => paths.challenge(now).map_or(Due::Nothing, Due::Challenge),
            End::Caller {
                socket,
                peer,
                rebinding,
                refused,
            } => {
                if *refused {
                    rebinding.refused(now);
                    *refused = self.received == 0;
                }
                match rebinding.decide(now) {
                    Rebind::Keep => Due::Nothing,
                    Rebind::Gone => Due::Gone,
                    Rebind::Bind => {
                        // There is no network now; the old socket will say so again.
                        let Ok(other) = connect(*peer) else {
                            rebinding.failed();
                            return Due::Nothing;
                        };
                        let ip = |socket: &Socket| socket.local_addr().map(|at| at.ip()).ok();
                        let same = ip(socket) == ip(&other);
                        *socket = other;
                        match same {
                            true => Due::Nothing,
                            false => Due::OtherWay,
                        }
                    }
                }
            }
        }
    }

    /// When something is to be done, whatever comes.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let due = match &self.end {
            End::Called { paths, .. } => paths.deadline(),
            End::Caller { rebinding, .. } => rebinding.deadline(),
        };
        [due, self.full_until].into_iter().flatten().min()
    }

    /// Whether nothing waits for the socket.
    pub(crate) fn is_flushed(&self) -> bool {
        self.outgoing.is_empty()
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        let dropped = self.outgoing.dropped();
        if dropped > 0 {
            tracing::debug!(dropped, "datagrams were not taken by the socket");
        }
    }
}

/// A socket of one's own to `peer`. It hears nobody else, and of the system that nothing listens there.
fn connect(peer: SocketAddr) -> io::Result<Socket> {
    let any: IpAddr = match peer {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = std::net::UdpSocket::bind((any, 0))?;
    socket.set_nonblocking(true)?;
    socket.connect(peer)?;
    Socket::new(socket)
}
