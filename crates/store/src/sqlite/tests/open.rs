use std::fs;
use std::sync::{Arc, Mutex};

use lamparina_order::{LogIndex, Record, Recorded};
use lamparina_protocol::{Lamport, LogId, MemberId, Term, UnixMicros};
use rusqlite::{Connection, ffi};

use super::{Folder, LOG, opened, some, talk, try_open};
use crate::sqlite::schema::make_version;
use crate::sqlite::writer::Fault;
use crate::sqlite::{OpenError, ReadOnly, open};
use crate::testing::Talk;
use crate::traits::{AppendError, Journal, Position, Reader};

fn began(term: u32) -> impl Fn(&Record) -> bool {
    move |record| record.event == Recorded::Began { term: Term(term) }
}

#[test]
fn a_store_goes_on_where_it_ended() {
    let folder = Folder::new();
    let mut first = opened(&folder);
    assert_eq!(
        (first.log, first.term, first.last.index),
        (LOG, Term(1), LogIndex(1))
    );
    let mut said = talk(&first);
    let records = some(&mut said, 20);
    let position = Position {
        member: MemberId(1),
        consumed: Lamport::new(4),
        at: UnixMicros(6),
    };
    first.journal.append(&records, &[position]).unwrap();
    let tip = first.journal.tip();
    let all = first
        .readers
        .reader()
        .unwrap()
        .entries(LogIndex(0), 999, 9999)
        .unwrap();
    assert!(began(1)(&all[0]));
    assert_eq!(all[1..], records);
    drop(first);
    // Another name is asked for: this log keeps its own.
    let second = open(
        folder.path(),
        UnixMicros(78),
        LogId([6; 16]),
        Box::new(|_| {}),
    )
    .unwrap();
    assert_eq!((second.log, second.term), (LOG, Term(2)));
    assert_eq!(second.last.index.0, tip.index.0 + 1);
    assert_eq!(second.last.stamp, tip.stamp);
    assert_eq!(second.positions, [position]);
    let terms: Vec<_> = second
        .terms
        .iter()
        .map(|term| (term.term.0, term.after.get()))
        .collect();
    assert_eq!(terms, [(1, 0), (2, 20)]);
    assert_eq!(second.state.to_bytes(), said.state.to_bytes());
    assert_eq!(second.replayed, tip.index.0);
    assert_eq!(
        second.readers.reader().unwrap().terms().unwrap(),
        second.terms
    );
}

#[test]
fn one_server_for_each_store() {
    let folder = Folder::new();
    let first = opened(&folder);
    let words = try_open(&folder).unwrap_err().to_string();
    assert!(words.contains("another server uses the store"), "{words}");
    assert!(words.contains("--data"), "{words}");
    drop(first);
    opened(&folder);
}

#[cfg(unix)]
#[test]
fn files_are_their_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let mut first = opened(&folder);
    let records = some(&mut talk(&first), 1);
    first.journal.append(&records, &[]).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.path()), 0o700);
    for file in fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("lamparina.") {
            assert_eq!(mode(&path), 0o600, "{name}");
        }
    }
}

#[track_caller]
fn refused(make: impl FnOnce(&std::path::Path), expected: &str) {
    let folder = Folder::new();
    fs::create_dir_all(folder.path()).unwrap();
    let path = folder.path().join("lamparina.db");
    make(&path);
    let before = fs::read(&path).unwrap();
    let words = try_open(&folder).unwrap_err().to_string();
    assert!(words.contains(expected), "{words}");
    let words = ReadOnly::journal(folder.path()).unwrap_err().to_string();
    assert!(words.contains(expected), "{words}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn what_is_no_journal_is_refused_and_left_alone() {
    refused(
        |path| fs::write(path, "notes\n".repeat(999)).unwrap(),
        "not a database",
    );
    refused(
        |path| {
            let other = Connection::open(path).unwrap();
            other
                .execute_batch("PRAGMA application_id = 99; CREATE TABLE t(x)")
                .unwrap();
        },
        "another program (application id 0x00000063)",
    );
    refused(
        |path| {
            let newer = Connection::open(path).unwrap();
            make_version(&newer, 3, LOG);
            newer.pragma_update(None, "user_version", 4).unwrap();
        },
        "has version 4 of the journal's tables, and this program knows versions up to 3",
    );
}

#[test]
fn older_tables_become_todays() {
    let folder = Folder::new();
    let records = {
        let mut first = opened(&folder);
        let records = some(&mut talk(&first), 5);
        first.journal.append(&records, &[]).unwrap();
        records
    };
    {
        let older = Connection::open(folder.path().join("lamparina.db")).unwrap();
        older
            .execute_batch("DROP INDEX stays; PRAGMA user_version = 1")
            .unwrap();
    }
    let second = opened(&folder);
    let mut reader = second.readers.reader().unwrap();
    assert_eq!(reader.schema_version(), Ok(3));
    assert_eq!(reader.stays(MemberId(0)).unwrap().rooms.len(), 1);
    assert_eq!(
        reader.entries(LogIndex(1), records.len(), 9999).unwrap(),
        records
    );
    let empty = Folder::new();
    fs::create_dir_all(empty.path()).unwrap();
    make_version(
        &Connection::open(empty.path().join("lamparina.db")).unwrap(),
        1,
        LogId([8; 16]),
    );
    assert_eq!(opened(&empty).log, LogId([8; 16]));
}

#[test]
fn a_changed_row_is_named_at_the_start() {
    let folder = Folder::new();
    let mut first = opened(&folder);
    let records = some(&mut talk(&first), 5);
    first.journal.append(&records, &[]).unwrap();
    drop(first);
    let path = folder.path().join("lamparina.db");
    let sql = "UPDATE entry SET text = 'other' WHERE log_index = 6";
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    let error = try_open(&folder).unwrap_err();
    assert!(
        matches!(error, OpenError::Damaged(LogIndex(6), _)),
        "{error}"
    );
    assert!(
        error.to_string().contains("lamparina-log verify"),
        "{error}"
    );
}

#[test]
fn a_snapshot_that_belongs_makes_the_start_shorter() {
    let folder = Folder::new();
    let mut first = opened(&folder);
    let mut said = talk(&first);
    let records = some(&mut said, 30);
    first.journal.append(&records, &[]).unwrap();
    first
        .journal
        .keep_snapshot(said.index, said.state.to_bytes());
    let more = vec![said.say(1, "later"), said.say(2, "last")];
    first.journal.append(&more, &[]).unwrap();
    drop(first);
    let second = opened(&folder);
    assert_eq!(second.replayed, 2);
    assert_eq!(second.state.to_bytes(), said.state.to_bytes());
    drop(second);
    let index = Connection::open(folder.path().join("lamparina-index.db")).unwrap();
    index
        .execute_batch("UPDATE snapshot SET chain = zeroblob(32)")
        .unwrap();
    drop(index);
    let third = opened(&folder);
    assert_eq!(third.replayed, 1 + 3 + 30 + 2 + 1);
    drop(third);
    fs::write(folder.path().join("lamparina-index.db"), "damaged").unwrap();
    assert_eq!(opened(&folder).term, Term(4));
}

/// What a power cut leaves of a running store: the file, and the log up to some byte.
#[test]
fn a_log_cut_anywhere_gives_whole_batches() {
    let folder = Folder::new();
    let mut first = opened(&folder);
    let mut said = talk(&first);
    let mut ends = vec![first.last.index];
    for size in [3, 1, 5, 2] {
        let records = some(&mut said, size);
        first.journal.append(&records, &[]).unwrap();
        ends.push(said.index);
    }
    let (database, log) = (
        fs::read(folder.path().join("lamparina.db")).unwrap(),
        fs::read(folder.path().join("lamparina.db-wal")).unwrap(),
    );
    let mut seen = std::collections::BTreeSet::new();
    for cut in (0..=log.len()).step_by(1499).chain([log.len()]) {
        let left = Folder::new();
        fs::create_dir_all(left.path()).unwrap();
        fs::write(left.path().join("lamparina.db"), &database).unwrap();
        fs::write(left.path().join("lamparina.db-wal"), &log[..cut]).unwrap();
        let Ok(again) = try_open(&left) else {
            continue;
        };
        let kept = LogIndex(again.last.index.0 - 1);
        assert!(kept.0 == 0 || ends.contains(&kept), "{kept}");
        seen.insert(kept);
    }
    assert!(seen.contains(&said.index), "{seen:?}");
    assert!(seen.len() >= 4, "{seen:?}");
}

#[test]
fn a_full_disk_refuses_and_goes_on() {
    let folder = Folder::new();
    let mut store = opened(&folder);
    let mut said = talk(&store);
    store.journal.append(&some(&mut said, 3), &[]).unwrap();
    let tip = store.journal.tip();
    let pages = store.journal.limit_pages(0);
    store.journal.limit_pages(pages + 2);
    let mut refused = Talk::from(said.state.clone(), said.index);
    let many: Vec<Record> = (0..300).map(|_| refused.say(1, &"x".repeat(99))).collect();
    for _ in 0..3 {
        let error = store.journal.append(&many, &[]).unwrap_err();
        assert!(matches!(error, AppendError::Full(_)), "{error}");
        assert_eq!(store.journal.tip(), tip);
    }
    let reader = store.readers.reader().unwrap();
    assert_eq!(reader.tip().unwrap(), Some(tip));
    store.journal.append(&[said.say(1, "small")], &[]).unwrap();
    store.journal.limit_pages(u32::MAX);
    let many: Vec<Record> = (0..300).map(|_| said.say(1, &"x".repeat(99))).collect();
    store.journal.append(&many, &[]).unwrap();
    drop(store);
    assert_eq!(opened(&folder).state.to_bytes(), said.state.to_bytes());
}

#[track_caller]
fn fault(code: i32, full: bool) {
    let folder = Folder::new();
    let mut store = opened(&folder);
    let mut said = talk(&store);
    let records = some(&mut said, 3);
    let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
    let answer = store.journal.undo(Fault::Sqlite(error));
    assert_eq!(
        matches!(answer, AppendError::Full(_) | AppendError::Held(_)),
        full,
        "{code}: {answer}"
    );
    let next = store.journal.append(&records, &[]);
    assert_eq!(next.is_ok(), full, "{code}");
    if !full {
        assert_eq!(store.journal.append(&[], &[]), Err(answer), "{code}");
        assert_eq!(
            store.readers.reader().unwrap().tip().unwrap(),
            Some(store.last)
        );
        let left = fs::metadata(folder.path().join("lamparina.db-wal"))
            .unwrap()
            .len();
        let path = folder.path().join("lamparina.db-wal");
        drop(store);
        // Closing has not copied the log either.
        assert_eq!(fs::metadata(path).unwrap().len(), left);
    }
}

#[test]
fn only_a_full_disk_and_a_busy_file_are_gone_on_from() {
    fault(ffi::SQLITE_FULL, true);
    fault(ffi::SQLITE_IOERR_SHMSIZE, true);
    fault(ffi::SQLITE_IOERR_FSYNC, false);
    fault(ffi::SQLITE_IOERR_WRITE, false);
    fault(ffi::SQLITE_IOERR_DIR_FSYNC, false);
    fault(ffi::SQLITE_IOERR, false);
    fault(ffi::SQLITE_CORRUPT, false);
    fault(ffi::SQLITE_READONLY, false);
    fault(ffi::SQLITE_BUSY, true);
}

#[test]
fn words_are_found_behind_the_journal() {
    let folder = Folder::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let inside = Arc::clone(&told);
    let tell = Box::new(move |words| inside.lock().unwrap().push(words));
    let mut store = open(folder.path(), UnixMicros(1), LOG, tell).unwrap();
    let mut said = talk(&store);
    store.journal.append(&some(&mut said, 600), &[]).unwrap();
    let mut reader = store.readers.reader().unwrap();
    let mut find = |words: &str, before, count, odd: bool| {
        let see = |record: &Record| !odd || record.stamp.get() % 2 == 1;
        let found = reader
            .find(words, Lamport::new(before), count, 9999, &see)
            .unwrap();
        let stamps: Vec<u64> = found
            .messages
            .iter()
            .map(|record| record.stamp.get())
            .collect();
        (stamps, found.more, found.upto.get())
    };
    let began = std::time::Instant::now();
    while find("more", 0, 1, false).2 < 600 {
        assert!(began.elapsed().as_secs() < 30, "the index stays behind");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert_eq!(find("more", 0, 3, false), (vec![600, 599, 598], true, 600));
    assert_eq!(find("MORE", 598, 2, true), (vec![597, 595], true, 600));
    assert_eq!(find("more wórd7", 0, 9, false).0.len(), 9);
    assert_eq!(find("word7 more", 9, 9, false), (vec![8], false, 600));
    assert_eq!(find("nothing AND (", 0, 9, false), (vec![], false, 600));
    // Nobody may see these: all are looked at, none is shown.
    assert_eq!(find("word599", 0, 9, true), (vec![], false, 600));
    assert_eq!(told.lock().unwrap().len(), 0);
}

#[test]
fn the_log_stays_bounded() {
    let folder = Folder::new();
    let mut store = opened(&folder);
    let mut said = talk(&store);
    store.journal.append(&some(&mut said, 0), &[]).unwrap();
    let text = "x".repeat(64 << 10);
    let mut largest = 0;
    for _ in 0..60 {
        let records: Vec<Record> = (0..32).map(|_| said.say(1, &text)).collect();
        store.journal.append(&records, &[]).unwrap();
        let log = fs::metadata(folder.path().join("lamparina.db-wal"))
            .unwrap()
            .len();
        largest = largest.max(log);
    }
    // 120 MiB were written.
    assert!(largest < 96 << 20, "{largest}");
}

#[test]
fn another_program_that_writes_makes_a_refusal_and_no_end() {
    let folder = Folder::new();
    let mut store = opened(&folder);
    let other = Connection::open(store.journal.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let record = Record {
        index: LogIndex(store.journal.tip().index.0 + 1),
        at: UnixMicros(9),
        stamp: store.journal.tip().stamp,
        event: Recorded::Clock {
            clock: Lamport::new(1),
        },
    };
    let refused = store.journal.append(std::slice::from_ref(&record), &[]);
    assert!(matches!(refused, Err(AppendError::Held(_))), "{refused:?}");
    let words = refused.unwrap_err().to_string();
    assert!(
        words.contains("another program holds the journal"),
        "{words}"
    );
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(store.journal.append(&[record], &[]), Ok(()));
}
