use super::*;

/// An `Entered` of epoch 1 with nothing said, to be varied.
fn entered(who: u8, member: u32, name: &str) -> Effect {
    Effect::Entered {
        member: MemberId(member),
        author: author(who),
        nick: nick(name),
        renamed_from: None,
        took_over: None,
        new_member: false,
        clock: at(0),
        settled: Pseq(0),
        last_addressed: at(0),
    }
}

fn vary(effect: Effect, renamed: Option<&str>, over: Option<u64>, new: bool) -> Effect {
    let Effect::Entered {
        member,
        author,
        nick: held,
        clock,
        settled,
        last_addressed,
        ..
    } = effect
    else {
        unreachable!("only entered");
    };
    Effect::Entered {
        member,
        author,
        nick: held,
        renamed_from: renamed.map(nick),
        took_over: over.map(SessionNumber),
        new_member: new,
        clock,
        settled,
        last_addressed,
    }
}

#[test]
fn a_first_claim_makes_a_member_and_a_return_does_not() {
    let mut order = Sequenced::default();
    let ana = || entered(ANA, 0, "ana");
    check(
        &mut order,
        entry(ANA, 10, enter("ana", 1)),
        vary(ana(), None, None, true),
    );
    // The same session again: the same answer, nobody taken over.
    check(&mut order, entry(ANA, 10, enter("ana", 1)), ana());
    check(
        &mut order,
        entry(ANA, 11, enter("ana", 1)),
        vary(ana(), None, Some(10), false),
    );
    let anna = vary(entered(ANA, 0, "anna"), Some("ana"), Some(11), false);
    check(&mut order, entry(ANA, 12, enter("anna", 1)), anna);
    check(
        &mut order,
        entry(BOB, 1, enter("bob", 1)),
        vary(entered(BOB, 1, "bob"), None, None, true),
    );
    assert_eq!(order.members_len(), 2);
    assert_eq!(order.present_len(), 2);
    assert_eq!(order.author_of(MemberId(1)), Some(&author(BOB)));
    assert_eq!(order.nick_of(MemberId(2)), None);
}

const TAKEN_OVER: &str =
    "a newer session of this profile has taken over: go on there, or connect again here";

#[test]
fn nothing_of_an_older_session_takes_effect() {
    let mut order = three();
    apply(&mut order, entry(ANA, 20, enter("ana", 1)));
    let fenced = |message| refused(Some(0), message, RefusalCode::TakenOver, TAKEN_OVER);
    for action in [Action::Exit, rename("x"), join("lab"), leave("lab")] {
        check(&mut order, entry(ANA, 10, action), fenced(None));
    }
    let late = Submit {
        clock: at(1),
        ..message(1, Audience::All)
    };
    check(
        &mut order,
        entry(ANA, 10, Action::Say(late)),
        fenced(Some((1, 1))),
    );
    assert_eq!((order.clock(), order.present_len()), (at(0), 3));
    assert_eq!(order.settled_of(MemberId(0)), Some((Epoch(1), Pseq(0))));
    // Neither while the newer one is open, nor once it has ended.
    let text = "a newer session of this profile is active: close it, or check that this machine's \
                clock is right, and connect again";
    let active = refused(Some(0), None, RefusalCode::TakenOver, text);
    check(&mut order, entry(ANA, 10, enter("ana", 1)), active);
    apply(&mut order, entry(ANA, 20, Action::Exit));
    check(&mut order, entry(ANA, 10, join("lab")), fenced(None));
    // Then a lower number may enter: clocks of two machines differ.
    check(
        &mut order,
        entry(ANA, 10, enter("ana", 1)),
        entered(ANA, 0, "ana"),
    );
}

#[test]
fn who_has_not_entered_is_told_to() {
    let mut order = three();
    let first = "claim a name first, with --name NAME; then everything else";
    let stranger = |message| refused(None, message, RefusalCode::Malformed, first);
    check(&mut order, entry(9, 1, Action::Exit), stranger(None));
    let said = Action::Say(message(1, Audience::All));
    check(&mut order, entry(9, 1, said), stranger(Some((1, 1))));
    // A greater number takes effect only by entering.
    let not_yet = refused(Some(0), None, RefusalCode::Malformed, first);
    check(&mut order, entry(ANA, 11, join("lab")), not_yet);
    let exited = Effect::Exited {
        member: MemberId(0),
        nick: nick("ana"),
        after: at(0),
    };
    check(&mut order, entry(ANA, 10, Action::Exit), exited);
    let ended = "this session has ended: connect again";
    let ended = refused(Some(0), None, RefusalCode::Malformed, ended);
    check(&mut order, entry(ANA, 10, Action::Exit), ended);
    let present: Vec<_> = order
        .present()
        .map(|line| (line.member.0, line.nick))
        .collect();
    assert_eq!(present, [(1, nick("bob")), (2, nick("eva"))]);
}

#[test]
fn an_older_outbox_is_refused_and_a_newer_begins_at_one() {
    let mut order = three();
    apply(
        &mut order,
        entry(ANA, 10, Action::Say(message(1, Audience::All))),
    );
    apply(&mut order, entry(ANA, 11, enter("ana", 5)));
    assert_eq!(order.settled_of(MemberId(0)), Some((Epoch(5), Pseq(0))));
    let text = "another session of this profile is newer: its outbox has epoch 5, this one 4; \
                go on there, or start again here";
    let stale = |message| refused(Some(0), message, RefusalCode::StaleEpoch, text);
    check(&mut order, entry(ANA, 12, enter("ann", 4)), stale(None));
    // Refused, it changed nothing: neither the session nor the nick.
    let old = Submit {
        epoch: Epoch(4),
        ..message(1, Audience::All)
    };
    check(
        &mut order,
        entry(ANA, 11, Action::Say(old)),
        stale(Some((4, 1))),
    );
    assert_eq!(order.nick_of(MemberId(0)), Some(&nick("ana")));
    assert_eq!(order.owner_of(&nick("ann")), None);
}

fn renamed(member: u32, from: &str, to: &str) -> Effect {
    let (from, to) = (nick(from), nick(to));
    Effect::Renamed {
        member: MemberId(member),
        from,
        to,
        after: at(0),
    }
}

#[test]
fn a_nick_is_its_first_claimers_for_ever() {
    let mut order = three();
    let taken = |member, name: &str| {
        let text = format!("{name} belongs to somebody else: choose another name");
        refused(member, None, RefusalCode::NickTaken, &text)
    };
    check(
        &mut order,
        entry(ANA, 10, rename("bob")),
        taken(Some(0), "bob"),
    );
    check(
        &mut order,
        entry(ANA, 10, rename("BOB")),
        taken(Some(0), "BOB"),
    );
    check(&mut order, entry(9, 1, enter("Ana", 1)), taken(None, "Ana"));
    check(
        &mut order,
        entry(ANA, 10, rename("lia")),
        renamed(0, "ana", "lia"),
    );
    check(
        &mut order,
        entry(BOB, 10, rename("ana")),
        taken(Some(1), "ana"),
    );
    check(
        &mut order,
        entry(BOB, 11, enter("ana", 1)),
        taken(Some(1), "ana"),
    );
    check(
        &mut order,
        entry(ANA, 10, rename("ANA")),
        renamed(0, "lia", "ANA"),
    );
    check(
        &mut order,
        entry(ANA, 10, rename("ana")),
        renamed(0, "ANA", "ana"),
    );
    let same = refused(
        Some(0),
        None,
        RefusalCode::NotAllowed,
        "you are already called ana",
    );
    check(&mut order, entry(ANA, 10, rename("ana")), same);
    for name in ["ana", "lia", "LIA"] {
        assert_eq!(order.owner_of(&nick(name)), Some(MemberId(0)));
    }
    assert_eq!(order.member_of(&author(9)), None);
}

fn room_event(
    joined: bool,
    member: u32,
    name: &str,
    at_room: &str,
    who: Arc<[MemberId]>,
) -> Effect {
    let (member, nick, room, after) = (MemberId(member), nick(name), room(at_room), at(0));
    let recipients = Recipients::Members(who);
    if joined {
        Effect::RoomJoined {
            member,
            nick,
            room,
            after,
            recipients,
        }
    } else {
        Effect::RoomLeft {
            member,
            nick,
            room,
            after,
            recipients,
        }
    }
}

#[test]
fn rooms_are_made_by_the_first_and_end_with_the_last() {
    let mut order = three();
    let outside = |name: &str| {
        let text = format!("you are not in #{name}: /join #{name} first");
        refused(Some(1), None, RefusalCode::NotInRoom, &text)
    };
    check(&mut order, entry(BOB, 10, leave("lab")), outside("lab"));
    check(
        &mut order,
        entry(EVA, 10, join("Lab")),
        room_event(true, 2, "eva", "Lab", numbers([2])),
    );
    check(&mut order, entry(BOB, 10, leave("lab")), outside("lab"));
    check(
        &mut order,
        entry(ANA, 10, join("lab")),
        room_event(true, 0, "ana", "Lab", numbers([0, 2])),
    );
    check(
        &mut order,
        entry(BOB, 10, join("LAB")),
        room_event(true, 1, "bob", "Lab", numbers([0, 1, 2])),
    );
    // Already in: told so, and nobody else is.
    check(
        &mut order,
        entry(BOB, 10, join("lab")),
        room_event(true, 1, "bob", "Lab", numbers([1])),
    );
    assert_eq!(order.rooms().collect::<Vec<_>>(), [(&room("Lab"), 3)]);
    // A room is for members, connected or not.
    apply(&mut order, entry(ANA, 10, Action::Exit));
    assert_eq!(
        order.rooms_of(MemberId(0)).collect::<Vec<_>>(),
        [&room("Lab")]
    );
    check(
        &mut order,
        entry(EVA, 10, leave("lab")),
        room_event(false, 2, "eva", "Lab", numbers([0, 1, 2])),
    );
    check(
        &mut order,
        entry(BOB, 10, leave("lab")),
        room_event(false, 1, "bob", "Lab", numbers([0, 1])),
    );
    assert_eq!(order.room_members(&room("lab")), Some(&numbers([0])));
    apply(&mut order, entry(ANA, 10, enter("ana", 1)));
    check(
        &mut order,
        entry(ANA, 10, leave("lab")),
        room_event(false, 0, "ana", "Lab", numbers([0])),
    );
    assert_eq!(order.rooms().count(), 0);
    check(
        &mut order,
        entry(BOB, 10, join("lab")),
        room_event(true, 1, "bob", "lab", numbers([1])),
    );
}
