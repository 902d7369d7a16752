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
const HERE: &str = "127.0.0.1_5000";

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
    Database::open(path, HERE, AUTHOR, Epoch(100), owner).unwrap()
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
        highest: Lamport::new(shown),
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
        elsewhere: Vec::new(),
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
    let open = |author| Database::open(&path, HERE, author, Epoch(1), 1).map(drop);
    open(AUTHOR).unwrap();
    let error = open(AuthorKey([8; 32])).unwrap_err();
    assert!(matches!(error, DiskError::OtherAuthor { .. }), "{error:?}");

    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = open(AUTHOR).unwrap_err();
    assert!(matches!(error, DiskError::Locked { .. }), "{error:?}");
    other.execute_batch("ROLLBACK").unwrap();

    other
        .execute_batch("INSERT INTO message VALUES (1, 1, 1, 1, 0, x'00')")
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
    database.limit_pages(18);
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
    let open = || Keeper::open(&folder.file(), HERE, AUTHOR, Epoch(100), 1).unwrap();
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
        Keeper::open(&folder.file(), HERE, AUTHOR, Epoch(100), owner)
            .unwrap()
            .0
    };
    let mut old = open(1);
    let new = open(2);
    assert!(old.check().await.is_err());
    assert!(old.news().await.taken);
    new.check().await.unwrap();
}

/// Messages by text, and those that wait elsewhere.
fn texts(state: &State) -> (Vec<usize>, Vec<usize>) {
    let length = |kept: &Kept| kept.submit.text.len();
    let here = state.messages.iter().map(length).collect();
    let there = state
        .elsewhere
        .iter()
        .map(|one| length(&one.kept))
        .collect();
    (here, there)
}

const LOG: LogId = LogId([3; 16]);
const OTHER: LogId = LogId([4; 16]);

fn open_at(path: &Path, address: &str, epoch: u64) -> (Database, State) {
    Database::open(path, address, AUTHOR, Epoch(epoch), epoch as i64).unwrap()
}

#[test]
fn an_outbox_belongs_to_its_log_whatever_the_address() {
    let folder = Folder::new("moved");
    let path = folder.file();
    let (mut first, _) = open_at(&path, HERE, 100);
    let state = first.switch(LOG, Epoch(101)).unwrap();
    assert_eq!(
        (state.epoch, state.place.log),
        (Epoch(100), LOG),
        "the same outbox, named"
    );
    let changes = [
        Change::Said(kept(100, 1, true)),
        Change::Said(kept(100, 2, false)),
        Change::Place(place(9)),
    ];
    first.store(&changes).unwrap();
    // Another address; only its welcome says that it is the same log.
    let (mut second, state) = open_at(&path, "localhost_5000", 200);
    assert_eq!(state, State::new(Epoch(200)));
    second.store(&[Change::Said(kept(200, 1, false))]).unwrap();
    let state = second.switch(LOG, Epoch(201)).unwrap();
    assert_eq!(
        (state.epoch, state.last, state.place),
        (Epoch(100), Pseq(3), place(9))
    );
    assert_eq!(texts(&state), (vec![3, 6, 3], vec![]));
    let last = &state.messages[2];
    assert_eq!(
        (last.given, last.submit.pseq),
        (name(60, 5), Pseq(3)),
        "called as its author knows it"
    );
    // The client at the first address has lost it, and both addresses find it from now on.
    assert!(matches!(
        first.store(&[Change::Tried]),
        Err(StoreError::Taken)
    ));
    assert!(matches!(
        first.switch(OTHER, Epoch(300)),
        Err(StoreError::Taken)
    ));
    for address in [HERE, "localhost_5000"] {
        let (_, state) = open_at(&path, address, 400);
        assert_eq!(
            (state.epoch, texts(&state).0.len()),
            (Epoch(100), 3),
            "{address}"
        );
    }
}

#[test]
fn another_log_at_the_address_gets_nothing_of_the_first_ones() {
    let folder = Folder::new("other-log");
    let path = folder.file();
    let (mut database, _) = open_at(&path, HERE, 100);
    database.switch(LOG, Epoch(101)).unwrap();
    database
        .store(&[
            Change::Said(kept(100, 1, true)),
            Change::Said(kept(100, 2, false)),
        ])
        .unwrap();
    let state = database.switch(OTHER, Epoch(102)).unwrap();
    assert_eq!(
        (state.epoch, state.last, state.place.log),
        (Epoch(102), Pseq(0), OTHER)
    );
    assert_eq!(texts(&state), (vec![], vec![3, 6]), "kept, and told");
    database
        .store(&[Change::Said(kept(102, 1, false))])
        .unwrap();
    let again = open_at(&path, HERE, 500).1;
    assert_eq!(
        again,
        State {
            messages: vec![kept(102, 1, false)],
            last: Pseq(1),
            ..state
        }
    );
    // The first log is back: its outbox is as it was.
    let (mut database, _) = open_at(&path, HERE, 600);
    let back = database.switch(LOG, Epoch(601)).unwrap();
    assert_eq!((back.epoch, back.last), (Epoch(100), Pseq(2)));
    assert_eq!(texts(&back), (vec![3, 6], vec![3]));
    // Adopted in one step: never in both, never in none.
    let from = vec![(back.elsewhere[0].outbox, Pseq(1))];
    let adopted = Change::Adopted {
        from,
        kept: vec![kept(100, 3, false)],
    };
    database.store(&[adopted]).unwrap();
    assert_eq!(texts(&open_at(&path, HERE, 700).1), (vec![3, 6, 9], vec![]));
}

/// A file as version 1 wrote it.
fn old_file(folder: &Path, address: &str, epoch: i64, log: LogId, messages: &[Kept]) {
    fs::create_dir_all(folder).unwrap();
    let path = folder.join(format!("outbox-{address}.db"));
    let file = rusqlite::Connection::open(path).unwrap();
    file.execute_batch(
        "CREATE TABLE outbox (id INTEGER PRIMARY KEY, author BLOB, owner INTEGER, epoch INTEGER,
            last INTEGER, log BLOB, term INTEGER, shown INTEGER) STRICT;
         CREATE TABLE message (pseq INTEGER PRIMARY KEY, given_epoch INTEGER, given_pseq INTEGER,
            tried INTEGER, submit BLOB) STRICT;
         PRAGMA user_version = 1",
    )
    .unwrap();
    let insert = "INSERT INTO outbox VALUES (1, ?1, 7, ?2, ?3, ?4, 5, 9)";
    file.execute(
        insert,
        rusqlite::params![AUTHOR.0, epoch, messages.len() as i64, log.0],
    )
    .unwrap();
    for kept in messages {
        let submit = lamparina_protocol::codec::encode(&kept.submit).unwrap();
        let (pseq, given) = (kept.submit.pseq.0 as i64, kept.given);
        let values = rusqlite::params![
            pseq,
            given.epoch.0 as i64,
            given.pseq.0 as i64,
            kept.tried,
            &submit[..]
        ];
        file.execute("INSERT INTO message VALUES (?1, ?2, ?3, ?4, ?5)", values)
            .unwrap();
    }
}

#[test]
fn files_of_version_1_are_taken_in_once() {
    let folder = Folder::new("old");
    let path = folder.file();
    let messages = [kept(50, 1, true), kept(50, 2, false)];
    old_file(&folder.0, HERE, 50, LOG, &messages);
    // The same log under another address, with a newer epoch, which is the one its server knows.
    old_file(&folder.0, "localhost_5000", 60, LOG, &[kept(60, 1, true)]);
    old_file(&folder.0, "elsewhere_1", 70, OTHER, &[kept(70, 1, false)]);
    let state = open_at(&path, "localhost_5000", 100).1;
    assert_eq!(
        (state.epoch, state.place.shown),
        (Epoch(60), Lamport::new(9))
    );
    // What was never sent goes along; what may have its place already waits for its author.
    assert_eq!(texts(&state), (vec![3, 6], vec![3]));
    assert!(folder.0.join(format!("outbox-{HERE}.db.moved")).exists());
    // Put back, as after a crash before it was put away: it is not taken in twice.
    old_file(&folder.0, HERE, 50, LOG, &messages);
    let again = open_at(&path, "localhost_5000", 200).1;
    assert_eq!(texts(&again), (vec![3, 6], vec![3]));
    assert_eq!(
        texts(&open_at(&path, "elsewhere_1", 300).1),
        (vec![3], vec![])
    );
    // A damaged one stays, and is said where it is wanted.
    fs::write(
        folder.0.join("outbox-bad_1.db"),
        "no database at all, but a text",
    )
    .unwrap();
    open_at(&path, HERE, 400);
    let error = Database::open(&path, "bad_1", AUTHOR, Epoch(500), 1).unwrap_err();
    assert!(matches!(error, DiskError::Damaged { .. }), "{error:?}");
}
