//! The simulated disk against what it promises, and against the real one.

use lamparina_protocol::Lamport;
use proptest::prelude::*;

use super::*;
use crate::sqlite;
use crate::sqlite::tests::Folder;
use crate::testing::Talk;
use crate::traits::{Journal, Reader};

const LOG: LogId = LogId([3; 16]);
const NOW: UnixMicros = UnixMicros(9);

fn start(disk: &Disk) -> (SimOpened, Talk) {
    let opened = disk.open(NOW).unwrap();
    let mut talk = Talk::from(opened.state.clone(), opened.last.index);
    let mut opened = opened;
    let entered: Vec<Record> = [talk.enter(1), talk.enter(2)]
        .into_iter()
        .flatten()
        .collect();
    if !entered.is_empty() {
        opened.journal.append(&entered, &[]).unwrap();
    }
    (opened, talk)
}

/// The next append has this fate; then one more is tried, the power is cut, and it starts again.
/// What was answered, and which of the two messages are there.
#[track_caller]
fn check(fate: Fate, first: &str, second: &str, there: [bool; 2]) {
    let disk = Disk::new(LOG);
    let (mut opened, mut talk) = start(&disk);
    let mut once = Some(fate);
    disk.script(move |call| match call {
        Call::Append { .. } => once.take().unwrap_or_default(),
        _ => Fate::Done,
    });
    let word = |answer: &Result<(), AppendError>| match answer {
        Ok(()) => "ok",
        Err(AppendError::Full(_)) => "full",
        Err(AppendError::Failed(_)) => "failed",
        Err(AppendError::Held(_) | AppendError::Removed(_)) => "not of a simulated disk",
    };
    let before = talk.state.clone();
    let said = talk.say(1, "first");
    let answer = opened.journal.append(&[said], &[]);
    assert_eq!(word(&answer), first);
    if answer == Err(AppendError::Full("as the script says".into())) {
        // It was undone.
        talk = Talk::from(before, LogIndex(talk.index.0 - 1));
    }
    let said = talk.say(1, "second");
    let answer = opened.journal.append(&[said], &[]);
    assert_eq!(word(&answer), second);
    disk.power_cut();
    let again = disk.open(NOW).unwrap();
    let found = ["first", "second"].map(|text| {
        let is = |record: &Record| match &record.event {
            lamparina_order::Recorded::Message(message) => message.text == text,
            _ => false,
        };
        again.recent.iter().any(is)
    });
    assert_eq!(found, there);
    assert_eq!(again.term, Term(2));
}

#[test]
fn every_fate_has_its_end() {
    check(Fate::Done, "ok", "ok", [true, true]);
    check(Fate::Full, "full", "ok", [false, true]);
    check(
        Fate::Failed { kept: true },
        "failed",
        "failed",
        [true, false],
    );
    check(
        Fate::Failed { kept: false },
        "failed",
        "failed",
        [false, false],
    );
    check(Fate::CutBefore, "failed", "failed", [false, false]);
    check(Fate::CutAfter, "failed", "failed", [true, false]);
    check(Fate::Lie, "ok", "ok", [true, true]);
}

#[test]
fn a_lie_is_lost_unless_something_honest_follows() {
    let disk = Disk::new(LOG);
    let (mut opened, mut talk) = start(&disk);
    disk.script(|_| Fate::Lie);
    let kept = talk.index;
    for _ in 0..3 {
        opened.journal.append(&[talk.say(1, "x")], &[]).unwrap();
    }
    assert_eq!(disk.records().last().unwrap().index, talk.index);
    disk.power_cut();
    assert_eq!(disk.records().last().unwrap().index, kept);
    assert!(opened.journal.append(&[], &[]).is_err());
    disk.script(|_| Fate::Done);
    let again = disk.open(NOW).unwrap();
    assert_eq!(again.terms[1].after, Lamport::ZERO);
}

#[test]
fn a_restored_disk_goes_on_from_the_copy() {
    let disk = Disk::new(LOG);
    let (mut opened, mut talk) = start(&disk);
    opened.journal.append(&[talk.say(1, "x")], &[]).unwrap();
    let backup = disk.copy();
    opened.journal.append(&[talk.say(1, "y")], &[]).unwrap();
    opened
        .journal
        .keep_snapshot(talk.index, talk.state.to_bytes());
    disk.restore(&backup);
    let again = disk.open(NOW).unwrap();
    assert_eq!(again.terms[1].after, Lamport::new(1));
    assert_eq!(again.state.last_stamp(), Lamport::new(1));
}

#[test]
fn snapshots_shorten_the_start_and_reads_can_fail() {
    let disk = Disk::new(LOG);
    let (mut opened, mut talk) = start(&disk);
    opened.journal.append(&[talk.say(1, "x")], &[]).unwrap();
    opened
        .journal
        .keep_snapshot(talk.index, talk.state.to_bytes());
    opened.journal.append(&[talk.say(2, "y")], &[]).unwrap();
    let again = disk.open(NOW).unwrap();
    assert_eq!(again.replayed, 1);
    assert_eq!(again.state.to_bytes(), talk.state.to_bytes());
    disk.script(|_| Fate::Full);
    assert!(disk.reader().entries(LogIndex(0), 1, 1).is_err());
    assert!(matches!(disk.open(NOW), Err(OpenFault::Read(_))));
}

/// One step of a talk.
#[derive(Clone, Debug)]
enum Step {
    Say(u8, String),
    Join(u8),
    Again,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..4_u8, "[a-c]{1,2}( [a-c]{1,2}){0,2}").prop_map(|(who, text)| Step::Say(who, text)),
        1 => (1..4_u8).prop_map(Step::Join),
        1 => Just(Step::Again),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// The same talk on both: the same answers to every question.
    #[test]
    fn it_answers_as_the_real_one(
        steps in proptest::collection::vec(step(), 1..25),
        asked in proptest::collection::vec((0..30_u64, 0..6_usize, 0..20_usize), 12),
    ) {
        let (disk, folder) = (Disk::new(LOG), Folder::new());
        let real = || sqlite::open(folder.path(), NOW, LOG, Box::new(|_| {})).unwrap();
        let (mut one, mut two) = (disk.open(NOW).unwrap(), real());
        let mut talk = Talk::from(one.state.clone(), one.last.index);
        let enter = |talk: &mut Talk| (1..4).filter_map(|who| talk.enter(who)).collect::<Vec<_>>();
        let mut batch = enter(&mut talk);
        for step in steps {
            match step {
                Step::Say(who, text) => batch.push(talk.say(who, &text)),
                Step::Join(who) => batch.extend(talk.join(who)),
                Step::Again => {
                    one.journal.append(&batch, &[]).unwrap();
                    two.journal.append(&batch, &[]).unwrap();
                    drop(two);
                    (one, two) = (disk.open(NOW).unwrap(), real());
                    prop_assert_eq!(&one.terms, &two.terms);
                    prop_assert_eq!(one.last, two.last);
                    prop_assert_eq!(&one.recent, &two.recent);
                    prop_assert_eq!(one.state.to_bytes(), two.state.to_bytes());
                    talk = Talk::from(one.state.clone(), one.last.index);
                    batch = enter(&mut talk);
                }
            }
        }
        one.journal.append(&batch, &[]).unwrap();
        two.journal.append(&batch, &[]).unwrap();
        let (mut sim, mut file) = (disk.reader(), two.readers.reader().unwrap());
        for (n, count, bytes) in asked {
            let (index, stamp) = (LogIndex(n), Lamport::new(n));
            prop_assert_eq!(sim.entries(index, count, bytes), file.entries(index, count, bytes));
            prop_assert_eq!(
                sim.entries_before(index, count, bytes),
                file.entries_before(index, count, bytes)
            );
            prop_assert_eq!(sim.index_of(stamp), file.index_of(stamp));
            prop_assert_eq!(sim.message(stamp), file.message(stamp));
            let member = MemberId(n as u32 % 4);
            prop_assert_eq!(sim.stays(member), file.stays(member));
        }
    }
}
