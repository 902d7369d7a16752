//! Faults put into real files, each expected to be named: in the journal with the chain as it was and
//! with the chain made anew, in what stands beside the entries, and in the derived file.

use std::path::PathBuf;

use lamparina_order::{LogIndex, Record};
use lamparina_order::{Recorded, RecordedMessage, RoomId, To};
use lamparina_protocol::{Audience, AuthorKey, Epoch, Lamport, MemberId, Pseq, Term, UnixMicros};
use lamparina_store::Chain;
use rusqlite::Connection;

use super::*;
use crate::testing::{
    BEGIN, Folder, STEP, capture, chained, guarded, nick, room, story, write_index, write_journal,
};

type Rows = Vec<(Record, Chain)>;

fn judge(folder: &Folder) -> Result<Proof, String> {
    verify_with(folder, Against::default())
}

fn verify_with(folder: &Folder, against: Against<'_>) -> Result<Proof, String> {
    let source = Source::open(&folder.0).map_err(|stop| stop.to_string())?;
    verify(&source, against).map_err(name_of)
}

fn name_of(stop: Stop) -> String {
    match stop {
        Stop::Found(finding) => finding.name.to_owned(),
        other => other.to_string(),
    }
}

fn good() -> Rows {
    chained(&story().records)
}

fn folder_of(rows: &Rows) -> Folder {
    let folder = Folder::new("verify");
    drop(write_journal(&folder.0, rows));
    folder
}

/// Chains the rows anew, as a forger with the right program would.
fn anew(rows: &Rows) -> Rows {
    let records: Vec<_> = rows.iter().map(|(record, _)| record.clone()).collect();
    chained(&records)
}

/// The fault is named so, whether or not the chain is made anew.
#[track_caller]
fn check(edit: impl Fn(&mut Rows), expected: &str) {
    check_both(edit, expected, Some(expected));
}

/// Named so with the chain as it was, and so (`None`: not at all) with the chain made anew.
#[track_caller]
fn check_both(edit: impl Fn(&mut Rows), as_it_was: &str, made_anew: Option<&str>) {
    let mut rows = good();
    edit(&mut rows);
    assert_eq!(
        judge(&folder_of(&rows)).unwrap_err(),
        as_it_was,
        "the chain as it was"
    );
    let judged = judge(&folder_of(&anew(&rows)));
    assert_eq!(judged.err().as_deref(), made_anew, "the chain made anew");
}

fn said(rows: &mut Rows, index: usize) -> &mut RecordedMessage {
    match &mut rows[index - 1].0.event {
        Recorded::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

fn renumber(rows: &mut Rows) {
    for (place, (record, _)) in rows.iter_mut().enumerate() {
        record.index = LogIndex(place as u64 + 1);
    }
}

#[test]
fn a_good_store_is_found_good() {
    let rows = good();
    let folder = folder_of(&rows);
    write_index(&folder.0, &rows, 12);
    let proof = judge(&folder).unwrap();
    assert_eq!((proof.judgement.entries, proof.judgement.messages), (17, 7));
    assert_eq!(Some(proof.chain), rows.last().map(|(_, chain)| *chain));
    let index = proof.index.unwrap();
    assert_eq!((index.texts, index.snapshots, index.upto), (7, 1, 17));
    let words = proof.to_string();
    assert!(
        words.contains("good") && words.contains("17 entries: 7 messages"),
        "{words}"
    );
}

#[test]
fn rows_lost_moved_and_added() {
    check(|rows| drop(rows.remove(6)), "index");
    let closed = |rows: &mut Rows| {
        rows.remove(6);
        renumber(rows);
    };
    check(closed, "follows");
    let swapped = |rows: &mut Rows| {
        rows.swap(4, 5);
        renumber(rows);
    };
    check(swapped, "clock-ahead");
    let doubled = |rows: &mut Rows| {
        let row = rows[5].clone();
        rows.insert(6, row);
        renumber(rows);
    };
    check(doubled, "pseq-repeated");
    let inserted = |rows: &mut Rows| {
        let mut row = rows[4].clone();
        row.0.stamp = Lamport::new(3);
        rows.insert(5, row);
        let message = said(rows, 6);
        (message.pseq, message.clock, message.seen) = (Pseq(2), Lamport::new(1), Lamport::ZERO);
        renumber(rows);
    };
    // It stands well by itself: what followed does not, behind it.
    check_both(inserted, "chain", Some("stamp"));
    check(|rows| drop(rows.drain(..4)), "index");
}

#[test]
fn what_is_lost_at_the_end_shows_beside_a_copy_and_beside_captures() {
    let (rows, records) = (good(), story().records);
    let short = folder_of(&rows[..15].to_vec());
    assert!(judge(&short).is_ok());
    let (whole, short) = (folder_of(&rows), Source::open(&short.0).unwrap());
    let whole = Source::open(&whole.0).unwrap();
    let (common, more) = (15, 2);
    assert_eq!(
        compare(&short, &whole).unwrap(),
        Alike::FirstIsShorter { common, more }
    );
    assert_eq!(
        compare(&whole, &short).unwrap(),
        Alike::SecondIsShorter { common, more }
    );
    let folder = Folder::new("captures");
    let mut captures = Captures::default();
    let lines = capture(&records, 1, &"ab".repeat(16));
    captures.read(&folder.file("bob.json", &lines)).unwrap();
    let against = Against {
        captures: Some(&captures),
        log: None,
    };
    assert_eq!(verify(&whole, against).unwrap().compared, Some(6));
    assert_eq!(name_of(verify(&short, against).unwrap_err()), "lost-tail");
}

#[test]
fn stamps_and_clocks() {
    check(|rows| rows[9].0.stamp = Lamport::new(6), "stamp");
    check(|rows| rows[9].0.stamp = Lamport::new(4), "stamp");
    check(|rows| said(rows, 10).clock = Lamport::new(6), "clock-ahead");
    check(|rows| said(rows, 10).seen = Lamport::new(5), "seen-ahead");
    check(|rows| rows[10].0.stamp = Lamport::new(3), "follows");
}

#[test]
fn authors() {
    check(|rows| said(rows, 7).pseq = Pseq(1), "pseq-repeated");
    check(|rows| said(rows, 7).pseq = Pseq(3), "pseq-gap");
    check(|rows| said(rows, 7).epoch = Epoch(0), "epoch-order");
    check(|rows| said(rows, 10).member = MemberId(0), "nick-not-held");
    let forged = |rows: &mut Rows| {
        let message = said(rows, 10);
        (message.member, message.from, message.pseq) = (MemberId(0), nick("ana"), Pseq(2));
    };
    check(forged, "pseq-repeated");
    let taken = |rows: &mut Rows| match &mut rows[3].0.event {
        Recorded::Claimed { nick, .. } => *nick = "bob".try_into().unwrap(),
        other => panic!("{other:?}"),
    };
    check(taken, "nick-taken");
    let number = |rows: &mut Rows| match &mut rows[3].0.event {
        Recorded::Claimed { member, .. } => *member = MemberId(5),
        other => panic!("{other:?}"),
    };
    check(number, "member-number");
    // Another key for the same number is what only the chain knows.
    let key = |rows: &mut Rows| match &mut rows[3].0.event {
        Recorded::Claimed { author, .. } => *author = AuthorKey([9; 32]),
        other => panic!("{other:?}"),
    };
    check_both(key, "chain", None);
}

#[test]
fn audiences_and_rooms() {
    let numbers = |members: &[u32]| To::Members(members.iter().copied().map(MemberId).collect());
    check(|rows| said(rows, 6).to = numbers(&[2]), "recipients");
    check(|rows| said(rows, 7).to = numbers(&[1]), "recipients");
    check(
        |rows| said(rows, 6).audience = Audience::Unicast(nick("eva")),
        "recipients",
    );
    check(
        |rows| said(rows, 6).audience = Audience::Unicast(nick("Ana")),
        "audience-nick",
    );
    let outsider = |rows: &mut Rows| {
        let message = said(rows, 17);
        (message.audience, message.to) = (Audience::Room(room("lab")), To::Room(RoomId(0)));
        (message.member, message.from, message.pseq) = (MemberId(1), nick("bob"), Pseq(3));
    };
    check(outsider, "not-in-room");
    let other_room = |rows: &mut Rows| said(rows, 10).to = To::Room(RoomId(7));
    check(other_room, "room-number");
}

#[test]
fn what_only_the_chain_a_copy_or_a_capture_knows() {
    check_both(
        |rows| said(rows, 5).text = "goodbye".to_owned(),
        "chain",
        None,
    );
    check_both(|rows| rows[4].0.at = UnixMicros(7), "chain", None);
    check_both(|rows| said(rows, 5).sent_at = UnixMicros(7), "chain", None);
    let mut rows = good();
    said(&mut rows, 5).text = "goodbye".to_owned();
    let (forged, whole) = (folder_of(&anew(&rows)), folder_of(&good()));
    let (forged, whole) = (
        Source::open(&forged.0).unwrap(),
        Source::open(&whole.0).unwrap(),
    );
    let Err(Stop::Found(finding)) = compare(&whole, &forged) else {
        panic!("no difference");
    };
    assert_eq!(finding.name, "copies-differ");
    let words = finding.to_string();
    assert!(
        words.contains("first 4 entries")
            && words.contains("hello, all")
            && words.contains("goodbye"),
        "{words}"
    );
    let folder = Folder::new("captures");
    let mut captures = Captures::default();
    let lines = capture(&story().records, 1, &"ab".repeat(16));
    captures.read(&folder.file("bob.json", &lines)).unwrap();
    let against = Against {
        captures: Some(&captures),
        log: None,
    };
    assert_eq!(name_of(verify(&forged, against).unwrap_err()), "seen-text");
}

#[test]
fn a_violation_names_both_entries_and_says_whether_it_was_written_so() {
    let mut rows = good();
    said(&mut rows, 7).pseq = Pseq(3);
    let text = |rows: &Rows| {
        let folder = folder_of(rows);
        let source = Source::open(&folder.0).unwrap();
        verify(&source, Against::default()).unwrap_err().to_string()
    };
    let expected = "\
violation (pseq-gap): its place among its author's messages is 3, and 2 should come: something is missing
  against   entry 5, stamp 2: ana (member 0, message 1 of epoch 1) to ALL: \"hello, all\"
  here      entry 7, stamp 4: ana (member 0, message 3 of epoch 1) to eva,bob: \"hello, both\"
  chain     does not hold: it was changed after it was written";
    assert_eq!(text(&rows), expected);
    let expected = expected.replace(
        "does not hold: it was changed after it was written",
        "holds: it was written so, or somebody made the chain anew",
    );
    assert_eq!(text(&anew(&rows)), expected);
}

/// Runs SQL on a good store's journal, beside its index, and expects the fault.
#[track_caller]
fn check_sql(database: &str, sql: &str, expected: &str) {
    let rows = good();
    let folder = folder_of(&rows);
    write_index(&folder.0, &rows, 12);
    let connection = Connection::open(folder.0.join(database)).unwrap();
    connection.execute_batch(sql).unwrap();
    drop(connection);
    assert_eq!(judge(&folder).unwrap_err(), expected, "{sql}");
}

const JOURNAL: &str = "lamparina.db";
const INDEX: &str = "lamparina-index.db";

#[test]
fn columns_of_the_journal() {
    check_sql(
        JOURNAL,
        "UPDATE entry SET \"to\" = 'ALL' WHERE log_index = 6",
        "row",
    );
    check_sql(
        JOURNAL,
        "UPDATE entry SET \"to\" = 'eva' WHERE log_index = 6",
        "recipients",
    );
    check_sql(
        JOURNAL,
        "UPDATE entry SET \"from\" = 'eva' WHERE log_index = 6",
        "nick-not-held",
    );
    check_sql(
        JOURNAL,
        "UPDATE entry SET \"from\" = 'e v a' WHERE log_index = 6",
        "row",
    );
    check_sql(
        JOURNAL,
        "UPDATE entry SET detail = x'00' WHERE log_index = 6",
        "row",
    );
    check_sql(
        JOURNAL,
        "UPDATE entry SET kind = 99 WHERE log_index = 6",
        "row",
    );
    check_sql(
        JOURNAL,
        "UPDATE entry SET chain = x'00' WHERE log_index = 6",
        "chain",
    );
    check_sql(
        JOURNAL,
        "UPDATE entry SET log_index = -5 WHERE log_index = 1",
        "row",
    );
    check_sql(
        JOURNAL,
        "UPDATE meta SET log = x'cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd'",
        "index-log",
    );
}

#[test]
fn tables_beside_the_entries() {
    check_sql(
        JOURNAL,
        "INSERT INTO position VALUES (1, 10, 1)",
        "position",
    );
    check_sql(JOURNAL, "INSERT INTO position VALUES (9, 1, 1)", "position");
    check_sql(
        JOURNAL,
        "INSERT INTO position VALUES (1, -1, 1)",
        "position",
    );
    check_sql(
        JOURNAL,
        "UPDATE term SET after = 4 WHERE term = 2",
        "term-table",
    );
    check_sql(JOURNAL, "INSERT INTO term VALUES (3, 9, 1)", "term-table");
    check_sql(JOURNAL, "DELETE FROM term WHERE term = 1", "term-table");
    check_sql(
        JOURNAL,
        "UPDATE term SET at = 4 WHERE term = 2",
        "term-table",
    );
    check_sql(JOURNAL, "DELETE FROM term WHERE term = 2", "term-table");
    let rows = good();
    let folder = folder_of(&rows);
    let connection = Connection::open(folder.0.join(JOURNAL)).unwrap();
    connection
        .execute_batch("INSERT INTO position VALUES (1, 9, 1), (2, 0, 1)")
        .unwrap();
    assert_eq!(judge(&folder).unwrap().positions, 2);
}

#[test]
fn the_derived_file() {
    check_sql(
        INDEX,
        "UPDATE message SET text = 'hello, eva' WHERE log_index = 6",
        "index-text",
    );
    check_sql(
        INDEX,
        "UPDATE message SET stamp = 9 WHERE log_index = 6",
        "index-text",
    );
    check_sql(
        INDEX,
        "DELETE FROM message WHERE log_index = 6",
        "index-text",
    );
    check_sql(
        INDEX,
        "INSERT INTO message VALUES (8, 4, 'x')",
        "index-text",
    );
    check_sql(
        INDEX,
        "INSERT INTO words(rowid, text) VALUES (6, 'secret')",
        "index-words",
    );
    check_sql(
        INDEX,
        "INSERT INTO words(words, rowid, text) VALUES ('delete', 6, 'hello, ana')",
        "index-words",
    );
    check_sql(INDEX, "UPDATE meta SET chain = x'00'", "index-chain");
    check_sql(INDEX, "UPDATE meta SET log_index = 99", "removed-end");
    let state = "UPDATE snapshot SET state = CAST(replace(state, 'ana', 'eva') AS BLOB)";
    check_sql(INDEX, state, "snapshot");
    check_sql(INDEX, "UPDATE snapshot SET digest = x'00'", "snapshot");
    check_sql(INDEX, "UPDATE snapshot SET log_index = 11", "snapshot");
    check_sql(INDEX, "UPDATE snapshot SET log_index = 99", "snapshot");
}

/// A snapshot with a digest that holds, of a state that is another one.
#[test]
fn a_snapshot_that_lies_with_care() {
    let rows = good();
    let folder = folder_of(&rows);
    write_index(&folder.0, &rows, 12);
    let mut order = lamparina_order::Sequenced::default();
    rows.iter()
        .take(11)
        .for_each(|(record, _)| order.replay(record).unwrap());
    let snapshot = lamparina_store::index::Snapshot {
        index: LogIndex(12),
        chain: rows[11].1,
        state: order.to_bytes(),
    };
    let connection = Connection::open(folder.0.join(INDEX)).unwrap();
    let sql = "UPDATE snapshot SET state = ?, digest = ? WHERE log_index = 12";
    connection
        .execute(
            sql,
            rusqlite::params![snapshot.state, &snapshot.digest()[..]],
        )
        .unwrap();
    assert_eq!(judge(&folder).unwrap_err(), "snapshot");
}

#[test]
fn copies_of_two_logs_are_told_apart() {
    let (one, other) = (folder_of(&good()), folder_of(&good()));
    let (a, b) = (
        Source::open(&one.0).unwrap(),
        Source::open(&other.0).unwrap(),
    );
    assert_eq!(compare(&a, &b).unwrap(), Alike::Same { entries: 17 });
    let connection = Connection::open(other.0.join(JOURNAL)).unwrap();
    connection
        .execute_batch("UPDATE meta SET log = x'cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd'")
        .unwrap();
    let b = Source::open(&other.0).unwrap();
    assert_eq!(name_of(compare(&a, &b).unwrap_err()), "copies-log");
    assert_eq!(
        name_of(verify(&b, Against::default()).unwrap_err()),
        "chain"
    );
}

#[test]
fn captures_of_another_log_are_not_taken_for_this_one() {
    let folder = folder_of(&good());
    let mut captures = Captures::default();
    let lines = capture(&story().records, 1, &"cd".repeat(16));
    captures.read(&folder.file("bob.json", &lines)).unwrap();
    let against = Against {
        captures: Some(&captures),
        log: None,
    };
    assert_eq!(verify_with(&folder, against).unwrap_err(), "capture-log");
}

#[test]
fn a_server_log_is_held_against_the_journal() {
    let folder = folder_of(&good());
    let mut lines = crate::testing::server_log(&story().records);
    let file: PathBuf = folder.file("server.log", &lines);
    let against = Against {
        log: Some(&file),
        captures: None,
    };
    let proof = verify_with(&folder, against).unwrap();
    assert_eq!(proof.server.unwrap().agreed, 7);
    lines.push(lines[0].replace("stamp=2", "stamp=77"));
    folder.file("server.log", &lines);
    assert_eq!(verify_with(&folder, against).unwrap_err(), "log-stamp");
}

#[test]
fn a_term_that_comes_again_is_named() {
    let again = |rows: &mut Rows| rows[12].0.event = Recorded::Began { term: Term(1) };
    check(again, "term-table");
}

/// The same of a journal with invites and bans.
#[track_caller]
fn check_guarded(edit: impl Fn(&mut Rows), expected: &str) {
    let mut rows = chained(&guarded().records);
    edit(&mut rows);
    renumber(&mut rows);
    let folder = folder_of(&anew(&rows));
    assert_eq!(judge(&folder).err().as_deref(), Some(expected));
}

#[test]
fn invites_and_bans_are_judged() {
    let good = chained(&guarded().records);
    let proof = judge(&folder_of(&good)).unwrap();
    assert_eq!((proof.judgement.entries, proof.judgement.members), (12, 3));
    fn event(rows: &mut Rows, index: usize) -> &mut Recorded {
        &mut rows[index - 1].0.event
    }
    check_guarded(
        |rows| match event(rows, 3) {
            Recorded::InviteMade { uses, .. } => *uses = 1,
            other => panic!("{other:?}"),
        },
        "invite-used-up",
    );
    check_guarded(
        |rows| match event(rows, 3) {
            Recorded::InviteMade { expires_at, .. } => expires_at.0 = BEGIN + 4 * STEP,
            other => panic!("{other:?}"),
        },
        "invite-expired",
    );
    check_guarded(
        |rows| {
            if let Recorded::Redeemed { invite, .. } = event(rows, 6) {
                invite.0 = 1;
            }
            rows.swap(5, 6);
        },
        "invite-revoked",
    );
    check_guarded(|rows| drop(rows.remove(3)), "unknown-invite");
    check_guarded(|rows| drop(rows.remove(10)), "banned");
    check_guarded(|rows| rows.swap(10, 11), "banned");
    check_guarded(
        |rows| {
            let message = said(rows, 10);
            message.audience = Audience::Unicast(nick("bob"));
            message.to = To::Members([MemberId(1)].into());
        },
        "banned",
    );
    check_guarded(|rows| drop(rows.remove(7)), "not-banned");
    // With the chain as it was, any change shows.
    let mut rows = good;
    if let Recorded::Banned { reason, .. } = event(&mut rows, 8) {
        reason.push('!');
    }
    assert_eq!(judge(&folder_of(&rows)).unwrap_err(), "chain");
}
