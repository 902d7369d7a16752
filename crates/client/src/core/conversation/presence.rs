//! Who is there, who is called how, and who is where, as far as it is told.

use lamparina_protocol::message::{ChannelSettings, UserList};
use lamparina_protocol::{Lamport, MemberId, Nick, RoomName};

use super::{Conversation, Output, PRESENT_MAX, ROOMS_KEPT_MAX};
use crate::core::event::Event;
use crate::core::outbox::Ask;

impl Conversation {
    pub(super) fn joined(
        &mut self,
        nick: Nick,
        member: MemberId,
        after: Lamport,
        out: &mut Vec<Output>,
    ) {
        if self.member == Some(member) {
            return;
        }
        if self.present.len() < PRESENT_MAX {
            self.present.insert(member, nick.clone());
        }
        out.push(Output::Event(Event::Joined {
            nick,
            member,
            after,
        }));
    }

    pub(super) fn renamed(&mut self, from: Nick, to: Nick, after: Lamport, out: &mut Vec<Output>) {
        let own = from.key() == self.nick.key();
        if own {
            self.nick = to.clone();
            let same = |ask: &Ask| matches!(ask, Ask::Rename(nick) if nick.key() == to.key());
            self.answered(same);
        }
        let present = self.present.values_mut().find(|present| **present == from);
        if let Some(present) = present {
            *present = to.clone();
        }
        out.push(Output::Event(Event::Renamed {
            from,
            to,
            own,
            after,
        }));
    }

    pub(super) fn room_joined(
        &mut self,
        nick: Nick,
        room: RoomName,
        after: Lamport,
        out: &mut Vec<Output>,
    ) {
        let own = self.own_room(&nick, &room, &Ask::Join(room.clone()));
        if own {
            self.keep_room(&room, true);
        }
        out.push(Output::Event(Event::RoomJoined {
            nick,
            room,
            own,
            after,
        }));
    }

    pub(super) fn room_left(
        &mut self,
        nick: Nick,
        room: RoomName,
        after: Lamport,
        out: &mut Vec<Output>,
    ) {
        let own = self.own_room(&nick, &room, &Ask::Leave(room.clone()));
        if own {
            self.keep_room(&room, false);
        }
        out.push(Output::Event(Event::RoomLeft {
            nick,
            room,
            own,
            after,
        }));
    }

    fn own_room(&mut self, nick: &Nick, room: &RoomName, asked: &Ask) -> bool {
        let own = nick.key() == self.nick.key();
        if own {
            self.answered(|ask| match (ask, asked) {
                (Ask::Join(at), Ask::Join(_)) | (Ask::Leave(at), Ask::Leave(_)) => {
                    at.key() == room.key()
                }
                _ => false,
            });
        }
        own
    }

    /// Notes where we are, for a log that does not know it.
    fn keep_room(&mut self, room: &RoomName, inside: bool) {
        self.rooms.retain(|kept| kept.key() != room.key());
        if inside && self.rooms.len() < ROOMS_KEPT_MAX {
            self.rooms.push(room.clone());
        }
    }

    pub(super) fn list(&mut self, list: UserList, out: &mut Vec<Output>) {
        self.outbox.answered(|ask| *ask == Ask::Who);
        let present = list.users.iter().take(PRESENT_MAX);
        self.present = present
            .map(|line| (line.member, line.nick.clone()))
            .collect();
        out.push(Output::Event(Event::Users {
            users: list.users,
            total: list.total,
            after: list.after,
        }));
    }

    pub(super) fn channel(&mut self, settings: ChannelSettings, out: &mut Vec<Output>) {
        self.answered(|ask| matches!(ask, Ask::Channel(_)));
        let spec = settings.spec;
        out.push(Output::Event(Event::Channel { spec }));
    }
}
