//! Files made to harm: each is refused in words, by a start and by whoever only reads, and soon.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;

use super::{Folder, opened, some, talk, try_open};
use crate::sqlite::ReadOnly;
use crate::traits::Journal;

/// A closed store with some entries.
fn store() -> Folder {
    let folder = Folder::new();
    let mut store = opened(&folder);
    let records = some(&mut talk(&store), 5);
    store.journal.append(&records, &[]).unwrap();
    folder
}

fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

fn socket(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
}

fn folder(path: &Path) {
    fs::create_dir(path).unwrap();
}

fn circle(path: &Path) {
    symlink(path, path).unwrap();
}

fn device(path: &Path) {
    symlink("/dev/zero", path).unwrap();
}

#[track_caller]
fn in_the_place_of(name: &str, make: fn(&Path), expected: &str) {
    let folder = store();
    let path = folder.path().join(name);
    let _ = fs::remove_file(&path);
    make(&path);
    let words = try_open(&folder).unwrap_err().to_string();
    assert!(
        words.contains(expected) && words.contains(name),
        "start: {name}: {words}"
    );
    if name.starts_with("lamparina.db") {
        let words = ReadOnly::journal(folder.path()).unwrap_err().to_string();
        assert!(words.contains(expected), "reading: {name}: {words}");
    }
}

#[test]
fn what_is_no_file_is_never_opened() {
    let names = [
        "lamparina.db",
        "lamparina.db-wal",
        "lamparina.db-shm",
        "lamparina.db-journal",
        "lamparina-index.db",
        "lamparina-index.db-wal",
        "lamparina.lock",
    ];
    for name in names {
        in_the_place_of(name, pipe, "is a pipe, where a file should be");
    }
    in_the_place_of("lamparina.db-wal", socket, "is a socket");
    in_the_place_of("lamparina.db-wal", folder, "is a folder");
    in_the_place_of("lamparina.db", device, "is a device");
    in_the_place_of("lamparina.db", circle, "symbolic links");
    in_the_place_of("lamparina.db-shm", circle, "symbolic links");
}

/// With `sql` done to its journal a store is refused in these words.
#[track_caller]
fn refused(sql: &str, expected: &str) {
    let folder = store();
    let connection = Connection::open(folder.path().join("lamparina.db")).unwrap();
    connection.execute_batch(sql).unwrap();
    drop(connection);
    let words = try_open(&folder).unwrap_err().to_string();
    assert!(words.contains(expected), "start: {words}");
    let words = ReadOnly::journal(folder.path()).unwrap_err().to_string();
    assert!(words.contains(expected), "reading: {words}");
}

#[test]
fn tables_that_are_not_a_journals_are_refused() {
    refused(
        "ALTER TABLE entry RENAME TO real_entry;
         CREATE VIEW entry AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)
             SELECT x AS log_index, 1 AS kind FROM n;",
        "a view `entry` in the place of the table",
    );
    refused(
        "CREATE TRIGGER t AFTER INSERT ON entry BEGIN DELETE FROM position; END",
        "a trigger `t` that does not belong there",
    );
    refused(
        "CREATE TABLE notes(x)",
        "a table `notes` that does not belong there",
    );
    refused(
        "CREATE INDEX quick ON entry(stamp)",
        "an index `quick` that does not belong there",
    );
    refused("DROP TABLE position", "no table `position`");
    refused(
        "DROP TABLE position; CREATE TABLE position(member, consumed, at)",
        "a table `position` that was made otherwise",
    );
    refused(
        "DROP TABLE term; CREATE VIRTUAL TABLE term USING fts5(after, at)",
        "a table `term` that was made otherwise",
    );
    // What SQLite keeps for itself is no harm.
    let folder = store();
    let connection = Connection::open(folder.path().join("lamparina.db")).unwrap();
    connection.execute_batch("ANALYZE").unwrap();
    drop(connection);
    ReadOnly::journal(folder.path()).unwrap();
    opened(&folder);
}

#[test]
fn a_value_of_many_megabytes_is_refused_before_it_is_read() {
    for column in ["text", "detail", "chain"] {
        let folder = store();
        let connection = Connection::open(folder.path().join("lamparina.db")).unwrap();
        let value = match column {
            "text" => "replace(printf('%.*c', 3000000, 'x'), 'x', 'xx')",
            _ => "zeroblob(3000000)",
        };
        let sql = format!("UPDATE entry SET {column} = {value} WHERE log_index = 6");
        connection.execute_batch(&sql).unwrap();
        drop(connection);
        let _ = fs::remove_file(folder.path().join("lamparina-index.db"));
        let words = try_open(&folder).unwrap_err().to_string();
        assert!(
            words.contains("a value larger than any"),
            "{column}: {words}"
        );
    }
}

/// The derived file is never believed: one made to harm is thrown away.
#[test]
fn a_derived_file_made_to_harm_is_made_anew() {
    let folder = store();
    let index = folder.path().join("lamparina-index.db");
    let _ = fs::remove_file(&index);
    let connection = Connection::open(&index).unwrap();
    let sql = "CREATE VIEW meta AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)
        SELECT x AS log, x AS log_index, x AS stamp, x AS chain FROM n;
        CREATE VIEW snapshot AS SELECT * FROM meta; PRAGMA user_version = 1;";
    connection.execute_batch(sql).unwrap();
    drop(connection);
    let store = opened(&folder);
    let began = std::time::Instant::now();
    let mut search = crate::index::Search::new(folder.path());
    while !search
        .candidates("word4", lamparina_order::LogIndex(u64::MAX), 1)
        .is_ok_and(|found| found.entries.len() == 1)
    {
        assert!(began.elapsed().as_secs() < 30, "it is not made anew");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    drop(store);
}
