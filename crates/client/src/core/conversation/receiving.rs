//! The way in: what the server says becomes events, each after it has been checked against the
//! order so far.

use lamparina_protocol::codec::{self, CodecError};
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::message::{ChannelSettings, Delivery, RefusalCode, ToClient, UserList};
use lamparina_protocol::{Instant, Lamport, MemberId, Nick, Pseq, RoomName};
use serde::de::DeserializeOwned;

use super::{Conversation, Output, PRESENT_MAX, Phase, ROOMS_KEPT_MAX};
use crate::core::cursor::Judged;
use crate::core::event::{Commit, Ending, Event, MessageName};
use crate::core::outbox::Ask;

/// An error event.
pub(super) fn error(code: &str, text: String, message: Option<MessageName>) -> Output {
    let code = code.to_owned();
    Output::Event(Event::Error {
        code,
        text,
        message,
    })
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, CodecError> {
    codec::decode(body)
}

impl Conversation {
    /// A message came over the link.
    pub(super) fn received(
        &mut self,
        now: Instant,
        kind: FrameType,
        body: &[u8],
        out: &mut Vec<Output>,
    ) {
        if !matches!(
            self.phase,
            Phase::Entering { .. } | Phase::Live { .. } | Phase::Leaving { .. }
        ) {
            return;
        }
        let read = match kind {
            FrameType::Data => read(body).map(|message| self.data(now, message, out)),
            FrameType::ListResponse => read(body).map(|list| self.list(list, out)),
            FrameType::Channel => read(body).map(|settings| self.channel(settings, out)),
            _ => Ok(()),
        };
        if let Err(fault) = read {
            self.broken(
                now,
                format!("the server sent what cannot be read: {fault}"),
                out,
            );
        }
    }

    /// The server broke the protocol: a new connection may cure it.
    fn broken(&mut self, now: Instant, text: String, out: &mut Vec<Output>) {
        out.push(Output::Drop);
        self.fault(now, text, out);
    }

    fn data(&mut self, now: Instant, message: ToClient, out: &mut Vec<Output>) {
        match message {
            ToClient::Message(delivery) => self.delivered(now, delivery, out),
            ToClient::Committed { epoch, pseq, stamp } => {
                self.committed(MessageName { epoch, pseq }, stamp, out);
            }
            ToClient::Refused {
                epoch,
                pseq,
                code,
                text,
            } => self.refused(now, MessageName { epoch, pseq }, code, text, out),
            ToClient::Entered {
                nick,
                member,
                clock,
                settled,
                resumed,
                gap,
                ..
            } => {
                if !matches!(self.phase, Phase::Entering { .. }) {
                    return self.broken(now, "the server let us in twice".to_owned(), out);
                }
                self.entered(now, nick, member, clock, out);
                self.resumed(resumed, gap, out);
                self.check_settled(now, settled, out);
            }
            ToClient::Joined {
                nick,
                member,
                after,
                ..
            } => self.joined(nick, member, after, out),
            ToClient::Left { nick, after } => {
                self.present.retain(|_, present| *present != nick);
                out.push(Output::Event(Event::Left { nick, after }));
            }
            ToClient::Renamed { from, to, after } => self.renamed(from, to, after, out),
            ToClient::RoomJoined { nick, room, after } => {
                let own = self.own_room(&nick, &room, &Ask::Join(room.clone()));
                if own {
                    self.keep_room(&room, true);
                }
                out.push(Output::Event(Event::RoomJoined {
                    nick,
                    room,
                    own,
                    after,
                }));
            }
            ToClient::RoomLeft { nick, room, after } => {
                let own = self.own_room(&nick, &room, &Ask::Leave(room.clone()));
                if own {
                    self.keep_room(&room, false);
                }
                out.push(Output::Event(Event::RoomLeft {
                    nick,
                    room,
                    own,
                    after,
                }));
            }
            ToClient::Error { code, text } => self.not_done(now, code, text, out),
            ToClient::History { .. }
            | ToClient::Found { .. }
            | ToClient::Trace(_)
            | ToClient::Why { .. }
            | ToClient::Receipts { .. } => {}
        }
    }

    fn delivered(&mut self, now: Instant, delivery: Delivery, out: &mut Vec<Output>) {
        match self.cursor.judge(&delivery) {
            Judged::Next => {
                self.clock = self.clock.max(delivery.stamp);
                self.shown += 1;
                out.push(Output::Event(Event::Message(delivery)));
            }
            Judged::Again => self.shown_before += 1,
            Judged::Gap { expected, got } => {
                self.gaps += 1;
                let text = format!(
                    "something is missing between stamps {expected} and {}: the server went on \
                     after {got}; connecting again to get it",
                    delivery.stamp
                );
                out.push(error("gap", text, None));
                self.broken(now, "something was missing in the order".to_owned(), out);
            }
            Judged::Backwards => {
                let text = format!(
                    "stamp {} does not come after the one before",
                    delivery.stamp
                );
                out.push(error("order", text.clone(), None));
                self.broken(now, text, out);
            }
        }
    }

    fn committed(&mut self, name: MessageName, stamp: Lamport, out: &mut Vec<Output>) {
        self.clock = self.clock.max(stamp);
        let Some((given, submit)) = self.outbox.settle(name) else {
            return;
        };
        self.summary.committed += 1;
        out.push(Output::Event(Event::Committed(Commit {
            name,
            was: (given != name).then_some(given),
            stamp,
            audience: submit.audience,
            text: submit.text,
        })));
    }

    fn refused(
        &mut self,
        now: Instant,
        name: MessageName,
        code: RefusalCode,
        text: String,
        out: &mut Vec<Output>,
    ) {
        match code {
            // Not judged: it stays unsettled and goes again.
            RefusalCode::ShuttingDown => return,
            RefusalCode::TakenOver => return self.taken_over(text, out),
            // What follows a message that is missing is refused too; only the first one tells.
            RefusalCode::Gap if self.outbox.first() != Some(name.pseq) => return,
            RefusalCode::Gap | RefusalCode::StaleEpoch if name.epoch == self.outbox.epoch() => {
                self.renew_epoch(now);
                return self.broken(now, text, out);
            }
            RefusalCode::Malformed => return self.broken(now, text, out),
            _ => {}
        }
        if let Some((given, _)) = self.outbox.settle(name) {
            self.summary.refused += 1;
            out.push(error(code.name(), text, Some(given)));
        }
    }

    fn taken_over(&mut self, text: String, out: &mut Vec<Output>) {
        out.push(Output::Drop);
        let code = RefusalCode::TakenOver.name().to_owned();
        self.over(Ending::Refused { code, text }, out);
    }

    fn entered(
        &mut self,
        now: Instant,
        nick: Nick,
        member: MemberId,
        clock: Lamport,
        out: &mut Vec<Output>,
    ) {
        self.phase = Phase::Live { since: now };
        self.away_since = None;
        self.ever_entered = true;
        self.member = Some(member);
        self.clock = self.outbox.set_clocks(clock, false);
        out.push(Output::Event(Event::Connected {
            server: self.config.server.clone(),
            nick: nick.clone(),
            member,
            log: self.cursor.log(),
            stamp: clock,
        }));
        let wanted = self.entering_as.clone();
        let renamed = self
            .outbox
            .forget(|ask| *ask == Ask::Rename(wanted.clone()) && nick == wanted);
        let from = std::mem::replace(&mut self.nick, nick.clone());
        if renamed && from != nick {
            out.push(Output::Event(Event::Renamed {
                from,
                to: nick,
                own: true,
                after: clock,
            }));
        }
    }

    fn resumed(&mut self, resumed: Lamport, gap: bool, out: &mut Vec<Output>) {
        if let Some((from, to)) = self.cursor.resume(resumed, gap) {
            self.gaps += 1;
            let text = format!(
                "messages between stamps {from} and {to} are no longer kept by this server; what \
                 follows is complete again"
            );
            out.push(error("gap", text, None));
        }
    }

    /// The server knows fewer of our messages than it has answered: they would all be refused.
    fn check_settled(&mut self, now: Instant, settled: Pseq, out: &mut Vec<Output>) {
        let first = self
            .outbox
            .first()
            .unwrap_or_else(|| self.outbox.next_place());
        if settled.0.saturating_add(1) < first.0 {
            self.renew_epoch(now);
            self.broken(
                now,
                "the server has lost track of our messages".to_owned(),
                out,
            );
        }
    }

    fn joined(&mut self, nick: Nick, member: MemberId, after: Lamport, out: &mut Vec<Output>) {
        if self.member == Some(member) {
            return;
        }
        if self.present.len() < PRESENT_MAX {
            self.present.insert(member, nick.clone());
        }
        out.push(Output::Event(Event::Joined {
            nick,
            member,
            after,
        }));
    }

    fn renamed(&mut self, from: Nick, to: Nick, after: Lamport, out: &mut Vec<Output>) {
        let own = from.key() == self.nick.key();
        if own {
            self.nick = to.clone();
            let same = |ask: &Ask| matches!(ask, Ask::Rename(nick) if nick.key() == to.key());
            self.outbox.answered(same);
        }
        let present = self.present.values_mut().find(|present| **present == from);
        if let Some(present) = present {
            *present = to.clone();
        }
        out.push(Output::Event(Event::Renamed {
            from,
            to,
            own,
            after,
        }));
    }

    fn own_room(&mut self, nick: &Nick, room: &RoomName, asked: &Ask) -> bool {
        let own = nick.key() == self.nick.key();
        if own {
            self.outbox.answered(|ask| match (ask, asked) {
                (Ask::Join(at), Ask::Join(_)) | (Ask::Leave(at), Ask::Leave(_)) => {
                    at.key() == room.key()
                }
                _ => false,
            });
        }
        own
    }

    /// Notes where we are, for a log that does not know it.
    fn keep_room(&mut self, room: &RoomName, inside: bool) {
        self.rooms.retain(|kept| kept.key() != room.key());
        if inside && self.rooms.len() < ROOMS_KEPT_MAX {
            self.rooms.push(room.clone());
        }
    }

    /// A request other than a message was not done; answers come in the order of requests.
    fn not_done(&mut self, now: Instant, code: RefusalCode, text: String, out: &mut Vec<Output>) {
        match (self.phase, code) {
            (_, RefusalCode::TakenOver) => self.taken_over(text, out),
            (_, RefusalCode::ShuttingDown) => {}
            (Phase::Entering { .. }, RefusalCode::NickTaken | RefusalCode::NickInvalid) => {
                out.push(Output::Drop);
                self.nick_refused(now, text, out);
            }
            (Phase::Entering { .. }, RefusalCode::StaleEpoch) => {
                self.renew_epoch(now);
                self.broken(now, text, out);
            }
            (Phase::Entering { .. }, _) => self.broken(now, text, out),
            _ => {
                self.outbox.answered(|ask| *ask != Ask::Who);
                out.push(error(code.name(), text, None));
            }
        }
    }

    fn list(&mut self, list: UserList, out: &mut Vec<Output>) {
        self.outbox.answered(|ask| *ask == Ask::Who);
        let present = list.users.iter().take(PRESENT_MAX);
        self.present = present
            .map(|line| (line.member, line.nick.clone()))
            .collect();
        out.push(Output::Event(Event::Users {
            users: list.users,
            total: list.total,
            after: list.after,
        }));
    }

    fn channel(&mut self, settings: ChannelSettings, out: &mut Vec<Output>) {
        self.outbox.answered(|ask| matches!(ask, Ask::Channel(_)));
        let spec = settings.spec;
        out.push(Output::Event(Event::Channel { spec }));
    }
}
