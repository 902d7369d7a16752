//! Who is called what and who there was, as the newest durable batch left it: written by the thread
//! that orders, read by those that read the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use lamparina_order::{Record, Recorded, RoomId, Sequenced, Standing};
use lamparina_protocol::{Lamport, MemberId, Nick};

use crate::reading::Directory;

/// Who there is.
#[derive(Debug, Default)]
pub(crate) struct Members(RwLock<Lines>);

#[derive(Debug, Default)]
struct Lines {
    /// By number: the nick held, and the stamp given last before the member came. The stamps
    /// never decrease.
    members: Vec<(Nick, Lamport)>,
    /// Who is in each room that exists, and who was since it does or since this server started.
    rooms: BTreeMap<RoomId, BTreeSet<MemberId>>,
    /// Who was ever banned.
    banned: BTreeSet<MemberId>,
}

impl Members {
    /// As `order` has them.
    pub(crate) fn of(order: &Sequenced) -> Self {
        let members = (0..order.members_len() as u32).map(MemberId);
        let members = members.filter_map(|member| {
            let nick = order.nick_of(member)?.clone();
            Some((nick, order.since_of(member)))
        });
        let rooms = order.rooms_by_id().map(|(room, members)| {
            let members = members.iter().copied().collect();
            (room, members)
        });
        let all = (0..order.members_len() as u32).map(MemberId);
        let banned = all.filter(|member| order.standing_of(*member) != Standing::Free);
        Self(RwLock::new(Lines {
            banned: banned.collect(),
            members: members.collect(),
            rooms: rooms.collect(),
        }))
    }

    /// Takes durable entries in. Most batches change nothing here, and take no lock.
    pub(crate) fn note(&self, records: &[Record]) {
        let mut records = records.iter().filter(|record| changes(record)).peekable();
        if records.peek().is_none() {
            return;
        }
        let mut lines = self.0.write().unwrap_or_else(PoisonError::into_inner);
        records.for_each(|record| lines.take(record));
    }

    fn read(&self) -> RwLockReadGuard<'_, Lines> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn changes(record: &Record) -> bool {
    matches!(
        record.event,
        Recorded::Claimed { .. }
            | Recorded::Redeemed { .. }
            | Recorded::Banned { .. }
            | Recorded::Renamed { .. }
            | Recorded::RoomJoined { .. }
            | Recorded::RoomLeft { .. }
    )
}

impl Lines {
    fn take(&mut self, record: &Record) {
        match &record.event {
            Recorded::Claimed { member, nick, .. } | Recorded::Redeemed { member, nick, .. } => {
                match self.member(*member) {
                    Some((held, _)) => *held = nick.clone(),
                    None => self.members.push((nick.clone(), record.stamp)),
                }
            }
            Recorded::Renamed { member, to, .. } => {
                if let Some((held, _)) = self.member(*member) {
                    *held = to.clone();
                }
            }
            Recorded::RoomJoined { member, room, .. } => {
                self.rooms.entry(*room).or_default().insert(*member);
            }
            Recorded::Banned { member, .. } => {
                self.banned.insert(*member);
            }
            _ => {}
        }
    }

    fn member(&mut self, member: MemberId) -> Option<&mut (Nick, Lamport)> {
        self.members.get_mut(member.0 as usize)
    }
}

impl Directory for Members {
    fn nick(&self, member: MemberId) -> Option<Nick> {
        let lines = self.read();
        lines
            .members
            .get(member.0 as usize)
            .map(|(nick, _)| nick.clone())
    }

    fn members_before(&self, stamp: Lamport) -> u32 {
        let lines = self.read();
        lines.members.partition_point(|(_, since)| *since < stamp) as u32
    }

    fn was_ever_banned(&self, member: MemberId) -> bool {
        self.read().banned.contains(&member)
    }

    fn room_members(&self, room: RoomId) -> Arc<[MemberId]> {
        let lines = self.read();
        let members = lines.rooms.get(&room);
        members.map_or_else(
            || Arc::from([]),
            |members| members.iter().copied().collect(),
        )
    }
}
