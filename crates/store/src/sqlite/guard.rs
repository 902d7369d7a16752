//! Files made to harm are refused in words: what is no file is never opened, and what a file may ask
//! of SQLite is bounded before its first row is read.
//!
//! A pipe would wait for ever, a view or a trigger would run what its maker wrote, a value of
//! hundreds of megabytes would be taken into memory. None of it is ever in a journal.

use std::fs::FileType;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, Row};

use super::error::OpenError;

/// Bytes of a value in the journal, at most: a text has 256 KiB, a list of names less than 17 KiB.
pub const VALUE_BYTES_MAX: i32 = 1 << 20;
/// Bytes of a value in the derived file, at most: of a snapshot.
pub const SNAPSHOT_BYTES_MAX: i32 = 512 << 20;
/// Bytes of one statement, those of a file's own tables included.
const STATEMENT_BYTES_MAX: i32 = 64 << 10;
/// Objects that a file is looked at for, at most: more than any of ours has.
const OBJECTS_MAX: i64 = 64;

/// What SQLite keeps beside a database.
const BESIDE: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// The path of what SQLite keeps beside a database.
pub(crate) fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Where there is something, it is a file.
///
/// # Errors
///
/// [`OpenError::NoFile`], and what the file system says, of links that lead in a circle too.
pub(crate) fn regular(path: &Path) -> Result<(), OpenError> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => Ok(()),
        Ok(found) => Err(OpenError::NoFile(path.to_owned(), kind(found.file_type()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(OpenError::io(path, &error)),
    }
}

/// The same of a database and all that SQLite opens with it.
pub(crate) fn regular_database(file: &Path) -> Result<(), OpenError> {
    BESIDE
        .iter()
        .try_for_each(|end| regular(&beside(file, end)))
}

fn kind(found: FileType) -> &'static str {
    match () {
        () if found.is_dir() => "a folder",
        () if found.is_fifo() => "a pipe",
        () if found.is_socket() => "a socket",
        () if found.is_block_device() || found.is_char_device() => "a device",
        () => "no file",
    }
}

/// Bounds what a file may ask of this connection. Its values have at most `value_bytes_max`.
pub fn harden(connection: &Connection, value_bytes_max: i32) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_LENGTH, value_bytes_max),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, STATEMENT_BYTES_MAX),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, most)?;
    }
    // Read from the file's pages, as they are: a page that lies about its cells is damage.
    connection.pragma_update(None, "cell_size_check", true)
}

/// What a file holds that the tables made by `ours` do not, or the other way round, in words.
/// `None` where it holds exactly those; what SQLite keeps for itself is passed over.
pub fn strange(connection: &Connection, ours: &[&str]) -> rusqlite::Result<Option<String>> {
    let made = Connection::open_in_memory()?;
    ours.iter().try_for_each(|sql| made.execute_batch(sql))?;
    let (expected, found) = (objects(&made)?, objects(connection)?);
    let known = |other: &&Object| expected.iter().find(|ours| ours.name == other.name);
    let others: Vec<&Object> = found
        .iter()
        .filter(|found| !expected.contains(found))
        .collect();
    // What stands in the place of one of ours says more than what was put beside them.
    let replaced = others.iter().find(|other| known(other).is_some());
    if let Some(other) = replaced.or(others.first()) {
        let known = known(other);
        return Ok(Some(match known {
            Some(ours) if ours.kind == other.kind => {
                format!("{} that was made otherwise", other.words())
            }
            Some(ours) => format!("{} in the place of the {}", other.words(), ours.kind),
            None => format!("{} that does not belong there", other.words()),
        }));
    }
    let missing = expected.iter().find(|ours| !found.contains(ours));
    Ok(missing.map(|ours| format!("no {} `{}`", ours.kind, ours.name)))
}

/// A table, an index, a view or a trigger.
#[derive(Debug, Eq, PartialEq)]
struct Object {
    kind: String,
    name: String,
    of: String,
    /// How it was made, without spaces: those mean nothing, and versions of SQLite differ in them.
    sql: String,
}

impl Object {
    fn words(&self) -> String {
        let article = if self.kind == "index" { "an" } else { "a" };
        format!("{article} {} `{}`", self.kind, self.name)
    }
}

fn objects(connection: &Connection) -> rusqlite::Result<Vec<Object>> {
    let sql = "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema
        WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name LIMIT ?";
    let mut statement = connection.prepare(sql)?;
    let read = |row: &Row<'_>| {
        let sql: String = row.get(3)?;
        Ok(Object {
            kind: row.get(0)?,
            name: row.get(1)?,
            of: row.get(2)?,
            sql: sql.split_whitespace().collect(),
        })
    };
    statement.query_map([OBJECTS_MAX], read)?.collect()
}
