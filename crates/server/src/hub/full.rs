//! Requests while nothing can be stored: what needs no storing is answered as ever, everything else
//! refused in words, and nothing of it has happened.

use lamparina_order::{Action, Entry};
use lamparina_protocol::message::{RefusalCode, ToClient};
use lamparina_protocol::{Epoch, Pseq, UnixMicros};

use super::applied::Done;
use super::batch::{Batch, Note, Rings, What, Words};
use super::builder::Builder;
use super::{Ask, Asked, ConnectionId, Hub, message_of};

/// Why nothing can be stored for now.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Unstored {
    /// There is no room.
    #[default]
    Full,
    /// Another program has the journal for itself.
    Held,
}

impl Unstored {
    /// What a refused message's author reads.
    const fn words(self) -> &'static str {
        match self {
            Self::Full => {
                "the server's disk is full: nothing was kept of this; say it again once there is \
                 room (reading goes on)"
            }
            Self::Held => {
                "another program holds the server's journal: nothing was kept of this; say it again \
                 in a moment (reading goes on)"
            }
        }
    }
}

impl Hub {
    /// Why requests are refused from here on; whether that was another reason before.
    pub fn cannot_store(&mut self, why: Unstored) -> bool {
        std::mem::replace(&mut self.unstored, why) != why
    }

    /// Applies requests of which nothing may be stored. Each gives a batch of its own.
    pub fn apply_unstored(&mut self, now: UnixMicros, asked: Vec<Asked>) -> Vec<(Batch, Rings)> {
        let mut told = Vec::new();
        for Asked { by, ask } in asked {
            let mut builder = Builder::new(self.order.last_stamp(), 1, 0);
            match ask {
                Ask::Entry(entry) => {
                    told.extend(self.entry_unstored(now, by, entry));
                    continue;
                }
                Ask::Consumed {
                    member,
                    upto,
                    count,
                } => {
                    self.positions.note(now, member, upto);
                    self.receipts(&[(member, upto, count)], &mut builder);
                }
                Ask::Operate { ticket, ask } => {
                    told.extend(self.operate_unstored(now, ticket, *ask));
                    continue;
                }
                Ask::Confirm { member } => {
                    self.answer_later(vec![Done::Confirm(by, member)], &mut builder);
                }
                Ask::List => self.answer_later(vec![Done::List(by)], &mut builder),
                Ask::Barrier => self.answer_later(vec![Done::Barrier(by)], &mut builder),
            }
            told.extend(self.finish(builder));
        }
        told
    }

    /// One entry: done where it needs no storing, else refused.
    pub(super) fn entry_unstored(
        &mut self,
        now: UnixMicros,
        by: ConnectionId,
        entry: Entry,
    ) -> Option<(Batch, Rings)> {
        let message = message_of(&entry);
        let enters = entry.action.claims();
        let again = self.with_known_epoch(&entry);
        let last_index = self.last_index;
        let mut applied = super::Applied::new(
            Builder::new(self.order.last_stamp(), 1, 0),
            1,
            &mut self.spare,
        );
        self.begin();
        self.entry(now, by, entry, &mut applied);
        let only_the_clock = applied
            .records
            .iter()
            .all(|record| matches!(record.event, lamparina_order::Recorded::Clock { .. }));
        if applied.records.is_empty() {
            return self.keep(applied);
        }
        if only_the_clock {
            // The answer stands; that the clock moved is forgotten, and moves again when it must.
            self.undo();
            self.last_index = last_index;
            return self.finish(applied.builder);
        }
        self.undo();
        self.last_index = last_index;
        match (message, again) {
            (Some(message), _) => self.refused_message(by, message),
            (None, Some(again)) => self.enter_unstored(now, by, again),
            (None, None) => self.refused_other(by, enters),
        }
    }

    /// A member comes back with a newer outbox. That begins with its first message as well, so
    /// only the session begins now, and what was said in that outbox is nothing yet.
    fn enter_unstored(
        &mut self,
        now: UnixMicros,
        by: ConnectionId,
        again: Entry,
    ) -> Option<(Batch, Rings)> {
        let last_index = self.last_index;
        let mut applied = super::Applied::new(
            Builder::new(self.order.last_stamp(), 1, 0),
            1,
            &mut self.spare,
        );
        self.begin();
        self.settles_nothing = true;
        self.entry(now, by, again, &mut applied);
        self.settles_nothing = false;
        if applied.records.is_empty() {
            return self.keep(applied);
        }
        self.undo();
        self.last_index = last_index;
        self.refused_other(by, true)
    }

    /// The same claim in the epoch that the order knows, where the claim brings a newer one.
    fn with_known_epoch(&self, entry: &Entry) -> Option<Entry> {
        let (Action::Enter { nick, epoch }
        | Action::Return { nick, epoch }
        | Action::Redeem { nick, epoch, .. }) = &entry.action
        else {
            return None;
        };
        let member = self.order.member_of(&entry.author)?;
        let (known, _) = self.order.settled_of(member)?;
        (known < *epoch).then(|| Entry {
            author: entry.author,
            session: entry.session,
            // It is a member's: it needs no invite.
            action: Action::Return {
                nick: nick.clone(),
                epoch: known,
            },
        })
    }

    /// Says to an author that a message was not kept.
    pub(super) fn refused_message(
        &self,
        by: ConnectionId,
        (epoch, pseq): (Epoch, Pseq),
    ) -> Option<(Batch, Rings)> {
        let (code, text) = (RefusalCode::StorageFull, self.unstored.words().to_owned());
        let answer = ToClient::Refused {
            epoch,
            pseq,
            code,
            text: text.clone(),
        };
        self.refusal(by, Words { code, text }, &answer)
    }

    fn refused_other(&self, by: ConnectionId, enters: bool) -> Option<(Batch, Rings)> {
        let (code, text) = (RefusalCode::StorageFull, self.unstored.words().to_owned());
        if enters {
            let mut builder = Builder::new(self.order.last_stamp(), 1, 0);
            builder.note(by, Note::ClaimRefused(Words { code, text }));
            return self.finish(builder);
        }
        let answer = ToClient::Error {
            code,
            text: text.clone(),
        };
        self.refusal(by, Words { code, text }, &answer)
    }

    fn refusal(&self, by: ConnectionId, words: Words, answer: &ToClient) -> Option<(Batch, Rings)> {
        let mut builder = Builder::new(self.order.last_stamp(), 1, 0);
        builder.reply(by, What::Refusal(Box::new(words)), answer);
        self.finish(builder)
    }
}
