//! Keeps the rooms: a room exists while somebody is in it, its name is unique, and its list of
//! members is one shared slice until the membership changes.
//!
//! Coming and going costs no list: one is made when somebody asks for it, so that whoever comes and
//! goes in a large room without pause costs the others next to nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Index, IndexMut};
use std::sync::{Arc, OnceLock};

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
    members: BTreeSet<MemberId>,
    /// The same as one slice, from when it is asked for until somebody comes or goes. Messages on
    /// their way share it.
    list: OnceLock<Arc<[MemberId]>>,
    pub(super) newest: Newest,
    /// The last undo scope in which it was noted.
    pub(super) noted: u64,
}

impl Room {
    /// A room as it was kept.
    pub(super) fn new(name: RoomName, members: BTreeSet<MemberId>, newest: Newest) -> Self {
        Self {
            name,
            members,
            list: OnceLock::new(),
            newest,
            noted: 0,
        }
    }

    /// Who is in it, in ascending order.
    pub(super) fn list(&self) -> &Arc<[MemberId]> {
        self.list.get_or_init(|| {
            #[cfg(test)]
            tests::LISTED.with(|listed| listed.set(listed.get() + self.members.len()));
            self.members.iter().copied().collect()
        })
    }

    /// How many are in it.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Without its list, which is not part of the state.
    #[cfg(test)]
    pub(super) fn unlist(&mut self) {
        self.list.take();
    }

    fn insert(&mut self, member: MemberId) {
        self.members.insert(member);
        self.list.take();
    }

    fn remove(&mut self, member: MemberId) {
        self.members.remove(&member);
        self.list.take();
    }
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
        self.by_name.get(&*name.folded()).copied()
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
        let made = Room::new(name, BTreeSet::new(), Newest::default());
        self.rooms.insert(room, made);
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

    /// Adds a member who is not in.
    pub(super) fn add(&mut self, room: RoomId, member: MemberId) {
        self[room].insert(member);
    }

    /// Removes a member. A room without members is no more, and given back as it was before.
    pub(super) fn remove(&mut self, id: RoomId, member: MemberId) -> Option<Room> {
        let room = &mut self[id];
        if room.len() > 1 {
            room.remove(member);
            return None;
        }
        let ended = self.rooms.remove(&id)?;
        self.forget_name(id, &ended.name);
        Some(ended)
    }

    /// Takes a coming into a room back, or a going out of it; rooms that are no more stay so.
    pub(super) fn move_back(&mut self, id: RoomId, member: MemberId, was_in: bool) {
        if let Some(room) = self.rooms.get_mut(&id) {
            match was_in {
                true => room.insert(member),
                false => room.remove(member),
            }
        }
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::sequenced::{ROOM_TOLD_MAX, Sequenced};
    use crate::{Action, Entry, Recipients};
    use lamparina_protocol::message::Submit;
    use lamparina_protocol::{
        Audience, AuthorKey, Epoch, Lamport, Nick, Pseq, SessionNumber, UnixMicros,
    };

    thread_local! {
        /// Members put into lists: what comings, goings and messages cost beyond a step each.
        pub(super) static LISTED: Cell<usize> = const { Cell::new(0) };
    }

    const MEMBERS: usize = 3_000;

    fn entry(number: usize, action: Action) -> Entry {
        let mut author = AuthorKey([0; 32]);
        author.0[..8].copy_from_slice(&(number as u64).to_be_bytes());
        Entry {
            author,
            session: SessionNumber(1),
            action,
        }
    }

    fn lab() -> RoomName {
        RoomName::try_from("lab").unwrap()
    }

    /// Members put into lists by `entries`.
    fn listed(order: &mut Sequenced, entries: impl IntoIterator<Item = Entry>) -> usize {
        let before = LISTED.get();
        let mut effects = Vec::new();
        for entry in entries {
            order.apply(entry, &mut effects);
            let told = match effects.pop() {
                Some(crate::Effect::RoomJoined { recipients, .. }) => recipients,
                Some(crate::Effect::RoomLeft { recipients, .. }) => recipients,
                _ => continue,
            };
            let Recipients::Members(told) = told else {
                panic!("an event of a room is for named members");
            };
            assert!(told.len() <= ROOM_TOLD_MAX);
        }
        LISTED.get() - before
    }

    fn say(number: usize, pseq: u64) -> Entry {
        let message = Submit {
            epoch: Epoch(1),
            pseq: Pseq(pseq),
            clock: Lamport::ZERO,
            seen: Lamport::ZERO,
            sent_at: UnixMicros(0),
            audience: Audience::Room(lab()),
            text: "x".into(),
        };
        entry(number, Action::Say(message))
    }

    #[test]
    fn coming_and_going_in_a_large_room_makes_no_list_and_messages_share_one() {
        let mut order = Sequenced::default();
        let come = (0..MEMBERS).flat_map(|number| {
            let nick = Nick::try_from(format!("user{number}").as_str()).unwrap();
            let enter = Action::Enter {
                nick,
                epoch: Epoch(1),
            };
            let join = Action::Join { room: lab() };
            [entry(number, enter), entry(number, join)]
        });
        // A list each while the room is told, and none after.
        let small = ROOM_TOLD_MAX * (ROOM_TOLD_MAX + 1) / 2;
        assert_eq!(listed(&mut order, come), small);
        let moves = |number, times| {
            let leave = entry(number, Action::Leave { room: lab() });
            let join = entry(number, Action::Join { room: lab() });
            (0..times).flat_map(move |_| [leave.clone(), join.clone()])
        };
        order.begin();
        assert_eq!(listed(&mut order, moves(7, 1_000)), 0);
        // One list for all messages until somebody comes or goes.
        assert_eq!(listed(&mut order, (1..=100).map(|n| say(0, n))), MEMBERS);
        assert_eq!(listed(&mut order, moves(7, 1_000)), 0);
        assert_eq!(listed(&mut order, [say(0, 101)]), MEMBERS);
        order.undo();
        assert_eq!(order.room_members(&lab()).unwrap().len(), MEMBERS);
    }
}
