//! What a peer is started with. Every time and count has a default; all are in one table of the
//! documentation.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use lamparina_keys::Identity;
use lamparina_protocol::peer::PeerName;

/// Where beacons go unless somebody says otherwise.
pub const MULTICAST_GROUP: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 255, 76, 77)), 7_677);
/// A registration at a rendezvous lasts so long unless renewed.
pub const RENDEZVOUS_TTL: Duration = Duration::from_secs(7_200);
/// A rendezvous is asked who is there this often, about.
pub const DISCOVER_EVERY: Duration = Duration::from_secs(10);
/// A message to a peer of the other protocol is acknowledged within this, or sent again.
pub const ACK_WITHIN: Duration = Duration::from_secs(5);
/// Links are asked for a sign of life this often.
pub const PING_EVERY: Duration = Duration::from_secs(2);
/// A link that gives none for so long is dead.
pub const PING_WITHIN: Duration = Duration::from_secs(6);
/// Attempts to reach an address that was only heard of.
pub const RECONNECT_ATTEMPTS: u32 = 10;
/// The wait before the second attempt.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(250);
/// The longest wait between two attempts.
pub const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// Addresses to listen at, and to dial from the start, at most each.
pub const ADDRESSES_MAX: usize = 64;

/// Where beacons go and come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MulticastConfig {
    /// Multicast groups, each with its port.
    pub groups: Vec<SocketAddr>,
    /// Only on these interfaces; none names all that can.
    pub ifaces: Vec<String>,
}

impl Default for MulticastConfig {
    fn default() -> Self {
        Self {
            groups: vec![MULTICAST_GROUP],
            ifaces: Vec::new(),
        }
    }
}

/// A directory of peers (PyP2P).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RendezvousConfig {
    /// `HOST:PORT`.
    pub server: String,
    /// A registration lasts so long; it is renewed before.
    pub ttl: Duration,
    /// How often to ask who is there.
    pub discover_every: Duration,
}

impl RendezvousConfig {
    /// With the usual times.
    pub const fn new(server: String) -> Self {
        Self {
            server,
            ttl: RENDEZVOUS_TTL,
            discover_every: DISCOVER_EVERY,
        }
    }
}

/// What a peer is started with.
#[derive(Debug)]
pub struct PeerConfig {
    /// What it is called.
    pub name: PeerName,
    /// Where it listens, at most [`ADDRESSES_MAX`] addresses; port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// `HOST:PORT` of peers that it dials, at most [`ADDRESSES_MAX`].
    pub peers: Vec<String>,
    /// Beacons; none where there are to be none.
    pub multicast: Option<MulticastConfig>,
    /// The directory to register with, if any.
    pub rendezvous: Option<RendezvousConfig>,
    /// The folder of its messages. One process at a time has it.
    pub data: PathBuf,
    /// Who it is.
    pub identity: Identity,
    /// Takes part in elections.
    pub election: bool,
    /// Links go by UDP where that works, and by TCP elsewhere.
    pub udp: bool,
    /// Links to all peers that it hears of, up to a full mesh; else only to those it is told to dial.
    pub mesh: bool,
    /// A message to a PyP2P peer is acknowledged within this, or sent again.
    pub ack_within: Duration,
    /// Links are asked for a sign of life this often.
    pub ping_every: Duration,
    /// A link that gives none for so long is dead: at least twice `ping_every`.
    pub ping_within: Duration,
    /// Attempts to reach an address that was only heard of; those of `peers` are tried for ever.
    pub reconnect_attempts: u32,
    /// The wait before the second attempt, which doubles from there on.
    pub backoff_first: Duration,
    /// The longest wait between two attempts.
    pub backoff_max: Duration,
}

impl PeerConfig {
    /// The usual: listens at any free port, looks for others by multicast, takes part in elections.
    pub fn new(name: PeerName, data: PathBuf, identity: Identity) -> Self {
        Self {
            name,
            listen: vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)],
            peers: Vec::new(),
            multicast: Some(MulticastConfig::default()),
            rendezvous: None,
            data,
            identity,
            election: true,
            udp: false,
            mesh: true,
            ack_within: ACK_WITHIN,
            ping_every: PING_EVERY,
            ping_within: PING_WITHIN,
            reconnect_attempts: RECONNECT_ATTEMPTS,
            backoff_first: BACKOFF_FIRST,
            backoff_max: BACKOFF_MAX,
        }
    }
}
