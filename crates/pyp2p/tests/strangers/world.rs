//! Our contacts and one stranger, with pipes between them in virtual time: bytes take a while, a read takes
//! whatever has come by then, and everything that is left to chance comes from one seed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use lamparina_protocol::{Instant, UnixMicros};
use lamparina_pyp2p::contacts::{ConnectionId, Contacts, Input, Output};
use lamparina_pyp2p::{MsgId, PeerId, Record, Settings, Topic};

use crate::stranger::{Do, Quirks, Stranger};

const READ_BYTES: usize = 4_096;

/// From ours to the stranger, and back.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Way {
    There,
    Back,
}

#[derive(Debug)]
enum Event {
    Arrives(u64, Way, Vec<u8>),
    Ends(u64, Way),
    /// The stranger looks what has come.
    Reads(u64),
    Connects(ConnectionId),
    Tick,
    Written(ConnectionId),
    Speaks,
    Repeats,
}

struct Pipe {
    connection: ConnectionId,
    /// What has come to the stranger, and it has not read.
    unread: Vec<u8>,
    reading: bool,
    /// What is on its way arrives in order.
    busy_until: BTreeMap<Way, Instant>,
    ours_closed: bool,
    theirs_closed: bool,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) ana: Contacts,
    pub(crate) stranger: Stranger,
    pipes: BTreeMap<u64, Pipe>,
    events: BTreeMap<(Instant, u64), Event>,
    next: u64,
    random: u64,
    addr: SocketAddr,
    /// What happened to ours.
    pub(crate) told: Vec<Output>,
    pub(crate) trace: String,
}

impl World {
    pub(crate) fn new(seed: u64, quirks: Quirks, says: usize) -> Self {
        let me = PeerId::own("ana", "lab").unwrap();
        let mut world = Self {
            now: Instant::ZERO,
            ana: Contacts::new(Settings::new(me, UnixMicros(0)), [seed as u8; 16]),
            stranger: Stranger::new(quirks, says),
            pipes: BTreeMap::new(),
            events: BTreeMap::new(),
            next: 0,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            addr: "198.51.100.7:4200".parse().unwrap(),
            told: Vec::new(),
            trace: String::new(),
        };
        world.at(10, Event::Speaks);
        world.at(5_000, Event::Repeats);
        world
    }

    /// xorshift64: small, seeded, good enough to be unfair with.
    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    fn at(&mut self, millis: u64, event: Event) {
        self.later(Duration::from_millis(millis), event);
    }

    fn later(&mut self, after: Duration, event: Event) {
        self.next += 1;
        self.events.insert((self.now + after, self.next), event);
    }

    pub(crate) fn peer(&self) -> PeerId {
        PeerId::received(&self.stranger.peer_id()).unwrap()
    }

    /// The rendezvous lists the stranger.
    pub(crate) fn discover(&mut self) {
        let (peer, addr, expires_in) = (self.peer(), self.addr, 900);
        let records = &[Record {
            peer,
            addr,
            expires_in,
        }];
        let namespace = None;
        self.give(Input::Discovered { records, namespace });
    }

    /// The stranger dials us.
    pub(crate) fn stranger_dials(&mut self) {
        let pipe = self.next;
        let connection = ConnectionId::Accepted(pipe);
        self.open(pipe, connection);
        let addr = self.addr;
        self.give(Input::Accepted { connection, addr });
        let done = self.stranger.opened(pipe, true);
        self.does(pipe, done);
    }

    pub(crate) fn stranger_leaves(&mut self) {
        for (pipe, done) in self.stranger.leave() {
            self.does(pipe, done);
        }
    }

    fn open(&mut self, pipe: u64, connection: ConnectionId) {
        self.next += 1;
        let pipe_of = Pipe {
            connection,
            unread: Vec::new(),
            reading: false,
            busy_until: BTreeMap::new(),
            ours_closed: false,
            theirs_closed: false,
        };
        self.pipes.insert(pipe, pipe_of);
    }

    pub(crate) fn send(&mut self, n: u8, text: &str) -> bool {
        let (msg_id, to) = (&MsgId::from_random([n; 16]), &self.peer());
        self.try_give(Input::Send { msg_id, to, text })
    }

    pub(crate) fn publish(&mut self, text: &str) {
        let (msg_id, topic) = (&MsgId::from_random([255; 16]), &Topic::All);
        let input = Input::Publish {
            msg_id,
            topic,
            text,
        };
        assert!(self.try_give(input));
    }

    pub(crate) fn give(&mut self, input: Input<'_>) {
        assert!(self.try_give(input));
    }

    fn try_give(&mut self, input: Input<'_>) -> bool {
        let mut out = Vec::new();
        let taken = self.ana.handle(self.now, input, &mut out).is_ok();
        for output in out {
            self.trace.push_str(&format!("{} {output:?}\n", self.now));
            match output {
                Output::Dial { connection, .. } => {
                    let after = 1 + self.below(20);
                    self.at(after, Event::Connects(connection));
                }
                Output::Write { connection, line } => {
                    self.write(connection, line.into_bytes());
                    let after = Duration::from_micros(self.below(2_000));
                    self.later(after, Event::Written(connection));
                }
                Output::Close { connection } => self.close_ours(connection),
                other => self.told.push(other),
            }
        }
        if let Some(deadline) = self.ana.deadline() {
            self.later(deadline.saturating_since(self.now), Event::Tick);
        }
        taken
    }

    fn pipe_of(&self, connection: ConnectionId) -> Option<u64> {
        let mut all = self.pipes.iter();
        all.find(|(_, pipe)| pipe.connection == connection)
            .map(|(&pipe, _)| pipe)
    }

    /// When bytes that leave now arrive, behind those before them.
    fn travel(&mut self, pipe: u64, way: Way) -> Duration {
        let after = Duration::from_micros(500 + self.below(3_000));
        let now = self.now;
        let busy = self.pipes.get_mut(&pipe).unwrap().busy_until.entry(way);
        let until = busy.or_insert(now);
        *until = (*until).max(now + after);
        *until - now
    }

    fn write(&mut self, connection: ConnectionId, bytes: Vec<u8>) {
        if let Some(pipe) = self.pipe_of(connection) {
            let after = self.travel(pipe, Way::There);
            self.later(after, Event::Arrives(pipe, Way::There, bytes));
        }
    }

    fn close_ours(&mut self, connection: ConnectionId) {
        if let Some(pipe) = self.pipe_of(connection) {
            self.pipes.get_mut(&pipe).unwrap().ours_closed = true;
            let after = self.travel(pipe, Way::There);
            self.later(after, Event::Ends(pipe, Way::There));
        }
    }

    fn does(&mut self, pipe: u64, done: Vec<Do>) {
        for one in done {
            if self.pipes[&pipe].theirs_closed {
                return;
            }
            let after = self.travel(pipe, Way::Back);
            match one {
                Do::Write(text) => {
                    self.later(after, Event::Arrives(pipe, Way::Back, text.into_bytes()));
                }
                Do::Close => {
                    self.stranger.has_closed(pipe);
                    self.pipes.get_mut(&pipe).unwrap().theirs_closed = true;
                    self.later(after, Event::Ends(pipe, Way::Back));
                }
            }
        }
    }

    pub(crate) fn run(&mut self, millis: u64) {
        let end = Instant::from_millis(millis);
        while let Some((&(at, _), _)) = self.events.first_key_value() {
            if at > end {
                break;
            }
            let (_, event) = self.events.pop_first().unwrap();
            self.now = at;
            self.happens(event);
        }
        self.now = end;
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Arrives(pipe, Way::There, bytes) => {
                let one = self.pipes.get_mut(&pipe).unwrap();
                one.unread.extend(bytes);
                if !std::mem::replace(&mut one.reading, true) {
                    // It has something else to do for a moment: what comes meanwhile is one read.
                    let after = Duration::from_micros(self.below(3_000));
                    self.later(after, Event::Reads(pipe));
                }
            }
            Event::Reads(pipe) => {
                let one = self.pipes.get_mut(&pipe).unwrap();
                let count = one.unread.len().min(READ_BYTES);
                let bytes: Vec<u8> = one.unread.drain(..count).collect();
                one.reading = !one.unread.is_empty();
                if one.reading {
                    self.later(Duration::ZERO, Event::Reads(pipe));
                }
                let done = self.stranger.read(pipe, &bytes);
                self.does(pipe, done);
            }
            Event::Ends(pipe, Way::There) => {
                if self.pipes[&pipe].reading {
                    return self.at(1, Event::Ends(pipe, Way::There));
                }
                self.stranger.ended(pipe);
            }
            Event::Arrives(pipe, Way::Back, bytes) => {
                let connection = self.pipes[&pipe].connection;
                let bytes = &bytes;
                if !self.pipes[&pipe].ours_closed {
                    self.give(Input::Bytes { connection, bytes });
                }
            }
            Event::Ends(pipe, Way::Back) => {
                let connection = self.pipes[&pipe].connection;
                self.give(Input::EndOfStream { connection });
            }
            Event::Connects(connection) => {
                let pipe = self.next;
                self.open(pipe, connection);
                let done = self.stranger.opened(pipe, false);
                self.does(pipe, done);
                self.give(Input::Connected { connection });
            }
            Event::Written(connection) => self.give(Input::Written { connection }),
            Event::Tick => self.give(Input::Tick),
            Event::Speaks => {
                if let Some((pipe, line)) = self.stranger.speaks() {
                    self.does(pipe, vec![Do::Write(line)]);
                }
                let after = 1 + self.below(10);
                if self.stranger.has_more() {
                    self.at(after, Event::Speaks);
                }
            }
            Event::Repeats => {
                if !self.stranger.has_more() {
                    self.at(0, Event::Speaks);
                }
                self.stranger.repeat();
                self.at(5_000, Event::Repeats);
            }
        }
    }
}
