//! What a client did and was told: each of it is checked before anything else happens.

use lamparina_client::core::event::Event;
use lamparina_protocol::message::ToClient;

use super::super::check::{Name, Violation, Who};
use super::super::client::Act;
use super::super::model::key_of;
use super::{Due, World};

impl World {
    /// What a session gave to its link.
    pub(super) fn check_told(&mut self, id: u64, told: &[ToClient]) {
        let Some(who) = self.wires.get(&id).map(|wires| wires.who) else {
            return;
        };
        for told in told {
            let server = &self.server;
            let checked = self.check.told(who, told, |member| server.who_is(member));
            if let Err(violation) = checked {
                panic!("connection {id} at {}: {violation}", self.now);
            }
        }
    }

    pub(super) fn client_did(&mut self, who: Who, act: Act) -> Result<(), Violation> {
        match act {
            Act::Connect(hello) => {
                self.people[who].hello = Some(hello);
                let at = self.soon(60_000);
                self.agenda.set(Due::Dial(who), Some(at));
            }
            Act::Wire(id, piece) if self.is_air(id) => {
                self.send_up(id, &piece);
                self.watch_wires(id);
            }
            Act::Wire(id, piece) => {
                if let Some(wires) = self.wires.get_mut(&id) {
                    wires.up.send(self.now, &piece, &mut self.trace);
                }
                self.watch_wires(id);
            }
            Act::HungUp(id) => {
                if let Some(wires) = self.wires.get_mut(&id) {
                    wires.up.close();
                }
                self.watch_wires(id);
            }
            Act::Entered { resumed, gap } => {
                assert!(!gap, "a server with a store leaves nothing out");
                let resumed = resumed.get();
                self.trace
                    .note(self.now, "entered-after", who as u64, resumed);
                self.check.resumed(who, resumed, gap)?;
            }
            Act::Handed(log, upto) => {
                if log == self.server.log {
                    self.check.handed(who, upto.get());
                }
            }
            Act::Told(event) => self.told(who, event)?,
        }
        Ok(())
    }

    fn told(&mut self, who: Who, event: Event) -> Result<(), Violation> {
        match event {
            Event::Message(delivery) => {
                self.trace
                    .note(self.now, "delivered", who as u64, delivery.stamp.get());
                let author = self.server.who_is(delivery.member);
                if delivery.history {
                    return self.check.shown_history(who, author, &delivery);
                }
                self.check.delivered(who, author, &delivery)
            }
            Event::Committed(commit) => {
                assert!(
                    commit.was.is_none() || self.logs > 1 || self.people[who].renewed,
                    "the same log, another name"
                );
                self.trace
                    .note(self.now, "committed", who as u64, commit.stamp.get());
                let name = Name {
                    who,
                    epoch: commit.name.epoch,
                    pseq: commit.name.pseq,
                };
                let key = key_of(who);
                let member = self.server.member_of(&key);
                self.check.committed(name, member, commit.stamp.get())
            }
            Event::Error {
                code,
                message: Some(name),
                ..
            } => {
                self.trace
                    .note(self.now, "refused", who as u64, name.pseq.0);
                let (epoch, pseq) = (name.epoch, name.pseq);
                self.check.refused(Name { who, epoch, pseq }, &code)
            }
            Event::Joined { after, .. }
            | Event::Left { after, .. }
            | Event::Renamed {
                own: false, after, ..
            }
            | Event::RoomJoined { after, .. }
            | Event::RoomLeft { after, .. } => self.check.event(who, after.get()),
            Event::NewLog {
                log, epoch, again, ..
            } => {
                assert_eq!(log, self.server.log);
                self.trace.note(self.now, "new-log", who as u64, again);
                self.people[who].epoch = epoch;
                let renamed = self.check.renamed(who, epoch);
                assert_eq!(renamed, again, "what goes again is what is not settled");
                Ok(())
            }
            Event::Closed { ending, summary } => {
                self.trace
                    .note(self.now, "over", who as u64, summary.pending);
                self.ended(who, &ending, summary.pending);
                Ok(())
            }
            Event::Connected { nick, .. } => {
                self.people[who].nick = nick;
                Ok(())
            }
            Event::Error { .. }
            | Event::Renamed { .. }
            | Event::Users { .. }
            | Event::Channel { .. }
            | Event::Queued { .. }
            | Event::Cancelled { .. }
            | Event::Requeued { .. }
            | Event::Rewound { .. }
            | Event::CatchUp { .. }
            | Event::Carried { .. }
            | Event::CaughtUp { .. }
            | Event::History { .. }
            | Event::Found { .. }
            | Event::Trace(_)
            | Event::Why { .. }
            | Event::Receipt { .. }
            | Event::Disconnected { .. } => Ok(()),
        }
    }
}
