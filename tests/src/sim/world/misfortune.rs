//! What befalls people: weather, cuts that one side or both notice, crashes, slow readers.

use std::time::Duration;

use lamparina_client::core::event::Ending;
use lamparina_impair::{Direction, Settings};

use super::super::check::Who;
use super::super::disk::Fate;
use super::super::people::{self, Mishap};
use super::super::server::{Server, Wrong};
use super::super::weather;
use super::{Due, Stage, World, making};

/// A server that is asked to end is gone after this.
const DIES_AFTER: Duration = Duration::from_secs(3);

impl World {
    pub(super) fn mishap(&mut self, who: Who) {
        if self.stage != Stage::Storm {
            return;
        }
        let next = self.now + Duration::from_millis(self.dice.within(200..5_000));
        self.agenda.set(Due::Mishap(who), Some(next));
        self.may_roam(who);
        let mishap = people::mishap(&mut self.dice);
        match mishap {
            Mishap::Weather => {
                let settings = match self.power.is_some() && self.dice.percent(75) {
                    true => weather::mild(&mut self.dice),
                    false => weather::any(&mut self.dice),
                };
                self.set_weather(who, settings);
            }
            Mishap::CutOff => {
                let settings = weather::cut_off(&mut self.dice);
                self.set_weather(who, settings);
            }
            Mishap::Cut { client, server } => self.cut(who, client, server),
            Mishap::Crash {
                noticed,
                back_after,
            } => self.crash(who, noticed, back_after),
            Mishap::Slow(pace) => self.read_at(who, Some(pace)),
            Mishap::Fast => self.read_at(who, None),
            Mishap::Ban { back_after } => {
                self.trace.note(self.now, "ban", who as u64, 0);
                let noticed = self.dice.percent(50);
                self.crash(who, noticed, back_after);
                self.server.operate(who, true);
            }
        }
    }

    pub(super) fn read_at(&mut self, who: Who, pace: Option<Duration>) {
        self.with_client(who, |client, now| {
            client.read_at(pace);
            client.tick(now);
        });
    }

    /// Another weather, for the connections there are and those to come.
    pub(super) fn set_weather(&mut self, who: Who, settings: Settings) {
        self.trace
            .note(self.now, "weather", who as u64, settings.seed());
        let own = self.wires.iter_mut().filter(|(_, wires)| wires.who == who);
        let mut ids = Vec::new();
        for (id, wires) in own {
            let is_stream = wires.air.is_none();
            let on = |way| match is_stream {
                true => making::on(&settings, way, self.sealed),
                false => weather::of_datagrams(&settings.for_direction(way)),
            };
            wires.up.set(self.now, on(Direction::Up));
            wires.down.set(self.now, on(Direction::Down));
            ids.push(*id);
        }
        ids.into_iter().for_each(|id| self.watch_wires(id));
        self.people[who].weather = settings;
    }

    fn cut(&mut self, who: Who, client: bool, server: bool) {
        let line = self.people[who]
            .client
            .as_ref()
            .and_then(|client| client.line());
        let Some(wires) = line.and_then(|id| self.wires.get_mut(&id)) else {
            return;
        };
        if client {
            wires.down.snap();
        } else {
            wires.down.kill();
        }
        if server {
            wires.up.snap();
        } else {
            wires.up.kill();
        }
        self.trace
            .note(self.now, "cut", who as u64, u64::from(client));
        line.into_iter().for_each(|id| self.watch_wires(id));
    }

    /// The server dies, and its disk with it. Another one orders a new log at the
    /// same address.
    pub(super) fn death(&mut self) {
        if self.stage != Stage::Storm && !self.dying {
            return;
        }
        if !self.dying && self.dice.percent(50) {
            // It is asked to, and has a little time to say goodbye.
            self.dying = true;
            self.shut_down();
            self.agenda.set(Due::Death, Some(self.now + DIES_AFTER));
            return;
        }
        self.dying = false;
        self.logs += 1;
        self.server = Server::new(self.logs, self.tail_items, Wrong::Nothing);
        self.check.new_log();
        let started = self.server.start(&mut self.check, Fate::Stored);
        started.expect("this disk does not fail");
        self.agenda.set(Due::Stored, None);
        let ids: Vec<u64> = std::mem::take(&mut self.served).into_keys().collect();
        for id in ids {
            self.agenda.set(Due::Served(id), None);
            self.forget_air(id);
            if let Some(wires) = self.wires.get_mut(&id) {
                wires.up.kill();
                wires.down.kill();
            }
            self.watch_wires(id);
        }
        for who in 0..self.people.len() {
            let line = (self.people[who].client.as_ref()).and_then(|client| client.line());
            // Of a connection by datagrams nobody tells its client.
            let by_air = line.is_some_and(|id| self.is_air(id));
            self.with_client(who, |client, now| match by_air {
                true => client.forsake(),
                false => client.cut_off(now),
            });
        }
        let next = self.now + Duration::from_millis(self.dice.within(500..20_000));
        self.agenda.set(Due::Death, Some(next));
    }

    /// Kills a client; its memory is lost.
    pub(super) fn crash(&mut self, who: Who, noticed: bool, back_after: Duration) {
        let Some(client) = self.people[who].client.take() else {
            return;
        };
        self.trace
            .note(self.now, "crash", who as u64, u64::from(noticed));
        if let Some(wires) = client.line().and_then(|id| self.wires.get_mut(&id)) {
            if noticed {
                wires.up.close();
            } else {
                wires.up.kill();
            }
        }
        client
            .line()
            .into_iter()
            .for_each(|id| self.watch_wires(id));
        self.people[who].hello = None;
        self.agenda.set(Due::Client(who), None);
        self.agenda.set(Due::Dial(who), None);
        self.agenda
            .set(Due::Rebirth(who), Some(self.now + back_after));
        // Its messages are nobody's from now on, whatever becomes of them.
        self.check.reborn(who);
    }

    /// A conversation is over. Only four ends are nobody's mistake: being asked to, a name that
    /// somebody else was faster to claim, a ban, and a disk without room.
    pub(super) fn ended(&mut self, who: Who, ending: &Ending, pending: u64) {
        match ending {
            Ending::Left => {
                assert!(
                    matches!(self.stage, Stage::Leaving { .. }),
                    "{who} was not asked to leave"
                );
                assert_eq!(pending, 0, "{who} left with messages pending");
            }
            // Banned while it came in: pardoned at its next birth.
            Ending::Refused { code, .. } if code == "banned" => {
                let back = self.now + Duration::from_millis(self.dice.within(10..2_000));
                self.agenda.set(Due::Rebirth(who), Some(back));
            }
            Ending::Refused { code, .. } if code == "nick-taken" => {
                let name = people::other_name(&mut self.dice, who, self.connections);
                self.people[who].nick = name;
                let back = self.now + Duration::from_millis(self.dice.within(10..2_000));
                self.agenda.set(Due::Rebirth(who), Some(back));
            }
            // Turned away for want of room, it has a hole in its outbox; with one short connection
            // after the other it may give up before a new epoch has closed it.
            Ending::Failed { text }
                if self.check.was_turned_away(who) && text.contains("of this outbox") =>
            {
                let back = self.now + Duration::from_millis(self.dice.within(10..2_000));
                self.agenda.set(Due::Rebirth(who), Some(back));
            }
            other => panic!("the conversation of {who} ended: {other:?}"),
        }
    }
}
