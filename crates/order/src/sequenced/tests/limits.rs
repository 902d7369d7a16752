use super::*;

fn nth(n: u32) -> AuthorKey {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&n.to_be_bytes());
    AuthorKey(key)
}

fn entry_of(n: u32, action: Action) -> Entry {
    Entry {
        author: nth(n),
        session: SessionNumber(1),
        action,
    }
}

#[test]
fn members_are_limited_and_who_is_one_stays_one() {
    let order = &mut Sequenced::default();
    for n in 0..MEMBERS_MAX {
        let effect = apply(order, entry_of(n, enter(&format!("u{n}"), 1)));
        assert!(matches!(effect, Effect::Entered { member, .. } if member == MemberId(n)));
    }
    let text = "this server has its 100000 members and takes no more: ask who runs it, or use a \
                profile that is a member";
    let full = refused(None, None, RefusalCode::Limit, text);
    check(order, entry_of(MEMBERS_MAX, enter("more", 1)), full);
    let again = apply(order, entry_of(7, enter("seven", 1)));
    assert!(matches!(again, Effect::Entered { .. }));
}

#[test]
fn nicks_of_a_member_are_limited_and_old_ones_can_be_taken_back() {
    let order = &mut three();
    for n in 1..NICKS_PER_MEMBER_MAX {
        let renamed = apply(order, entry(ANA, 10, rename(&format!("n{n}"))));
        assert!(matches!(renamed, Effect::Renamed { .. }));
    }
    let text = "nobody may have more than 16 names: keep n15, or take back one of these with /nick \
                NAME: ana, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, n11, n12, n13, n14";
    let used_up = refused(Some(0), None, RefusalCode::Limit, text);
    check(order, entry(ANA, 10, rename("n16")), used_up);
    assert_eq!(order.owner_of(&nick("n16")), None);
    for back in ["n3", "N3", "ana"] {
        let renamed = apply(order, entry(ANA, 10, rename(back)));
        assert!(matches!(renamed, Effect::Renamed { .. }));
    }
    let still = apply(order, entry(ANA, 10, rename("n16")));
    assert!(matches!(
        still,
        Effect::Refused {
            code: RefusalCode::Limit,
            ..
        }
    ));
}

#[test]
fn rooms_are_limited_in_all_and_for_each_member() {
    let order = &mut Sequenced::default();
    let members = u32::try_from(ROOMS_MAX.div_ceil(ROOMS_PER_MEMBER_MAX)).unwrap() + 1;
    for n in 0..members {
        apply(order, entry_of(n, enter(&format!("u{n}"), 1)));
    }
    for r in 0..ROOMS_MAX {
        let member = u32::try_from(r / ROOMS_PER_MEMBER_MAX).unwrap();
        let joined = apply(order, entry_of(member, join(&format!("r{r}"))));
        assert!(matches!(joined, Effect::RoomJoined { .. }));
    }
    let text = "you are in 64 rooms, the most there may be: /leave one first";
    let many = || refused(Some(0), None, RefusalCode::Limit, text);
    check(order, entry_of(0, join("r9999")), many());
    check(order, entry_of(0, join("more")), many());
    let inside = apply(order, entry_of(0, join("r0")));
    assert!(matches!(inside, Effect::RoomJoined { .. }));
    let text = "there are 10000 rooms and no more can be made: join one that exists";
    let full = refused(Some(members - 1), None, RefusalCode::Limit, text);
    check(order, entry_of(members - 1, join("more")), full);
    let exists = apply(order, entry_of(members - 1, join("r0")));
    assert!(matches!(exists, Effect::RoomJoined { .. }));
}

#[test]
fn what_was_settled_long_ago_is_never_judged_again() {
    let order = &mut three();
    let total = OUTCOMES_KEPT as u64 + 200;
    for pseq in 1..=total {
        apply(
            order,
            entry(ANA, 10, Action::Say(message(pseq, Audience::All))),
        );
    }
    let text = "message 1 was settled long ago and is not judged again; the answers to the newest \
                65536 messages are kept: look for it with /history";
    let again = |pseq| entry(ANA, 10, Action::Say(message(pseq, Audience::All)));
    check(
        order,
        again(1),
        refused(Some(0), Some((1, 1)), RefusalCode::Limit, text),
    );
    let kept = total - OUTCOMES_KEPT as u64 + 1;
    let (member, epoch, pseq) = (MemberId(0), Epoch(1), Pseq(kept));
    let outcome = Ok(at(kept + 1));
    check(
        order,
        again(kept),
        Effect::Repeated {
            member,
            epoch,
            pseq,
            outcome,
        },
    );
    assert_eq!(order.last_stamp(), at(total + 1));
}
