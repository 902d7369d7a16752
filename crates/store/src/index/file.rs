//! The file: its tables, to which journal it belongs, and making it anew.

use std::path::Path;

use lamparina_order::LogIndex;
use lamparina_protocol::LogId;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::{INDEX_FILE, IndexError, Snapshot};
use crate::traits::Chain;

/// Its form. Another one is thrown away and made anew.
pub(super) const INDEX_VERSION: i32 = 1;
/// Snapshots that are kept.
const SNAPSHOTS_KEPT: u32 = 2;

const TABLES: &str = "
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
        Ok(None) | Err(_) => remove(folder)?,
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
    if version(&connection)? != INDEX_VERSION {
        return Ok(None);
    }
    let upto = upto(&connection, log)?;
    Ok(upto.map(|upto| (connection, upto)))
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
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

/// Keeps a snapshot; the oldest ones go.
pub(super) fn keep(connection: &Connection, snapshot: &Snapshot) -> rusqlite::Result<()> {
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

fn read_snapshots(file: &Path, log: LogId) -> rusqlite::Result<Vec<Snapshot>> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    if version(&connection)? != INDEX_VERSION || upto(&connection, log)?.is_none() {
        return Ok(Vec::new());
    }
    let sql = "SELECT log_index, chain, state, digest FROM snapshot ORDER BY log_index DESC";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
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
