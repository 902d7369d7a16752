//! The file, opened again and again: what is in it then, and what is said when it cannot be used.

use std::fs;
use std::path::{Path, PathBuf};

use lamparina_protocol::{AuthorKey, Epoch, Lamport, LogId, Pseq, Term};

use super::database::{Database, StoreError};
use super::{DiskError, Keeper};
use crate::core::event::MessageName;
use crate::core::keep::{Change, Kept, Place, State};
use crate::core::testing::submit;

const AUTHOR: AuthorKey = AuthorKey([7; 32]);

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("lamparina-{}-disk-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("outbox.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(path: &Path, owner: i64) -> (Database, State) {
    Database::open(path, AUTHOR, Epoch(100), owner).unwrap()
}

fn name(epoch: u64, pseq: u64) -> MessageName {
    MessageName {
        epoch: Epoch(epoch),
        pseq: Pseq(pseq),
    }
}

fn kept(epoch: u64, pseq: u64, tried: bool) -> Kept {
    let mut submit = submit(&"é\n".repeat(pseq as usize), u64::MAX);
    (submit.epoch, submit.pseq) = (Epoch(epoch), Pseq(pseq));
    Kept {
        given: name(60, pseq + 4),
        submit,
        tried,
    }
}

fn place(shown: u64) -> Place {
    Place {
        log: LogId([3; 16]),
        term: Term(u32::MAX),
        shown: Lamport::new(shown),
    }
}

/// What a new file holds after these changes, read by whoever opens it next.
#[track_caller]
fn check(changes: &[Change], expected: &State) {
    let folder = Folder::new("changes");
    let (mut together, state) = open(&folder.file(), 1);
    assert_eq!(state, State::new(Epoch(100)));
    together.store(changes).unwrap();
    assert_eq!(&open(&folder.file(), 2).1, expected);
    drop(folder);
    let folder = Folder::new("one-by-one");
    let (mut apart, _) = open(&folder.file(), 1);
    for change in changes {
        apart.store(std::slice::from_ref(change)).unwrap();
    }
    drop(apart);
    assert_eq!(&open(&folder.file(), 2).1, expected);
}

#[test]
fn what_was_stored_is_there() {
    let said = |pseq, tried| Change::Said(kept(100, pseq, tried));
    let state = |epoch, last, place, messages| State {
        epoch: Epoch(epoch),
        last: Pseq(last),
        place,
        messages,
    };
    let nowhere = Place::default();
    check(
        &[said(1, false), said(2, true)],
        &state(
            100,
            2,
            nowhere,
            vec![kept(100, 1, false), kept(100, 2, true)],
        ),
    );
    check(
        &[
            said(1, false),
            said(2, false),
            Change::Settled(name(100, 1)),
            Change::Tried,
        ],
        &state(100, 2, nowhere, vec![kept(100, 2, true)]),
    );
    // An answer to an old name removes nothing of the new epoch.
    let whole = state(200, 1, place(u64::MAX), vec![kept(200, 1, false)]);
    check(
        &[
            said(1, false),
            said(2, false),
            Change::Whole(whole.clone()),
            Change::Settled(name(100, 1)),
        ],
        &whole,
    );
    check(
        &[Change::Place(place(5)), Change::Place(place(9))],
        &state(100, 0, place(9), vec![]),
    );
}

#[test]
fn whoever_opened_it_last_has_it() {
    let folder = Folder::new("owner");
    let (mut old, _) = open(&folder.file(), 1);
    old.store(&[Change::Said(kept(100, 1, true))]).unwrap();
    let (mut new, state) = open(&folder.file(), 2);
    assert_eq!(state.messages.len(), 1);
    assert!(!old.is_ours().unwrap());
    for change in [
        Change::Said(kept(100, 2, true)),
        Change::Settled(name(100, 1)),
    ] {
        assert!(matches!(old.store(&[change]), Err(StoreError::Taken)));
    }
    assert!(new.is_ours().unwrap());
    new.store(&[Change::Said(kept(100, 2, false))]).unwrap();
    assert_eq!(open(&folder.file(), 3).1.messages.len(), 2);
}

#[test]
fn a_file_that_cannot_be_used_stays_as_it_is_and_says_what_to_do() {
    let folder = Folder::new("damaged");
    let path = folder.file();
    let open = |author| Database::open(&path, author, Epoch(1), 1).map(drop);
    open(AUTHOR).unwrap();
    let error = open(AuthorKey([8; 32])).unwrap_err();
    assert!(matches!(error, DiskError::OtherAuthor { .. }), "{error:?}");

    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = open(AUTHOR).unwrap_err();
    assert!(matches!(error, DiskError::Locked { .. }), "{error:?}");
    other.execute_batch("ROLLBACK").unwrap();

    other
        .execute_batch("INSERT INTO message VALUES (1, 1, 1, 0, x'00')")
        .unwrap();
    let error = open(AUTHOR).unwrap_err();
    assert!(
        error.to_string().contains("message 1 cannot be read"),
        "{error}"
    );
    other
        .execute_batch("DELETE FROM message; PRAGMA user_version = 9")
        .unwrap();
    let error = open(AUTHOR).unwrap_err();
    assert!(
        matches!(error, DiskError::Newer { found: 9, .. }),
        "{error:?}"
    );
    drop(other);

    fs::remove_file(&path).unwrap();
    fs::write(&path, "no database at all, but a text").unwrap();
    let error = open(AUTHOR).unwrap_err();
    assert!(matches!(error, DiskError::Damaged { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .contains(&format!("mv {}", path.display())),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), b"no database at all, but a text");

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let error = open(AUTHOR).unwrap_err();
    assert!(matches!(error, DiskError::Io { .. }), "{error:?}");
}

#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("mode");
    let (mut database, _) = open(&folder.file(), 1);
    database.store(&[Change::Tried]).unwrap();
    let files: Vec<_> = fs::read_dir(&folder.0)
        .unwrap()
        .map(|file| file.unwrap())
        .collect();
    assert!(files.len() >= 2, "the file and what SQLite has beside it");
    for file in files {
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", file.path());
    }
}

#[test]
fn a_full_disk_stores_nothing_of_a_batch_and_takes_the_next() {
    let folder = Folder::new("full");
    let (mut database, _) = open(&folder.file(), 1);
    database.limit_pages(12);
    let big = |pseq| {
        let mut kept = kept(100, pseq, false);
        kept.submit.text = "x".repeat(100_000);
        Change::Said(kept)
    };
    let small = || Change::Said(kept(100, 1, false));
    let error = database.store(&[small(), big(2)]).unwrap_err();
    assert!(
        matches!(&error, StoreError::Failed(why) if why.contains("full")),
        "{error:?}"
    );
    database.store(&[small()]).unwrap();
    assert_eq!(open(&folder.file(), 2).1.messages, [kept(100, 1, false)]);
}

#[tokio::test]
async fn after_a_failure_nothing_counts_but_the_whole() {
    let folder = Folder::new("thread");
    let open = || Keeper::open(&folder.file(), AUTHOR, Epoch(100), 1).unwrap();
    let (mut keeper, _) = open();
    keeper.store(1, Change::Said(kept(100, 1, false)));
    while keeper.news().await.stored < 1 {}
    // No epoch of this file: the row has a place that is taken.
    keeper.store(2, Change::Said(kept(100, 1, false)));
    let failed = |progress: super::Progress| progress.failed.map(|(ticket, _)| ticket);
    assert_eq!(failed(keeper.news().await), Some(2));
    keeper.store(3, Change::Said(kept(100, 3, false)));
    assert_eq!(failed(keeper.news().await), Some(3));
    keeper.check().await.unwrap();
    let state = State {
        last: Pseq(2),
        messages: vec![kept(100, 2, true)],
        ..State::new(Epoch(100))
    };
    keeper.store(4, Change::Whole(state.clone()));
    keeper.store(5, Change::Place(place(4)));
    keeper.finish().await;
    let (keeper, found) = open();
    let place = place(4);
    assert_eq!(found, State { place, ..state });
    keeper.finish().await;
}

#[tokio::test]
async fn who_has_lost_the_file_is_told_and_never_gets_its_check() {
    let folder = Folder::new("lost");
    let open = |owner| {
        Keeper::open(&folder.file(), AUTHOR, Epoch(100), owner)
            .unwrap()
            .0
    };
    let mut old = open(1);
    let new = open(2);
    assert!(old.check().await.is_err());
    assert!(old.news().await.taken);
    new.check().await.unwrap();
}
