//! What clients of one small journal saw is found good, and each fault is named.

use super::*;
use crate::testing::{Folder, Life, capture, story};
use lamparina_order::Record;
use lamparina_order::verify::journal::Judge;
use lamparina_protocol::Audience;

const LOG: &str = "abab";

/// Reads captures, one a person, and compares them with the journal.
fn judge(records: &[Record], captures: &[Vec<String>]) -> Result<(Seen, u64), String> {
    let folder = Folder::new("captures");
    let mut read = Captures::default();
    for (place, lines) in captures.iter().enumerate() {
        let file = folder.file(&format!("{place}.json"), lines);
        read.read(&file).map_err(|stop| name_of(&stop))?;
    }
    let mut against = AgainstJournal::new(read.of_log(LOG).unwrap());
    let mut judge = Judge::default();
    for record in records {
        judge.admit(record).unwrap();
        against
            .entry(record, &judge)
            .map_err(|finding| finding.name.to_owned())?;
    }
    against
        .end(records.last())
        .map_err(|finding| finding.name.to_owned())?;
    Ok((read.seen(), against.compared()))
}

fn name_of(stop: &Stop) -> String {
    match stop {
        Stop::Found(finding) => finding.name.to_owned(),
        other => other.to_string(),
    }
}

fn all(records: &[Record]) -> Vec<Vec<String>> {
    (0..3).map(|member| capture(records, member, LOG)).collect()
}

#[test]
fn what_everybody_saw_is_found_good() {
    let records = story().records;
    let (seen, compared) = judge(&records, &all(&records)).unwrap();
    assert_eq!(
        (seen.files, seen.logs, seen.messages, seen.shared),
        (3, 1, 7, 7)
    );
    assert_eq!(compared, 7);
}

#[test]
fn a_capture_may_begin_late_and_begin_again_a_little_earlier() {
    let records = story().records;
    let mut captures = all(&records);
    // Bob's second connection only: its first delivery follows one that was not captured.
    captures[1].remove(2);
    // Eva was killed: her new process shows her last two messages again.
    let again = captures[2].clone();
    captures[2].push(again[0].clone());
    captures[2].extend_from_slice(&again[again.len() - 2..]);
    // And the last line of Ana's is torn.
    captures[0].push("{\"v\":1,\"ty".to_owned());
    let folder = Folder::new("torn");
    let file = folder.0.join("torn.json");
    std::fs::write(&file, captures[0].join("\n")).unwrap();
    let mut read = Captures::default();
    read.read(&file).unwrap();
    assert_eq!(read.cut().len(), 1);
    captures[0].pop();
    assert!(
        judge(&records, &captures).is_ok(),
        "{:?}",
        judge(&records, &captures)
    );
}

#[track_caller]
fn check(edit: impl FnOnce(&mut Vec<Record>, &mut Vec<Vec<String>>), expected: &str) {
    let mut records = story().records;
    let mut captures = all(&records);
    edit(&mut records, &mut captures);
    assert_eq!(judge(&records, &captures).unwrap_err(), expected);
}

/// The line of a capture that has this text.
fn line<'a>(capture: &'a mut [String], text: &str) -> &'a mut String {
    capture.iter_mut().find(|line| line.contains(text)).unwrap()
}

fn replace(line: &mut String, from: &str, to: &str) {
    assert!(line.contains(from), "{line}");
    *line = line.replace(from, to);
}

#[test]
fn captures_that_contradict_themselves_or_each_other() {
    check(
        |_, all| replace(line(&mut all[1], "\"stamp\":9"), "\"prev\":6", "\"prev\":4"),
        "capture-prev",
    );
    check(|_, all| drop(all[1].remove(3)), "capture-prev");
    check(
        |_, all| {
            replace(
                line(&mut all[1], "hello, both"),
                "hello, both",
                "hello, bob",
            )
        },
        "capture-altered",
    );
    // Of two captures, one of them the author's: what it wrote is not what was delivered.
    for (author, other) in [(0, 1), (1, 0)] {
        let changed = |_: &mut Vec<Record>, all: &mut Vec<Vec<String>>| {
            let text = ["hello, both", "hello, ana"][author];
            replace(line(&mut all[other], text), text, "hello, you");
            all.truncate(2);
        };
        check(changed, "capture-altered");
    }
    let swapped = |_: &mut Vec<Record>, all: &mut Vec<Vec<String>>| {
        // Eva says that the two came in the other order, with a chain that holds.
        let at =
            |all: &[String], text: &str| all.iter().position(|line| line.contains(text)).unwrap();
        let (first, second) = (at(&all[2], "hello, all"), at(&all[2], "hello, both"));
        replace(&mut all[2][first], "\"stamp\":2", "\"stamp\":4");
        replace(&mut all[2][first], "\"prev\":0", "\"prev\":2");
        replace(&mut all[2][second], "\"stamp\":4", "\"stamp\":2");
        replace(&mut all[2][second], "\"prev\":2", "\"prev\":0");
        replace(&mut all[2][second], "\"seen\":2", "\"seen\":1");
        replace(&mut all[2][second], "\"clock\":3", "\"clock\":1");
        all[2].swap(first, second);
    };
    check(swapped, "capture-two-places");
    check(
        |_, all| replace(line(&mut all[2], "hello, both"), "\"pseq\":2", "\"pseq\":7"),
        "capture-same-place",
    );
    check(
        |_, all| replace(line(&mut all[2], "hello, both"), "\"seen\":2", "\"seen\":4"),
        "capture-before-cause",
    );
    let twice = |_: &mut Vec<Record>, all: &mut Vec<Vec<String>>| {
        let line = all[2][2].clone();
        all[2].insert(3, line);
    };
    check(twice, "capture-not-increasing");
    let damaged = |_: &mut Vec<Record>, all: &mut Vec<Vec<String>>| all[2][1] = "{".to_owned();
    let mut records = story().records;
    let mut captures = all(&records);
    damaged(&mut records, &mut captures);
    assert!(
        judge(&records, &captures)
            .unwrap_err()
            .contains("line 2: no event")
    );
}

/// The same in every capture, so that they agree: only the journal tells.
fn everywhere(all: &mut [Vec<String>], from: &str, to: &str) {
    for line in all.iter_mut().flatten() {
        *line = line.replace(from, to);
    }
}

#[test]
fn captures_that_the_journal_contradicts() {
    check(
        |_, all| everywhere(all, "hello, all", "goodbye, all"),
        "seen-text",
    );
    let by_its_author = |_: &mut Vec<Record>, all: &mut Vec<Vec<String>>| {
        all.truncate(1);
        replace(line(&mut all[0], "hello, both"), "hello, both", "hello");
    };
    check(by_its_author, "seen-text");
    let audience = |_: &mut Vec<Record>, all: &mut Vec<Vec<String>>| {
        everywhere(all, "[\"eva\",\"bob\"]", "[\"bob\",\"eva\"]");
    };
    check(audience, "seen-altered");
    let forged = |_: &mut Vec<Record>, all: &mut Vec<Vec<String>>| {
        all.truncate(2);
        all.remove(0);
        replace(line(&mut all[0], "hello, both"), "\"pseq\":2", "\"pseq\":3");
    };
    check(forged, "seen-another");
    let lost_tail = |records: &mut Vec<Record>, _: &mut Vec<Vec<String>>| drop(records.pop());
    check(lost_tail, "lost-tail");
    let invented = |_: &mut Vec<Record>, all: &mut Vec<Vec<String>>| {
        all.truncate(1);
        // Stamp 7 is nobody's: it was refused.
        let made = all[0]
            .iter()
            .find(|line| line.contains("hello, ana"))
            .unwrap();
        let made = made
            .replace("\"stamp\":3", "\"stamp\":7")
            .replace("\"prev\":0", "\"prev\":6");
        let made = made.replace("\"pseq\":1", "\"pseq\":9");
        let at = all[0]
            .iter()
            .position(|line| line.contains("\"stamp\":8"))
            .unwrap();
        all[0].insert(at, made);
    };
    check(invented, "not-in-journal");
    let gap = |_: &mut Vec<Record>, all: &mut Vec<Vec<String>>| {
        // The server left one out and said nothing: the chain of `prev` holds.
        let at = all[2]
            .iter()
            .position(|line| line.contains("hello, both"))
            .unwrap();
        all[2].remove(at);
        everywhere(&mut all[2..], "\"prev\":4", "\"prev\":2");
    };
    check(gap, "silent-gap");
    let stranger = |_: &mut Vec<Record>, all: &mut Vec<Vec<String>>| {
        replace(&mut all[1][0], "\"member\":1", "\"member\":2");
        all.remove(2);
        all[1].retain(|line| !line.contains("committed"));
    };
    check(stranger, "not-for-it");
    let history = |_: &mut Vec<Record>, all: &mut Vec<Vec<String>>| {
        let shown = all[0]
            .iter()
            .find(|line| line.contains("hello, ana"))
            .unwrap();
        let shown = shown.replace("\"history\":false", "\"history\":true");
        all[2].push(shown);
    };
    check(history, "not-for-it");
}

#[test]
fn an_end_that_the_log_lost_is_left_out_where_the_client_was_told() {
    // The journal that was restored ends with stamp 5, and goes on otherwise.
    let mut life = story();
    let before = capture(&life.records, 1, LOG);
    let rewound = r#"{"v":1,"type":"rewound","from":9,"to":5}"#.to_owned();
    life.records.truncate(10);
    let mut order = Life::default();
    life.records
        .iter()
        .for_each(|record| order.order.replay(record).unwrap());
    order.records = life.records;
    order.began(2);
    order.enter(1, "ana");
    order.say(1, 3, 5, Audience::All, "another sixth");
    let after = capture(&order.records, 1, LOG).pop().unwrap();
    let told = [
        before.clone(),
        vec![before[0].clone(), rewound, after.clone()],
    ]
    .concat();
    let (seen, compared) = judge(&order.records, &[told]).unwrap();
    assert_eq!((seen.lost, compared), (2, 5));
    // Without that word it is what it looks like.
    let untold = [before.clone(), vec![before[0].clone(), after]].concat();
    assert_eq!(
        judge(&order.records, &[untold]).unwrap_err(),
        "not-in-journal"
    );
}
