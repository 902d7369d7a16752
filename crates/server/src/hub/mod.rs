//! Turns ordered entries into what clients are told: one answer for each request, every message
//! encoded once, all in the order in which it happened. Pure: no clock, no task, no socket.
//!
//! In: [`Asked`], in their order. Out: [`Applied`], whose records go to the journal; then, once they
//! are durable, [`Batch`], [`crate::tail`], sessions. Nothing is told before, and what could not
//! be stored has not happened: [`Hub::refuse`] undoes it and says no in words.
//!
//! | file | holds |
//! |---|---|
//! | `ask` | what sessions hand in |
//! | `applied` | a batch that is not durable yet; keeping it, refusing it |
//! | `full` | requests while the disk is full |
//! | `effects` | what each effect of the order tells to whom |
//! | `batch`, `builder` | what is told, encoded |
//! | `operate` | what operators ask: invites, kicks, bans |
//! | `list` | who is present |
//! | `receipts`, `positions` | who has what |

mod applied;
mod ask;
mod batch;
mod builder;
mod effects;
mod full;
mod list;
mod operate;
mod positions;
mod receipts;

pub use applied::Applied;
pub use ask::{Ask, Asked, ConnectionId};
pub use batch::{Batch, Entered, Item, Lane, Note, Reaching, Rings, What, Words};
pub use full::Unstored;
pub use lamparina_order::sequenced::ROOM_TOLD_MAX;
pub use list::LIST_USERS_MAX;
pub use operate::{LISTED_MAX, MemberLine, OperatorAnswer, OperatorAsk, Ticket, Whom};
pub use receipts::{FOLLOWED_MESSAGES_MAX, FOLLOWED_RECIPIENTS_MAX};

use std::sync::Arc;

use lamparina_order::record::Lasting;
use lamparina_order::{Action, Admission, Effect, Entry, LogIndex, Record, Recorded, Sequenced};
use lamparina_protocol::message::{INLINE_TEXT_BYTES_MAX, MESSAGE_BYTES_MAX};
use lamparina_protocol::{Epoch, Lamport, MemberId, Nick, Pseq, UnixMicros};
use lamparina_store::Position;

use applied::{Answer, Done, Spare};
use builder::Builder;
use list::Roster;
use positions::Positions;
use receipts::Receipts;

/// Bytes of an encoded message beside its text, as a first guess.
const OVERHEAD_BYTES: usize = 96;

/// Present members up to which comings, goings and new names are told to all: telling is quadratic.
/// With more of them `LIST_REQUEST` still says who is there.
pub const PRESENCE_TOLD_MAX: usize = 1_000;

/// Memory of a batch from which on it takes no more requests: a few bytes asked can say much, and
/// a batch is held as long as any part of it. At least one request is in each.
pub const BATCH_OUTPUT_BYTES: usize = 4 * 1024 * 1024;

/// The order and its clients.
#[derive(Debug, Default)]
pub struct Hub {
    order: Sequenced,
    /// The last entry of the journal.
    last_index: LogIndex,
    /// By member number: the connection of its open session.
    connections: Vec<Option<ConnectionId>>,
    /// Connections as they were when the batch began, newest change last.
    before: Vec<(MemberId, Option<ConnectionId>)>,
    positions: Positions,
    receipts: Receipts,
    /// Every member that is not banned, of so many in all, while they are few.
    everybody: Option<(usize, Arc<[MemberId]>)>,
    roster: Roster,
    /// Room for one.
    effects: Vec<Effect>,
    /// A session begins in an outbox of which nothing is stored.
    settles_nothing: bool,
    /// Why nothing can be stored, while that is so.
    unstored: Unstored,
    /// New names taken at an entry: they are logged once they are durable.
    renamed: Vec<(Nick, Nick)>,
    /// What operators asked, answered; not yet fetched.
    operated: Vec<(Ticket, OperatorAnswer)>,
    spare: Spare,
}

/// What a request was, when its effect comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Was {
    Enter,
    Exit,
    Other,
}

impl Hub {
    /// Goes on with an order whose last entry is `last_index`; nobody is present.
    pub fn resume(
        order: Sequenced,
        last_index: LogIndex,
        positions: impl IntoIterator<Item = Position>,
    ) -> Self {
        Self {
            order,
            last_index,
            positions: Positions::stored(positions),
            ..Self::default()
        }
    }

    /// Applies requests from the front, in their order, until there are no more or the batch has
    /// [`BATCH_OUTPUT_BYTES`]; the others stay in `asked`. Nobody is told anything yet: the result
    /// goes to [`Self::keep`] once its records are durable, or to [`Self::refuse`].
    ///
    /// `now` is the wall clock, for people.
    pub fn apply(&mut self, now: UnixMicros, asked: &mut Vec<Asked>) -> Applied {
        let bytes: usize = asked
            .iter()
            .map(|asked| text_bytes(asked) + OVERHEAD_BYTES)
            .sum();
        // The request that fills it may be as long as any.
        let room = bytes.min(BATCH_OUTPUT_BYTES + MESSAGE_BYTES_MAX);
        let builder = Builder::new(self.order.last_stamp(), 2 * asked.len(), room);
        let mut applied = Applied::new(builder, asked.len(), &mut self.spare);
        self.begin();
        // Taken from the end, so that what stays need not be moved for each.
        asked.reverse();
        while applied.builder.cost_bytes() < BATCH_OUTPUT_BYTES {
            let Some(asked) = asked.pop() else {
                break;
            };
            self.request(now, asked, &mut applied);
        }
        asked.reverse();
        applied.positions = self.positions.take();
        applied
    }

    /// Applies and keeps at once, for an order that is stored nowhere.
    pub fn apply_now(&mut self, asked: &mut Vec<Asked>) -> Option<(Batch, Rings)> {
        let applied = self.apply(UnixMicros(0), asked);
        self.keep(applied)
    }

    fn request(&mut self, now: UnixMicros, Asked { by, ask }: Asked, applied: &mut Applied) {
        let later = match ask {
            Ask::Entry(entry) => return self.entry(now, by, entry, applied),
            Ask::Consumed {
                member,
                upto,
                count,
            } => {
                applied.consumed.push((member, upto, count));
                return self.positions.note(now, member, upto);
            }
            Ask::Confirm { member } => Done::Confirm(by, member),
            Ask::Operate { ticket, ask } => return self.operate(now, ticket, *ask, applied),
            Ask::List => Done::List(by),
            Ask::Barrier => Done::Barrier(by),
        };
        applied.later.push(later);
    }

    fn entry(
        &mut self,
        now: UnixMicros,
        by: ConnectionId,
        mut entry: Entry,
        applied: &mut Applied,
    ) {
        if let Action::Redeem { at, .. } = &mut entry.action {
            *at = now;
        }
        let was = match entry.action {
            Action::Enter { .. } | Action::Return { .. } | Action::Redeem { .. } => Was::Enter,
            Action::Exit => Was::Exit,
            _ => Was::Other,
        };
        // A client may come back with the number of a session whose old connection is still open:
        // the end of that one is not the end of the session.
        let member = self.order.member_of(&entry.author);
        if was == Was::Exit && self.connection_of(member) != Some(by) {
            // Unless what took over from it is not stored.
            applied.entries.push(Done::Entry(by, Some(Box::new(entry))));
            return;
        }
        let first_item = applied.builder.items();
        let message = message_of(&entry);
        let again = message.is_none().then(|| entry.clone());
        let (recorded, answer) = self.tell(by, was, entry, &mut applied.builder);
        applied.renamed.append(&mut self.renamed);
        if let Some(event) = recorded {
            self.last_index = LogIndex(self.last_index.0 + 1);
            applied.records.push(Record {
                index: self.last_index,
                at: now,
                stamp: self.order.last_stamp(),
                event,
            });
        }
        applied.entries.push(match (message, again) {
            (Some(message), _) => Done::Message {
                by,
                member,
                message,
                answer,
                items: first_item..applied.builder.items(),
            },
            (None, again) => Done::Entry(by, again.map(Box::new)),
        });
    }

    /// Applies one entry and says what that tells to whom. Gives what lasts of it, and what its
    /// answer rests on.
    fn tell(
        &mut self,
        by: ConnectionId,
        was: Was,
        entry: Entry,
        batch: &mut Builder,
    ) -> (Option<Recorded>, Answer) {
        let lasting = self.order.apply_lasting(entry, &mut self.effects);
        // One entry has one effect.
        let Some(effect) = self.effects.pop() else {
            return (None, Answer::Unsettled);
        };
        if let (Effect::Stamped { .. }, Some(Lasting::Message(to))) = (&effect, &lasting) {
            let to = to.clone();
            let message = self.stamped(by, effect, to, batch);
            return (message.map(Recorded::Message), Answer::New);
        }
        let repeated = matches!(effect, Effect::Repeated { .. });
        self.effect(by, was, effect, batch);
        match lasting {
            Some(Lasting::Event(event @ Recorded::Clock { .. })) if repeated => {
                (Some(event), Answer::Repeated)
            }
            Some(Lasting::Event(event @ Recorded::Clock { .. })) => {
                (Some(event), Answer::Unsettled)
            }
            Some(Lasting::Event(event)) => (Some(event), Answer::New),
            _ if repeated => (None, Answer::Repeated),
            _ => (None, Answer::Unsettled),
        }
    }

    /// The order's clock.
    pub fn clock(&self) -> Lamport {
        self.order.clock()
    }

    /// What is asked is held to this from now on.
    pub fn admit(&mut self, admission: Admission) {
        self.order.admit(admission);
    }

    /// The order, to look at.
    pub fn order(&self) -> &Sequenced {
        &self.order
    }

    /// The last entry that the journal has, or is about to have.
    pub fn last_index(&self) -> LogIndex {
        self.last_index
    }

    /// Whether something waits to be stored, with the next batch or by an empty one.
    pub fn has_positions(&self) -> bool {
        self.positions.has_new()
    }

    /// The last stamp that a member's clients said they handed over; 0 for none.
    pub fn consumed_of(&self, member: MemberId) -> Lamport {
        self.positions.of(member)
    }

    fn connection_of(&self, member: Option<MemberId>) -> Option<ConnectionId> {
        *self.connections.get(member?.0 as usize)?
    }

    fn set_connection(&mut self, member: MemberId, to: Option<ConnectionId>) {
        let at = member.0 as usize;
        if at >= self.connections.len() {
            self.connections.resize(at + 1, None);
        }
        let before = std::mem::replace(&mut self.connections[at], to);
        self.before.push((member, before));
    }

    /// From here on everything can be undone.
    fn begin(&mut self) {
        self.before.clear();
        self.order.begin();
    }

    /// Back to where the scope began.
    fn undo(&mut self) {
        self.order.undo();
        for (member, connection) in self.before.drain(..).rev() {
            self.connections[member.0 as usize] = connection;
        }
        self.roster.changed();
        self.everybody = None;
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
        let single = batch.members.iter().map(|(member, _)| *member);
        let mut single: Vec<MemberId> = single.collect();
        single.dedup();
        let connected = |member: &MemberId| self.connection_of(Some(*member));
        these.extend(single.iter().filter_map(connected));
        // Many items may reach the same room: each of its members is rung once.
        let mut rung = match batch.lanes.len() {
            0 | 1 => Vec::new(),
            _ => vec![false; self.connections.len()],
        };
        for member in &single {
            if let Some(rung) = rung.get_mut(member.0 as usize) {
                *rung = true;
            }
        }
        let in_lanes = batch.lanes.iter().flat_map(|lane| lane.members.iter());
        let first = in_lanes.filter(|member| {
            let rung = rung.get_mut(member.0 as usize);
            rung.is_none_or(|rung| !std::mem::replace(rung, true))
        });
        these.extend(first.filter_map(connected));
        Rings::These(these)
    }
}

/// Bytes of a text in the batch's buffer; a long one gets a buffer of its own.
fn text_bytes(asked: &Asked) -> usize {
    match &asked.ask {
        Ask::Entry(Entry {
            action: Action::Say(submit),
            ..
        }) if submit.text.len() <= INLINE_TEXT_BYTES_MAX => submit.text.len(),
        _ => 0,
    }
}

/// The message that an entry is, if it is one.
fn message_of(entry: &Entry) -> Option<(Epoch, Pseq)> {
    match &entry.action {
        Action::Say(message) => Some((message.epoch, message.pseq)),
        Action::Misaddressed { epoch, pseq, .. } => Some((*epoch, *pseq)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
