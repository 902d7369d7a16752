//! Why the messages on disk cannot be used, and what to do.

use std::path::PathBuf;

/// Why the messages on disk cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StoreError {
    /// Another process has them.
    #[error(
        "{folder} is in use by another peer; stop that one, or choose another folder with `--data`",
        folder = folder.display()
    )]
    Locked {
        /// The data folder.
        folder: PathBuf,
    },
    /// They are not what was written there.
    #[error(
        "{path} is damaged ({why}). It is left as it is: restore it from a copy, or move it away \
         (mv {path} {path}.damaged) to begin a new one, which takes the history from the other peers",
        path = path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// How.
        why: String,
    },
    /// A later version wrote them.
    #[error(
        "{path} was written by a newer version ({found}, this one knows {known}); use that one, or \
         choose another folder with `--data`",
        path = path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Another key's.
    #[error(
        "{path} belongs to another key: the profile's key was replaced. Restore the key, or choose \
         another folder with `--data`",
        path = path.display()
    )]
    OtherKey {
        /// Which file.
        path: PathBuf,
    },
    /// The disk is full.
    #[error("{path} cannot be written: the disk is full; make room", path = path.display())]
    Full {
        /// Which file.
        path: PathBuf,
    },
    /// The disk says no.
    #[error("{path} cannot be used: {why}; check the disk and who may write there", path = path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What came of it.
        why: String,
    },
}
