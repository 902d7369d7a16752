//! Outboxes of version 1, one file for each address, become outboxes of the profile's one file: each
//! once, in the transaction that notes it; the old files are put away afterwards, under another name.

use std::fs;
use std::path::{Path, PathBuf};

use lamparina_protocol::{AuthorKey, Epoch, Lamport, LogId, Pseq, Term};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::DiskError;
use super::database::{BUSY_WITHIN, StoreError, check, damaged, words};
use super::rows::{self, signed, unsigned};
use crate::core::keep::{Kept, Place};

/// The version of such a file.
const VERSION: i64 = 1;
/// Files looked at, at most: more servers than anybody talks to.
const FILES_MAX: usize = 1_000;

/// What an old file holds.
struct Old {
    epoch: Epoch,
    last: Pseq,
    place: Place,
    messages: Vec<Kept>,
}

/// Takes in what the folder has of old files; gives those that are not needed any more. One that
/// cannot be read ends it where it is of `address`, and stays for another time else.
pub(super) fn all(
    path: &Path,
    transaction: &Transaction<'_>,
    address: &str,
    author: AuthorKey,
    owner: i64,
) -> Result<Vec<PathBuf>, DiskError> {
    let mut done = Vec::new();
    for (file, of) in old_files(path) {
        match one(path, transaction, &file, &of, author, owner) {
            Ok(()) => done.push(file),
            Err(error) if of == address => return Err(error),
            Err(error) => tracing::warn!(%error, "an outbox of another address is left as it is"),
        }
    }
    Ok(done)
}

/// Files that have been taken in get another name: they are not read again.
pub(super) fn put_away(files: Vec<PathBuf>) {
    for file in files {
        let mut name = file.clone().into_os_string();
        name.push(".moved");
        if let Err(error) = fs::rename(&file, &name) {
            tracing::warn!(path = %file.display(), %error, "an old outbox keeps its name");
        }
    }
}

/// The old files, each with its address as its name has it.
fn old_files(path: &Path) -> Vec<(PathBuf, String)> {
    let folder = path.parent().map(fs::read_dir);
    let Some(Ok(folder)) = folder else {
        return Vec::new();
    };
    let names = folder.flatten().filter_map(|file| {
        let name = file.file_name().into_string().ok()?;
        let address = name.strip_prefix("outbox-")?.strip_suffix(".db")?;
        Some((file.path(), address.to_owned()))
    });
    let mut names: Vec<_> = names.take(FILES_MAX).collect();
    names.sort();
    names
}

fn one(
    path: &Path,
    transaction: &Transaction<'_>,
    file: &Path,
    address: &str,
    author: AuthorKey,
    owner: i64,
) -> Result<(), DiskError> {
    let old = read(file, author, owner)?;
    let words = |error: rusqlite::Error| words(path, &error);
    let noted = "INSERT OR IGNORE INTO imported VALUES (?1, ?2)";
    let noted = transaction.execute(noted, params![address, signed(old.epoch.0)]);
    if noted.map_err(words)? == 0 {
        return Ok(());
    }
    let id = rows::make(transaction, author, address, old.epoch, old.place.log).map_err(words)?;
    let update = "UPDATE outbox SET last = ?2 WHERE id = ?1";
    transaction
        .execute(update, [id, signed(old.last.0)])
        .map_err(words)?;
    let failed = |error| match error {
        StoreError::Failed(why) => damaged(path, why),
        StoreError::Taken => damaged(path, "it is another's"),
    };
    rows::store_place(transaction, id, old.place).map_err(failed)?;
    for kept in &old.messages {
        rows::insert(transaction, id, kept).map_err(failed)?;
    }
    Ok(())
}

/// Reads an old file, and takes it from whoever had it: nothing is written there any more.
fn read(path: &Path, author: AuthorKey, owner: i64) -> Result<Old, DiskError> {
    let words = |error: rusqlite::Error| words(path, &error);
    let connection = Connection::open(path).map_err(words)?;
    connection.busy_timeout(BUSY_WITHIN).map_err(words)?;
    check(path, &connection, VERSION)?;
    connection
        .execute("UPDATE outbox SET owner = ?1", [owner])
        .map_err(words)?;
    let select = "SELECT author, epoch, last, log, term, shown FROM outbox";
    let row = connection.query_row(select, [], |row| {
        let shown = Lamport::new(unsigned(row.get(5)?));
        let place = Place {
            log: LogId(row.get(3)?),
            term: Term(row.get(4)?),
            shown,
            highest: shown,
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
    let select = "SELECT pseq, given_epoch, given_pseq, tried, submit FROM message ORDER BY pseq";
    let rows = rows::read_rows(&connection, select, []).map_err(words)?;
    let messages = rows::whole(path, rows, Epoch(epoch))?;
    let newest = messages.last().map_or(0, |kept| kept.submit.pseq.0);
    if newest > last {
        return Err(damaged(path, "a message has no place in it"));
    }
    Ok(Old {
        epoch: Epoch(epoch),
        last: Pseq(last),
        place,
        messages,
    })
}
