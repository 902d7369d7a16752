//! Entries in memory, read as a reader of a file reads them: what simulated disks and tests share.

use std::collections::BTreeMap;

use lamparina_order::{LogIndex, Record, Recorded};
use lamparina_protocol::{Lamport, MemberId};

use crate::stays::Stays;
use crate::traits::{Chain, Found, Position, ReadError, Reader};

/// An entry in memory.
pub trait Row {
    /// It.
    fn record(&self) -> &Record;

    /// The chain up to it, where it is kept.
    fn chain(&self) -> Chain {
        Chain([0; 32])
    }
}

impl Row for Record {
    fn record(&self) -> &Record {
        self
    }
}

impl Row for (Record, Chain) {
    fn record(&self) -> &Record {
        &self.0
    }

    fn chain(&self) -> Chain {
        self.1
    }
}

/// All entries of a log, entry `n` at `n - 1`, and how far members' clients handed over.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, R> {
    rows: &'a [R],
    positions: &'a BTreeMap<MemberId, Position>,
    at_once: usize,
}

impl<'a, R: Row> Rows<'a, R> {
    /// Reads these.
    pub const fn new(rows: &'a [R], positions: &'a BTreeMap<MemberId, Position>) -> Self {
        Self {
            rows,
            positions,
            at_once: usize::MAX,
        }
    }

    /// The same, with at most so many entries at once, however many are wanted: little takes
    /// several turns then.
    #[must_use]
    pub const fn at_once(self, at_once: usize) -> Self {
        Self { at_once, ..self }
    }

    /// The bounds of a page: at least one, then neither too many nor too long.
    fn take<'r>(
        &self,
        rows: impl Iterator<Item = &'r Record>,
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
        let count = count_max.min(self.at_once);
        let rows = rows.take(count).enumerate().take_while(fits);
        rows.map(|(_, row)| row.clone()).collect()
    }
}

impl<R: Row + Sync> Reader for Rows<'_, R> {
    fn entries(
        &mut self,
        after: LogIndex,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let rows = self.rows.iter().skip(place(after)).map(Row::record);
        Ok(self.take(rows, count_max, bytes_max))
    }

    fn entries_before(
        &mut self,
        before: LogIndex,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let end = place(before).saturating_sub(1).min(self.rows.len());
        let rows = self.rows[..end].iter().rev().map(Row::record);
        Ok(self.take(rows, count_max, bytes_max))
    }

    fn index_of(&mut self, stamp: Lamport) -> Result<LogIndex, ReadError> {
        let upto = self.rows.partition_point(|row| row.record().stamp <= stamp);
        Ok(LogIndex(upto as u64))
    }

    fn message(&mut self, stamp: Lamport) -> Result<Option<(Record, Chain)>, ReadError> {
        // A message is the first entry with its stamp: others follow it.
        let first = self.rows.partition_point(|row| row.record().stamp < stamp);
        let is_it = |row: &&R| {
            let record = row.record();
            record.stamp == stamp && matches!(record.event, Recorded::Message(_))
        };
        let found = self.rows.get(first).filter(is_it);
        Ok(found.map(|row| (row.record().clone(), row.chain())))
    }

    fn stays(&mut self, member: MemberId) -> Result<Stays, ReadError> {
        Ok(Stays::of(member, self.rows.iter().map(Row::record)))
    }

    fn positions(&mut self, members: &[MemberId]) -> Result<Vec<Position>, ReadError> {
        let found = members
            .iter()
            .filter_map(|member| self.positions.get(member));
        Ok(found.copied().collect())
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
        let hit = |record: &&Record| {
            let earlier = before == Lamport::ZERO || record.stamp < before;
            earlier && holds(record, &wanted) && may_see(record)
        };
        let rows = self.rows.iter().rev().map(Row::record);
        let hits: Vec<&Record> = rows.filter(hit).collect();
        let all = Rows::new(self.rows, self.positions);
        let messages = all.take(hits.iter().copied(), count_max, bytes_max);
        let last = self.rows.last().map(|row| row.record().stamp);
        Ok(Found {
            more: hits.len() > messages.len(),
            messages,
            upto: last.unwrap_or(Lamport::ZERO),
        })
    }
}

fn place(index: LogIndex) -> usize {
    usize::try_from(index.0).unwrap_or(usize::MAX)
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
