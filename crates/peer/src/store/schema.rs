//! The tables. A file says whose it is (`application_id`) and how its tables look (`user_version`).

use std::path::Path;

use lamparina_protocol::AuthorKey;
use lamparina_store::sqlite::guard;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::error::StoreError;
use super::words;

/// "LamP" in ASCII.
const APPLICATION_ID: i32 = 0x4c61_6d50;
/// The version that this program writes, and the newest it reads.
const VERSION: i64 = 1;

const TABLES: &str = r#"
    CREATE TABLE messages(
        position INTEGER PRIMARY KEY,
        key BLOB NOT NULL UNIQUE,
        stamp INTEGER NOT NULL,
        author BLOB NOT NULL,
        incarnation INTEGER NOT NULL,
        n INTEGER NOT NULL,
        digest BLOB NOT NULL UNIQUE,
        name TEXT NOT NULL,
        namespace TEXT NOT NULL,
        addr TEXT,
        kind TEXT NOT NULL,
        "to" TEXT NOT NULL,
        room TEXT,
        text TEXT,
        sent_at INTEGER NOT NULL,
        received_at INTEGER NOT NULL,
        late INTEGER NOT NULL,
        own INTEGER NOT NULL,
        foreign_peer TEXT,
        foreign_id TEXT,
        foreign_addr TEXT,
        signed BLOB NOT NULL
    ) STRICT;
    CREATE INDEX foreign_ids ON messages(foreign_peer, foreign_id, key) WHERE foreign_id IS NOT NULL;
    CREATE INDEX stamps ON messages(stamp);
    CREATE VIRTUAL TABLE words USING fts5(text, content='messages', content_rowid='position',
        tokenize='unicode61 remove_diacritics 2');
    CREATE TABLE proofs(
        name BLOB PRIMARY KEY,
        first BLOB NOT NULL,
        second BLOB NOT NULL
    ) STRICT;
    CREATE TABLE peers(
        addr TEXT PRIMARY KEY,
        key BLOB,
        name TEXT,
        namespace TEXT,
        last_seen_at INTEGER
    ) STRICT;
    CREATE TABLE state(
        one INTEGER PRIMARY KEY CHECK(one = 1),
        author BLOB NOT NULL,
        incarnation INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        final BLOB
    ) STRICT;
"#;

/// Makes the tables where there are none, and looks whether they are ours.
pub(super) fn prepare(
    path: &Path,
    connection: &mut Connection,
    author: AuthorKey,
) -> Result<(), StoreError> {
    let words = |error: rusqlite::Error| words(path, &error);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(words)?;
    let asked = transaction.pragma_query_value(None, "user_version", |row| row.get(0));
    let found: i64 = asked.map_err(words)?;
    let asked = transaction.pragma_query_value(None, "application_id", |row| row.get(0));
    let application: i32 = asked.map_err(words)?;
    if found > VERSION && application == APPLICATION_ID {
        let path = path.to_owned();
        return Err(StoreError::Newer {
            path,
            found,
            known: VERSION,
        });
    }
    if found == 0 && application == 0 {
        transaction.execute_batch(TABLES).map_err(words)?;
        let set = |what: &str, value: i64| transaction.pragma_update(None, what, value);
        set("user_version", VERSION).map_err(words)?;
        set("application_id", i64::from(APPLICATION_ID)).map_err(words)?;
        let insert = "INSERT INTO state VALUES (1, ?1, 0, 0, NULL)";
        transaction.execute(insert, [author.0]).map_err(words)?;
        return transaction.commit().map_err(words);
    }
    if application != APPLICATION_ID {
        return Err(damaged(path, "it is another program's"));
    }
    if let Some(strange) = guard::strange(&transaction, &[TABLES]).map_err(words)? {
        return Err(damaged(path, format!("it holds {strange}")));
    }
    let select = "SELECT author FROM state";
    let owner: Option<[u8; 32]> = transaction
        .query_row(select, [], |row| row.get(0))
        .optional()
        .map_err(words)?;
    match owner {
        None => Err(damaged(path, "it does not say whose it is")),
        Some(owner) if owner != author.0 => Err(StoreError::OtherKey {
            path: path.to_owned(),
        }),
        Some(_) => Ok(()),
    }
}

pub(super) fn damaged(path: &Path, why: impl Into<String>) -> StoreError {
    StoreError::Damaged {
        path: path.to_owned(),
        why: why.into(),
    }
}
