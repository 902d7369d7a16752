//! The file: its tables, to which journal it belongs, and making it anew.

use std::path::{Path, PathBuf};

use lamparina_order::LogIndex;
use lamparina_protocol::{Lamport, LogId};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::{INDEX_FILE, IndexError, Snapshot};
use crate::sqlite::guard::{self, SNAPSHOT_BYTES_MAX};
use crate::traits::Chain;

/// Its form. Another one is thrown away and made anew.
pub(super) const INDEX_VERSION: i32 = 1;
/// Snapshots that are kept.
const SNAPSHOTS_KEPT: u32 = 2;

/// Its tables.
pub const TABLES: &str = "
    CREATE TABLE meta(one INTEGER PRIMARY KEY CHECK (one = 1), log BLOB NOT NULL,
        log_index INTEGER NOT NULL, stamp INTEGER NOT NULL, chain BLOB NOT NULL) STRICT;
    CREATE TABLE message(log_index INTEGER PRIMARY KEY, stamp INTEGER NOT NULL,
        text TEXT NOT NULL) STRICT;
    CREATE VIRTUAL TABLE words USING fts5(text, content='message', content_rowid='log_index',
        tokenize='unicode61 remove_diacritics 2');
    CREATE TABLE snapshot(log_index INTEGER PRIMARY KEY, chain BLOB NOT NULL,
        state BLOB NOT NULL, digest BLOB NOT NULL) STRICT;";

/// How far the file has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Upto {
    pub(super) index: LogIndex,
    pub(super) stamp: i64,
    pub(super) chain: Option<Chain>,
}

impl Upto {
    pub(super) const NOTHING: Self = Self {
        index: LogIndex(0),
        stamp: 0,
        chain: None,
    };
}

/// Opens the file in `folder` for writing, made anew where it is no index of `log`.
pub(super) fn open(folder: &Path, log: LogId) -> Result<(Connection, Upto), IndexError> {
    let file = folder.join(INDEX_FILE);
    match open_as_it_is(&file, log) {
        Ok(Some(opened)) => return Ok(opened),
        Ok(None) => remove(folder)?,
        Err(error) if error.is_damage() => remove(folder)?,
        // A full disk, or a program that holds it: what is there is still good.
        Err(error) => return Err(error),
    }
    let connection = Connection::open(&file)?;
    only_ours(&file)?;
    prepare(&connection)?;
    connection.execute_batch(&format!(
        "BEGIN;{TABLES} PRAGMA user_version = {INDEX_VERSION}; COMMIT;"
    ))?;
    connection.execute(
        "INSERT INTO meta VALUES (1, ?, 0, 0, x'')",
        params![&log.0[..]],
    )?;
    Ok((connection, Upto::NOTHING))
}

/// The words are whole, and those of the texts beside them. Takes a time that grows with the file.
pub(super) fn check_words(connection: &Connection) -> rusqlite::Result<()> {
    let sql = "INSERT INTO words(words, rank) VALUES('integrity-check', 1)";
    connection.execute(sql, []).map(|_| ())
}

/// Removes the file and what SQLite keeps beside it.
pub(super) fn remove(folder: &Path) -> std::io::Result<()> {
    for end in ["", "-wal", "-shm"] {
        match std::fs::remove_file(folder.join(format!("{INDEX_FILE}{end}"))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn open_as_it_is(file: &Path, log: LogId) -> Result<Option<(Connection, Upto)>, IndexError> {
    if !file.exists() {
        return Ok(None);
    }
    let connection = Connection::open(file)?;
    prepare(&connection)?;
    if !is_ours(&connection)? {
        return Ok(None);
    }
    let upto = upto(&connection, log)?;
    Ok(upto.map(|upto| (connection, upto)))
}

/// It has today's form, and nothing was put into it.
fn is_ours(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(version(connection)? == INDEX_VERSION && guard::strange(connection, &[TABLES])?.is_none())
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    guard::harden(connection, SNAPSHOT_BYTES_MAX)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    // What a crash takes is made again from the journal.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -8192;",
    )
}

fn version(connection: &Connection) -> rusqlite::Result<i32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// How far the file has come; `None` when it belongs to another log.
pub(super) fn upto(connection: &Connection, log: LogId) -> rusqlite::Result<Option<Upto>> {
    let sql = "SELECT log, log_index, stamp, chain FROM meta";
    let meta = connection.query_row(sql, [], |row| {
        let (of, chain): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(3)?);
        let upto = Upto {
            index: LogIndex(row.get::<_, i64>(1)? as u64),
            stamp: row.get(2)?,
            chain: <[u8; 32]>::try_from(chain).ok().map(Chain),
        };
        Ok((of, upto))
    });
    let meta = meta.optional()?;
    Ok(meta.filter(|(of, _)| *of == log.0).map(|(_, upto)| upto))
}

/// The state is derived from what many wrote: nobody else on the machine reads it.
fn only_ours(file: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600))
}

/// Keeps a snapshot; the oldest ones go. One that is too large to be read again is not kept.
pub(super) fn keep(connection: &Connection, snapshot: &Snapshot) -> rusqlite::Result<()> {
    // The rest of the row needs less.
    const ROW_BYTES: usize = 1024;
    if snapshot.state.len() + ROW_BYTES > SNAPSHOT_BYTES_MAX as usize {
        return Ok(());
    }
    connection.execute(
        "INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?, ?)",
        params![
            snapshot.index.0 as i64,
            &snapshot.chain.0[..],
            snapshot.state,
            &snapshot.digest()[..]
        ],
    )?;
    connection.execute(
        "DELETE FROM snapshot WHERE log_index NOT IN
             (SELECT log_index FROM snapshot ORDER BY log_index DESC LIMIT ?)",
        [SNAPSHOTS_KEPT],
    )?;
    Ok(())
}

/// The snapshots of `log` in `folder`, newest first, those that are whole. None where there is no
/// such file.
///
/// Whoever uses one must find its chain in the journal.
pub fn snapshots(folder: &Path, log: LogId) -> Vec<Snapshot> {
    read_snapshots(&folder.join(INDEX_FILE), log).unwrap_or_default()
}

/// The last entry of a log that the derived file knows of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Evidence {
    /// The entry.
    pub index: LogIndex,
    /// Its stamp, where that is known.
    pub stamp: Option<Lamport>,
}

/// The last entry that the derived file in `folder` knows of, where it is of `log`, or of any one
/// where none is named. `None` where it knows of none, or cannot be read.
pub fn evidence(folder: &Path, log: Option<LogId>) -> Option<Evidence> {
    let known = || -> rusqlite::Result<Option<Evidence>> {
        let connection = for_reading(&folder.join(INDEX_FILE))?;
        if !is_ours(&connection)? {
            return Ok(None);
        }
        let log = match log {
            Some(log) => log,
            None => match log_of(&connection)? {
                Some(log) => log,
                None => return Ok(None),
            },
        };
        let Some(upto) = upto(&connection, log)? else {
            return Ok(None);
        };
        let of_texts = Evidence {
            index: upto.index,
            stamp: u64::try_from(upto.stamp).ok().map(Lamport::new),
        };
        let of_snapshots = whole_snapshots(&connection)?;
        let of_snapshots = of_snapshots.first().map(|snapshot| Evidence {
            index: snapshot.index,
            stamp: None,
        });
        let latest = [Some(of_texts), of_snapshots].into_iter().flatten();
        Ok(latest
            .rev()
            .max_by_key(|known| known.index)
            .filter(|known| known.index > LogIndex(0)))
    };
    known().ok().flatten()
}

fn log_of(connection: &Connection) -> rusqlite::Result<Option<LogId>> {
    let log = connection.query_row("SELECT log FROM meta", [], |row| row.get::<_, Vec<u8>>(0));
    let log = log.optional()?;
    Ok(log.and_then(|log| <[u8; 16]>::try_from(log).ok().map(LogId)))
}

/// Gives the derived file in `folder`, and what stands beside it, names that end with `name`; the
/// first of them.
///
/// # Errors
///
/// What the file system says.
pub fn set_aside(folder: &Path, name: &str) -> std::io::Result<PathBuf> {
    let aside = folder.join(format!("{INDEX_FILE}.{name}"));
    if aside.exists() {
        return Err(std::io::ErrorKind::AlreadyExists.into());
    }
    for end in ["-wal", "-shm", ""] {
        let from = folder.join(format!("{INDEX_FILE}{end}"));
        if from.exists() {
            std::fs::rename(from, folder.join(format!("{INDEX_FILE}.{name}{end}")))?;
        }
    }
    std::fs::File::open(folder)?.sync_all()?;
    Ok(aside)
}

fn for_reading(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    guard::harden(&connection, SNAPSHOT_BYTES_MAX)?;
    Ok(connection)
}

fn read_snapshots(file: &Path, log: LogId) -> rusqlite::Result<Vec<Snapshot>> {
    let connection = for_reading(file)?;
    match is_ours(&connection)? && upto(&connection, log)?.is_some() {
        true => whole_snapshots(&connection),
        false => Ok(Vec::new()),
    }
}

/// The snapshots whose digest holds, newest first.
fn whole_snapshots(connection: &Connection) -> rusqlite::Result<Vec<Snapshot>> {
    let sql = "SELECT log_index, chain, state, digest FROM snapshot
        ORDER BY log_index DESC LIMIT ?";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([SNAPSHOTS_KEPT], |row| {
        let (chain, found): (Vec<u8>, Vec<u8>) = (row.get(1)?, row.get(3)?);
        let snapshot = Snapshot {
            index: LogIndex(row.get::<_, i64>(0)? as u64),
            chain: Chain(<[u8; 32]>::try_from(chain).unwrap_or_default()),
            state: row.get(2)?,
        };
        Ok((found == snapshot.digest()).then_some(snapshot))
    })?;
    let whole: rusqlite::Result<Vec<Option<Snapshot>>> = rows.collect();
    Ok(whole?.into_iter().flatten().collect())
}

impl Snapshot {
    /// BLAKE3 over index, chain and state: what stands beside it in the file.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.index.0.to_be_bytes());
        hasher.update(&self.chain.0);
        hasher.update(&self.state);
        *hasher.finalize().as_bytes()
    }
}
