//! Reads a simulated disk as the server's readers read a real one.

use std::collections::BTreeMap;
use std::sync::Arc;

use lamparina_order::{LogIndex, Record, Recorded, RoomId};
use lamparina_protocol::{Lamport, MemberId, Nick};
use lamparina_server::reading::Directory;
use lamparina_store::{Chain, Found, Position, ReadError, Reader, Stays};

/// Entries given at once: few, so that pages have several turns.
const GATHERED_MAX: usize = 50;

/// What is durable, to be read.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    records: &'a [Record],
    positions: &'a BTreeMap<MemberId, Position>,
}

impl<'a> Reading<'a> {
    /// Reads these.
    pub fn new(records: &'a [Record], positions: &'a BTreeMap<MemberId, Position>) -> Self {
        Self { records, positions }
    }
}

fn gather<'a>(
    records: impl Iterator<Item = &'a Record>,
    count_max: usize,
    bytes_max: usize,
) -> Vec<Record> {
    let (mut some, mut bytes) = (Vec::new(), 0);
    for record in records.take(count_max.min(GATHERED_MAX)) {
        some.push(record.clone());
        if let Recorded::Message(message) = &record.event {
            bytes += message.text.len();
        }
        if bytes > bytes_max {
            break;
        }
    }
    some
}

impl Reader for Reading<'_> {
    fn entries(
        &mut self,
        after: LogIndex,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let from = (after.0 as usize).min(self.records.len());
        Ok(gather(self.records[from..].iter(), count_max, bytes_max))
    }

    fn entries_before(
        &mut self,
        before: LogIndex,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let to = (before.0.saturating_sub(1) as usize).min(self.records.len());
        let down = self.records[..to].iter().rev();
        Ok(gather(down, count_max, bytes_max))
    }

    fn index_of(&mut self, stamp: Lamport) -> Result<LogIndex, ReadError> {
        let upto = self.records.partition_point(|record| record.stamp <= stamp);
        Ok(LogIndex(upto as u64))
    }

    fn message(&mut self, stamp: Lamport) -> Result<Option<(Record, Chain)>, ReadError> {
        let is_it = |record: &&Record| {
            record.stamp == stamp && matches!(record.event, Recorded::Message(_))
        };
        let found = self.records.iter().find(is_it);
        Ok(found.map(|record| (record.clone(), Chain([0; 32]))))
    }

    fn stays(&mut self, member: MemberId) -> Result<Stays, ReadError> {
        Ok(Stays::of(member, self.records))
    }

    fn positions(&mut self, members: &[MemberId]) -> Result<Vec<Position>, ReadError> {
        let known = members
            .iter()
            .filter_map(|member| self.positions.get(member));
        Ok(known.copied().collect())
    }

    fn find(
        &mut self,
        _: &str,
        _: Lamport,
        _: usize,
        _: usize,
        _: &dyn Fn(&Record) -> bool,
    ) -> Result<Found, ReadError> {
        Err(ReadError::Failed("nobody searches here".to_owned()))
    }
}

/// Nobody here asks for a message's way.
#[derive(Clone, Copy, Debug)]
pub struct NoDirectory;

impl Directory for NoDirectory {
    fn nick(&self, _: MemberId) -> Option<Nick> {
        None
    }

    fn members_before(&self, _: Lamport) -> u32 {
        0
    }

    fn was_ever_banned(&self, _: MemberId) -> bool {
        false
    }

    fn room_members(&self, _: RoomId) -> Arc<[MemberId]> {
        Arc::from([])
    }
}
