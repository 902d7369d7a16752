//! Why a store cannot be opened, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use lamparina_order::LogIndex;
use lamparina_protocol::Lamport;
use rusqlite::ErrorCode;

use crate::traits::ReadError;

/// What SQLite's own words for it do not say.
pub(crate) const TOO_LARGE: &str = "a value larger than any that a server stores";

/// A store that cannot be opened. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A server has it.
    #[error(
        "another server uses the store in {0}: stop that one, or give this one another folder with --data"
    )]
    Locked(PathBuf),
    /// A program that is no server has it for itself.
    #[error("another program holds {0}: end it and start again")]
    Held(PathBuf),
    /// There is none.
    #[error("there is no store at {0}: give the folder of a server, or its file lamparina.db")]
    Missing(PathBuf),
    /// A folder or file that cannot be used.
    #[error(
        "cannot use {0} ({1}): make it readable and writable for this user, or give another place"
    )]
    Permission(PathBuf, String),
    /// Anything else of the file system.
    #[error("cannot use {0} ({1}): check the disk and the path")]
    Io(PathBuf, String),
    /// No SQLite database.
    #[error(
        "{0} is not a database ({1}): move it away to begin anew, or put a backup in its place with restore"
    )]
    NotADatabase(PathBuf, String),
    /// A database, and of another program.
    #[error(
        "{0} is a database of another program (application id {1:#010x}): move it away, or give another folder with --data"
    )]
    Foreign(PathBuf, i32),
    /// Of a newer version.
    #[error(
        "{path} has version {found} of the journal's tables, and this program knows versions up to {known}: use a newer one"
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest one known here.
        known: i64,
    },
    /// Something else in the place of a file.
    #[error("{0} is {1}, where a file should be: move it away and start again")]
    NoFile(PathBuf, &'static str),
    /// Tables that are not those of a journal.
    #[error(
        "{0} is no journal as this program makes it, it has {1}: restore a backup, or take out what was put there"
    )]
    Strange(PathBuf, String),
    /// Somebody wrote while it was read without locks.
    #[error("a server opened {0} while it was read: run this again")]
    Disturbed(PathBuf),
    /// A program was interrupted while it changed the file.
    #[error(
        "{0} was being changed when a program was interrupted: open it once with that program, or restore a backup"
    )]
    Interrupted(PathBuf),
    /// The search file has seen more than there is.
    #[error(
        "the journal in {folder} ends at entry {ends}, stamp {stamp}, and the search file beside it knows entries up to {known}{}: the newest ones were removed or lost. Restore a backup, or go on without them: lamparina-server --accept-shorter-log",
        known_stamp.map_or_else(String::new, |stamp| format!(", stamp {stamp}"))
    )]
    Shorter {
        /// Where.
        folder: PathBuf,
        /// The journal's last entry; 0 for none.
        ends: LogIndex,
        /// Its stamp.
        stamp: Lamport,
        /// The last entry that is known of.
        known: LogIndex,
        /// Its stamp, where that is known.
        known_stamp: Option<Lamport>,
    },
    /// The journal's file is gone, and what SQLite had not merged into it is there. A new file of that
    /// name would have SQLite throw it away.
    #[error(
        "{} is missing, and entries that belong to it are in {}: put the file back where it was, or restore a backup; to begin a new order, move the second file away",
        missing.display(), left.display()
    )]
    Orphaned {
        /// The journal's file.
        missing: PathBuf,
        /// What was left of it.
        left: PathBuf,
    },
    /// No room to begin with.
    #[error("no room for {0} ({1}): make room on that disk and start again")]
    Full(PathBuf, String),
    /// What it holds is not what was written.
    #[error(
        "entry {0} of the journal is damaged ({1}): run lamparina-log verify, or restore a backup"
    )]
    Damaged(LogIndex, String),
}

impl OpenError {
    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        let (path, words) = (path.to_owned(), error.to_string());
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::Permission(path, words)
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(path, words),
            io::ErrorKind::NotFound => Self::Missing(path),
            _ => Self::Io(path, words),
        }
    }

    pub(crate) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let (path, words) = (path.to_owned(), error.to_string());
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                Self::NotADatabase(path, words)
            }
            Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
                Self::Permission(path, words)
            }
            Some(ErrorCode::DiskFull) => Self::Full(path, words),
            Some(ErrorCode::TooBig) => Self::Strange(path, TOO_LARGE.to_owned()),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Held(path),
            _ => Self::Io(path, words),
        }
    }

    pub(crate) fn reading(path: &Path, error: ReadError) -> Self {
        match error {
            ReadError::Failed(words) => Self::Io(path.to_owned(), words),
            ReadError::Damaged(index, words) => Self::Damaged(index, words),
        }
    }
}
