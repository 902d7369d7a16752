//! All that an election can get into, looked at one by one: the shipped machine among a few peers, whose links break and
//! come back, with every timer, disk and delivery in the hands of the checker. In no state does anybody follow a coordinator that
//! nobody is or was, or coordinate in an epoch that is not on its disk; and from each state, once the trouble ends, one is left.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};

use lamparina_protocol::peer::Incarnation;
use stateright::{Checker, Model, Property};

use super::*;
use crate::membership::news::News;

type At = usize;

/// What is explored.
#[derive(Clone, Debug)]
struct Group {
    peers: usize,
    /// Links that may break.
    breaks: u8,
    /// Further rounds, further epochs, messages under way on a link each way.
    rounds_max: u64,
    epochs_max: u64,
    queue_max: usize,
    /// Whether all follow the greatest at the beginning.
    led: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Message {
    Election(Candidacy),
    Ok { key: AuthorKey, round: u64 },
    Announcement(Announced),
}

/// A peer: its machine, and what stands around it.
#[derive(Clone, Debug)]
struct Peer {
    election: Election,
    /// Its own clock.
    now: Instant,
    stored: ElectionEpoch,
    storing: Option<ElectionEpoch>,
    announcement: Option<Announced>,
    rounds: News<(Incarnation, u64)>,
    announced: News<(ElectionEpoch, u64)>,
}

#[derive(Clone, Debug)]
struct World {
    peers: Vec<Peer>,
    /// Open links, the lesser peer first; what is under way on each, each way.
    links: BTreeMap<(At, At), ()>,
    pipes: BTreeMap<(At, At), VecDeque<Message>>,
    breaks: u8,
    /// The greatest round and epoch at the beginning.
    begun: (u64, u64),
    wrong: Option<&'static str>,
    canonical: String,
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for World {}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical.hash(state);
    }
}

/// What may happen next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    /// The first message on this way arrives.
    Deliver(At, At),
    /// The peer's next timer runs out.
    Time(At),
    /// Its disk is done.
    Store(At),
    /// The second hears from the first's heartbeat whom it follows.
    Heartbeat(At, At),
    Break(At, At),
    Link(At, At),
}

/// Keys ascend with places.
fn key(at: At) -> AuthorKey {
    AuthorKey([at as u8 + 1; 32])
}

fn at(key: AuthorKey) -> At {
    usize::from(key.0[0]) - 1
}

const NOTHING_WRONG: &str = "nothing is wrong";
const ENDS_WELL: &str = "in the end the greatest coordinates";
const BEGIN: Instant = Instant::from_millis(1_000_000);

impl World {
    fn new(group: &Group) -> Self {
        let peer = |place: At| Peer {
            election: Election::new(key(place), ElectionEpoch(0), true, Instant::ZERO),
            now: BEGIN,
            stored: ElectionEpoch(0),
            storing: None,
            announcement: None,
            rounds: News::new(),
            announced: News::new(),
        };
        let mut world = Self {
            peers: (0..group.peers).map(peer).collect(),
            links: BTreeMap::new(),
            pipes: BTreeMap::new(),
            breaks: 0,
            begun: (0, 0),
            wrong: None,
            canonical: String::new(),
        };
        for b in 0..group.peers {
            (0..b).for_each(|a| world.link(a, b));
        }
        if group.led {
            assert!(world.settles(Duration::from_secs(60)), "no one coordinates");
            world.breaks = 0;
        }
        let peers = world.peers.iter();
        let rounds = peers.clone().map(|peer| peer.election.round).max();
        let epochs = peers.map(|peer| peer.stored.0).max();
        world.begun = (rounds.unwrap_or(0), epochs.unwrap_or(0));
        world.settle();
        world
    }

    fn link(&mut self, a: At, b: At) {
        self.links.insert((a.min(b), a.max(b)), ());
        for (from, to) in [(a, b), (b, a)] {
            let queue = VecDeque::from_iter(self.told(from));
            self.pipes.insert((from, to), queue);
            self.tell(from, Heard::Linked(true), None);
        }
    }

    /// What is said of the coordinator when a link begins.
    fn told(&self, from: At) -> Option<Message> {
        let announcement = self.peers[from].announcement.clone()?;
        Some(Message::Announcement(announcement))
    }

    fn break_link(&mut self, a: At, b: At) {
        self.links.remove(&(a, b));
        for (from, to) in [(a, b), (b, a)] {
            self.pipes.remove(&(from, to));
            let follows = self.peers[from].election.coordinator();
            if follows.is_some_and(|one| one.key == key(to)) {
                self.tell(from, Heard::Lost, None);
            }
            if !self.pipes.keys().any(|(other, _)| *other == from) {
                self.tell(from, Heard::Linked(false), None);
            }
        }
    }

    /// As `electing` has it.
    fn tell(&mut self, place: At, heard: Heard<'_>, came: Option<(At, &Message)>) {
        let peer = &mut self.peers[place];
        let mut todo = Vec::new();
        peer.election.handle(peer.now, heard, &mut todo);
        for one in todo {
            match one {
                Do::Elect {
                    round,
                    epoch,
                    cause,
                } => {
                    let incarnation = Incarnation(1);
                    let key = key(place);
                    let candidacy = Candidacy {
                        key,
                        incarnation,
                        round,
                        epoch,
                        cause,
                    };
                    self.flood(place, None, &Message::Election(candidacy));
                }
                Do::Announce(announced) => {
                    self.peers[place].announcement = Some(announced.clone());
                    self.flood(place, None, &Message::Announcement(announced));
                }
                Do::Forward => {
                    if let Some((from, message)) = came {
                        self.flood(place, Some(from), message);
                    }
                }
                Do::AnswerOk => {
                    if let Some((from, Message::Election(candidacy))) = came {
                        let (key, round) = (candidacy.key, candidacy.round);
                        self.send(place, from, Message::Ok { key, round });
                    }
                }
                Do::Tell => {
                    if let (Some((from, _)), Some(told)) = (came, self.told(place)) {
                        self.send(place, from, told);
                    }
                }
                Do::Persist(epoch) => self.peers[place].storing = Some(epoch),
                Do::Changed(coordinator) => {
                    self.peers[place].announcement = None;
                    self.check_change(place, coordinator);
                }
            }
        }
    }

    fn check_change(&mut self, place: At, coordinator: Option<Coordinator>) {
        let Some(one) = coordinator else { return };
        if self.peers[at(one.key)].stored < one.epoch {
            self.wrong = Some("a coordinator in an epoch that is not on its disk");
        }
        if one.key == key(place) && !self.peers[place].election.coordinates() {
            // It says so before it does; `follow` comes first.
            let is_own = self.peers[place].stored == one.epoch;
            if !is_own {
                self.wrong = Some("it follows itself and does not coordinate");
            }
        }
    }

    fn flood(&mut self, place: At, but: Option<At>, message: &Message) {
        for other in 0..self.peers.len() {
            if Some(other) != but {
                self.send(place, other, message.clone());
            }
        }
    }

    fn send(&mut self, from: At, to: At, message: Message) {
        if let Some(pipe) = self.pipes.get_mut(&(from, to)) {
            pipe.push_back(message);
        }
    }

    fn deliver(&mut self, from: At, to: At) {
        let Some(message) = self
            .pipes
            .get_mut(&(from, to))
            .and_then(VecDeque::pop_front)
        else {
            return;
        };
        let came = Some((from, &message));
        match &message {
            Message::Election(candidacy) => {
                let peer = &mut self.peers[to];
                let number = (candidacy.incarnation, candidacy.round);
                if candidacy.key == key(to) || !peer.rounds.is_new(&candidacy.key, number) {
                    return;
                }
                peer.rounds.note(candidacy.key, number);
                let follows = peer.election.coordinator();
                let healthy =
                    follows.is_some_and(|one| self.pipes.contains_key(&(to, at(one.key))));
                let heard = Heard::Election { candidacy, healthy };
                self.tell(to, heard, came);
            }
            Message::Ok {
                key: candidate,
                round,
            } => {
                let heard = Heard::Ok {
                    from: key(from),
                    candidate: *candidate,
                    round: *round,
                };
                self.tell(to, heard, came);
            }
            Message::Announcement(announced) => {
                let peer = &mut self.peers[to];
                let one = announced.coordinator;
                let number = (one.epoch, announced.beat);
                if !peer.announced.is_new(&one.key, number) {
                    return;
                }
                peer.announced.note(one.key, number);
                self.tell(to, Heard::Announcement(announced), came);
                let peer = &mut self.peers[to];
                if peer.election.coordinator() == Some(one) && one.key != key(to) {
                    peer.announcement = Some(announced.clone());
                }
            }
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Deliver(from, to) => self.deliver(from, to),
            Step::Time(place) => {
                if let Some(deadline) = self.peers[place].election.deadline() {
                    let peer = &mut self.peers[place];
                    peer.now = peer.now.max(deadline);
                    self.tell(place, Heard::Tick, None);
                }
            }
            Step::Store(place) => {
                if let Some(epoch) = self.peers[place].storing.take() {
                    if epoch <= self.peers[place].stored {
                        self.wrong = Some("an epoch is claimed twice");
                    }
                    self.peers[place].stored = epoch;
                    self.tell(place, Heard::Persisted(epoch), None);
                }
            }
            Step::Heartbeat(from, to) => {
                let seen = self.peers[from].election.coordinator();
                let nothing = Message::Ok {
                    key: key(to),
                    round: 0,
                };
                self.tell(to, Heard::Seen(seen), Some((from, &nothing)));
            }
            Step::Break(a, b) => {
                self.breaks += 1;
                self.break_link(a, b);
            }
            Step::Link(a, b) => self.link(a, b),
        }
    }

    /// After each step: the state's name, in which times are those that are left.
    fn settle(&mut self) {
        let mut name = format!("{:?} {:?} {:?}", self.links.keys(), self.breaks, self.wrong);
        for peer in &self.peers {
            let (election, now) = (&peer.election, peer.now);
            let left = |at: Instant| at.saturating_since(now).as_millis();
            let phase = match election.phase {
                Phase::Off => "off".to_owned(),
                Phase::Quiet { elect_at } => format!("quiet {:?}", elect_at.map(left)),
                Phase::Electing { until, cause } => format!("electing {cause:?} {}", left(until)),
                Phase::Yielding { until } => format!("yielding {}", left(until)),
                Phase::Claiming { epoch } => format!("claiming {epoch}"),
                Phase::Coordinating { last, beat } => {
                    format!("coordinating {beat} {}", left(last + ANNOUNCE_EVERY))
                }
            };
            let missed = |followed: Followed| left(followed.heard + ANNOUNCEMENT_MISSED);
            let _ = write!(
                name,
                "|{phase} {} {:?} {:?} {} {} {:?} {} {} {:?} {:?} {:?} {:?}",
                election.linked,
                election.coordinator(),
                election.followed.map(missed),
                left(election.changed + HOLD_AFTER_CHANGE),
                election.round,
                election.known,
                election.yields,
                peer.stored,
                peer.storing,
                peer.announcement,
                peer.rounds.greatest(),
                peer.announced.greatest(),
            );
        }
        let _ = write!(name, "{:?}", self.pipes);
        self.canonical = name;
    }

    fn is_led(&self) -> bool {
        let last = self.peers.len() - 1;
        let Some(one) = self.peers[last].election.coordinator() else {
            return false;
        };
        let is_one = |peer: &Peer| peer.election.coordinator() == Some(one);
        self.peers[at(one.key)].election.coordinates() && self.peers.iter().all(is_one)
    }

    /// Whether one coordinates in the end when no link breaks any more, every message comes at once
    /// and every timer runs in its time; and the greatest of all, then.
    fn settles(&mut self, within: Duration) -> bool {
        let now = self
            .peers
            .iter()
            .map(|peer| peer.now)
            .max()
            .unwrap_or(BEGIN);
        for b in 0..self.peers.len() {
            for a in 0..b {
                if !self.links.contains_key(&(a, b)) {
                    self.link(a, b);
                }
            }
        }
        let greatest = self.peers.len() - 1;
        let mut time = now;
        while time < now + within {
            for peer in &mut self.peers {
                peer.now = time;
            }
            for from in 0..self.peers.len() {
                self.take(Step::Store(from));
                self.tell(from, Heard::Tick, None);
                for to in (0..self.peers.len()).filter(|to| *to != from) {
                    self.take(Step::Heartbeat(from, to));
                }
            }
            while let Some(((from, to), _)) = self.pipes.iter().find(|(_, pipe)| !pipe.is_empty()) {
                self.take(Step::Deliver(*from, *to));
            }
            if self.is_led() && self.peers[greatest].election.coordinates() {
                return true;
            }
            let deadlines = self
                .peers
                .iter()
                .filter_map(|peer| peer.election.deadline());
            time = deadlines
                .min()
                .unwrap_or(time)
                .max(time + Duration::from_millis(1));
        }
        false
    }

    fn can_settle(&self) -> bool {
        let mut world = self.clone();
        world.settles(Duration::from_secs(20)) && world.wrong.is_none()
    }
}

impl Model for Group {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self)]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        for (place, peer) in world.peers.iter().enumerate() {
            // Who coordinates announces itself when somebody does not know; else this never ends.
            let is_timed = peer.election.deadline().is_some() && !peer.election.coordinates();
            if is_timed {
                steps.push(Step::Time(place));
            }
            if peer.storing.is_some() {
                steps.push(Step::Store(place));
            }
        }
        for ((from, to), pipe) in &world.pipes {
            if !pipe.is_empty() {
                steps.push(Step::Deliver(*from, *to));
            }
            let view = |place: At| world.peers[place].election.coordinator();
            if view(*to) > view(*from) {
                steps.push(Step::Heartbeat(*from, *to));
            }
        }
        for b in 0..self.peers {
            for a in 0..b {
                match world.links.contains_key(&(a, b)) {
                    true if world.breaks < self.breaks => steps.push(Step::Break(a, b)),
                    true => {}
                    false => steps.push(Step::Link(a, b)),
                }
            }
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        next.take(step);
        next.settle();
        Some(next)
    }

    fn within_boundary(&self, world: &World) -> bool {
        let (rounds, epochs) = world.begun;
        let (rounds, epochs) = (rounds + self.rounds_max, epochs + self.epochs_max);
        let is_within = |peer: &Peer| peer.election.round <= rounds && peer.stored.0 <= epochs;
        let is_short = |pipe: &VecDeque<Message>| pipe.len() <= self.queue_max;
        world.peers.iter().all(is_within) && world.pipes.values().all(is_short)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::<Self>::always(NOTHING_WRONG, |_, world| world.wrong.is_none()),
            Property::<Self>::always(ENDS_WELL, |_, world| world.can_settle()),
            Property::<Self>::sometimes("two coordinate", |_, world| {
                let peers = world.peers.iter();
                peers.filter(|peer| peer.election.coordinates()).count() > 1
            }),
            Property::<Self>::sometimes("somebody yields", |_, world| {
                let mut peers = world.peers.iter();
                peers.any(|peer| matches!(peer.election.phase, Phase::Yielding { .. }))
            }),
            Property::<Self>::sometimes("one coordinates whom all follow", |_, world| {
                world.is_led()
            }),
        ]
    }
}

/// Explores reachable states: all of them, or so many of the nearest.
#[track_caller]
fn check(group: Group, most: Option<usize>) {
    let words = format!("{group:?}");
    let checker = group.checker().threads(2);
    let checked = match most {
        Some(most) => checker.target_state_count(most).spawn_bfs().join(),
        None => checker.spawn_bfs().join(),
    };
    println!(
        "{words}: {} states, {} transitions",
        checked.unique_state_count(),
        checked.state_count()
    );
    match most {
        Some(_) => {
            checked.assert_no_discovery(NOTHING_WRONG);
            checked.assert_no_discovery(ENDS_WELL);
        }
        None => checked.assert_properties(),
    }
}

const fn group(peers: usize, led: bool) -> Group {
    Group {
        peers,
        breaks: 2,
        rounds_max: 2,
        epochs_max: 2,
        queue_max: 3,
        led,
    }
}

#[test]
fn every_state_of_two_peers() {
    check(group(2, false), None);
}

#[test]
fn the_nearest_states_of_more_peers() {
    for led in [true, false] {
        check(group(3, led), Some(10_000));
        check(group(4, led), Some(5_000));
    }
}

/// `cargo test --release -p lamparina-order --lib many_states_of_more_peers -- --ignored --nocapture`
#[test]
#[ignore = "takes minutes"]
fn many_states_of_more_peers() {
    for led in [true, false] {
        check(group(3, led), Some(1_000_000));
        check(group(4, led), Some(500_000));
    }
}
