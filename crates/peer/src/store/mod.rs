//! Messages on disk, in the order in which they were delivered here: SQLite, `peer.db` in the data
//! folder. Keeps these: one process at a time has it; what was stored with a sync survives the machine,
//! and everything stored before it; a damaged file stays as it is.

mod error;
mod history;
mod row;
mod schema;

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use lamparina_keys::files;
use lamparina_protocol::peer::{Incarnation, MessageName, PeerName};
use lamparina_protocol::{AuthorKey, UnixMicros};
use lamparina_store::sqlite::guard;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, params};

use crate::event::HistoryKey;
pub use error::StoreError;
pub use history::{Found, LINES_MAX};
pub use row::{NewRow, StoredLine};
use row::{key_bytes, name_bytes, read_key, read_name};
use schema::damaged;

/// The file of a data folder.
pub const DATABASE: &str = "peer.db";
/// Whoever has this file locked has the folder.
pub const LOCK: &str = "peer.lock";
/// Peers that are kept to be dialled after a restart, at most.
pub const PEERS_MAX: usize = 1_024;
/// A look into the file with another program may hold it this long.
const BUSY_WITHIN: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 5_000 });

/// What is kept beside messages.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Kept {
    /// The last life.
    pub incarnation: Incarnation,
    /// The last epoch of an election that this peer has used.
    pub epoch: u64,
    /// Everything up to here is final.
    pub final_upto: Option<HistoryKey>,
}

/// A peer that was known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeptPeer {
    /// Where to dial it: `HOST:PORT`.
    pub addr: String,
    /// Who was there.
    pub key: Option<AuthorKey>,
    /// What it was called.
    pub name: Option<PeerName>,
    /// When it was heard last.
    pub last_seen_at: Option<UnixMicros>,
}

/// A stored message as it was signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stored {
    /// Its place in the order of delivery here.
    pub position: u64,
    /// It came when lines behind it were final already.
    pub late: bool,
    /// Its bytes.
    pub signed: Bytes,
}

/// What changes together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Messages, ascending by position.
    pub rows: Vec<NewRow>,
    /// Two messages of one name: the name, and both as they were signed.
    pub proofs: Vec<(MessageName, Bytes, Bytes)>,
    /// Everything up to here is final.
    pub final_upto: Option<HistoryKey>,
    /// An epoch of an election that is about to be used.
    pub epoch: Option<u64>,
}

impl Batch {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
            && self.proofs.is_empty()
            && self.final_upto.is_none()
            && self.epoch.is_none()
    }
}

/// The messages of one peer.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    lock: File,
}

impl Store {
    /// Opens what is in `folder` for `author`, and makes it where it is missing.
    ///
    /// # Errors
    ///
    /// [`StoreError`], in words; what is there stays as it is.
    pub fn open(folder: &Path, author: AuthorKey) -> Result<Self, StoreError> {
        let lock = take_lock(folder)?;
        let path = folder.join(DATABASE);
        let io = |error: std::io::Error| io(&path, &error);
        make_file(&path).map_err(io)?;
        let words = |error: rusqlite::Error| words(&path, &error);
        let mut connection = Connection::open(&path).map_err(words)?;
        connection.busy_timeout(BUSY_WITHIN).map_err(words)?;
        guard::harden(&connection, guard::VALUE_BYTES_MAX).map_err(words)?;
        let asked =
            connection.pragma_query_value(None, "quick_check", |row| row.get::<_, String>(0));
        match asked.map_err(words)?.as_str() {
            "ok" => {}
            why => return Err(damaged(&path, why)),
        }
        let set = |what: &str, value: &str| connection.pragma_update(None, what, value);
        set("journal_mode", "wal").map_err(words)?;
        set("synchronous", "full").map_err(words)?;
        schema::prepare(&path, &mut connection, author)?;
        Ok(Self {
            connection,
            path,
            lock,
        })
    }

    /// Begins another life at `now`, later than any before, and gives its number with what was kept.
    /// `random` tells it from others that begin at the same time.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn begin(
        &mut self,
        now: UnixMicros,
        random: u16,
    ) -> Result<(Incarnation, Kept), StoreError> {
        let kept = self.kept()?;
        let wanted = (now.0 / 1_000) << 16 | u64::from(random);
        // The random part stays where the clock is behind: two copies of a folder begin two lives.
        let next = (kept.incarnation.0 >> 16).checked_add(1);
        let next = next.and_then(|millis| millis.checked_mul(1 << 16));
        let next = next.ok_or_else(|| damaged(&self.path, "there are no more lives"))?;
        let next = next | u64::from(random);
        let incarnation = Incarnation(wanted.max(next));
        let update = "UPDATE state SET incarnation = ?1";
        let updated = self
            .connection
            .execute(update, [incarnation.0.cast_signed()]);
        updated.map_err(|error| words(&self.path, &error))?;
        Ok((incarnation, kept))
    }

    fn kept(&self) -> Result<Kept, StoreError> {
        let select = "SELECT incarnation, epoch, final FROM state";
        let read = self.connection.query_row(select, [], |row| {
            let final_upto: Option<Vec<u8>> = row.get(2)?;
            Ok(Kept {
                incarnation: Incarnation(row.get::<_, i64>(0)?.cast_unsigned()),
                epoch: row.get::<_, i64>(1)?.cast_unsigned(),
                final_upto: final_upto.and_then(|key| read_key(&key)),
            })
        });
        read.map_err(|error| words(&self.path, &error))
    }

    /// Stores all of a batch, or nothing. With `sync` it survives the machine, too, and so does
    /// everything stored before; without, it survives this program.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn append(&mut self, batch: &Batch, sync: bool) -> Result<(), StoreError> {
        let stored = self.try_append(batch, sync);
        stored.map_err(|error| words(&self.path, &error))
    }

    fn try_append(&mut self, batch: &Batch, sync: bool) -> rusqlite::Result<()> {
        let synchronous = if sync { "full" } else { "normal" };
        self.connection
            .pragma_update(None, "synchronous", synchronous)?;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for row in &batch.rows {
            insert(&transaction, row)?;
        }
        for (name, first, second) in &batch.proofs {
            let insert = "INSERT OR IGNORE INTO proofs VALUES (?1, ?2, ?3)";
            let name = name_bytes(name);
            transaction.execute(insert, params![name, &first[..], &second[..]])?;
        }
        if let Some(key) = &batch.final_upto {
            transaction.execute("UPDATE state SET final = ?1", [key_bytes(key)])?;
        }
        if let Some(epoch) = batch.epoch {
            transaction.execute("UPDATE state SET epoch = ?1", [epoch.cast_signed()])?;
        }
        if sync && batch.rows.is_empty() {
            // What changes nothing is not synced, nor is what was stored before it. A row that gets its
            // number anew is written, though it stays as it is.
            transaction.execute("UPDATE state SET one = one", [])?;
        }
        transaction.commit()
    }

    /// Messages from position `from` on, ascending: at most `count_max`, and no more once they have
    /// `bytes_max` bytes. Fewer only at the end, or because of the bytes.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn stored(
        &self,
        from: u64,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        let read = || {
            let mut select = self.connection.prepare_cached(
                "SELECT position, late, signed FROM messages WHERE position >= ?1
                 ORDER BY position LIMIT ?2",
            )?;
            let count = i64::try_from(count_max).unwrap_or(i64::MAX);
            let mut rows = select.query(params![from.cast_signed(), count])?;
            let (mut found, mut bytes) = (Vec::new(), 0);
            while let Some(row) = rows.next()? {
                let signed = Bytes::copy_from_slice(row.get_ref(2)?.as_blob()?);
                bytes += signed.len();
                found.push(Stored {
                    position: row.get::<_, i64>(0)?.cast_unsigned(),
                    late: row.get(1)?,
                    signed,
                });
                if bytes >= bytes_max {
                    break;
                }
            }
            Ok(found)
        };
        read().map_err(|error| words(&self.path, &error))
    }

    /// That a message cannot be what was stored, in words.
    pub fn unreadable(&self, position: u64, why: &dyn std::fmt::Display) -> StoreError {
        damaged(&self.path, format!("message {position}: {why}"))
    }

    /// That a message that was delivered is not there, in words.
    pub fn missing(&self, position: u64) -> StoreError {
        damaged(&self.path, format!("message {position} is missing"))
    }

    /// The peers that were known, the last seen first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn peers(&self) -> Result<Vec<KeptPeer>, StoreError> {
        let read = || {
            let mut select = self.connection.prepare_cached(
                "SELECT addr, key, name, namespace, last_seen_at FROM peers
                 ORDER BY last_seen_at DESC NULLS LAST, addr LIMIT ?1",
            )?;
            let rows = select.query_map([PEERS_MAX as i64], |row| {
                let name: Option<String> = row.get(2)?;
                let namespace: Option<String> = row.get(3)?;
                let seen: Option<i64> = row.get(4)?;
                Ok(KeptPeer {
                    addr: row.get(0)?,
                    key: row.get::<_, Option<[u8; 32]>>(1)?.map(AuthorKey),
                    name: name
                        .zip(namespace)
                        .and_then(|(name, namespace)| read_name(&[name, namespace])),
                    last_seen_at: seen.map(|at| UnixMicros(at.cast_unsigned())),
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<KeptPeer>>>()
        };
        read().map_err(|error| words(&self.path, &error))
    }

    /// Keeps these peers, at most [`PEERS_MAX`], instead of those before.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn keep_peers(&mut self, peers: &[KeptPeer]) -> Result<(), StoreError> {
        let stored = self.try_keep_peers(peers);
        stored.map_err(|error| words(&self.path, &error))
    }

    fn try_keep_peers(&mut self, peers: &[KeptPeer]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        transaction.execute("DELETE FROM peers", [])?;
        for peer in peers.iter().take(PEERS_MAX) {
            let insert = "INSERT OR REPLACE INTO peers VALUES (?1, ?2, ?3, ?4, ?5)";
            let name = peer.name.as_ref();
            transaction.prepare_cached(insert)?.execute(params![
                peer.addr,
                peer.key.map(|key| key.0),
                name.map(|name| name.name.as_str()),
                name.map(|name| name.namespace.as_str()),
                peer.last_seen_at.map(|at| at.0.cast_signed()),
            ])?;
        }
        transaction.commit()
    }

    /// Makes the disk small.
    #[cfg(test)]
    fn limit_pages(&self, pages: i64) {
        let set = self.connection.pragma_update(None, "max_page_count", pages);
        set.expect("a number is a value");
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Closing would not do while a program that is just being started holds a copy of the file.
        // What fails here is mended by the system at this process's end.
        let _ = self.lock.unlock();
    }
}

fn insert(transaction: &Transaction<'_>, row: &NewRow) -> rusqlite::Result<()> {
    let insert = "INSERT INTO messages VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,
        ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)";
    let (line, key) = (&row.line, &row.line.key);
    let via = line.via.as_ref();
    let text_of = |addr: std::net::SocketAddr| addr.to_string();
    transaction.prepare_cached(insert)?.execute(params![
        row.position.cast_signed(),
        key_bytes(key),
        key.stamp.get().cast_signed(),
        key.author.0,
        key.incarnation.0.cast_signed(),
        key.n.cast_signed(),
        key.digest.0,
        line.from.name.as_str(),
        line.from.namespace.as_str(),
        line.addr.map(text_of),
        line.kind.word(),
        line.to.join(","),
        line.room,
        line.text,
        line.sent_at.0.cast_signed(),
        line.received_at.0.cast_signed(),
        row.late,
        line.own,
        via.map(|via| via.peer_id.as_str()),
        via.map(|via| via.msg_id.as_str()),
        via.and_then(|via| via.addr).map(text_of),
        &row.signed[..],
    ])?;
    if let Some(text) = &line.text {
        let insert = "INSERT INTO words(rowid, text) VALUES (?1, ?2)";
        let mut insert = transaction.prepare_cached(insert)?;
        insert.execute(params![row.position.cast_signed(), text])?;
    }
    Ok(())
}

fn take_lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join(LOCK);
    let io = |error: std::io::Error| io(&path, &error);
    files::make_folder(folder).map_err(io)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked {
            folder: folder.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

/// Makes an empty file for its owner's eyes only, where none is; SQLite gives its others the same mode.
fn make_file(path: &Path) -> std::io::Result<()> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => return Ok(()),
        Ok(_) => return Err(std::io::Error::other("it is no file")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    path.parent().map_or(Ok(()), files::sync_folder)
}

fn io(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Io {
        path: path.to_owned(),
        why: error.to_string(),
    }
}

fn words(path: &Path, error: &rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full { path },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            let why = error.to_string();
            StoreError::Damaged { path, why }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            let why = "another program holds it (a look into it with sqlite3 counts)".to_owned();
            StoreError::Io { path, why }
        }
        _ => {
            let why = error.to_string();
            StoreError::Io { path, why }
        }
    }
}

#[cfg(test)]
mod tests;
