//! Where a member was: the rooms it was in, and when it was banned from all. Made from the journal's
//! entries alone, by every reader in the same way.

use lamparina_order::{LogIndex, Record, Recorded, RoomId};
use lamparina_protocol::MemberId;

/// When a member was in a room: entries after `from` and before `to`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stay {
    /// Where.
    pub room: RoomId,
    /// The entry by which it came.
    pub from: LogIndex,
    /// The entry by which it went; `None` while it is in.
    pub to: Option<LogIndex>,
}

/// When a member was banned: entries after `from` and before `to`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ban {
    /// The entry that banned it.
    pub from: LogIndex,
    /// The entry that ended that; `None` while it is.
    pub to: Option<LogIndex>,
}

/// All of it for one member, by entry.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stays {
    /// The rooms that it was and is in.
    pub rooms: Vec<Stay>,
    /// When it was banned, and whether it is.
    pub bans: Vec<Ban>,
}

impl Stays {
    /// Of all entries those of one member matter, in their order.
    pub fn of<'a>(member: MemberId, records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut stays = Self::default();
        for record in records {
            stays.take(member, record);
        }
        stays
    }

    /// Takes the next entry in, if it is one of `who`.
    pub fn take(&mut self, who: MemberId, record: &Record) {
        let at = record.index;
        match &record.event {
            Recorded::RoomJoined { member, room, .. } if *member == who => {
                let room = *room;
                let (from, to) = (at, None);
                self.rooms.push(Stay { room, from, to });
            }
            Recorded::RoomLeft { member, room, .. } if *member == who => {
                let mut open = self.rooms.iter_mut().rev();
                let open = open.find(|stay| stay.room == *room && stay.to.is_none());
                if let Some(stay) = open {
                    stay.to = Some(at);
                }
            }
            Recorded::Banned { member, .. } if *member == who => {
                let open = self.rooms.iter_mut().filter(|stay| stay.to.is_none());
                open.for_each(|stay| stay.to = Some(at));
                self.bans.push(Ban { from: at, to: None });
            }
            Recorded::Unbanned { member, .. } if *member == who => {
                if let Some(ban) = self.bans.last_mut().filter(|ban| ban.to.is_none()) {
                    ban.to = Some(at);
                }
            }
            _ => {}
        }
    }

    /// Whether the member was in a room when the entry `at` came.
    pub fn was_in(&self, room: RoomId, at: LogIndex) -> bool {
        let mut stays = self.rooms.iter();
        stays.any(|stay| stay.room == room && is_between(stay.from, stay.to, at))
    }

    /// Whether the member was banned when the entry `at` came.
    pub fn was_banned(&self, at: LogIndex) -> bool {
        let mut bans = self.bans.iter();
        bans.any(|ban| is_between(ban.from, ban.to, at))
    }
}

fn is_between(from: LogIndex, to: Option<LogIndex>, at: LogIndex) -> bool {
    from < at && to.is_none_or(|to| at < to)
}
