//! A journal of a few rows, and the file that follows it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lamparina_order::LogIndex;
use lamparina_protocol::LogId;
use rusqlite::{Connection, params};

use super::behind::Tell;
use super::*;

const LOG: LogId = LogId([7; 16]);

struct Journal {
    folder: PathBuf,
    connection: Connection,
}

impl Journal {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("lamparina-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let connection = Connection::open(folder.join("lamparina.db")).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL;
                 CREATE TABLE entry(log_index INTEGER PRIMARY KEY, stamp INTEGER, text TEXT,
                     chain BLOB);",
            )
            .unwrap();
        Self { folder, connection }
    }

    fn say(&self, index: i64, text: &str) {
        let chain = [index as u8 ^ text.len() as u8; 32];
        let row = params![index, 10 * index, text, &chain[..]];
        let sql = "INSERT INTO entry VALUES (?, ?, ?, ?)";
        self.connection.execute(sql, row).unwrap();
    }

    fn behind(&self, last: u64, tell: Tell) -> Behind {
        let file = self.folder.join("lamparina.db");
        Behind::start(&file, LOG, LogIndex(last), tell).unwrap()
    }

    #[track_caller]
    fn wait(&self, upto: u64) -> Search {
        let began = Instant::now();
        loop {
            let mut search = Search::new(&self.folder);
            let found = search.candidates("x", LogIndex(u64::MAX), 1);
            if found.is_ok_and(|found| found.upto.get() == upto) {
                return search;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "it stays behind");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn quiet() -> Tell {
    Box::new(|_| {})
}

#[track_caller]
fn check(search: &mut Search, words: &str, before: u64, expected: &[u64]) {
    let found = search.candidates(words, LogIndex(before), 10).unwrap();
    let found: Vec<u64> = found.entries.iter().map(|index| index.0).collect();
    assert_eq!(found, expected, "{words}");
}

#[test]
fn words_are_found_behind_the_journal() {
    let journal = Journal::new("words");
    journal.say(1, "The engine room is flooded");
    let behind = journal.behind(1, quiet());
    journal.wait(10);
    journal.say(2, "engine: OK; Café \"open\"");
    journal.say(3, "nothing of it");
    behind.appended(LogIndex(3));
    let mut search = journal.wait(30);
    check(&mut search, "ENGINE", u64::MAX, &[2, 1]);
    check(&mut search, "engine", 2, &[1]);
    check(&mut search, "engine room", u64::MAX, &[1]);
    check(&mut search, "cafe \"open", u64::MAX, &[2]);
    check(&mut search, "engi", u64::MAX, &[2, 1]);
    check(&mut search, "AND NOT (", u64::MAX, &[]);
    check(&mut search, "  ", u64::MAX, &[]);
}

#[test]
fn a_file_of_other_entries_is_made_anew_and_said() {
    let journal = Journal::new("anew");
    journal.say(1, "one");
    journal.say(2, "two");
    drop({
        let behind = journal.behind(2, quiet());
        journal.wait(20);
        behind
    });
    // The journal lost its end, and went on otherwise.
    let cut = "DELETE FROM entry WHERE log_index = 2";
    journal.connection.execute(cut, []).unwrap();
    journal.say(2, "another two");
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let tell = told.clone();
    let behind = journal.behind(2, Box::new(move |words| tell.lock().unwrap().push(words)));
    let began = Instant::now();
    while told.lock().unwrap().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(30), "not said");
        std::thread::sleep(Duration::from_millis(2));
    }
    drop(behind);
    let behind = journal.behind(2, quiet());
    let mut search = journal.wait(20);
    check(&mut search, "two", u64::MAX, &[2]);
    check(&mut search, "another", u64::MAX, &[2]);
    drop(behind);
}

#[test]
fn a_damaged_file_is_made_anew() {
    let journal = Journal::new("damaged");
    journal.say(1, "one");
    std::fs::write(journal.folder.join(INDEX_FILE), b"no database at all").unwrap();
    let _behind = journal.behind(1, quiet());
    let mut search = journal.wait(10);
    check(&mut search, "one", u64::MAX, &[1]);
}

#[test]
fn a_file_damaged_inside_is_made_anew_and_said() {
    let journal = Journal::new("inside");
    for index in 1..500 {
        journal.say(index, "one");
    }
    drop({
        let behind = journal.behind(499, quiet());
        journal.wait(4990);
        behind
    });
    let file = journal.folder.join(INDEX_FILE);
    let mut bytes = std::fs::read(&file).unwrap();
    assert!(bytes.len() > 8 * 4096, "{}", bytes.len());
    // The tables' definitions stay readable: it is found out when words are added.
    bytes[2 * 4096..].fill(0xee);
    std::fs::write(&file, &bytes).unwrap();
    journal.say(500, "two");
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let tell = told.clone();
    let _behind = journal.behind(500, Box::new(move |words| tell.lock().unwrap().push(words)));
    let mut search = journal.wait(5000);
    check(&mut search, "two", u64::MAX, &[500]);
    check(&mut search, "one", 4, &[3, 2, 1]);
    let told = told.lock().unwrap().join("; ");
    assert!(told.contains("made anew"), "{told}");
}

#[test]
fn the_newest_snapshots_are_kept_and_a_changed_one_is_not_believed() {
    let journal = Journal::new("snapshots");
    let at = |index: u64| Snapshot {
        index: LogIndex(index),
        chain: Chain([index as u8; 32]),
        state: vec![index as u8; 100],
    };
    journal.say(1, "one");
    for index in 1..=3 {
        let behind = journal.behind(1, quiet());
        behind.keep_snapshot(at(index));
    }
    assert_eq!(snapshots(&journal.folder, LOG), [at(3), at(2)]);
    assert_eq!(snapshots(&journal.folder, LogId([8; 16])), []);
    let index = Connection::open(journal.folder.join(INDEX_FILE)).unwrap();
    let change = "UPDATE snapshot SET state = x'00' WHERE log_index = 3";
    index.execute(change, []).unwrap();
    assert_eq!(snapshots(&journal.folder, LOG), [at(2)]);
    assert_eq!(snapshots(Path::new("/nowhere"), LOG), []);
}

/// A disk without room gives such errors; a folder in the place of shared memory gives them too.
#[test]
fn what_cannot_be_opened_for_now_is_kept_and_gone_on_with() {
    let journal = Journal::new("for-now");
    journal.say(1, "one");
    let snapshot = Snapshot {
        index: LogIndex(1),
        chain: Chain([1; 32]),
        state: vec![1; 100],
    };
    drop({
        let behind = journal.behind(1, quiet());
        behind.keep_snapshot(snapshot.clone());
        journal.wait(10);
        behind
    });
    let obstacle = journal.folder.join(format!("{INDEX_FILE}-shm"));
    std::fs::create_dir(&obstacle).unwrap();
    journal.say(2, "two");
    let (tell, told) = std::sync::mpsc::channel();
    let tell = move |words| drop(tell.send(words));
    let _behind = journal.behind(2, Box::new(tell));
    let words = told.recv_timeout(Duration::from_secs(30)).unwrap();
    assert!(words.contains("stays behind until"), "{words}");
    std::fs::remove_dir(&obstacle).unwrap();
    let mut search = journal.wait(20);
    check(&mut search, "one", u64::MAX, &[1]);
    assert_eq!(snapshots(&journal.folder, LOG), [snapshot]);
    assert_eq!(told.try_recv().ok(), None, "it was not made anew");
}

#[test]
fn a_file_removed_while_it_is_followed_is_made_anew_and_found_by_who_searched_before() {
    let journal = Journal::new("removed");
    journal.say(1, "one");
    let behind = journal.behind(1, quiet());
    let mut search = journal.wait(10);
    check(&mut search, "one", u64::MAX, &[1]);
    for end in ["", "-wal", "-shm"] {
        std::fs::remove_file(journal.folder.join(format!("{INDEX_FILE}{end}"))).unwrap();
    }
    journal.say(2, "two");
    behind.appended(LogIndex(2));
    journal.wait(20);
    check(&mut search, "one", u64::MAX, &[1]);
    check(&mut search, "two", u64::MAX, &[2]);
}
