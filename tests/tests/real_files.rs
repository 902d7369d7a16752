//! Files that go away under a server, and ends that are gone when it starts: what it says, to whom,
//! and how it goes on.

use std::path::PathBuf;

use lamparina_tests::real::process::Process;
use lamparina_tests::real::server::command;
use lamparina_tests::real::{Folder, Server, wait_for};
use rusqlite::{Connection, OpenFlags};

fn data(folder: &Folder) -> PathBuf {
    folder.path().join("server/data/lamparina")
}

/// Runs the server to its end, on the data of one that ended; gives its code and its words.
#[track_caller]
fn run(folder: &Folder, args: &[&str]) -> (i32, String) {
    let mut process = Process::start("server again", command(folder, "127.0.0.1:0", args));
    let code = process.wait_code();
    (code, process.transcript().heard().to_string())
}

/// Waits until the search file knows of the message at this stamp.
fn wait_indexed(folder: &Folder, stamp: i64) {
    wait_for("the search file", || {
        let file = data(folder).join("lamparina-index.db");
        let index = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
        let upto = index.query_row("SELECT stamp FROM meta", [], |row| row.get::<_, i64>(0));
        upto.is_ok_and(|upto| upto >= stamp).then_some(())
    });
}

#[test]
fn a_server_whose_file_was_removed_ends_in_words_and_tells_of_nothing_that_is_not_there() {
    for name in ["lamparina.db", "lamparina.db-wal"] {
        let mut server = Server::start();
        let [ana, bob] = ["ana", "bob"].map(|nick| server.enter(nick));
        ana.say("kept");
        bob.wait_text("kept");
        std::fs::remove_file(data(server.folder()).join(name)).unwrap();
        ana.say("not kept");
        assert_eq!(server.process().wait_code(), 1);
        let words = server.process().transcript().heard().to_string();
        assert!(
            words.contains(&format!("{name} is not the file any more")),
            "{words}"
        );
        ana.wait_event("disconnected");
        assert_eq!(ana.events("committed").len(), 1, "{}", ana.words());
        assert_eq!(bob.transcript().heard().texts(), ["kept"]);
        let stopped = server.log().pop().unwrap();
        assert!(stopped.line.contains("a file was removed"), "{stopped:?}");
    }
}

#[test]
fn a_removed_end_is_refused_until_it_is_accepted_or_restored() {
    let mut server = Server::start();
    let [ana, bob] = ["ana", "bob"].map(|nick| server.enter(nick));
    let folder = server.folder();
    ana.say("one");
    bob.wait_text("one");
    let backup = folder.path().join("early.db");
    let backup = backup.to_str().unwrap();
    let (code, words) = run(folder, &["backup", backup]);
    assert_eq!(code, 0, "{words}");
    ana.say("two");
    bob.wait_text("two");
    wait_indexed(folder, 2);
    drop((ana, bob));
    assert_eq!(server.stop(), 0);
    let folder = server.folder();
    let journal = Connection::open(data(folder).join("lamparina.db")).unwrap();
    let cut = "DELETE FROM entry WHERE stamp = 2";
    assert_eq!(journal.execute(cut, []).unwrap(), 1);
    drop(journal);
    let (code, words) = run(folder, &[]);
    assert_eq!(code, 1, "{words}");
    for part in ["ends at entry", "stamp 1", "knows entries up to", "stamp 2"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    // A backup put in its place is what it says to be.
    let (code, words) = run(folder, &["restore", backup]);
    assert_eq!(code, 0, "{words}");
    let mut again = Process::start("restored", command(folder, "127.0.0.1:0", &[]));
    listening(&again);
    again.signal(lamparina_tests::real::process::Signal::TERM);
    assert_eq!(again.wait_code(), 0);
}

#[test]
fn a_shorter_log_is_gone_on_from_when_that_is_asked_for() {
    let mut server = Server::start();
    let ana = server.enter("ana");
    ana.say("one");
    ana.say("two");
    ana.wait_events("committed", 2);
    wait_indexed(server.folder(), 2);
    drop(ana);
    assert_eq!(server.stop(), 0);
    let folder = server.folder();
    let journal = data(folder).join("lamparina.db");
    std::fs::remove_file(&journal).unwrap();
    let (code, words) = run(folder, &[]);
    assert_eq!(code, 1, "{words}");
    assert!(words.contains("ends at entry 0, stamp 0"), "{words}");
    assert!(!journal.exists(), "no new log was begun");
    let args = ["--accept-shorter-log"];
    let mut again = Process::start("accepting", command(folder, "127.0.0.1:0", &args));
    listening(&again);
    let words = again.transcript().heard().to_string();
    assert!(words.contains("lamparina-index.db.before-"), "{words}");
    again.signal(lamparina_tests::real::process::Signal::TERM);
    assert_eq!(again.wait_code(), 0);
}

fn listening(process: &Process) {
    process.transcript().wait("`listening on`", |heard| {
        let mut lines = heard.out.iter();
        lines
            .any(|line| line.bytes.starts_with(b"listening on "))
            .then_some(())
    });
}

/// A program that holds the journal is told apart from a full disk, to the author too.
#[test]
fn a_held_journal_is_refused_in_its_own_words_and_gone_on_from() {
    let server = Server::start();
    let ana = server.enter("ana");
    let other = Connection::open(data(server.folder()).join("lamparina.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    ana.say("while it is held");
    let refused = ana.wait_event("error");
    assert_eq!(refused["code"], "storage-full");
    let words = refused["text"].as_str().unwrap();
    assert!(
        words.starts_with("another program holds the server's journal"),
        "{words}"
    );
    other.execute_batch("ROLLBACK").unwrap();
    wait_for("the journal", || {
        ana.say("after it");
        (!ana.events("committed").is_empty()).then_some(())
    });
}
