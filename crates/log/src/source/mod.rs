//! The rows of a journal, page by page, as they stand in its file: nothing is believed of them.

mod row;

use std::path::{Path, PathBuf};

use lamparina_order::{LogIndex, Record};
use lamparina_protocol::LogId;
use lamparina_store::backup::JOURNAL_FILE;
use lamparina_store::sqlite::{OpenError, ReadOnly};
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use crate::finding::{Finding, Stop};
use row::COLUMNS;

pub use row::Row;

/// Rows of a page, at most.
const PAGE_ROWS: i64 = 1_024;
/// Bytes of a page, about.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// A journal, to be read.
#[derive(Debug)]
pub struct Source {
    file: PathBuf,
    database: ReadOnly,
    log: LogId,
}

/// Which way to read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    Up,
    Down,
}

impl Source {
    /// Opens a journal: its file, or the folder that it is in.
    ///
    /// # Errors
    ///
    /// [`Stop::Failed`], in words.
    pub fn open(path: &Path) -> Result<Self, Stop> {
        let file = match path.is_dir() {
            true => path.join(JOURNAL_FILE),
            false => path.to_owned(),
        };
        let database = ReadOnly::journal(&file).map_err(|error| unopened(&error))?;
        let log = log_id(database.connection()).map_err(|why| {
            Stop::Failed(format!(
                "{} is no journal of a Lamparina server: {why}",
                file.display()
            ))
        })?;
        Ok(Self {
            file,
            database,
            log,
        })
    }

    /// The journal's file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The log that it says to be.
    pub const fn log(&self) -> LogId {
        self.log
    }

    /// Gives all rows upwards.
    ///
    /// # Errors
    ///
    /// Where they cannot be read, and whatever `each` returns.
    pub fn each(&self, each: impl FnMut(&Row) -> Result<(), Stop>) -> Result<(), Stop> {
        self.walk(Way::Up, i64::MIN, each)
    }

    /// Gives all rows before `before` downwards; `each` says whether to go on.
    ///
    /// # Errors
    ///
    /// Where they cannot be read, and whatever `each` returns.
    pub fn each_before(
        &self,
        before: Option<LogIndex>,
        mut each: impl FnMut(&Row) -> Result<bool, Stop>,
    ) -> Result<(), Stop> {
        let before = before.map_or(i64::MAX, |before| {
            i64::try_from(before.0).unwrap_or(i64::MAX)
        });
        let mut stopped = Ok(());
        let walked = self.walk(Way::Down, before, |row| match each(row) {
            Ok(true) => Ok(()),
            // Only a way out of the walk: what it is, is kept here.
            Ok(false) => Err(Stop::Unread),
            Err(stop) => {
                stopped = Err(stop);
                Err(Stop::Unread)
            }
        });
        stopped?;
        match walked {
            Ok(()) | Err(Stop::Unread) => Ok(()),
            Err(stop) => Err(stop),
        }
    }

    /// A page of rows upwards, after the one with this number. Empty at the end.
    ///
    /// # Errors
    ///
    /// Where they cannot be read.
    pub fn page(&self, after: i64) -> Result<Vec<Row>, Stop> {
        self.page_of(Way::Up, after)
    }

    /// The record with this index, where there is one that can be read.
    pub fn record(&self, index: LogIndex) -> Option<Record> {
        let index = i64::try_from(index.0).ok()?;
        let sql = format!("SELECT {COLUMNS} FROM entry WHERE log_index = ?");
        let mut statement = self.connection().prepare_cached(&sql).ok()?;
        let row = statement
            .query_row([index], |row| Ok(row::read(row)))
            .ok()?;
        row.ok()?.columns().decode().ok()
    }

    /// The message with this stamp, where there is one that can be read.
    ///
    /// # Errors
    ///
    /// Where rows cannot be read.
    pub fn message(&self, stamp: u64) -> Result<Option<Record>, Stop> {
        let mut found = None;
        let wanted = i64::try_from(stamp).unwrap_or(i64::MAX);
        self.each_from_stamp(wanted, |row| {
            found = row.columns().decode().ok();
            Ok(false)
        })?;
        Ok(found)
    }

    fn each_from_stamp(
        &self,
        stamp: i64,
        mut each: impl FnMut(&Row) -> Result<bool, Stop>,
    ) -> Result<(), Stop> {
        // Stamps never decrease: the place is found by halving, with or without an index on them.
        let (mut low, mut high) = (0_i64, self.last()?);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.stamp_at(middle)? {
                Some(found) if found < stamp => low = middle + 1,
                _ => high = middle,
            }
        }
        for row in self.page_of(Way::Up, low.saturating_sub(1))? {
            if row.stamp() > stamp {
                return Ok(());
            }
            if row.stamp() == stamp && row.has_text() {
                each(&row)?;
                return Ok(());
            }
        }
        Ok(())
    }

    fn stamp_at(&self, index: i64) -> Result<Option<i64>, Stop> {
        let sql = "SELECT stamp FROM entry WHERE log_index >= ? ORDER BY log_index LIMIT 1";
        let asked = self.connection().query_row(sql, [index], |row| row.get(0));
        asked.optional().map_err(|error| self.failed(&error))
    }

    /// The number of the last row; 0 for none.
    pub(crate) fn last(&self) -> Result<i64, Stop> {
        let sql = "SELECT coalesce(max(log_index), 0) FROM entry";
        let asked = self.connection().query_row(sql, [], |row| row.get(0));
        asked.map_err(|error| self.failed(&error))
    }

    /// The connection, for what stands beside the rows.
    pub(crate) const fn connection(&self) -> &Connection {
        self.database.connection()
    }

    /// Words for what SQLite says.
    pub(crate) fn failed(&self, error: &rusqlite::Error) -> Stop {
        Stop::Failed(format!("cannot read {}: {error}", self.file.display()))
    }

    /// Whether the journal could be read in peace: ask at the end.
    ///
    /// # Errors
    ///
    /// Where a server opened it meanwhile, and what was read may be mixed.
    pub fn read_in_peace(&self) -> Result<(), Stop> {
        let peace = self.database.read_in_peace();
        peace.map_err(|error| unopened(&error))
    }

    fn walk(
        &self,
        way: Way,
        mut from: i64,
        mut each: impl FnMut(&Row) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        loop {
            let page = self.page_of(way, from)?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            from = last.index();
            page.iter().try_for_each(&mut each)?;
        }
    }

    fn page_of(&self, way: Way, from: i64) -> Result<Vec<Row>, Stop> {
        let (is, order) = match way {
            // The very first row may have any number.
            Way::Up if from == i64::MIN => (">=", "ASC"),
            Way::Up => (">", "ASC"),
            Way::Down => ("<", "DESC"),
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM entry WHERE log_index {is} ? ORDER BY log_index {order} LIMIT ?"
        );
        let failed = |error: rusqlite::Error| self.failed(&error);
        let mut statement = self.connection().prepare_cached(&sql).map_err(failed)?;
        let mut rows = statement.query(params![from, PAGE_ROWS]).map_err(failed)?;
        let (mut page, mut bytes) = (Vec::<Row>::new(), 0);
        while bytes < PAGE_BYTES {
            let read = match rows.next() {
                Ok(None) => break,
                Ok(Some(row)) => row::read(row).map_err(Stop::from),
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::TooBig) => {
                    let before = page.last().map_or(from, Row::index);
                    Err(self.too_large(is, order, before).into())
                }
                Err(error) => Err(failed(error)),
            };
            match read {
                Ok(row) => {
                    bytes += row.bytes();
                    page.push(row);
                }
                // What stands before it is judged first; it is met again on the next page.
                Err(_) if !page.is_empty() => break,
                Err(stop) => return Err(stop),
            }
        }
        Ok(page)
    }

    /// What is wrong with the row that follows `before`.
    fn too_large(&self, is: &str, order: &str, before: i64) -> Finding {
        let sql = format!(
            "SELECT log_index FROM entry WHERE log_index {is} ? ORDER BY log_index {order} LIMIT 1"
        );
        // Its number alone is small.
        let row = self
            .connection()
            .query_row(&sql, [before], |row| row.get::<_, i64>(0));
        let row = row.map_or_else(|_| "a row".to_owned(), |row| format!("row {row}"));
        Finding::new("row", format!("{row} has {TOO_LARGE}"))
    }
}

/// What the guard refuses to read.
const TOO_LARGE: &str = "a value larger than any that a server stores, so it was not read";

/// Words for a file that is not opened.
fn unopened(error: &OpenError) -> Stop {
    Stop::Failed(format!("cannot read it: {error}"))
}

/// The log that a journal says to be.
fn log_id(connection: &Connection) -> Result<LogId, String> {
    let asked = connection.query_row("SELECT log FROM meta", [], |row| row.get::<_, Vec<u8>>(0));
    let log = asked.map_err(|error| error.to_string())?;
    let log = <[u8; 16]>::try_from(log);
    log.map(LogId)
        .map_err(|log| format!("its log id has {} bytes", log.len()))
}
