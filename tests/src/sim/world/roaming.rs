//! Connections by datagrams: found by their id, whatever address they come from. Clients get other
//! addresses in the middle, the server's gate and paths decide what opens a link and where its
//! datagrams go, and somebody on the way sends old and copied datagrams from an address of his own.
//! Nothing tells either side that the other is gone.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use lamparina_impair::Direction;
use lamparina_protocol::control::Hello;
use lamparina_protocol::datagram::{
    ConnectionId, Copies, DatagramConfig, Gate, Load, Paths, Profile, Rebind, Rebinding, Verdict,
    Way, peek,
};
use lamparina_protocol::link::{Input as LinkInput, Link, LinkConfig};
use lamparina_protocol::seal::Transport;

use super::super::check::Who;
use super::super::client::Client;
use super::super::dice::Dice;
use super::super::keys;
use super::super::served::Served;
use super::super::weather;
use super::super::wire::Wire;
use super::{Due, Stage, Wires, World};

/// Datagrams that somebody on the way keeps, of each direction.
const KEPT_MAX: usize = 64;
/// His address.
const STRANGER: u32 = 0xc000_0201;
/// Handshakes under way from which on the gate asks for cookies.
const UNPROVEN_MAX: u64 = 4;

/// What a world with datagrams has.
pub(super) struct Roaming {
    dice: Dice,
    gate: Gate,
    /// Connections by datagrams that the server knows.
    routes: BTreeMap<ConnectionId, u64>,
    /// What somebody on the way has kept, towards the server and towards clients.
    kept: [VecDeque<Bytes>; 2],
    addresses: u32,
    /// He passes on what is sent to his own address: then he is on the way in both directions, and may
    /// get the link's datagrams for a while. Else never.
    passes_on: bool,
    pub(super) did: Did,
}

/// What happened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Did {
    /// Connections over datagrams.
    pub connections: u64,
    /// Addresses that clients got in the middle.
    pub roamed: u64,
    /// Times that the server's datagrams went elsewhere from then on.
    pub moves: u64,
    /// Old datagrams sent again, and copies from another address.
    pub strange: u64,
    /// Cookies asked for.
    pub retries: u64,
    /// Links that old datagrams began, and nobody was there.
    pub ghosts: u64,
}

impl Did {
    /// Adds what happened in another world.
    pub fn add(&mut self, other: &Self) {
        self.connections += other.connections;
        self.roamed += other.roamed;
        self.moves += other.moves;
        self.strange += other.strange;
        self.retries += other.retries;
        self.ghosts += other.ghosts;
    }
}

/// What a connection by datagrams has beside its wires.
pub(super) struct Air {
    connection: ConnectionId,
    hello: Hello,
    /// The client's address.
    address: u32,
    rebinding: Rebinding,
    /// The server's view; none before the gate has let it in.
    paths: Option<Paths>,
}

fn address(number: u32) -> SocketAddr {
    (Ipv4Addr::from_bits(number), 443).into()
}

fn number(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(address) => address.ip().to_bits(),
        SocketAddr::V6(_) => unreachable!("this world has addresses of 32 bits"),
    }
}

/// Puts connections by datagrams into a world.
pub(super) fn roam(world: &mut World, seed: u64) {
    let mut dice = Dice::new(seed, 7_000);
    let mut secret = [0; 32];
    secret[..8].copy_from_slice(&dice.roll().to_be_bytes());
    let passes_on = dice.percent(50);
    world.roaming = Some(Box::new(Roaming {
        dice,
        passes_on,
        gate: Gate::new(secret),
        routes: BTreeMap::new(),
        kept: Default::default(),
        addresses: 0x0a00_0000,
        did: Did::default(),
    }));
}

impl Roaming {
    fn next_address(&mut self) -> u32 {
        self.addresses += 1;
        self.addresses
    }

    fn keep(&mut self, way: usize, datagram: &Bytes) {
        if self.dice.percent(30) {
            self.kept[way].push_back(datagram.clone());
            if self.kept[way].len() > KEPT_MAX {
                self.kept[way].pop_front();
            }
        }
    }

    /// What somebody on the way adds.
    fn strange(&mut self, way: usize, datagram: &Bytes) -> Option<Bytes> {
        if !self.dice.percent(6) {
            return None;
        }
        self.did.strange += 1;
        if self.dice.percent(40) || self.kept[way].is_empty() {
            return Some(datagram.clone());
        }
        let at = self.dice.index(self.kept[way].len());
        Some(self.kept[way][at].clone())
    }
}

fn config(dice: &mut Dice, connection: ConnectionId) -> DatagramConfig {
    let mut config = DatagramConfig::new(connection, dice.roll());
    if dice.percent(40) {
        config.datagram_bytes = dice.within(576..1_201) as u16;
    }
    if dice.percent(40) {
        config.copies = Copies::NONE;
    }
    config
}

impl World {
    /// Whether the next connection is one by datagrams.
    pub(super) fn goes_by_air(&mut self) -> bool {
        let roaming = self.roaming.as_mut();
        roaming.is_some_and(|roaming| roaming.dice.percent(70))
    }

    /// A client calls; the server hears of it when the first datagram comes.
    pub(super) fn call_by_air(&mut self, who: Who, id: u64, hello: Hello, link: LinkConfig) {
        let Some(roaming) = &mut self.roaming else {
            return;
        };
        roaming.did.connections += 1;
        let connection = ConnectionId(roaming.dice.roll());
        let datagrams = config(&mut roaming.dice, connection);
        let air = Air {
            connection,
            hello,
            address: roaming.next_address(),
            rebinding: Rebinding::new(Profile::Usual, self.now),
            paths: None,
        };
        let known = &self.people[who].weather;
        let seed = known.seed() ^ id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let settings = known.clone().with_seed(seed);
        let [up, down] = [Direction::Up, Direction::Down]
            .map(|way| Wire::of_datagrams(weather::of_datagrams(&settings.for_direction(way))));
        let air = Some(Box::new(air));
        self.wires.insert(id, Wires { who, up, down, air });
        let mut link = Link::initiate(link, hello.to_bytes(), self.now);
        if self.sealed {
            link = keys::sealed(link, keys::identity(who), Transport::Udp, &mut self.dice);
        }
        let link = link.over_datagrams(datagrams);
        self.with_client(who, |client, now| client.dialed(now, id, link));
    }

    /// Whether a connection is one by datagrams.
    pub(super) fn is_air(&self, id: u64) -> bool {
        let wires = self.wires.get(&id);
        wires.is_some_and(|wires| wires.air.is_some())
    }

    /// A client's datagram leaves.
    pub(super) fn send_up(&mut self, id: u64, datagram: &Bytes) {
        let storm = self.stage == Stage::Storm;
        let (Some(wires), Some(roaming)) = (self.wires.get_mut(&id), &mut self.roaming) else {
            return;
        };
        let client = self.people[wires.who].client.as_ref();
        let awaits = client.is_some_and(Client::awaits_answer);
        let Some(air) = &mut wires.air else {
            return;
        };
        if awaits {
            air.rebinding.sent(self.now);
        }
        let (now, trace) = (self.now, &mut self.trace);
        wires.up.send_datagram(now, air.address, datagram, trace);
        roaming.keep(0, datagram);
        if storm && let Some(strange) = roaming.strange(0, datagram) {
            let from = match roaming.dice.percent(60) {
                true => STRANGER,
                false => air.address,
            };
            wires.up.send_datagram(now, from, &strange, trace);
        }
        self.watch_path(id);
    }

    /// A session's datagrams leave, as far as its paths let them.
    pub(super) fn send_down(&mut self, id: u64, datagrams: Vec<Bytes>) {
        let is_open = self.served.get(&id).is_some_and(|served| served.is_open());
        let (Some(wires), Some(roaming)) = (self.wires.get_mut(&id), &mut self.roaming) else {
            return;
        };
        let Some(paths) = wires.air.as_mut().and_then(|air| air.paths.as_mut()) else {
            return;
        };
        if is_open {
            paths.prove();
        }
        let storm = self.stage == Stage::Storm;
        for datagram in datagrams {
            if !paths.may_send(datagram.len()) {
                continue;
            }
            let (now, trace) = (self.now, &mut self.trace);
            let to = number(paths.current());
            wires.down.send_datagram(now, to, &datagram, trace);
            roaming.keep(1, &datagram);
            if storm && let Some(strange) = roaming.strange(1, &datagram) {
                wires.down.send_datagram(now, to, &strange, trace);
            }
        }
    }

    /// A datagram has come to the server.
    pub(super) fn came_up(&mut self, wire: u64, from: u32, datagram: Bytes) {
        let (from, bytes) = (address(from), datagram.len());
        let Some(roaming) = &self.roaming else {
            return;
        };
        let known = peek(&datagram).and_then(|(connection, _)| roaming.routes.get(&connection));
        let id = match known.copied() {
            Some(id) => id,
            None => match self.judge_at_gate(wire, from, &datagram) {
                Some(id) => id,
                None => return,
            },
        };
        if let Some(paths) = self.paths(id) {
            paths.came(from, bytes);
        }
        self.give_served(id, LinkInput::Datagram(datagram));
        let Some(outcome) = self.served.get(&id).map(Served::outcome) else {
            return;
        };
        let now = self.now;
        let way = self
            .paths(id)
            .map(|paths| paths.judged(now, from, bytes, outcome));
        let moved = way.is_some_and(|way| way != Way::Same);
        if moved {
            self.trace.note(now, "moved", id, u64::from(number(from)));
            let passes_on = self.roaming.as_ref().is_some_and(|way| way.passes_on);
            assert!(
                passes_on || number(from) != STRANGER,
                "a stranger has answered a challenge that he could not read"
            );
            if let Some(roaming) = &mut self.roaming {
                roaming.did.moves += 1;
            }
        }
        self.watch_path(id);
    }

    fn paths(&mut self, id: u64) -> Option<&mut Paths> {
        let air = self.wires.get_mut(&id)?.air.as_mut()?;
        air.paths.as_mut()
    }

    /// A datagram of no link that the server knows; gives the link that it begins.
    fn judge_at_gate(&mut self, wire: u64, from: SocketAddr, datagram: &Bytes) -> Option<u64> {
        if self.dying || self.off || matches!(self.stage, Stage::Leaving { .. }) {
            return None;
        }
        let wires = self.wires.get_mut(&wire)?;
        let air = wires.air.as_mut()?;
        let roaming = self.roaming.as_mut()?;
        let load = Load {
            under_way: roaming.dice.within(0..2 * UNPROVEN_MAX),
            unproven_max: UNPROVEN_MAX,
        };
        match roaming.gate.judge(self.now, datagram, from, load) {
            Verdict::Silence(_) => None,
            Verdict::Retry(retry) => {
                assert!(retry.len() <= datagram.len(), "an answer amplifies");
                roaming.did.retries += 1;
                let (to, trace) = (number(from), &mut self.trace);
                wires.down.send_datagram(self.now, to, &retry, trace);
                self.watch_wires(wire);
                None
            }
            Verdict::Open {
                connection, proven, ..
            } => {
                let is_first = air.connection == connection && air.paths.is_none();
                let id = match is_first {
                    true => wire,
                    false => {
                        roaming.did.ghosts += 1;
                        self.connections += 1;
                        self.connections
                    }
                };
                if is_first {
                    air.paths = Some(Paths::new(from, proven, roaming.dice.roll()));
                }
                roaming.routes.insert(connection, id);
                let datagrams = config(&mut roaming.dice, connection);
                let hello = air.hello;
                self.serve_by_air(id, &hello, datagrams);
                Some(id)
            }
        }
    }

    fn serve_by_air(&mut self, id: u64, hello: &Hello, datagrams: DatagramConfig) {
        let config = LinkConfig {
            token: self.dice.roll() as u32,
            ..self.server_link.clone()
        };
        let mut link = Link::respond(config, self.now);
        if self.sealed {
            link = keys::sealed(link, keys::server(), Transport::Udp, &mut self.dice);
        }
        let session = self.server.session(id, hello);
        let served = Served::new(session, link.over_datagrams(datagrams));
        self.served.insert(id, served);
        self.give_served(id, LinkInput::Tick);
    }

    /// The server does not know a connection any more.
    pub(super) fn forget_air(&mut self, id: u64) {
        if let Some(roaming) = &mut self.roaming {
            roaming.routes.retain(|_, known| *known != id);
        }
    }

    /// A datagram has come to where a client is, or was.
    pub(super) fn came_down(&mut self, id: u64, to: u32, datagram: Bytes) {
        let (Some(wires), Some(roaming)) = (self.wires.get(&id), &mut self.roaming) else {
            return;
        };
        let (who, air) = (wires.who, wires.air.as_ref());
        // What goes to a stranger he may pass on.
        let storm = self.stage == Stage::Storm;
        let may_pass = storm && roaming.passes_on && to == STRANGER;
        let passed_on = may_pass && roaming.dice.percent(50);
        if !air.is_some_and(|air| air.address == to || passed_on) {
            return;
        }
        let input = LinkInput::Datagram(datagram);
        let heard = self.with_client(who, |client, now| {
            client.came(now, id, input);
            client.take_heard()
        });
        if let Some(air) = self.wires.get_mut(&id).and_then(|wires| wires.air.as_mut())
            && heard == Some(true)
        {
            air.rebinding.heard();
        }
        self.watch_path(id);
    }

    fn watch_path(&mut self, id: u64) {
        let air = self.wires.get(&id).and_then(|wires| wires.air.as_ref());
        let at = air.and_then(|air| {
            let challenge = air.paths.as_ref().and_then(Paths::deadline);
            [challenge, air.rebinding.deadline()]
                .into_iter()
                .flatten()
                .min()
        });
        let at = at.map(|at| at.max(self.now));
        self.agenda.set(Due::Path(id), at);
    }

    /// Whether the server's datagrams go where the client is.
    pub(super) fn is_found(&self, id: u64) -> bool {
        let air = self.wires.get(&id).and_then(|wires| wires.air.as_ref());
        air.is_none_or(|air| {
            let paths = air.paths.as_ref();
            paths.is_some_and(|paths| paths.current() == address(air.address))
        })
    }

    /// What is due of a connection's addresses.
    pub(super) fn path(&mut self, id: u64) {
        let now = self.now;
        while let Some(challenge) = self.paths(id).and_then(|paths| paths.challenge(now)) {
            let pieces = (self.served.get_mut(&id))
                .map_or_else(Vec::new, |served| served.challenge(now, challenge.nonce));
            let mut pieces = pieces.into_iter();
            if let Some(first) = pieces.next()
                && (self.paths(id))
                    .is_some_and(|paths| paths.may_challenge(challenge.to, first.len()))
                && let Some(wires) = self.wires.get_mut(&id)
            {
                let (to, trace) = (number(challenge.to), &mut self.trace);
                wires.down.send_datagram(now, to, &first, trace);
            }
            // The first holds it; what else was due goes the usual way.
            self.send_down(id, pieces.collect());
        }
        let Some(wires) = self.wires.get_mut(&id) else {
            return;
        };
        let who = wires.who;
        let decided = wires.air.as_mut().map(|air| air.rebinding.decide(now));
        match decided {
            Some(Rebind::Bind) => self.roam_away(id),
            Some(Rebind::Gone) => {
                self.trace.note(now, "gone", id, 0);
                self.with_client(who, |client, now| client.came(now, id, LinkInput::Eof));
            }
            Some(Rebind::Keep) | None => {}
        }
        // Who has gone asks no more.
        let line = (self.people[who].client.as_ref()).and_then(|client| client.line());
        match line == Some(id) || self.served.contains_key(&id) {
            true => self.watch_path(id),
            false => self.agenda.set(Due::Path(id), None),
        }
        if decided == Some(Rebind::Gone) {
            self.agenda.set(Due::Path(id), None);
        }
        self.watch_wires(id);
    }

    /// A client's datagrams come from another address from now on, and what goes to the old one is lost.
    fn roam_away(&mut self, id: u64) {
        let Some(roaming) = &mut self.roaming else {
            return;
        };
        let address = roaming.next_address();
        roaming.did.roamed += 1;
        self.trace.note(self.now, "roams", id, u64::from(address));
        if let Some(air) = self.wires.get_mut(&id).and_then(|wires| wires.air.as_mut()) {
            air.address = address;
        }
    }

    /// Now and then somebody gets another address.
    pub(super) fn may_roam(&mut self, who: Who) {
        let roams = self.roaming.as_mut();
        if !roams.is_some_and(|roaming| roaming.dice.percent(35)) {
            return;
        }
        let client = self.people[who].client.as_ref();
        if let Some(id) = client.and_then(|client| client.line()) {
            self.roam_away(id);
        }
    }
}
