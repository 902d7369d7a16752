//! How a world ends: faults stop, everything comes to rest within bounded time, and then everybody
//! leaves in good order.

use std::time::Duration;

use lamparina_client::core::conversation::Input;
use lamparina_protocol::Instant;
use lamparina_protocol::control::CloseCode;
use lamparina_protocol::link::CloseReason;

use super::super::client::Client;
use super::super::served::Served;
use super::super::weather;
use super::{Due, Stage, World};

/// After faults stop everything is at rest within this: a dead link is noticed after 60 s, and then
/// a connection may have to be made again.
const REST_WITHIN: Duration = Duration::from_secs(240);
/// Everybody has left within this.
const LEFT_WITHIN: Duration = Duration::from_secs(30);
/// The same where nothing tells the server that a client has gone which waited for no answer: silence
/// does after 60 s, at each of two tries.
const LEFT_WITHIN_BY_AIR: Duration = Duration::from_secs(150);

impl World {
    pub(super) fn note(&mut self, due: Due) {
        let (what, who) = match due {
            Due::Order => ("order", 0),
            Due::Stored => ("stored", 0),
            Due::Power => ("power", 0),
            Due::Cut => ("cut", 0),
            Due::Start => ("start", 0),
            Due::Room => ("room", 0),
            Due::Served(id) => ("session", id),
            Due::Read(id) => ("read", id),
            Due::Up(id) => ("up", id),
            Due::Down(id) => ("down", id),
            Due::Path(id) => ("path", id),
            Due::Client(who) => ("client", who as u64),
            Due::Dial(who) => ("dial", who as u64),
            Due::Deed(who) => ("deed", who as u64),
            Due::Mishap(who) => ("mishap", who as u64),
            Due::Rebirth(who) => ("rebirth", who as u64),
            Due::Death => ("death", 0),
            Due::Calm => ("calm", 0),
        };
        self.trace.note(self.now, what, who, 0);
    }

    pub(super) fn calm(&mut self) {
        self.stage = Stage::Calm { since: self.now };
        self.power_is_calm();
        for who in 0..self.people.len() {
            let settings = weather::calm(&mut self.dice);
            self.set_weather(who, settings);
            self.read_at(who, None);
        }
    }

    /// Moves to the next stage where it is time.
    pub(super) fn pass_on(&mut self) {
        self.bury();
        match self.stage {
            Stage::Storm => {}
            Stage::Calm { since } => {
                if !self.dying && self.is_at_rest() {
                    self.leave();
                } else {
                    self.within(since, REST_WITHIN, "at rest");
                }
            }
            Stage::Leaving { since } => {
                let limit = match self.roaming {
                    Some(_) => LEFT_WITHIN_BY_AIR,
                    None => LEFT_WITHIN,
                };
                self.within(since, limit, "gone");
            }
        }
    }

    fn within(&self, since: Instant, limit: Duration, what: &str) {
        if self.now.saturating_since(since) <= limit {
            return;
        }
        let lives = self.people.iter().map(|person| match &person.client {
            Some(client) => client.conversation.status(self.now).state,
            None => "dead".to_owned(),
        });
        let lives: Vec<_> = lives.collect();
        let complete = self.check.complete();
        panic!("not {what} in time: {complete:?}, clients {lives:?}");
    }

    /// Whether nothing is under way: everybody is let in and no connection is left over.
    fn is_at_rest(&self) -> bool {
        if self.off || self.server.has_work() || self.served.len() != self.people.len() {
            return false;
        }
        let clients = self.people.iter().map(|person| person.client.as_ref());
        let settled = |client: &Client| {
            let served = client.line().and_then(|id| self.served.get(&id));
            served.is_some_and(Served::is_quiet)
                && client.line().is_some_and(|id| self.is_found(id))
                && client.is_live()
                && client.conversation.summary().pending == 0
        };
        let mut settled = clients.map(|client| client.is_some_and(settled));
        settled.all(|settled| settled) && self.check.complete().is_ok()
    }

    fn leave(&mut self) {
        self.stage = Stage::Leaving { since: self.now };
        self.trace
            .note(self.now, "leave", 0, u64::from(self.server_leaves));
        if self.server_leaves {
            return self.shut_down();
        }
        for who in 0..self.people.len() {
            let close = Input::Close { within: None };
            self.with_client(who, |client, now| client.give(now, close));
        }
    }

    /// The server says goodbye to everybody.
    pub(super) fn shut_down(&mut self) {
        let ids: Vec<u64> = self.served.keys().copied().collect();
        for id in ids {
            let clock = self.server.clock();
            if let Some(served) = self.served.get_mut(&id) {
                let done = served.shut_down(self.now, &self.server.tail, clock);
                self.served_did(id, done);
            }
        }
    }

    /// The server's side of a connection has ended.
    pub(super) fn note_server_end(&self, id: u64, reason: Option<CloseReason>) {
        if !matches!(self.stage, Stage::Leaving { .. }) {
            return;
        }
        assert!(
            self.is_good_end(reason.as_ref(), self.is_air(id)),
            "connection {id} did not end in good order: {reason:?}"
        );
    }

    /// Whether a link may end so once everybody leaves. Of one by datagrams the last words may be lost,
    /// and everything said before was acknowledged: who waits for them in vain ends it alone.
    fn is_good_end(&self, reason: Option<&CloseReason>, by_air: bool) -> bool {
        match reason {
            Some(CloseReason::Orderly) => true,
            Some(CloseReason::ByUs { code, .. }) => {
                by_air && matches!(code, CloseCode::GaveUp | CloseCode::Timeout)
            }
            Some(CloseReason::ByPeer { .. } | CloseReason::Eof) | None => by_air,
            Some(CloseReason::Unproven { .. }) => false,
        }
    }

    /// Connections that both sides have left.
    fn bury(&mut self) {
        let gone = |id: &u64, who: usize| {
            let line = self.people[who].client.as_ref().and_then(Client::line);
            !self.served.contains_key(id) && line != Some(*id)
        };
        let ids = self.wires.iter().filter(|(id, wires)| gone(id, wires.who));
        let ids: Vec<u64> = ids.map(|(id, _)| *id).collect();
        for id in ids {
            let Some(wires) = self.wires.remove(&id) else {
                continue;
            };
            self.agenda.set(Due::Up(id), None);
            self.agenda.set(Due::Down(id), None);
            self.agenda.set(Due::Path(id), None);
            for stats in [wires.up.stats(), wires.down.stats()] {
                self.figures.frames += stats.entered;
                self.figures.spoilt += stats.lost + stats.partitioned + stats.damaged;
            }
        }
    }

    /// Whether everybody has left; if so, in good order.
    pub(super) fn is_done(&self) -> bool {
        let leaving = matches!(self.stage, Stage::Leaving { .. });
        if !leaving || !self.served.is_empty() {
            return false;
        }
        let gone = |client: &Client| client.line().is_none();
        let clients = || {
            self.people
                .iter()
                .filter_map(|person| person.client.as_ref())
        };
        if !clients().all(gone) {
            return false;
        }
        for client in clients() {
            let closed = client.closed.as_ref();
            assert!(
                self.is_good_end(closed, self.roaming.is_some()),
                "a client's link did not end in good order: {closed:?}"
            );
            assert!(self.server_leaves || client.is_over());
        }
        if let Err(violation) = self.check.complete() {
            panic!("at the end: {violation}");
        }
        true
    }
}
