//! Changes who there is, what they are called and which rooms they are in. A refused change
//! changes nothing: everything is checked first.

use std::sync::Arc;

use lamparina_protocol::{AuthorKey, Epoch, Lamport, MemberId, Nick, RoomName, SessionNumber};

use super::members::Session;
use super::refusal::Refusal;
use super::{Done, ROOM_TOLD_MAX, ROOMS_MAX, ROOMS_PER_MEMBER_MAX, Sequenced};
use crate::effect::{Effect, Recipients};
use crate::record::{Lasting, Recorded, RoomId};

impl Sequenced {
    /// A session begins, the author's first one or another.
    pub(super) fn enter(
        &mut self,
        author: AuthorKey,
        session: SessionNumber,
        nick: Nick,
        epoch: Epoch,
    ) -> Done {
        let Some(member) = self.members.by_author(&author) else {
            let added = self.members.may_claim(None, &nick);
            let added = added.and_then(|()| self.members.add(author, nick, epoch, self.head));
            return match added {
                Ok(member) => {
                    self.set_session(member, Session::Open(session));
                    let claimed = Lasting::Event(self.claimed(member));
                    (self.entered(member, None, None, true), Some(claimed))
                }
                Err(refusal) => (refusal.effect(None, None), None),
            };
        };
        self.come_back(member, session, nick, epoch)
    }

    /// A session of a member begins.
    pub(super) fn come_back(
        &mut self,
        member: MemberId,
        session: SessionNumber,
        nick: Nick,
        epoch: Epoch,
    ) -> Done {
        let epoch_before = self.members[member].epoch;
        match self.enter_again(member, session, nick, epoch) {
            Ok((renamed_from, took_over)) => {
                let lasts = renamed_from.is_some() || epoch_before != epoch;
                let claimed = lasts.then(|| Lasting::Event(self.claimed(member)));
                (
                    self.entered(member, renamed_from, took_over, false),
                    claimed,
                )
            }
            Err(refusal) => (refusal.effect(Some(member), None), None),
        }
    }

    /// What a journal keeps of a claim.
    pub(super) fn claimed(&self, member: MemberId) -> Recorded {
        let found = &self.members[member];
        Recorded::Claimed {
            member,
            author: found.author,
            epoch: found.epoch,
            nick: found.nick.clone(),
        }
    }

    /// A session of a member begins. Returns the nick before, where it changed, and the session
    /// taken over from.
    fn enter_again(
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
            self.members.may_claim(Some(member), &nick)?;
            Some(self.rename_member(member, nick)?)
        };
        self.set_session(member, Session::Open(session));
        if self.members[member].epoch < epoch {
            self.begin_epoch(member, epoch);
        }
        Ok((renamed_from, took_over))
    }

    pub(super) fn entered(
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

    /// Opens or ends a session.
    pub(super) fn set_session(&mut self, member: MemberId, session: Session) {
        // Noted first, so that it can be taken back.
        self.member_mut(member);
        self.members.set_session(member, session);
    }

    /// The session ends; its author is a member still, also of its rooms.
    pub(super) fn exit(&mut self, member: MemberId, session: SessionNumber) -> Effect {
        self.set_session(member, Session::Ended(session));
        let nick = self.members[member].nick.clone();
        Effect::Exited {
            member,
            nick,
            after: self.last_stamp,
        }
    }

    /// Another name, or the same one spelt otherwise.
    pub(super) fn rename(&mut self, member: MemberId, nick: Nick) -> Result<Done, Refusal> {
        if self.members[member].nick == nick {
            return Err(Refusal::SameNick(nick));
        }
        let to = nick.clone();
        let from = self.rename_member(member, nick)?;
        let lasting = Lasting::Event(Recorded::Renamed {
            member,
            from: from.clone(),
            to: to.clone(),
        });
        let effect = Effect::Renamed {
            member,
            from,
            to,
            after: self.last_stamp,
        };
        Ok((effect, Some(lasting)))
    }

    /// Into a room. A member who is in already is told so, and nobody else is: a client that
    /// comes back may simply join again.
    pub(super) fn join(&mut self, member: MemberId, name: RoomName) -> Result<Done, Refusal> {
        let found = self.rooms.by_name(&name);
        let rooms = &self.members[member].rooms;
        let (room, came) = match found {
            Some(room) if rooms.contains_key(&room) => (room, false),
            _ if rooms.len() >= ROOMS_PER_MEMBER_MAX => {
                return Err(Refusal::TooManyRooms(ROOMS_PER_MEMBER_MAX));
            }
            None if self.rooms.len() >= ROOMS_MAX => return Err(Refusal::RoomsFull),
            _ => {
                let room = found.unwrap_or_else(|| self.rooms.make(name));
                self.note_move(member, room, None);
                self.room_mut(room);
                self.members[member].rooms.insert(room, self.head);
                self.rooms.add(room, member);
                (room, true)
            }
        };
        let members = match came {
            true => self.told_in(room, member),
            false => Arc::from([member]),
        };
        let nick = self.members[member].nick.clone();
        let name = self.rooms[room].name.clone();
        let lasting = came.then(|| {
            Lasting::Event(Recorded::RoomJoined {
                member,
                nick: nick.clone(),
                room,
                name: name.clone(),
            })
        });
        let effect = Effect::RoomJoined {
            member,
            nick,
            room: name,
            after: self.last_stamp,
            recipients: Recipients::Members(members),
        };
        Ok((effect, lasting))
    }

    /// Out of a room. What was said there before stays said to this member.
    pub(super) fn leave(&mut self, member: MemberId, name: &RoomName) -> Result<Done, Refusal> {
        let found = self.rooms.by_name(name);
        let found = found.and_then(|room| {
            let since = self.members[member].rooms.get(&room)?;
            Some((room, *since))
        });
        let (room, since) = found.ok_or_else(|| Refusal::NotInRoom(name.clone()))?;
        let (name, members) = self.go_out(member, room, since);
        let nick = self.members[member].nick.clone();
        let lasting = Lasting::Event(Recorded::RoomLeft {
            member,
            nick: nick.clone(),
            room,
            name: name.clone(),
        });
        let effect = Effect::RoomLeft {
            member,
            nick,
            room: name,
            after: self.last_stamp,
            recipients: Recipients::Members(members),
        };
        Ok((effect, Some(lasting)))
    }

    /// Who is told that `member` comes into a room or goes out of it.
    fn told_in(&self, room: RoomId, member: MemberId) -> Arc<[MemberId]> {
        let room = &self.rooms[room];
        match room.len() > ROOM_TOLD_MAX {
            true => Arc::from([member]),
            false => Arc::clone(room.list()),
        }
    }

    /// Out of a room that the member is in since `since`; gives the room's name and who is told.
    pub(super) fn go_out(
        &mut self,
        member: MemberId,
        room: RoomId,
        since: Lamport,
    ) -> (RoomName, Arc<[MemberId]>) {
        self.members[member].rooms.remove(&room);
        self.note_move(member, room, Some(since));
        let before = self.room_mut(room);
        let (name, newest) = (before.name.clone(), before.newest);
        let told = self.told_in(room, member);
        if let Some(ended) = self.rooms.remove(room, member) {
            self.note_ended(room, ended);
        }
        let left = self.member_mut(member);
        left.direct = left.direct.max(newest.for_member(member, since));
        (name, told)
    }
}
