//! A batch whose entries are applied and not durable yet: kept, it is told; refused, it has not
//! happened, and each who asked is told so.

use std::ops::Range;

use lamparina_order::{Entry, Record, Recorded, Standing, To};
use lamparina_protocol::message::ToClient;
use lamparina_protocol::{Epoch, Lamport, MemberId, Nick, Pseq, UnixMicros};
use lamparina_store::Position;

use super::batch::{Batch, Note, Rings};
use super::builder::Builder;
use super::operate::{OperatorAnswer, OperatorAsk, Ticket};
use super::receipts::FOLLOWED_RECIPIENTS_MAX;
use super::{ConnectionId, Hub};

/// What became of a request, as far as it is needed when the batch is not stored.
#[derive(Debug)]
pub(super) enum Done {
    /// A message: what it was answered, and whether that has to be stored first.
    Message {
        by: ConnectionId,
        member: Option<MemberId>,
        message: (Epoch, Pseq),
        answer: Answer,
        items: Range<u32>,
    },
    /// Another entry, to be applied again.
    Entry(ConnectionId, Option<Box<Entry>>),
    /// What an operator asked, to be applied again.
    Operated(Ticket, Box<OperatorAsk>),
    /// Whether the connection is that of the member's open session.
    Confirm(ConnectionId, MemberId),
    /// Who is present.
    List(ConnectionId),
    /// Everything before is answered.
    Barrier(ConnectionId),
}

/// What a message's answer rests on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// On what has to be stored first.
    New,
    /// On what was answered before, perhaps in this batch.
    Repeated,
    /// On nothing that lasts: it settles nothing.
    Unsettled,
}

/// A batch that is not durable yet.
#[derive(Debug)]
pub struct Applied {
    /// What to append to the journal; often nothing.
    pub records: Vec<Record>,
    /// What to store beside them.
    pub positions: Vec<Position>,
    /// Who said that it handed over: up to which stamp, and how many since the last time.
    pub consumed: Vec<(MemberId, Lamport, u64)>,
    /// Who came back under another name: the one before, the one now.
    pub renamed: Vec<(Nick, Nick)>,
    pub(super) builder: Builder,
    /// What operators are told.
    pub(super) operated: Vec<(Ticket, OperatorAnswer)>,
    /// In order.
    pub(super) entries: Vec<Done>,
    /// What is answered from the state at the batch's end.
    pub(super) later: Vec<Done>,
}

/// Room of the batch before, for the next one: without it each batch would take some hundred KiB from
/// the system, touch them for the first time and give them back.
#[derive(Debug, Default)]
pub(super) struct Spare {
    records: Vec<Record>,
    entries: Vec<Done>,
}

impl Spare {
    /// Requests of a batch whose room is kept, at most.
    const REQUESTS_MAX: usize = 1_024;

    fn give_back(&mut self, mut records: Vec<Record>, mut entries: Vec<Done>) {
        records.clear();
        entries.clear();
        if records.capacity().max(entries.capacity()) <= Self::REQUESTS_MAX {
            *self = Self { records, entries };
        }
    }
}

impl Applied {
    pub(super) fn new(builder: Builder, requests: usize, spare: &mut Spare) -> Self {
        let Spare {
            mut records,
            mut entries,
        } = std::mem::take(spare);
        records.reserve(requests);
        entries.reserve(requests);
        Self {
            records,
            positions: Vec::new(),
            consumed: Vec::new(),
            renamed: Vec::new(),
            builder,
            operated: Vec::new(),
            entries,
            later: Vec::new(),
        }
    }

    /// Whether the journal must have something before anything of this is told.
    pub fn needs_storing(&self) -> bool {
        !self.records.is_empty() || !self.positions.is_empty()
    }
}

impl Hub {
    /// The batch is durable: gives what it says to whom. `None` when nobody is told anything.
    ///
    /// Lists show the state at the batch's end, so that all who ask share one; what says that
    /// everything was answered stands behind them.
    pub fn keep(&mut self, applied: Applied) -> Option<(Batch, Rings)> {
        self.order.keep();
        self.before.clear();
        for record in &applied.records {
            self.follow(record);
        }
        self.operated.extend(applied.operated);
        let mut builder = applied.builder;
        self.receipts(&applied.consumed, &mut builder);
        self.answer_later(applied.later, &mut builder);
        self.spare.give_back(applied.records, applied.entries);
        self.finish(builder)
    }

    /// The batch could not be stored: undoes it, refuses what had to be stored, and answers the
    /// rest. Each request gives a batch of its own.
    pub fn refuse(&mut self, now: UnixMicros, applied: Applied) -> Vec<(Batch, Rings)> {
        self.undo();
        self.last_index.0 -= applied.records.len() as u64;
        for position in applied.positions {
            self.positions.again(position);
        }
        let mut told = Vec::new();
        for done in applied.entries {
            match done {
                Done::Message {
                    by,
                    member,
                    message,
                    answer,
                    items,
                } => {
                    // What repeats an answer of this very batch has none any more.
                    let gone = match answer {
                        Answer::New => true,
                        Answer::Repeated => !self.is_settled(member, message),
                        Answer::Unsettled => false,
                    };
                    if gone {
                        told.extend(self.refused_message(by, message));
                        continue;
                    }
                    let mut builder = Builder::new(self.order.last_stamp(), 1, 0);
                    builder.repeat(by, &applied.builder, items);
                    told.extend(self.finish(builder));
                }
                Done::Entry(by, Some(entry)) => told.extend(self.entry_unstored(now, by, *entry)),
                Done::Operated(ticket, ask) => {
                    told.extend(self.operate_unstored(now, ticket, *ask));
                }
                _ => {}
            }
        }
        let mut builder = Builder::new(self.order.last_stamp(), 0, 0);
        self.receipts(&applied.consumed, &mut builder);
        self.answer_later(applied.later, &mut builder);
        told.extend(self.finish(builder));
        told
    }

    /// What cannot be stored at all ends the server: undoes the batch and tells nobody.
    pub fn abandon(&mut self, applied: &Applied) {
        self.undo();
        self.last_index.0 -= applied.records.len() as u64;
    }

    fn is_settled(&self, member: Option<MemberId>, (epoch, pseq): (Epoch, Pseq)) -> bool {
        let settled = member.and_then(|member| self.order.settled_of(member));
        settled.is_some_and(|(newest, last)| epoch < newest || (epoch == newest && pseq <= last))
    }

    /// Tells authors who handed over what they wrote.
    pub(super) fn receipts(
        &mut self,
        consumed: &[(MemberId, Lamport, u64)],
        builder: &mut Builder,
    ) {
        for (member, upto, _) in consumed {
            let before = self.positions.raise(*member, *upto);
            let Some(by) = self.order.nick_of(*member) else {
                continue;
            };
            for (author, messages) in self.receipts.consumed(*member, before, *upto) {
                // Who is away can ask later.
                if let Some(connection) = self.connection_of(Some(author)) {
                    let receipts = ToClient::Receipts {
                        by: by.clone(),
                        member: *member,
                        messages,
                    };
                    // Unasked, so it answers nothing.
                    builder.reply(connection, super::What::Event { except: None }, &receipts);
                }
            }
        }
    }

    pub(super) fn answer_later(&mut self, later: Vec<Done>, builder: &mut Builder) {
        self.roster.new_batch();
        let mut barriers = Vec::new();
        for done in later {
            match done {
                Done::List(by) => {
                    let (kind, body) = self.roster.answer(&self.order);
                    builder.reply_shared(by, kind, body);
                }
                Done::Confirm(by, member) => {
                    let is_its = self.connection_of(Some(member)) == Some(by);
                    let note = if is_its {
                        Note::Confirmed
                    } else {
                        self.why_ended(member)
                    };
                    builder.note(by, note);
                }
                Done::Barrier(by) => barriers.push(by),
                Done::Message { .. } | Done::Entry(..) | Done::Operated(..) => {}
            }
        }
        for by in barriers {
            builder.note(by, Note::Barrier);
        }
    }

    pub(super) fn finish(&self, builder: Builder) -> Option<(Batch, Rings)> {
        let batch = builder.finish(self.roster.bytes_made())?;
        let rings = self.rings(&batch);
        Some((batch, rings))
    }

    /// Follows the newest messages of an order that goes on, as far as nobody has them yet.
    pub fn follow_recent(&mut self, recent: &[Record]) {
        for record in recent {
            self.follow(record);
        }
        // Who had them before is counted, and nobody is told again.
        for member in (0..self.order.members_len() as u32).map(MemberId) {
            let consumed = self.positions.of(member);
            self.receipts.consumed(member, Lamport::ZERO, consumed);
        }
    }

    /// A message to few is followed on its way.
    fn follow(&mut self, record: &Record) {
        let Recorded::Message(message) = &record.event else {
            return;
        };
        let (stamp, author) = (record.stamp, message.member);
        match &message.to {
            To::Members(members) => self.receipts.follow(stamp, author, members),
            To::Room(_) => {
                let lamparina_protocol::Audience::Room(name) = &message.audience else {
                    return;
                };
                // As of the batch's end; who came since has not been sent it, and says nothing.
                if let Some(members) = self.order.room_members(name) {
                    self.receipts.follow(stamp, author, members);
                }
            }
            To::All => {
                let count = self.order.members_len();
                if count <= FOLLOWED_RECIPIENTS_MAX {
                    let order = &self.order;
                    // Made anew after a ban, and when somebody has come.
                    if self.everybody.as_ref().is_none_or(|(of, _)| *of != count) {
                        let all = (0..count as u32).map(MemberId);
                        let all =
                            all.filter(|member| order.standing_of(*member) != Standing::Banned);
                        self.everybody = Some((count, all.collect()));
                    }
                    if let Some((_, everybody)) = &self.everybody {
                        self.receipts.follow(stamp, author, everybody);
                    }
                }
            }
        }
    }
}
