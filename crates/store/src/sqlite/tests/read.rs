use lamparina_order::{LogIndex, Record, Recorded, RoomId};
use lamparina_protocol::{Lamport, MemberId, UnixMicros};

use super::{Folder, journal};
use crate::sqlite::{ReadOnly, SqliteReader};
use crate::stays::{Ban, Stay, Stays};
use crate::testing::{message, record};
use crate::traits::{Chain, Journal, Position, ReadError, Reader};

fn said(index: u64, stamp: u64, text: &str) -> Record {
    record(
        index,
        stamp,
        Recorded::Message(message(1, stamp, stamp, text)),
    )
}

fn clock(index: u64, stamp: u64) -> Record {
    let clock = Lamport::new(stamp + 3);
    record(index, stamp, Recorded::Clock { clock })
}

fn room(index: u64, stamp: u64, member: u32, joined: bool) -> Record {
    let (member, nick, name) = (
        MemberId(member),
        "ana".try_into().unwrap(),
        "lab".try_into().unwrap(),
    );
    let room = RoomId(4);
    let event = if joined {
        Recorded::RoomJoined {
            member,
            nick,
            room,
            name,
        }
    } else {
        Recorded::RoomLeft {
            member,
            nick,
            room,
            name,
        }
    };
    record(index, stamp, event)
}

/// Nine entries: stamps 0 0 2 2 5 6 6 6 9.
fn nine() -> Vec<Record> {
    vec![
        clock(1, 0),
        room(2, 0, 1, true),
        said(3, 2, "two"),
        room(4, 2, 1, false),
        said(5, 5, "five"),
        said(6, 6, "six"),
        room(7, 6, 1, true),
        room(8, 6, 2, true),
        said(9, 9, "nine"),
    ]
}

fn indices(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.index.0).collect()
}

#[test]
fn pages_upwards_and_downwards() {
    let folder = Folder::new();
    let mut journal = journal(&folder);
    journal.append(&nine(), &[]).unwrap();
    let mut reader = SqliteReader::open(folder.path()).unwrap();
    let mut up =
        |after, count, bytes| indices(&reader.entries(LogIndex(after), count, bytes).unwrap());
    assert_eq!(up(0, 100, 100), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(up(4, 2, 100), [5, 6]);
    assert_eq!(up(4, 100, 0), [5]);
    assert_eq!(up(2, 100, 4), [3, 4]);
    assert_eq!(up(9, 100, 100), []);
    assert_eq!(up(0, 0, 100), []);
    let mut down = |before, count, bytes| {
        indices(
            &reader
                .entries_before(LogIndex(before), count, bytes)
                .unwrap(),
        )
    };
    assert_eq!(down(u64::MAX, 3, 100), [9, 8, 7]);
    assert_eq!(down(5, 100, 100), [4, 3, 2, 1]);
    assert_eq!(down(10, 100, 0), [9]);
    assert_eq!(down(1, 100, 100), []);
    assert_eq!(reader.entries(LogIndex(0), 100, 100).unwrap(), nine());
}

#[test]
fn stamps_lead_to_entries() {
    let folder = Folder::new();
    let mut journal = journal(&folder);
    let mut reader = SqliteReader::open(folder.path()).unwrap();
    assert_eq!(reader.index_of(Lamport::new(5)), Ok(LogIndex(0)));
    journal.append(&nine(), &[]).unwrap();
    for (stamp, index) in [
        (0, 2),
        (1, 2),
        (2, 4),
        (4, 4),
        (5, 5),
        (6, 8),
        (8, 8),
        (9, 9),
        (99, 9),
    ] {
        assert_eq!(
            reader.index_of(Lamport::new(stamp)),
            Ok(LogIndex(index)),
            "{stamp}"
        );
    }
    for (stamp, index) in [
        (0, None),
        (1, None),
        (2, Some(3)),
        (6, Some(6)),
        (8, None),
        (9, Some(9)),
        (10, None),
    ] {
        let found = reader.message(Lamport::new(stamp)).unwrap();
        assert_eq!(
            found.as_ref().map(|(found, _)| found.index.0),
            index,
            "{stamp}"
        );
        if let Some((found, chain)) = found {
            assert_eq!(reader.stored_chain(found.index), Ok(Some(chain)));
        }
    }
}

#[test]
fn stays_and_positions() {
    let folder = Folder::new();
    let mut journal = journal(&folder);
    let position = |member, consumed| Position {
        member: MemberId(member),
        consumed: Lamport::new(consumed),
        at: UnixMicros(5),
    };
    journal
        .append(&nine(), &[position(1, 2), position(3, 5)])
        .unwrap();
    journal.append(&[], &[position(3, 6)]).unwrap();
    let mut reader = SqliteReader::open(folder.path()).unwrap();
    let stay = |from, to: Option<u64>| Stay {
        room: RoomId(4),
        from: LogIndex(from),
        to: to.map(LogIndex),
    };
    assert_eq!(
        reader.stays(MemberId(1)).unwrap().rooms,
        vec![stay(2, Some(4)), stay(7, None)]
    );
    assert_eq!(
        reader.stays(MemberId(2)).unwrap().rooms,
        vec![stay(8, None)]
    );
    assert_eq!(reader.stays(MemberId(3)), Ok(Stays::default()));
    let asked = [MemberId(3), MemberId(2), MemberId(1)];
    assert_eq!(
        reader.positions(&asked),
        Ok(vec![position(3, 6), position(1, 2)])
    );
    assert_eq!(
        reader.all_positions(),
        Ok(vec![position(1, 2), position(3, 6)])
    );
}

#[test]
fn every_call_sees_what_is_durable() {
    let folder = Folder::new();
    let mut journal = journal(&folder);
    let mut reader = SqliteReader::open(folder.path()).unwrap();
    let beside = ReadOnly::journal(folder.path())
        .unwrap()
        .into_reader()
        .unwrap();
    for n in 1..50 {
        journal.append(&[said(n, n, "x")], &[]).unwrap();
        assert_eq!(
            indices(&reader.entries(LogIndex(n - 1), 9, 9).unwrap()),
            [n]
        );
        assert_eq!(beside.tip().unwrap(), Some(journal.tip()));
    }
}

#[test]
fn the_chain_is_made_again() {
    let folder = Folder::new();
    let mut journal = journal(&folder);
    journal.append(&nine(), &[]).unwrap();
    let reader = SqliteReader::open(folder.path()).unwrap();
    let from = (LogIndex(0), Chain::genesis(reader.meta().unwrap().log));
    let mut seen = Vec::new();
    let all = |record, _| {
        seen.push(record);
        Ok(())
    };
    let tip = journal.tip();
    assert_eq!(
        reader.verify(from, LogIndex(u64::MAX), all),
        Ok((tip.index, tip.chain))
    );
    assert_eq!(seen, nine());
    let four = (
        LogIndex(4),
        reader.stored_chain(LogIndex(4)).unwrap().unwrap(),
    );
    let six = reader.verify(four, LogIndex(6), |_, _| Ok(())).unwrap();
    assert_eq!(six.0, LogIndex(6));
    assert_eq!(reader.stored_chain(LogIndex(6)), Ok(Some(six.1)));
    assert_eq!(reader.integrity(5), Ok(vec![]));
}

#[track_caller]
fn damaged(sql: &str, at: u64, words: &str) {
    let folder = Folder::new();
    let mut journal = journal(&folder);
    journal.append(&nine(), &[]).unwrap();
    let path = journal.path().to_owned();
    drop(journal);
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(sql)
        .unwrap();
    let reader = ReadOnly::journal(&path).unwrap().into_reader().unwrap();
    let from = (LogIndex(0), Chain::genesis(reader.meta().unwrap().log));
    match reader.verify(from, LogIndex(u64::MAX), |_, _| Ok(())) {
        Err(ReadError::Damaged(index, found)) => {
            assert_eq!(index, LogIndex(at));
            assert!(found.contains(words), "{found}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn changed_rows_are_named() {
    damaged(
        "UPDATE entry SET text = 'Two' WHERE log_index = 3",
        3,
        "chain breaks",
    );
    damaged(
        "UPDATE entry SET at = at + 1 WHERE log_index = 1",
        1,
        "chain breaks",
    );
    damaged(
        "UPDATE entry SET chain = x'00' WHERE log_index = 5",
        5,
        "32 bytes",
    );
    damaged("DELETE FROM entry WHERE log_index = 4", 4, "missing");
    damaged(
        "UPDATE entry SET text = NULL WHERE log_index = 3",
        3,
        "text",
    );
    damaged(
        "UPDATE entry SET kind = 99 WHERE log_index = 6",
        6,
        "kind 99",
    );
    damaged(
        "UPDATE entry SET log_index = 99 WHERE log_index = 3;
         UPDATE entry SET log_index = 3 WHERE log_index = 5;
         UPDATE entry SET log_index = 5 WHERE log_index = 99",
        3,
        "chain breaks",
    );
}

/// Copies what a crash would leave: file and log, not what the system kept for itself.
fn crash_copy(from: &Folder, shared: bool) -> Folder {
    let to = Folder::new();
    std::fs::create_dir_all(to.path()).unwrap();
    let ends: &[&str] = if shared {
        &["", "-wal", "-shm"]
    } else {
        &["", "-wal"]
    };
    for end in ends {
        let name = format!("lamparina.db{end}");
        std::fs::copy(from.path().join(&name), to.path().join(&name)).unwrap();
    }
    to
}

fn names(folder: &Folder) -> Vec<(String, u64, std::time::SystemTime)> {
    let files = std::fs::read_dir(folder.path())
        .unwrap()
        .map(Result::unwrap);
    let mut files: Vec<_> = files
        .map(|file| {
            let meta = file.metadata().unwrap();
            (
                file.file_name().into_string().unwrap(),
                meta.len(),
                meta.modified().unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

#[test]
fn reading_after_a_crash_writes_nothing() {
    for shared in [false, true] {
        let folder = Folder::new();
        let mut journal = journal(&folder);
        journal.append(&nine(), &[]).unwrap();
        let left = crash_copy(&folder, shared);
        let before = names(&left);
        {
            let mut found = ReadOnly::journal(left.path())
                .unwrap()
                .into_reader()
                .unwrap();
            assert_eq!(found.entries(LogIndex(0), 99, 99).unwrap(), nine());
        }
        assert_eq!(names(&left), before);
    }
}

#[test]
fn a_file_alone_is_read_where_nothing_can_be_written() {
    let folder = Folder::new();
    let mut journal = journal(&folder);
    journal.append(&nine(), &[]).unwrap();
    drop(journal);
    let before = names(&folder);
    let found = ReadOnly::journal(&folder.path().join("lamparina.db")).unwrap();
    let mut found = found.into_reader().unwrap();
    assert_eq!(found.entries(LogIndex(0), 99, 99).unwrap(), nine());
    drop(found);
    assert_eq!(names(&folder), before);
    assert_eq!(
        before
            .iter()
            .filter(|(name, ..)| name.ends_with("-wal"))
            .count(),
        0
    );
}

#[test]
fn a_batch_that_does_not_follow_is_refused_for_good() {
    let folder = Folder::new();
    let mut journal = journal(&folder);
    journal.append(&nine()[..2], &[]).unwrap();
    let fault = journal.append(&nine()[3..], &[]).unwrap_err().to_string();
    assert!(
        fault.contains("entry 4 at stamp 2 cannot follow entry 2"),
        "{fault}"
    );
    assert!(journal.append(&nine()[2..], &[]).is_err());
    let mut reader = SqliteReader::open(folder.path()).unwrap();
    assert_eq!(reader.entries(LogIndex(0), 99, 99).unwrap(), nine()[..2]);
}

#[test]
fn a_ban_ends_stays_and_is_one_until_it_ends() {
    let folder = Folder::new();
    let mut journal = journal(&folder);
    let (member, nick, by) = (
        MemberId(2),
        || "ana".try_into().unwrap(),
        || "op".to_owned(),
    );
    let banned = Recorded::Banned {
        member,
        nick: nick(),
        by: by(),
        reason: String::new(),
    };
    let unbanned = Recorded::Unbanned {
        member,
        nick: nick(),
        by: by(),
    };
    let records = [
        clock(1, 0),
        room(2, 0, 2, true),
        record(3, 0, banned.clone()),
        said(4, 2, "two"),
        record(5, 2, unbanned),
        said(6, 3, "three"),
        room(7, 3, 2, true),
        record(8, 3, banned),
    ];
    journal.append(&records, &[]).unwrap();
    let mut reader = SqliteReader::open(folder.path()).unwrap();
    let stays = reader.stays(member).unwrap();
    let ban = |from, to: Option<u64>| Ban {
        from: LogIndex(from),
        to: to.map(LogIndex),
    };
    assert_eq!(stays.bans, [ban(3, Some(5)), ban(8, None)]);
    assert_eq!(stays, Stays::of(member, &records));
    let receives = |record: &Record| {
        crate::Viewer {
            member,
            since: Lamport::ZERO,
            stays: stays.clone(),
        }
        .receives(record)
    };
    assert!(!receives(&records[3]) && receives(&records[5]));
    assert!(!stays.was_in(RoomId(4), LogIndex(4)) && !stays.was_in(RoomId(4), LogIndex(9)));
}
