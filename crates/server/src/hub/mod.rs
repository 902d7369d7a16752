//! Turns ordered entries into what clients are told: one answer for each request, every message
//! encoded once, all in the order in which it happened. Pure: no clock, no task, no socket.
//!
//! In: [`Asked`], in their order. Out: [`Batch`], then [`crate::tail`], then sessions.

mod ask;
mod batch;
mod builder;
mod effects;
mod list;
mod witness;

pub use ask::{Ask, Asked, ConnectionId};
pub use batch::{Batch, Entered, Item, Lane, Note, Reaching, Rings, What, Words};
pub use list::LIST_USERS_MAX;
pub use witness::Witness;

use lamparina_order::{Action, Effect, Entry, Sequenced};
use lamparina_protocol::message::MESSAGE_BYTES_MAX;
use lamparina_protocol::{Lamport, MemberId};

use builder::Builder;
use list::Roster;

/// Bytes of an encoded message beside its text, as a first guess.
const OVERHEAD_BYTES: usize = 96;

/// Present members up to which comings, goings and new names are told to all: telling is quadratic.
/// With more of them `LIST_REQUEST` still says who is there.
pub const PRESENCE_TOLD_MAX: usize = 1_000;

/// Members of a room up to which comings and goings there are told to all of it, for the same reason.
pub const ROOM_TOLD_MAX: usize = PRESENCE_TOLD_MAX;

/// Memory of a batch from which on it takes no more requests: a few bytes asked can say much, and
/// a batch is held as long as any part of it. At least one request is in each.
pub const BATCH_OUTPUT_BYTES: usize = 4 * 1024 * 1024;

/// What is known of a member beside the order.
#[derive(Clone, Copy, Debug, Default)]
struct Record {
    /// The last stamp given before it became a member.
    since: Lamport,
    /// The last stamp that its clients said they handed over.
    consumed: Lamport,
    /// The connection of its open session.
    connection: Option<ConnectionId>,
}

/// The order and its clients.
#[derive(Debug, Default)]
pub struct Hub {
    order: Sequenced,
    /// By member number.
    records: Vec<Record>,
    roster: Roster,
    effects: Vec<Effect>,
}

/// What a request was, when its effect comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Was {
    Enter,
    Exit,
    Other,
}

impl Hub {
    /// Applies requests from the front, in their order, until there are no more or the batch has
    /// [`BATCH_OUTPUT_BYTES`]; the others stay in `asked`. `None` when nobody is told anything.
    ///
    /// Lists show the state at the batch's end, so that all who ask share one; what says that
    /// everything was answered stands behind them.
    pub fn apply(
        &mut self,
        asked: &mut Vec<Asked>,
        witness: &mut impl Witness,
    ) -> Option<(Batch, Rings)> {
        let bytes: usize = asked
            .iter()
            .map(|asked| text_bytes(asked) + OVERHEAD_BYTES)
            .sum();
        let after = self.order.last_stamp();
        // The request that fills it may be as long as any.
        let room = bytes.min(BATCH_OUTPUT_BYTES + MESSAGE_BYTES_MAX);
        let mut batch = Builder::new(after, 2 * asked.len(), room);
        self.roster.new_batch();
        let (mut lists, mut notes) = (Vec::new(), Vec::new());
        // Taken from the end, so that what stays need not be moved for each.
        asked.reverse();
        while batch.cost_bytes() < BATCH_OUTPUT_BYTES {
            let Some(Asked { by, ask }) = asked.pop() else {
                break;
            };
            match ask {
                Ask::Entry(entry) => self.entry(by, entry, &mut batch, witness),
                Ask::Consumed {
                    member,
                    upto,
                    count,
                } => self.consumed(member, upto, count, witness),
                Ask::List => lists.push(by),
                Ask::Barrier => notes.push((by, None)),
                Ask::Confirm { member } => notes.push((by, Some(member))),
            }
        }
        asked.reverse();
        lists.into_iter().for_each(|by| self.list(by, &mut batch));
        for (by, member) in notes {
            let note = match member {
                None => Note::Barrier,
                Some(_) if self.connection_of(member) == Some(by) => Note::Confirmed,
                Some(_) => Note::TakenOver,
            };
            batch.note(by, note);
        }
        let batch = batch.finish(self.roster.bytes_made())?;
        let rings = self.rings(&batch);
        Some((batch, rings))
    }

    /// The order's clock.
    pub fn clock(&self) -> Lamport {
        self.order.clock()
    }

    /// The order, to look at.
    pub fn order(&self) -> &Sequenced {
        &self.order
    }

    fn entry(
        &mut self,
        by: ConnectionId,
        entry: Entry,
        batch: &mut Builder,
        witness: &mut impl Witness,
    ) {
        let was = match entry.action {
            Action::Enter { .. } => Was::Enter,
            Action::Exit => Was::Exit,
            _ => Was::Other,
        };
        // A client may come back with the number of a session whose old connection is still open:
        // the end of that one is not the end of the session.
        let member = self.order.member_of(&entry.author);
        if was == Was::Exit && self.connection_of(member) != Some(by) {
            return;
        }
        let mut effects = std::mem::take(&mut self.effects);
        self.order.apply(entry, &mut effects);
        for effect in effects.drain(..) {
            self.effect(by, was, effect, batch, witness);
        }
        self.effects = effects;
    }

    fn connection_of(&self, member: Option<MemberId>) -> Option<ConnectionId> {
        self.records.get(member?.0 as usize)?.connection
    }

    fn record(&mut self, member: MemberId) -> &mut Record {
        let at = member.0 as usize;
        if at >= self.records.len() {
            self.records.resize(at + 1, Record::default());
        }
        &mut self.records[at]
    }

    fn consumed(
        &mut self,
        member: MemberId,
        upto: Lamport,
        count: u64,
        witness: &mut impl Witness,
    ) {
        let record = self.record(member);
        record.consumed = record.consumed.max(upto);
        if let Some(nick) = self.order.nick_of(member) {
            witness.consumed(nick, upto, count);
        }
    }

    fn list(&mut self, by: ConnectionId, batch: &mut Builder) {
        let (kind, body) = self.roster.answer(&self.order);
        batch.reply_shared(by, kind, body);
    }

    fn rings(&self, batch: &Batch) -> Rings {
        if !batch.everyone.is_empty() {
            return Rings::Everyone;
        }
        // Who asked is rung first: the scheduler runs first what is woken last, and a message's
        // recipients should not wait until its author has been told its place.
        let asked = batch.connections.iter().map(|(connection, _)| *connection);
        let mut these: Vec<ConnectionId> = asked.collect();
        these.dedup();
        let single = batch.members.iter().map(|(member, _)| member);
        let in_lanes = batch.lanes.iter().flat_map(|lane| lane.members.iter());
        let recipients = single.chain(in_lanes);
        these.extend(recipients.filter_map(|member| self.connection_of(Some(*member))));
        Rings::These(these)
    }
}

fn text_bytes(asked: &Asked) -> usize {
    match &asked.ask {
        Ask::Entry(Entry {
            action: Action::Say(submit),
            ..
        }) => submit.text.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
