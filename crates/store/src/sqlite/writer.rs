//! Stores all of a batch or nothing of it. After a failure whose outcome is not known it takes
//! nothing any more and does not touch the file: only a new start, which reads what is there, can
//! say what was kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lamparina_order::{LogIndex, Record};
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, ffi};

use super::checkpoint::{Checkpointer, SIZE_LIMIT_BYTES, leave_alone};
use super::error::OpenError;
use super::lock::Lock;
use super::row::Text;
use super::schema::{self, Meta};
use super::watch::Watch;
use super::{files, guard};
use crate::chain::Chainer;
use crate::code::Encoder;
use crate::index::{Behind, Snapshot};
use crate::restart::Tip;
use crate::traits::{AppendError, Chain, Journal, Position, ReadError, TermBegan};

/// How long a batch waits for another program that writes in the file.
pub(crate) const BUSY_WAIT: Duration = Duration::from_secs(1);
/// Bytes of a page, for new files.
pub(crate) const PAGE_BYTES: u64 = 8192;
/// Bytes of pages that a connection keeps in memory.
const CACHE_KIB: i64 = 8 << 10;
/// Bytes of a row beside its text and detail, roughly: for what the log holds.
const ROW_BYTES: u64 = 96;

const INSERT: &str = r#"INSERT INTO entry(log_index, kind, stamp, at, member, "from", "to", detail, text, chain)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"#;
const POSITION: &str = "INSERT INTO position(member, consumed, at) VALUES (?, ?, ?)
    ON CONFLICT(member) DO UPDATE SET consumed = excluded.consumed, at = excluded.at";
const TERM: &str = "INSERT INTO term(term, after, at) VALUES (?, ?, ?)";

/// The journal of a server.
#[derive(Debug)]
pub struct SqliteJournal {
    path: PathBuf,
    tip: Tip,
    /// Why it takes nothing any more.
    failed: Option<AppendError>,
    watch: Watch,
    encoder: Encoder,
    chainer: Chainer,
    /// What follows the journal; ends first.
    behind: Option<Behind>,
    // In this order: the thread ends, the connection closes, then another server may come.
    checkpointer: Checkpointer,
    connection: Connection,
    _lock: Lock,
}

/// Opens the journal's file for writing, makes it where it is missing, and brings its tables up to
/// date.
pub(crate) fn connect(folder: &Path, new: Meta) -> Result<(Connection, Meta), OpenError> {
    let path = folder.join(files::DATABASE);
    files::make_file(&path).map_err(|error| OpenError::io(&path, &error))?;
    let words = |error: rusqlite::Error| OpenError::sqlite(&path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&path, flags).map_err(words)?;
    guard::harden(&connection, guard::VALUE_BYTES_MAX).map_err(words)?;
    connection.busy_timeout(BUSY_WAIT).map_err(words)?;
    let version = schema::version(&connection, &path)?;
    if let Some(version) = version {
        schema::check(&connection, &path, version)?;
    }
    settings(&connection, version.is_none()).map_err(words)?;
    schema::migrate(&mut connection, version, new).map_err(words)?;
    files::sync_folder(folder).map_err(|error| OpenError::io(folder, &error))?;
    let meta = schema::meta(&connection).map_err(words)?;
    let damaged = || OpenError::Damaged(LogIndex(0), "the log's name is missing".into());
    Ok((connection, meta.ok_or_else(damaged)?))
}

fn settings(connection: &Connection, new: bool) -> Result<(), rusqlite::Error> {
    if new {
        connection.pragma_update(None, "page_size", PAGE_BYTES as i64)?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // `checkpoint` does it.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", SIZE_LIMIT_BYTES as i64)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

impl SqliteJournal {
    /// Goes on behind `tip`, which is where the file ends.
    pub(crate) fn new(
        folder: &Path,
        lock: Lock,
        connection: Connection,
        tip: Tip,
    ) -> Result<Self, OpenError> {
        let path = folder.join(files::DATABASE);
        let words = |error: rusqlite::Error| OpenError::sqlite(&path, &error);
        let page_bytes: i64 = connection
            .query_row("PRAGMA page_size", (), |row| row.get(0))
            .map_err(words)?;
        let page_bytes = u64::try_from(page_bytes).unwrap_or(PAGE_BYTES);
        let checkpointer = Checkpointer::start(&path, page_bytes).map_err(words)?;
        let watch = Watch::over(&path).map_err(|error| OpenError::io(&path, &error))?;
        Ok(Self {
            path,
            tip,
            failed: None,
            watch,
            encoder: Encoder::default(),
            chainer: Chainer::default(),
            behind: None,
            checkpointer,
            connection,
            _lock: lock,
        })
    }

    /// Where the journal ends.
    pub fn tip(&self) -> Tip {
        self.tip
    }

    /// The journal's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tells `behind` of every batch from here on.
    pub(crate) fn follow(&mut self, behind: Behind) {
        behind.appended(self.tip.index);
        self.behind = Some(behind);
    }

    /// Stores the entry by which a term begins, and the term, or nothing.
    pub(crate) fn begin(&mut self, record: &Record, term: TermBegan) -> Result<(), AppendError> {
        self.transact(std::slice::from_ref(record), &[], Some(term))
    }

    fn transact(
        &mut self,
        records: &[Record],
        positions: &[Position],
        term: Option<TermBegan>,
    ) -> Result<(), AppendError> {
        if self.failed.is_none() {
            let failed = self.checkpointer.failed().map(str::to_owned);
            self.failed = failed.map(AppendError::Failed);
        }
        if let Some(failed) = &self.failed {
            leave_alone(&self.connection);
            return Err(failed.clone());
        }
        match self.write(records, positions, term) {
            Ok((tip, bytes)) => {
                // Behind the sync: what is told now is in the file that stands there now.
                if let Some(gone) = self.watch.gone() {
                    let gone = AppendError::Removed(gone.to_owned());
                    return Err(self.end(gone));
                }
                self.tip = tip;
                self.checkpointer.written(bytes, &self.connection);
                if let Some(behind) = &self.behind
                    && !records.is_empty()
                {
                    behind.appended(tip.index);
                }
                Ok(())
            }
            Err(fault) => Err(self.undo(fault)),
        }
    }

    /// Bounds the file, as a full disk does. Says how many pages it has.
    #[cfg(test)]
    pub(super) fn limit_pages(&self, pages: u32) -> u32 {
        let ask = |sql: &str| {
            self.connection
                .query_row(sql, (), |row| row.get(0))
                .unwrap()
        };
        let _set: i64 = ask(&format!("PRAGMA max_page_count = {pages}"));
        ask("PRAGMA page_count").try_into().unwrap()
    }

    /// The chain up to an earlier entry; `None` where it cannot be read.
    fn chain_at(&self, index: LogIndex) -> Option<Chain> {
        let sql = "SELECT chain FROM entry WHERE log_index = ?";
        let index = i64::try_from(index.0).ok()?;
        let chain = self.connection.query_row(sql, [index], |row| row.get(0));
        chain.ok().map(Chain)
    }

    fn write(
        &mut self,
        records: &[Record],
        positions: &[Position],
        term: Option<TermBegan>,
    ) -> Result<(Tip, u64), Fault> {
        let execute = |sql| self.connection.prepare_cached(sql)?.raw_execute();
        execute("BEGIN IMMEDIATE")?;
        let mut tip = self.tip;
        let mut bytes = 0;
        let mut insert = self.connection.prepare_cached(INSERT)?;
        for record in records {
            bytes += put(
                &mut insert,
                &mut self.encoder,
                &mut self.chainer,
                &mut tip,
                record,
            )?;
        }
        if !positions.is_empty() {
            let mut statement = self.connection.prepare_cached(POSITION)?;
            for position in positions {
                let consumed = integer(position.consumed.get())?;
                statement.execute((position.member.0, consumed, integer(position.at.0)?))?;
                bytes += ROW_BYTES;
            }
        }
        if let Some(term) = term {
            insert_term(&self.connection, term)?;
        }
        execute("COMMIT")?;
        Ok((tip, bytes))
    }

    /// Takes back what a failed batch left, and says what became of the journal.
    pub(super) fn undo(&mut self, fault: Fault) -> AppendError {
        let undone =
            self.connection.is_autocommit() || self.connection.execute_batch("ROLLBACK").is_ok();
        let failed = match fault {
            Fault::Sqlite(error) if undone && is_full(&error) => {
                return AppendError::Full(error.to_string());
            }
            Fault::Sqlite(error) if undone && is_held(&error) => {
                return AppendError::Held(error.to_string());
            }
            Fault::Sqlite(error) => error.to_string(),
            Fault::Record(words) => words,
        };
        self.end(AppendError::Failed(failed))
    }

    /// Takes nothing from here on.
    fn end(&mut self, why: AppendError) -> AppendError {
        leave_alone(&self.connection);
        self.failed = Some(why.clone());
        why
    }
}

impl Journal for SqliteJournal {
    fn append(&mut self, records: &[Record], positions: &[Position]) -> Result<(), AppendError> {
        self.transact(records, positions, None)
    }

    fn keep_snapshot(&mut self, at: LogIndex, state: Vec<u8>) {
        let chain = match at == self.tip.index {
            true => Some(self.tip.chain),
            false => self.chain_at(at),
        };
        if let (Some(behind), Some(chain)) = (&self.behind, chain) {
            let index = at;
            behind.keep_snapshot(Snapshot {
                index,
                chain,
                state,
            });
        }
    }
}

/// Why a batch was not written.
pub(super) enum Fault {
    Sqlite(rusqlite::Error),
    /// A record that does not belong there: the caller's mistake.
    Record(String),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn put(
    insert: &mut CachedStatement<'_>,
    encoder: &mut Encoder,
    chainer: &mut Chainer,
    tip: &mut Tip,
    record: &Record,
) -> Result<u64, Fault> {
    if tip.index.0.checked_add(1) != Some(record.index.0) || record.stamp < tip.stamp {
        let words = format!(
            "entry {} at stamp {} cannot follow entry {} at stamp {}",
            record.index, record.stamp, tip.index, tip.stamp
        );
        return Err(Fault::Record(words));
    }
    let row = encoder.encode(record);
    let row = row.map_err(|error| Fault::Record(format!("entry {}: {error}", record.index)))?;
    let chain = chainer.next(tip.chain, &row);
    insert.raw_bind_parameter(1, row.index)?;
    insert.raw_bind_parameter(2, row.kind)?;
    insert.raw_bind_parameter(3, row.stamp)?;
    insert.raw_bind_parameter(4, row.at)?;
    insert.raw_bind_parameter(5, row.member)?;
    insert.raw_bind_parameter(6, Text(row.from))?;
    insert.raw_bind_parameter(7, Text(row.to))?;
    insert.raw_bind_parameter(8, row.detail)?;
    insert.raw_bind_parameter(9, Text(row.text))?;
    insert.raw_bind_parameter(10, &chain.0[..])?;
    insert.raw_execute()?;
    let bytes = row.detail.len() + row.text.map_or(0, <[u8]>::len);
    *tip = Tip {
        index: record.index,
        stamp: record.stamp,
        chain,
    };
    Ok(ROW_BYTES + bytes as u64)
}

fn insert_term(connection: &Connection, term: TermBegan) -> Result<(), Fault> {
    let TermBegan { term, after, at } = term;
    let mut statement = connection.prepare_cached(TERM)?;
    statement.execute((term.0, integer(after.get())?, integer(at.0)?))?;
    Ok(())
}

/// Puts a term and the entry by which it begins behind `tip`, in a transaction of the caller's.
pub(super) fn put_term(
    connection: &Connection,
    tip: &mut Tip,
    record: &Record,
    term: TermBegan,
) -> Result<(), ReadError> {
    let (mut encoder, mut chainer) = (Encoder::default(), Chainer::default());
    let mut done = || {
        let mut insert = connection.prepare_cached(INSERT)?;
        put(&mut insert, &mut encoder, &mut chainer, tip, record)?;
        insert_term(connection, term)
    };
    done().map_err(|fault| match fault {
        Fault::Sqlite(error) => ReadError::Failed(error.to_string()),
        Fault::Record(words) => ReadError::Failed(words),
    })
}

fn integer(value: u64) -> Result<i64, Fault> {
    i64::try_from(value).map_err(|error| Fault::Record(error.to_string()))
}

/// No room, in the file or in the memory that its readers share, which is a file too. Nothing was
/// written, and a later try may succeed.
fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
        || error
            .sqlite_error()
            .is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_SHMSIZE)
}

/// Another program has the file for itself. Nothing was written, and a later try may succeed.
fn is_held(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}
