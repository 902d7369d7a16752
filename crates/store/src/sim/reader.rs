//! Reads the simulated disk as a reader of a file does.

use lamparina_order::{LogIndex, Record, Recorded};
use lamparina_protocol::{Lamport, MemberId};

use super::{Disk, Inner};
use crate::stays::Stays;
use crate::traits::{Chain, Found, Position, ReadError, Reader};

/// Reads a [`Disk`].
#[derive(Debug)]
pub struct SimReader {
    disk: Disk,
}

impl SimReader {
    pub(super) fn new(disk: Disk) -> Self {
        Self { disk }
    }

    fn read<T>(&self, read: impl FnOnce(&Inner) -> T) -> Result<T, ReadError> {
        let mut inner = self.disk.lock();
        inner.read()?;
        Ok(read(&inner))
    }
}

impl Reader for SimReader {
    fn entries(
        &mut self,
        after: LogIndex,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Record>, ReadError> {
        self.read(|inner| {
            let rows = inner.files.rows.iter().skip(place(after));
            take(rows.map(|(row, _)| row), count_max, bytes_max)
        })
    }

    fn entries_before(
        &mut self,
        before: LogIndex,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Record>, ReadError> {
        self.read(|inner| {
            let end = place(before).saturating_sub(1).min(inner.files.rows.len());
            let rows = inner.files.rows[..end].iter().rev();
            take(rows.map(|(row, _)| row), count_max, bytes_max)
        })
    }

    fn index_of(&mut self, stamp: Lamport) -> Result<LogIndex, ReadError> {
        self.read(|inner| {
            let rows = &inner.files.rows;
            LogIndex(rows.partition_point(|(row, _)| row.stamp <= stamp) as u64)
        })
    }

    fn message(&mut self, stamp: Lamport) -> Result<Option<(Record, Chain)>, ReadError> {
        self.read(|inner| {
            let rows = &inner.files.rows;
            let first = rows.get(rows.partition_point(|(row, _)| row.stamp < stamp))?;
            (first.0.stamp == stamp && is_message(&first.0)).then(|| first.clone())
        })
    }

    fn stays(&mut self, member: MemberId) -> Result<Stays, ReadError> {
        self.read(|inner| Stays::of(member, inner.files.rows.iter().map(|(row, _)| row)))
    }

    fn positions(&mut self, members: &[MemberId]) -> Result<Vec<Position>, ReadError> {
        self.read(|inner| {
            let positions = &inner.files.positions;
            let found = members.iter().filter_map(|member| positions.get(member));
            found.copied().collect()
        })
    }

    fn find(
        &mut self,
        words: &str,
        before: Lamport,
        count_max: usize,
        bytes_max: usize,
        may_see: &dyn Fn(&Record) -> bool,
    ) -> Result<Found, ReadError> {
        let wanted = tokens(words);
        let hit = |record: &Record| {
            let earlier = before == Lamport::ZERO || record.stamp < before;
            earlier && holds(record, &wanted) && may_see(record)
        };
        self.read(|inner| {
            let rows = inner.files.rows.iter().rev().map(|(row, _)| row);
            let hits: Vec<&Record> = rows.filter(|record| hit(record)).collect();
            let messages = take(hits.iter().copied(), count_max, bytes_max);
            Found {
                more: hits.len() > messages.len(),
                messages,
                upto: inner.tip().stamp,
            }
        })
    }
}

fn place(index: LogIndex) -> usize {
    usize::try_from(index.0).unwrap_or(usize::MAX)
}

fn is_message(record: &Record) -> bool {
    matches!(record.event, Recorded::Message(_))
}

/// The bounds of a page: at least one, then neither too many nor too long.
fn take<'a>(
    rows: impl Iterator<Item = &'a Record>,
    count_max: usize,
    bytes_max: usize,
) -> Vec<Record> {
    let mut bytes = 0_usize;
    let fits = |(place, row): &(usize, &Record)| {
        if let Recorded::Message(message) = &row.event {
            bytes += message.text.len();
        }
        *place == 0 || bytes <= bytes_max
    };
    let rows = rows.take(count_max).enumerate().take_while(fits);
    rows.map(|(_, row)| row.clone()).collect()
}

fn tokens(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// Whether a message holds all words, the last one perhaps as the beginning of a longer one.
fn holds(record: &Record, wanted: &[String]) -> bool {
    let Recorded::Message(message) = &record.event else {
        return false;
    };
    let Some((last, others)) = wanted.split_last() else {
        return false;
    };
    let words = tokens(&message.text);
    words.iter().any(|word| word.starts_with(last.as_str()))
        && others.iter().all(|wanted| words.contains(wanted))
}
