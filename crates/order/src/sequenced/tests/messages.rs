use super::*;
use lamparina_protocol::audience::AUDIENCE_USERS_MAX;
use lamparina_protocol::message::TEXT_BYTES_MAX;

fn say(who: u8, message: Submit) -> Entry {
    entry(who, 10, Action::Say(message))
}

/// A message of Ana's, stamped.
fn stamped(stamp: u64, audience: Audience, recipients: Recipients, message: Submit) -> Effect {
    let (member, from, stamp) = (MemberId(0), nick("ana"), at(stamp));
    Effect::Stamped {
        member,
        from,
        stamp,
        audience,
        recipients,
        message,
    }
}

fn repeated(pseq: u64, outcome: Result<Lamport, RefusalCode>) -> Effect {
    Effect::Repeated {
        member: MemberId(0),
        epoch: Epoch(1),
        pseq: Pseq(pseq),
        outcome,
    }
}

/// Ana says it as her first message; `audience` is what the order makes of it.
#[track_caller]
fn check_audience(order: &mut Sequenced, said: Audience, audience: Audience, to: Recipients) {
    let (_, settled) = order.settled_of(MemberId(0)).unwrap();
    let message = message(settled.0 + 1, said);
    let stamp = order.clock().get().max(1) + 1;
    check(
        order,
        say(ANA, message.clone()),
        stamped(stamp, audience, to, message),
    );
}

#[test]
fn an_audience_is_fixed_at_its_place() {
    let order = &mut three();
    let members = |members| Recipients::Members(members);
    check_audience(
        order,
        Audience::All,
        Audience::All,
        Recipients::AllExcept(MemberId(0)),
    );
    check_audience(order, to("Bob"), to("bob"), members(numbers([1])));
    check_audience(
        order,
        to_each(["eva"]),
        to_each(["eva"]),
        members(numbers([2])),
    );
    let both = || members(numbers([1, 2]));
    check_audience(
        order,
        to_each(["eva", "bob"]),
        to_each(["eva", "bob"]),
        both(),
    );
    // The author and duplicates are dropped, whatever the spelling.
    let many = to_each(["EVA", "ana", "bob", "eva", "BOB"]);
    check_audience(order, many, to_each(["eva", "bob"]), both());
    // An absent member has a message waiting; a former nick reaches its owner, once.
    apply(order, entry(EVA, 10, rename("eve")));
    apply(order, entry(EVA, 10, Action::Exit));
    check_audience(order, to("eva"), to("eve"), members(numbers([2])));
    check_audience(
        order,
        to_each(["eva", "eve"]),
        to_each(["eve"]),
        members(numbers([2])),
    );
    // A room, also when nobody else is in it.
    let in_lab = |list| Recipients::MembersExcept {
        members: list,
        author: MemberId(0),
    };
    apply(order, entry(ANA, 10, join("lab")));
    check_audience(order, in_room("LAB"), in_room("lab"), in_lab(numbers([0])));
    apply(order, entry(BOB, 10, join("lab")));
    check_audience(
        order,
        in_room("lab"),
        in_room("lab"),
        in_lab(numbers([0, 1])),
    );
}

#[test]
fn all_is_accepted_with_no_other_member() {
    let mut order = Sequenced::default();
    apply(&mut order, entry(ANA, 10, enter("ana", 1)));
    let nobody_else = Recipients::AllExcept(MemberId(0));
    check_audience(&mut order, Audience::All, Audience::All, nobody_else);
    assert_eq!(order.last_addressed(MemberId(0)), at(0));
}

/// Refused in these words; settled so, and the next one goes on.
#[track_caller]
fn check_refused(bad: Submit, code: RefusalCode, text: &str) {
    let order = &mut three();
    check(
        order,
        say(ANA, bad.clone()),
        refused(Some(0), Some((1, 1)), code, text),
    );
    assert_eq!(order.last_stamp(), at(0));
    check(order, say(ANA, bad), repeated(1, Err(code)));
    check_audience(
        order,
        Audience::All,
        Audience::All,
        Recipients::AllExcept(MemberId(0)),
    );
}

#[test]
fn what_cannot_be_placed_is_refused_in_words_and_settled() {
    let with = |audience| message(1, audience);
    let all = || with(Audience::All);
    check_refused(
        Submit {
            text: String::new(),
            ..all()
        },
        RefusalCode::EmptyText,
        "the text is empty: write something after the last colon",
    );
    check_refused(
        Submit {
            text: "x".repeat(TEXT_BYTES_MAX + 1),
            ..all()
        },
        RefusalCode::TooLong,
        "the text has 262145 bytes and may have 262144: send it in parts",
    );
    check_refused(
        with(Audience::Multicast(vec![
            nick("bob");
            AUDIENCE_USERS_MAX + 1
        ])),
        RefusalCode::TooLong,
        "257 recipients are named and there may be 256: use a room, or ALL",
    );
    let nobody = "nobody is left to send to: name somebody other than yourself";
    for only_oneself in [to("ana"), to("ANA"), to_each(["ana", "Ana"]), to_each([])] {
        check_refused(with(only_oneself), RefusalCode::NoRecipient, nobody);
    }
    check_refused(
        with(to("bbo")),
        RefusalCode::UnknownUser,
        "nobody was ever called bbo: nothing was sent to anybody; /who lists who is connected",
    );
    check_refused(
        with(to_each(["bob", "bbo", "x"])),
        RefusalCode::UnknownUser,
        "nobody was ever called bbo, x: nothing was sent to anybody; /who lists who is connected",
    );
    check_refused(
        with(to_each([
            "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9",
        ])),
        RefusalCode::UnknownUser,
        "nobody was ever called k0, k1, k2, k3, k4, k5, k6, k7 and 2 more: nothing was sent to \
         anybody; /who lists who is connected",
    );
    check_refused(
        with(in_room("lab")),
        RefusalCode::NotInRoom,
        "you are not in #lab: /join #lab first",
    );
    for clock in [2, u64::MAX] {
        check_refused(
            Submit {
                clock: at(clock),
                ..all()
            },
            RefusalCode::ClockAhead,
            &format!(
                "this message's clock is {clock} and the order's is 0: at most one more is honest; \
                 reconnect to take the current clock"
            ),
        );
    }
    check_refused(
        Submit {
            seen: at(1),
            ..all()
        },
        RefusalCode::ClockAhead,
        "this message claims to have seen stamp 1 and the order's clock is 0: reconnect to take \
         the current clock",
    );
}

#[test]
fn the_longest_text_is_accepted() {
    let longest = Submit {
        text: "x".repeat(TEXT_BYTES_MAX),
        ..message(1, Audience::All)
    };
    let everybody = Recipients::AllExcept(MemberId(0));
    check(
        &mut three(),
        say(ANA, longest.clone()),
        stamped(2, Audience::All, everybody, longest),
    );
}

#[test]
fn each_message_is_judged_once_in_its_turn() {
    let order = &mut three();
    let said = |pseq| say(ANA, message(pseq, Audience::All));
    let gap = |got: u64, expected: u64| {
        let text = format!(
            "message {got} came before message {expected} of this outbox: send {expected} first, \
             then what follows"
        );
        refused(Some(0), Some((1, got)), RefusalCode::Gap, &text)
    };
    let zero = "messages are counted from 1, not 0";
    check(
        order,
        said(0),
        refused(Some(0), Some((1, 0)), RefusalCode::Malformed, zero),
    );
    check(order, said(2), gap(2, 1));
    check(order, said(u64::MAX), gap(u64::MAX, 1));
    assert!(matches!(apply(order, said(1)), Effect::Stamped { .. }));
    assert!(matches!(apply(order, said(2)), Effect::Stamped { .. }));
    // The identity decides: not the text, not the audience, not the session.
    let otherwise = Submit {
        text: "other".into(),
        ..message(1, to("bob"))
    };
    check(order, say(ANA, otherwise), repeated(1, Ok(at(2))));
    apply(order, entry(ANA, 11, enter("ana", 1)));
    check(
        order,
        entry(ANA, 11, said(2).action),
        repeated(2, Ok(at(3))),
    );
    check(order, entry(ANA, 11, said(4).action), gap(4, 3));
    // A newer epoch begins at 1, and a gap does not begin it.
    let newer = |pseq| {
        let newer = Submit {
            epoch: Epoch(2),
            ..message(pseq, Audience::All)
        };
        entry(ANA, 11, Action::Say(newer))
    };
    assert!(matches!(
        apply(order, newer(2)),
        Effect::Refused {
            code: RefusalCode::Gap,
            ..
        }
    ));
    assert_eq!(order.settled_of(MemberId(0)), Some((Epoch(1), Pseq(2))));
    assert!(matches!(apply(order, newer(1)), Effect::Stamped { .. }));
    assert_eq!(order.settled_of(MemberId(0)), Some((Epoch(2), Pseq(1))));
}

#[test]
fn the_clock_takes_the_maximum_also_of_what_is_refused_or_repeated() {
    let order = &mut three();
    let mut clocked = |pseq, clock, to: Audience, head: u64| {
        let message = Submit {
            clock: at(clock),
            ..message(pseq, to)
        };
        let effect = apply(order, say(ANA, message));
        assert_eq!(order.clock(), at(head));
        effect
    };
    // Sent in one go by an author whose clock ticked for each.
    assert!(matches!(
        clocked(1, 1, to("nobody"), 1),
        Effect::Refused { .. }
    ));
    assert!(matches!(
        clocked(2, 2, to("nobody"), 2),
        Effect::Refused { .. }
    ));
    let third = clocked(3, 3, Audience::All, 4);
    assert!(matches!(third, Effect::Stamped { stamp, .. } if stamp == at(4)));
    // Sent again with new clocks after a reconnection.
    assert_eq!(clocked(3, 5, Audience::All, 5), repeated(3, Ok(at(4))));
    assert!(matches!(
        clocked(9, 6, Audience::All, 6),
        Effect::Refused { .. }
    ));
    // Dishonest ones move nothing.
    assert_eq!(clocked(3, 8, Audience::All, 6), repeated(3, Ok(at(4))));
    assert!(matches!(
        clocked(4, 8, Audience::All, 6),
        Effect::Refused { .. }
    ));
    // What is not a message follows the last stamp, which is a message's.
    let exited = Effect::Exited {
        member: MemberId(0),
        nick: nick("ana"),
        after: at(4),
    };
    check(order, entry(ANA, 10, Action::Exit), exited);
}

#[test]
fn at_the_end_of_time_messages_are_refused() {
    for (head, clock) in [
        (u64::MAX, 0),
        (u64::MAX, u64::MAX),
        (u64::MAX - 1, u64::MAX),
    ] {
        let order = &mut three();
        order.head = at(head);
        let last = Submit {
            clock: at(clock),
            ..message(1, Audience::All)
        };
        let text = "the order's clock is at its last value: this log takes no more messages; start \
                    a new one";
        check(
            order,
            say(ANA, last),
            refused(Some(0), Some((1, 1)), RefusalCode::Limit, text),
        );
    }
    let order = &mut three();
    order.head = at(u64::MAX - 1);
    let everybody = Recipients::AllExcept(MemberId(0));
    let last = message(1, Audience::All);
    check(
        order,
        say(ANA, last.clone()),
        stamped(u64::MAX, Audience::All, everybody, last),
    );
}

#[test]
fn the_last_stamp_addressed_counts_only_what_was_for_a_member() {
    let order = &mut three();
    let mut said = 0;
    let mut addressed = |order: &mut Sequenced, to: Audience, expected: [u64; 3]| {
        said += 1;
        apply(order, say(ANA, message(said, to)));
        let found = [0, 1, 2].map(|member| order.last_addressed(MemberId(member)).get());
        assert_eq!(found, expected);
    };
    addressed(order, Audience::All, [0, 2, 2]);
    addressed(order, to("bob"), [0, 3, 2]);
    apply(order, entry(ANA, 10, join("lab")));
    addressed(order, in_room("lab"), [0, 3, 2]);
    apply(order, entry(EVA, 10, join("lab")));
    // Coming into a room brings nothing that was said there before.
    assert_eq!(order.last_addressed(MemberId(2)), at(2));
    addressed(order, in_room("lab"), [0, 3, 5]);
    apply(order, entry(EVA, 10, leave("lab")));
    assert_eq!(order.last_addressed(MemberId(2)), at(5));
    addressed(order, in_room("lab"), [0, 3, 5]);
    // Nor does becoming a member.
    apply(order, entry(9, 1, enter("new", 1)));
    assert_eq!(order.last_addressed(MemberId(3)), at(0));
    assert_eq!(order.last_addressed(MemberId(99)), at(0));
}
