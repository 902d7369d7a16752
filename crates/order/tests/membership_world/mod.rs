//! Many memberships in one virtual time: calls, links that are pipes with a delay, beacons that are lost, walls that stop
//! one direction or both, deaths and new lives. One seed, one run.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use lamparina_order::LinkId;
use lamparina_order::membership::{
    Attempt, Event, Input, LINKS_MAX, Membership, MembershipConfig, Output, Own, Source,
};
use lamparina_protocol::peer::{
    Coordinator, ElectionEpoch, Incarnation, PeerHello, PeerId, PeerName,
};
use lamparina_protocol::seal::IdentityKey;
use lamparina_protocol::{AuthorKey, Instant, Nick, RoomName};

mod befall;
mod chat;
mod judge;
mod lies;

use chat::{Chat, Proved};

/// A peer's place in the world.
pub(crate) type At = usize;

/// Calls that a peer may begin within a second, at most: more is a storm.
const DIALS_A_SECOND_MAX: usize = 33;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const STALL: Duration = Duration::from_millis(50);

/// A peer's machine and what lasts of it.
pub(crate) struct Node {
    pub(crate) machine: Option<Membership>,
    pub(crate) key: AuthorKey,
    identity: IdentityKey,
    addr: SocketAddr,
    epoch: ElectionEpoch,
    life: u64,
    next_link: u64,
    links: BTreeMap<LinkId, Pipe>,
    ticks_at: Option<Instant>,
    /// Nothing is processed before: a machine that sleeps.
    sleeps_until: Instant,
    pub(crate) dials: VecDeque<Instant>,
    pub(crate) dialled: u64,
    pub(crate) chat: Chat,
    /// It says what it likes.
    pub(crate) lies: bool,
}

/// The far end of a link, and what is under way to it.
#[derive(Clone, Copy)]
struct Pipe {
    other: At,
    their: LinkId,
    /// Nothing overtakes.
    last: Instant,
}

#[derive(Debug)]
enum Ev {
    Tick(At),
    Up {
        at: At,
        life: u64,
        link: LinkId,
        attempt: Option<Attempt>,
        from: At,
    },
    Failed(At, u64, Attempt),
    Control(At, u64, LinkId, At, Bytes),
    Order(At, u64, LinkId, At, Bytes),
    ChatTick(At),
    Arrives(At, LinkId, At),
    Down(At, u64, LinkId, At),
    Bye(At, u64, LinkId, At),
    Beacon(At, u64, At, Bytes),
    Persisted(At, u64, ElectionEpoch),
}

/// The world.
pub(crate) struct World {
    pub(crate) now: Instant,
    seed: u64,
    random: u64,
    pub(crate) nodes: Vec<Node>,
    agenda: BTreeMap<(Instant, u64), Ev>,
    queues: BTreeMap<(At, LinkId), VecDeque<Ev>>,
    serial: u64,
    pub(crate) config: MembershipConfig,
    /// Directions in which nothing passes.
    pub(crate) walls: BTreeSet<(At, At)>,
    /// Beacons lost, of a hundred; 100 where there is no multicast.
    pub(crate) beacon_loss: u64,
    pub(crate) latency_ms: std::ops::Range<u64>,
    /// All numbers that were ever given, with who got them.
    ids: BTreeMap<(Coordinator, u64), (AuthorKey, u64)>,
    claimed: BTreeSet<Coordinator>,
    pub(crate) coordinators: Vec<(Instant, At, Option<Coordinator>)>,
    pub(crate) sent: u64,
    digest: u64,
    /// Whether peers keep the order too.
    pub(crate) chats: bool,
    proved: Proved,
    /// Addresses given to each peer at the start of each life.
    pub(crate) given: BTreeMap<At, Vec<At>>,
}

pub(crate) fn addr(at: At) -> SocketAddr {
    format!("10.0.{}.{}:5000", at / 200, 1 + at % 200)
        .parse()
        .unwrap()
}

fn name(at: At) -> PeerName {
    PeerName {
        name: Nick::try_from(format!("p{at}")).unwrap(),
        namespace: RoomName::try_from("lan").unwrap(),
    }
}

impl World {
    pub(crate) fn new(seed: u64, count: usize, config: MembershipConfig) -> Self {
        let node = |at: At| {
            let mut bytes = [7; 32];
            bytes[..8].copy_from_slice(&(seed % 64).to_be_bytes());
            bytes[8..16].copy_from_slice(&(at as u64).to_be_bytes());
            let identity = IdentityKey::from_seed(&bytes);
            Node {
                machine: None,
                key: AuthorKey(identity.public().0),
                identity,
                addr: addr(at),
                epoch: ElectionEpoch(0),
                life: 0,
                next_link: 1,
                links: BTreeMap::new(),
                ticks_at: None,
                sleeps_until: Instant::ZERO,
                dials: VecDeque::new(),
                dialled: 0,
                chat: Chat::new(),
                lies: false,
            }
        };
        Self {
            now: Instant::from_millis(1),
            seed,
            random: seed ^ 0x6d65_6d62_6572,
            nodes: (0..count).map(node).collect(),
            agenda: BTreeMap::new(),
            queues: BTreeMap::new(),
            serial: 0,
            config,
            walls: BTreeSet::new(),
            beacon_loss: 10,
            latency_ms: 1..30,
            ids: BTreeMap::new(),
            claimed: BTreeSet::new(),
            coordinators: Vec::new(),
            sent: 0,
            digest: 0xcbf2_9ce4_8422_2325,
            chats: false,
            proved: Proved::new(),
            given: BTreeMap::new(),
        }
    }

    pub(crate) const fn roll(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    fn note(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn delay(&mut self) -> Duration {
        let span = self.latency_ms.end - self.latency_ms.start;
        let ms = self.latency_ms.start + self.below(span);
        Duration::from_micros(ms * 1_000 + self.roll() % 1_000)
    }

    /// What comes on a link comes in its order, whatever holds it up: a place in the link's queue is what
    /// is planned, not what stands there.
    fn at(&mut self, when: Instant, ev: Ev) {
        let place = match &ev {
            Ev::Control(at, _, link, from, _)
            | Ev::Order(at, _, link, from, _)
            | Ev::Down(at, _, link, from)
            | Ev::Bye(at, _, link, from) => Some((*at, *link, *from)),
            _ => None,
        };
        let ev = match place {
            Some((at, link, from)) => {
                self.queues.entry((at, link)).or_default().push_back(ev);
                Ev::Arrives(at, link, from)
            }
            None => ev,
        };
        self.serial += 1;
        self.agenda.insert((when, self.serial), ev);
    }

    pub(crate) fn is_up(&self, at: At) -> bool {
        self.nodes[at].machine.is_some()
    }

    pub(crate) fn machine(&self, at: At) -> &Membership {
        self.nodes[at].machine.as_ref().expect("it is up")
    }

    pub(crate) fn start(&mut self, at: At) {
        if self.is_up(at) {
            return;
        }
        let life = self.now.as_micros() + 1;
        let seed = self.roll();
        let node = &mut self.nodes[at];
        node.life = life;
        let own = Own {
            identity: node.identity.clone(),
            incarnation: Incarnation(life),
            name: name(at),
            port: node.addr.port(),
            udp: false,
            addrs: vec![],
            epoch: node.epoch,
            seed,
        };
        node.machine = Some(Membership::new(own, self.config.clone(), self.now));
        node.sleeps_until = self.now;
        if self.chats {
            let identity = self.nodes[at].identity.clone();
            self.nodes[at]
                .chat
                .start(identity, life, name(at), self.now);
            self.chatted(at);
        }
        for other in self.given.get(&at).cloned().unwrap_or_default() {
            let source = Source::Given;
            let addr = addr(other);
            self.give(at, Input::Address { addr, source });
        }
        self.give(at, Input::Tick);
    }

    fn after(&mut self, last: Instant) -> Instant {
        (self.now + self.delay()).max(last + Duration::from_micros(1))
    }

    fn close_far(&mut self, at: At, pipe: Pipe) {
        let life = self.nodes[pipe.other].life;
        let when = self.after(pipe.last) + Duration::from_micros(1);
        self.at(when, Ev::Down(pipe.other, life, pipe.their, at));
    }

    fn give(&mut self, at: At, input: Input<'_>) {
        let mut out = Vec::new();
        let now = self.now;
        let Some(machine) = &mut self.nodes[at].machine else {
            return;
        };
        machine.handle(now, input, &mut out);
        let keys: BTreeSet<AuthorKey> = machine.links().iter().map(|link| link.key).collect();
        assert!(keys.len() <= LINKS_MAX, "p{at} has {} links", keys.len());
        for output in out {
            self.carry_out(at, output);
        }
        let deadline = self.nodes[at]
            .machine
            .as_ref()
            .and_then(Membership::deadline);
        if let Some(deadline) = deadline
            && self.nodes[at]
                .ticks_at
                .is_none_or(|ticks| deadline < ticks || ticks <= now)
        {
            assert!(
                deadline >= now || deadline > Instant::ZERO,
                "p{at} is not done"
            );
            let when = deadline.max(now);
            self.nodes[at].ticks_at = Some(when);
            self.at(when, Ev::Tick(at));
        }
    }

    fn carry_out(&mut self, at: At, output: Output) {
        let life = self.nodes[at].life;
        match output {
            Output::Dial { attempt, addr } => self.dial(at, attempt, addr),
            Output::Close { link, .. } => {
                if let Some(pipe) = self.nodes[at].links.remove(&link) {
                    self.close_far(at, pipe);
                    self.chat_down(at, link);
                }
            }
            Output::Send { link, control } => {
                self.sent += 1;
                self.note(&control);
                let Some(pipe) = self.nodes[at].links.get(&link).copied() else {
                    return;
                };
                let when = self.after(pipe.last);
                if let Some(pipe) = self.nodes[at].links.get_mut(&link) {
                    pipe.last = when;
                }
                let their_life = self.nodes[pipe.other].life;
                self.at(
                    when,
                    Ev::Control(pipe.other, their_life, pipe.their, at, control),
                );
            }
            Output::Beacon(bytes) => {
                for other in self.up() {
                    let is_lost = other != at && self.below(100) < self.beacon_loss;
                    if !is_lost && self.beacon_loss < 100 {
                        let when = self.now + self.delay();
                        let life = self.nodes[other].life;
                        self.at(when, Ev::Beacon(other, life, at, bytes.clone()));
                    }
                }
            }
            Output::Persist(epoch) => {
                let when = self.now + self.delay();
                self.at(when, Ev::Persisted(at, life, epoch));
            }
            Output::Event(event) => self.on_event(at, event),
        }
    }

    fn dial(&mut self, at: At, attempt: Attempt, to: SocketAddr) {
        let life = self.nodes[at].life;
        let now = self.now;
        let dials = &mut self.nodes[at].dials;
        dials.push_back(now);
        while dials
            .front()
            .is_some_and(|first| *first + Duration::from_secs(1) < now)
        {
            dials.pop_front();
        }
        let storm = dials.len() > DIALS_A_SECOND_MAX;
        assert!(!storm, "p{at} calls {} times a second", dials.len());
        self.nodes[at].dialled += 1;
        let found = (0..self.nodes.len()).find(|other| addr(*other) == to);
        let Some(other) = found.filter(|other| self.is_up(*other)) else {
            let when = now + self.delay();
            self.at(when, Ev::Failed(at, life, attempt));
            return;
        };
        let walled = self.walls.contains(&(at, other)) || self.walls.contains(&(other, at));
        if walled || self.nodes[other].sleeps_until > now {
            self.at(now + CONNECT_TIMEOUT, Ev::Failed(at, life, attempt));
            return;
        }
        let (mine, their) = (self.new_link(at), self.new_link(other));
        let first = now + self.delay() + self.delay();
        let second = first + self.delay();
        let their_life = self.nodes[other].life;
        let pipe = |other, their| Pipe {
            other,
            their,
            last: second,
        };
        self.nodes[at].links.insert(mine, pipe(other, their));
        self.nodes[other].links.insert(their, pipe(at, mine));
        self.at(
            first,
            Ev::Up {
                at,
                life,
                link: mine,
                attempt: Some(attempt),
                from: other,
            },
        );
        self.at(
            second,
            Ev::Up {
                at: other,
                life: their_life,
                link: their,
                attempt: None,
                from: at,
            },
        );
    }

    fn new_link(&mut self, at: At) -> LinkId {
        let node = &mut self.nodes[at];
        node.next_link += 1;
        LinkId(node.next_link)
    }

    fn on_event(&mut self, at: At, event: Event) {
        match event {
            Event::Id(PeerId { by, n }) => {
                let life = (self.nodes[at].key, self.nodes[at].life);
                let other = self.ids.insert((by, n), life);
                assert_eq!(other, None, "{by:?} gave {n} twice");
            }
            Event::Coordinator(coordinator) => {
                let key = self.nodes[at].key;
                if let Some(mine) = coordinator.filter(|one| one.key == key) {
                    assert!(
                        mine.epoch <= self.nodes[at].epoch,
                        "used before it was stored"
                    );
                    assert!(self.claimed.insert(mine), "p{at} claims {mine:?} twice");
                }
                self.coordinators.push((self.now, at, coordinator));
            }
            _ => {}
        }
    }

    /// One step; `false` when nothing is left before `end`.
    fn step(&mut self, end: Instant) -> bool {
        let Some(entry) = self.agenda.first_entry() else {
            return false;
        };
        let (when, _) = *entry.key();
        if when > end {
            return false;
        }
        let ev = entry.remove();
        self.now = self.now.max(when);
        self.happen(ev);
        true
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    fn is_life(&self, at: At, life: u64) -> bool {
        self.is_up(at) && self.nodes[at].life == life
    }

    /// Whoever sleeps hears it later; what meets a wall waits.
    fn is_due(&self, at: At) -> bool {
        let ticks_at = self.nodes[at].ticks_at;
        ticks_at.is_some_and(|ticks| ticks <= self.now)
    }

    fn waits(&self, at: At, from: Option<At>) -> Option<Instant> {
        let awake = self.nodes[at].sleeps_until;
        if awake > self.now {
            return Some(awake);
        }
        let is_walled = from.is_some_and(|from| self.walls.contains(&(from, at)));
        is_walled.then(|| self.now + STALL)
    }

    fn happen(&mut self, ev: Ev) {
        let (at, from) = match &ev {
            Ev::Tick(at) | Ev::ChatTick(at) | Ev::Failed(at, ..) | Ev::Persisted(at, ..) => {
                (*at, None)
            }
            Ev::Up { at, .. } => (*at, None),
            Ev::Arrives(at, _, from) => (*at, Some(*from)),
            Ev::Control(at, ..) | Ev::Order(at, ..) | Ev::Down(at, ..) | Ev::Bye(at, ..) => {
                (*at, None)
            }
            Ev::Beacon(at, _, from, _) => {
                if self.walls.contains(&(*from, *at)) {
                    return;
                }
                (*at, None)
            }
        };
        if let Some(when) = self.waits(at, from) {
            return self.at(when, ev);
        }
        match ev {
            Ev::Arrives(at, link, _) => {
                let queue = self.queues.get_mut(&(at, link));
                if let Some(ev) = queue.and_then(VecDeque::pop_front) {
                    self.happen(ev);
                }
            }
            Ev::Tick(at) if self.is_due(at) => {
                self.nodes[at].ticks_at = None;
                self.give(at, Input::Tick);
            }
            Ev::Up {
                at,
                life,
                link,
                attempt,
                from,
            } => self.on_up(at, life, link, attempt, from),
            Ev::Failed(at, life, attempt) if self.is_life(at, life) => {
                self.give(at, Input::DialFailed { attempt });
            }
            Ev::Control(at, life, link, _, control)
                if self.is_life(at, life) && self.nodes[at].links.contains_key(&link) =>
            {
                let bytes = &control;
                self.give(at, Input::Control { link, bytes });
            }
            Ev::Order(at, life, link, _, bytes)
                if self.is_life(at, life) && self.nodes[at].links.contains_key(&link) =>
            {
                let now = self.now;
                self.nodes[at]
                    .chat
                    .hear(now, link, &bytes, &mut self.proved);
                self.chatted(at);
                self.give(at, Input::Heard { link });
            }
            Ev::ChatTick(at) if self.is_up(at) => {
                let now = self.now;
                if self.nodes[at].chat.deadline().is_some_and(|due| due <= now) {
                    self.nodes[at]
                        .chat
                        .give(now, lamparina_order::converging::Input::Tick);
                    self.chatted(at);
                }
            }
            Ev::Bye(at, life, link, _)
                if self.is_life(at, life) && self.nodes[at].links.contains_key(&link) =>
            {
                self.give(at, Input::Bye { link });
            }
            Ev::Down(at, life, link, _)
                if self.is_life(at, life) && self.nodes[at].links.remove(&link).is_some() =>
            {
                self.chat_down(at, link);
                self.give(at, Input::LinkDown { link });
            }
            Ev::Beacon(at, life, from, bytes) if self.is_life(at, life) => {
                let from = SocketAddr::new(addr(from).ip(), 7_677);
                let bytes = &bytes;
                self.give(at, Input::Beacon { from, bytes });
            }
            Ev::Persisted(at, life, epoch) => {
                // What was under way to the disk when it died may be there or not.
                if self.is_life(at, life) || self.below(2) == 0 {
                    self.nodes[at].epoch = self.nodes[at].epoch.max(epoch);
                }
                if self.is_life(at, life) {
                    self.give(at, Input::Persisted(epoch));
                }
            }
            _ => {}
        }
    }

    fn on_up(&mut self, at: At, life: u64, link: LinkId, attempt: Option<Attempt>, from: At) {
        if !self.is_life(at, life) || !self.nodes[at].links.contains_key(&link) {
            if let Some(pipe) = self.nodes[at].links.remove(&link) {
                self.close_far(at, pipe);
            }
            if let Some(attempt) = attempt.filter(|_| self.is_life(at, life)) {
                self.give(at, Input::DialFailed { attempt });
            }
            return;
        }
        let hello = PeerHello {
            version: 1,
            name: name(from),
            incarnation: Incarnation(self.nodes[from].life),
            port: 5_000,
        };
        let port = if attempt.is_some() { 5_000 } else { 40_000 };
        let input = Input::LinkUp {
            link,
            attempt,
            key: self.nodes[from].key,
            hello,
            addr: SocketAddr::new(addr(from).ip(), port),
        };
        self.give(at, input);
        if self.chats && self.nodes[at].links.contains_key(&link) {
            let now = self.now;
            self.nodes[at].chat.up(now, link);
            self.chatted(at);
        }
    }
}
