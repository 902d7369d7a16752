//! How a world begins: all that a seed decides at the start.

use std::time::Duration;

use lamparina_client::Pass;
use lamparina_client::core::conversation::{Config, Conversation, Input};
use lamparina_impair::{Direction, Settings};
use lamparina_protocol::link::{LinkConfig, Repair};
use lamparina_protocol::message::TEXT_BYTES_MAX;
use lamparina_protocol::{Epoch, Instant};

use super::super::agenda::Agenda;
use super::super::check::{Check, Who};
use super::super::client::Client;
use super::super::dice::Dice;
use super::super::disk::Fate;
use super::super::keys;
use super::super::model::key_of;
use super::super::seeds::Figures;
use super::super::server::{Server, Wrong};
use super::super::trace::Trace;
use super::super::wire::Wire;
use super::super::{people, weather};
use super::{Due, Person, Power, Stage, UNIX_AT_ZERO, World};

/// Items that a tail holds in worlds where it is short.
const SHORT_TAIL: std::ops::Range<u64> = 10..400;

/// The longest texts where the journal is read again and again.
const LARGE_HERE: usize = 4_000;

/// The world of `seed`.
pub(super) fn world(seed: u64) -> World {
    let mut dice = Dice::new(seed, 1);
    let persons = dice.within(2..7) as usize;
    let tail = match dice.percent(25) {
        true => dice.within(SHORT_TAIL) as usize,
        false => lamparina_server::tail::TAIL_ITEMS,
    };
    let mut agenda = Agenda::default();
    let calm_at = Instant::from_millis(dice.within(2_000..25_000));
    agenda.set(Due::Calm, Some(calm_at));
    if dice.percent(20) {
        agenda.set(
            Due::Death,
            Some(Instant::from_millis(dice.within(500..20_000))),
        );
    }
    let server_link = link(&mut dice);
    let mut people = Vec::new();
    for who in 0..persons {
        people.push(person(&mut dice, seed, who));
        let begins = Instant::from_millis(dice.within(0..800));
        agenda.set(Due::Rebirth(who), Some(begins));
        agenda.set(Due::Deed(who), Some(begins));
        let first = Instant::from_millis(dice.within(0..4_000));
        agenda.set(Due::Mishap(who), Some(first));
    }
    let mut check = Check::new(persons);
    let mut server = Server::new(1, tail, Wrong::Nothing);
    let started = server.start(&mut check, Fate::Stored);
    started.expect("this disk does not fail");
    World {
        server_leaves: dice.percent(25),
        dice,
        now: Instant::ZERO,
        stage: Stage::Storm,
        agenda,
        trace: Trace::default(),
        server,
        server_link,
        served: Default::default(),
        wires: Default::default(),
        people,
        check,
        connections: 0,
        lives: 0,
        reads: 0,
        logs: 1,
        dying: false,
        off: false,
        power: None,
        roaming: None,
        sealed: keys::seals(seed),
        tail_items: tail,
        figures: Figures::default(),
    }
}

/// The same, with power cuts in the place of servers that die for good, and mostly in mild weather.
pub(super) fn cutting(seed: u64, wrong: Wrong) -> World {
    let mut world = world(seed);
    let mut dice = Dice::new(seed, 2);
    world.agenda.set(Due::Death, None);
    world.agenda.set(Due::Calm, None);
    let first = Instant::from_millis(dice.within(500..2_000));
    world.agenda.set(Due::Power, Some(first));
    world.power = Some(Power::new(seed));
    world.server = Server::new(1, world.tail_items, wrong);
    let started = world.server.start(&mut world.check, Fate::Stored);
    started.expect("this disk does not fail");
    for person in &mut world.people {
        person.large = person.large.min(LARGE_HERE);
        if dice.percent(75) {
            person.weather = weather::mild(&mut dice);
        }
    }
    world
}

fn person(dice: &mut Dice, seed: u64, who: Who) -> Person {
    let link = link(dice);
    let window = usize::from(link.window_frames).min(256) * usize::from(link.fragment_bytes);
    Person {
        client: None,
        epoch: Epoch(0),
        renewed: false,
        nick: people::first_name(dice, who),
        weather: weather::any(dice),
        hello: None,
        large: (window * 16).min(TEXT_BYTES_MAX),
        pause_ms: [100, 400, 900, 4_000][dice.index(4)],
        link,
        deeds: Dice::new(seed, 1_000 + who as u64),
    }
}

fn link(dice: &mut Dice) -> LinkConfig {
    let mut config = LinkConfig::new(0);
    if dice.percent(20) {
        config.repair = Repair::GoBackN;
    }
    if dice.percent(30) {
        config.window_frames = dice.within(4..65) as u16;
    }
    if dice.percent(30) {
        config.fragment_bytes = dice.within(128..8_181) as u16;
    }
    if dice.percent(15) {
        config.window_bytes = dice.within(4_000..60_000) as u32;
    }
    config.bulk = !dice.percent(15);
    config
}

/// The wires of connection `id` in this weather.
pub(super) fn wires(weather: &Settings, id: u64, sealed: bool) -> [Wire; 2] {
    let seed = weather.seed() ^ id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let settings = weather.clone().with_seed(seed);
    [Direction::Up, Direction::Down].map(|way| Wire::new(on(&settings, way, sealed)))
}

/// The weather on a wire.
pub(super) fn on(weather: &Settings, way: Direction, sealed: bool) -> Settings {
    let settings = weather.for_direction(way);
    match sealed {
        true => weather::of_stream(&settings),
        false => settings,
    }
}

/// Who is banned is looked at again after this.
const PARDONED_WITHIN: Duration = Duration::from_millis(200);

impl World {
    /// A client begins, for the first time or anew, with an empty memory.
    pub(super) fn rebirth(&mut self, who: Who) {
        if self.server.is_banned(who) {
            self.server.operate(who, false);
            let again = self.now + PARDONED_WITHIN;
            return self.agenda.set(Due::Rebirth(who), Some(again));
        }
        let unix = UNIX_AT_ZERO.0 + self.now.as_micros();
        let person = &mut self.people[who];
        person.renewed = false;
        person.epoch = Epoch((person.epoch.0 + 1).max(unix));
        let conversation = Conversation::new(Config {
            server: "simulated".to_owned(),
            author: key_of(who),
            nick: person.nick.clone(),
            epoch: person.epoch,
            unix_at_zero: UNIX_AT_ZERO,
            seed: self.dice.roll(),
            reconnect: true,
            retry_first: true,
            give_up_after: None,
            pass: Pass::default(),
        });
        person.client = Some(Client::new(conversation));
        self.check.reborn(who);
        self.lives += 1;
        self.trace
            .note(self.now, "begins", who as u64, person.epoch.0);
        self.with_client(who, |client, now| client.give(now, Input::Start));
        if self.stage != Stage::Storm {
            return;
        }
        let next = self.now + Duration::from_millis(self.dice.within(1..500));
        self.agenda.no_later(Due::Deed(who), next);
    }
}
