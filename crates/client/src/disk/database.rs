//! The file itself: its tables, and each change as statements. A number of 64 bits is stored as the
//! signed one with the same bits.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lamparina_protocol::message::Submit;
use lamparina_protocol::{AuthorKey, Epoch, Lamport, LogId, Pseq, Term, codec};
use rusqlite::{
    Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params,
};

use super::DiskError;
use crate::core::event::MessageName;
use crate::core::keep::{Change, Kept, Place, State};
use crate::core::outbox::OUTBOX_MAX;
use crate::profile::make_folder;

/// The version of the tables.
const VERSION: i64 = 1;
/// Another program may hold the file this long, at most.
const BUSY_WITHIN: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 5_000 });

const TABLES: &str = "
    CREATE TABLE outbox (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        author BLOB NOT NULL,
        owner INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        last INTEGER NOT NULL,
        log BLOB NOT NULL,
        term INTEGER NOT NULL,
        shown INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE message (
        pseq INTEGER PRIMARY KEY,
        given_epoch INTEGER NOT NULL,
        given_pseq INTEGER NOT NULL,
        tried INTEGER NOT NULL,
        submit BLOB NOT NULL
    ) STRICT;
";

/// An open file, and whose it is.
#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
    owner: i64,
}

/// Why changes were not stored.
#[derive(Debug)]
pub(super) enum StoreError {
    /// Somebody else has opened the file since: it is theirs.
    Taken,
    /// The disk said no, in words.
    Failed(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let why = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => "the disk is full; make room".to_owned(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "another program holds the file; close it".to_owned()
            }
            _ => error.to_string(),
        };
        Self::Failed(why)
    }
}

impl Database {
    /// Opens the file, or makes it with an outbox of `epoch`, and takes it over from whoever had
    /// it. `owner` is a number that nobody else has.
    pub(super) fn open(
        path: &Path,
        author: AuthorKey,
        epoch: Epoch,
        owner: i64,
    ) -> Result<(Self, State), DiskError> {
        make_file(path).map_err(|error| DiskError::Io {
            path: path.to_owned(),
            why: error.to_string(),
        })?;
        let words = |error: rusqlite::Error| words(path, &error);
        let mut connection = Connection::open(path).map_err(words)?;
        connection.busy_timeout(BUSY_WITHIN).map_err(words)?;
        check(path, &connection)?;
        connection
            .pragma_update(None, "journal_mode", "wal")
            .map_err(words)?;
        connection
            .pragma_update(None, "synchronous", "full")
            .map_err(words)?;
        let behavior = TransactionBehavior::Immediate;
        let transaction = connection
            .transaction_with_behavior(behavior)
            .map_err(words)?;
        make_tables(path, &transaction, author, epoch)?;
        let state = read(path, &transaction, author)?;
        let taken = transaction.execute("UPDATE outbox SET owner = ?1", [owner]);
        taken.map_err(words)?;
        transaction.commit().map_err(words)?;
        Ok((Self { connection, owner }, state))
    }

    /// Stores all of `changes`, or nothing. Lazy ones survive the program, and the machine after
    /// the next ones that are not.
    pub(super) fn store(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let lazy = changes.iter().all(Change::is_lazy);
        let synchronous = if lazy { "normal" } else { "full" };
        self.connection
            .pragma_update(None, "synchronous", synchronous)?;
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        if !is_owner(&transaction, self.owner)? {
            return Err(StoreError::Taken);
        }
        for change in changes {
            apply(&transaction, change)?;
        }
        Ok(transaction.commit()?)
    }

    /// Makes the disk small.
    #[cfg(test)]
    pub(super) fn limit_pages(&self, pages: i64) {
        let set = self.connection.pragma_update(None, "max_page_count", pages);
        set.expect("a number is a value");
    }

    /// Whether the file is still ours.
    pub(super) fn is_ours(&self) -> Result<bool, StoreError> {
        is_owner(&self.connection, self.owner)
    }
}

fn is_owner(connection: &Connection, owner: i64) -> Result<bool, StoreError> {
    let mut asked = connection.prepare_cached("SELECT owner FROM outbox")?;
    let found: i64 = asked.query_row([], |row| row.get(0))?;
    Ok(found == owner)
}

/// Makes an empty file for its owner's eyes only, where none is; its name is on disk then too.
fn make_file(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().ok_or(std::io::ErrorKind::InvalidInput)?;
    make_folder(folder)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    match options.open(path) {
        Ok(_made) => {
            File::open(folder)?.sync_all()?;
            folder
                .parent()
                .map_or(Ok(()), |above| File::open(above)?.sync_all())
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn words(path: &Path, error: &rusqlite::Error) -> DiskError {
    let (path, why) = (path.to_owned(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => DiskError::Locked { path },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            DiskError::Damaged { path, why }
        }
        _ => DiskError::Io { path, why },
    }
}

fn damaged(path: &Path, why: impl Into<String>) -> DiskError {
    let (path, why): (PathBuf, _) = (path.to_owned(), why.into());
    DiskError::Damaged { path, why }
}

/// Looks before anything is written.
fn check(path: &Path, connection: &Connection) -> Result<(), DiskError> {
    let asked = |what: &str| connection.pragma_query_value(None, what, |row| row.get(0));
    let found: i64 = asked("user_version").map_err(|error| words(path, &error))?;
    if found > VERSION {
        let (path, known) = (path.to_owned(), VERSION);
        return Err(DiskError::Newer { path, found, known });
    }
    let asked = connection.pragma_query_value(None, "quick_check", |row| row.get::<_, String>(0));
    let sound = asked.map_err(|error| words(path, &error))?;
    match sound.as_str() {
        "ok" => Ok(()),
        why => Err(damaged(path, why)),
    }
}

fn make_tables(
    path: &Path,
    transaction: &Transaction<'_>,
    author: AuthorKey,
    epoch: Epoch,
) -> Result<(), DiskError> {
    let words = |error: rusqlite::Error| words(path, &error);
    let asked = transaction.pragma_query_value(None, "user_version", |row| row.get(0));
    let version: i64 = asked.map_err(words)?;
    if version == VERSION {
        return Ok(());
    }
    transaction.execute_batch(TABLES).map_err(words)?;
    let insert = "INSERT INTO outbox VALUES (1, ?1, 0, ?2, 0, ?3, 0, 0)";
    let empty = LogId::default().0;
    let values = params![author.0, signed(epoch.0), empty];
    transaction.execute(insert, values).map_err(words)?;
    transaction
        .pragma_update(None, "user_version", VERSION)
        .map_err(words)
}

fn read(path: &Path, transaction: &Transaction<'_>, author: AuthorKey) -> Result<State, DiskError> {
    let words = |error: rusqlite::Error| words(path, &error);
    let select = "SELECT author, epoch, last, log, term, shown FROM outbox";
    let row = transaction.query_row(select, [], |row| {
        let place = Place {
            log: LogId(row.get(3)?),
            term: Term(row.get(4)?),
            shown: Lamport::new(unsigned(row.get(5)?)),
        };
        let (epoch, last) = (unsigned(row.get(1)?), unsigned(row.get(2)?));
        Ok((row.get::<_, [u8; 32]>(0)?, epoch, last, place))
    });
    let row = row.optional().map_err(words)?;
    let (whose, epoch, last, place) = row.ok_or_else(|| damaged(path, "it is empty"))?;
    if whose != author.0 {
        let path = path.to_owned();
        return Err(DiskError::OtherAuthor { path });
    }
    let messages = messages(path, transaction, Epoch(epoch))?;
    let newest = messages.last().map_or(0, |kept| kept.submit.pseq.0);
    if newest > last {
        return Err(damaged(path, "a message has no place in it"));
    }
    Ok(State {
        epoch: Epoch(epoch),
        last: Pseq(last),
        place,
        messages,
    })
}

fn messages(
    path: &Path,
    transaction: &Transaction<'_>,
    epoch: Epoch,
) -> Result<Vec<Kept>, DiskError> {
    let words = |error: rusqlite::Error| words(path, &error);
    let select = "SELECT pseq, given_epoch, given_pseq, tried, submit FROM message ORDER BY pseq";
    let mut rows = transaction.prepare(select).map_err(words)?;
    let mut rows = rows.query([]).map_err(words)?;
    let mut messages = Vec::new();
    while let Some(row) = rows.next().map_err(words)? {
        if messages.len() > OUTBOX_MAX {
            return Err(damaged(path, "it holds more messages than any outbox does"));
        }
        let (kept, pseq) = kept(row).map_err(words)?;
        let kept = kept.ok_or_else(|| damaged(path, format!("message {pseq} cannot be read")))?;
        if (kept.submit.epoch, kept.submit.pseq) != (epoch, pseq) {
            return Err(damaged(
                path,
                format!("message {pseq} is not the one of its place"),
            ));
        }
        messages.push(kept);
    }
    Ok(messages)
}

/// A row, and its place; `None` where its bytes are no message.
fn kept(row: &rusqlite::Row<'_>) -> rusqlite::Result<(Option<Kept>, Pseq)> {
    let pseq = Pseq(unsigned(row.get(0)?));
    let given = MessageName {
        epoch: Epoch(unsigned(row.get(1)?)),
        pseq: Pseq(unsigned(row.get(2)?)),
    };
    let tried = row.get(3)?;
    let bytes = row.get_ref(4)?.as_blob()?;
    let kept = codec::decode::<Submit>(bytes).ok().map(|submit| Kept {
        given,
        submit,
        tried,
    });
    Ok((kept, pseq))
}

fn apply(transaction: &Transaction<'_>, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::Said(kept) => {
            insert(transaction, kept)?;
            let mut update = transaction.prepare_cached("UPDATE outbox SET last = ?1")?;
            update.execute([signed(kept.submit.pseq.0)])?;
        }
        Change::Tried => {
            transaction.execute("UPDATE message SET tried = 1 WHERE tried = 0", [])?;
        }
        Change::Settled(name) => {
            let delete = "DELETE FROM message WHERE pseq = ?1 AND (SELECT epoch FROM outbox) = ?2";
            let mut delete = transaction.prepare_cached(delete)?;
            delete.execute([signed(name.pseq.0), signed(name.epoch.0)])?;
        }
        Change::Place(place) => store_place(transaction, *place)?,
        Change::Whole(state) => {
            transaction.execute("DELETE FROM message", [])?;
            for kept in &state.messages {
                insert(transaction, kept)?;
            }
            let update = "UPDATE outbox SET epoch = ?1, last = ?2";
            transaction.execute(update, [signed(state.epoch.0), signed(state.last.0)])?;
            store_place(transaction, state.place)?;
        }
    }
    Ok(())
}

fn insert(transaction: &Transaction<'_>, kept: &Kept) -> Result<(), StoreError> {
    let bytes =
        codec::encode(&kept.submit).map_err(|error| StoreError::Failed(error.to_string()))?;
    let mut insert =
        transaction.prepare_cached("INSERT INTO message VALUES (?1, ?2, ?3, ?4, ?5)")?;
    insert.execute(params![
        signed(kept.submit.pseq.0),
        signed(kept.given.epoch.0),
        signed(kept.given.pseq.0),
        kept.tried,
        &bytes[..],
    ])?;
    Ok(())
}

fn store_place(transaction: &Transaction<'_>, place: Place) -> Result<(), StoreError> {
    let update = "UPDATE outbox SET log = ?1, term = ?2, shown = ?3";
    let mut update = transaction.prepare_cached(update)?;
    update.execute(params![
        place.log.0,
        place.term.0,
        signed(place.shown.get())
    ])?;
    Ok(())
}

const fn signed(number: u64) -> i64 {
    number.cast_signed()
}

const fn unsigned(number: i64) -> u64 {
    number.cast_unsigned()
}
