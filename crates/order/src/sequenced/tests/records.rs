//! Which entries change what lasts, and what a journal keeps of them.

use super::*;
use crate::record::{RecordedMessage, RoomId, To};

/// Applies one entry and compares what lasts of it.
#[track_caller]
fn check(order: &mut Sequenced, who: u8, action: Action, expected: Option<Recorded>) {
    let mut out = Vec::new();
    let recorded = order.apply_recorded(entry(who, 10, action), &mut out);
    assert_eq!(recorded, expected, "{out:?}");
    assert_eq!(out.len(), 1);
}

fn claimed(member: u32, who: u8, epoch: u64, name: &str) -> Option<Recorded> {
    Some(Recorded::Claimed {
        member: MemberId(member),
        author: author(who),
        epoch: Epoch(epoch),
        nick: nick(name),
    })
}

fn renamed(member: u32, from: &str, to: &str) -> Option<Recorded> {
    Some(Recorded::Renamed {
        member: MemberId(member),
        from: nick(from),
        to: nick(to),
    })
}

fn joined(member: u32, name: &str, number: u64, place: &str) -> Option<Recorded> {
    Some(Recorded::RoomJoined {
        member: MemberId(member),
        nick: nick(name),
        room: RoomId(number),
        name: room(place),
    })
}

fn left(member: u32, name: &str, number: u64, place: &str) -> Option<Recorded> {
    Some(Recorded::RoomLeft {
        member: MemberId(member),
        nick: nick(name),
        room: RoomId(number),
        name: room(place),
    })
}

fn settled(pseq: u64, clock: u64, code: RefusalCode) -> Option<Recorded> {
    Some(Recorded::Refused {
        member: MemberId(0),
        epoch: Epoch(1),
        pseq: Pseq(pseq),
        clock: at(clock),
        code,
    })
}

fn clock(clock: u64) -> Option<Recorded> {
    Some(Recorded::Clock { clock: at(clock) })
}

fn said(sent: Submit, audience: Audience, to: To) -> Option<Recorded> {
    Some(Recorded::Message(RecordedMessage {
        member: MemberId(0),
        from: nick("ana"),
        epoch: sent.epoch,
        pseq: sent.pseq,
        clock: sent.clock,
        seen: sent.seen,
        sent_at: sent.sent_at,
        audience,
        to,
        text: sent.text,
    }))
}

#[test]
fn claims_last_and_sessions_do_not() {
    let order = &mut Sequenced::default();
    check(order, ANA, enter("ana", 1), claimed(0, ANA, 1, "ana"));
    check(order, ANA, enter("ana", 1), None);
    check(order, ANA, enter("ana", 2), claimed(0, ANA, 2, "ana"));
    check(order, ANA, enter("ana", 1), None);
    check(order, ANA, enter("Ana", 2), claimed(0, ANA, 2, "Ana"));
    check(order, BOB, enter("ana", 1), None);
    check(order, BOB, rename("bob"), None);
    check(order, BOB, enter("bob", 1), claimed(1, BOB, 1, "bob"));
    check(order, ANA, rename("ada"), renamed(0, "Ana", "ada"));
    check(order, ANA, rename("ada"), None);
    check(order, ANA, rename("bob"), None);
    check(order, ANA, Action::Exit, None);
    check(order, ANA, Action::Exit, None);
    check(order, ANA, enter("ada", 2), None);
}

#[test]
fn rooms_last_and_have_numbers() {
    let order = &mut three();
    check(order, ANA, join("lab"), joined(0, "ana", 0, "lab"));
    check(order, ANA, join("LAB"), None);
    check(order, BOB, join("LAB"), joined(1, "bob", 0, "lab"));
    check(order, BOB, join("tea"), joined(1, "bob", 1, "tea"));
    check(order, ANA, leave("tea"), None);
    check(order, ANA, leave("lab"), left(0, "ana", 0, "lab"));
    check(order, BOB, leave("LAB"), left(1, "bob", 0, "lab"));
    check(order, ANA, join("lab"), joined(0, "ana", 2, "lab"));
}

#[test]
fn messages_last_with_their_audience_by_number() {
    let order = &mut three();
    check(order, ANA, join("lab"), joined(0, "ana", 0, "lab"));
    check(order, BOB, rename("rui"), renamed(1, "bob", "rui"));
    let mut pseq = 0;
    let mut case = |audience: Audience, resolved, to| {
        pseq += 1;
        let sent = message(pseq, audience);
        let expected = said(sent.clone(), resolved, to);
        check(order, ANA, Action::Say(sent), expected);
    };
    case(Audience::All, Audience::All, To::All);
    case(to("BOB"), to("rui"), To::Members(numbers([1])));
    let named = to_each(["eva", "ana", "bob", "rui"]);
    let to = To::Members(numbers([1, 2]));
    case(named, to_each(["eva", "rui"]), to);
    case(in_room("LAB"), in_room("lab"), To::Room(RoomId(0)));
}

#[test]
fn what_has_no_place_lasts_as_far_as_it_settles_or_moves_the_clock() {
    let order = &mut three();
    let say = |pseq, clock, audience| {
        let clock = at(clock);
        Action::Say(Submit {
            clock,
            ..message(pseq, audience)
        })
    };
    let all = Audience::All;
    let unknown = settled(1, 1, RefusalCode::UnknownUser);
    check(order, ANA, say(1, 1, to("nobody")), unknown);
    check(order, ANA, say(1, 1, all.clone()), None);
    check(order, ANA, say(1, 2, all.clone()), clock(2));
    check(order, ANA, say(1, 9, all.clone()), None);
    check(order, ANA, say(3, 3, all.clone()), clock(3));
    check(order, ANA, say(3, 3, all.clone()), None);
    let ahead = settled(2, 5, RefusalCode::ClockAhead);
    check(order, ANA, say(2, 5, all.clone()), ahead);
    let mut out = Vec::new();
    let closed = entry(ANA, 9, say(3, 4, all));
    assert_eq!(order.apply_recorded(closed, &mut out), None);
    assert_eq!(order.clock(), at(3));
}
