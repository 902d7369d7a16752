//! Keeps the rooms: a room exists while somebody is in it, its name is unique, and its list of
//! members is one shared slice until the membership changes.

use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};
use std::sync::Arc;

use lamparina_protocol::nick::{NickKey, NickLook};
use lamparina_protocol::{MemberId, RoomName};

use super::newest::Newest;
use super::refusal::Refusal;
use crate::record::RoomId;

/// One room.
#[derive(Clone, Debug)]
pub(super) struct Room {
    /// As the one who made it spelt it.
    pub(super) name: RoomName,
    /// In ascending order. Replaced, never changed: messages on their way share it.
    pub(super) members: Arc<[MemberId]>,
    pub(super) newest: Newest,
    /// The last undo scope in which it was noted.
    pub(super) noted: u64,
}

/// All rooms.
#[derive(Clone, Debug, Default)]
pub(super) struct Rooms {
    by_name: BTreeMap<NickKey, RoomId>,
    /// One room of each look. Nothing but the making of a room asks for it.
    by_look: BTreeMap<NickLook, RoomId>,
    rooms: BTreeMap<RoomId, Room>,
    /// Rooms ever made.
    made: u64,
}

impl Rooms {
    /// The room of this name.
    pub(super) fn by_name(&self, name: &RoomName) -> Option<RoomId> {
        self.by_name.get(&name.key()).copied()
    }

    /// All rooms, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Room> {
        self.by_name
            .values()
            .filter_map(|room| self.rooms.get(room))
    }

    /// All rooms, by number.
    pub(super) fn by_id(&self) -> impl Iterator<Item = (RoomId, &Room)> {
        self.rooms.iter().map(|(id, room)| (*id, room))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.rooms.len()
    }

    /// A new room, for a member to be added at once.
    pub(super) fn make(&mut self, name: RoomName) -> RoomId {
        let room = RoomId(self.made);
        self.made += 1;
        self.by_name.insert(name.key(), room);
        self.note_looks(&name, room);
        let members = Arc::from([]);
        self.rooms.insert(
            room,
            Room {
                name,
                members,
                newest: Newest::default(),
                noted: 0,
            },
        );
        room
    }

    /// One room, where there is one of this number.
    pub(super) fn get_mut(&mut self, room: RoomId) -> Option<&mut Room> {
        self.rooms.get_mut(&room)
    }

    /// Rooms ever made: the number of the next one.
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    /// So many rooms were ever made.
    pub(super) fn set_made(&mut self, made: u64) {
        self.made = made;
    }

    /// All rooms, by number.
    pub(super) fn by_number(&self) -> impl Iterator<Item = (RoomId, &Room)> {
        self.rooms.iter().map(|(id, room)| (*id, room))
    }

    /// Forgets that rooms of this number and later ones were ever made.
    pub(super) fn forget_from(&mut self, made: u64) {
        for (id, room) in self.rooms.split_off(&RoomId(made)) {
            self.forget_name(id, &room.name);
        }
        self.made = made;
    }

    /// Puts back a room that was no more.
    pub(super) fn restore(&mut self, id: RoomId, room: Room) {
        self.by_name.insert(room.name.key(), id);
        self.note_looks(&room.name, id);
        self.rooms.insert(id, room);
    }

    /// Whether a room of this number is there.
    pub(super) fn contains(&self, room: RoomId) -> bool {
        self.rooms.contains_key(&room)
    }

    /// Adds a member who is not in; returns the members there are now.
    pub(super) fn add(&mut self, room: RoomId, member: MemberId) -> Arc<[MemberId]> {
        let room = &mut self[room];
        let place = room.members.partition_point(|other| *other < member);
        let (before, after) = room.members.split_at(place);
        // Whole slices: a list of thousands is copied, not walked.
        room.members = [before, &[member], after].concat().into();
        Arc::clone(&room.members)
    }

    /// Removes a member; a room without members is no more. Returns the room as it was.
    pub(super) fn remove(&mut self, id: RoomId, member: MemberId) -> Room {
        let before = self[id].clone();
        let place = before.members.partition_point(|other| *other < member);
        let (earlier, rest) = before.members.split_at(place);
        let later = match rest.split_first() {
            Some((first, later)) if *first == member => later,
            _ => rest,
        };
        self[id].members = [earlier, later].concat().into();
        if self[id].members.is_empty() {
            self.rooms.remove(&id);
            self.forget_name(id, &before.name);
        }
        before
    }

    /// Whether a room of this name, which is not there, may be made now.
    pub(super) fn may_make(&self, name: &RoomName) -> Result<(), Refusal> {
        name.claimable().map_err(Refusal::NickInvalid)?;
        let looks = name.looks();
        let mut alike = looks.iter().filter_map(|look| self.by_look.get(look));
        match alike.find_map(|room| self.rooms.get(room)) {
            Some(room) => Err(Refusal::RoomLooksLike {
                name: name.clone(),
                there: room.name.clone(),
            }),
            None => Ok(()),
        }
    }

    fn note_looks(&mut self, name: &RoomName, room: RoomId) {
        for look in name.looks() {
            self.by_look.entry(look).or_insert(room);
        }
    }

    fn forget_name(&mut self, room: RoomId, name: &RoomName) {
        self.by_name.remove(&name.key());
        for look in name.looks() {
            if self.by_look.get(&look) == Some(&room) {
                self.by_look.remove(&look);
            }
        }
    }
}

impl Index<RoomId> for Rooms {
    type Output = Room;

    /// For rooms found by name, or among a member's: a room that somebody is in exists.
    fn index(&self, room: RoomId) -> &Room {
        &self.rooms[&room]
    }
}

impl IndexMut<RoomId> for Rooms {
    fn index_mut(&mut self, room: RoomId) -> &mut Room {
        self.rooms
            .get_mut(&room)
            .expect("a room that somebody is in exists")
    }
}
