use std::fs;

use lamparina_order::{LogIndex, Record, Recorded};
use lamparina_protocol::{LogId, Term, UnixMicros};

use super::*;
use crate::sqlite::tests::Folder;
use crate::sqlite::{Opened, ReadOnly, open};
use crate::testing::Talk;
use crate::traits::{Chain, Journal};

const LOG: LogId = LogId([4; 16]);

fn start(folder: &Folder) -> (Opened, Talk) {
    let opened = open(folder.path(), UnixMicros(5), LOG, Box::new(|_| {})).unwrap();
    let talk = Talk::from(opened.state.clone(), opened.last.index);
    (opened, talk)
}

/// Somebody enters and says `count` things.
fn said(talk: &mut Talk, count: usize) -> Vec<Record> {
    let mut records: Vec<Record> = talk.enter(1).into_iter().collect();
    records.extend((0..count).map(|_| talk.say(1, "x")));
    records
}

/// The chain is whole, and terms follow one another.
#[track_caller]
fn sound(file: &Path) -> Vec<u32> {
    let reader = ReadOnly::journal(file).unwrap().into_reader().unwrap();
    let from = (LogIndex(0), Chain::genesis(reader.meta().unwrap().log));
    let mut began = Vec::new();
    let take = |record: Record, _| {
        if let Recorded::Began { term } = record.event {
            began.push(term.0);
        }
        Ok(())
    };
    reader.verify(from, LogIndex(u64::MAX), take).unwrap();
    assert_eq!(reader.integrity(3), Ok(vec![]));
    let terms = reader.terms().unwrap();
    assert_eq!(
        terms.iter().map(|term| term.term.0).collect::<Vec<_>>(),
        began
    );
    began
}

#[test]
fn a_running_store_is_copied_as_of_one_moment() {
    let folder = Folder::new();
    let (mut store, mut talk) = start(&folder);
    store.journal.append(&said(&mut talk, 50), &[]).unwrap();
    let to = folder.path().join("copy.db");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                store.journal.append(&said(&mut talk, 20), &[]).unwrap();
            }
        });
        for replace in [false, true, true] {
            let extent = backup(folder.path(), &to, replace).unwrap();
            assert!(extent.last_index >= 52, "{extent:?}");
            assert_eq!(extent.last_index, extent.last_stamp + 2);
            assert_eq!(sound(&to), [1]);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let words = backup(folder.path(), &to, false).unwrap_err().to_string();
    assert!(words.contains("exists already"), "{words}");
    let left = fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name());
    let left: Vec<_> = left
        .filter(|name| name.to_str().unwrap().starts_with("copy."))
        .collect();
    assert_eq!(left, ["copy.db"]);
}

#[test]
fn a_restored_journal_goes_on_in_a_term_nobody_had() {
    let folder = Folder::new();
    let (mut store, mut talk) = start(&folder);
    store.journal.append(&said(&mut talk, 5), &[]).unwrap();
    let to = folder.path().join("copy.db");
    backup(folder.path(), &to, false).unwrap();
    drop(store);
    // Two more terms, and messages that the copy does not have.
    for _ in 0..2 {
        let (mut store, mut talk) = start(&folder);
        store.journal.append(&said(&mut talk, 3), &[]).unwrap();
    }
    let restored = restore(&to, folder.path(), "20261121").unwrap();
    assert_eq!(restored.now.last_stamp, 5);
    let (before, aside) = restored.before.unwrap();
    assert_eq!(before.last_stamp, 11);
    assert_eq!(restored.terms_added, 1);
    let all = sound(&aside);
    assert!(all.len() == 3 && all.is_sorted(), "{all:?}");
    // Whoever has a cursor of a term that was there finds a later one that begins at the cut.
    let now = sound(&folder.path().join(JOURNAL_FILE));
    assert_eq!((now.len(), now[0]), (2, all[0]));
    assert!(now[1] > all[2], "{now:?} after {all:?}");
    assert!(!folder.path().join(INDEX_FILE).exists());
    let (store, _) = start(&folder);
    assert!(store.term > Term(now[1]), "{} after {now:?}", store.term);
    let after: Vec<u64> = store.terms.iter().map(|term| term.after.get()).collect();
    assert_eq!(after, [0, 5, 5]);
    drop(store);
    // The copy itself is as it was.
    assert_eq!(sound(&to), all[..1]);
    let again = restore(&to, folder.path(), "20261121").unwrap_err();
    assert!(matches!(again, BackupError::Exists(_)), "{again}");
    let untouched = sound(&folder.path().join(JOURNAL_FILE));
    assert_eq!((untouched.len(), &untouched[..2]), (3, &now[..]));
}

#[test]
fn what_is_no_journal_is_not_put_in_place() {
    let folder = Folder::new();
    let (mut store, mut talk) = start(&folder);
    store.journal.append(&said(&mut talk, 5), &[]).unwrap();
    drop(store);
    let other = folder.path().join("other.db");
    for content in ["", "no database at all"] {
        fs::write(&other, content).unwrap();
        assert!(restore(&other, folder.path(), "now").is_err());
    }
    assert!(restore(&folder.path().join("missing"), folder.path(), "now").is_err());
    assert_eq!(sound(folder.path()), [1]);
}

#[test]
fn an_empty_folder_takes_a_copy() {
    let (folder, other) = (Folder::new(), Folder::new());
    let (mut store, mut talk) = start(&folder);
    store.journal.append(&said(&mut talk, 5), &[]).unwrap();
    let to = folder.path().join("copy.db");
    backup(folder.path(), &to, false).unwrap();
    fs::create_dir_all(other.path()).unwrap();
    let restored = restore(&to, other.path(), "now").unwrap();
    assert_eq!((restored.before, restored.terms_added), (None, 0));
    assert_eq!(start(&other).0.term, Term(2));
}

/// SQLite would merge it into the backup.
#[test]
fn what_is_left_of_a_journal_that_is_gone_is_kept_aside_by_a_restore() {
    let folder = Folder::new();
    let (mut store, mut talk) = start(&folder);
    store.journal.append(&said(&mut talk, 3), &[]).unwrap();
    let (copy, place) = (folder.path().join("copy.db"), Folder::new());
    backup(folder.path(), &copy, false).unwrap();
    store.journal.append(&said(&mut talk, 40), &[]).unwrap();
    let left = folder.path().join("lamparina.db-wal");
    let bytes = fs::read(left).unwrap();
    assert!(!bytes.is_empty());
    fs::create_dir_all(place.path()).unwrap();
    fs::write(place.path().join("lamparina.db-wal"), &bytes).unwrap();
    let restored = restore(&copy, place.path(), "X").unwrap();
    let kept = place.path().join("lamparina.db.before-X-wal");
    assert_eq!(restored.before, Some((Extent::default(), kept.clone())));
    assert_eq!(fs::read(kept).unwrap(), bytes);
    assert_eq!(sound(&place.path().join("lamparina.db")), [1]);
    assert_eq!(
        extent(&place.path().join("lamparina.db")).unwrap(),
        restored.now
    );
}
