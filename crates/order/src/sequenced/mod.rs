//! The order of one server or cluster: one place for every accepted message, one answer for every
//! entry, both decided by the entries alone.
//!
//! | file | keeps |
//! |---|---|
//! | `members` | who there is, their sessions (the fence) and nicks |
//! | `rooms` | rooms and their members |
//! | `invites`, `operating` | who may become a member; what operators ask: invites, kicks, bans |
//! | `membership` | what changes them: enter, exit, rename, join, leave |
//! | `outcomes` | which messages of an author are settled, and how |
//! | `say`, `audience` | the judgement of a message: its turn, clock, recipients, stamp |
//! | `newest` | the last stamp addressed to each member, without touching members |
//! | `refusal` | every reason to refuse, with its code and its words |
//! | `replay` | the way back from a journal: everything is judged anew |
//! | `snapshot`, `source` | the state that lasts as bytes, and back |
//! | `undo` | how to take a batch back that could not be stored |
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
//! - Answers to messages older than the newest [`OUTCOMES_KEPT`] of an author's newest epoch.
//!   They are refused as settled long ago, and never judged again.
//! - Forgetting: a member and its nicks are for ever. [`MEMBERS_MAX`] bounds them.

mod audience;
mod invites;
mod members;
mod membership;
mod newest;
mod operating;
mod outcomes;
mod refusal;
mod replay;
mod rooms;
mod say;
mod snapshot;
mod source;
#[cfg(test)]
mod tests;
mod undo;

use std::sync::Arc;

use lamparina_protocol::message::UserLine;
use lamparina_protocol::{
    AuthorKey, Epoch, Lamport, MemberId, Nick, Pseq, RoomName, SessionNumber,
};

use crate::access::Standing;
use crate::effect::Effect;
use crate::entry::{Action, Entry};
use crate::record::{Lasting, Recorded, RoomId};
use invites::Invites;
use members::{Members, Session};
use newest::Newest;
use refusal::Refusal;
use rooms::Rooms;
use undo::Undo;

pub use outcomes::OUTCOMES_KEPT;
pub use replay::Mismatch;
pub use snapshot::{SNAPSHOT_VERSION, SnapshotError};

/// Members, at most.
pub const MEMBERS_MAX: u32 = 100_000;
/// Nicks that one author may ever hold, the present one included.
pub const NICKS_PER_MEMBER_MAX: usize = 16;
/// Rooms that exist at a time, at most.
pub const ROOMS_MAX: usize = 10_000;
/// Rooms that one member may be in at a time.
pub const ROOMS_PER_MEMBER_MAX: usize = 64;

/// Members of a room up to which comings and goings there are told to all of it: telling is
/// quadratic. In a larger one only who comes or goes is told.
pub const ROOM_TOLD_MAX: usize = 1_000;

/// The state that entries, applied one after the other, lead to.
#[derive(Clone, Debug, Default)]
pub struct Sequenced {
    /// The greatest clock seen: of stamps given, and of messages refused.
    head: Lamport,
    /// The newest stamp given; at most `head`.
    last_stamp: Lamport,
    members: Members,
    rooms: Rooms,
    invites: Invites,
    /// What was said to all.
    all: Newest,
    /// Not part of the state: how to take the present batch back.
    undo: Undo,
    /// Not part of the state: what entries are held to, and journals are not.
    admission: Admission,
}

/// Limits that a server sets for what is asked of it now. What a journal holds was admitted, by
/// this or by other limits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Admission {
    /// Rooms that one member may be in at a time: at most [`ROOMS_PER_MEMBER_MAX`].
    pub rooms_per_member: usize,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            rooms_per_member: ROOMS_PER_MEMBER_MAX,
        }
    }
}

/// What an entry did, and what of it lasts.
type Done = (Effect, Option<Lasting>);

impl Sequenced {
    /// Applies the next entry; pushes exactly one effect.
    pub fn apply(&mut self, entry: Entry, out: &mut Vec<Effect>) {
        self.apply_lasting(entry, out);
    }

    /// Applies the next entry; pushes exactly one effect and returns what a journal keeps of it,
    /// `None` where nothing changed that lasts. A message's text is copied once.
    ///
    /// The stamp that goes with it in the journal is then [`Self::last_stamp`].
    pub fn apply_recorded(&mut self, entry: Entry, out: &mut Vec<Effect>) -> Option<Recorded> {
        let lasting = self.apply_lasting(entry, out)?;
        lasting.recorded(out.last()?)
    }

    /// The same for whoever moves a message from its effect to the journal: nothing is copied.
    pub fn apply_lasting(&mut self, entry: Entry, out: &mut Vec<Effect>) -> Option<Lasting> {
        let Entry {
            author,
            session,
            action,
        } = entry;
        let (effect, lasting) = match action {
            Action::Enter { nick, epoch } => self.enter(author, session, nick, epoch),
            Action::Return { nick, epoch } => match self.members.by_author(&author) {
                Some(member) => self.come_back(member, session, nick, epoch),
                None => (Refusal::InviteNeeded.effect(None, None), None),
            },
            Action::Redeem {
                nick,
                epoch,
                code,
                at,
            } => match self.members.by_author(&author) {
                Some(member) => self.come_back(member, session, nick, epoch),
                None => self.redeem((author, session), (nick, epoch), code, at),
            },
            action => match self.members.fence(&author, session) {
                Ok(member) => self.act(member, session, action),
                Err((member, refusal)) => (refusal.effect(member, message_of(&action)), None),
            },
        };
        out.push(effect);
        lasting
    }

    /// What entries are held to from now on.
    pub fn admit(&mut self, admission: Admission) {
        self.admission = admission;
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

    /// The order's clock when a member first claimed a nick: messages to all with later stamps are
    /// for it.
    pub fn since_of(&self, member: MemberId) -> Lamport {
        self.members
            .get(member)
            .map_or(Lamport::ZERO, |found| found.since)
    }

    /// The rooms that a member is in, oldest first.
    pub fn rooms_of(&self, member: MemberId) -> impl Iterator<Item = &RoomName> {
        let rooms = self
            .members
            .get(member)
            .into_iter()
            .flat_map(|found| found.rooms.keys());
        rooms.map(|room| &self.rooms[*room].name)
    }

    /// All rooms with how many are in them, by name.
    pub fn rooms(&self) -> impl Iterator<Item = (&RoomName, usize)> {
        self.rooms.iter().map(|room| (&room.name, room.len()))
    }

    /// All rooms by number, each with its members in ascending order.
    pub fn rooms_by_id(&self) -> impl Iterator<Item = (RoomId, &Arc<[MemberId]>)> {
        self.rooms.by_id().map(|(id, room)| (id, room.list()))
    }

    /// A room's members, in ascending order.
    pub fn room_members(&self, room: &RoomName) -> Option<&Arc<[MemberId]>> {
        self.rooms.by_name(room).map(|room| self.rooms[room].list())
    }

    /// A member's open session: the only one whose entries take effect.
    pub fn session_of(&self, member: MemberId) -> Option<SessionNumber> {
        match self.members.get(member)?.session {
            Session::Open(session) => Some(session),
            Session::Never | Session::Ended(_) => None,
        }
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
        let in_rooms = found.rooms.iter();
        let in_rooms =
            in_rooms.map(|(room, since)| self.rooms[*room].newest.for_member(member, *since));
        in_rooms.fold(found.direct.max(self.last_to_all(member)), Lamport::max)
    }

    /// The newest stamp to all that is for a member since it belongs to all.
    fn last_to_all(&self, member: MemberId) -> Lamport {
        match self.members.get(member) {
            Some(found) if found.standing != Standing::Banned => {
                self.all.for_member(member, found.all_since)
            }
            _ => Lamport::ZERO,
        }
    }

    /// Whether a member may come into a room, or make it, now.
    fn may_join(&self, member: MemberId, name: &RoomName) -> Result<(), Refusal> {
        let rooms = &self.members[member].rooms;
        let found = self.rooms.by_name(name);
        if found.is_some_and(|room| rooms.contains_key(&room)) {
            return Ok(());
        }
        let most = self.admission.rooms_per_member.min(ROOMS_PER_MEMBER_MAX);
        if rooms.len() >= most {
            return Err(Refusal::TooManyRooms(most));
        }
        match found {
            Some(_) => Ok(()),
            None => self.rooms.may_make(name),
        }
    }

    /// An entry of an open session.
    fn act(&mut self, member: MemberId, session: SessionNumber, action: Action) -> Done {
        let done = match action {
            Action::Say(message) => return self.say(member, message),
            Action::Misaddressed {
                epoch,
                pseq,
                clock,
                why,
            } => return self.misaddressed(member, (epoch, pseq), clock, why),
            // `apply` answers it before the fence: it is what opens a session.
            Action::Enter { .. } | Action::Return { .. } | Action::Redeem { .. } => {
                Err(Refusal::NotEntered)
            }
            Action::Exit => Ok((self.exit(member, session), None)),
            Action::Rename { nick } => {
                let may = self.members.may_claim(Some(member), &nick);
                may.and_then(|()| self.rename(member, nick))
            }
            Action::Join { room } => {
                let may = self.may_join(member, &room);
                may.and_then(|()| self.join(member, room))
            }
            Action::Leave { room } => self.leave(member, &room),
        };
        done.unwrap_or_else(|refusal| (refusal.effect(Some(member), None), None))
    }
}

/// The message that an action is, if it is one.
fn message_of(action: &Action) -> Option<(Epoch, Pseq)> {
    match action {
        Action::Say(message) => Some((message.epoch, message.pseq)),
        Action::Misaddressed { epoch, pseq, .. } => Some((*epoch, *pseq)),
        _ => None,
    }
}
