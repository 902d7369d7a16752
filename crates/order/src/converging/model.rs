//! All that a few peers can get into while links come and go, looked at one by one: the shipped machine, links that are
//! first in, first out, and every choice of what comes next in the hands of the checker. In each state every message stands
//! behind its causes and nobody is found at fault; where all is linked and quiet, all have the same.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use lamparina_protocol::Instant;
use lamparina_protocol::UnixMicros;
use lamparina_protocol::peer::{Body, Digest, Signed};
use stateright::{Checker, Model, Property};

use super::tests::config;
use super::*;

const NOW: Instant = Instant::from_millis(10_000);

/// What is explored.
#[derive(Debug)]
struct Peers {
    first: Box<World>,
    /// Pairs that may be linked.
    pairs: Vec<(usize, usize)>,
    says: usize,
    cuts: usize,
}

#[derive(Clone, Debug)]
enum Word {
    Want(Vec<Digest>, u32),
    Messages(Vec<Incoming>),
    PageEnd(bool),
    Need(Vec<Digest>),
    Given(Vec<Arc<Signed>>),
    NameOnly(Vec<AuthorKey>),
}

/// Peers, and what is between them.
#[derive(Clone, Debug)]
struct World {
    machines: Vec<Converging>,
    logs: Vec<Vec<Arc<Signed>>>,
    /// By (from, to), of those that are linked.
    ways: BTreeMap<(usize, usize), VecDeque<Word>>,
    said: usize,
    cut: usize,
    wrong: Option<&'static str>,
    canonical: [u8; 32],
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
    Say(usize),
    Come(usize, usize),
    Link(usize, usize),
    Cut(usize, usize),
    /// What was only named to this peer is late.
    Late(usize),
}

/// A link is called by whose it is with whom: once it is down, nobody knows it any more.
const fn link(of: usize, with: usize) -> LinkId {
    LinkId((of * 10 + with) as u64)
}

impl World {
    fn new(peers: usize) -> Self {
        let mut world = Self {
            machines: (0..peers)
                .map(|of| Converging::new(config(of as u8, 1), Instant::ZERO))
                .collect(),
            logs: vec![Vec::new(); peers],
            ways: BTreeMap::new(),
            said: 0,
            cut: 0,
            wrong: None,
            canonical: [0; 32],
        };
        for of in 0..peers {
            world.give(of, Input::Tick);
        }
        world.settle();
        world
    }

    fn give(&mut self, of: usize, input: Input) {
        self.give_at(NOW, of, input);
    }

    fn give_at(&mut self, now: Instant, of: usize, input: Input) {
        let mut out = Vec::new();
        let done = self.machines[of].handle(now, input, &mut out);
        done.expect("nothing is asked that is refused");
        let delivered = out.iter().any(|o| matches!(o, Output::Deliver(_)));
        for output in out {
            match output {
                Output::Deliver(delivery) => self.deliver(of, delivery.message),
                Output::Send(to, sending) => self.send(of, to.0 as usize % 10, sending),
                Output::Fault(..) => self.wrong = Some("an honest peer is found at fault"),
                Output::Equivocation(_) => self.wrong = Some("an honest peer equivocates"),
                _ => {}
            }
        }
        if delivered {
            let upto = Position(self.logs[of].len() as u32);
            self.give(of, Input::Stored(upto));
        }
    }

    fn deliver(&mut self, of: usize, message: Arc<Signed>) {
        let log = &mut self.logs[of];
        let content = message.content();
        for cause in content.prev.iter().chain(&content.heads) {
            if !log.iter().any(|before| before.digest() == *cause) {
                self.wrong = Some("delivered before its cause");
            }
        }
        if log.contains(&message) {
            self.wrong = Some("delivered twice");
        }
        log.push(message);
    }

    fn send(&mut self, from: usize, to: usize, sending: Sending) {
        let word = match sending {
            Sending::Want { has, limit } => Word::Want(has, limit),
            Sending::Messages(tellings) => {
                let message = |telling: &Telling| match telling {
                    Telling::Whole(at) => Incoming::New(self.logged(from, *at)),
                    Telling::Named(_, digest) => Incoming::Named(*digest),
                };
                Word::Messages(tellings.iter().map(message).collect())
            }
            Sending::Need(digests) => Word::Need(digests),
            Sending::Given(all) => {
                Word::Given(all.into_iter().map(|at| self.logged(from, at)).collect())
            }
            Sending::NameOnly(authors) => Word::NameOnly(authors),
            Sending::PageEnd { more } => Word::PageEnd(more),
            // Clocks are another matter.
            Sending::Announcements(_) | Sending::Bye => return,
        };
        if let Some(way) = self.ways.get_mut(&(from, to)) {
            way.push_back(word);
        }
    }

    fn logged(&self, of: usize, at: Position) -> Arc<Signed> {
        Arc::clone(&self.logs[of][at.0 as usize])
    }

    /// Whether something was named to this peer that it will ask for.
    fn is_waiting(&self, of: usize) -> bool {
        let mut links = self.machines[of].links.values();
        links.any(|link| {
            let gap = link.gap.as_ref();
            gap.and_then(Gap::deadline).is_some()
        })
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Say(who) => {
                self.said += 1;
                let said = Input::Say {
                    body: Body::All(String::new()),
                    sent_at: UnixMicros(0),
                    foreign: None,
                };
                self.give(who, said);
            }
            Step::Come(from, to) => {
                let way = self.ways.get_mut(&(from, to));
                let Some(word) = way.and_then(VecDeque::pop_front) else {
                    return;
                };
                let heard = match word {
                    Word::Want(has, limit) => Heard::Want { has, limit },
                    Word::Messages(all) => Heard::Messages(all),
                    Word::PageEnd(more) => Heard::PageEnd { more },
                    Word::Need(digests) => Heard::Need(digests),
                    Word::Given(all) => Heard::Given(all),
                    Word::NameOnly(authors) => Heard::NameOnly(authors),
                };
                self.give(to, Input::Heard(link(to, from), heard));
            }
            Step::Link(a, b) => {
                for way in [(a, b), (b, a)] {
                    self.ways.insert(way, VecDeque::new());
                }
                for (of, with) in [(a, b), (b, a)] {
                    self.give(of, Input::LinkUp(link(of, with)));
                    self.give(of, Input::Room(link(of, with), u32::MAX));
                }
            }
            Step::Late(of) => self.give_at(NOW + NAMED_WITHIN, of, Input::Tick),
            Step::Cut(a, b) => {
                self.cut += 1;
                for (of, with) in [(a, b), (b, a)] {
                    self.ways.remove(&(of, with));
                    self.give(of, Input::LinkDown(link(of, with)));
                }
            }
        }
    }

    /// After each step: the state's name.
    fn settle(&mut self) {
        let mut name = blake3_of(format!("{:?}", self.machines));
        name.extend([self.said as u8, self.cut as u8]);
        for ((from, to), way) in &self.ways {
            name.extend([0xfe, *from as u8, *to as u8]);
            for word in way {
                match word {
                    Word::Want(has, limit) => {
                        name.push(1);
                        name.extend(limit.to_be_bytes());
                        has.iter().for_each(|digest| name.extend(digest.0));
                    }
                    Word::PageEnd(more) => name.extend([3, u8::from(*more)]),
                    other => name.extend(blake3_of(format!("{other:?}"))),
                }
            }
        }
        name.push(u8::from(self.wrong.is_some()));
        self.canonical.copy_from_slice(&blake3_of(&name));
    }

    fn is_quiet(&self) -> bool {
        let waits = (0..self.machines.len()).any(|of| self.is_waiting(of));
        !waits && self.ways.values().all(VecDeque::is_empty)
    }

    /// Whether everybody is linked with everybody, over others or not.
    fn is_linked(&self) -> bool {
        let mut reached = vec![0];
        let mut at = 0;
        while let Some(from) = reached.get(at).copied() {
            for (_, to) in self.ways.keys().filter(|(a, _)| *a == from) {
                if !reached.contains(to) {
                    reached.push(*to);
                }
            }
            at += 1;
        }
        reached.len() == self.machines.len()
    }

    fn is_same(&self) -> bool {
        let lines = |machine: &Converging| -> Vec<HistoryKey> {
            let lines = machine.history().after(None, usize::MAX);
            lines.into_iter().map(|(key, _)| key).collect()
        };
        let mut histories = self.machines.iter().map(lines);
        let first = histories.next();
        histories.all(|history| Some(&history) == first.as_ref())
    }

    /// Whether all come to have the same, when everything comes and all that may be linked is.
    fn can_end(&self, pairs: &[(usize, usize)]) -> bool {
        let mut world = self.clone();
        for (a, b) in pairs {
            if !world.ways.contains_key(&(*a, *b)) {
                world.take(Step::Link(*a, *b));
            }
        }
        for _ in 0..1_000 {
            let mut ways = world.ways.iter();
            let come = ways.find(|(_, words)| !words.is_empty());
            let come = come.map(|((from, to), _)| Step::Come(*from, *to));
            let late = (0..world.machines.len()).find(|of| world.is_waiting(*of));
            let Some(step) = come.or_else(|| late.map(Step::Late)) else {
                break;
            };
            world.take(step);
        }
        world.is_quiet() && world.is_same() && world.wrong.is_none()
    }
}

fn blake3_of(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    blake3::hash(bytes.as_ref()).as_bytes().to_vec()
}

impl Model for Peers {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::clone(&self.first)]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        if world.said < self.says {
            steps.extend((0..world.machines.len()).map(Step::Say));
        }
        let words = world.ways.iter().filter(|(_, words)| !words.is_empty());
        steps.extend(words.map(|((from, to), _)| Step::Come(*from, *to)));
        let waiting = (0..world.machines.len()).filter(|of| world.is_waiting(*of));
        steps.extend(waiting.map(Step::Late));
        for (a, b) in &self.pairs {
            match world.ways.contains_key(&(*a, *b)) {
                true if world.cut < self.cuts => steps.push(Step::Cut(*a, *b)),
                true => {}
                false => steps.push(Step::Link(*a, *b)),
            }
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        next.take(step);
        next.settle();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::<Self>::always("nothing is wrong", |_, world| world.wrong.is_none()),
            Property::<Self>::always("linked and quiet is the same", |_, world| {
                !(world.is_quiet() && world.is_linked()) || world.is_same()
            }),
            Property::<Self>::always("all can come to have the same", |peers, world| {
                world.can_end(&peers.pairs)
            }),
            Property::<Self>::sometimes("all was said, and all have it", |peers, world| {
                world.said == peers.says && world.is_quiet() && world.is_same()
            }),
            Property::<Self>::sometimes("a message is lost with its link", |peers, world| {
                world.said == peers.says && world.cut > 0 && world.is_quiet() && !world.is_same()
            }),
        ]
    }
}

/// Explores all reachable states.
#[track_caller]
fn check(peers: usize, pairs: &[(usize, usize)], says: usize, cuts: usize) {
    let model = Peers {
        first: Box::new(World::new(peers)),
        pairs: pairs.to_vec(),
        says,
        cuts,
    };
    let checked = model.checker().threads(2).spawn_bfs().join();
    println!(
        "{peers} peers, {} links, {says} messages, {cuts} cuts: {} states, {} transitions",
        pairs.len(),
        checked.unique_state_count(),
        checked.state_count(),
    );
    checked.assert_properties();
}

#[test]
fn every_state_of_few_peers() {
    check(2, &[(0, 1)], 3, 3);
    check(3, &[(0, 1), (1, 2)], 2, 1);
    check(4, &[(0, 1), (1, 2), (2, 3)], 1, 1);
}

/// `cargo test --release -p lamparina-order --lib every_state_of_more_peers -- --ignored --nocapture`
#[test]
#[ignore = "takes minutes"]
fn every_state_of_more_peers() {
    check(3, &[(0, 1), (1, 2), (0, 2)], 2, 1);
    check(4, &[(0, 1), (1, 2), (2, 3)], 2, 1);
}
