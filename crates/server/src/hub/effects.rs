//! What each effect of the order tells to whom.

use lamparina_order::{Effect, RecordedMessage, To};
use lamparina_protocol::message::{Delivery, Submit, ToClient};
use lamparina_protocol::{Audience, Epoch, Lamport, MemberId, Nick, Prev, Pseq};

use super::batch::{Entered, Note, What, Words};
use super::builder::Builder;
use super::{ConnectionId, Hub, PRESENCE_TOLD_MAX, Was};

impl Hub {
    /// A message at its place: for its recipients, its author, and the journal.
    pub(super) fn stamped(
        &self,
        by: ConnectionId,
        effect: Effect,
        to: To,
        batch: &mut Builder,
    ) -> Option<RecordedMessage> {
        let Effect::Stamped {
            member,
            from,
            stamp,
            audience,
            recipients,
            message,
        } = effect
        else {
            return None;
        };
        let message = delivery(member, from, stamp, audience, message);
        let said = batch.message(message, &recipients)?;
        commit(by, said.epoch, said.pseq, stamp, batch);
        Some(RecordedMessage {
            member,
            from: said.from,
            epoch: said.epoch,
            pseq: said.pseq,
            clock: said.clock,
            seen: said.seen,
            sent_at: said.sent_at,
            audience: said.audience,
            to,
            text: said.text,
        })
    }

    pub(super) fn effect(
        &mut self,
        by: ConnectionId,
        was: Was,
        effect: Effect,
        batch: &mut Builder,
    ) {
        match effect {
            Effect::Repeated {
                epoch,
                pseq,
                outcome,
                ..
            } => match outcome {
                Ok(stamp) => commit(by, epoch, pseq, stamp, batch),
                Err(code) => {
                    let text = format!("refused before, and still: {}", code.name());
                    refuse(by, Some((epoch, pseq)), Words { code, text }, batch);
                }
            },
            Effect::Refused {
                message,
                code,
                text,
                ..
            } => {
                let words = Words { code, text };
                match was {
                    Was::Enter => batch.note(by, Note::ClaimRefused(words)),
                    Was::Exit => {}
                    Was::Other => refuse(by, message, words, batch),
                }
            }
            other => self.membership(by, other, batch),
        }
    }

    /// Effects that change who there is, where, and by what name.
    fn membership(&mut self, by: ConnectionId, effect: Effect, batch: &mut Builder) {
        match effect {
            Effect::Entered { .. } => self.entered(by, effect, batch),
            Effect::Exited {
                member,
                nick,
                after,
            } => {
                self.set_connection(member, None);
                self.roster.changed();
                if self.order.present_len() < PRESENCE_TOLD_MAX {
                    batch.tell_everyone(&ToClient::Left { nick, after }, Some(member));
                }
            }
            Effect::Renamed {
                member,
                from,
                to,
                after,
            } => {
                self.roster.changed();
                let nick = to.clone();
                let all = self.order.present_len() <= PRESENCE_TOLD_MAX;
                let renamed = ToClient::Renamed { from, to, after };
                batch.tell_renamed(&renamed, member, nick, all);
            }
            Effect::RoomJoined {
                member,
                nick,
                room,
                after,
                recipients,
            } => {
                let joined = ToClient::RoomJoined { nick, room, after };
                batch.tell_done(&joined, member, &recipients);
            }
            Effect::RoomLeft {
                member,
                nick,
                room,
                after,
                recipients,
            } => {
                let left = ToClient::RoomLeft { nick, room, after };
                batch.tell_done(&left, member, &recipients);
            }
            // Messages are told elsewhere, and so is what operators do.
            Effect::Stamped { .. }
            | Effect::Repeated { .. }
            | Effect::Refused { .. }
            | Effect::InviteMade(_)
            | Effect::InviteRevoked(_)
            | Effect::Banned { .. }
            | Effect::Unbanned { .. } => {}
        }
    }

    fn entered(&mut self, by: ConnectionId, effect: Effect, batch: &mut Builder) {
        let Effect::Entered {
            member,
            author,
            nick,
            renamed_from,
            new_member,
            clock,
            settled,
            last_addressed,
            ..
        } = effect
        else {
            return;
        };
        let after = self.order.last_stamp();
        let before = self.connection_of(Some(member));
        self.set_connection(member, Some(by));
        let note = Note::Entered(Entered {
            nick: nick.clone(),
            member,
            clock,
            settled: if self.settles_nothing {
                Pseq(0)
            } else {
                settled
            },
            new_member,
            since: self.order.since_of(member),
            back_since: self.order.back_since_of(member),
            consumed: self.positions.of(member),
            last_addressed,
            after,
        });
        self.roster.changed();
        if let Some(old) = before.filter(|old| *old != by) {
            batch.note(old, Note::TakenOver);
        }
        batch.note(by, note);
        let all = self.order.present_len() <= PRESENCE_TOLD_MAX;
        if let Some(from) = renamed_from {
            self.renamed.push((from.clone(), nick.clone()));
            let to = nick.clone();
            if all {
                batch.tell_everyone(&ToClient::Renamed { from, to, after }, Some(member));
            }
        }
        if before.is_none() && all {
            let joined = ToClient::Joined {
                nick,
                member,
                author,
                after,
            };
            batch.tell_everyone(&joined, Some(member));
        }
    }
}

fn delivery(
    member: MemberId,
    from: Nick,
    stamp: Lamport,
    audience: Audience,
    message: Submit,
) -> Delivery {
    Delivery {
        stamp,
        member,
        from,
        epoch: message.epoch,
        pseq: message.pseq,
        clock: message.clock,
        seen: message.seen,
        sent_at: message.sent_at,
        audience,
        history: false,
        text: message.text,
        prev: Prev::default(),
    }
}

fn commit(by: ConnectionId, epoch: Epoch, pseq: Pseq, stamp: Lamport, batch: &mut Builder) {
    let committed = ToClient::Committed { epoch, pseq, stamp };
    batch.reply(by, What::Reply, &committed);
}

fn refuse(by: ConnectionId, message: Option<(Epoch, Pseq)>, words: Words, batch: &mut Builder) {
    let (code, text) = (words.code, words.text.clone());
    let answer = match message {
        Some((epoch, pseq)) => ToClient::Refused {
            epoch,
            pseq,
            code,
            text,
        },
        None => ToClient::Error { code, text },
    };
    batch.reply(by, What::Refusal(Box::new(words)), &answer);
}
