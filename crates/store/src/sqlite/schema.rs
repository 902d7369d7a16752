//! The tables of the journal. A file says whose it is (`application_id`) and how its tables look
//! (`user_version`); older ones become today's in one transaction, newer ones are left alone.

use std::path::Path;

use lamparina_protocol::{LogId, UnixMicros};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::error::OpenError;
use super::guard;

/// "Lamp" in ASCII.
pub(crate) const APPLICATION_ID: i32 = 0x4c61_6d70;

/// Each makes the next version out of the one before. What was published is never changed.
const MIGRATIONS: [&str; 3] = [
    r#"
    CREATE TABLE entry(
        log_index INTEGER PRIMARY KEY,
        kind INTEGER NOT NULL,
        stamp INTEGER NOT NULL,
        at INTEGER NOT NULL,
        member INTEGER,
        "from" TEXT,
        "to" TEXT,
        detail BLOB NOT NULL,
        text TEXT,
        chain BLOB NOT NULL
    ) STRICT;
    CREATE TABLE term(
        term INTEGER PRIMARY KEY,
        after INTEGER NOT NULL,
        at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE position(
        member INTEGER PRIMARY KEY,
        consumed INTEGER NOT NULL,
        at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE meta(
        one INTEGER PRIMARY KEY CHECK(one = 1),
        log BLOB NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT;
    "#,
    // Kinds 5 and 6: joined and left a room.
    "CREATE INDEX stays ON entry(member, log_index) WHERE kind IN (5, 6);",
    // And 12 and 13: banned, banned no more. From here on there may be rows of kinds 9 to 13.
    "DROP INDEX stays;
     CREATE INDEX stays ON entry(member, log_index) WHERE kind IN (5, 6, 12, 13);",
];

/// The version that this program writes, and the newest it reads.
pub(crate) const VERSION: i64 = MIGRATIONS.len() as i64;

/// The log that a file holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Meta {
    /// Which log.
    pub log: LogId,
    /// When its file was made.
    pub created_at: UnixMicros,
}

/// Whose the file is and how old: `None` for one that holds nothing yet.
pub(crate) fn version(connection: &Connection, path: &Path) -> Result<Option<i64>, OpenError> {
    let ask = || {
        let id: i32 = connection.query_row("PRAGMA application_id", (), |row| row.get(0))?;
        let version: i64 = connection.query_row("PRAGMA user_version", (), |row| row.get(0))?;
        let sql = "SELECT count(*) FROM sqlite_schema";
        let tables: i64 = connection.query_row(sql, (), |row| row.get(0))?;
        Ok((id, version, tables))
    };
    match ask().map_err(|error| OpenError::sqlite(path, &error))? {
        (0, 0, 0) => Ok(None),
        (APPLICATION_ID, found, _) if found > VERSION => Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known: VERSION,
        }),
        (APPLICATION_ID, found, _) => Ok(Some(found)),
        (id, ..) => Err(OpenError::Foreign(path.to_owned(), id)),
    }
}

/// The tables are those of this version, and nothing was put beside them.
pub(crate) fn check(connection: &Connection, path: &Path, version: i64) -> Result<(), OpenError> {
    let done = usize::try_from(version).unwrap_or(0);
    let ours = MIGRATIONS.get(..done).unwrap_or(&MIGRATIONS);
    match guard::strange(connection, ours) {
        Ok(None) => Ok(()),
        Ok(Some(what)) => Err(OpenError::Strange(path.to_owned(), what)),
        Err(error) => Err(OpenError::sqlite(path, &error)),
    }
}

/// Makes the tables what they are today. A file that holds nothing becomes the log `new`.
pub(crate) fn migrate(
    connection: &mut Connection,
    from: Option<i64>,
    new: Meta,
) -> Result<(), rusqlite::Error> {
    let done = usize::try_from(from.unwrap_or(0)).unwrap_or(0);
    if from == Some(VERSION) {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for migration in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    if done == 0 {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        let created_at = i64::try_from(new.created_at.0).unwrap_or(i64::MAX);
        let sql = "INSERT OR IGNORE INTO meta(one, log, created_at) VALUES (1, ?, ?)";
        transaction.execute(sql, (&new.log.0, created_at))?;
    }
    transaction.commit()
}

/// The log that the file holds; `None` where its row is missing or ill-formed.
pub(crate) fn meta(connection: &Connection) -> Result<Option<Meta>, rusqlite::Error> {
    let row = connection.query_row("SELECT log, created_at FROM meta", (), |row| {
        Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?))
    });
    Ok(row.optional()?.and_then(|(log, created_at)| {
        Some(Meta {
            log: LogId(log.try_into().ok()?),
            created_at: UnixMicros(u64::try_from(created_at).ok()?),
        })
    }))
}

#[cfg(test)]
pub(crate) fn make_version(connection: &Connection, version: usize, log: LogId) {
    for migration in &MIGRATIONS[..version] {
        connection.execute_batch(migration).unwrap();
    }
    connection
        .pragma_update(None, "application_id", APPLICATION_ID)
        .unwrap();
    connection
        .pragma_update(None, "user_version", version as i64)
        .unwrap();
    let sql = "INSERT INTO meta(one, log, created_at) VALUES (1, ?, 1)";
    connection.execute(sql, [&log.0]).unwrap();
}
