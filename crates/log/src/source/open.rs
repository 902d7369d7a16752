//! Opens a database of SQLite to read it, and only to read it: also after a crash, beside a running
//! server, and in a folder that cannot be written.
//!
//! - Where the file of shared memory (`-shm`) stands beside it, a server may be running, or was killed:
//!   SQLite's own locks are used. That file holds no data; nothing else is ever touched.
//! - Where there is none, nobody has the database open. SQLite would make that file; so it is told to
//!   keep what would be in it to itself, and takes no locks. What a crash left in the log of
//!   SQLite (`-wal`) is read all the same. A server that starts meanwhile is noticed at the end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::finding::Stop;

/// How long to wait for a server that is just opening or closing.
const BUSY_WAIT: Duration = Duration::from_secs(10);

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
        let shared = beside(file, "-shm").exists();
        let connection = match shared {
            true => match connect(file, false) {
                // Nobody who may write has it open, and we may not.
                Err(error) if is_locked_away(&error) => connect(file, true),
                tried => tried,
            },
            false => connect(file, true),
        };
        Ok(Self {
            connection: connection.map_err(failed)?,
            file: file.to_owned(),
            alone: !shared,
        })
    }

    /// Fails where somebody opened the database while it was read without locks.
    pub(crate) fn still_alone(&self) -> Result<(), Stop> {
        if self.alone && beside(&self.file, "-shm").exists() {
            let file = self.file.display();
            let words = format!("a server opened {file} while it was read: run this again");
            return Err(Stop::Failed(words));
        }
        Ok(())
    }
}

fn connect(file: &Path, alone: bool) -> rusqlite::Result<Connection> {
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
    uri.push_str(if alone {
        "?mode=ro&vfs=unix-none"
    } else {
        "?mode=ro"
    });
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri, flags)?;
    if alone {
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    }
    connection.busy_timeout(BUSY_WAIT)?;
    connection.pragma_update(None, "query_only", true)?;
    // The first question shows whether it is a database that can be read.
    connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
    Ok(connection)
}

/// What is shared between processes would have to be written first.
fn is_locked_away(error: &rusqlite::Error) -> bool {
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
