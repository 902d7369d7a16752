//! Opens everything that a peer needs, and starts its thread.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lamparina_order::Membership;
use lamparina_order::converging::{self, Converging};
use lamparina_order::membership::{Input, MembershipConfig, Own as Member, Source};
use lamparina_protocol::AuthorKey;
use lamparina_protocol::bucket::TokenBucket;
use lamparina_protocol::datagram::Load;
use lamparina_protocol::link::LinkConfig;
use lamparina_protocol::peer::private::SealingKey;
use lamparina_protocol::peer::{ElectionEpoch, Incarnation, PeerHello, Signed};
use lamparina_protocol::{Instant, UnixMicros};
use lamparina_pyp2p::contacts::Contacts;
use lamparina_pyp2p::registration::{self, Registration};
use lamparina_pyp2p::{PeerId, SEED_BYTES, Settings};
use lamparina_transport::{Clock, DatagramListener};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::backlog::{Backlog, EVENTS_MAX};
use super::bodies::Bodies;
use super::foreign::Foreigners;
use super::inputs::{FOUND_MAX, Inputs};
use super::line::{Reader, room_key};
use super::names::Names;
use super::request::{REQUESTS_MAX, Request};
use super::saying::{BURST, RATE};
use super::storing::KEEP_EVERY;
use super::{Counts, Node, Own, wall_clock};
use crate::config::{ADDRESSES_MAX, PeerConfig};
use crate::error::PeerError;
use crate::event::Event;
use crate::foreign::{self, FromForeign};
use crate::links::{
    Common, INBOUND_MAX, INPUTS_MAX, Numbers, Proven, VERSION, listen, listen_datagrams,
};
use crate::multicast::{HEARD_MAX, Multicast};
use crate::store::{Batch, Kept, Store, StoreError};

/// Messages that are read from the store at once.
const RESTORED_MAX: usize = 1_024;
/// Bytes of them.
const RESTORED_BYTES_MAX: usize = 8 << 20;

/// Who asks for a link over UDP proves its address, always: a round trip more, and no flood is answered.
const PROVE_ALWAYS: Load = Load {
    under_way: 1,
    unproven_max: 0,
};

/// A peer that runs.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) listening: Vec<SocketAddr>,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) accepting: Accepting,
    pub(crate) thread: std::thread::JoinHandle<()>,
}

/// The program's ends of what a node has.
#[derive(Debug)]
pub(super) struct Ends {
    listening: Vec<SocketAddr>,
    events: mpsc::Receiver<Event>,
    pub(super) requests: mpsc::Sender<Request>,
    accepting: Accepting,
}

/// Tasks that accept links, as long as this lives.
#[derive(Debug)]
pub(crate) struct Accepting(Vec<JoinHandle<()>>);

impl Drop for Accepting {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// What the store gives.
struct Restored {
    store: Store,
    kept: Kept,
    incarnation: Incarnation,
    order: Converging,
    names: Names,
    delivered: u64,
}

/// Starts a peer.
pub(crate) async fn start(config: PeerConfig) -> Result<Started, PeerError> {
    let (node, inputs, ends) = open(config).await?;
    let thread = run(node, inputs)?;
    Ok(Started {
        listening: ends.listening,
        events: ends.events,
        requests: ends.requests,
        accepting: ends.accepting,
        thread,
    })
}

/// Opens everything; the node runs on no thread yet.
pub(super) async fn open(config: PeerConfig) -> Result<(Node, Inputs, Ends), PeerError> {
    check(&config)?;
    let clock = Clock::start();
    let began = wall_clock();
    let listeners = bind(&config.listen).await?;
    let listening = addrs_of(&listeners)?;
    let datagrams = match config.udp {
        true => bind_datagrams(&listening, clock)?,
        false => Vec::new(),
    };
    let restored = restore(&config, clock).await?;
    let (node_sender, links) = mpsc::channel(INPUTS_MAX);
    let (events_sender, events) = mpsc::channel(EVENTS_MAX);
    let (requests_sender, requests) = mpsc::channel(REQUESTS_MAX);
    let (heard_sender, heard) = mpsc::channel(HEARD_MAX);
    let (found_sender, found) = mpsc::channel(FOUND_MAX);
    let (foreign_sender, foreign) = mpsc::channel(foreign::INPUTS_MAX);
    let identity = config.identity.key();
    let port = listening.first().map_or(0, SocketAddr::port);
    let common = Arc::new(Common {
        identity: identity.clone(),
        hello: PeerHello {
            version: VERSION,
            name: config.name.clone(),
            incarnation: restored.incarnation,
            port,
        },
        config: link_config(&config),
        clock,
        udp: config.udp,
        numbers: Numbers::default(),
        proven: Proven::default(),
        node: node_sender,
        foreign: foreign_sender.clone(),
    });
    let room = Arc::new(Semaphore::new(INBOUND_MAX));
    let accept = |listener| tokio::spawn(listen(listener, common.clone(), room.clone()));
    let mut accepting = Accepting(listeners.into_iter().map(accept).collect());
    for listener in datagrams {
        let listening = listen_datagrams(listener, common.clone(), room.clone());
        accepting.0.push(tokio::spawn(listening));
    }
    let multicast = config.multicast.clone();
    let multicast = multicast.map(|groups| Multicast::new(groups, listening.clone(), heard_sender));
    let now = clock.now();
    let members = members(&config, &restored, port, now)?;
    let mut node = Node {
        clock,
        began,
        runtime: Handle::current(),
        common,
        own: Own {
            name: config.name.clone(),
            listen: listening.clone(),
            addrs: Vec::new(),
        },
        order: restored.order,
        members,
        store: restored.store,
        bodies: Bodies::default(),
        wires: BTreeMap::new(),
        open_links: BTreeSet::new(),
        names: restored.names,
        reader: Reader {
            own: AuthorKey(identity.public().0),
            sealing: SealingKey::of(&identity),
        },
        rooms: BTreeSet::from([room_key(&config.name.namespace)]),
        multicast,
        foreign: foreigners(&config, port, began, now, foreign_sender)?,
        look_at: now,
        given: config.peers.clone(),
        found_sender,
        unknown_hosts: BTreeSet::new(),
        batch: Batch::default(),
        fresh: listening.iter().copied().map(Event::Listening).collect(),
        delivered: restored.delivered,
        sync_at: None,
        must_sync: false,
        backlog: Backlog::new(events_sender),
        pace: TokenBucket::new(RATE, BURST, now),
        paced: None,
        counts: Counts::default(),
        leaving: None,
        keep_at: now + KEEP_EVERY,
        ended: false,
    };
    if config.mesh {
        node.dial_kept()?;
    }
    let inputs = Inputs::new(links, requests, heard, found, foreign);
    let ends = Ends {
        listening,
        events,
        requests: requests_sender,
        accepting,
    };
    Ok((node, inputs, ends))
}

fn check(config: &PeerConfig) -> Result<(), PeerError> {
    let refuse = |words: String| Err(PeerError::Config(words));
    for (what, count) in [
        ("addresses to listen at", config.listen.len()),
        ("peers to dial", config.peers.len()),
    ] {
        if count > ADDRESSES_MAX {
            return refuse(format!(
                "at most {ADDRESSES_MAX} {what}, and {count} are given"
            ));
        }
    }
    if config.ping_within < 2 * config.ping_every || config.ping_every.is_zero() {
        return refuse(format!(
            "a link is dead after {:?} of silence and asked every {:?}: the first must be at least twice \
             the second",
            config.ping_within, config.ping_every
        ));
    }
    if config.backoff_first.is_zero() || config.backoff_max < config.backoff_first {
        return refuse(format!(
            "attempts wait for {:?} at first and at most {:?}: the first must not be zero, nor more than \
             the second",
            config.backoff_first, config.backoff_max
        ));
    }
    Ok(())
}

async fn bind(addrs: &[SocketAddr]) -> Result<Vec<TcpListener>, PeerError> {
    let mut listeners = Vec::new();
    for &addr in addrs {
        let bound = TcpListener::bind(addr).await;
        listeners.push(bound.map_err(|source| PeerError::Listen { addr, source })?);
    }
    Ok(listeners)
}

/// UDP at the same ports.
fn bind_datagrams(addrs: &[SocketAddr], clock: Clock) -> Result<Vec<DatagramListener>, PeerError> {
    let mut listeners = Vec::new();
    for &addr in addrs {
        let failed = |source| PeerError::Listen { addr, source };
        let socket = std::net::UdpSocket::bind(addr).map_err(failed)?;
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        let load = Box::new(|| PROVE_ALWAYS);
        listeners.push(DatagramListener::start(socket, clock, secret, load).map_err(failed)?);
    }
    Ok(listeners)
}

fn addrs_of(listeners: &[TcpListener]) -> Result<Vec<SocketAddr>, PeerError> {
    let addrs = listeners.iter().map(TcpListener::local_addr);
    addrs
        .collect::<Result<_, _>>()
        .map_err(|source| PeerError::Io {
            what: "learn at which port it listens",
            source,
        })
}

fn link_config(config: &PeerConfig) -> LinkConfig {
    LinkConfig {
        ping_after: config.ping_every,
        dead_after: config.ping_within,
        ..LinkConfig::new(0)
    }
}

fn members(
    config: &PeerConfig,
    restored: &Restored,
    port: u16,
    now: Instant,
) -> Result<Membership, PeerError> {
    let defaults = MembershipConfig::default();
    let member = Member {
        identity: config.identity.key(),
        incarnation: restored.incarnation,
        name: config.name.clone(),
        port,
        udp: config.udp,
        addrs: Vec::new(),
        epoch: ElectionEpoch(restored.kept.epoch),
        seed: getrandom::u64()?,
    };
    let settings = MembershipConfig {
        election: config.election,
        mesh: config.mesh,
        beacons: config.multicast.is_some(),
        dead_after: config
            .ping_within
            .max(defaults.suspected_after + Duration::from_millis(500)),
        attempts: config.reconnect_attempts,
        backoff_first: config.backoff_first,
        backoff_max: config.backoff_max,
        ..defaults
    };
    Ok(Membership::new(member, settings, now))
}

/// The other protocol's machines.
fn foreigners(
    config: &PeerConfig,
    port: u16,
    began: UnixMicros,
    now: Instant,
    node: mpsc::Sender<FromForeign>,
) -> Result<Foreigners, PeerError> {
    let (name, namespace) = (config.name.name.as_str(), config.name.namespace.as_str());
    let me = PeerId::own(name, namespace);
    let me = me.map_err(|error| PeerError::Config(error.to_string()))?;
    let seed = || -> Result<[u8; SEED_BYTES], getrandom::Error> {
        let mut seed = [0; SEED_BYTES];
        getrandom::fill(&mut seed)?;
        Ok(seed)
    };
    // What another of ours needs to go on by our own frames.
    let key = config.identity.author().to_string();
    let ours = [("key", key.into()), ("port", port.into())];
    let ours = ours.map(|(name, value)| (name.to_owned(), value));
    let settings = Settings {
        lamparina: Some(ours.into_iter().collect()),
        ack_within: config.ack_within,
        reconnect_attempts: config.reconnect_attempts,
        ..Settings::new(me.clone(), began)
    };
    let contacts = Contacts::new(settings, seed()?);
    let server = config.rendezvous.as_ref();
    let registration = server.map(|rendezvous| -> Result<Registration, PeerError> {
        let settings = registration::Settings {
            ttl: u32::try_from(rendezvous.ttl.as_secs()).unwrap_or(u32::MAX),
            discover_every: rendezvous.discover_every,
            ..registration::Settings::new(me, port)
        };
        Ok(Registration::new(settings, seed()?, now))
    });
    let server = server.map_or_else(String::new, |rendezvous| rendezvous.server.clone());
    Ok(Foreigners::new(
        contacts,
        registration.transpose()?,
        server,
        node,
    ))
}

/// Opens the store and gives the order everything that is in it, beside the runtime.
async fn restore(config: &PeerConfig, clock: Clock) -> Result<Restored, PeerError> {
    let (data, identity, name) = (
        config.data.clone(),
        config.identity.key(),
        config.name.clone(),
    );
    let random = u16::try_from(getrandom::u32()? >> 16).unwrap_or(0);
    let open = move || -> Result<Restored, StoreError> {
        let own = AuthorKey(identity.public().0);
        let mut store = Store::open(&data, own)?;
        let (incarnation, kept) = store.begin(wall_clock(), random)?;
        let settings = converging::Config::new(identity, incarnation, name);
        let mut order = Converging::new(settings, clock.now());
        let mut names = Names::new(own);
        let delivered = restore_all(&store, &mut order, &mut names, clock)?;
        for peer in store.peers()? {
            if let (Some(key), Some(name)) = (peer.key, peer.name) {
                names.seen(key, &name);
            }
        }
        if let Some(upto) = kept.final_upto {
            order.restore_final(upto.into());
        }
        Ok(Restored {
            store,
            kept,
            incarnation,
            order,
            names,
            delivered,
        })
    };
    let opened = tokio::task::spawn_blocking(open).await;
    // A thread that panicked has said so itself.
    let opened = opened.map_err(|_panicked| PeerError::Closed)?;
    Ok(opened?)
}

fn restore_all(
    store: &Store,
    order: &mut Converging,
    names: &mut Names,
    clock: Clock,
) -> Result<u64, StoreError> {
    let mut next = 0;
    loop {
        let page = store.stored(next, RESTORED_MAX, RESTORED_BYTES_MAX)?;
        if page.is_empty() {
            return Ok(next);
        }
        for stored in page {
            if stored.position != next {
                return Err(store.missing(next));
            }
            let signed = Signed::read_own(&stored.signed);
            let signed = signed.map_err(|error| store.unreadable(next, &error))?;
            let restored = order.restore(clock.now(), &signed);
            restored.map_err(|error| store.unreadable(next, &error))?;
            let said = signed.content();
            names.seen(said.name.chain.author, &said.from);
            next += 1;
        }
    }
}

fn run(node: Node, inputs: Inputs) -> Result<std::thread::JoinHandle<()>, PeerError> {
    let failed = |source| PeerError::Io {
        what: "start the peer's thread",
        source,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    std::thread::Builder::new()
        .name("peer".to_owned())
        .spawn(move || runtime.block_on(node.run(inputs)))
        .map_err(failed)
}

impl Node {
    /// Dials who was known in an earlier life.
    fn dial_kept(&mut self) -> Result<(), StoreError> {
        let source = Source::Stored;
        for peer in self.store.peers()? {
            if let Ok(addr) = peer.addr.parse() {
                self.membership(Input::Address { addr, source });
            }
        }
        Ok(())
    }
}
