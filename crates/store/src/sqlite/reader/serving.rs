//! What a server's sessions ask of a journal. Every answer is bounded.

use lamparina_order::{LogIndex, Record, Recorded};
use lamparina_protocol::{Lamport, MemberId};
use rusqlite::OptionalExtension;

use super::{SqliteReader, decode, decode_at, integer, position};
use crate::index::Candidates;
use crate::sqlite::row::{COLUMNS, failed};
use crate::stays::Stays;
use crate::traits::{Chain, Found, Position, ReadError, Reader};

/// Messages with the right words that one call of `find` looks at, at most. Where the asker may see
/// none of so many it is told that there is more.
const CANDIDATES_MAX: usize = 100_000;
/// Of these so many at a time.
const CANDIDATES_AT_ONCE: usize = 256;

impl Reader for SqliteReader {
    fn entries(
        &mut self,
        after: LogIndex,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let sql = format!("SELECT {COLUMNS} FROM entry WHERE log_index > ? ORDER BY log_index");
        self.take(&sql, after, 1, (count_max, bytes_max))
    }

    fn entries_before(
        &mut self,
        before: LogIndex,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let sql =
            format!("SELECT {COLUMNS} FROM entry WHERE log_index < ? ORDER BY log_index DESC");
        self.take(&sql, before, -1, (count_max, bytes_max))
    }

    fn index_of(&mut self, stamp: Lamport) -> Result<LogIndex, ReadError> {
        let most = integer(stamp.get());
        let index = self.partition(|stamp| stamp <= most)?;
        Ok(LogIndex(u64::try_from(index).unwrap_or(0)))
    }

    fn message(&mut self, stamp: Lamport) -> Result<Option<(Record, Chain)>, ReadError> {
        let wanted = integer(stamp.get());
        // A message is the first entry with its stamp: others follow it.
        let index = integer(self.first_at(stamp)?.0);
        if self.stamp_at(index)? != Some((wanted, true)) {
            return Ok(None);
        }
        let mut found = None;
        let sql = format!("SELECT {COLUMNS} FROM entry WHERE log_index = ?");
        self.each(&sql, [index], |row, chain| {
            let place = LogIndex(u64::try_from(index).unwrap_or(0));
            found = Some((decode_at(place, row)?, chain));
            Ok(false)
        })?;
        Ok(found)
    }

    fn stays(&mut self, member: MemberId) -> Result<Stays, ReadError> {
        // The index `stays` holds exactly these.
        let sql = format!(
            "SELECT {COLUMNS} FROM entry WHERE member = ? AND kind IN (5, 6, 12, 13) \
             ORDER BY log_index"
        );
        let mut stays = Stays::default();
        self.each(&sql, [i64::from(member.0)], |row, _| {
            stays.take(member, &decode(row)?);
            Ok(true)
        })?;
        Ok(stays)
    }

    fn positions(&mut self, members: &[MemberId]) -> Result<Vec<Position>, ReadError> {
        let found = || {
            let sql = "SELECT member, consumed, at FROM position WHERE member = ?";
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut positions = Vec::new();
            for member in members {
                positions.extend(statement.query_row([member.0], position).optional()?);
            }
            Ok(positions)
        };
        found().map_err(|error: rusqlite::Error| failed(&error))
    }

    fn find(
        &mut self,
        words: &str,
        before: Lamport,
        count_max: usize,
        bytes_max: usize,
        may_see: &dyn Fn(&Record) -> bool,
    ) -> Result<Found, ReadError> {
        let mut below = match before {
            Lamport::ZERO => LogIndex(u64::MAX),
            before => self.first_at(before)?,
        };
        let mut found = Found::default();
        let (mut bytes, mut looked_at) = (0_usize, 0);
        loop {
            let hits = self.candidates(words, below)?;
            // What was indexed since the first look is left for the next question.
            if looked_at == 0 {
                found.upto = hits.upto;
            }
            for index in &hits.entries {
                let Some(record) = self.hit(*index, found.upto)? else {
                    continue;
                };
                if !may_see(&record) {
                    continue;
                }
                bytes += text_bytes(&record);
                let full = found.messages.len() >= count_max
                    || (!found.messages.is_empty() && bytes > bytes_max);
                if full {
                    found.more = true;
                    return Ok(found);
                }
                found.messages.push(record);
            }
            looked_at += hits.entries.len();
            match hits.entries.last() {
                Some(last) if hits.entries.len() == CANDIDATES_AT_ONCE => below = *last,
                _ => return Ok(found),
            }
            if looked_at >= CANDIDATES_MAX {
                found.more = true;
                return Ok(found);
            }
        }
    }
}

impl SqliteReader {
    /// The first entry whose stamp is at least `stamp`.
    fn first_at(&self, stamp: Lamport) -> Result<LogIndex, ReadError> {
        let stamp = integer(stamp.get());
        let below = self.partition(|found| found < stamp)?;
        Ok(LogIndex(u64::try_from(below + 1).unwrap_or(0)))
    }

    fn candidates(&mut self, words: &str, below: LogIndex) -> Result<Candidates, ReadError> {
        let Some(search) = &mut self.search else {
            return Ok(Candidates::default());
        };
        let hits = search.candidates(words, below, CANDIDATES_AT_ONCE);
        hits.map_err(|error| ReadError::Failed(error.to_string()))
    }

    /// The message that the index names; `None` where the journal has another entry there: then
    /// the index is about to be made anew.
    fn hit(&self, index: LogIndex, upto: Lamport) -> Result<Option<Record>, ReadError> {
        let mut record = None;
        let sql = format!("SELECT {COLUMNS} FROM entry WHERE log_index = ?");
        self.each(&sql, [integer(index.0)], |row, _| {
            record = Some(decode_at(index, row)?);
            Ok(false)
        })?;
        Ok(record
            .filter(|record| record.stamp <= upto && matches!(record.event, Recorded::Message(_))))
    }
}

fn text_bytes(record: &Record) -> usize {
    match &record.event {
        Recorded::Message(message) => message.text.len(),
        _ => 0,
    }
}
