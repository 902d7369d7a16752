//! Judges a journal by the rules of the order, entry by entry and knowing nothing of the machine that
//! made it: a second opinion. The first [`Violation`] names both entries and what should be there.
//!
//! | file | judges |
//! |---|---|
//! | `mod` | places, stamps, clocks, terms, texts |
//! | `members` | numbers, keys, nicks, epochs, messages without a hole |
//! | `rooms` | who is in which room |
//! | `access` | invites and bans |
//! | `audience` | that recipients by name and by number are the same |
//! | `fault` | what can be wrong, in words |
//!
//! It remembers members and rooms, never messages: what it needs does not grow with what is said.
//!
//! What only an author's own program can get wrong, and no order refuses, is no violation but a
//! [`Remark`]; so is the server's clock when it was set back.

mod access;
mod audience;
mod fault;
mod members;
mod rooms;
#[cfg(test)]
mod tests;

use lamparina_protocol::message::{RefusalCode, TEXT_BYTES_MAX};
use lamparina_protocol::{AuthorKey, Lamport, MemberId, Nick, Term, UnixMicros};

use crate::record::{LogIndex, Record, Recorded, RecordedMessage, To};
use access::Invites;
use members::Members;
use rooms::Rooms;

pub use fault::{Brief, Fault, FirstWords, Violation};

/// A judgement: what is wrong, and the earlier entry that says so.
type Judged<T> = Result<T, (Fault, LogIndex)>;

/// Words for a [`Judged`].
trait Against: Sized {
    /// Contradicts this entry.
    fn against(self, entry: LogIndex) -> (Fault, LogIndex);
    /// Contradicts the rules.
    fn alone(self) -> (Fault, LogIndex);
}

impl Against for Fault {
    fn against(self, entry: LogIndex) -> (Fault, LogIndex) {
        (self, entry)
    }

    fn alone(self) -> (Fault, LogIndex) {
        (self, LogIndex(0))
    }
}

/// What is odd, and no fault of the order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Remark {
    /// The time of an entry lies before that of the entry before it: the server's clock was set.
    TimeWentBack,
    /// A message's clock is not above what its author had seen: the author's program counts wrongly.
    ClockNotAboveSeen,
    /// An author had seen less than at its message before: its program lost its cursor.
    SeenWentBack,
}

impl Remark {
    /// All there are.
    pub const ALL: [Self; 3] = [
        Self::TimeWentBack,
        Self::ClockNotAboveSeen,
        Self::SeenWentBack,
    ];

    /// What it means, for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::TimeWentBack => "times go back (the server's clock was set)",
            Self::ClockNotAboveSeen => {
                "messages have a clock not above what their author had seen (its program counts wrongly)"
            }
            Self::SeenWentBack => {
                "messages' authors had seen less than at their message before (its program lost its cursor)"
            }
        }
    }
}

/// How often something odd was met, and where first.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Remarked {
    /// How often.
    pub count: u64,
    /// Where first.
    pub first: LogIndex,
}

/// How much was judged, all of it without a violation.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Judgement {
    /// Entries.
    pub entries: u64,
    /// Messages among them.
    pub messages: u64,
    /// Messages settled without a place.
    pub refused: u64,
    /// The newest term.
    pub term: Term,
    /// The last stamp given.
    pub last_stamp: Lamport,
    /// Members there are.
    pub members: usize,
}

/// The judge. Give it all entries of a journal from the first on.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    last: LogIndex,
    last_at: UnixMicros,
    head: Lamport,
    last_stamp: Lamport,
    /// The entry of the last message, which non-messages follow.
    last_message: LogIndex,
    term: Term,
    term_began: LogIndex,
    messages: u64,
    refused: u64,
    members: Members,
    rooms: Rooms,
    invites: Invites,
    remarks: [Remarked; Remark::ALL.len()],
}

impl Judge {
    /// Judges the next entry. After a violation the judge is of no more use.
    ///
    /// # Errors
    ///
    /// The [`Violation`], with what should be there.
    pub fn admit(&mut self, record: &Record) -> Result<(), Box<Violation>> {
        self.judge(record).map_err(|(fault, against)| {
            let entry = Box::new(record.clone());
            Box::new(Violation {
                fault,
                entry,
                against,
            })
        })
    }

    /// How much was judged.
    pub fn judgement(&self) -> Judgement {
        Judgement {
            entries: self.last.0,
            messages: self.messages,
            refused: self.refused,
            term: self.term,
            last_stamp: self.last_stamp,
            members: self.members.len(),
        }
    }

    /// What was odd so far.
    pub fn remarks(&self) -> impl Iterator<Item = (Remark, Remarked)> + '_ {
        let met = Remark::ALL.into_iter().zip(self.remarks);
        met.filter(|(_, remarked)| remarked.count > 0)
    }

    /// The order's clock.
    pub const fn clock(&self) -> Lamport {
        self.head
    }

    /// The nick that a member holds.
    pub fn nick_of(&self, member: MemberId) -> Option<&Nick> {
        self.members.get(member).map(|found| &found.nick)
    }

    /// The key behind a member's number.
    pub fn author_of(&self, member: MemberId) -> Option<&AuthorKey> {
        self.members.get(member).map(members::Member::author)
    }

    /// Who holds or held a nick.
    pub fn owner_of(&self, nick: &Nick) -> Option<MemberId> {
        self.members.owner(nick).map(|(owner, _)| owner)
    }

    /// Whether the message just judged is delivered to a member.
    pub fn receives(&self, member: MemberId, message: &RecordedMessage) -> bool {
        message.member != member
            && match &message.to {
                To::All => self
                    .members
                    .get(member)
                    .is_some_and(|found| found.banned.is_none()),
                To::Members(members) => members.binary_search(&member).is_ok(),
                To::Room(room) => self.rooms.contains(*room, member),
            }
    }

    fn judge(&mut self, record: &Record) -> Judged<()> {
        let expected = LogIndex(self.last.0.saturating_add(1));
        if record.index != expected {
            return Err(Fault::Index(expected).against(self.last));
        }
        if self.last.0 == 0 && !matches!(record.event, Recorded::Began { .. }) {
            return Err(Fault::NoTerm.alone());
        }
        if !matches!(record.event, Recorded::Message(_)) && record.stamp != self.last_stamp {
            return Err(Fault::Follows(self.last_stamp).against(self.last_message));
        }
        self.judge_event(record)?;
        if record.at < self.last_at {
            self.remark(Remark::TimeWentBack, record.index);
        }
        (self.last, self.last_at) = (record.index, record.at);
        Ok(())
    }

    fn judge_event(&mut self, record: &Record) -> Judged<()> {
        let at = record.index;
        match &record.event {
            Recorded::Began { term } => self.begin(at, *term),
            Recorded::Clock { clock } => self.move_clock(*clock),
            Recorded::Claimed {
                member,
                author,
                epoch,
                nick,
            } => {
                if self.members.get(*member).is_some() {
                    self.members.free(*member)?;
                }
                self.members.claim(at, *member, *author, *epoch, nick)
            }
            Recorded::InviteMade {
                invite,
                hash,
                uses,
                expires_at,
                by,
            } => {
                let when = (at, record.at);
                self.invites
                    .make(when, *invite, *hash, (*uses, *expires_at), by)
            }
            Recorded::InviteRevoked { invite, by } => self.invites.revoke(at, *invite, by),
            Recorded::Redeemed {
                member,
                author,
                epoch,
                nick,
                invite,
            } => {
                self.invites.spend((at, record.at), *invite)?;
                self.members.claim_first(at, *member, *author, *epoch, nick)
            }
            Recorded::Banned {
                member,
                nick,
                by,
                reason,
            } => {
                self.members.holds(*member, nick)?;
                let (members, rooms) = (&mut self.members, &mut self.rooms);
                access::ban(at, members, rooms, *member, (by, reason))
            }
            Recorded::Unbanned { member, nick, by } => {
                self.members.holds(*member, nick)?;
                access::unban(&mut self.members, *member, by)
            }
            Recorded::Renamed { member, from, to } => {
                self.members.free(*member)?;
                let held = self.members.holds(*member, from)?;
                if from == to {
                    return Err(Fault::NothingChanged.against(held.named));
                }
                self.members.take_nick(at, *member, to)
            }
            Recorded::RoomJoined {
                member,
                nick,
                room,
                name,
            } => {
                self.members.free(*member)?;
                self.members.holds(*member, nick)?;
                self.rooms.join(at, &mut self.members, *member, *room, name)
            }
            Recorded::RoomLeft {
                member,
                nick,
                room,
                name,
            } => {
                self.members.holds(*member, nick)?;
                self.rooms.leave(&mut self.members, *member, *room, name)
            }
            Recorded::Message(message) => self.judge_message(record, message),
            Recorded::Refused {
                member,
                epoch,
                pseq,
                clock,
                code,
            } => {
                self.members.free(*member)?;
                self.members.settle(at, *member, *epoch, *pseq)?;
                self.judge_refusal(*clock, *code)
            }
        }
    }

    fn begin(&mut self, at: LogIndex, term: Term) -> Judged<()> {
        // Terms may leave numbers out: a restored log never uses one again that it used before.
        if term <= self.term {
            return Err(Fault::Term(self.term).against(self.term_began));
        }
        (self.term, self.term_began) = (term, at);
        Ok(())
    }

    /// A message that settled nothing moves the clock by the one tick that an honest one may be ahead.
    fn move_clock(&mut self, to: Lamport) -> Judged<()> {
        let head = self.head;
        if head.tick() != Some(to) {
            return Err(Fault::ClockMove { to, head }.against(self.last));
        }
        self.head = to;
        Ok(())
    }

    fn judge_message(&mut self, record: &Record, message: &RecordedMessage) -> Judged<()> {
        let RecordedMessage {
            member,
            epoch,
            pseq,
            clock,
            seen,
            ..
        } = *message;
        self.members.free(member)?;
        self.members.holds(member, &message.from)?;
        self.members.settle(record.index, member, epoch, pseq)?;
        let head = self.head;
        self.check_clock(clock)?;
        if seen > head {
            return Err(Fault::SeenAhead { seen, head }.against(self.last));
        }
        match head.after(clock) {
            Some(expected) if expected != record.stamp => {
                let fault = Fault::Stamp {
                    expected,
                    head,
                    clock,
                };
                return Err(fault.against(self.last));
            }
            // Only after the last stamp that there can be: no order gives another one.
            None => return Err(Fault::Follows(self.last_stamp).against(self.last_message)),
            Some(_) => {}
        }
        match message.text.len() {
            0 => return Err(Fault::TextEmpty.alone()),
            bytes if bytes > TEXT_BYTES_MAX => return Err(Fault::TextTooLong(bytes).alone()),
            _ => {}
        }
        audience::check(&self.members, &self.rooms, message)?;
        (self.head, self.last_stamp) = (record.stamp, record.stamp);
        self.last_message = record.index;
        self.messages += 1;
        self.note_seen(record.index, message)
    }

    /// A clock too far ahead is the one reason to refuse that may have such a clock; it moves nothing.
    fn judge_refusal(&mut self, clock: Lamport, code: RefusalCode) -> Judged<()> {
        if !settles(code) {
            return Err(Fault::SettlesNothing(code).alone());
        }
        let honest = self.check_clock(clock);
        if code != RefusalCode::ClockAhead {
            honest.clone()?;
        }
        if honest.is_ok() {
            self.head = self.head.max(clock);
        }
        self.refused += 1;
        Ok(())
    }

    fn check_clock(&self, clock: Lamport) -> Judged<()> {
        match self.head.tick() {
            Some(most) if clock > most => Err(Fault::ClockAhead { clock, most }.against(self.last)),
            _ => Ok(()),
        }
    }

    fn note_seen(&mut self, at: LogIndex, message: &RecordedMessage) -> Judged<()> {
        if message.clock <= message.seen {
            self.remark(Remark::ClockNotAboveSeen, at);
        }
        let author = self.members.known_mut(message.member)?;
        let before = std::mem::replace(&mut author.seen, message.seen);
        if message.seen < before {
            self.remark(Remark::SeenWentBack, at);
        }
        Ok(())
    }

    fn remark(&mut self, remark: Remark, at: LogIndex) {
        let met = &mut self.remarks[remark as usize];
        if met.count == 0 {
            met.first = at;
        }
        met.count += 1;
    }
}

/// Whether a message refused so has had its turn: others are not settled and come again.
const fn settles(code: RefusalCode) -> bool {
    match code {
        RefusalCode::UnknownUser
        | RefusalCode::NoRecipient
        | RefusalCode::EmptyText
        | RefusalCode::TooLong
        | RefusalCode::ClockAhead
        | RefusalCode::NotInRoom
        | RefusalCode::NickInvalid
        | RefusalCode::Limit
        | RefusalCode::NotAllowed
        | RefusalCode::Banned => true,
        RefusalCode::NickTaken
        | RefusalCode::Gap
        | RefusalCode::StaleEpoch
        | RefusalCode::TakenOver
        | RefusalCode::Malformed
        | RefusalCode::ShuttingDown
        | RefusalCode::StorageFull
        | RefusalCode::NotFound
        | RefusalCode::TooFast
        | RefusalCode::NotAdmitted => false,
    }
}
