//! The log of one small journal is found good, and each fault is named.

use super::*;
use crate::testing::{Folder, server_log, story};

const LOG: &str = "abab";

fn judge(records: &[Record], files: &[Vec<String>]) -> Result<Totals, String> {
    let folder = Folder::new("log");
    for (place, lines) in files.iter().enumerate() {
        let name = match files.len() - 1 - place {
            0 => "server.log".to_owned(),
            number => format!("server.log.{number}"),
        };
        folder.file(&name, lines);
    }
    let name = |stop: Stop| match stop {
        Stop::Found(finding) => finding.name.to_owned(),
        other => other.to_string(),
    };
    let mut log = ServerLog::open(&folder.0.join("server.log"), LOG).map_err(name)?;
    let mut judge = Judge::default();
    for record in records {
        judge.admit(record).unwrap();
        log.entry(record).map_err(name)?;
    }
    log.end(&judge, records.last()).map_err(name)?;
    Ok(log.totals())
}

fn other(event: &str) -> String {
    format!("2026-11-20T18:42:01.123456Z event={event}")
}

#[track_caller]
fn good(edit: impl FnOnce(&mut Vec<String>), expected: Totals) {
    let records = story().records;
    let mut lines = server_log(&records);
    edit(&mut lines);
    assert_eq!(judge(&records, &[lines]), Ok(expected));
}

const AGREED: Totals = Totals {
    agreed: 7,
    dropped: 0,
    killed: 0,
    uncovered: 0,
    others: 0,
};

#[test]
fn a_log_that_agrees_is_found_good() {
    good(|_| {}, AGREED);
    let more = |lines: &mut Vec<String>| {
        lines.insert(0, other("started addr=127.0.0.1:5000 version=1 pid=7"));
        lines.insert(3, other("consumed by=bob upto=2 count=1"));
        lines.insert(5, other("stopped reason=asked"));
        lines.insert(6, other("started addr=127.0.0.1:5000 version=1 pid=8"));
        lines.push(other("consumed by=Evi upto=9 count=1"));
        lines.push(other("refused addr=127.0.0.1:1 code=x reason=\"a b\""));
    };
    good(more, AGREED);
    // Of a server before, with another log.
    let others = |lines: &mut Vec<String>| {
        lines.insert(
            0,
            other("started addr=127.0.0.1:5000 version=1 pid=7 log=cdcd"),
        );
        lines.insert(1, lines[1].clone());
        lines.insert(2, other("consumed by=rui upto=700 count=1"));
        lines.insert(
            3,
            other("started addr=127.0.0.1:5000 version=1 pid=7 log=abab"),
        );
    };
    good(
        others,
        Totals {
            others: 1,
            ..AGREED
        },
    );
    let short = |lines: &mut Vec<String>| {
        lines.remove(0);
        lines.pop();
    };
    good(
        short,
        Totals {
            agreed: 5,
            uncovered: 2,
            ..AGREED
        },
    );
}

#[test]
fn lines_may_be_missing_where_that_is_said() {
    let dropped = |lines: &mut Vec<String>| {
        lines.splice(2..4, [other("dropped count=2 cause=stalled")]);
    };
    good(
        dropped,
        Totals {
            agreed: 5,
            dropped: 2,
            ..AGREED
        },
    );
    let killed = |lines: &mut Vec<String>| {
        lines.splice(2..4, [other("started addr=127.0.0.1:5000 version=1 pid=8")]);
    };
    good(
        killed,
        Totals {
            agreed: 5,
            killed: 2,
            ..AGREED
        },
    );
}

#[test]
fn rotated_files_come_first() {
    let records = story().records;
    let lines = server_log(&records);
    let files = [
        lines[..3].to_vec(),
        lines[3..5].to_vec(),
        lines[5..].to_vec(),
    ];
    assert_eq!(judge(&records, &files), Ok(AGREED));
}

#[track_caller]
fn check(edit: impl FnOnce(&mut Vec<String>), expected: &str) {
    let records = story().records;
    let mut lines = server_log(&records);
    edit(&mut lines);
    assert_eq!(judge(&records, &[lines]).unwrap_err(), expected);
}

fn replace(line: &mut String, from: &str, to: &str) {
    assert!(line.contains(from), "{line}");
    *line = line.replace(from, to);
}

#[test]
fn every_fault_is_named() {
    check(|lines| drop(lines.remove(3)), "log-missing");
    let too_few = |lines: &mut Vec<String>| {
        lines.splice(2..4, [other("dropped count=1 cause=stalled")]);
    };
    check(too_few, "log-missing");
    let stopped = |lines: &mut Vec<String>| {
        let events = [
            other("stopped reason=x"),
            other("started addr=127.0.0.1:5000 version=1 pid=8"),
        ];
        lines.splice(2..4, events);
    };
    check(stopped, "log-missing");
    check(
        |lines| replace(&mut lines[4], "stamp=6", "stamp=7"),
        "log-stamp",
    );
    check(
        |lines| replace(&mut lines[6], "stamp=9", "stamp=10"),
        "log-stamp",
    );
    // Stamp 1 is nobody's.
    check(
        |lines| replace(&mut lines[0], "stamp=2", "stamp=1"),
        "log-stamp",
    );
    check(|lines| lines.swap(2, 3), "log-missing");
    let twice = |lines: &mut Vec<String>| lines.insert(1, lines[0].clone());
    check(twice, "log-order");
    check(
        |lines| replace(&mut lines[1], "from=bob", "from=eva"),
        "log-differs",
    );
    check(
        |lines| replace(&mut lines[1], "to=ana", "to=eva"),
        "log-differs",
    );
    check(
        |lines| replace(&mut lines[1], "kind=unicast", "kind=multicast"),
        "log-differs",
    );
    check(
        |lines| replace(&mut lines[1], "bytes=10", "bytes=11"),
        "log-differs",
    );
    check(
        |lines| replace(&mut lines[1], "seen=1", "seen=0"),
        "log-differs",
    );
    check(
        |lines| lines[1].push_str(" text=\"hello, eva\""),
        "log-differs",
    );
    check(
        |lines| lines.push(other("consumed by=bob upto=10 count=1")),
        "log-consumed",
    );
    check(
        |lines| lines.push(other("consumed by=rui upto=1 count=1")),
        "log-consumed",
    );
    let records = story().records;
    let mut lines = server_log(&records);
    lines[3] = "nonsense".to_owned();
    assert!(
        judge(&records, &[lines])
            .unwrap_err()
            .contains("line 4: no line")
    );
}
