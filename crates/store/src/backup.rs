//! Copies of a journal. A copy is of one moment, whole, and on the disk before it has its name; what
//! is replaced is kept aside, never deleted.
//!
//! A copy that is put in place of a journal also takes over the terms that this one had since: they
//! begin, empty, where the copy ends. Otherwise the next start would give the number of such a term
//! a second time, and clients that were there the first time would not learn what was cut away.

use std::fs::File;
use std::path::{Path, PathBuf};

use lamparina_protocol::{LogId, Term, UnixMicros};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::index::INDEX_FILE;
use crate::sqlite::{guard, offline};
use crate::traits::ReadError;

#[cfg(test)]
mod tests;

/// The journal's name in its folder.
pub const JOURNAL_FILE: &str = "lamparina.db";

/// Why a copy was not made or not put in place. What was there is as it was.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// No journal where one should be.
    #[error("{} is no journal of a Lamparina server: {why}", file.display())]
    NoJournal {
        /// Which file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// The file exists.
    #[error("{} exists already: choose another name, or say --replace", .0.display())]
    Exists(PathBuf),
    /// SQLite says no.
    #[error("{}: {source}", file.display())]
    Sql {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The file system says no.
    #[error("cannot {what} {}: {source}", file.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// Which file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// What a journal holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Extent {
    /// Its last entry; 0 for none.
    pub last_index: u64,
    /// The stamp of its last message; 0 for none.
    pub last_stamp: u64,
}

/// What a restore did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Restored {
    /// What is there now.
    pub now: Extent,
    /// What was there before, where anything was, and under which name it is kept.
    pub before: Option<(Extent, PathBuf)>,
    /// The terms of what was there that the copy took over.
    pub terms_added: u32,
}

/// Copies the journal in `folder`, also while a server writes it, to the file `to`.
///
/// # Errors
///
/// [`BackupError`]; nothing has the name `to` then that had not before.
pub fn backup(folder: &Path, to: &Path, replace: bool) -> Result<Extent, BackupError> {
    let from = folder.join(JOURNAL_FILE);
    let source = open(&from)?;
    if to.exists() && !replace {
        return Err(BackupError::Exists(to.to_owned()));
    }
    copy(&source, &from, to)
}

/// Puts the journal `from` in the place of the one in `folder`. Nobody may be using that folder:
/// the caller holds its lock. `stamp` makes the name under which the old one is kept.
///
/// # Errors
///
/// [`BackupError`]; the old journal is in its place then.
pub fn restore(from: &Path, folder: &Path, stamp: &str) -> Result<Restored, BackupError> {
    let source = open(from)?;
    let (place, new) = (folder.join(JOURNAL_FILE), folder.join("restore.new"));
    remove(&new)?;
    let now = copy(&source, from, &new)?;
    let left = guard::beside(&place, "-wal");
    let (before, terms_added) = match (place.exists(), left.exists()) {
        (true, _) => {
            let added = take_over_terms(&place, &new)?;
            (Some(keep_aside(folder, stamp)?), added)
        }
        // What is left of a journal whose file is gone: SQLite would merge it into the new one.
        (false, true) => (Some(keep_rest_aside(folder, stamp)?), 0),
        (false, false) => (None, 0),
    };
    // Derived from the old one. Before the new one stands there: beside that it would say that the
    // journal lost its end.
    for end in ["", "-wal", "-shm"] {
        remove(&folder.join(format!("{INDEX_FILE}{end}")))?;
    }
    sync_folder(folder)?;
    // At every moment the folder has the old journal or the new one.
    rename(&new, &place)?;
    sync_folder(folder)?;
    Ok(Restored {
        now,
        before,
        terms_added,
    })
}

/// What the journal in the file `journal` holds.
///
/// # Errors
///
/// [`BackupError::NoJournal`].
pub fn extent(journal: &Path) -> Result<Extent, BackupError> {
    let connection = open(journal)?;
    extent_of(&connection, journal)
}

fn open(journal: &Path) -> Result<Connection, BackupError> {
    let no_journal = |why: String| BackupError::NoJournal {
        file: journal.to_owned(),
        why,
    };
    if !journal.exists() {
        return Err(no_journal("there is no such file".to_owned()));
    }
    guard::regular_database(journal).map_err(|error| no_journal(error.to_string()))?;
    // What a crash left beside it is read too, for which SQLite may have to write there.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(journal, flags)
        .or_else(|_| Connection::open_with_flags(journal, OpenFlags::SQLITE_OPEN_READ_ONLY))
        .map_err(|error| no_journal(error.to_string()))?;
    connection
        .busy_timeout(std::time::Duration::from_secs(10))
        .and_then(|()| guard::harden(&connection, guard::VALUE_BYTES_MAX))
        .map_err(|error| no_journal(error.to_string()))?;
    match offline::version(&connection, journal) {
        Ok(Some(version)) => offline::check(&connection, journal, version)
            .map_err(|error| no_journal(error.to_string()))?,
        Ok(None) => return Err(no_journal("it holds nothing".to_owned())),
        Err(error) => return Err(no_journal(error.to_string())),
    }
    extent_of(&connection, journal)?;
    Ok(connection)
}

fn extent_of(connection: &Connection, journal: &Path) -> Result<Extent, BackupError> {
    let sql = "SELECT log_index, stamp FROM entry ORDER BY log_index DESC LIMIT 1";
    let last = connection.query_row(sql, [], |row| {
        Ok(Extent {
            last_index: row.get::<_, i64>(0)? as u64,
            last_stamp: row.get::<_, i64>(1)? as u64,
        })
    });
    let last = last.optional();
    let last = last.map_err(|error| BackupError::NoJournal {
        file: journal.to_owned(),
        why: error.to_string(),
    })?;
    Ok(last.unwrap_or_default())
}

/// Copies within one read transaction of the source, under another name until it is whole.
fn copy(source: &Connection, from: &Path, to: &Path) -> Result<Extent, BackupError> {
    let mut beside = to.as_os_str().to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let beside = PathBuf::from(beside);
    remove(&beside)?;
    let copied = copy_to(source, &beside);
    let extent = match copied {
        Ok(()) => extent(&beside)?,
        Err(source) => {
            let _ = std::fs::remove_file(&beside);
            let file = from.to_owned();
            return Err(BackupError::Sql { file, source });
        }
    };
    let io = |what| {
        let file = beside.clone();
        move |source| BackupError::Io { what, file, source }
    };
    let file = File::open(&beside).map_err(io("open"))?;
    file.sync_all().map_err(io("sync"))?;
    rename(&beside, to)?;
    let folder = to
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    sync_folder(folder)?;
    Ok(extent)
}

fn copy_to(source: &Connection, to: &Path) -> rusqlite::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o600);
    options
        .open(to)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let mut target = Connection::open(to)?;
    {
        let backup = Backup::new(source, &mut target)?;
        // All at once, so that a server that goes on writing does not make it begin again.
        while backup.step(-1)? != StepResult::Done {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
    // One file, with nothing beside it.
    target.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    target.close().map_err(|(_, error)| error)
}

/// Begins in `new` the terms that the journal in `old` had since, where both are of one log.
fn take_over_terms(old: &Path, new: &Path) -> Result<u32, BackupError> {
    // One that cannot be read has no terms that anybody could know.
    let Ok(Some(last)) = open(old).and_then(|old_one| last_term(&old_one, old)) else {
        return Ok(0);
    };
    let connection = open(new)?;
    let Some(own) = last_term(&connection, new)?.filter(|own| own.0 == last.0) else {
        return Ok(0);
    };
    // One term after all that were there is enough, whatever its number.
    let missing = u32::from(last.1 > own.1);
    let after_all = u64::from(last.1.0).saturating_add(1) * 1_000_000;
    let at = UnixMicros(now().0.max(after_all));
    let done = offline::begin_terms(connection, missing, at);
    done.map_err(|error: ReadError| BackupError::NoJournal {
        file: new.to_owned(),
        why: error.to_string(),
    })?;
    Ok(missing)
}

/// The log and its last term; `None` for a journal in which none began.
fn last_term(
    connection: &Connection,
    journal: &Path,
) -> Result<Option<(LogId, Term)>, BackupError> {
    let sql = "SELECT log, (SELECT max(term) FROM term) FROM meta";
    let row = connection.query_row(sql, [], |row| {
        Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, Option<u32>>(1)?))
    });
    let row = row.optional().map_err(|source| BackupError::Sql {
        file: journal.to_owned(),
        source,
    })?;
    Ok(row.and_then(|(log, term)| Some((LogId(log), Term(term?)))))
}

fn now() -> UnixMicros {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let micros = since.map_or(0, |since| since.as_micros());
    UnixMicros(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// Gives the journal and what stands beside it other names.
fn keep_aside(folder: &Path, stamp: &str) -> Result<(Extent, PathBuf), BackupError> {
    let place = folder.join(JOURNAL_FILE);
    // A journal that cannot be read any more is kept all the same.
    let before = extent(&place).unwrap_or_default();
    let aside = folder.join(format!("{JOURNAL_FILE}.before-{stamp}"));
    if aside.exists() {
        return Err(BackupError::Exists(aside));
    }
    set_beside_aside(&place, &aside)?;
    // Both names for a moment; a file system without such links has neither for a moment.
    if std::fs::hard_link(&place, &aside).is_err() {
        rename(&place, &aside)?;
    }
    sync_folder(folder)?;
    Ok((before, aside))
}

/// Gives other names to what stands beside a journal that is not there any more.
fn keep_rest_aside(folder: &Path, stamp: &str) -> Result<(Extent, PathBuf), BackupError> {
    let aside = folder.join(format!("{JOURNAL_FILE}.before-{stamp}"));
    let kept = guard::beside(&aside, "-wal");
    if kept.exists() {
        return Err(BackupError::Exists(kept));
    }
    set_beside_aside(&folder.join(JOURNAL_FILE), &aside)?;
    sync_folder(folder)?;
    Ok((Extent::default(), kept))
}

fn set_beside_aside(place: &Path, aside: &Path) -> Result<(), BackupError> {
    for end in ["-wal", "-shm"] {
        let beside = guard::beside(place, end);
        if beside.exists() {
            rename(&beside, &guard::beside(aside, end))?;
        }
    }
    Ok(())
}

fn rename(from: &Path, to: &Path) -> Result<(), BackupError> {
    std::fs::rename(from, to).map_err(|source| BackupError::Io {
        what: "rename",
        file: from.to_owned(),
        source,
    })
}

fn remove(file: &Path) -> Result<(), BackupError> {
    match std::fs::remove_file(file) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(BackupError::Io {
            what: "remove",
            file: file.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

fn sync_folder(folder: &Path) -> Result<(), BackupError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| BackupError::Io {
        what: "sync",
        file: folder.to_owned(),
        source,
    })
}
