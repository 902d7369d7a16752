//! What is missing is said: files that went away under a server, and entries that went away before
//! it started.

use std::fs;
use std::path::Path;
use std::time::Instant;

use lamparina_order::LogIndex;
use rusqlite::Connection;

use super::{Folder, opened, some, talk, try_open};
use crate::index::Search;
use crate::sqlite::{OpenError, Opened, accept_shorter};
use crate::traits::{AppendError, Journal, Reader};

/// After `harm` the next batch is not stored, nor is any other, and the words name the file.
#[track_caller]
fn stops(harm: impl FnOnce(&Path), names: &str) {
    let folder = Folder::new();
    let mut store = opened(&folder);
    let mut said = talk(&store);
    store.journal.append(&some(&mut said, 3), &[]).unwrap();
    let tip = store.journal.tip();
    // What follows the journal opens it when it has something to do.
    indexed(&folder, 3);
    harm(folder.path());
    let files = || {
        let files = fs::read_dir(folder.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.starts_with("lamparina.db"))
            .count()
    };
    let left = files();
    let refused = store.journal.append(&[said.say(1, "lost?")], &[]);
    let Err(AppendError::Removed(path)) = &refused else {
        panic!("{refused:?}");
    };
    assert!(path.ends_with(names), "{path:?}");
    assert!(refused.as_ref().unwrap_err().to_string().contains(names));
    assert_eq!(store.journal.append(&[], &[]), refused, "and for good");
    assert_eq!(store.journal.tip(), tip);
    // What stands there now is somebody else's: the end of this one does not touch it.
    let before = fs::read(folder.path().join("lamparina.db-wal")).ok();
    drop(store);
    assert_eq!(
        fs::read(folder.path().join("lamparina.db-wal")).ok(),
        before
    );
    assert_eq!(files(), left);
}

#[test]
fn a_file_removed_or_replaced_under_a_server_stops_it() {
    let file = |end: &'static str| format!("lamparina.db{end}");
    let remove = |end| move |folder: &Path| fs::remove_file(folder.join(file(end))).unwrap();
    stops(remove(""), "lamparina.db");
    stops(remove("-wal"), "lamparina.db-wal");
    stops(remove("-shm"), "lamparina.db-shm");
    let moved = |folder: &Path| {
        fs::rename(folder.join("lamparina.db"), folder.join("elsewhere.db")).unwrap();
    };
    stops(moved, "lamparina.db");
    let replaced = |end| {
        move |folder: &Path| {
            let path = folder.join(file(end));
            fs::copy(&path, folder.join("other")).unwrap();
            fs::rename(folder.join("other"), path).unwrap();
        }
    };
    stops(replaced(""), "lamparina.db");
    stops(replaced("-wal"), "lamparina.db-wal");
    stops(replaced("-shm"), "lamparina.db-shm");
    let folder_too = |folder: &Path| {
        for file in fs::read_dir(folder).unwrap() {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
    };
    stops(folder_too, "lamparina.db");
}

/// A store with nine entries and a derived file that knows all of them, closed.
fn nine() -> Folder {
    let folder = Folder::new();
    let mut store = opened(&folder);
    let mut said = talk(&store);
    store.journal.append(&some(&mut said, 5), &[]).unwrap();
    indexed(&folder, 5);
    let at = store.journal.tip().index;
    store.journal.keep_snapshot(at, said.state.to_bytes());
    folder
}

fn indexed(folder: &Folder, stamp: u64) {
    let began = Instant::now();
    let mut search = Search::new(folder.path());
    while !search
        .candidates("x", LogIndex(u64::MAX), 1)
        .is_ok_and(|found| found.upto.get() >= stamp)
    {
        assert!(began.elapsed().as_secs() < 30, "it stays behind");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

fn sql(folder: &Folder, file: &str, sql: &str) {
    let connection = Connection::open(folder.path().join(file)).unwrap();
    connection.execute_batch(sql).unwrap();
}

fn words(opened: Result<Opened, OpenError>) -> String {
    opened.unwrap_err().to_string()
}

#[test]
fn a_removed_end_is_refused_with_the_numbers_and_gone_on_from_when_asked() {
    let folder = nine();
    sql(
        &folder,
        "lamparina.db",
        "DELETE FROM entry WHERE log_index > 7",
    );
    for _ in 0..2 {
        let words = words(try_open(&folder));
        for part in [
            "ends at entry 7, stamp 3",
            "knows entries up to 9, stamp 5",
            "Restore a backup",
            "--accept-shorter-log",
        ] {
            assert!(words.contains(part), "{part}: {words}");
        }
    }
    let aside = accept_shorter(folder.path(), "before-X").unwrap().unwrap();
    assert!(aside.ends_with("lamparina-index.db.before-X") && aside.exists());
    let store = opened(&folder);
    assert_eq!((store.last_index, store.terms.len()), (LogIndex(8), 2));
    drop(store);
    // Nothing is missing any more: nothing is done.
    assert!(accept_shorter(folder.path(), "again").unwrap().is_none());
    opened(&folder);
}

#[test]
fn a_removed_journal_is_no_new_one() {
    let folder = nine();
    fs::remove_file(folder.path().join("lamparina.db")).unwrap();
    let words = words(try_open(&folder));
    assert!(words.contains("ends at entry 0, stamp 0"), "{words}");
    assert!(!folder.path().join("lamparina.db").exists());
    accept_shorter(folder.path(), "aside").unwrap().unwrap();
    assert_eq!(opened(&folder).last_index, LogIndex(1));
}

/// As after a kill: most of what was stored is not in the journal's file yet.
#[test]
fn a_journal_removed_from_beside_its_unmerged_part_is_no_new_one_and_loses_nothing() {
    let folder = Folder::new();
    let mut store = opened(&folder);
    let mut said = talk(&store);
    store.journal.append(&some(&mut said, 5), &[]).unwrap();
    let left = Folder::new();
    fs::create_dir_all(left.path()).unwrap();
    for file in ["lamparina.db", "lamparina.db-wal"] {
        fs::copy(folder.path().join(file), left.path().join(file)).unwrap();
    }
    let (file, away) = (left.path().join("lamparina.db"), left.path().join("away"));
    fs::rename(&file, &away).unwrap();
    // Missing, and made anew by somebody who wanted to help.
    for made in [false, true] {
        if made {
            fs::write(&file, "").unwrap();
        }
        let words = words(try_open(&left));
        assert!(words.contains("put the file back"), "{words}");
        let words = accept_shorter(left.path(), "aside")
            .unwrap_err()
            .to_string();
        assert!(words.contains("put the file back"), "{words}");
    }
    fs::rename(&away, &file).unwrap();
    assert_eq!(opened(&left).last_index.0, store.journal.tip().index.0 + 1);
}

#[test]
fn a_snapshot_alone_knows_of_a_removed_end() {
    let folder = nine();
    sql(
        &folder,
        "lamparina.db",
        "DELETE FROM entry WHERE log_index > 7",
    );
    sql(
        &folder,
        "lamparina-index.db",
        "DELETE FROM message; UPDATE meta SET log_index = 0, stamp = 0, chain = x''",
    );
    let words = words(try_open(&folder));
    assert!(words.contains("knows entries up to 9:"), "{words}");
    // A snapshot that was changed knows nothing.
    sql(
        &folder,
        "lamparina-index.db",
        "UPDATE snapshot SET digest = x'00'",
    );
    opened(&folder);
}

#[test]
fn the_last_row_before_a_snapshot_is_chained_again() {
    for (change, at) in [
        ("text = 'other' WHERE log_index = 9", 9),
        ("at = at + 1 WHERE log_index = 9", 9),
        ("chain = zeroblob(32) WHERE log_index = 8", 9),
    ] {
        let folder = nine();
        sql(
            &folder,
            "lamparina.db",
            &format!("UPDATE entry SET {change}"),
        );
        let error = try_open(&folder).unwrap_err();
        assert!(
            matches!(error, OpenError::Damaged(LogIndex(found), _) if found == at),
            "{change}: {error}"
        );
    }
    // With the row as it was, the snapshot is what the start is from.
    assert_eq!(opened(&nine()).replayed, 0);
}

#[test]
fn a_damaged_word_list_is_made_anew() {
    // At the start.
    let folder = nine();
    let harm = "UPDATE words_data SET block = zeroblob(length(block)) WHERE id > 10";
    sql(&folder, "lamparina-index.db", harm);
    let store = opened(&folder);
    let found = |store: &Opened| {
        let mut reader = store.readers.reader().unwrap();
        let all = |_: &_| true;
        reader.find("word4", lamparina_protocol::Lamport::ZERO, 9, 999, &all)
    };
    let wait = |store: &Opened| {
        let began = Instant::now();
        while !found(store).is_ok_and(|found| found.messages.len() == 1) {
            assert!(began.elapsed().as_secs() < 30, "it is not made anew");
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    };
    wait(&store);
    // And while a server runs: the search that finds it says so.
    sql(&folder, "lamparina-index.db", harm);
    wait(&store);
}
