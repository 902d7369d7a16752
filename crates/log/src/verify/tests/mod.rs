//! Faults put into real files, each expected to be named: in the journal with the chain as it was and
//! with the chain made anew, in what stands beside the entries, and in the derived file.

mod entries;
mod files;
mod others;

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

const JOURNAL: &str = "lamparina.db";
const INDEX: &str = "lamparina-index.db";

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
