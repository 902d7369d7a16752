//! What leaves the outbox, when, and under which name.

use super::*;
use crate::core::testing::submit;
use lamparina_protocol::RoomName;

fn clocks(outbox: &Outbox) -> Vec<u64> {
    let clock = |(item, _): (&Item, bool)| match item {
        Item::Say(said) => said.submit.clock.get(),
        Item::Ask(_) => 0,
    };
    outbox.items().map(clock).collect()
}

fn with_clocks(given: &[u64]) -> Outbox {
    let mut outbox = Outbox::new(Epoch(1));
    for clock in given {
        outbox.say(submit("x", *clock));
    }
    outbox
}

#[track_caller]
fn check(given: &[u64], head: u64, fresh: bool, expected: &[u64]) {
    let mut outbox = with_clocks(given);
    let last = outbox.set_clocks(Lamport::new(head), fresh);
    assert_eq!(clocks(&outbox), expected);
    assert_eq!(last.get(), expected.iter().copied().fold(head, u64::max));
}

#[test]
fn clocks_stay_honest_when_sent_again() {
    check(&[5, 6, 7], 4, false, &[5, 6, 7]);
    check(&[5, 6, 7], 90, false, &[5, 6, 7]);
    check(&[5, 9, 10], 4, false, &[5, 6, 7]);
    check(&[50, 51], 4, true, &[5, 6]);
    check(&[5, 6], 90, true, &[91, 92]);
    check(&[], 4, true, &[]);
}

#[test]
fn what_is_settled_leaves_and_the_rest_goes_again_in_order() {
    let mut outbox = with_clocks(&[1, 2, 3]);
    outbox.ask(Ask::Who);
    while outbox.next_out(0, false).is_some() {}
    let second = MessageName {
        epoch: Epoch(1),
        pseq: Pseq(2),
    };
    assert!(outbox.settle(second).is_some());
    assert!(outbox.settle(second).is_none());
    assert_eq!(outbox.first().map(|name| name.pseq), Some(Pseq(1)));
    outbox.rewind();
    assert!(outbox.answered(|ask| *ask == Ask::Who).is_none());
    while outbox.next_out(0, false).is_some() {}
    assert!(outbox.answered(|ask| *ask == Ask::Who).is_some());
    assert_eq!(clocks(&outbox), [1, 3]);
    outbox.renew(Epoch(9));
    assert_eq!(places(&outbox), [1, 2]);
}

fn places(outbox: &Outbox) -> Vec<u64> {
    outbox.said().map(|said| said.submit.pseq.0).collect()
}

fn numbers(cancelled: &[(MessageName, u64)]) -> Vec<u64> {
    cancelled.iter().map(|(_, number)| *number).collect()
}

/// Five messages, of which `sent` went out; what is cancelled, too late, and left.
#[track_caller]
fn check_cancel(sent: usize, which: Cancel, expected: Option<(&[u64], usize, &[u64])>) {
    let mut outbox = with_clocks(&[1, 2, 3, 4, 5]);
    for _ in 0..sent {
        outbox.next_out(0, false);
    }
    let before: Vec<_> = outbox.said().map(|said| said.submit.clock).collect();
    let done = outbox.cancel(which);
    let (cancelled, too_late) = match &done {
        Some(done) => (numbers(&done.cancelled), done.too_late),
        None => return assert_eq!(expected, None),
    };
    let left = clocks(&outbox);
    assert_eq!(Some((&cancelled[..], too_late, &left[..])), expected);
    let without_holes: Vec<_> = (1..=left.len() as u64).collect();
    assert_eq!(places(&outbox), without_holes);
    assert_eq!(outbox.next_place().0, left.len() as u64 + 1);
    for (was, now) in done.into_iter().flat_map(|done| done.moved) {
        let said = outbox.said().find(|said| said.given == now);
        let clock = said.map(|said| said.submit.clock);
        assert_eq!(clock, Some(before[was.pseq.0 as usize - 1]));
    }
}

#[test]
fn what_never_went_out_can_be_cancelled_and_leaves_no_hole() {
    let one = Cancel::One;
    check_cancel(0, one(1), Some((&[1], 0, &[2, 3, 4, 5])));
    check_cancel(2, one(3), Some((&[3], 0, &[1, 2, 4, 5])));
    check_cancel(2, one(5), Some((&[5], 0, &[1, 2, 3, 4])));
    check_cancel(2, one(2), Some((&[], 1, &[1, 2, 3, 4, 5])));
    check_cancel(2, one(6), None);
    check_cancel(2, Cancel::All, Some((&[3, 4, 5], 2, &[1, 2])));
    check_cancel(5, Cancel::All, Some((&[], 5, &[1, 2, 3, 4, 5])));
    // What went out in an earlier run stays too.
    let mut outbox = with_clocks(&[1, 2]);
    outbox.next_out(0, false);
    let kept = |said: &Said| Kept {
        given: said.given,
        submit: said.submit.clone(),
        tried: said.sent,
    };
    let kept: Vec<_> = outbox.said().map(kept).collect();
    let mut outbox = Outbox::of(Epoch(1), Pseq(2), kept);
    let done = outbox.cancel(Cancel::All).unwrap();
    assert_eq!((numbers(&done.cancelled), done.too_late), (vec![2], 1));
    assert_eq!(outbox.last(), Pseq(1));
}

#[test]
fn nothing_goes_out_before_it_is_stored() {
    let mut outbox = with_clocks(&[1, 2]);
    outbox
        .said_mut()
        .for_each(|said| said.ready = said.submit.clock.get());
    assert!(outbox.next_out(0, false).is_none());
    assert!(outbox.next_out(1, false).is_some());
    assert!(outbox.next_out(1, false).is_none());
    assert!(outbox.next_out(2, false).is_some());
}

#[test]
fn renewed_messages_go_again_and_requests_under_way_do_not() {
    let mut outbox = with_clocks(&[1]);
    outbox.ask(Ask::Who);
    outbox.say(submit("x", 2));
    while outbox.next_out(0, false).is_some() {}
    outbox.ask(Ask::Join(RoomName::try_from("lab").unwrap()));
    outbox.renew(Epoch(2));
    let mut out = Vec::new();
    while let Some(item) = outbox.next_out(0, false) {
        out.push(match item {
            Item::Say(said) => said.submit.pseq.0,
            Item::Ask(_) => 0,
        });
    }
    assert_eq!(out, [1, 2, 0]);
    assert!(outbox.answered(|ask| *ask == Ask::Who).is_some());
}

#[test]
fn names_that_somebody_else_has_used_are_left_to_him() {
    #[track_caller]
    fn check(sent: usize, settled: u64, expected: Option<&[u64]>) {
        let mut outbox = with_clocks(&[1, 2, 3]);
        for _ in 0..sent {
            outbox.next_out(0, false);
        }
        let moved = outbox.make_way(Pseq(settled));
        assert_eq!(moved.is_some(), expected.is_some());
        assert_eq!(places(&outbox), expected.unwrap_or(&[1, 2, 3]));
        let last = places(&outbox).last().copied();
        assert_eq!(outbox.last().0, last.max(Some(settled)).unwrap_or_default());
    }
    check(0, 0, None);
    check(0, 1, Some(&[2, 3, 4]));
    check(2, 1, None);
    check(2, 2, None);
    check(2, 3, Some(&[1, 2, 4]));
    check(2, 9, Some(&[1, 2, 10]));
    check(3, 3, None);
    check(3, 5, Some(&[1, 2, 3]));
}

#[test]
fn questions_wait_for_answers_and_keep_their_places() {
    let mut outbox = Outbox::new(Epoch(1));
    let trace = |stamp| Ask::Trace(Lamport::new(stamp));
    for stamp in 1..=20 {
        outbox.ask(trace(stamp));
    }
    outbox.say(submit("behind them", 1));
    let mut asked = 0;
    let mut go = |outbox: &mut Outbox| {
        while outbox.next_out(0, false).is_some() {
            asked += 1;
        }
        asked
    };
    assert_eq!(go(&mut outbox), QUESTIONS_MAX);
    assert_eq!(outbox.answered(Ask::reads), Some(trace(1)));
    assert_eq!(go(&mut outbox), QUESTIONS_MAX + 1);
    // Another connection: those without an answer go again, no more than before.
    outbox.rewind();
    assert_eq!(go(&mut outbox), 2 * QUESTIONS_MAX + 1);
    for stamp in 2..=20 {
        assert_eq!(outbox.answered(Ask::reads), Some(trace(stamp)));
        go(&mut outbox);
    }
    assert!(outbox.first().is_some() && outbox.said().all(|said| said.sent));
    assert_eq!((outbox.len(), outbox.reading), (1, 0));
}

#[test]
fn numbers_stay_whatever_becomes_of_the_others() {
    let listed = |outbox: &Outbox| outbox.said().map(|said| said.number).collect::<Vec<_>>();
    let mut outbox = with_clocks(&[1, 2, 3, 4]);
    outbox.cancel(Cancel::One(2)).unwrap();
    assert_eq!(
        (listed(&outbox), places(&outbox)),
        (vec![1, 3, 4], vec![1, 2, 3])
    );
    outbox.renew(Epoch(7));
    outbox.say(submit("x", 5));
    assert_eq!(listed(&outbox), [1, 3, 4, 5]);
    assert!(
        outbox.cancel(Cancel::One(2)).is_none(),
        "it is gone for good"
    );
    // Another outbox, into which two of these went.
    let kept = |said: &Said| Kept {
        given: said.given,
        submit: said.submit.clone(),
        tried: said.sent,
    };
    let mut all: Vec<_> = outbox.said().skip(2).map(kept).collect();
    all.insert(0, kept(with_clocks(&[9]).said().next().unwrap()));
    all[0].given.epoch = Epoch(99);
    outbox.ask(Ask::Who);
    outbox.replace(Epoch(50), Pseq(8), all);
    assert_eq!(
        (listed(&outbox), outbox.epoch(), outbox.len()),
        (vec![6, 4, 5], Epoch(50), 4)
    );
    outbox.say(submit("x", 6));
    assert_eq!(listed(&outbox), [6, 4, 5, 7]);
}
