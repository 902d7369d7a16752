//! Reads what is durable over a connection of its own that cannot write. Every call is bounded by
//! what it is asked for, and ends its transaction, so that the writer's log can begin again.

mod serving;

use std::path::{Path, PathBuf};
use std::time::Duration;

use lamparina_order::{LogIndex, Record};
use lamparina_protocol::{Lamport, MemberId, Term, UnixMicros};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};

use super::row::{self, COLUMNS, failed};
use super::schema::{self, Meta};
use super::{files, guard};
use crate::chain::Chainer;
use crate::code::{Columns, kind};
use crate::index::{Alarm, Search};
use crate::restart::Tip;
use crate::traits::{Chain, Position, ReadError, TermBegan};

/// How long a read waits for one that has the file for itself.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Reads one journal.
#[derive(Debug)]
pub struct SqliteReader {
    path: PathBuf,
    connection: Connection,
    search: Option<Search>,
}

impl SqliteReader {
    /// Opens the journal in `folder` for reading, beside a server. Where there is no server use
    /// [`ReadOnly`](super::ReadOnly).
    ///
    /// # Errors
    ///
    /// [`ReadError::Failed`].
    pub fn open(folder: &Path) -> Result<Self, ReadError> {
        let path = folder.join(files::DATABASE);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(&path, flags).map_err(|error| failed(&error))?;
        guard::harden(&connection, guard::VALUE_BYTES_MAX).map_err(|error| failed(&error))?;
        Self::over(&path, connection)
    }

    /// Reads the journal `path` over a connection to it, or to a copy.
    pub(crate) fn over(path: &Path, connection: Connection) -> Result<Self, ReadError> {
        connection
            .busy_timeout(BUSY_WAIT)
            .map_err(|error| failed(&error))?;
        Ok(Self {
            path: path.to_owned(),
            connection,
            search: None,
        })
    }

    /// Finds words by the index in `folder`; `alarm` is rung where that is damaged. Without it
    /// nothing is found.
    #[must_use]
    pub(crate) fn searching(mut self, folder: &Path, alarm: Alarm) -> Self {
        self.search = Some(Search::new(folder).ringing(alarm));
        self
    }

    pub(crate) fn into_connection(self) -> Connection {
        self.connection
    }

    /// Which file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which log.
    ///
    /// # Errors
    ///
    /// [`ReadError`], here and below.
    pub fn meta(&self) -> Result<Meta, ReadError> {
        let meta = schema::meta(&self.connection).map_err(|error| failed(&error))?;
        meta.ok_or_else(|| ReadError::Damaged(LogIndex(0), "the log's name is missing".into()))
    }

    /// The version of the journal's tables.
    pub fn schema_version(&self) -> Result<i64, ReadError> {
        let sql = "PRAGMA user_version";
        let version = self.connection.query_row(sql, (), |row| row.get(0));
        version.map_err(|error| failed(&error))
    }

    /// The terms, in order.
    pub fn terms(&self) -> Result<Vec<TermBegan>, ReadError> {
        let sql = "SELECT term, after, at FROM term ORDER BY term";
        self.collect(sql, (), |row| {
            Ok(TermBegan {
                term: Term(row.get(0)?),
                after: Lamport::new(natural(row, 1)?),
                at: UnixMicros(natural(row, 2)?),
            })
        })
    }

    /// How far each member's clients handed over, by member.
    pub fn all_positions(&self) -> Result<Vec<Position>, ReadError> {
        let sql = "SELECT member, consumed, at FROM position ORDER BY member";
        self.collect(sql, (), position)
    }

    /// What SQLite finds wrong with the file, in its words; nothing when it is sound. Reads all of
    /// it. At most `count_max` faults.
    pub fn integrity(&self, count_max: u32) -> Result<Vec<String>, ReadError> {
        let sql = format!("PRAGMA integrity_check({})", count_max.max(1));
        let mut faults: Vec<String> = self.collect(&sql, (), |row| row.get(0))?;
        faults.retain(|fault| fault != "ok");
        Ok(faults)
    }

    /// The last entry as its row says; `None` for an empty journal. Nothing is decoded.
    pub fn tip(&self) -> Result<Option<Tip>, ReadError> {
        let mut tip = None;
        let sql = format!("SELECT {COLUMNS} FROM entry ORDER BY log_index DESC LIMIT 1");
        self.each(&sql, (), |row, chain| {
            let of = |number| u64::try_from(number).unwrap_or(0);
            tip = Some(Tip {
                index: LogIndex(of(row.index)),
                stamp: Lamport::new(of(row.stamp)),
                chain,
            });
            Ok(true)
        })?;
        Ok(tip)
    }

    /// The chain that is stored with an entry; `None` where there is none. For 0 ask
    /// [`Chain::genesis`].
    pub fn stored_chain(&self, index: LogIndex) -> Result<Option<Chain>, ReadError> {
        let mut found = None;
        let sql = format!("SELECT {COLUMNS} FROM entry WHERE log_index = ?");
        self.each(&sql, [integer(index.0)], |_, chain| {
            found = Some(chain);
            Ok(true)
        })?;
        Ok(found)
    }

    /// Hands over the rows after `after`, ascending, as they stand there and with their stored
    /// chain, until `take` answers `false` or there are no more. One consistent view of the
    /// journal; while it lasts the writer's log only grows.
    pub fn rows(
        &self,
        after: LogIndex,
        take: impl FnMut(&Columns<'_>, Chain) -> Result<bool, ReadError>,
    ) -> Result<(), ReadError> {
        let sql = format!("SELECT {COLUMNS} FROM entry WHERE log_index > ? ORDER BY log_index");
        self.each(&sql, [integer(after.0)], take)
    }

    /// Makes the chain again over the rows after `after`, where it was `before`, up to `upto`, and
    /// hands over every record.
    ///
    /// # Errors
    ///
    /// [`ReadError::Damaged`] for the first row that is missing, does not decode, or has another
    /// chain; and whatever `take` answers.
    pub fn verify(
        &self,
        (after, before): (LogIndex, Chain),
        upto: LogIndex,
        mut take: impl FnMut(Record, Chain) -> Result<(), ReadError>,
    ) -> Result<(LogIndex, Chain), ReadError> {
        let (mut index, mut chain, mut chainer) = (after, before, Chainer::default());
        self.rows(after, |row, stored| {
            let next = LogIndex(index.0.saturating_add(1));
            if next > upto {
                return Ok(false);
            }
            let record = decode_at(next, row)?;
            chain = chainer.next(chain, row);
            if chain != stored {
                let words = "it, or one before it, is not what was written: the chain breaks here";
                return Err(ReadError::Damaged(next, words.into()));
            }
            index = next;
            take(record, chain)?;
            Ok(index < upto)
        })?;
        Ok((index, chain))
    }

    fn each(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        mut take: impl FnMut(&Columns<'_>, Chain) -> Result<bool, ReadError>,
    ) -> Result<(), ReadError> {
        let statement = self.connection.prepare_cached(sql);
        let mut statement = statement.map_err(|error| failed(&error))?;
        let mut rows = statement
            .query(parameters)
            .map_err(|error| failed(&error))?;
        while let Some(row) = rows.next().map_err(|error| failed(&error))? {
            let (columns, chain) = row::read(row)?;
            if !take(&columns, chain)? {
                break;
            }
        }
        Ok(())
    }

    fn collect<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, ReadError> {
        let all = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let rows = statement.query_map(parameters, read)?;
            rows.collect::<rusqlite::Result<Vec<T>>>()
        };
        all().map_err(|error| failed(&error))
    }

    /// Records in the order of the query, each `step` from the one before.
    fn take(
        &self,
        sql: &str,
        from: LogIndex,
        step: i64,
        (count_max, bytes_max): (usize, usize),
    ) -> Result<Vec<Record>, ReadError> {
        let mut records = Vec::new();
        let (mut expected, mut bytes) = (integer(from.0).saturating_add(step), 0_usize);
        if count_max == 0 {
            return Ok(records);
        }
        self.each(sql, [integer(from.0)], |row, _| {
            bytes += row.text.map_or(0, <[u8]>::len);
            if !records.is_empty() && bytes > bytes_max {
                return Ok(false);
            }
            // Downwards the first one may be anywhere: `before` may be beyond the end.
            if step < 0 && records.is_empty() && row.index > 0 {
                expected = row.index;
            }
            records.push(decode_at(
                LogIndex(u64::try_from(expected).unwrap_or(0)),
                row,
            )?);
            expected = expected.saturating_add(step);
            Ok(records.len() < count_max)
        })?;
        Ok(records)
    }

    /// The stamp of an entry, and whether it is a message.
    fn stamp_at(&self, index: i64) -> Result<Option<(i64, bool)>, ReadError> {
        let sql = "SELECT stamp, kind FROM entry WHERE log_index = ?";
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)? == kind::MESSAGE));
        let found = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_row([index], read).optional()
        };
        found().map_err(|error: rusqlite::Error| failed(&error))
    }

    fn last(&self) -> Result<i64, ReadError> {
        let found = || {
            let sql = "SELECT coalesce(max(log_index), 0) FROM entry";
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_row((), |row| row.get(0))
        };
        found().map_err(|error: rusqlite::Error| failed(&error))
    }

    /// How many entries from the first one have a stamp that `low` admits. Stamps never decrease,
    /// so these are the first ones.
    fn partition(&self, low: impl Fn(i64) -> bool) -> Result<i64, ReadError> {
        let (mut known, mut beyond) = (0, self.last()?.saturating_add(1));
        while beyond - known > 1 {
            let middle = known + (beyond - known) / 2;
            let missing = || {
                let place = LogIndex(u64::try_from(middle).unwrap_or(0));
                ReadError::Damaged(place, "it is missing".into())
            };
            let (stamp, _) = self.stamp_at(middle)?.ok_or_else(missing)?;
            if low(stamp) {
                known = middle;
            } else {
                beyond = middle;
            }
        }
        Ok(known)
    }
}

fn position(row: &Row<'_>) -> rusqlite::Result<Position> {
    Ok(Position {
        member: MemberId(row.get(0)?),
        consumed: Lamport::new(natural(row, 1)?),
        at: UnixMicros(natural(row, 2)?),
    })
}

/// A number that is never negative.
fn natural(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(at)?;
    u64::try_from(value).map_err(|_negative| rusqlite::Error::IntegralValueOutOfRange(at, value))
}

/// As SQLite counts. What is beyond its numbers is beyond every journal.
fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn decode(row: &Columns<'_>) -> Result<Record, ReadError> {
    row.decode().map_err(|error| {
        let place = LogIndex(u64::try_from(row.index).unwrap_or(0));
        ReadError::Damaged(place, error.to_string())
    })
}

/// The record of a row that must be the entry `index`.
fn decode_at(index: LogIndex, row: &Columns<'_>) -> Result<Record, ReadError> {
    if u64::try_from(row.index) != Ok(index.0) {
        let words = format!("it is missing: entry {} stands in its place", row.index);
        return Err(ReadError::Damaged(index, words));
    }
    decode(row)
}
