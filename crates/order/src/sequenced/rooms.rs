//! Keeps the rooms: a room exists while somebody is in it, its name is unique, and its list of
//! members is one shared slice until the membership changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use lamparina_protocol::nick::NickKey;
use lamparina_protocol::{MemberId, RoomName};

use super::newest::Newest;

/// A room, never the same number twice.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct RoomId(u64);

/// One room.
#[derive(Clone, Debug)]
pub(super) struct Room {
    /// As the one who made it spelt it.
    pub(super) name: RoomName,
    /// In ascending order. Replaced, never changed: messages on their way share it.
    pub(super) members: Arc<[MemberId]>,
    pub(super) newest: Newest,
}

/// All rooms.
#[derive(Clone, Debug, Default)]
pub(super) struct Rooms {
    by_name: BTreeMap<NickKey, RoomId>,
    rooms: BTreeMap<RoomId, Room>,
    /// Rooms ever made.
    made: u64,
}

impl Rooms {
    /// The room of this name.
    pub(super) fn by_name(&self, name: &RoomName) -> Option<RoomId> {
        self.by_name.get(&name.key()).copied()
    }

    /// One room.
    pub(super) fn get(&self, room: RoomId) -> Option<&Room> {
        self.rooms.get(&room)
    }

    /// One room, to change.
    pub(super) fn get_mut(&mut self, room: RoomId) -> Option<&mut Room> {
        self.rooms.get_mut(&room)
    }

    /// All rooms, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Room> {
        self.by_name
            .values()
            .filter_map(|room| self.rooms.get(room))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.rooms.len()
    }

    /// A new room with one member.
    pub(super) fn make(&mut self, name: RoomName, member: MemberId) -> RoomId {
        let room = RoomId(self.made);
        self.made += 1;
        self.by_name.insert(name.key(), room);
        let members = Arc::from([member]);
        self.rooms.insert(
            room,
            Room {
                name,
                members,
                newest: Newest::default(),
            },
        );
        room
    }

    /// Removes a member; a room without members is no more. Returns the room as it was.
    pub(super) fn remove(&mut self, room: RoomId, member: MemberId) -> Option<Room> {
        let before = self.rooms.get(&room)?.clone();
        let members: Arc<[MemberId]> = before
            .members
            .iter()
            .copied()
            .filter(|other| *other != member)
            .collect();
        if members.is_empty() {
            self.rooms.remove(&room);
            self.by_name.remove(&before.name.key());
        } else if let Some(room) = self.rooms.get_mut(&room) {
            room.members = members;
        }
        Some(before)
    }
}

impl Room {
    /// Adds a member.
    pub(super) fn add(&mut self, member: MemberId) {
        let place = self.members.partition_point(|other| *other < member);
        let (before, after) = self.members.split_at(place);
        self.members = before
            .iter()
            .chain([&member])
            .chain(after)
            .copied()
            .collect();
    }
}
