//! Opens a database of SQLite to read it, and only to read it: also after a crash, beside a running
//! server, and in a folder that cannot be written.
//!
//! - Where a server is running, the file of shared memory (`-shm`) beside it is alive: SQLite's own
//!   locks are taken there, and nothing else is touched, not even that file.
//! - Where there is none, or one that a killed server left, nobody has the database open. SQLite would
//!   make that file anew; so it is told to keep what would be in it to itself, and takes no locks.
//!   What a crash left in the log of SQLite (`-wal`) is read all the same, and stays. A server that
//!   starts meanwhile is noticed at the end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::finding::Stop;

/// How long to wait for a server that is just opening or closing.
const BUSY_WAIT: Duration = Duration::from_secs(10);

/// With the locks of SQLite, where somebody else keeps them.
const SHARED: &str = "?mode=ro&readonly_shm=1";
/// Without locks, and with the shared memory in this process.
const ALONE: &str = "?mode=ro&vfs=unix-none";

/// A database that is being read.
#[derive(Debug)]
pub(crate) struct ReadOnly {
    /// To ask it.
    pub(crate) connection: Connection,
    file: PathBuf,
    alone: bool,
}

impl ReadOnly {
    /// Opens `file`, which must exist.
    pub(crate) fn open(file: &Path) -> Result<Self, Stop> {
        let failed = |error: rusqlite::Error| {
            Stop::Failed(format!("cannot read {}: {error}", file.display()))
        };
        std::fs::metadata(file)
            .map_err(|error| Stop::Failed(format!("cannot read {}: {error}", file.display())))?;
        let shared = match beside(file, "-shm").exists() {
            true => connect(file, SHARED)
                .map(Some)
                .or_else(|error| match is_dead(&error) {
                    true => Ok(None),
                    false => Err(error),
                }),
            false => Ok(None),
        };
        let (connection, alone) = match shared.map_err(failed)? {
            Some(connection) => (connection, false),
            None => (connect(file, ALONE).map_err(failed)?, true),
        };
        Ok(Self {
            connection,
            file: file.to_owned(),
            alone,
        })
    }

    /// Fails where somebody opened the database while it was read without locks.
    pub(crate) fn still_alone(&self) -> Result<(), Stop> {
        let shared = || beside(&self.file, "-shm").exists() && connect(&self.file, SHARED).is_ok();
        if self.alone && shared() {
            let file = self.file.display();
            let words = format!("a server opened {file} while it was read: run this again");
            return Err(Stop::Failed(words));
        }
        Ok(())
    }
}

fn connect(file: &Path, how: &str) -> rusqlite::Result<Connection> {
    let mut uri = "file:".to_owned();
    for byte in std::path::absolute(file)
        .unwrap_or_else(|_| file.to_owned())
        .as_os_str()
        .as_encoded_bytes()
    {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                uri.push(char::from(*byte));
            }
            _ => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri.push_str(how);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri, flags)?;
    if how == ALONE {
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    }
    connection.busy_timeout(BUSY_WAIT)?;
    connection.pragma_update(None, "query_only", true)?;
    // The first question shows whether it is a database that can be read.
    connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
    Ok(connection)
}

/// Nobody keeps the shared memory alive, and it would have to be written to be of use.
fn is_dead(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen)
    )
}

/// The file that SQLite keeps beside `file`.
fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}
