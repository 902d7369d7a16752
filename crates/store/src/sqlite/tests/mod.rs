//! Real files in a temporary folder.

mod open;
mod read;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use lamparina_protocol::{LogId, UnixMicros};

use super::lock::Lock;
use super::schema::Meta;
use super::writer::{SqliteJournal, connect};
use crate::restart::Tip;

/// A folder that goes when the test ends.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        Self::under(&std::env::temp_dir())
    }

    pub(crate) fn under(place: &Path) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lamparina-store-{}-{next}", std::process::id());
        Self(place.join(name))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A new journal, without a term.
fn journal(folder: &Folder) -> SqliteJournal {
    let lock = Lock::take(folder.path()).unwrap();
    let meta = Meta {
        log: LogId([7; 16]),
        created_at: UnixMicros(1),
    };
    let (connection, meta) = connect(folder.path(), meta).unwrap();
    let tip = Tip::genesis(meta.log);
    SqliteJournal::new(folder.path(), lock, connection, tip).unwrap()
}
