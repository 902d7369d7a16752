//! The order of one server or cluster: one place for every accepted message, one answer for every
//! entry, both decided by the entries alone.
//!
//! | file | keeps |
//! |---|---|
//! | `members` | who there is, their sessions (the fence) and nicks |
//! | `rooms` | rooms and their members |
//! | `outcomes` | which messages of an author are settled, and how |
//! | `say`, `audience` | the judgement of a message: its turn, clock, recipients, stamp |
//! | `newest` | the last stamp addressed to each member, without touching members |
//! | `refusal` | every reason to refuse, with its code and its words |
//!
//! # Sessions
//!
//! While an author's session is open, an entry of any other is refused; one with a greater number
//! may enter and takes over, one with a lower number may not. After the session has ended any
//! number may enter. The same session may enter twice: it is answered again, and renamed where
//! the nick differs.
//!
//! # Absent on purpose
//!
//! - Undoing a batch. `Sequenced` is `Clone`, but copying it for every batch would be too dear.
//! - Answers to messages older than the newest [`OUTCOMES_KEPT`] of an author's newest epoch.
//!   They are refused as settled long ago, and never judged again.
//! - Forgetting: a member and its nicks are for ever. [`MEMBERS_MAX`] bounds them.

mod audience;
mod members;
mod newest;
mod outcomes;
mod refusal;
mod rooms;
mod say;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use lamparina_protocol::message::UserLine;
use lamparina_protocol::{
    AuthorKey, Epoch, Lamport, MemberId, Nick, Pseq, RoomName, SessionNumber,
};

use crate::effect::{Effect, Recipients};
use crate::entry::{Action, Entry};
use members::Members;
use newest::Newest;
use refusal::Refusal;
use rooms::Rooms;

pub use outcomes::OUTCOMES_KEPT;

/// Members, at most.
pub const MEMBERS_MAX: u32 = 100_000;
/// Nicks that one author may ever hold, the present one included.
pub const NICKS_PER_MEMBER_MAX: usize = 16;
/// Rooms that exist at a time, at most.
pub const ROOMS_MAX: usize = 10_000;
/// Rooms that one member may be in at a time.
pub const ROOMS_PER_MEMBER_MAX: usize = 64;

/// The state that entries, applied one after the other, lead to.
#[derive(Clone, Debug, Default)]
pub struct Sequenced {
    /// The greatest clock seen: of stamps given, and of messages refused.
    head: Lamport,
    /// The newest stamp given; at most `head`.
    last_stamp: Lamport,
    members: Members,
    rooms: Rooms,
    /// What was said to all.
    all: Newest,
}

impl Sequenced {
    /// Applies the next entry; pushes exactly one effect.
    pub fn apply(&mut self, entry: Entry, out: &mut Vec<Effect>) {
        let Entry {
            author,
            session,
            action,
        } = entry;
        let effect = match action {
            Action::Enter { nick, epoch } => self.enter(author, session, nick, epoch),
            action => match self.members.fence(&author, session) {
                Ok(member) => self.act(member, session, action),
                Err((member, refusal)) => refusal.effect(member, message_of(&action)),
            },
        };
        out.push(effect);
    }

    /// The order's clock: what an author's clock starts from. At least [`Self::last_stamp`], and
    /// more where the last message was refused: then this number is nobody's stamp.
    pub fn clock(&self) -> Lamport {
        self.head
    }

    /// The stamp of the last message accepted; 0 for none.
    pub fn last_stamp(&self) -> Lamport {
        self.last_stamp
    }

    /// Members whose session is open now, by number.
    pub fn present(&self) -> impl Iterator<Item = UserLine> + '_ {
        self.members.present().iter().map(|&member| {
            let found = &self.members[member];
            UserLine {
                nick: found.nick.clone(),
                member,
                author: found.author,
            }
        })
    }

    /// How many members have an open session.
    pub fn present_len(&self) -> usize {
        self.members.present().len()
    }

    /// How many members there are; their numbers are 0 to this, exclusive.
    pub fn members_len(&self) -> usize {
        self.members.len()
    }

    /// A member's number by its key.
    pub fn member_of(&self, author: &AuthorKey) -> Option<MemberId> {
        self.members.by_author(author)
    }

    /// The key behind a member's number.
    pub fn author_of(&self, member: MemberId) -> Option<&AuthorKey> {
        self.members.get(member).map(|found| &found.author)
    }

    /// The nick that a member holds.
    pub fn nick_of(&self, member: MemberId) -> Option<&Nick> {
        self.members.get(member).map(|found| &found.nick)
    }

    /// The member who holds a nick or held it once: whom a message to it reaches.
    pub fn owner_of(&self, nick: &Nick) -> Option<MemberId> {
        self.members.by_nick(nick)
    }

    /// The rooms that a member is in, oldest first.
    pub fn rooms_of(&self, member: MemberId) -> impl Iterator<Item = &RoomName> {
        let rooms = self
            .members
            .get(member)
            .into_iter()
            .flat_map(|found| found.rooms.keys());
        rooms.filter_map(|room| self.rooms.get(*room).map(|room| &room.name))
    }

    /// All rooms with how many are in them, by name.
    pub fn rooms(&self) -> impl Iterator<Item = (&RoomName, usize)> {
        self.rooms
            .iter()
            .map(|room| (&room.name, room.members.len()))
    }

    /// A room's members, in ascending order.
    pub fn room_members(&self, room: &RoomName) -> Option<&Arc<[MemberId]>> {
        self.rooms
            .by_name(room)
            .and_then(|room| self.rooms.get(room))
            .map(|room| &room.members)
    }

    /// An author's newest epoch and the last `pseq` settled in it.
    pub fn settled_of(&self, member: MemberId) -> Option<(Epoch, Pseq)> {
        self.members
            .get(member)
            .map(|found| (found.epoch, found.outcomes.settled()))
    }

    /// The last stamp addressed to a member: the `prev` of its next delivery. 0 for none.
    pub fn last_addressed(&self, member: MemberId) -> Lamport {
        let Some(found) = self.members.get(member) else {
            return Lamport::ZERO;
        };
        let in_rooms = found.rooms.iter().filter_map(|(room, since)| {
            Some(self.rooms.get(*room)?.newest.for_member(member, *since))
        });
        in_rooms.fold(
            found.direct.max(self.all.for_member(member, found.since)),
            Lamport::max,
        )
    }

    fn enter(
        &mut self,
        author: AuthorKey,
        session: SessionNumber,
        nick: Nick,
        epoch: Epoch,
    ) -> Effect {
        let Some(member) = self.members.by_author(&author) else {
            return match self.members.add(author, session, nick, epoch, self.head) {
                Ok(member) => self.entered(member, None, None, true),
                Err(refusal) => refusal.effect(None, None),
            };
        };
        match self.return_to(member, session, nick, epoch) {
            Ok((renamed_from, took_over)) => self.entered(member, renamed_from, took_over, false),
            Err(refusal) => refusal.effect(Some(member), None),
        }
    }

    /// A member's session begins. All is checked before anything is changed.
    fn return_to(
        &mut self,
        member: MemberId,
        session: SessionNumber,
        nick: Nick,
        epoch: Epoch,
    ) -> Result<(Option<Nick>, Option<SessionNumber>), Refusal> {
        let found = &self.members[member];
        let took_over = found.may_enter(session)?;
        if epoch < found.epoch {
            return Err(Refusal::StaleEpoch {
                epoch,
                newest: found.epoch,
            });
        }
        let renamed_from = if found.nick == nick {
            None
        } else {
            Some(self.members.rename(member, nick)?)
        };
        self.members.open(member, session);
        self.begin_epoch(member, epoch);
        Ok((renamed_from, took_over))
    }

    fn begin_epoch(&mut self, member: MemberId, epoch: Epoch) {
        let found = &mut self.members[member];
        if found.epoch < epoch {
            (found.epoch, found.outcomes) = (epoch, outcomes::Outcomes::default());
        }
    }

    fn entered(
        &self,
        member: MemberId,
        renamed_from: Option<Nick>,
        took_over: Option<SessionNumber>,
        new_member: bool,
    ) -> Effect {
        let found = &self.members[member];
        Effect::Entered {
            member,
            author: found.author,
            nick: found.nick.clone(),
            renamed_from,
            took_over,
            new_member,
            clock: self.head,
            settled: found.outcomes.settled(),
            last_addressed: self.last_addressed(member),
        }
    }

    /// An entry of an open session.
    fn act(&mut self, member: MemberId, session: SessionNumber, action: Action) -> Effect {
        let done = match action {
            Action::Say(message) => return self.say(member, message),
            // A second Enter never comes here; it is answered before the fence.
            Action::Enter { .. } => Err(Refusal::NotEntered),
            Action::Exit => Ok(self.exit(member, session)),
            Action::Rename { nick } => self.rename(member, nick),
            Action::Join { room } => self.join(member, room),
            Action::Leave { room } => self.leave(member, room),
        };
        done.unwrap_or_else(|refusal| refusal.effect(Some(member), None))
    }

    fn exit(&mut self, member: MemberId, session: SessionNumber) -> Effect {
        self.members.end(member, session);
        let nick = self.members[member].nick.clone();
        Effect::Exited {
            member,
            nick,
            after: self.last_stamp,
        }
    }

    fn rename(&mut self, member: MemberId, nick: Nick) -> Result<Effect, Refusal> {
        if self.members[member].nick == nick {
            return Err(Refusal::SameNick(nick));
        }
        let from = self.members.rename(member, nick)?;
        let to = self.members[member].nick.clone();
        Ok(Effect::Renamed {
            member,
            from,
            to,
            after: self.last_stamp,
        })
    }

    fn join(&mut self, member: MemberId, name: RoomName) -> Result<Effect, Refusal> {
        let found = self.rooms.by_name(&name);
        let inside = found.is_some_and(|room| self.members[member].rooms.contains_key(&room));
        if !inside && self.members[member].rooms.len() >= ROOMS_PER_MEMBER_MAX {
            return Err(Refusal::TooManyRooms);
        }
        let room = match found {
            Some(room) => room,
            None if self.rooms.len() >= ROOMS_MAX => return Err(Refusal::RoomsFull),
            None => self.rooms.make(name.clone(), member),
        };
        if !inside {
            self.members[member].rooms.insert(room, self.head);
        }
        let Some(entered) = self.rooms.get_mut(room) else {
            return Err(Refusal::NotInRoom(name)); // Never: it was found or made just now.
        };
        if !inside && found.is_some() {
            entered.add(member);
        }
        let members = if inside {
            Arc::from([member])
        } else {
            Arc::clone(&entered.members)
        };
        Ok(Effect::RoomJoined {
            member,
            nick: self.members[member].nick.clone(),
            room: entered.name.clone(),
            after: self.last_stamp,
            recipients: Recipients::Members(members),
        })
    }

    fn leave(&mut self, member: MemberId, name: RoomName) -> Result<Effect, Refusal> {
        let found = self.rooms.by_name(&name);
        let since = found.and_then(|room| self.members[member].rooms.remove(&room));
        let (Some(room), Some(since)) = (found, since) else {
            return Err(Refusal::NotInRoom(name));
        };
        let Some(before) = self.rooms.remove(room, member) else {
            return Err(Refusal::NotInRoom(name)); // Never: a member's rooms exist.
        };
        // What was said here stays said to this member.
        let said = before.newest.for_member(member, since);
        let left = &mut self.members[member];
        left.direct = left.direct.max(said);
        Ok(Effect::RoomLeft {
            member,
            nick: left.nick.clone(),
            room: before.name,
            after: self.last_stamp,
            recipients: Recipients::Members(before.members),
        })
    }
}

/// The message that an action is, if it is one.
fn message_of(action: &Action) -> Option<(Epoch, Pseq)> {
    match action {
        Action::Say(message) => Some((message.epoch, message.pseq)),
        _ => None,
    }
}
