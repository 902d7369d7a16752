//! Keeps the rooms, as the journal says: a room is made by the first who comes and ends with the last
//! who goes, and no two have one number.

use std::collections::{BTreeMap, BTreeSet};

use lamparina_protocol::nick::NickKey;
use lamparina_protocol::{MemberId, RoomName};

use super::fault::Fault;
use super::members::Members;
use super::{Against, Judged};
use crate::record::{LogIndex, RoomId};

/// One room.
#[derive(Clone, Debug)]
pub(super) struct Room {
    name: RoomName,
    made: LogIndex,
    members: BTreeSet<MemberId>,
}

/// All rooms that somebody is in.
#[derive(Clone, Debug, Default)]
pub(super) struct Rooms {
    by_name: BTreeMap<NickKey, RoomId>,
    rooms: BTreeMap<RoomId, Room>,
    /// Rooms ever made: the number of the next one.
    made: u64,
}

impl Rooms {
    /// Whether a member is in a room.
    pub(super) fn contains(&self, room: RoomId, member: MemberId) -> bool {
        let found = self.rooms.get(&room);
        found.is_some_and(|room| room.members.contains(&member))
    }

    /// The room recorded is the one of this name, spelt like this.
    pub(super) fn known(&self, recorded: RoomId, name: &RoomName) -> Judged<&Room> {
        let id = self.by_name.get(&name.key()).copied();
        let found = id.and_then(|id| Some((id, self.rooms.get(&id)?)));
        let (id, room) = found.ok_or_else(|| Fault::UnknownRoom(name.clone()).alone())?;
        if id != recorded {
            let (name, expected) = (name.clone(), id);
            let fault = Fault::RoomNumber {
                name,
                expected,
                recorded,
            };
            return Err(fault.against(room.made));
        }
        if room.name != *name {
            return Err(Fault::RoomNamed(room.name.clone()).against(room.made));
        }
        Ok(room)
    }

    /// A member comes, perhaps as the first.
    pub(super) fn join(
        &mut self,
        at: LogIndex,
        members: &mut Members,
        member: MemberId,
        recorded: RoomId,
        name: &RoomName,
    ) -> Judged<()> {
        let known = self.by_name.contains_key(&name.key());
        if known {
            self.known(recorded, name)?;
        } else if recorded != RoomId(self.made) {
            let (name, expected) = (name.clone(), RoomId(self.made));
            let fault = Fault::RoomNumber {
                name,
                expected,
                recorded,
            };
            return Err(fault.alone());
        }
        let found = members.known_mut(member)?;
        if let Some(came) = found.rooms.get(&recorded) {
            let name = name.clone();
            return Err(Fault::InRoom { member, name }.against(*came));
        }
        found.rooms.insert(recorded, at);
        if !known {
            self.made += 1;
            self.by_name.insert(name.key(), recorded);
        }
        let room = self.rooms.entry(recorded).or_insert_with(|| Room {
            name: name.clone(),
            made: at,
            members: BTreeSet::new(),
        });
        room.members.insert(member);
        Ok(())
    }

    /// A member goes, perhaps as the last.
    pub(super) fn leave(
        &mut self,
        members: &mut Members,
        member: MemberId,
        recorded: RoomId,
        name: &RoomName,
    ) -> Judged<()> {
        let made = self.known(recorded, name)?.made;
        if members.known_mut(member)?.rooms.remove(&recorded).is_none() {
            let name = name.clone();
            return Err(Fault::NotInRoom { member, name }.against(made));
        }
        self.go_out(recorded, member);
        Ok(())
    }

    /// A member is in a room no more; the last one ends it.
    pub(super) fn go_out(&mut self, id: RoomId, member: MemberId) {
        if let Some(room) = self.rooms.get_mut(&id) {
            room.members.remove(&member);
            if room.members.is_empty() {
                let name = room.name.key();
                self.rooms.remove(&id);
                self.by_name.remove(&name);
            }
        }
    }
}

impl Room {
    /// The author of a message said here is in.
    pub(super) fn holds(&self, member: MemberId) -> Judged<()> {
        if self.members.contains(&member) {
            return Ok(());
        }
        let name = self.name.clone();
        Err(Fault::NotInRoom { member, name }.against(self.made))
    }
}
