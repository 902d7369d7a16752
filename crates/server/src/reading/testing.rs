//! A reader over entries in memory, and a directory: what the tests of readers and sessions share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use lamparina_order::{LogIndex, Record, Recorded, RecordedMessage, RoomId, To};
use lamparina_protocol::{
    Audience, AuthorKey, Epoch, Lamport, MemberId, Nick, Pseq, RoomName, UnixMicros,
};
use lamparina_store::rows::Rows;
use lamparina_store::{Chain, Found, Position, ReadError, Reader, Stays};

use super::{Directory, ReadAnswer, ReadAsk, Turn, answer};
use crate::testing::{nick, room};

/// Entries given at once.
pub(crate) const GATHERED_MAX: usize = 7;

/// Entries that are durable; copies share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stored {
    records: Arc<Mutex<Vec<Record>>>,
    /// As many are given at once as are wanted.
    whole: bool,
}

impl Stored {
    /// For threads that read as they would in a server.
    pub(crate) fn of_readers() -> Self {
        Self {
            whole: true,
            ..Self::default()
        }
    }

    /// Appends an event at `stamp`.
    pub(crate) fn push(&self, stamp: u64, event: Recorded) {
        let mut records = self.records.lock().unwrap();
        let index = LogIndex(records.len() as u64 + 1);
        records.push(Record {
            index,
            at: UnixMicros(stamp),
            stamp: Lamport::new(stamp),
            event,
        });
    }

    /// Answers a question to its end; gives how many turns it took.
    pub(crate) fn answer(&self, ask: ReadAsk) -> (ReadAnswer, usize) {
        let (mut ask, mut turns) = (ask, 0);
        loop {
            turns += 1;
            match answer(&mut self.clone(), self, ask) {
                Turn::Done(answer) => return (answer, turns),
                Turn::Unfinished(more) => ask = more,
            }
        }
    }

    /// The stamp that a member's first claim follows.
    pub(crate) fn since(&self, member: MemberId) -> Lamport {
        let is_claim = |record: &Record| match &record.event {
            Recorded::Claimed { member: who, .. } => *who == member,
            _ => false,
        };
        let records = self.records.lock().unwrap();
        let claim = records.iter().find(|record| is_claim(record));
        claim.map_or(Lamport::ZERO, |claim| claim.stamp)
    }

    fn records(&self) -> Vec<Record> {
        self.records.lock().unwrap().clone()
    }

    /// Reads what is there.
    fn read<T>(&self, read: impl FnOnce(&mut Rows<'_, Record>) -> T) -> T {
        let (records, nobody) = (self.records.lock().unwrap(), BTreeMap::new());
        // Fewer than wanted, so that little takes several turns.
        let few = if self.whole { usize::MAX } else { GATHERED_MAX };
        read(&mut Rows::new(&records, &nobody).at_once(few))
    }
}

impl Reader for Stored {
    fn entries(
        &mut self,
        after: LogIndex,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Record>, ReadError> {
        self.read(|rows| rows.entries(after, count_max, bytes_max))
    }

    fn entries_before(
        &mut self,
        before: LogIndex,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Record>, ReadError> {
        self.read(|rows| rows.entries_before(before, count_max, bytes_max))
    }

    fn index_of(&mut self, stamp: Lamport) -> Result<LogIndex, ReadError> {
        self.read(|rows| rows.index_of(stamp))
    }

    fn message(&mut self, stamp: Lamport) -> Result<Option<(Record, Chain)>, ReadError> {
        let found = self.read(|rows| rows.message(stamp))?;
        Ok(found.map(|(record, _)| (record, Chain([9; 32]))))
    }

    fn stays(&mut self, member: MemberId) -> Result<Stays, ReadError> {
        self.read(|rows| rows.stays(member))
    }

    /// Every even member has handed over as many stamps as ten times its number.
    fn positions(&mut self, members: &[MemberId]) -> Result<Vec<Position>, ReadError> {
        let even = members.iter().filter(|member| member.0.is_multiple_of(2));
        let position = |member: &MemberId| Position {
            member: *member,
            consumed: Lamport::new(10 * u64::from(member.0)),
            at: UnixMicros(7),
        };
        Ok(even.map(position).collect())
    }

    fn find(
        &mut self,
        words: &str,
        before: Lamport,
        count_max: usize,
        bytes_max: usize,
        may_see: &dyn Fn(&Record) -> bool,
    ) -> Result<Found, ReadError> {
        self.read(|rows| rows.find(words, before, count_max, bytes_max, may_see))
    }
}

impl Directory for Stored {
    fn nick(&self, member: MemberId) -> Option<Nick> {
        Some(nick(&format!("client{member}")))
    }

    fn members_before(&self, stamp: Lamport) -> u32 {
        let records = self.records();
        let claims = records.iter().filter(|record| {
            record.stamp < stamp
                && matches!(
                    record.event,
                    Recorded::Claimed { .. } | Recorded::Redeemed { .. }
                )
        });
        claims.count() as u32
    }

    fn was_ever_banned(&self, member: MemberId) -> bool {
        let is_its = |record: &Record| matches!(record.event, Recorded::Banned { member: who, .. } if who == member);
        self.records().iter().any(is_its)
    }

    fn room_members(&self, room: RoomId) -> Arc<[MemberId]> {
        let joined = |record: &Record| match &record.event {
            Recorded::RoomJoined {
                member, room: at, ..
            } if *at == room => Some(*member),
            _ => None,
        };
        let mut members: Vec<MemberId> = self.records().iter().filter_map(joined).collect();
        members.sort_unstable();
        members.dedup();
        members.into()
    }
}

pub(crate) fn claimed(member: u32) -> Recorded {
    Recorded::Claimed {
        member: MemberId(member),
        author: AuthorKey([member as u8 + 1; 32]),
        epoch: Epoch(1),
        nick: nick(&format!("client{member}")),
    }
}

pub(crate) fn joined(member: u32, at: u64) -> Recorded {
    Recorded::RoomJoined {
        member: MemberId(member),
        nick: nick(&format!("client{member}")),
        room: RoomId(at),
        name: lab(),
    }
}

pub(crate) fn left(member: u32, at: u64) -> Recorded {
    Recorded::RoomLeft {
        member: MemberId(member),
        nick: nick(&format!("client{member}")),
        room: RoomId(at),
        name: lab(),
    }
}

pub(crate) fn message(member: u32, to: To, text: &str) -> Recorded {
    Recorded::Message(RecordedMessage {
        member: MemberId(member),
        from: nick(&format!("client{member}")),
        epoch: Epoch(1),
        pseq: Pseq(1),
        clock: Lamport::ZERO,
        seen: Lamport::ZERO,
        sent_at: UnixMicros(0),
        audience: match &to {
            To::All => Audience::All,
            To::Room(_) => Audience::Room(lab()),
            To::Members(_) => Audience::Unicast(nick("somebody")),
        },
        to,
        text: text.to_owned(),
    })
}

fn lab() -> RoomName {
    room("lab")
}
