//! The outboxes' file: SQLite in the profile's folder, with an outbox for each log. Keeps these:
//! what is said to be stored survives the end of the program and of the machine; an outbox belongs to
//! whoever opened it last, and nobody else writes to it from then on; what was queued for one log
//! goes to no other by itself; a damaged file stays as it is.

mod database;
mod import;
mod keeper;
mod rows;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub(crate) use keeper::{Keeper, Progress};

/// Why an outbox cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DiskError {
    /// Somebody else has it for too long.
    #[error(
        "the outbox {path} is held by another program; close it (a copy or a look into it with \
         sqlite3 counts), and start again",
        path = path.display()
    )]
    Locked {
        /// Which.
        path: PathBuf,
    },
    /// It is not what was written there.
    #[error(
        "the outbox {path} is damaged ({why}). Messages without a place may be in it, so it is left \
         as it is: restore it from a copy, or move it away (mv {path} {path}.damaged) to begin a new \
         one",
        path = path.display()
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// How.
        why: String,
    },
    /// It was written by a later version.
    #[error(
        "the outbox {path} was written by a newer version ({found}, this one knows {known}); use \
         that one, or move the file away to begin a new one",
        path = path.display()
    )]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Its messages are another author's.
    #[error(
        "the outbox {path} belongs to another key: the profile's key was replaced. Restore the key, \
         or move the file away to begin a new one",
        path = path.display()
    )]
    OtherAuthor {
        /// Which.
        path: PathBuf,
    },
    /// The disk says no.
    #[error("the outbox {path} cannot be used: {why}; check the disk and who may write there", path = path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What came of it.
        why: String,
    },
}
