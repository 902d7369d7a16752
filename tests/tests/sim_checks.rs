//! The checks can fail: broken histories, and the violation that each is found by.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lamparina_order::{LogIndex, Record, Recorded, RecordedMessage, To};
use lamparina_protocol::message::{Delivery, RefusalCode, ToClient};
use lamparina_protocol::{Audience, Epoch, Lamport, MemberId, Prev, Pseq, UnixMicros};
use lamparina_tests::sim::check::{Check, Name, Violation, Who};
use lamparina_tests::sim::model::{key_of, who_has};
use lamparina_tests::sim::people::nick;
use lamparina_tests::sim::seeds::Run;
use lamparina_tests::sim::server::Wrong;
use lamparina_tests::sim::world::Cutting;

const ANA: Who = 0;
const BOB: Who = 1;
const EVA: Who = 2;

fn name(who: Who, pseq: u64) -> Name {
    Name {
        who,
        epoch: Epoch(1),
        pseq: Pseq(pseq),
    }
}

fn delivery(author: Who, pseq: u64, stamp: u64, prev: u64) -> Delivery {
    Delivery {
        stamp: Lamport::new(stamp),
        member: MemberId(author as u32),
        from: nick("somebody"),
        epoch: Epoch(1),
        pseq: Pseq(pseq),
        clock: Lamport::new(stamp - 1),
        seen: Lamport::ZERO,
        sent_at: UnixMicros(0),
        audience: Audience::All,
        history: false,
        text: "x".to_owned(),
        prev: Prev(Lamport::new(prev)),
    }
}

/// Ana has said 1, 2 and 3 to all, at 1, 3 and 4; Bob 1 to Ana, at 2.
fn history() -> Check {
    let mut check = Check::new(3);
    for pseq in 1..4 {
        check.said(name(ANA, pseq), "x");
    }
    check.said(name(BOB, 1), "x");
    let others = BTreeSet::from([BOB, EVA]);
    let only_ana = BTreeSet::from([ANA]);
    check.ordered(name(ANA, 1), 1, others.clone()).unwrap();
    check.ordered(name(BOB, 1), 2, only_ana).unwrap();
    check.ordered(name(ANA, 2), 3, others.clone()).unwrap();
    check.ordered(name(ANA, 3), 4, others).unwrap();
    check
}

/// What comes of deliveries `(author, pseq, stamp, prev)` to `who`.
fn deliver(who: Who, deliveries: &[(Who, u64, u64, u64)]) -> Result<(), Violation> {
    let mut check = history();
    deliveries
        .iter()
        .try_for_each(|(author, pseq, stamp, prev)| {
            check.delivered(who, *author, &delivery(*author, *pseq, *stamp, *prev))
        })
}

#[test]
fn a_true_history_has_no_violation() {
    let mut check = history();
    for viewer in [BOB, EVA] {
        for (pseq, stamp, prev) in [(1, 1, 0), (2, 3, 1), (3, 4, 3)] {
            check
                .delivered(viewer, ANA, &delivery(ANA, pseq, stamp, prev))
                .unwrap();
        }
    }
    check.delivered(ANA, BOB, &delivery(BOB, 1, 2, 0)).unwrap();
    check.committed(name(BOB, 1), MemberId(1), 2).unwrap();
    for (pseq, stamp) in [(1, 1), (2, 3), (3, 4)] {
        check
            .committed(name(ANA, pseq), MemberId(0), stamp)
            .unwrap();
    }
    check.event(BOB, 4).unwrap();
    check.complete().unwrap();
}

#[track_caller]
fn fails(result: Result<(), Violation>, expected: &str) {
    let violation = result.expect_err("a broken history passed");
    assert_eq!(violation.to_string(), expected);
}

#[test]
fn broken_deliveries_are_named() {
    let twice = deliver(BOB, &[(ANA, 1, 1, 0), (ANA, 1, 1, 0)]);
    fails(twice, "1 was delivered 1 after 1");
    let swapped = deliver(BOB, &[(ANA, 2, 3, 0)]);
    fails(swapped, "1 went from 0 to 3, and 1 was for it");
    let back = deliver(BOB, &[(ANA, 1, 1, 0), (ANA, 2, 3, 1), (ANA, 1, 1, 3)]);
    fails(back, "1 was delivered 1 after 3");
    let gap = deliver(BOB, &[(ANA, 1, 1, 0), (ANA, 3, 4, 1)]);
    fails(gap, "1 went from 1 to 4, and 3 was for it");
    let prev = deliver(BOB, &[(ANA, 1, 1, 0), (ANA, 2, 3, 2)]);
    fails(prev, "1 was delivered 3 with prev 2, after 1");
    let own = deliver(ANA, &[(ANA, 1, 1, 0)]);
    fails(
        own,
        "0 was delivered its own Name { who: 0, epoch: Epoch(1), pseq: Pseq(1) }",
    );
    let audience = deliver(EVA, &[(BOB, 1, 2, 0)]);
    fails(
        audience,
        "2 was delivered Name { who: 1, epoch: Epoch(1), pseq: Pseq(1) }, which is not for it",
    );
}

#[test]
fn what_the_order_does_not_hold_is_named() {
    let elsewhere = deliver(BOB, &[(ANA, 1, 3, 0)]);
    assert!(matches!(
        elsewhere,
        Err(Violation::NotTheOrder {
            viewer: BOB,
            stamp: 3,
            ..
        })
    ));
    let nowhere = deliver(BOB, &[(ANA, 1, 9, 0)]);
    assert!(matches!(
        nowhere,
        Err(Violation::NotTheOrder { there: None, .. })
    ));
    let mut check = history();
    let altered = Delivery {
        text: "y".to_owned(),
        ..delivery(ANA, 1, 1, 0)
    };
    let altered = check.delivered(BOB, ANA, &altered);
    assert!(matches!(
        altered,
        Err(Violation::Altered { viewer: BOB, .. })
    ));
    let commit = history().committed(name(ANA, 1), MemberId(0), 3);
    assert!(matches!(
        commit,
        Err(Violation::NotTheOrder {
            viewer: ANA,
            stamp: 3,
            ..
        })
    ));
}

#[test]
fn broken_orders_are_named() {
    let order = |name: Name, stamp| history().ordered(name, stamp, BTreeSet::new());
    let (ana, carla) = (name(ANA, 1), name(EVA, 1));
    let twice = order(ana, 5);
    assert_eq!(
        twice,
        Err(Violation::TwoPlaces {
            name: ana,
            first: 1,
            second: 5
        })
    );
    assert_eq!(order(carla, 5), Err(Violation::NeverSaid(carla)));
    let mut check = history();
    check.said(carla, "x");
    let low = check.ordered(carla, 4, BTreeSet::new());
    let (stamp, before) = (4, 4);
    assert_eq!(
        low,
        Err(Violation::OrderNotIncreasing {
            name: carla,
            stamp,
            before
        })
    );
}

#[test]
fn an_author_overtaken_by_itself_is_named() {
    let mut check = Check::new(2);
    check.said(name(ANA, 1), "x");
    check.said(name(ANA, 2), "x");
    check
        .ordered(name(ANA, 2), 1, BTreeSet::from([BOB]))
        .unwrap();
    let late = check.ordered(name(ANA, 1), 2, BTreeSet::from([BOB]));
    assert_eq!(late, Err(Violation::AuthorOrder(name(ANA, 1))));
}

#[test]
fn an_effect_before_its_cause_is_named() {
    let mut check = history();
    check.delivered(ANA, BOB, &delivery(BOB, 1, 2, 0)).unwrap();
    // Told of stamp 2, Ana answers; the clock that Bob is shown says otherwise.
    let mut later = delivery(ANA, 1, 1, 0);
    later.clock = Lamport::new(1);
    let early = check.delivered(BOB, ANA, &later);
    assert!(matches!(
        early,
        Err(Violation::BeforeCause {
            stamp: 1,
            cause: 1,
            ..
        })
    ));
}

#[test]
fn settling_twice_or_never_is_named() {
    let mut check = history();
    check.committed(name(ANA, 1), MemberId(0), 1).unwrap();
    check.decided_against(name(ANA, 1), "unknown-user");
    let both = check.refused(name(ANA, 1), "unknown-user");
    assert!(matches!(both, Err(Violation::SettledTwice { .. })));
    let undecided = history().refused(name(ANA, 2), "unknown-user");
    assert!(matches!(undecided, Err(Violation::NotDecided { .. })));
    let clock = history().refused(name(ANA, 2), "clock-ahead");
    assert_eq!(clock, Err(Violation::ClockAhead(name(ANA, 2))));
    let mut check = Check::new(1);
    check.said(name(ANA, 1), "x");
    assert_eq!(check.complete(), Err(Violation::Unsettled(name(ANA, 1))));
    assert!(matches!(
        history().complete(),
        Err(Violation::Missing { .. })
    ));
}

#[test]
fn resuming_too_late_without_a_word_is_named() {
    let mut check = history();
    check.delivered(BOB, ANA, &delivery(ANA, 1, 1, 0)).unwrap();
    let silent = check.resumed(BOB, 3, false);
    fails(silent, "1 went from 1 to 3, and 3 was for it");
    check.resumed(BOB, 3, true).unwrap();
    check.delivered(BOB, ANA, &delivery(ANA, 3, 4, 3)).unwrap();
}

#[test]
fn an_event_out_of_place_is_named() {
    let mut check = history();
    check.delivered(BOB, ANA, &delivery(ANA, 1, 1, 0)).unwrap();
    check.event(BOB, 2).unwrap();
    // Before stamp 3 is delivered nothing may be said to follow it.
    let early = check.event(BOB, 3);
    assert!(matches!(
        early,
        Err(Violation::OutOfPlace {
            after: 3,
            next: Some(3),
            ..
        })
    ));
    let late = check.event(BOB, 0);
    assert!(matches!(
        late,
        Err(Violation::OutOfPlace {
            after: 0,
            upto: 1,
            ..
        })
    ));
}

fn told(check: &mut Check, who: Who, told: &ToClient) -> Result<(), Violation> {
    check.told(who, told, |member| member.0 as usize)
}

fn commit(pseq: u64, stamp: u64) -> ToClient {
    ToClient::Committed {
        epoch: Epoch(1),
        pseq: Pseq(pseq),
        stamp: Lamport::new(stamp),
    }
}

#[test]
fn what_is_told_before_it_is_durable_is_named() {
    let mut check = history();
    told(&mut check, ANA, &commit(3, 4)).unwrap();
    let message = ToClient::Message(delivery(ANA, 3, 4, 3));
    told(&mut check, BOB, &message).unwrap();
    check.said(name(ANA, 4), "x");
    let early = told(&mut check, ANA, &commit(4, 5));
    let (viewer, stamp) = (ANA, 5);
    let before = Violation::BeforeDurable {
        viewer,
        name: name(ANA, 4),
        stamp,
    };
    assert_eq!(early, Err(before));
    let message = ToClient::Message(delivery(ANA, 4, 5, 4));
    let early = told(&mut check, EVA, &message);
    assert!(matches!(
        early,
        Err(Violation::BeforeDurable {
            viewer: EVA,
            stamp: 5,
            ..
        })
    ));
    let refused = ToClient::Refused {
        epoch: Epoch(1),
        pseq: Pseq(4),
        code: RefusalCode::UnknownUser,
        text: String::new(),
    };
    let early = told(&mut check, ANA, &refused);
    assert!(matches!(early, Err(Violation::RefusedBeforeDurable { .. })));
    check.decided_against(name(ANA, 4), "unknown-user");
    told(&mut check, ANA, &refused).unwrap();
}

#[test]
fn who_is_let_in_before_its_claim_is_durable_is_named() {
    let mut check = history();
    let entered = ToClient::Entered {
        nick: nick("ana"),
        member: MemberId(0),
        clock: Lamport::ZERO,
        settled: Pseq(0),
        resumed: Lamport::ZERO,
        gap: false,
        newest: Lamport::ZERO,
        rewound: false,
        same: Lamport::ZERO,
        left: 0,
    };
    let early = told(&mut check, ANA, &entered);
    assert_eq!(early, Err(Violation::EnteredBeforeDurable(ANA)));
    check.stored(&journal());
    told(&mut check, ANA, &entered).unwrap();
}

#[test]
fn two_messages_at_one_stamp_and_two_stamps_of_one_message_are_named() {
    let mut check = history();
    told(&mut check, ANA, &commit(1, 1)).unwrap();
    let twice = told(&mut check, BOB, &commit(1, 1));
    let (stamp, first, second) = (1, name(ANA, 1), name(BOB, 1));
    let expected = Violation::StampTwice {
        stamp,
        first,
        second,
    };
    assert_eq!(twice, Err(expected));
    let mut check = history();
    told(&mut check, ANA, &commit(1, 1)).unwrap();
    let moved = told(&mut check, ANA, &commit(1, 3));
    let (first, second) = (1, 3);
    let expected = Violation::TwoPlaces {
        name: name(ANA, 1),
        first,
        second,
    };
    assert_eq!(moved, Err(expected));
}

/// What a disk has of [`history`].
fn journal() -> Vec<Record> {
    let claimed = |who: Who| Recorded::Claimed {
        member: MemberId(who as u32),
        author: key_of(who),
        epoch: Epoch(1),
        nick: nick("somebody"),
    };
    let message = |author: Who, pseq| {
        Recorded::Message(RecordedMessage {
            member: MemberId(author as u32),
            from: nick("somebody"),
            epoch: Epoch(1),
            pseq: Pseq(pseq),
            clock: Lamport::ZERO,
            seen: Lamport::ZERO,
            sent_at: UnixMicros(0),
            audience: Audience::All,
            to: To::All,
            text: "x".to_owned(),
        })
    };
    let events = [
        (0, claimed(ANA)),
        (0, claimed(BOB)),
        (1, message(ANA, 1)),
        (2, message(BOB, 1)),
        (3, message(ANA, 2)),
        (4, message(ANA, 3)),
    ];
    let record = |(place, (stamp, event)): (usize, (u64, Recorded))| Record {
        index: LogIndex(place as u64 + 1),
        at: UnixMicros(0),
        stamp: Lamport::new(stamp),
        event,
    };
    events.into_iter().enumerate().map(record).collect()
}

#[test]
fn what_a_disk_lost_changed_or_made_up_is_named() {
    let reopened = |records: &[Record]| history().reopened(records, who_has);
    reopened(&journal()).unwrap();
    let lost = |stamp, was, is| Err(Violation::Lost { stamp, was, is });
    let (ana, bob) = (name(ANA, 3), name(BOB, 1));
    let mut short = journal();
    short.pop();
    assert_eq!(reopened(&short), lost(4, Some(ana), None));
    let mut hole = journal();
    hole.remove(3);
    assert_eq!(reopened(&hole), lost(2, Some(bob), None));
    let mut changed = journal();
    let Recorded::Message(message) = &mut changed[3].event else {
        panic!("it is a message");
    };
    message.pseq = Pseq(2);
    assert_eq!(reopened(&changed), lost(2, Some(bob), Some(name(BOB, 2))));
    let mut more = journal();
    let mut further = more[5].clone();
    further.stamp = Lamport::new(5);
    more.push(further);
    assert_eq!(reopened(&more), lost(5, None, Some(ana)));
    let mut altered = journal();
    let Recorded::Message(message) = &mut altered[3].event else {
        panic!("it is a message");
    };
    message.text = "y".to_owned();
    assert!(matches!(
        reopened(&altered),
        Err(Violation::Altered { viewer: BOB, .. })
    ));
}

/// Runs worlds with a broken server: every one of them must be found out, with these words.
#[track_caller]
fn found_out(wrong: Wrong, words: &str) {
    for seed in 0..8 {
        let mut world = Cutting::broken(seed, wrong);
        let ran = catch_unwind(AssertUnwindSafe(|| world.run()));
        let panic = ran.expect_err("a broken server passed");
        let said = panic.downcast_ref::<String>().cloned().unwrap_or_default();
        assert!(said.contains(words), "seed {seed}: {said}");
    }
}

#[test]
fn a_server_that_tells_before_it_stores_is_found_out() {
    found_out(Wrong::TellsFirst, "durable");
}

#[test]
fn a_disk_that_lies_is_found_out() {
    found_out(Wrong::DiskLies, "after a restart");
}
