//! Who is there, whom to be linked with, and who coordinates. Keeps: the linked peers stay one connected group while
//! any way between them is left; links, calls, memory and the cost of what strangers send are bounded; and nothing
//! of this decides about messages, whose order and delivery hold whatever is said here.
//!
//! | file | keeps |
//! |---|---|
//! | [`types`] | what goes in and comes out |
//! | `table` | the peers that are known |
//! | `discovery` | beacons: ours, and the price of others' |
//! | `dialling` | when somebody is called again |
//! | `links` | open links: heartbeats, silence, two where one is enough |
//! | `topology` | with whom to be linked |
//! | `election`, `electing` | who coordinates; how that is said |
//! | `ids` | numbers that the coordinator gives |
//! | `gossip` | who came and left, told by others |
//! | `linking` | links that begin and end |
//! | `upkeep` | what is due: calls, peers that are lost, links too many |
//! | `news`, `chance` | what was flooded already; choices from a seed |
//!
//! # Known limitations
//!
//! - A member that signs epochs near [`EPOCH_MAX`](lamparina_protocol::peer::record::EPOCH_MAX) can keep others from ever coordinating again. Nothing rests on it.
//! - That a coordinator gave a number is proved to whom it was given only.
//! - "Lost" is signed by nobody: whom it names answers. A neighbour that says it again and again costs it that answer,
//!   twice a second at most.

mod chance;
mod dialling;
mod discovery;
mod electing;
mod election;
mod gossip;
mod ids;
mod linking;
mod links;
mod news;
mod table;
mod topology;
pub mod types;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::bucket::{Rate, TokenBucket};
use lamparina_protocol::peer::control::Announced;
use lamparina_protocol::peer::record::ADDRS_MAX;
use lamparina_protocol::peer::{
    Attested, Control, Coordinator, ElectionEpoch, Incarnation, PeerId, PeerRecord,
};
use lamparina_protocol::{AuthorKey, Instant};

use crate::LinkId;
use chance::Chance;
use discovery::Discovery;
use election::{Election, Heard};
use ids::Ids;
use links::Links;
use news::News;
use table::{Table, Who};
pub use topology::{DEGREE_KEPT, DEGREE_MIN, LINKS_MAX, MESH_MAX};
pub use types::{
    Attempt, Closing, Departure, Event, Input, LinkInfo, MembershipConfig, Output, Own, PeerInfo,
    PeerState, Rtt, Source,
};

/// Calls under way at a time.
pub const DIALS_MAX: usize = 8;
/// Calls begun, a second; as many at once.
pub const DIALS_PER_SECOND: u32 = 16;
/// When nothing was asked of this machine for so long after it wanted to be, it takes itself for having slept.
pub const SLEPT_MIN: Duration = Duration::from_secs(1);
/// Addresses known to be our own, at most.
const OURSELVES_MAX: usize = 64;

/// What one peer knows of all others, and does about it.
#[derive(Clone, Debug)]
pub struct Membership {
    config: MembershipConfig,
    own: Own,
    key: AuthorKey,
    chance: Chance,
    table: Table,
    links: Links,
    discovery: Discovery,
    election: Election,
    ids: Ids,
    /// Our own record, as it was told last, and when the next is due.
    record: Attested<PeerRecord>,
    published: Instant,
    publish_at: Instant,
    /// The newest announcement of the coordinator that we follow, and on which link it came.
    announcement: Option<Attested<Announced>>,
    toward: Option<LinkId>,
    rounds: News<(Incarnation, u64)>,
    announced: News<(ElectionEpoch, u64)>,
    attempts: BTreeMap<Attempt, (Who, SocketAddr)>,
    last_attempt: u64,
    dials: TokenBucket,
    ourselves: BTreeSet<SocketAddr>,
    upkeep_at: Instant,
    prune_at: Instant,
    last_resort_at: Instant,
    has_left: bool,
}

impl Membership {
    /// A peer that knows nobody yet.
    pub fn new(own: Own, config: MembershipConfig, now: Instant) -> Self {
        let key = AuthorKey(own.identity.public().0);
        let record = own_record(&own, key, 1, None, false);
        Self {
            key,
            chance: Chance::new(own.seed),
            table: Table::default(),
            links: Links::new(key),
            discovery: Discovery::new(config.beacons, now),
            election: Election::new(key, own.epoch, config.election, now),
            ids: Ids::default(),
            record,
            published: now,
            publish_at: now + config.refresh_every,
            announcement: None,
            toward: None,
            rounds: News::new(),
            announced: News::new(),
            attempts: BTreeMap::new(),
            last_attempt: 0,
            dials: TokenBucket::new(Rate::per_second(DIALS_PER_SECOND), DIALS_PER_SECOND, now),
            ourselves: BTreeSet::new(),
            upkeep_at: now,
            prune_at: now,
            last_resort_at: now + upkeep::LAST_RESORT_EVERY,
            has_left: false,
            config,
            own,
        }
    }

    /// Applies one input. What is to be done is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Vec<Output>) {
        self.wake(now);
        match input {
            Input::Tick => {}
            Input::Beacon { from, bytes } => self.on_beacon(now, from, bytes, out),
            Input::Address { addr, source } => self.on_address(now, addr, source),
            Input::OwnAddresses(addrs) => self.on_own_addresses(addrs),
            Input::LinkUp {
                link,
                attempt,
                key,
                hello,
                addr,
            } => self.on_link_up(now, link, attempt, key, &hello, addr, out),
            Input::DialFailed { attempt } => self.on_dial_failed(now, attempt),
            Input::LinkDown { link } => self.on_link_down(now, link, out),
            Input::Heard { link } => self.on_heard(now, link, out),
            Input::Control { link, bytes } => self.on_control(now, link, bytes, out),
            Input::Bye { link } => self.on_bye(now, link, out),
            Input::Persisted(epoch) => self.elect(now, Heard::Persisted(epoch), None, out),
            Input::Reconnect => self.on_reconnect(now),
            Input::Leave => self.on_leave(now, out),
        }
        self.tick(now, out);
    }

    /// When to call again with [`Input::Tick`].
    pub fn deadline(&self) -> Option<Instant> {
        if self.has_left {
            return None;
        }
        let times = [
            self.links.deadline(&self.config),
            self.discovery.deadline(),
            self.election.deadline(),
            self.ids.deadline(),
            Some(self.publish_at),
            Some(self.upkeep_at),
        ];
        times.into_iter().flatten().min()
    }

    /// All peers that are known, those with only an address first.
    pub fn peers(&self) -> Vec<PeerInfo> {
        let is_linked = |key: &AuthorKey| self.links.is_linked(key);
        self.table.info(&self.config, is_linked)
    }

    /// All open links.
    pub fn links(&self) -> Vec<LinkInfo> {
        self.links.info()
    }

    /// Who coordinates, as far as this peer knows; perhaps itself.
    pub fn coordinator(&self) -> Option<Coordinator> {
        self.election.coordinator()
    }

    /// Whether this peer coordinates.
    pub const fn coordinates(&self) -> bool {
        self.election.coordinates()
    }

    /// The number that this peer was given.
    pub const fn id(&self) -> Option<PeerId> {
        self.ids.own()
    }

    /// This peer's key.
    pub const fn key(&self) -> AuthorKey {
        self.key
    }

    /// The time in which nobody asked anything of us counts against nobody: we slept, not they.
    fn wake(&mut self, now: Instant) {
        let Some(deadline) = self.deadline() else {
            return;
        };
        let slept = now.saturating_since(deadline);
        if slept >= SLEPT_MIN {
            self.links.slept(slept);
            self.election.slept(slept);
        }
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.has_left {
            return;
        }
        self.tick_links(now, out);
        self.elect(now, Heard::Tick, None, out);
        self.ask_for_id(now, out);
        if now >= self.publish_at {
            self.publish(now, false, out);
        }
        if now >= self.upkeep_at {
            self.upkeep(now, out);
        }
        let is_alone = self.links.is_empty();
        if let Some(kind) = self.discovery.due(now, is_alone, &mut self.chance) {
            out.push(Output::Beacon(self.beacon(kind)));
        }
    }

    /// Says it on every link but `except`.
    fn flood(&self, control: &Bytes, except: Option<LinkId>, out: &mut Vec<Output>) {
        for link in self.links.ids() {
            if Some(link) != except {
                let control = control.clone();
                out.push(Output::Send { link, control });
            }
        }
    }

    fn send(link: LinkId, control: &Control, out: &mut Vec<Output>) {
        let control = control.to_bytes();
        out.push(Output::Send { link, control });
    }
}

fn own_record(
    own: &Own,
    key: AuthorKey,
    beat: u64,
    id: Option<PeerId>,
    gone: bool,
) -> Attested<PeerRecord> {
    let said = PeerRecord {
        key,
        incarnation: own.incarnation,
        beat,
        name: own.name.clone(),
        port: own.port,
        udp: own.udp,
        addrs: own.addrs.iter().copied().take(ADDRS_MAX).collect(),
        id,
        gone,
    };
    Attested::sign(&own.identity, said)
}
