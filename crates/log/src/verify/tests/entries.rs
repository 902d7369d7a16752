//! Faults of entries: lost, moved, added, changed.

use super::*;

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
