//! The file itself: one for each profile, with an outbox for each log that it talks to, found by the
//! log once that is known and by the server's address before. What changes together is one
//! transaction.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lamparina_protocol::{AuthorKey, Epoch, LogId};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior};

use super::{DiskError, import, rows};
use crate::core::keep::{Change, State};
use crate::profile::make_folder;

/// The version of the tables. Version 1 had a file for each address ([`super::import`]).
const VERSION: i64 = 2;
/// Another program may hold the file this long, at most.
pub(super) const BUSY_WITHIN: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 5_000 });

const TABLES: &str = "
    CREATE TABLE outbox (
        id INTEGER PRIMARY KEY,
        author BLOB NOT NULL,
        address TEXT NOT NULL,
        owner INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        last INTEGER NOT NULL,
        log BLOB NOT NULL,
        term INTEGER NOT NULL,
        shown INTEGER NOT NULL,
        highest INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE message (
        outbox INTEGER NOT NULL,
        pseq INTEGER NOT NULL,
        given_epoch INTEGER NOT NULL,
        given_pseq INTEGER NOT NULL,
        tried INTEGER NOT NULL,
        submit BLOB NOT NULL,
        UNIQUE (outbox, pseq)
    ) STRICT;
    CREATE TABLE address (name TEXT PRIMARY KEY, outbox INTEGER NOT NULL) STRICT;
    CREATE TABLE imported (
        file TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        PRIMARY KEY (file, epoch)
    ) STRICT;
";

/// An open file, which of its outboxes is in use, and by whom.
#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
    path: PathBuf,
    author: AuthorKey,
    /// The server's address, as the file has it.
    address: String,
    id: i64,
    owner: i64,
}

/// Why changes were not stored.
#[derive(Debug)]
pub(super) enum StoreError {
    /// Somebody else has opened the file since: it is theirs.
    Taken,
    /// The disk said no, in words.
    Failed(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let why = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => "the disk is full; make room".to_owned(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "another program holds the file; close it".to_owned()
            }
            _ => error.to_string(),
        };
        Self::Failed(why)
    }
}

impl Database {
    /// Opens the file, or makes it, and takes over the outbox in use at `address` from whoever had
    /// it; where there is none, makes one of `epoch`. `owner` is a number that nobody else has.
    pub(super) fn open(
        path: &Path,
        address: &str,
        author: AuthorKey,
        epoch: Epoch,
        owner: i64,
    ) -> Result<(Self, State), DiskError> {
        make_file(path).map_err(|error| DiskError::Io {
            path: path.to_owned(),
            why: error.to_string(),
        })?;
        let words = |error: rusqlite::Error| words(path, &error);
        let mut connection = Connection::open(path).map_err(words)?;
        connection.busy_timeout(BUSY_WITHIN).map_err(words)?;
        check(path, &connection, VERSION)?;
        connection
            .pragma_update(None, "journal_mode", "wal")
            .map_err(words)?;
        connection
            .pragma_update(None, "synchronous", "full")
            .map_err(words)?;
        let behavior = TransactionBehavior::Immediate;
        let transaction = connection
            .transaction_with_behavior(behavior)
            .map_err(words)?;
        make_tables(path, &transaction)?;
        rows::check_author(path, &transaction, author)?;
        let moved = import::all(path, &transaction, address, author, owner)?;
        let found = rows::at(&transaction, address).map_err(words)?;
        let id = match found {
            Some(id) => id,
            None => {
                rows::make(&transaction, author, address, epoch, LogId::default()).map_err(words)?
            }
        };
        let state = rows::take_over(path, &transaction, id, address, owner)?;
        transaction.commit().map_err(words)?;
        import::put_away(moved);
        let database = Self {
            connection,
            path: path.to_owned(),
            author,
            address: address.to_owned(),
            id,
            owner,
        };
        Ok((database, state))
    }

    /// The server orders `log`: from now on that log's outbox is in use, whatever address it was
    /// used at. Where none is, the present one becomes it, if it has no log yet, or else a new one
    /// of `epoch`. What was never sent anywhere goes along; what waits for another log stays.
    pub(super) fn switch(&mut self, log: LogId, epoch: Epoch) -> Result<State, StoreError> {
        self.connection.pragma_update(None, "synchronous", "full")?;
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        if !is_owner(&transaction, self.id, self.owner)? {
            return Err(StoreError::Taken);
        }
        let id = match rows::of_log(&transaction, log)? {
            Some(known) if known != self.id && rows::is_new(&transaction, self.id)? => {
                rows::move_all(&transaction, self.id, known)?;
                known
            }
            Some(known) => known,
            None if rows::is_new(&transaction, self.id)? => {
                rows::name_log(&transaction, self.id, log)?;
                self.id
            }
            None => rows::make(&transaction, self.author, &self.address, epoch, log)?,
        };
        let state = rows::take_over(&self.path, &transaction, id, &self.address, self.owner);
        let state = state.map_err(|error| StoreError::Failed(error.to_string()))?;
        transaction.commit()?;
        self.id = id;
        Ok(state)
    }

    /// Stores all of `changes`, or nothing. Lazy ones survive the program, and the machine after
    /// the next ones that are not.
    pub(super) fn store(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let lazy = changes.iter().all(Change::is_lazy);
        let synchronous = if lazy { "normal" } else { "full" };
        self.connection
            .pragma_update(None, "synchronous", synchronous)?;
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        if !is_owner(&transaction, self.id, self.owner)? {
            return Err(StoreError::Taken);
        }
        for change in changes {
            rows::apply(&transaction, self.id, change)?;
        }
        Ok(transaction.commit()?)
    }

    /// Makes the disk small.
    #[cfg(test)]
    pub(super) fn limit_pages(&self, pages: i64) {
        let set = self.connection.pragma_update(None, "max_page_count", pages);
        set.expect("a number is a value");
    }

    /// Whether the file is still ours.
    pub(super) fn is_ours(&self) -> Result<bool, StoreError> {
        is_owner(&self.connection, self.id, self.owner)
    }
}

fn is_owner(connection: &Connection, id: i64, owner: i64) -> Result<bool, StoreError> {
    let mut asked = connection.prepare_cached("SELECT owner FROM outbox WHERE id = ?1")?;
    let found: Option<i64> = asked.query_row([id], |row| row.get(0)).optional()?;
    Ok(found == Some(owner))
}

/// Makes an empty file for its owner's eyes only, where none is; its name is on disk then too.
fn make_file(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().ok_or(std::io::ErrorKind::InvalidInput)?;
    make_folder(folder)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    match options.open(path) {
        Ok(_made) => {
            File::open(folder)?.sync_all()?;
            folder
                .parent()
                .map_or(Ok(()), |above| File::open(above)?.sync_all())
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

pub(super) fn words(path: &Path, error: &rusqlite::Error) -> DiskError {
    let (path, why) = (path.to_owned(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => DiskError::Locked { path },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            DiskError::Damaged { path, why }
        }
        _ => DiskError::Io { path, why },
    }
}

pub(super) fn damaged(path: &Path, why: impl Into<String>) -> DiskError {
    let (path, why): (PathBuf, _) = (path.to_owned(), why.into());
    DiskError::Damaged { path, why }
}

/// Looks before anything is written. Knows versions up to `known`.
pub(super) fn check(path: &Path, connection: &Connection, known: i64) -> Result<(), DiskError> {
    let asked = |what: &str| connection.pragma_query_value(None, what, |row| row.get(0));
    let found: i64 = asked("user_version").map_err(|error| words(path, &error))?;
    if found > known {
        let path = path.to_owned();
        return Err(DiskError::Newer { path, found, known });
    }
    let asked = connection.pragma_query_value(None, "quick_check", |row| row.get::<_, String>(0));
    let sound = asked.map_err(|error| words(path, &error))?;
    match sound.as_str() {
        "ok" => Ok(()),
        why => Err(damaged(path, why)),
    }
}

fn make_tables(path: &Path, transaction: &Transaction<'_>) -> Result<(), DiskError> {
    let words = |error: rusqlite::Error| words(path, &error);
    let asked = transaction.pragma_query_value(None, "user_version", |row| row.get(0));
    let version: i64 = asked.map_err(words)?;
    if version == VERSION {
        return Ok(());
    }
    transaction.execute_batch(TABLES).map_err(words)?;
    transaction
        .pragma_update(None, "user_version", VERSION)
        .map_err(words)
}
