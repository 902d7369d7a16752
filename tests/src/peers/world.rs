//! Everything together: peers that talk, links that come and go, trouble for a while; then all links of honest peers are
//! good, and they must come to the same history, final to its end.

mod trouble;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lamparina_order::converging::{self, Heard, Incoming, Input, Output, Position, Sending};
use lamparina_protocol::peer::{Body, LinkMessage, ReadError, Signed, SignedAnnouncement, signed};
use lamparina_protocol::{AuthorKey, Instant, UnixMicros};

use super::node::Node;
use super::pipe::{EndId, Pipe};
use super::plan::Plan;
use super::truth::{Truth, number};
use crate::sim::agenda::Agenda;
use crate::sim::dice::Dice;
use crate::sim::seeds::{Figures, Run};
use crate::sim::trace::Trace;

/// After trouble, all must have come to rest within this.
const REST_WITHIN: Duration = Duration::from_secs(90);
/// How often that is looked at.
const REST_EVERY: Duration = Duration::from_millis(500);
/// A link that takes little is given so many bytes at a time, and so often.
const SLOW_ROOM: std::ops::Range<u64> = 1..2_000;
const SLOW_EVERY: Duration = Duration::from_millis(40);

/// What is planned.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Plans {
    Comes(EndId),
    Room(EndId),
    LearnsDown(EndId),
    Tick(usize),
    Synced(usize),
    Starts(usize),
    Lies(usize),
    Says,
    Trouble,
    Rest,
}

/// A world.
#[derive(Debug)]
pub struct World {
    plan: Plan,
    now: Instant,
    nodes: Vec<Node>,
    honest: Vec<AuthorKey>,
    pipes: BTreeMap<u64, Pipe>,
    last_pipe: u64,
    agenda: Agenda<Plans>,
    truth: Truth,
    announced: BTreeMap<Bytes, SignedAnnouncement>,
    dice: Dice,
    road: Dice,
    liar: Dice,
    trace: Trace,
    said: u64,
    healed: bool,
    figures: Figures,
}

impl Run for World {
    fn new(seed: u64) -> Self {
        let plan = Plan::new(&mut Dice::new(seed, 1));
        let all = plan.honest + plan.hostile;
        let nodes: Vec<Node> = (0..all).map(|i| Node::new(i, i < plan.honest)).collect();
        let honest = nodes.iter().filter(|node| node.honest);
        Self {
            now: Instant::ZERO,
            honest: honest.map(|node| node.author).collect(),
            nodes,
            pipes: BTreeMap::new(),
            last_pipe: 0,
            agenda: Agenda::default(),
            truth: Truth::default(),
            announced: BTreeMap::new(),
            dice: Dice::new(seed, 2),
            road: Dice::new(seed, 3),
            liar: Dice::new(seed, 4),
            trace: Trace::default(),
            said: 0,
            healed: false,
            figures: Figures::default(),
            plan,
        }
    }

    fn run(&mut self) {
        for node in 0..self.nodes.len() {
            let at = self.now + Duration::from_millis(self.dice.within(0..1_500));
            self.agenda.set(Plans::Starts(node), Some(at));
        }
        self.plan_next(Plans::Says, self.plan.say_millis.clone());
        self.plan_next(Plans::Trouble, self.plan.misfortune_millis.clone());
        let trouble_ends = self.now + self.plan.trouble;
        while let Some((at, what)) = self.agenda.pop() {
            self.now = self.now.max(at);
            if !self.healed && self.now >= trouble_ends {
                self.heal();
            }
            self.happens(what);
            if self.healed && what == Plans::Rest && self.is_at_rest() {
                return self.check_the_end();
            }
            let late = self.now >= trouble_ends + REST_WITHIN;
            assert!(!late, "they do not come to rest: {}", self.why_not());
        }
        panic!("nothing is planned any more");
    }

    fn digest(&self) -> u64 {
        self.trace.digest()
    }

    fn count(&self, sum: &mut Figures) {
        sum.ordered += self.figures.ordered;
        sum.delivered += self.figures.delivered;
        sum.lives += self.figures.lives;
        sum.connections += self.figures.connections;
        sum.late += self.figures.late;
        sum.refused += self.figures.refused;
        sum.seconds += self.now.as_micros() / 1_000_000;
    }

    fn last_steps(&self) -> String {
        format!("{:?}\n{}", self.plan, self.trace)
    }
}

impl World {
    fn plan_next(&mut self, what: Plans, millis: std::ops::Range<u64>) {
        let at = self.now + Duration::from_millis(self.dice.within(millis));
        self.agenda.set(what, Some(at));
    }

    fn happens(&mut self, what: Plans) {
        match what {
            Plans::Comes(end) => self.comes(end),
            Plans::Room(end) => self.room(end),
            Plans::LearnsDown(end) => self.learns_down(end),
            Plans::Tick(node) => self.give(node, Input::Tick),
            Plans::Synced(node) => self.synced(node),
            Plans::Starts(node) => self.starts(node),
            Plans::Lies(node) => self.lies(node),
            Plans::Says => self.says(),
            Plans::Trouble => self.trouble(),
            Plans::Rest => self.agenda.set(Plans::Rest, Some(self.now + REST_EVERY)),
        }
    }

    fn starts(&mut self, node: usize) {
        if self.nodes[node].machine.is_some() {
            return;
        }
        self.trace.note(self.now, "starts", node as u64, 0);
        self.figures.lives += 1;
        self.nodes[node].start(node, self.now, self.plan.aside_after);
        self.give(node, Input::Tick);
        if !self.nodes[node].honest {
            self.nodes[node].withholds = self.liar.percent(40);
            self.plan_next(Plans::Lies(node), 50..1_500);
        }
        for other in 0..self.nodes.len() {
            if self.dice.percent(self.plan.mesh_percent) {
                self.connect(node, other);
            }
        }
    }

    /// A link between two that are up and have none.
    fn connect(&mut self, a: usize, b: usize) {
        let up = |node: usize| self.nodes[node].machine.is_some();
        let linked = self.pipes.values().any(|pipe| {
            let nodes = [pipe.ends[0].node, pipe.ends[1].node];
            !pipe.broken && (nodes == [a, b] || nodes == [b, a])
        });
        if a == b || linked || !up(a) || !up(b) {
            return;
        }
        self.figures.connections += 1;
        self.last_pipe += 1;
        let pipe = self.last_pipe;
        self.trace.note(self.now, "connects", a as u64, b as u64);
        let slow = !self.healed && self.road.percent(self.plan.slow_percent);
        self.pipes.insert(pipe, Pipe::new(a, b, slow));
        for side in [0, 1] {
            let end = EndId { pipe, side };
            self.give([a, b][side], Input::LinkUp(end.link()));
            self.room(end);
        }
    }

    /// An end may send: all it wants, or a little.
    fn room(&mut self, end: EndId) {
        let Some(pipe) = self
            .pipes
            .get(&end.pipe)
            .filter(|pipe| pipe.ends[end.side].up)
        else {
            return;
        };
        let node = pipe.ends[end.side].node;
        let slow = pipe.slow && !self.healed;
        let bytes = match slow {
            true => self.road.within(SLOW_ROOM) as u32,
            false => u32::MAX,
        };
        if slow || pipe.slow {
            let at = self.now + SLOW_EVERY;
            self.agenda.set(Plans::Room(end), Some(at));
        }
        self.give(node, Input::Room(end.link(), bytes));
    }

    fn give(&mut self, node: usize, input: Input) {
        let Some(machine) = self.nodes[node].machine.as_mut() else {
            return;
        };
        let mut out = Vec::new();
        machine
            .handle(self.now, input, &mut out)
            .expect("the world asks for nothing that is refused");
        let deadline = machine.deadline();
        self.agenda.set(Plans::Tick(node), deadline);
        for output in out {
            self.does(node, output);
        }
        self.write(node);
    }

    fn does(&mut self, node: usize, output: Output) {
        match output {
            Output::Deliver(delivery) => {
                let from = number(delivery.from);
                self.trace.note(self.now, "delivered", node as u64, from);
                self.trace.bytes(&delivery.message.digest().0);
                self.figures.delivered += 1;
                let peer = &mut self.nodes[node];
                assert_eq!(delivery.position.0 as usize, peer.log.len(), "position");
                if peer.honest {
                    self.truth
                        .delivered(&mut peer.seen, &delivery, &self.honest);
                } else {
                    let digest = delivery.message.digest();
                    self.truth
                        .proved
                        .insert(digest, Arc::clone(&delivery.message));
                }
                peer.log.push(delivery.message);
            }
            Output::Send(link, sending) => self.send(node, EndId::of(link), sending),
            Output::FinalUpTo(key) => {
                self.trace
                    .note(self.now, "final", node as u64, key.stamp.get());
                let peer = &mut self.nodes[node];
                if let (true, Some(machine)) = (peer.honest, &peer.machine) {
                    peer.seen.is_final(key, machine.members());
                }
            }
            Output::Fault(link, fault) => {
                self.trace.note(self.now, "fault", node as u64, link.0);
                self.figures.refused += 1;
                self.at_fault(EndId::of(link), &fault.to_string());
            }
            Output::Merged(report) => {
                assert!(report.inserted <= report.lines && report.inserted > 0);
                assert!(report.ranges.is_sorted_by(|a, b| a.1 < b.0));
            }
            Output::Equivocation(proof) => {
                let log = &self.nodes[node].log;
                let content = |at: Position| log[at.0 as usize].content();
                let (first, second) = (content(proof.first), content(proof.second));
                assert_eq!((first.name, second.name), (proof.name, proof.name));
                assert_ne!(first, second);
                assert!(!self.honest.contains(&proof.name.chain.author));
            }
            Output::Ready
            | Output::Announced(_)
            | Output::MemberAside(_)
            | Output::MemberBack(_) => {}
        }
    }

    fn send(&mut self, node: usize, end: EndId, sending: Sending) {
        let peer = &self.nodes[node];
        let tells = matches!(
            sending,
            Sending::Messages(_) | Sending::Given(_) | Sending::Announcements(_)
        );
        if peer.withholds && tells {
            return;
        }
        let bytes = |at: Position| Ok::<_, ()>(peer.log[at.0 as usize].bytes().clone());
        let Ok(message) = sending.into_message(bytes) else {
            return;
        };
        self.put(end, message.encode());
    }

    fn put(&mut self, from: EndId, bytes: Bytes) {
        let latency = self.road.within(self.plan.latency_micros.clone());
        let at = self.now + Duration::from_micros(latency);
        let to = from.other();
        let Some(pipe) = self.pipes.get_mut(&from.pipe) else {
            return;
        };
        if let Some(at) = pipe.send(to.side, at, bytes) {
            self.agenda.no_later(Plans::Comes(to), at);
        }
    }

    fn comes(&mut self, end: EndId) {
        let Some(pipe) = self.pipes.get_mut(&end.pipe) else {
            return;
        };
        let node = pipe.ends[end.side].node;
        let bytes = pipe.come(end.side, self.now);
        let next = pipe.next(end.side).filter(|_| pipe.ends[end.side].up);
        self.agenda
            .set(Plans::Comes(end), next.map(|at| at.max(self.now)));
        let Some(bytes) = bytes else {
            return;
        };
        self.trace
            .note(self.now, "comes", node as u64, end.link().0);
        self.trace.bytes(&bytes);
        match self.read(node, &bytes) {
            Ok(Some(heard)) => self.give(node, Input::Heard(end.link(), heard)),
            Ok(None) => {}
            Err(error) => {
                self.figures.refused += 1;
                self.give(node, Input::LinkDown(end.link()));
                self.at_fault(end, &error.to_string());
            }
        }
    }

    /// As the shell does, but each signature is looked at once in a world.
    fn read(&mut self, node: usize, bytes: &Bytes) -> Result<Option<Heard>, ReadError> {
        let Some(machine) = self.nodes[node].machine.as_ref() else {
            return Ok(None);
        };
        match LinkMessage::decode(bytes)? {
            LinkMessage::Messages(items) => {
                let mut incoming = Vec::new();
                for item in &items {
                    if let Some(digest) = converging::named(item) {
                        incoming.push(Incoming::Named(digest));
                        continue;
                    }
                    let digest = signed::digest_of(item)?;
                    if machine.knows(&digest) {
                        incoming.push(Incoming::Known(digest));
                        continue;
                    }
                    let proved = self.truth.proved.get(&digest).cloned();
                    let message = match proved.filter(|message| message.bytes() == item) {
                        Some(message) => message,
                        None => Arc::new(Signed::read(item)?),
                    };
                    self.truth.proved.insert(digest, Arc::clone(&message));
                    incoming.push(Incoming::New(message));
                }
                Ok(Some(Heard::Messages(incoming)))
            }
            LinkMessage::Announcements(items) => {
                let mut all = Vec::new();
                for item in &items {
                    let announcement = match self.announced.get(item) {
                        Some(known) => known.clone(),
                        None => SignedAnnouncement::read(item)?,
                    };
                    self.announced.insert(item.clone(), announcement.clone());
                    all.push(announcement);
                }
                Ok(Some(Heard::Announcements(all)))
            }
            other => Heard::read(other, |_| false),
        }
    }

    /// Honest peers never find each other at fault; a liar's machine may have been confused by its own lies.
    fn at_fault(&mut self, end: EndId, words: &str) {
        let Some(pipe) = self.pipes.get(&end.pipe) else {
            return;
        };
        let (judge, other) = (pipe.ends[end.side].node, pipe.ends[end.other().side].node);
        let wrong = self.nodes[judge].honest && self.nodes[other].honest;
        assert!(!wrong, "honest peer {other} is found at fault: {words}");
        self.break_link(end.pipe, true);
    }

    /// Nothing passes any more, and the ends learn of it soon, each by itself.
    fn break_link(&mut self, pipe: u64, at_once: bool) {
        let Some(link) = self.pipes.get_mut(&pipe) else {
            return;
        };
        if std::mem::replace(&mut link.broken, true) {
            return;
        }
        self.trace.note(self.now, "breaks", pipe, 0);
        for side in [0, 1] {
            let micros = match at_once {
                true => 0,
                false => self.road.within(0..2_000_000),
            };
            let at = self.now + Duration::from_micros(micros);
            let end = EndId { pipe, side };
            self.agenda.set(Plans::LearnsDown(end), Some(at));
            // What was under way is lost, or a part of it.
            if let Some(link) = self.pipes.get_mut(&pipe) {
                let kept = self.road.index(link.ends[side].coming.len() + 1);
                link.ends[side].coming.truncate(kept);
            }
        }
    }

    fn learns_down(&mut self, end: EndId) {
        let Some(pipe) = self.pipes.get_mut(&end.pipe) else {
            return;
        };
        pipe.ends[end.side].up = false;
        let node = pipe.ends[end.side].node;
        let over = pipe.ends.iter().all(|end| !end.up);
        self.agenda.set(Plans::Room(end), None);
        self.agenda.set(Plans::Comes(end), None);
        self.give(node, Input::LinkDown(end.link()));
        if over {
            self.pipes.remove(&end.pipe);
        }
    }

    /// Writes what was delivered, when nothing is being written.
    fn write(&mut self, node: usize) {
        let micros = self.road.within(self.plan.sync_micros.clone());
        let peer = &mut self.nodes[node];
        if peer.writing.is_none() && peer.log.len() > peer.on_disk && peer.machine.is_some() {
            peer.writing = Some((peer.log.len(), peer.seen.promised()));
            let at = self.now + Duration::from_micros(micros);
            self.agenda.set(Plans::Synced(node), Some(at));
        }
    }

    fn synced(&mut self, node: usize) {
        let peer = &mut self.nodes[node];
        let Some((upto, promised)) = peer.writing.take() else {
            return;
        };
        (peer.on_disk, peer.promised_on_disk) = (upto, promised);
        self.give(node, Input::Stored(Position(upto as u32)));
    }

    fn says(&mut self) {
        if self.said == self.plan.messages || self.healed {
            return;
        }
        let node = self.dice.index(self.nodes.len());
        if self.nodes[node].machine.is_some() {
            self.said += 1;
            self.figures.ordered += 1;
            let said = Input::Say {
                body: Body::All(format!("{}", self.said)),
                // Clocks of people jump as they like.
                sent_at: UnixMicros(self.dice.roll()),
                foreign: None,
            };
            self.give(node, said);
        }
        self.plan_next(Plans::Says, self.plan.say_millis.clone());
    }

    fn is_at_rest(&self) -> bool {
        let histories = self.nodes[..self.plan.honest].iter().map(Node::history);
        let histories: Vec<_> = histories.collect();
        let last = histories[0].last();
        histories.windows(2).all(|two| two[0] == two[1])
            && self.nodes[..self.plan.honest]
                .iter()
                .all(|node| node.seen.final_upto.as_ref() == last)
    }

    fn why_not(&self) -> String {
        let peer = |node: &Node| {
            let upto = node.seen.final_upto.map(|key| key.stamp.get());
            let machine = node.machine.as_ref();
            let frontier = machine.map(|machine| (machine.clock(), machine.frontier()));
            format!("{} lines, final to {upto:?}, {frontier:?}", node.seen.len())
        };
        let honest = self.nodes[..self.plan.honest].iter();
        honest.map(peer).collect::<Vec<_>>().join("; ")
    }

    fn check_the_end(&mut self) {
        for node in &self.nodes[..self.plan.honest] {
            self.figures.late += node.seen.late;
            self.trace
                .note(self.now, "rests", node.seen.len() as u64, node.seen.late);
        }
        // What an honest peer said and put on its disk is everywhere.
        let history = self.nodes[0].history();
        for node in self.nodes[..self.plan.honest].iter() {
            for message in &node.log[..node.on_disk] {
                let name = message.content().name;
                let found = history.iter().any(|key| key.name == name);
                assert!(found, "a stored message is in no history");
            }
        }
    }
}
