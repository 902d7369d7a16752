//! Whether the words are those of the texts: SQLite compares them. It wants to write for that, so it
//! gets a copy.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use lamparina_store::sqlite::guard;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::{failed, finding};
use crate::finding::Stop;

/// Compares them, of the file that is open in `connection`.
///
/// # Errors
///
/// Where they differ, or there is no place for the copy.
pub(super) fn check(connection: &Connection, file: &Path) -> Result<(), Stop> {
    let folder = Aside::new()?;
    let failed = |error| failed(file, &error);
    let copy = copied(connection, &folder.0.join("index.db")).map_err(failed)?;
    let sql = "INSERT INTO words(words, rank) VALUES('integrity-check', 1)";
    match copy.execute(sql, []) {
        Ok(_) => Ok(()),
        Err(rusqlite::Error::SqliteFailure(error, _))
            if error.code == rusqlite::ErrorCode::DatabaseCorrupt =>
        {
            let what = "the words in it are not those of the texts";
            Err(finding(file, "index-words", what).into())
        }
        Err(error) => Err(failed(error)),
    }
}

fn copied(from: &Connection, to: &Path) -> rusqlite::Result<Connection> {
    let mut copy = Connection::open(to)?;
    guard::harden(&copy, guard::SNAPSHOT_BYTES_MAX)?;
    {
        let backup = Backup::new(from, &mut copy)?;
        while backup.step(-1)? != StepResult::Done {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
    Ok(copy)
}

/// A folder of our own for as long as it is needed.
struct Aside(PathBuf);

impl Aside {
    fn new() -> Result<Self, Stop> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("lamparina-log-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        // Fails where somebody has it already; what is copied there is nobody else's business.
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&folder)
            .map_err(|error| Stop::Failed(format!("cannot make {}: {error}", folder.display())))?;
        Ok(Self(folder))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // What cannot be removed is small and in the place for temporary things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
