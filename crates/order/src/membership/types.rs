//! What membership is told, what it wants done, and what it says of peers.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::peer::control::Parting;
use lamparina_protocol::peer::{
    Coordinator, ElectionEpoch, Incarnation, PeerHello, PeerId, PeerName,
};
use lamparina_protocol::seal::IdentityKey;
use lamparina_protocol::{AuthorKey, Instant};

use crate::LinkId;

/// How membership goes about it. The defaults are those of the program.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MembershipConfig {
    /// Whether a coordinator is elected. Everything else works without.
    pub election: bool,
    /// Whether peers that others tell of are called too, so that all are linked with all (or enough).
    /// Without, only given addresses, beacons' and a rendezvous' are.
    pub mesh: bool,
    /// Whether beacons are sent.
    pub beacons: bool,
    /// HEARTBEAT leaves on each link this often.
    pub heartbeat_every: Duration,
    /// A neighbour of whom nothing came for so long is suspected: as a coordinator it is lost. Three heartbeats.
    pub suspected_after: Duration,
    /// A link on which nothing came for so long is closed. Longer than the above.
    pub dead_after: Duration,
    /// Attempts in a row to reach a peer, before it is tried now and then only. Given addresses have no limit.
    pub attempts: u32,
    /// The first waiting time between attempts, at most.
    pub backoff_first: Duration,
    /// Any waiting time between attempts, at most.
    pub backoff_max: Duration,
    /// A peer's own record is told again this often; one not told again for three times as long is stale.
    pub refresh_every: Duration,
}

impl Default for MembershipConfig {
    fn default() -> Self {
        Self {
            election: true,
            mesh: true,
            beacons: true,
            heartbeat_every: Duration::from_millis(500),
            suspected_after: Duration::from_millis(1_500),
            dead_after: Duration::from_secs(3),
            attempts: 10,
            backoff_first: Duration::from_millis(250),
            backoff_max: Duration::from_secs(10),
            refresh_every: Duration::from_secs(30),
        }
    }
}

/// Who this peer is.
#[derive(Clone, Debug)]
pub struct Own {
    /// Its key.
    pub identity: IdentityKey,
    /// Its life.
    pub incarnation: Incarnation,
    /// What it is called.
    pub name: PeerName,
    /// The port at which it listens; 0 where it does not.
    pub port: u16,
    /// Whether it listens there for datagrams too.
    pub udp: bool,
    /// Where it can be reached, as far as it knows; the first four are told.
    pub addrs: Vec<SocketAddr>,
    /// The greatest epoch that was ever on disk.
    pub epoch: ElectionEpoch,
    /// Decides jitter and choices.
    pub seed: u64,
}

/// An attempt to reach somebody; no number is used twice in a life.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Attempt(pub u64);

/// Where an address comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// Whoever runs the peer gave it (`--peer`): tried for ever.
    Given,
    /// A rendezvous told it.
    Rendezvous,
    /// It was good in an earlier life.
    Stored,
}

/// What membership is told.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// Time has passed.
    Tick,
    /// A datagram came to the multicast group.
    Beacon {
        /// From where.
        from: SocketAddr,
        /// What it holds.
        bytes: &'a [u8],
    },
    /// An address where a peer may be.
    Address {
        /// Where.
        addr: SocketAddr,
        /// Who said so.
        source: Source,
    },
    /// Where this peer can be reached has changed.
    OwnAddresses(Vec<SocketAddr>),
    /// A link is open, and its other end has proved who it is.
    LinkUp {
        /// Its number.
        link: LinkId,
        /// The attempt that made it; none where the other side called.
        attempt: Option<Attempt>,
        /// Whose key was proved.
        key: AuthorKey,
        /// What it said first.
        hello: PeerHello,
        /// The address at its other end.
        addr: SocketAddr,
    },
    /// An attempt has failed.
    DialFailed {
        /// Which.
        attempt: Attempt,
    },
    /// A link is closed, by whomever.
    LinkDown {
        /// Which.
        link: LinkId,
    },
    /// Something else came on a link: its other end lives. Said at most a few times a second.
    Heard {
        /// Which.
        link: LinkId,
    },
    /// A neighbour's [`LinkMessage::Control`](lamparina_protocol::peer::LinkMessage::Control).
    Control {
        /// On which link.
        link: LinkId,
        /// What it says.
        bytes: &'a [u8],
    },
    /// A neighbour's [`LinkMessage::Bye`](lamparina_protocol::peer::LinkMessage::Bye).
    Bye {
        /// On which link.
        link: LinkId,
    },
    /// The epoch of [`Output::Persist`] is on disk.
    Persisted(ElectionEpoch),
    /// Everybody is to be tried anew, at once.
    Reconnect,
    /// This peer leaves: it says so to all, and calls nobody any more.
    Leave,
}

/// Why a link is to be closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Closing {
    /// It leads to ourselves.
    Ourselves,
    /// Nothing came for too long.
    Dead,
    /// The neighbour said what it must not say: in words.
    Fault(&'static str),
    /// There is no need of it.
    Parting(Parting),
}

/// What membership wants done, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Output {
    /// Call this address; then say [`Input::LinkUp`] or [`Input::DialFailed`].
    Dial {
        /// The number of the attempt.
        attempt: Attempt,
        /// Where.
        addr: SocketAddr,
    },
    /// Close a link once what was sent on it has left; [`Input::LinkDown`] need not follow.
    Close {
        /// Which.
        link: LinkId,
        /// Why.
        why: Closing,
    },
    /// Send this as [`LinkMessage::Control`](lamparina_protocol::peer::LinkMessage::Control).
    Send {
        /// On which link.
        link: LinkId,
        /// What.
        control: Bytes,
    },
    /// Send this datagram to the multicast group, on every interface.
    Beacon(Bytes),
    /// Put this epoch on disk, then say [`Input::Persisted`].
    Persist(ElectionEpoch),
    /// Something that people, or the other machines, may want to know.
    Event(Event),
}

/// Why a peer is not there any more.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Departure {
    /// It said so.
    Left,
    /// Its neighbours lost it.
    Lost,
    /// Nobody told of it for long.
    Silent,
}

/// What has happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// A peer is there that was not.
    Joined(AuthorKey),
    /// A peer is not there any more.
    Left {
        /// Which.
        key: AuthorKey,
        /// Why.
        why: Departure,
    },
    /// A neighbour is silent; `false`: and is heard again.
    Suspected {
        /// Which.
        key: AuthorKey,
        /// Whether it is.
        silent: bool,
    },
    /// Another peer coordinates, or none.
    Coordinator(Option<Coordinator>),
    /// The coordinator gave this peer its number.
    Id(PeerId),
    /// The coordinator says from whom to take history first: a hint.
    History(Vec<AuthorKey>),
    /// Our own beacon came back, from this address of ours.
    OwnBeacon(SocketAddr),
    /// Another peer runs with our key, as somebody at this address shows: a link proved it, or a record of
    /// a life that is later than ours.
    SameKey(SocketAddr),
}

/// What is known of a peer's presence.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum PeerState {
    /// Linked.
    Active,
    /// Known, not linked.
    Stale,
    /// Only an address.
    Unknown,
}

/// Measured round trips to a peer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rtt {
    /// The last one.
    pub last: Duration,
    /// The sum of all, for [`Self::mean`].
    pub sum: Duration,
    /// How many.
    pub count: u32,
}

impl Rtt {
    /// Counts one more.
    pub fn add(&mut self, rtt: Duration) {
        self.last = rtt;
        self.sum = self.sum.saturating_add(rtt);
        self.count = self.count.saturating_add(1);
    }

    /// The mean; none before the first.
    pub fn mean(&self) -> Option<Duration> {
        self.sum.checked_div(self.count)
    }
}

/// A peer, as `/peers` shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeerInfo {
    /// Its key, where it is known.
    pub key: Option<AuthorKey>,
    /// What it is called.
    pub name: Option<PeerName>,
    /// Its life.
    pub incarnation: Option<Incarnation>,
    /// Where it may be reached, the best first.
    pub addrs: Vec<SocketAddr>,
    /// Whether we are linked.
    pub state: PeerState,
    /// Whether it is taken to be there, linked or not.
    pub present: bool,
    /// Whether its address was given by who runs this peer.
    pub given: bool,
    /// When something of it came last.
    pub last_seen: Option<Instant>,
    /// Links that were made.
    pub successes: u32,
    /// Attempts that failed.
    pub failures: u32,
    /// When it is tried next.
    pub next_attempt: Option<Instant>,
    /// Round trips.
    pub rtt: Rtt,
    /// The number that it says it was given.
    pub id: Option<PeerId>,
}

/// A link, as `/conn` shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LinkInfo {
    /// Its number.
    pub link: LinkId,
    /// Who is at the other end.
    pub key: AuthorKey,
    /// Whether the other side called.
    pub inbound: bool,
    /// The address at the other end.
    pub addr: SocketAddr,
    /// Since when.
    pub since: Instant,
    /// When something came last.
    pub heard: Instant,
    /// Whether it is suspected.
    pub suspected: bool,
    /// Round trips.
    pub rtt: Rtt,
}
