//! Everything together: one server, its clients, two bad wires for each connection, people and
//! mishaps, in virtual time. After the faults stop everything comes to rest, and then to an end.

mod ending;
mod making;
mod misfortune;
mod power;
mod roaming;
mod telling;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Buf;
use lamparina_client::core::conversation::Input;
use lamparina_impair::Settings;
use lamparina_protocol::control::Hello;
use lamparina_protocol::frame::HEADER_BYTES;
use lamparina_protocol::link::{
    CloseReason, Input as LinkInput, Link, LinkConfig, LinkStats, Terms,
};
use lamparina_protocol::seal::Transport;
use lamparina_protocol::{Epoch, Instant, Nick, UnixMicros};
use lamparina_server::reading::{ReadAnswer, Turn};

use super::agenda::Agenda;
use super::check::{Check, Name, Who};
use super::client::Client;
use super::dice::Dice;
use super::keys;
use super::people::{self, Deed};
use super::seeds::{Figures, Run};
use super::served::{Done, Served};
use super::server::{Server, Wrong};
use super::trace::Trace;
use super::wire::Wire;

use power::Power;
pub use power::{POINTS, Point};
pub use roaming::Did;
use roaming::{Air, Roaming};

/// More than any run takes.
const STEPS_MAX: u64 = 2_000_000;
/// What the wall clock shows at the beginning.
const UNIX_AT_ZERO: UnixMicros = UnixMicros(1_700_000_000_000_000);
/// Control frames written while one frame is in flight, in bytes.
const CONTROL_BYTES_MAX: u32 = 64 * 1024;

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Due {
    /// The server orders.
    Order,
    /// What it applied is stored.
    Stored,
    /// A point for the next power cut is chosen, or waited for no longer.
    Power,
    /// The power goes.
    Cut,
    /// And is back.
    Start,
    /// There is room on the disk again.
    Room,
    /// A session's timers and bell.
    Served(u64),
    /// What a session wants from the store is read.
    Read(u64),
    /// What comes out of a wire.
    Up(u64),
    Down(u64),
    /// What addresses a connection by datagrams has.
    Path(u64),
    /// A client's timers.
    Client(Who),
    /// A connection comes about, or does not.
    Dial(Who),
    /// Somebody does something.
    Deed(Who),
    /// The server dies, and another one takes its address.
    Death,
    /// Something befalls somebody.
    Mishap(Who),
    /// A killed client begins anew.
    Rebirth(Who),
    /// Faults stop.
    Calm,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// People talk, and things go wrong.
    Storm,
    /// Nothing new happens; what is under way arrives.
    Calm { since: Instant },
    /// Everybody leaves.
    Leaving { since: Instant },
}

/// The two wires of a connection.
struct Wires {
    who: Who,
    up: Wire,
    down: Wire,
    /// Of a connection by datagrams.
    air: Option<Box<Air>>,
}

/// One person.
struct Person {
    /// None while it is dead.
    client: Option<Client>,
    epoch: Epoch,
    /// Its messages have had other names in this life.
    renewed: bool,
    nick: Nick,
    weather: Settings,
    /// What the connection asked for says first.
    hello: Option<Hello>,
    link: LinkConfig,
    /// Texts are this long at most.
    large: usize,
    /// Between two deeds lies this time at most.
    pause_ms: u64,
    deeds: Dice,
}

/// The world.
pub struct World {
    dice: Dice,
    now: Instant,
    stage: Stage,
    agenda: Agenda<Due>,
    trace: Trace,
    server: Server,
    server_link: LinkConfig,
    served: BTreeMap<u64, Served>,
    wires: BTreeMap<u64, Wires>,
    people: Vec<Person>,
    check: Check,
    connections: u64,
    /// The server is closing, before another one takes its place.
    dying: bool,
    /// The power is gone.
    off: bool,
    /// Power cuts, in a world that has them.
    power: Option<Power>,
    /// Connections by datagrams, in a world that has them.
    roaming: Option<Box<Roaming>>,
    /// Logs that there were.
    logs: u8,
    tail_items: usize,
    /// Clients that began, for the first time or anew.
    lives: u64,
    /// Answers of the store.
    reads: u64,
    /// Links are sealed: below them a stream lies, which delays and breaks and loses no frame alone.
    sealed: bool,
    /// Of wires that are gone.
    figures: Figures,
    /// The server closes first, instead of the clients.
    server_leaves: bool,
}

impl World {
    fn step(&mut self, due: Due) {
        match due {
            Due::Order => self.order(),
            Due::Stored => self.stored(),
            Due::Power => self.power(),
            Due::Cut => self.cut_before_append(),
            Due::Start => self.start(),
            Due::Room => self.server.disk.set_full(false),
            Due::Served(id) => self.give_served(id, LinkInput::Tick),
            Due::Read(id) => self.read(id),
            Due::Up(id) => self.take_up(id),
            Due::Down(id) => self.take_down(id),
            Due::Path(id) => self.path(id),
            Due::Client(who) => {
                self.with_client(who, |client, now| client.tick(now));
            }
            Due::Dial(who) => self.dial(who),
            Due::Deed(who) => self.deed(who),
            Due::Mishap(who) => self.mishap(who),
            Due::Death => self.death(),
            Due::Rebirth(who) => self.rebirth(who),
            Due::Calm => self.calm(),
        }
        if !self.off
            && let Some(at) = self.server.due(self.now, self.dice.within(0..1_500))
        {
            self.agenda.no_later(Due::Order, at);
        }
    }

    fn soon(&mut self, micros: u64) -> Instant {
        self.now + Duration::from_micros(self.dice.within(0..micros))
    }

    // The server's side of a connection.

    fn give_served(&mut self, id: u64, input: LinkInput) {
        if self.served.contains_key(&id) && self.goes_while_resuming() {
            return self.power_cut(Point::Resuming);
        }
        let clock = self.server.clock();
        let Some(served) = self.served.get_mut(&id) else {
            return;
        };
        let done = served.give(self.now, input, &self.server.tail, clock);
        self.served_did(id, done);
    }

    /// One turn of reading for a session.
    fn read(&mut self, id: u64) {
        let clock = self.server.clock();
        let Some(served) = self.served.get_mut(&id) else {
            return;
        };
        let Some(ask) = served.wants() else {
            return;
        };
        match self.server.read(ask) {
            Turn::Unfinished(ask) => {
                served.waits_for(ask);
                let at = self.soon(8_000);
                self.agenda.set(Due::Read(id), Some(at));
            }
            Turn::Done(answer) => {
                self.reads += 1;
                let who = self.wires.get(&id).map(|wires| wires.who);
                if let (Some(who), ReadAnswer::Page(page)) = (who, &answer)
                    && let Some((stamp, _)) = page.messages.last()
                {
                    self.check.read(who, stamp.get());
                }
                let done = served.read(self.now, answer, &self.server.tail, clock);
                self.served_did(id, done);
            }
        }
    }

    fn served_did(&mut self, id: u64, done: Done) {
        self.check_told(id, &done.told);
        let cut = self.goes_between_reads(!done.told.is_empty());
        self.server.ask(done.asked);
        let Some(served) = self.served.get(&id) else {
            return;
        };
        if let Some(measures) = served.measures() {
            check_measures(measures);
        }
        let over = served.is_over();
        if served.is_waiting() {
            let at = self.now + Duration::from_micros(self.dice.within(0..8_000));
            self.agenda.no_later(Due::Read(id), at);
        }
        self.agenda.set(
            Due::Served(id),
            served.deadline().map(|at| at.max(self.now)),
        );
        if self.is_air(id) {
            self.send_down(id, done.wire);
        } else if let Some(wires) = self.wires.get_mut(&id) {
            let pieces = match cut {
                true => self.dice.index(done.wire.len() + 1),
                false => done.wire.len(),
            };
            for piece in done.wire.into_iter().take(pieces) {
                wires.down.send(self.now, &piece, &mut self.trace);
            }
            if over && !cut {
                wires.down.close();
            }
        }
        if cut {
            return self.power_cut(Point::BetweenReads);
        }
        if over {
            let served = self.served.remove(&id);
            self.forget_air(id);
            self.server_closed(id, served.and_then(|served| served.closed));
        }
        self.watch_wires(id);
    }

    /// A session is over; at the end it must be so in good order.
    fn server_closed(&mut self, id: u64, reason: Option<CloseReason>) {
        let orderly = reason == Some(CloseReason::Orderly);
        self.trace
            .note(self.now, "session-over", id, u64::from(orderly));
        self.agenda.set(Due::Served(id), None);
        self.note_server_end(id, reason);
    }

    // Wires.

    fn watch_wires(&mut self, id: u64) {
        let Some(wires) = self.wires.get(&id) else {
            return;
        };
        self.agenda.set(Due::Up(id), wires.up.deadline(self.now));
        self.agenda
            .set(Due::Down(id), wires.down.deadline(self.now));
    }

    fn take_up(&mut self, id: u64) {
        let Some(wires) = self.wires.get_mut(&id) else {
            return;
        };
        let arrived = wires.up.take(self.now);
        if wires.air.is_some() {
            for mut frame in arrived.frames {
                let from = frame.get_u32();
                self.came_up(id, from, frame);
            }
            return self.watch_wires(id);
        }
        for mut frame in arrived.frames {
            if self.dice.percent(3) {
                let head = frame.split_to(self.dice.index(frame.len()));
                self.give_served(id, LinkInput::Bytes(head));
            }
            self.give_served(id, LinkInput::Bytes(frame));
        }
        if arrived.ended {
            self.give_served(id, LinkInput::Eof);
        }
        self.watch_wires(id);
    }

    fn take_down(&mut self, id: u64) {
        let Some(wires) = self.wires.get_mut(&id) else {
            return;
        };
        let (who, arrived) = (wires.who, wires.down.take(self.now));
        if wires.air.is_some() {
            for mut frame in arrived.frames {
                let to = frame.get_u32();
                self.came_down(id, to, frame);
            }
            return self.watch_wires(id);
        }
        for frame in arrived.frames {
            let input = LinkInput::Bytes(frame);
            self.with_client(who, |client, now| client.came(now, id, input));
        }
        if arrived.ended {
            self.with_client(who, |client, now| client.came(now, id, LinkInput::Eof));
        }
        self.watch_wires(id);
    }

    // Clients.

    /// Does something with a client, and what follows from it.
    fn with_client<T>(
        &mut self,
        who: Who,
        act: impl FnOnce(&mut Client, Instant) -> T,
    ) -> Option<T> {
        let client = self.people[who].client.as_mut()?;
        let done = act(client, self.now);
        if let Some(measures) = client.measures() {
            check_measures(measures);
        }
        let acts = client.take_acts();
        let epoch = client.conversation.epoch();
        self.agenda.set(Due::Client(who), client.deadline(self.now));
        for act in acts {
            if let Err(violation) = self.client_did(who, act) {
                panic!("person {who} at {}: {violation}", self.now);
            }
        }
        // What was not stored has left a hole, which nothing but a new epoch closes.
        if epoch != self.people[who].epoch {
            self.people[who].epoch = epoch;
            self.people[who].renewed = true;
            self.check.renamed(who, epoch);
        }
        Some(done)
    }

    fn dial(&mut self, who: Who) {
        let refused = match self.stage {
            Stage::Storm | Stage::Calm { .. } if self.dying || self.off => true,
            Stage::Storm => self.dice.percent(10),
            Stage::Calm { .. } => false,
            Stage::Leaving { .. } => true,
        };
        let waiting = self.people[who].client.is_some();
        let Some(hello) = self.people[who].hello.take().filter(|_| waiting) else {
            return;
        };
        if refused {
            let text = "no route".to_owned();
            self.with_client(who, |client, now| {
                client.give(now, Input::ConnectFailed { text })
            });
            return;
        }
        self.connections += 1;
        let id = self.connections;
        self.trace.note(self.now, "dialed", who as u64, id);
        self.check.read(who, 0);
        let token = self.dice.roll() as u32;
        let config = LinkConfig {
            token,
            ..self.people[who].link.clone()
        };
        if self.goes_by_air() {
            return self.call_by_air(who, id, hello, config);
        }
        let server = LinkConfig {
            token: self.dice.roll() as u32,
            ..self.server_link.clone()
        };
        let mut answering = Link::respond(server, self.now);
        let weather = &self.people[who].weather;
        let [up, down] = making::wires(weather, id, self.sealed);
        let air = None;
        self.wires.insert(id, Wires { who, up, down, air });
        let mut link = Link::initiate(config, hello.to_bytes(), self.now);
        if self.sealed {
            answering = keys::sealed(answering, keys::server(), Transport::Tcp, &mut self.dice);
            link = keys::sealed(link, keys::identity(who), Transport::Tcp, &mut self.dice);
        }
        let session = self.server.session(id, &hello);
        self.served.insert(id, Served::new(session, answering));
        self.with_client(who, |client, now| client.dialed(now, id, link));
        self.give_served(id, LinkInput::Tick);
    }

    fn deed(&mut self, who: Who) {
        if self.stage != Stage::Storm {
            return;
        }
        let person = &mut self.people[who];
        let deed = people::deed(&mut person.deeds, person.large);
        let next = self.now + Duration::from_millis(person.deeds.within(1..person.pause_ms));
        self.agenda.set(Due::Deed(who), Some(next));
        if self.people[who].client.as_ref().is_none_or(Client::is_over) {
            return;
        }
        match deed {
            Deed::Say {
                audience,
                text,
                times,
            } => {
                for _ in 0..times {
                    self.say(who, audience.clone(), &text);
                }
            }
            Deed::Ask(ask) => {
                self.with_client(who, |client, _| client.conversation.ask(ask));
            }
            Deed::Reconnect => {
                self.with_client(who, |client, now| client.give(now, Input::Reconnect));
            }
        }
        self.with_client(who, |client, now| client.give(now, Input::Tick));
    }

    fn say(&mut self, who: Who, audience: lamparina_protocol::Audience, text: &str) {
        let sent_at = UnixMicros(UNIX_AT_ZERO.0 + self.now.as_micros());
        let said = self.with_client(who, |client, _| {
            client.conversation.say(sent_at, audience, text.to_owned())
        });
        if let Some(Ok(name)) = said {
            let (epoch, pseq) = (name.epoch, name.pseq);
            self.trace.note(self.now, "said", who as u64, pseq.0);
            self.check.said(Name { who, epoch, pseq }, text);
        }
    }
}

/// What is in flight stays within what was agreed on.
fn check_measures((terms, stats): (Terms, LinkStats)) {
    // Each lane has a window of its own.
    let lanes = 1 + u32::from(stats.bulk_in_flight_bytes > 0);
    assert!(
        stats.in_flight_frames <= lanes * u32::from(terms.window_frames),
        "{stats:?}"
    );
    let frame_bytes = u32::from(terms.fragment_bytes) + HEADER_BYTES as u32;
    let bytes = terms.window_bytes.max(frame_bytes) + CONTROL_BYTES_MAX;
    assert!(stats.in_flight_bytes <= bytes, "{stats:?}");
}

/// The world of a seed in which most connections are by datagrams.
pub struct Roamers(World);

impl Run for Roamers {
    fn new(seed: u64) -> Self {
        let mut world = making::world(seed);
        roaming::roam(&mut world, seed);
        Self(world)
    }

    fn run(&mut self) {
        self.0.run();
    }

    fn digest(&self) -> u64 {
        self.0.digest()
    }

    fn count(&self, sum: &mut Figures) {
        self.0.count(sum);
    }

    fn last_steps(&self) -> String {
        self.0.last_steps()
    }
}

/// The world of a seed whose server loses power again and again.
pub struct Cutting(World);

impl Cutting {
    /// The same with a broken server.
    pub fn broken(seed: u64, wrong: Wrong) -> Self {
        Self(making::cutting(seed, wrong))
    }
}

impl Run for Cutting {
    fn new(seed: u64) -> Self {
        Self::broken(seed, Wrong::Nothing)
    }

    fn run(&mut self) {
        self.0.run();
    }

    fn digest(&self) -> u64 {
        self.0.digest()
    }

    fn count(&self, sum: &mut Figures) {
        self.0.count(sum);
    }

    fn last_steps(&self) -> String {
        self.0.last_steps()
    }
}

impl Run for World {
    fn new(seed: u64) -> Self {
        making::world(seed)
    }

    fn run(&mut self) {
        while !self.is_done() {
            let Some((at, due)) = self.agenda.pop() else {
                panic!("nothing follows, and it is not done: {:?}", self.stage);
            };
            assert!(self.trace.steps() < STEPS_MAX, "no end");
            self.now = self.now.max(at);
            self.note(due);
            self.step(due);
            self.pass_on();
        }
    }

    fn digest(&self) -> u64 {
        self.trace.digest()
    }

    fn count(&self, sum: &mut Figures) {
        let figures = &self.figures;
        sum.frames += figures.frames;
        sum.spoilt += figures.spoilt;
        sum.ordered += self.check.places() as u64;
        sum.delivered += self.check.delivered;
        sum.connections += self.connections;
        sum.gaps += self.check.gaps;
        sum.late += self.check.late;
        sum.refused += self.check.refusals;
        sum.turned_away += self.check.turned_away;
        sum.lives += self.lives;
        sum.reads += self.reads;
        sum.bytes += self.check.bytes;
        if let Some(power) = &self.power {
            for (sum, cuts) in sum.cuts.iter_mut().zip(power.cuts) {
                *sum += cuts;
            }
            sum.fulls += power.fulls;
        }
        if let Some(roaming) = &self.roaming {
            sum.air.add(&roaming.did);
        }
        sum.seconds += self.now.as_micros() / 1_000_000;
    }

    fn last_steps(&self) -> String {
        self.trace.to_string()
    }
}
