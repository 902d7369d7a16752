//! A database of SQLite for reading, whatever became of its server: one that runs, one that ended,
//! one that was killed, or a copied file; also in a folder that cannot be written. Never writes.
//!
//! | beside the file | read |
//! |---|---|
//! | shared memory (`-shm`) that a server keeps alive | with SQLite's own locks there, and nothing else is touched, not even that memory |
//! | a log (`-wal`) that nobody has open | file and log where they are, without locks; what would be in shared memory stays in this process |
//! | nothing, or an empty log | the file, as one that nobody changes |
//!
//! In the last two, whoever opens the file meanwhile is noticed at the end:
//! [`ReadOnly::read_in_peace`].

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::error::OpenError;
use super::guard::{self, beside};
use super::watch::FileId;
use super::{files, schema};
use crate::traits::ReadError;

/// How long to wait for a server that is just opening or closing.
const BUSY_WAIT: Duration = Duration::from_secs(10);

/// With the locks of SQLite, where somebody else keeps them.
const SHARED: &str = "mode=ro&readonly_shm=1";
/// Without locks, and with the shared memory in this process.
const ALONE: &str = "mode=ro&vfs=unix-none";
/// A file that nobody changes.
const STILL: &str = "mode=ro&immutable=1";

/// What a rollback journal begins with while it has something to undo.
const HOT: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/// A database that is being read.
#[derive(Debug)]
pub struct ReadOnly {
    connection: Connection,
    file: PathBuf,
    /// What the file was, where it is read without locks.
    alone: Option<State>,
}

impl ReadOnly {
    /// Opens the journal at `path`: its file, or the folder that it is in. It has the tables of a
    /// journal and no others.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn journal(path: &Path) -> Result<Self, OpenError> {
        let file = match path.is_dir() {
            true => path.join(files::DATABASE),
            false => path.to_owned(),
        };
        let opened = Self::open(&file, guard::VALUE_BYTES_MAX)?;
        let version = schema::version(&opened.connection, &file)?;
        let version = version.ok_or_else(|| OpenError::Missing(file.clone()))?;
        schema::check(&opened.connection, &file, version)?;
        Ok(opened)
    }

    /// Opens any database, whose values have at most `value_bytes_max` bytes.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(file: &Path, value_bytes_max: i32) -> Result<Self, OpenError> {
        fs::metadata(file).map_err(|error| OpenError::io(file, &error))?;
        guard::regular_database(file)?;
        let failed = |error: rusqlite::Error| OpenError::sqlite(file, &error);
        if let Some(connection) = shared(file, value_bytes_max).map_err(failed)? {
            return Ok(Self {
                connection,
                file: file.to_owned(),
                alone: None,
            });
        }
        if is_hot(&beside(file, "-journal")) {
            return Err(OpenError::Interrupted(file.to_owned()));
        }
        // Before it is opened: what changes from here on is noticed.
        let state = State::of(file).map_err(|error| OpenError::io(file, &error))?;
        let how = match state.log_bytes {
            0 => STILL,
            _ => ALONE,
        };
        Ok(Self {
            connection: connect(file, how, value_bytes_max).map_err(failed)?,
            file: file.to_owned(),
            alone: Some(state),
        })
    }

    /// To ask it.
    pub const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether what was read is of one moment: ask at the end.
    ///
    /// # Errors
    ///
    /// [`OpenError::Disturbed`] where somebody opened the database while it was read without locks.
    pub fn read_in_peace(&self) -> Result<(), OpenError> {
        let Some(state) = &self.alone else {
            return Ok(());
        };
        let same = State::of(&self.file).is_ok_and(|now| now == *state);
        let lives = || matches!(shared(&self.file, guard::VALUE_BYTES_MAX), Ok(Some(_)));
        match same && !lives() {
            true => Ok(()),
            false => Err(OpenError::Disturbed(self.file.clone())),
        }
    }

    /// The same as a reader of a journal's entries.
    ///
    /// # Errors
    ///
    /// [`ReadError`] where SQLite refuses.
    pub fn into_reader(self) -> Result<super::SqliteReader, ReadError> {
        super::SqliteReader::over(&self.file, self.connection)
    }
}

/// A file and its log, as far as anybody who writes changes them.
#[derive(Debug, Eq, PartialEq)]
struct State {
    file: (FileId, u64, SystemTime),
    log: Option<(FileId, SystemTime)>,
    log_bytes: u64,
}

impl State {
    fn of(file: &Path) -> std::io::Result<Self> {
        let found = fs::metadata(file)?;
        let log = beside(file, "-wal");
        let beside = fs::metadata(&log).ok();
        Ok(Self {
            file: (FileId::of(file)?, found.len(), found.modified()?),
            log: match &beside {
                Some(found) => Some((FileId::of(&log)?, found.modified()?)),
                None => None,
            },
            log_bytes: beside.map_or(0, |found| found.len()),
        })
    }
}

/// A connection with locks; `None` where nobody keeps the shared memory alive: SQLite would have to
/// write to it for it to be of use.
fn shared(file: &Path, value_bytes_max: i32) -> rusqlite::Result<Option<Connection>> {
    if !beside(file, "-shm").exists() {
        return Ok(None);
    }
    match connect(file, SHARED, value_bytes_max) {
        Ok(connection) => Ok(Some(connection)),
        Err(error)
            if matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen)
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn connect(file: &Path, how: &str, value_bytes_max: i32) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri(file, how), flags)?;
    guard::harden(&connection, value_bytes_max)?;
    // What the log holds stays there.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    if how == ALONE {
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    }
    connection.busy_timeout(BUSY_WAIT)?;
    connection.pragma_update(None, "query_only", true)?;
    // The first question shows whether it is a database that can be read.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// A path as SQLite reads it in a URI.
fn uri(path: &Path, how: &str) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut uri = String::from("file:");
    for &byte in absolute.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri + "?" + how
}

/// Whether a rollback journal has something to undo: then the file is half changed.
fn is_hot(journal: &Path) -> bool {
    let mut begins = [0; HOT.len()];
    let read = fs::File::open(journal).and_then(|mut file| file.read_exact(&mut begins));
    read.is_ok() && begins == HOT
}
