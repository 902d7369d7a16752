//! Invites admit as often as they may, and of a banned member nothing takes effect and nothing is for it.

use super::*;

const CODE: InviteHash = InviteHash([7; 32]);

fn time(at: u64) -> UnixMicros {
    UnixMicros(at)
}

#[track_caller]
fn operate(order: &mut Sequenced, at: u64, operation: Operation) -> Effect {
    let mut out = Vec::new();
    order.operate(time(at), operation, &mut out);
    assert_eq!(out.len(), 1);
    out.remove(0)
}

fn invite(uses: u32, expires_at: u64) -> Operation {
    Operation::Invite {
        hash: CODE,
        uses,
        expires_at: time(expires_at),
        by: "op".to_owned(),
    }
}

fn ban(member: u32) -> Operation {
    Operation::Ban {
        member: MemberId(member),
        by: "op".to_owned(),
        reason: "spam".to_owned(),
    }
}

fn unban(member: u32) -> Operation {
    Operation::Unban {
        member: MemberId(member),
        by: "op".to_owned(),
    }
}

fn redeem(name: &str, code: InviteHash, at: u64) -> Action {
    Action::Redeem {
        nick: nick(name),
        epoch: Epoch(1),
        code,
        at: time(at),
    }
}

fn refusal(effect: &Effect) -> Option<(RefusalCode, &str)> {
    match effect {
        Effect::Refused { code, text, .. } => Some((*code, text)),
        _ => None,
    }
}

/// One comes by an invite of two uses that expires at 100: what it is told.
#[track_caller]
fn check_claim(before: impl FnOnce(&mut Sequenced), action: Action, expected: Option<&str>) {
    let order = &mut Sequenced::default();
    operate(order, 1, invite(2, 100));
    before(order);
    let effect = apply(order, entry(ANA, 1, action));
    match (refusal(&effect), expected) {
        (None, None) => assert!(matches!(
            effect,
            Effect::Entered {
                new_member: true,
                ..
            }
        )),
        (Some((RefusalCode::NotAdmitted, text)), Some(words)) => {
            assert!(text.contains(words), "{text}");
            assert_eq!(order.member_of(&author(ANA)), None);
        }
        (other, _) => panic!("{other:?}"),
    }
}

#[test]
fn a_first_claim_needs_an_invite_that_admits() {
    let nothing = |_: &mut Sequenced| {};
    check_claim(nothing, redeem("ana", CODE, 99), None);
    check_claim(nothing, redeem("ana", CODE, 100), Some("expired"));
    check_claim(
        nothing,
        redeem("ana", InviteHash([8; 32]), 9),
        Some("no invite has this code"),
    );
    let plain = Action::Return {
        nick: nick("ana"),
        epoch: Epoch(1),
    };
    check_claim(nothing, plain, Some("by invitation"));
    let revoke = |order: &mut Sequenced| {
        let by = "op".to_owned();
        let invite = InviteId(0);
        operate(order, 2, Operation::Revoke { invite, by });
    };
    check_claim(revoke, redeem("ana", CODE, 9), Some("taken back"));
    let spend = |count: u8| {
        move |order: &mut Sequenced| {
            for who in 10..10 + count {
                apply(order, entry(who, 1, redeem(&format!("n{who}"), CODE, 9)));
            }
        }
    };
    check_claim(spend(1), redeem("ana", CODE, 9), None);
    check_claim(spend(2), redeem("ana", CODE, 9), Some("used up"));
}

#[test]
fn a_refused_name_and_a_return_spend_nothing() {
    let order = &mut three();
    operate(order, 1, invite(1, 0));
    let taken = apply(order, entry(9, 1, redeem("ana", CODE, 5)));
    assert_eq!(refusal(&taken).unwrap().0, RefusalCode::NickTaken);
    // A member that brings a code comes back as ever.
    let back = apply(order, entry(ANA, 11, redeem("ana", CODE, 5)));
    assert!(matches!(
        back,
        Effect::Entered {
            new_member: false,
            ..
        }
    ));
    assert_eq!(order.invite(InviteId(0)).unwrap().used, 0);
    let new = apply(order, entry(9, 1, redeem("rui", CODE, 5)));
    assert!(matches!(
        new,
        Effect::Entered {
            new_member: true,
            ..
        }
    ));
    assert_eq!(order.invite(InviteId(0)).unwrap().used, 1);
}

/// Who is invited chooses a name by the same rules as everybody, and learns nothing of names before
/// the code is good.
#[test]
fn an_invite_buys_no_name_that_looks_like_anothers() {
    let order = &mut Sequenced::default();
    operate(order, 7, invite(9, 0));
    let mut come = |who, name, code| {
        let effect = apply(order, entry(who, 10, redeem(name, code, 8)));
        refusal(&effect).map(|(code, _)| code)
    };
    assert_eq!(come(1, "bob", CODE), None);
    let wrong = InviteHash([8; 32]);
    assert_eq!(come(2, "B0B", wrong), Some(RefusalCode::NotAdmitted));
    for (name, expected) in [
        ("bob", RefusalCode::NickTaken),
        ("B0B", RefusalCode::NickTaken),
        ("bоb", RefusalCode::NickInvalid),
        ("A1L", RefusalCode::NickInvalid),
    ] {
        assert_eq!(come(2, name, CODE), Some(expected), "{name}");
    }
    assert_eq!(come(2, "eva", CODE), None);
}

#[test]
fn invites_that_make_no_sense_are_refused() {
    let order = &mut Sequenced::default();
    for bad in [invite(0, 0), invite(100_001, 0), invite(1, 7)] {
        assert!(refusal(&operate(order, 7, bad)).is_some());
    }
    let by = String::new();
    let (hash, uses, expires_at) = (CODE, 1, time(0));
    let nameless = Operation::Invite {
        hash,
        uses,
        expires_at,
        by,
    };
    assert!(refusal(&operate(order, 7, nameless)).is_some());
    assert_eq!(
        operate(order, 7, invite(1, 8)),
        Effect::InviteMade(InviteId(0))
    );
    assert!(
        refusal(&operate(order, 7, invite(1, 8))).is_some(),
        "the same code twice"
    );
}

#[test]
fn a_banned_member_is_out_of_everything_and_keeps_its_names() {
    let order = &mut three();
    apply(order, entry(BOB, 10, join("lab")));
    apply(order, entry(ANA, 10, join("lab")));
    let all = |pseq| entry(ANA, 10, Action::Say(message(pseq, Audience::All)));
    apply(order, all(1));
    let before = order.last_addressed(MemberId(1));
    let banned = operate(order, 1, ban(1));
    let Effect::Banned {
        was_present: true,
        reason,
        rooms,
        ..
    } = banned
    else {
        panic!("{banned:?}")
    };
    assert_eq!((reason.as_str(), rooms.len()), ("spam", 1));
    // Nothing it asks takes effect, not even to come back, and its name is nobody else's.
    for action in [
        Action::Say(message(1, Audience::All)),
        rename("eva2"),
        join("lab"),
        Action::Exit,
        enter("bob", 1),
        enter("bob", 2),
        redeem("bob", CODE, 1),
    ] {
        let effect = apply(order, entry(BOB, 10, action));
        assert_eq!(refusal(&effect).unwrap().0, RefusalCode::Banned);
    }
    let effect = apply(order, entry(9, 1, enter("bob", 1)));
    assert_eq!(refusal(&effect).unwrap().0, RefusalCode::NickTaken);
    // Nothing is for it.
    apply(order, all(2));
    let in_lab = entry(ANA, 10, Action::Say(message(3, in_room("lab"))));
    let Effect::Stamped { recipients, .. } = apply(order, in_lab) else {
        panic!()
    };
    assert!(!recipients.contains(MemberId(1)));
    for (pseq, audience) in [(4, to("bob")), (5, to_each(["eva", "bob"]))] {
        let effect = apply(order, entry(ANA, 10, Action::Say(message(pseq, audience))));
        let (code, text) = refusal(&effect).unwrap();
        assert_eq!(code, RefusalCode::Banned);
        assert!(text.contains("bob was banned"), "{text}");
    }
    assert_eq!(order.last_addressed(MemberId(1)), before);
    assert!(
        refusal(&operate(order, 1, ban(1))).is_some(),
        "banned twice"
    );
    // Pardoned, it comes back: what was said meanwhile was not for it, what comes is.
    operate(order, 1, unban(1));
    assert!(
        refusal(&operate(order, 1, unban(1))).is_some(),
        "pardoned twice"
    );
    let back = apply(order, entry(BOB, 3, enter("bob", 1)));
    assert!(matches!(back, Effect::Entered { last_addressed, .. } if last_addressed == before));
    apply(order, all(6));
    assert_eq!(order.last_addressed(MemberId(1)), order.last_stamp());
    assert_eq!(order.rooms_of(MemberId(1)).count(), 0);
}

#[test]
fn who_is_sent_away_may_come_back() {
    let order = &mut three();
    let kick = || Operation::Kick {
        member: MemberId(0),
    };
    let gone = operate(order, 1, kick());
    assert!(matches!(gone, Effect::Exited { .. }));
    assert!(refusal(&operate(order, 1, kick())).is_some());
    let back = apply(order, entry(ANA, 1, enter("ana", 1)));
    assert!(matches!(
        back,
        Effect::Entered {
            new_member: false,
            ..
        }
    ));
}

#[test]
fn a_state_of_the_version_before_is_read() {
    let mut order = three();
    order.end_sessions();
    let bytes = order.to_bytes();
    // Each member has one byte for its standing, and there is a count of invites.
    let mut old = vec![1];
    let mut rest = &bytes[1..];
    let mut keep = |bytes: usize, skip: usize| {
        old.extend_from_slice(&rest[..bytes]);
        rest = &rest[bytes + skip..];
    };
    keep(8 + 8 + 1 + 4, 0);
    for _ in 0..3 {
        keep(32 + 4 + 1 + 8 + 8, 1);
        keep(8 + 8 + 1, 0);
    }
    keep(0, 4);
    keep(8 + 4, 0);
    assert!(rest.is_empty());
    let again = Sequenced::from_bytes(&old).unwrap();
    assert_eq!(again.to_bytes(), bytes);
}
