//! Tables, then random messages against the plain closure of direct causes.

use lamparina_protocol::message::CHAIN_MAX;
use proptest::prelude::*;

use super::*;

/// Members are there from an entry on, as are those in room 0; nobody is in another room.
struct Since(Vec<(u64, u64)>);

impl There for Since {
    fn was_there(&self, member: MemberId, room: Option<RoomId>, at: LogIndex) -> bool {
        let (all, inside) = self.0[member.0 as usize];
        match room {
            None => all < at.0,
            Some(RoomId(0)) => inside < at.0,
            Some(_) => false,
        }
    }
}

fn always() -> Since {
    Since(vec![(0, 0); 2_000])
}

fn nick(member: u32) -> Nick {
    Nick::try_from(format!("m{member}")).unwrap()
}

/// A message at place `stamp`, which is its entry too.
fn said(stamp: u64, member: u32, seen: u64, to: To) -> Said {
    Said {
        index: LogIndex(stamp),
        stamp: Lamport::new(stamp),
        member: MemberId(member),
        from: nick(member),
        seen: Lamport::new(seen),
        to,
    }
}

fn only<const N: usize>(members: [u32; N]) -> To {
    To::Members(members.into_iter().map(MemberId).collect())
}

/// The answer for two of the messages, which stand in ascending order.
fn ask(messages: &[Said], one: usize, other: usize, there: &Since) -> Answer {
    let (mut search, mut progress) = Search::new(&messages[one], &messages[other], there);
    for message in messages[..one.max(other)].iter().rev() {
        if progress != Progress::More {
            break;
        }
        progress = search.step(message, there);
    }
    match progress {
        Progress::Done(answer) => answer,
        other => panic!("{other:?}"),
    }
}

/// Why the first of these messages stands before the last, over messages with these stamps.
#[track_caller]
fn check(messages: &[Said], there: &Since, reason: WhyOrdered, chain: &[u64]) {
    let last = messages.len() - 1;
    for answer in [ask(messages, 0, last, there), ask(messages, last, 0, there)] {
        assert_eq!(answer.reason, reason);
        assert_eq!(answer.earlier, messages[0].stamp);
        assert_eq!(answer.later, messages[last].stamp);
        assert_eq!(answer.left_out, 0);
        let stamps: Vec<u64> = answer.chain.iter().map(|link| link.stamp.get()).collect();
        assert_eq!(stamps, chain);
    }
}

#[test]
fn one_author_wrote_both() {
    let messages = [said(3, 0, 0, To::All), said(9, 0, 0, only([1]))];
    check(&messages, &always(), WhyOrdered::SameAuthor, &[]);
    check(&messages[..1], &always(), WhyOrdered::SameAuthor, &[]);
}

#[test]
fn the_later_author_had_seen_it() {
    let seen = |seen| [said(3, 0, 0, To::All), said(9, 1, seen, To::All)];
    check(&seen(3), &always(), WhyOrdered::Seen, &[3, 9]);
    check(&seen(8), &always(), WhyOrdered::Seen, &[3, 9]);
    check(&seen(2), &always(), WhyOrdered::Concurrent, &[]);
}

#[test]
fn what_was_not_for_the_author_was_not_seen() {
    let to = |to| [said(3, 0, 0, to), said(9, 1, 8, To::All)];
    check(&to(only([1, 2])), &always(), WhyOrdered::Seen, &[3, 9]);
    check(&to(only([2])), &always(), WhyOrdered::Concurrent, &[]);
    let room = |number| To::Room(RoomId(number));
    check(&to(room(0)), &always(), WhyOrdered::Seen, &[3, 9]);
    check(&to(room(1)), &always(), WhyOrdered::Concurrent, &[]);
    // A member since entry 4, or in the room since then.
    let later = Since(vec![(0, 0), (4, 0)]);
    check(&to(To::All), &later, WhyOrdered::Concurrent, &[]);
    let later = Since(vec![(0, 0), (0, 4)]);
    check(&to(room(0)), &later, WhyOrdered::Concurrent, &[]);
    check(&to(To::All), &later, WhyOrdered::Seen, &[3, 9]);
}

#[test]
fn a_chain_leads_over_other_authors() {
    let messages = [
        said(1, 0, 0, only([1])),
        said(2, 3, 0, To::All),
        said(3, 1, 1, only([2])),
        said(4, 2, 3, only([3])),
        said(5, 4, 4, To::All),
        said(6, 3, 4, To::All),
    ];
    check(&messages, &always(), WhyOrdered::Seen, &[1, 3, 4, 6]);
    // Without the middle one there is no way.
    let without = [&messages[..2], &messages[3..]].concat();
    check(&without, &always(), WhyOrdered::Concurrent, &[]);
}

#[test]
fn a_chain_leads_over_earlier_messages_of_one_author() {
    // The later author had seen a message of 1, who wrote another one before, having seen the first.
    let messages = [
        said(1, 0, 0, only([1])),
        said(2, 1, 1, only([2])),
        said(3, 1, 0, only([3])),
        said(4, 3, 3, To::All),
    ];
    check(&messages, &always(), WhyOrdered::Seen, &[1, 2, 3, 4]);
    // And over a later message of the first one's author.
    let messages = [
        said(1, 0, 0, only([2])),
        said(2, 0, 0, only([1])),
        said(3, 1, 2, To::All),
    ];
    check(&messages, &always(), WhyOrdered::Seen, &[1, 2, 3]);
}

#[test]
fn the_shorter_of_two_ways_is_told() {
    let messages = [
        said(1, 0, 0, only([1])),
        said(2, 1, 1, To::All),
        said(3, 2, 2, To::All),
        said(4, 3, 3, To::All),
    ];
    check(&messages, &always(), WhyOrdered::Seen, &[1, 2, 4]);
}

#[test]
fn of_a_long_chain_the_middle_is_left_out() {
    let length = CHAIN_MAX as u64 + 7;
    let messages: Vec<Said> = (1..=length)
        .map(|stamp| {
            let member = u32::try_from(stamp).unwrap();
            said(stamp, member, stamp - 1, only([member + 1]))
        })
        .collect();
    let answer = ask(&messages, 0, messages.len() - 1, &always());
    assert_eq!((answer.chain.len(), answer.left_out), (CHAIN_MAX, 7));
    let stamps: Vec<u64> = answer.chain.iter().map(|link| link.stamp.get()).collect();
    let half = CHAIN_MAX as u64 / 2;
    let expected: Vec<u64> = (1..=half).chain(half + 8..=length).collect();
    assert_eq!(stamps, expected);
}

/// Whether `before` is a direct cause of `after`, by the definition.
fn direct(before: &Said, after: &Said, there: &Since) -> bool {
    let to = match &before.to {
        To::All => there.was_there(after.member, None, before.index),
        To::Members(members) => members.contains(&after.member),
        To::Room(room) => there.was_there(after.member, Some(*room), before.index),
    };
    let own = before.member == after.member;
    before.stamp < after.stamp && (own || (to && before.stamp <= after.seen))
}

/// Whether steps lead from each message to the last one.
fn causes(messages: &[Said], there: &Since) -> Vec<bool> {
    let mut leads = vec![false; messages.len()];
    leads[messages.len() - 1] = true;
    for at in (0..messages.len() - 1).rev() {
        leads[at] = (at + 1..messages.len())
            .any(|after| leads[after] && direct(&messages[at], &messages[after], there));
    }
    leads
}

const MEMBERS: u32 = 6;

fn any_to() -> impl Strategy<Value = To> {
    let members = proptest::collection::btree_set(0..MEMBERS, 1..3);
    prop_oneof![
        Just(To::All),
        Just(To::Room(RoomId(0))),
        members.prop_map(|to| To::Members(to.into_iter().map(MemberId).collect())),
    ]
}

fn any_messages() -> impl Strategy<Value = Vec<Said>> {
    let message = (0..MEMBERS, 0..8_u64, any_to());
    proptest::collection::vec(message, 1..30).prop_map(|messages| {
        let places = (1..).zip(messages);
        let message = |(stamp, (member, back, to)): (u64, _)| {
            said(stamp, member, stamp.saturating_sub(back + 1), to)
        };
        places.map(message).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_way_is_found_where_there_is_one(
        messages in any_messages(),
        since in proptest::collection::vec((0..12_u64, 0..20_u64), MEMBERS as usize),
    ) {
        let there = Since(since);
        let last = messages.len() - 1;
        let leads = causes(&messages, &there);
        for first in 0..last {
            let answer = ask(&messages, first, last, &there);
            let (earlier, later) = (&messages[first], &messages[last]);
            let reason = match (earlier.member == later.member, leads[first]) {
                (true, _) => WhyOrdered::SameAuthor,
                (false, true) => WhyOrdered::Seen,
                (false, false) => WhyOrdered::Concurrent,
            };
            prop_assert_eq!(answer.reason, reason);
            prop_assert_eq!(answer.chain.is_empty(), reason != WhyOrdered::Seen);
            let at = |link: &ChainLink| &messages[link.stamp.get() as usize - 1];
            for pair in answer.chain.windows(2) {
                prop_assert!(direct(at(&pair[0]), at(&pair[1]), &there));
            }
            if let (Some(from), Some(to)) = (answer.chain.first(), answer.chain.last()) {
                prop_assert_eq!((from, to), (&earlier.link(), &later.link()));
            }
        }
    }
}
