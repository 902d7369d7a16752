//! The program before files that were made to harm, left half made, or cut short: it answers soon, in
//! words, with the code that fits, and leaves everything as it was.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "helpers of tests; the journals are shared with the tests of the library"
)]

use std::path::Path;
use std::process::{Command, Output};
use std::time::SystemTime;

use rusqlite::Connection;

#[path = "../src/testing/life.rs"]
mod life;

use life::{Folder, chained, story, write_index, write_journal};

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lamparina-log"));
    command.args(args).output().unwrap()
}

#[track_caller]
fn check(args: &[&str], code: i32, words: &[&str]) {
    let output = run(args);
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8(said).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    for part in words {
        assert!(said.contains(part), "{args:?}: {part:?} is not in {said}");
    }
}

/// A store whose server ended, with a search file and a snapshot.
fn store() -> Folder {
    let folder = Folder::new("harm");
    let rows = chained(&story().records);
    drop(write_journal(&folder.0, &rows));
    write_index(&folder.0, &rows, 12);
    folder
}

fn path(folder: &Folder) -> &str {
    folder.0.to_str().unwrap()
}

fn sql(folder: &Folder, file: &str, sql: &str) {
    let connection = Connection::open(folder.0.join(file)).unwrap();
    connection.execute_batch(sql).unwrap();
}

/// What can be seen of a folder: when it was changed, its names, sizes, and when those were changed.
fn seen(folder: &Path) -> Vec<(String, u64, SystemTime)> {
    let of = |name: String, path: &Path| {
        let found = std::fs::metadata(path).unwrap();
        (name, found.len(), found.modified().unwrap())
    };
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let mut all: Vec<_> = entries
        .map(|entry| of(entry.file_name().into_string().unwrap(), &entry.path()))
        .collect();
    all.push(of(".".to_owned(), folder));
    all.sort();
    all
}

#[test]
fn nothing_changes_not_even_the_time_of_the_folder() {
    let folder = store();
    let before = seen(&folder.0);
    check(&["verify", path(&folder)], 0, &["7 texts", "1 snapshots"]);
    check(&["export", path(&folder)], 0, &["bye"]);
    check(&["why", path(&folder), "2", "3"], 0, &[]);
    assert_eq!(before, seen(&folder.0), "after an orderly end");
    // A server runs, and has not merged its log.
    let server = Connection::open(folder.0.join("lamparina.db")).unwrap();
    let change = "PRAGMA wal_autocheckpoint = 0; INSERT INTO position VALUES (1, 9, 1)";
    server.execute_batch(change).unwrap();
    let before = seen(&folder.0);
    check(&["verify", path(&folder)], 0, &["positions 1 members"]);
    assert_eq!(before, seen(&folder.0), "beside a server");
    // It crashed.
    let crashed = Folder::new("crashed");
    for name in ["lamparina.db", "lamparina.db-wal", "lamparina-index.db"] {
        std::fs::copy(folder.0.join(name), crashed.0.join(name)).unwrap();
    }
    let before = seen(&crashed.0);
    check(&["verify", path(&crashed)], 0, &["positions 1 members"]);
    assert_eq!(before, seen(&crashed.0), "after a crash");
}

#[test]
fn a_pipe_is_never_waited_for() {
    for name in [
        "lamparina.db",
        "lamparina.db-wal",
        "lamparina.db-shm",
        "lamparina.db-journal",
    ] {
        let folder = store();
        let pipe = folder.0.join(name);
        let _ = std::fs::remove_file(&pipe);
        assert!(
            Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        for task in [&["verify"][..], &["export"]] {
            let args: Vec<&str> = task.iter().copied().chain([path(&folder)]).collect();
            check(&args, 1, &["is a pipe, where a file should be", name]);
        }
    }
    // In the place of the search file it is a remark: the journal is judged.
    let folder = store();
    let pipe = folder.0.join("lamparina-index.db");
    std::fs::remove_file(&pipe).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    check(
        &["verify", path(&folder)],
        0,
        &["good", "remark", "is a pipe"],
    );
}

#[test]
fn a_journal_with_other_tables_is_none() {
    for (change, words) in [
        (
            "ALTER TABLE entry RENAME TO e; CREATE VIEW entry AS SELECT * FROM e",
            "a view `entry` in the place of the table",
        ),
        (
            "CREATE TRIGGER t INSERT ON term BEGIN SELECT 1; END",
            "a trigger `t`",
        ),
    ] {
        let folder = store();
        sql(&folder, "lamparina.db", change);
        check(&["verify", path(&folder)], 1, &[words]);
        check(&["export", path(&folder)], 1, &[words]);
    }
}

#[test]
fn a_row_of_many_megabytes_is_named_and_not_read() {
    let folder = store();
    let change = "UPDATE entry SET text = CAST(zeroblob(300000000) AS TEXT) WHERE log_index = 10";
    sql(&folder, "lamparina.db", change);
    let words = "violation (row): row 10 has a value larger than any that a server stores";
    check(&["verify", path(&folder)], 7, &[words]);
    // What stands before it is judged first.
    let earlier = "UPDATE entry SET text = 'other' WHERE log_index = 5";
    sql(&folder, "lamparina.db", earlier);
    check(&["verify", path(&folder)], 7, &["violation (chain)"]);
}

#[test]
fn a_removed_end_shows_beside_the_search_file() {
    let folder = store();
    sql(
        &folder,
        "lamparina.db",
        "DELETE FROM entry WHERE log_index > 15",
    );
    let words = [
        "violation (removed-end): the journal ends at entry 15, stamp 8,",
        "knows entries up to 17, stamp 9",
        "restore a backup",
        "last      entry 15",
    ];
    check(&["verify", path(&folder)], 7, &words);
    check(
        &["verify", "--json", path(&folder)],
        7,
        &[r#""name":"removed-end""#],
    );
    // By a snapshot alone, too.
    sql(
        &folder,
        "lamparina.db",
        "DELETE FROM entry WHERE log_index > 11",
    );
    let forget = "DELETE FROM message WHERE log_index > 11;
        UPDATE meta SET log_index = 11, stamp = 5,
            chain = (SELECT chain FROM j.entry WHERE log_index = 11)";
    let attach = format!("ATTACH '{}/lamparina.db' AS j; {forget}", path(&folder));
    sql(&folder, "lamparina-index.db", &attach);
    check(&["verify", path(&folder)], 7, &["knows entries up to 12:"]);
}

/// What a crash leaves of a search file that was just being made, or of any: the journal is judged.
#[test]
fn a_half_made_search_file_is_a_remark() {
    let whole = std::fs::read(store().0.join("lamparina-index.db")).unwrap();
    let cuts = [0, 1, 100, 4096, 8192, whole.len() / 2, whole.len() - 1];
    for cut in cuts {
        let folder = store();
        let index = folder.0.join("lamparina-index.db");
        std::fs::write(&index, &whole[..cut]).unwrap();
        // A file cut in its middle may also contradict the journal: then that is said.
        let code = run(&["verify", path(&folder)]).status.code();
        assert!(
            code == Some(0) || (cut > 4096 && code == Some(7)),
            "{cut}: {code:?}"
        );
    }
    for made in [
        "DROP TABLE words; DROP TABLE message; DROP TABLE snapshot; DROP TABLE meta",
        "DELETE FROM meta",
        "DROP TABLE snapshot",
        "PRAGMA user_version = 9; CREATE TABLE more(x)",
    ] {
        let folder = store();
        sql(&folder, "lamparina-index.db", made);
        check(&["verify", path(&folder)], 0, &["good", "index     no"]);
    }
    let folder = store();
    std::fs::write(
        folder.0.join("lamparina-index.db"),
        "no database ".repeat(99),
    )
    .unwrap();
    let remark = "remark    the search file: ";
    check(
        &["verify", path(&folder)],
        0,
        &["good", "index     not compared", remark],
    );
    check(
        &["verify", "--json", path(&folder)],
        0,
        &["lamparina-index.db"],
    );
    // A log of it that a crash tore, without what it belongs to.
    let folder = store();
    std::fs::write(folder.0.join("lamparina-index.db-wal"), vec![7; 5000]).unwrap();
    check(&["verify", path(&folder)], 0, &["good"]);
}

/// One fault of each kind, as SQL on a good store, and the name of the first violation.
const FAULTS: [(&str, &str); 7] = [
    ("UPDATE entry SET text = 'x' WHERE log_index = 5", "chain"),
    ("DELETE FROM entry WHERE log_index = 7", "index"),
    (
        "UPDATE entry SET log_index = 99 WHERE log_index = 5;
         UPDATE entry SET log_index = 5 WHERE log_index = 6;
         UPDATE entry SET log_index = 6 WHERE log_index = 99",
        "clock-ahead",
    ),
    ("UPDATE entry SET stamp = 6 WHERE log_index = 10", "stamp"),
    (
        "UPDATE entry SET \"to\" = 'eva' WHERE log_index = 6",
        "recipients",
    ),
    (
        "INSERT INTO entry SELECT 18, kind, stamp + 1, at, member, \"from\", \"to\", detail, text,
             chain FROM entry WHERE log_index = 17",
        "pseq-repeated",
    ),
    ("UPDATE term SET after = 4 WHERE term = 2", "term-table"),
];

/// In a store whose server ended, beside one that runs, and after a crash with a log that is not
/// merged; by the folder's name and by the file's.
#[test]
fn a_fault_is_named_whatever_became_of_the_server() {
    for (fault, name) in FAULTS {
        let named = |folder: &Folder, state: &str| {
            let words = format!("violation ({name})");
            let file = folder.0.join("lamparina.db");
            for path in [path(folder), file.to_str().unwrap()] {
                println!("{name}, {state}");
                check(&["verify", path], 7, &[&words]);
            }
        };
        let folder = store();
        let server = Connection::open(folder.0.join("lamparina.db")).unwrap();
        let sql = format!("PRAGMA wal_autocheckpoint = 0; {fault}");
        server.execute_batch(&sql).unwrap();
        named(&folder, "beside a running server");
        let crashed = Folder::new("crashed");
        for file in ["lamparina.db", "lamparina.db-wal"] {
            std::fs::copy(folder.0.join(file), crashed.0.join(file)).unwrap();
        }
        named(&crashed, "after a crash");
        // The same beside a whole copy: where they part is said first.
        let whole = store();
        let differ = match name {
            "pseq-repeated" | "term-table" => format!("violation ({name})"),
            _ => "violation (copies-differ)".to_owned(),
        };
        check(&["verify", path(&whole), path(&crashed)], 7, &[&differ]);
        drop(server);
        named(&folder, "after an orderly end");
    }
}
