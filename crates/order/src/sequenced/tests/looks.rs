//! Who may claim what looks like another's name, and journals from before that was asked.

use super::replay::Kept;
use super::undo::state;
use super::*;
use crate::record::Record;
use crate::verify::journal::Judge;

/// Cyrillic throughout.
const SOSO: &str = "сосо";

#[track_caller]
fn code_of(order: &mut Sequenced, entry: Entry) -> Option<RefusalCode> {
    match apply(order, entry) {
        Effect::Refused { code, .. } => Some(code),
        _ => None,
    }
}

#[test]
fn what_looks_like_anothers_name_is_refused_and_ones_own_is_not() {
    let mut order = Sequenced::default();
    let taken = Some(RefusalCode::NickTaken);
    for (who, action, expected) in [
        (ANA, enter("coco", 1), None),
        (BOB, enter(SOSO, 1), taken),
        (BOB, enter("Alice", 1), None),
        (BOB, enter("Alice", 1), None),
        (EVA, enter("AIice", 1), taken),
        (EVA, enter("аlice", 1), Some(RefusalCode::NickInvalid)),
        (EVA, enter("A1L", 1), Some(RefusalCode::NickInvalid)),
        (EVA, enter("eva", 1), None),
        (EVA, rename("c0c0"), taken),
        (EVA, rename("СОСО"), taken),
        // One's own, in letters that look the same.
        (ANA, rename(SOSO), None),
        (ANA, rename("Coco"), None),
        // What one was called before stays one's own.
        (ANA, rename("ana"), None),
        (EVA, rename(SOSO), taken),
        (ANA, rename("c0c0"), None),
        (EVA, rename("eva"), Some(RefusalCode::NotAllowed)),
    ] {
        let asked = format!("{action:?}");
        let got = code_of(&mut order, entry(who, 10, action));
        assert_eq!(got, expected, "{asked}");
    }
}

#[test]
fn a_refused_look_says_what_to_do() {
    let mut order = three();
    let refusal = apply(&mut order, entry(4, 1, enter("B0B", 1)));
    let words = "B0B looks like a name that belongs to somebody else: choose one that cannot be taken \
                 for it";
    assert_eq!(refusal, refused(None, None, RefusalCode::NickTaken, words));
}

#[test]
fn rooms_that_look_alike_are_one() {
    let mut order = three();
    apply(&mut order, entry(ANA, 10, join("lob")));
    let words = "#l0b looks like #lob, which is another room: /join #lob, or choose another name";
    let refusal = refused(Some(1), None, RefusalCode::NotAllowed, words);
    check(&mut order, entry(BOB, 10, join("l0b")), refusal);
    // A room is there while somebody is in it.
    apply(&mut order, entry(ANA, 10, leave("lob")));
    assert_eq!(code_of(&mut order, entry(BOB, 10, join("l0b"))), None);
    let mixed = code_of(&mut order, entry(BOB, 10, join("lаb")));
    assert_eq!(mixed, Some(RefusalCode::NickInvalid));
}

#[test]
fn what_was_taken_back_is_free_again() {
    let mut order = three();
    let before = state(&order);
    order.begin();
    for (who, action) in [
        (4, enter("coco", 1)),
        (4, rename("alice")),
        (ANA, rename("dodo")),
        (BOB, join("lob")),
    ] {
        assert_eq!(code_of(&mut order, entry(who, 10, action)), None);
    }
    order.undo();
    assert_eq!(state(&order), before);
    for (who, action) in [
        (5, enter(SOSO, 1)),
        (5, rename("a1ice")),
        (BOB, rename("d0d0")),
        (ANA, join("l0b")),
    ] {
        assert_eq!(code_of(&mut order, entry(who, 10, action)), None);
    }
}

/// As a server wrote it that compared names after NFKC and small letters alone.
fn before_looks() -> Vec<Record> {
    let mut kept = Kept::default();
    kept.note(Recorded::Began {
        term: lamparina_protocol::Term(1),
    });
    let claims = [(ANA, "coco"), (BOB, SOSO), (EVA, "аna"), (4, "A1L")];
    for (number, (who, name)) in claims.into_iter().enumerate() {
        kept.note(Recorded::Claimed {
            member: MemberId(number as u32),
            author: author(who),
            epoch: Epoch(1),
            nick: nick(name),
        });
    }
    kept.note(Recorded::Renamed {
        member: MemberId(2),
        from: nick("аna"),
        to: nick("c0c0"),
    });
    kept.journal
}

#[test]
fn a_journal_from_before_looks_opens_and_its_claims_stand() {
    let journal = before_looks();
    let mut judge = Judge::default();
    let mut replayed = Sequenced::default();
    for record in &journal {
        judge.admit(record).unwrap();
        replayed.replay(record).unwrap();
    }
    let from_snapshot = Sequenced::from_bytes(&replayed.to_bytes()).unwrap();
    for mut order in [replayed, from_snapshot] {
        // Each comes back by its own name, and by one that it had.
        for (who, name) in [(ANA, "coco"), (BOB, SOSO), (EVA, "c0c0"), (4, "A1L")] {
            assert_eq!(
                code_of(&mut order, entry(who, 10, enter(name, 1))),
                None,
                "{name}"
            );
        }
        assert_eq!(code_of(&mut order, entry(EVA, 10, rename("аna"))), None);
        // Messages find each by its own letters.
        for (name, member) in [("coco", 0), (SOSO, 1), ("c0c0", 2), ("a1l", 3)] {
            assert_eq!(order.owner_of(&nick(name)), Some(MemberId(member)));
        }
        // Nobody else gets a fifth.
        let late = code_of(&mut order, entry(5, 10, enter("ⅽoco", 1)));
        assert_eq!(late, Some(RefusalCode::NickTaken));
        // Who had the look second holds its name, and no further ones of it.
        let more = code_of(&mut order, entry(BOB, 10, rename("cоcо")));
        assert!(more.is_some());
    }
}

#[test]
fn fewer_rooms_may_be_asked_for_than_a_journal_holds() {
    let mut order = three();
    for name in ["one", "two", "three"] {
        apply(&mut order, entry(ANA, 10, join(name)));
    }
    order.admit(Admission {
        rooms_per_member: 2,
    });
    // What one is in, one stays in.
    assert_eq!(code_of(&mut order, entry(ANA, 10, join("one"))), None);
    let words = "you are in 2 rooms, the most there may be: /leave one first";
    let refusal = refused(Some(0), None, RefusalCode::Limit, words);
    check(&mut order, entry(ANA, 10, join("four")), refusal);
    assert_eq!(order.rooms_of(MemberId(0)).count(), 3);
}
