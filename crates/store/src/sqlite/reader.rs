//! Reads what is durable, over a connection of its own that cannot write. Every call is one
//! statement or a few, bounded, and sees everything that was durable when it began.

use std::path::{Path, PathBuf};

use lamparina_order::{LogIndex, Record};
use lamparina_protocol::{Lamport, MemberId, UnixMicros};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Params};

use super::error::OpenError;
use super::files;
use super::row::{self, COLUMNS, failed};
use super::writer::BUSY_WAIT;
use crate::code::kind;
use crate::index::Search;
use crate::traits::{Chain, Found, Position, ReadError, Reader, Stay, TermBegan};

/// Entries that one search looks at, at most: what the words match and the asker may not see.
const CANDIDATES_MAX: usize = 16_384;
/// Of these at a time.
const CANDIDATES_AT_ONCE: usize = 256;

/// Reads one store.
#[derive(Debug)]
pub struct SqliteReader {
    path: PathBuf,
    connection: Connection,
    search: Search,
}

impl SqliteReader {
    /// Opens the journal in `folder`, beside the server that writes it.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join(files::DATABASE);
        let words = |error: rusqlite::Error| OpenError::sqlite(&path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).map_err(words)?;
        connection.busy_timeout(BUSY_WAIT).map_err(words)?;
        Ok(Self {
            search: Search::new(folder),
            path,
            connection,
        })
    }

    /// The journal's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last entry, its stamp, and the chain up to it; `None` for an empty journal.
    ///
    /// # Errors
    ///
    /// [`ReadError`], for this and all others.
    pub fn last(&mut self) -> Result<Option<(Record, Chain)>, ReadError> {
        let sql = format!("SELECT {COLUMNS} FROM entry ORDER BY log_index DESC LIMIT 1");
        self.one(&sql, ())
    }

    /// The chain up to an entry.
    pub fn chain(&mut self, index: LogIndex) -> Result<Option<Chain>, ReadError> {
        let sql = "SELECT chain FROM entry WHERE log_index = ?";
        let chain = self
            .connection
            .query_row(sql, [integer(index.0)], |row| row.get::<_, Vec<u8>>(0));
        let chain = chain.optional().map_err(|error| failed(&error))?;
        let short = |_| ReadError::Damaged(index, "its chain is not 32 bytes".to_owned());
        let chain = chain.map(|chain| <[u8; 32]>::try_from(chain).map(Chain).map_err(short));
        chain.transpose()
    }

    /// Entries after `after`, ascending, each with its chain; at most `count_max`.
    pub fn chained(
        &mut self,
        after: LogIndex,
        count_max: usize,
    ) -> Result<Vec<(Record, Chain)>, ReadError> {
        let sql =
            format!("SELECT {COLUMNS} FROM entry WHERE log_index > ? ORDER BY log_index LIMIT ?");
        let params = (integer(after.0), integer(count_max as u64));
        self.gather(&sql, params, usize::MAX)
    }

    /// All terms, ascending.
    pub fn terms(&mut self) -> Result<Vec<TermBegan>, ReadError> {
        let read = || {
            let sql = "SELECT term, after, at FROM term ORDER BY term";
            let mut statement = self.connection.prepare_cached(sql)?;
            let terms = statement.query_map((), |row| {
                Ok(TermBegan {
                    term: lamparina_protocol::Term(row.get(0)?),
                    after: Lamport::new(row.get::<_, i64>(1)? as u64),
                    at: UnixMicros(row.get::<_, i64>(2)? as u64),
                })
            })?;
            terms.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| failed(&error))
    }

    /// How far every member's clients handed over.
    pub fn all_positions(&mut self) -> Result<Vec<Position>, ReadError> {
        let read = || {
            let sql = "SELECT member, consumed, at FROM position ORDER BY member";
            let mut statement = self.connection.prepare_cached(sql)?;
            let positions = statement.query_map((), position)?;
            positions.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| failed(&error))
    }

    fn one(&self, sql: &str, params: impl Params) -> Result<Option<(Record, Chain)>, ReadError> {
        Ok(self.gather(sql, params, usize::MAX)?.pop())
    }

    /// The rows of `sql` until their texts have more than `bytes_max` bytes.
    fn gather(
        &self,
        sql: &str,
        params: impl Params,
        bytes_max: usize,
    ) -> Result<Vec<(Record, Chain)>, ReadError> {
        let mut statement = self
            .connection
            .prepare_cached(sql)
            .map_err(|error| failed(&error))?;
        let mut rows = statement.query(params).map_err(|error| failed(&error))?;
        let (mut gathered, mut bytes) = (Vec::new(), 0);
        while bytes <= bytes_max
            && let Some(row) = rows.next().map_err(|error| failed(&error))?
        {
            let (columns, chain) = row::read(row)?;
            let index = LogIndex(columns.index as u64);
            bytes += columns.text.map_or(0, <[u8]>::len);
            let record = columns
                .decode()
                .map_err(|error| ReadError::Damaged(index, error.to_string()))?;
            gathered.push((record, chain));
        }
        Ok(gathered)
    }

    fn last_index(&self) -> Result<i64, ReadError> {
        let sql = "SELECT coalesce(max(log_index), 0) FROM entry";
        let last = self.connection.query_row(sql, (), |row| row.get(0));
        last.map_err(|error| failed(&error))
    }
}

fn position(row: &rusqlite::Row<'_>) -> rusqlite::Result<Position> {
    Ok(Position {
        member: MemberId(row.get(0)?),
        consumed: Lamport::new(row.get::<_, i64>(1)? as u64),
        at: UnixMicros(row.get::<_, i64>(2)? as u64),
    })
}

/// SQLite's integers are signed; nothing here is greater than they can be.
fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn records(rows: Vec<(Record, Chain)>) -> Vec<Record> {
    rows.into_iter().map(|(record, _)| record).collect()
}

impl Reader for SqliteReader {
    fn entries(
        &mut self,
        after: LogIndex,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let sql =
            format!("SELECT {COLUMNS} FROM entry WHERE log_index > ? ORDER BY log_index LIMIT ?");
        let params = (integer(after.0), integer(count_max as u64));
        self.gather(&sql, params, bytes_max).map(records)
    }

    fn entries_before(
        &mut self,
        before: LogIndex,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM entry WHERE log_index < ? ORDER BY log_index DESC LIMIT ?"
        );
        let params = (integer(before.0), integer(count_max as u64));
        self.gather(&sql, params, bytes_max).map(records)
    }

    fn index_of(&mut self, stamp: Lamport) -> Result<LogIndex, ReadError> {
        let stamp = integer(stamp.get());
        let sql = "SELECT stamp FROM entry WHERE log_index = ?";
        let mut statement = self
            .connection
            .prepare_cached(sql)
            .map_err(|error| failed(&error))?;
        // Stamps never decrease: everything up to `low` is at most `stamp`, and nothing from
        // `high` on.
        let (mut low, mut high) = (0, self.last_index()?.saturating_add(1));
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let found: i64 = statement
                .query_row([middle], |row| row.get(0))
                .map_err(|error| failed(&error))?;
            if found <= stamp {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(LogIndex(low as u64))
    }

    fn message(&mut self, stamp: Lamport) -> Result<Option<(Record, Chain)>, ReadError> {
        let Some(before) = stamp.get().checked_sub(1) else {
            return Ok(None);
        };
        let first = self.index_of(Lamport::new(before))?;
        // A stamp first stands at its message; whatever follows it comes later.
        let sql = format!("SELECT {COLUMNS} FROM entry WHERE log_index = ? AND kind = ?");
        let found = self.one(&sql, (integer(first.0) + 1, kind::MESSAGE))?;
        Ok(found.filter(|(record, _)| record.stamp == stamp))
    }

    fn stays(&mut self, member: MemberId) -> Result<Vec<Stay>, ReadError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM entry WHERE member = ? AND kind IN (5, 6) ORDER BY log_index"
        );
        let mut stays: Vec<Stay> = Vec::new();
        for (record, _) in self.gather(&sql, [member.0], usize::MAX)? {
            match record.event {
                lamparina_order::Recorded::RoomJoined { room, .. } => stays.push(Stay {
                    room,
                    from: record.index,
                    to: None,
                }),
                lamparina_order::Recorded::RoomLeft { room, .. } => {
                    let open = |stay: &&mut Stay| stay.room == room && stay.to.is_none();
                    if let Some(stay) = stays.iter_mut().rev().find(open) {
                        stay.to = Some(record.index);
                    }
                }
                _ => {}
            }
        }
        Ok(stays)
    }

    fn positions(&mut self, members: &[MemberId]) -> Result<Vec<Position>, ReadError> {
        let read = || {
            let sql = "SELECT member, consumed, at FROM position WHERE member = ?";
            let mut statement = self.connection.prepare_cached(sql)?;
            let found = members
                .iter()
                .map(|member| statement.query_row([member.0], position).optional());
            let found: rusqlite::Result<Vec<_>> = found.collect();
            Ok(found?.into_iter().flatten().collect())
        };
        read().map_err(|error: rusqlite::Error| failed(&error))
    }

    fn find(
        &mut self,
        words: &str,
        before: Lamport,
        count_max: usize,
        bytes_max: usize,
        may_see: &dyn Fn(&Record) -> bool,
    ) -> Result<Found, ReadError> {
        let mut below = match before.get() {
            0 => LogIndex(u64::MAX),
            stamp => LogIndex(self.index_of(Lamport::new(stamp - 1))?.0 + 1),
        };
        let mut found = Found::default();
        let (mut bytes, mut looked_at) = (0, 0);
        loop {
            let candidates = self
                .search
                .candidates(words, below, CANDIDATES_AT_ONCE)
                .map_err(|error| ReadError::Failed(error.to_string()))?;
            found.upto = candidates.upto;
            let full = candidates.entries.len() == CANDIDATES_AT_ONCE;
            for index in candidates.entries {
                let sql = format!("SELECT {COLUMNS} FROM entry WHERE log_index = ?");
                let message = self.one(&sql, [integer(index.0)])?;
                // The index may be of entries that the journal has lost since.
                let message = message
                    .map(|(record, _)| record)
                    .filter(|record| may_see(record));
                if let Some(record) = message {
                    if found.messages.len() == count_max || bytes > bytes_max {
                        found.more = true;
                        return Ok(found);
                    }
                    if let lamparina_order::Recorded::Message(message) = &record.event {
                        bytes += message.text.len();
                    }
                    found.messages.push(record);
                }
                below = index;
                looked_at += 1;
            }
            if !full || looked_at >= CANDIDATES_MAX {
                found.more = full;
                return Ok(found);
            }
        }
    }
}
