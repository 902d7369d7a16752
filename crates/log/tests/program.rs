//! The program as people start it: what it prints, how it ends, and that it never writes.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "helpers of tests; the journals are shared with the tests of the library"
)]

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use lamparina_protocol::{Audience, MemberId, UnixMicros};
use lamparina_store::sqlite;
use lamparina_store::{Journal as _, Position};
use rusqlite::Connection;

#[path = "../src/testing/life.rs"]
mod life;

use life::{
    ANA, BEGIN, BOB, Folder, LOG, Life, chained, nick, story, wait_indexed, write_index,
    write_journal,
};

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lamparina-log"));
    command.args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn check(args: &[&str], code: i32, out: &[&str], err: &str) -> String {
    let output = run(args);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(
        output.status.code(),
        Some(code),
        "{args:?}: {stdout}{stderr}"
    );
    for part in out {
        assert!(
            stdout.contains(part),
            "{args:?}: {part:?} is not in {stdout}"
        );
    }
    assert!(stderr.contains(err), "{args:?}: {err:?} is not in {stderr}");
    stdout
}

fn store() -> Folder {
    let folder = Folder::new("program");
    let rows = chained(&story().records);
    drop(write_journal(&folder.0, &rows));
    write_index(&folder.0, &rows, 12);
    folder
}

fn path(folder: &Folder) -> String {
    folder.0.display().to_string()
}

/// Every file of a folder and what is in it, but for what SQLite shares between processes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap());
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    let named = named.filter(|(name, _)| !name.ends_with("-shm"));
    named
        .map(|(name, path)| (name, std::fs::read(path).unwrap()))
        .collect()
}

#[test]
fn every_task_has_help_with_examples() {
    for task in [
        &["--help"][..],
        &["verify", "--help"],
        &["why", "--help"],
        &["export", "--help"],
    ] {
        let out = check(task, 0, &["Examples:\n  lamparina-log "], "");
        assert!(out.lines().count() > 10, "{out}");
    }
    check(
        &["--help"],
        0,
        &["Exit codes:", "7 verification failed"],
        "",
    );
}

#[test]
fn a_wrong_command_line_is_usage() {
    check(&[], 2, &[], "Usage");
    check(&["verify"], 2, &[], "STORE");
    check(&["why", "x", "1"], 2, &[], "<B>");
    check(
        &["export", "x", "--since", "yesterday"],
        2,
        &[],
        "how long ago",
    );
    check(
        &["export", "x", "--json", "--html"],
        2,
        &[],
        "cannot be used",
    );
    check(&["export", "x", "--grep", "/(/"], 2, &[], "regex");
    check(
        &["verify", "--log", "x", "--captures", "y"],
        2,
        &[],
        "STORE",
    );
}

#[test]
fn what_cannot_be_read_is_said() {
    let folder = Folder::new("nothing");
    check(&["verify", &path(&folder)], 1, &[], "error: cannot read");
    let file = folder.0.join("x.db");
    std::fs::write(
        &file,
        "no database at all, and long enough for the header of one: ".repeat(9),
    )
    .unwrap();
    check(
        &["verify", file.to_str().unwrap()],
        1,
        &[],
        "not a database",
    );
    drop(
        Connection::open(folder.0.join("y.db"))
            .unwrap()
            .execute_batch("CREATE TABLE a(b)"),
    );
    let file = folder.0.join("y.db");
    check(
        &["verify", file.to_str().unwrap()],
        1,
        &[],
        "a database of another program",
    );
    check(
        &["verify", "--captures", "/nowhere"],
        1,
        &[],
        "cannot read /nowhere",
    );
    check(
        &["why", &path(&store()), "1", "2"],
        1,
        &[],
        "no message has stamp 1",
    );
    check(
        &["export", &path(&store()), "--from", "rui"],
        1,
        &[],
        "nobody was ever called rui",
    );
}

#[test]
fn verify_says_what_it_checked_and_names_what_is_wrong() {
    let folder = store();
    let store = path(&folder);
    check(
        &["verify", &store],
        0,
        &["good\n", "17 entries: 7 messages", "7 texts", "1 snapshots"],
        "",
    );
    let json = check(&["verify", &store, "--json"], 0, &[], "");
    assert!(
        json.starts_with(r#"{"v":1,"type":"verified","file""#) && json.lines().count() == 1,
        "{json}"
    );
    let copy = Folder::new("copy");
    drop(write_journal(&copy.0, &chained(&story().records[..15])));
    let words = "15 entries are the same, 2 more are in the first";
    check(&["verify", &store, &path(&copy)], 0, &[words], "");
    let connection = Connection::open(folder.0.join("lamparina.db")).unwrap();
    connection
        .execute_batch("UPDATE entry SET text = 'goodbye' WHERE log_index = 5")
        .unwrap();
    drop(connection);
    check(
        &["verify", &store, "--json"],
        7,
        &[r#"{"v":1,"type":"violation","name":"chain","what":"#],
        "",
    );
    check(
        &["verify", &store],
        7,
        &["violation (chain)", "entry 4", "entry 5", "goodbye"],
        "",
    );
    check(
        &["verify", &store, &path(&copy)],
        7,
        &["violation (copies-differ)", "first 4 entries"],
        "",
    );
}

#[test]
fn why_says_which_of_three_it_is() {
    let folder = store();
    let store = path(&folder);
    check(
        &["why", &store, "5", "3"],
        0,
        &["3 before 5: one author wrote both", "in the lab"],
        "",
    );
    let seen = ["2 before 5: because of cause", "hello, all", "in the lab"];
    check(&["why", &store, "2", "5"], 0, &seen, "");
    check(
        &["why", &store, "5", "6"],
        0,
        &["5 before 6: by arrival"],
        "",
    );
    let json = r#"{"v":1,"type":"why","earlier":5,"later":6,"reason":"concurrent","chain":[],"left_out":0}"#;
    check(&["why", &store, "6", "5", "--json"], 0, &[json], "");
    check(&["why", &store, "5", "5"], 1, &[], "two different stamps");
}

#[test]
fn export_writes_what_was_asked_for() {
    let folder = store();
    let store = path(&folder);
    let out = check(&["export", &store], 0, &[], "");
    assert!(
        out.starts_with("[2] ana: hello, all\n[3] bob -> ana: hello, ana\n"),
        "{out}"
    );
    let out = check(&["export", &store, "--last", "2"], 0, &[], "");
    assert_eq!(out, "[8] ana -> Evi: to Evi\n[9] ana: bye\n");
    let out = check(
        &["export", &store, "--last", "2", "--grep", "hello"],
        0,
        &[],
        "",
    );
    assert_eq!(
        out,
        "[3] bob -> ana: hello, ana\n[4] ana -> eva,bob: hello, both\n"
    );
    let out = check(&["export", &store, "--json", "--all"], 0, &[], "");
    assert_eq!(out.lines().count(), 17);
    let out = check(
        &[
            "export",
            &store,
            "--since",
            "2026-11-21T07:00",
            "--all",
            "--last",
            "9",
        ],
        0,
        &[],
        "",
    );
    assert!(
        out.starts_with("[6] Evi: ") && out.lines().count() == 4 + 1,
        "{out}"
    );
    check(
        &["export", &store, "--html"],
        0,
        &["<!doctype html>", "id=\"s9\"", "</html>\n"],
        "",
    );
    assert_eq!(check(&["export", &store, "--last", "0"], 0, &[], ""), "");
}

/// A journal with more than one page of rows.
fn long() -> Folder {
    let mut life = Life::default();
    life.began(1);
    life.enter(ANA, "ana");
    life.enter(2, "bob");
    for pseq in 1..=5_000 {
        life.say(
            ANA,
            pseq,
            0,
            Audience::Unicast(nick("bob")),
            "to bob, who reads",
        );
    }
    let folder = Folder::new("long");
    let connection = write_journal(&folder.0, &chained(&life.records));
    connection
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    folder
}

#[test]
fn there_is_no_hidden_limit_and_a_closed_pipe_is_no_fault() {
    let folder = long();
    let store = path(&folder);
    assert_eq!(
        check(&["export", &store], 0, &[], "").lines().count(),
        5_000
    );
    assert_eq!(
        check(&["export", &store, "--last", "3000"], 0, &[], "")
            .lines()
            .count(),
        3_000
    );
    check(&["verify", &store], 0, &["5000 messages"], "");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lamparina-log"));
    let command = command.args(["export", &store, "--html"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 10];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut first)
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stderr)),
        (Some(0), String::new())
    );
}

#[test]
fn nothing_is_written_after_a_crash_beside_a_server_or_where_nothing_may_be() {
    let folder = store();
    let database = folder.0.join("lamparina.db");
    // A server is running, and has not merged its log.
    let server = Connection::open(&database).unwrap();
    let sql = "PRAGMA wal_autocheckpoint = 0; INSERT INTO position VALUES (1, 9, 1)";
    server.execute_batch(sql).unwrap();
    let before = files(&folder.0);
    assert!(before["lamparina.db-wal"].len() > 100);
    check(&["verify", &path(&folder)], 0, &["positions 1 members"], "");
    check(&["export", &path(&folder)], 0, &["[9] ana: bye"], "");
    assert!(
        before == files(&folder.0),
        "something was written beside a server"
    );
    // It crashed: its files as they were, without the file that only lives with it.
    let crashed = Folder::new("crashed");
    for (name, bytes) in &before {
        std::fs::write(crashed.0.join(name), bytes).unwrap();
    }
    check(
        &["verify", &path(&crashed)],
        0,
        &["positions 1 members"],
        "",
    );
    assert!(
        before == files(&crashed.0),
        "something was written after a crash"
    );
    assert!(!crashed.0.join("lamparina.db-shm").exists());
    // Where nothing may be written (root may, so that this shows less there).
    let only_read =
        |mode| std::fs::set_permissions(&crashed.0, PermissionsExt::from_mode(mode)).unwrap();
    only_read(0o555);
    check(
        &["verify", &path(&crashed)],
        0,
        &["positions 1 members"],
        "",
    );
    only_read(0o755);
    // And after a crash that left that file too.
    std::fs::copy(
        folder.0.join("lamparina.db-shm"),
        crashed.0.join("lamparina.db-shm"),
    )
    .unwrap();
    check(
        &["verify", &path(&crashed)],
        0,
        &["positions 1 members"],
        "",
    );
    assert!(
        before == files(&crashed.0),
        "something was written after a crash"
    );
}

/// Goes on with a store as a server does: a new term, then what `live` says, then a snapshot.
fn serve(folder: &Path, live: impl FnOnce(&mut Life)) -> sqlite::Opened {
    let now = UnixMicros(BEGIN);
    let mut opened = sqlite::open(folder, now, LOG, Box::new(|words| panic!("{words}"))).unwrap();
    let mut life = Life {
        order: std::mem::take(&mut opened.state),
        before: opened.last.index.0,
        ..Life::default()
    };
    live(&mut life);
    let position = Position {
        member: MemberId(1),
        consumed: life.order.last_stamp(),
        at: now,
    };
    opened.journal.append(&life.records, &[position]).unwrap();
    let last = life.records.last().unwrap().index;
    opened.journal.keep_snapshot(last, life.order.to_bytes());
    opened.state = life.order;
    opened
}

#[test]
fn a_store_that_servers_made_is_found_good_while_one_runs_and_after() {
    let folder = Folder::new("served");
    let first = serve(&folder.0, |life| {
        life.enter(ANA, "ana");
        life.enter(BOB, "bob");
        life.say(ANA, 1, 0, Audience::All, "in the first term");
    });
    let store = path(&folder);
    check(
        &["verify", &store],
        0,
        &["4 entries: 1 messages", "term 17"],
        "",
    );
    wait_indexed(&folder.0, first.state.last_stamp());
    drop(first);
    check(
        &["verify", &store],
        0,
        &["positions 1 members", "1 texts", "1 snapshots"],
        "",
    );
    let second = serve(&folder.0, |life| {
        life.enter(BOB, "bob");
        life.enter(ANA, "ana");
        life.say(BOB, 1, 2, Audience::All, "in the second term");
        life.say(ANA, 2, 0, Audience::All, "without having seen it");
    });
    check(
        &["verify", &store],
        0,
        &["7 entries: 3 messages", "term 17"],
        "",
    );
    check(
        &["why", &store, "2", "4"],
        0,
        &["2 before 4: because of cause"],
        "",
    );
    let backup = folder.0.join("friday.db");
    lamparina_store::backup::backup(&folder.0, &backup, false).unwrap();
    let words = "both copies are the same: 7 entries";
    check(
        &["verify", &store, backup.to_str().unwrap()],
        0,
        &[words],
        "",
    );
    wait_indexed(&folder.0, second.state.last_stamp());
    drop(second);
    // A copy beside its journal is not held against that one's search file.
    drop(serve(&folder.0, |life| life.enter(ANA, "ana-maria")));
    check(
        &["verify", &store, backup.to_str().unwrap()],
        0,
        &["2 more are in the first"],
        "",
    );
    check(&["verify", &store], 0, &["3 texts", "2 snapshots"], "");
}

/// Text that would move a cursor, begin a line, turn directions round, hide words, end a tag.
const HOSTILE: &str = "a\u{1b}[2J\u{1b}]0;t\u{7}\r\u{9b}31m\u{202e}b\u{2066}\u{200b}\u{e0041}\n[9] eva: no\
                       \u{2028}<script>\u{e000}\u{fe0f}Z\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}";

/// Whether a terminal may be given this.
#[track_caller]
fn assert_harmless(what: &str, shown: &str) {
    let bad = shown
        .chars()
        .find(|&c| c != '\n' && lamparina_protocol::clean::is_harmful(c));
    assert_eq!(bad, None, "{what}: {shown:?}");
    assert!(!shown.contains(&"\u{301}".repeat(9)), "{what}: {shown:?}");
}

#[test]
fn nothing_that_was_written_to_harm_is_printed_as_it_was() {
    let mut life = Life::default();
    life.began(1);
    life.enter(ANA, "ana");
    // A name from before names were held to one script, with marks upon marks.
    life.enter(BOB, &format!("b{}", "\u{489}".repeat(4)));
    life.say(ANA, 1, 0, Audience::All, HOSTILE);
    life.say(BOB, 1, 1, Audience::All, HOSTILE);
    let rows = chained(&life.records);
    let folder = Folder::new("hostile");
    drop(write_journal(&folder.0, &rows));
    write_index(&folder.0, &rows, rows.len() as u64);
    let path = path(&folder);
    for args in [
        &["export", &path][..],
        &["export", &path, "--all"],
        &["export", &path, "--html"],
        &["export", &path, "--json"],
        &["verify", &path],
        &["verify", &path, "--json"],
        &["why", &path, "1", "2"],
        &["why", &path, "1", "2", "--json"],
        &["export", HOSTILE],
        &["verify", &path, "--log", HOSTILE],
    ] {
        let output = run(args);
        let what = args.join(" ");
        assert_harmless(
            &what,
            &text(&output.stdout).replace(&"\u{301}".repeat(9), ""),
        );
        assert_harmless(&what, &text(&output.stderr));
    }
    // As text nothing begins a line but an entry; as JSON the text is there exactly.
    let exported = text(&run(&["export", &path]).stdout);
    assert!(
        exported
            .lines()
            .all(|line| line.starts_with('[') || line.starts_with("    "))
    );
    assert_harmless("export", &exported);
    let json = text(&run(&["export", &path, "--json"]).stdout);
    for line in json.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["text"], HOSTILE);
    }
    let page = text(&run(&["export", &path, "--html"]).stdout);
    assert!(
        !page.contains("<script>") && page.contains("&lt;script&gt;"),
        "{page}"
    );
}
