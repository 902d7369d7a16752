//! The way in: what the server says becomes events, each after it has been checked against the
//! order so far.

use bytes::Bytes;
use lamparina_protocol::codec::{self, CodecError};
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::message::{Delivery, RefusalCode, ToClient};
use lamparina_protocol::{Instant, Lamport, MemberId, Nick};
use serde::de::DeserializeOwned;

use super::catching_up::Back;
use super::{Conversation, Output, Phase};
use crate::core::cursor::Judged;
use crate::core::event::{Commit, Ending, Event, MessageName};
use crate::core::keep::Change;
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
        body: Bytes,
        out: &mut Vec<Output>,
    ) {
        if !matches!(
            self.phase,
            Phase::Entering { .. } | Phase::Live { .. } | Phase::Leaving { .. }
        ) {
            return;
        }
        let read = match kind {
            FrameType::Data => {
                read(&body).map(|message| self.in_turn(now, message, body.len(), out))
            }
            FrameType::Bulk => {
                self.text_came(now, body, out);
                Ok(())
            }
            FrameType::ListResponse => read(&body).map(|list| self.list(list, out)),
            FrameType::Channel => read(&body).map(|settings| self.channel(settings, out)),
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
    pub(super) fn broken(&mut self, now: Instant, text: String, out: &mut Vec<Output>) {
        out.push(Output::Drop);
        self.fault(now, text, out);
    }

    /// A message in its turn.
    pub(super) fn data(&mut self, now: Instant, message: ToClient, out: &mut Vec<Output>) {
        match message {
            ToClient::Message(delivery) => self.delivered(now, delivery, out),
            ToClient::Committed { epoch, pseq, stamp } => {
                self.pace.answered(now);
                self.committed(MessageName { epoch, pseq }, stamp, out);
                self.passed_over(now);
                self.held_back();
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
                newest,
                rewound,
                same,
                left,
            } => {
                if !matches!(self.phase, Phase::Entering { .. }) {
                    return self.broken(now, "the server let us in twice".to_owned(), out);
                }
                self.pace.entered(left, now);
                self.entered(now, nick, member, clock, out);
                let back = Back {
                    settled,
                    resumed,
                    gap,
                    newest,
                    rewound,
                    same,
                };
                self.back(now, back, out);
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
            ToClient::RoomJoined { nick, room, after } => self.room_joined(nick, room, after, out),
            ToClient::RoomLeft { nick, room, after } => self.room_left(nick, room, after, out),
            ToClient::Error { code, text } => self.not_done(now, code, text, out),
            answer => self.answer(answer, out),
        }
    }

    fn delivered(&mut self, now: Instant, delivery: Delivery, out: &mut Vec<Output>) {
        match self.cursor.judge(&delivery) {
            Judged::Next => {
                let (stamp, history) = (delivery.stamp, delivery.history);
                self.receive(stamp);
                self.shown += 1;
                if history {
                    // The cursor covers the others.
                    self.keeper.note_shown(stamp);
                }
                out.push(Output::Event(Event::Message(delivery)));
                if !history {
                    self.caught(stamp, out);
                }
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

    /// Lamport's rule for receiving.
    fn receive(&mut self, stamp: Lamport) {
        self.head = self.head.max(stamp);
        self.clock = self.clock.max(stamp);
    }

    fn committed(&mut self, name: MessageName, stamp: Lamport, out: &mut Vec<Output>) {
        self.receive(stamp);
        let Some((given, submit)) = self.outbox.settle(name) else {
            return;
        };
        self.keeper.give(Change::Settled(name));
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
        self.pace.answered(now);
        match code {
            // Not judged: it stays unsettled and goes again.
            RefusalCode::ShuttingDown => return,
            RefusalCode::TooFast => {
                self.pace.hold_back(now);
                return self.held_back();
            }
            // What was sent behind one that was too fast is a gap until that goes again.
            RefusalCode::Gap if self.pace.is_held_back() => return self.held_back(),
            RefusalCode::TakenOver => return self.taken_over(text, out),
            // What follows a message that is missing is refused too; only the first one tells.
            RefusalCode::Gap if self.passing_over => return self.pass_over(now, name),
            RefusalCode::Gap if self.outbox.first() != Some(name) => return,
            RefusalCode::Gap | RefusalCode::StaleEpoch if name.epoch == self.outbox.epoch() => {
                self.renew_epoch(now);
                return self.broken(now, text, out);
            }
            RefusalCode::Malformed => return self.broken(now, text, out),
            // Its place stays free: what is behind it is not judged, and needs another one.
            RefusalCode::StorageFull => {
                self.passing_over |= self.outbox.first() == Some(name);
            }
            _ => {}
        }
        if let Some((given, _)) = self.outbox.settle(name) {
            self.keeper.give(Change::Settled(name));
            self.summary.refused += 1;
            out.push(error(code.name(), text, Some(given)));
        }
        self.passed_over(now);
        self.held_back();
    }

    /// Once everything that went out too fast is answered, what is left goes again, at the pace.
    fn held_back(&mut self) {
        if self.pace.is_over() {
            self.outbox.again();
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
        self.head = clock;
        self.clock = self.outbox.set_clocks(clock, false);
        self.mark_tried();
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
                self.answered_by_error(code);
                out.push(error(code.name(), text, None));
            }
        }
    }
}
