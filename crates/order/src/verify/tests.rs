use super::*;

fn id(member: u32, pseq: u64) -> MessageId {
    MessageId {
        member: MemberId(member),
        epoch: Epoch(1),
        pseq: Pseq(pseq),
    }
}

fn at(stamp: u64) -> Lamport {
    Lamport::new(stamp)
}

fn content(text: &str) -> Content {
    Content {
        from: Nick::try_from("ana").unwrap(),
        clock: at(1),
        seen: at(0),
        audience: Audience::All,
        text: text.to_owned(),
    }
}

fn seen(stamp: u64, prev: u64, member: u32, pseq: u64) -> Observed {
    let (stamp, prev) = (at(stamp), Some(at(prev)));
    Observed {
        stamp,
        prev,
        id: id(member, pseq),
        content: content("x"),
    }
}

fn sighting(viewer: &str, seen: &Observed) -> Box<Sighting> {
    let content = Some(seen.content.clone());
    Box::new(Sighting {
        viewer: viewer.to_owned(),
        stamp: seen.stamp,
        id: seen.id,
        content,
        written: None,
    })
}

/// Feeds all; the last one must show `expected`, the others nothing.
#[track_caller]
fn check(all: &[(&str, Observed)], expected: Option<Violation>) {
    let mut order = OrderCheck::default();
    let (last, before) = all.split_last().unwrap();
    for (viewer, observed) in before {
        order.delivered(viewer, observed).unwrap();
    }
    let untouched = format!("{order:?}");
    assert_eq!(order.delivered(last.0, &last.1).err(), expected);
    assert_eq!(expected.is_some(), format!("{order:?}") == untouched);
}

#[test]
fn what_is_one_order_passes() {
    check(&[("bob", seen(2, 0, 0, 1))], None);
    check(
        &[("bob", seen(2, 0, 0, 1)), ("eva", seen(2, 0, 0, 1))],
        None,
    );
    check(
        &[("bob", seen(2, 0, 0, 1)), ("bob", seen(9, 2, 0, 2))],
        None,
    );
    // Different subsets of one order, in any interleaving.
    check(
        &[
            ("bob", seen(5, 0, 0, 2)),
            ("eva", seen(3, 0, 0, 1)),
            ("eva", seen(5, 3, 0, 2)),
        ],
        None,
    );
    // A newer epoch begins again at 1.
    let renewed = MessageId {
        epoch: Epoch(2),
        ..id(0, 1)
    };
    check(
        &[
            ("bob", seen(2, 0, 0, 7)),
            (
                "bob",
                Observed {
                    id: renewed,
                    ..seen(3, 2, 0, 0)
                },
            ),
        ],
        None,
    );
}

#[test]
fn stamps_must_grow() {
    let (first, second) = (seen(5, 0, 0, 1), seen(5, 5, 0, 1));
    let violation = |later: &Observed| {
        let (viewer, after) = ("bob".to_owned(), at(5));
        let earlier = Some(sighting("bob", &first));
        Violation::NotIncreasing {
            viewer,
            after,
            earlier,
            later: sighting("bob", later),
        }
    };
    check(
        &[("bob", first.clone()), ("bob", second.clone())],
        Some(violation(&second)),
    );
    let third = seen(4, 5, 1, 1);
    check(
        &[("bob", first.clone()), ("bob", third.clone())],
        Some(violation(&third)),
    );
    assert_eq!(
        violation(&third).to_string(),
        "bob was delivered message 1 of member 1 (epoch 1) at stamp 4 from ana, seen by bob, after \
         message 1 of member 0 (epoch 1) at stamp 5 from ana, seen by bob: stamps must grow"
    );
}

#[test]
fn prev_is_the_delivery_before() {
    let missing = |later: &Observed, after: u64, prev: u64, earlier: Option<&Observed>| {
        let earlier = earlier.map(|earlier| sighting("bob", earlier));
        let (viewer, after, prev) = ("bob".to_owned(), at(after), at(prev));
        Some(Violation::BrokenPrev {
            viewer,
            after,
            earlier,
            prev,
            later: sighting("bob", later),
        })
    };
    let later = seen(9, 4, 1, 1);
    check(&[("bob", later.clone())], missing(&later, 0, 4, None));
    let first = seen(3, 0, 0, 1);
    check(
        &[("bob", first.clone()), ("bob", later.clone())],
        missing(&later, 3, 4, Some(&first)),
    );
    // Also when it names one too early: the one between would be lost to whoever trusts it.
    let later = seen(9, 0, 1, 1);
    check(
        &[("bob", first.clone()), ("bob", later.clone())],
        missing(&later, 3, 0, Some(&first)),
    );
}

#[test]
fn one_message_a_place_and_one_place_a_message() {
    let first = seen(5, 0, 0, 1);
    let earlier = sighting("bob", &first);
    let other = seen(5, 0, 1, 1);
    let later = sighting("eva", &other);
    let violation = Violation::SamePlace {
        earlier: earlier.clone(),
        later,
    };
    check(&[("bob", first.clone()), ("eva", other)], Some(violation));
    let moved = seen(6, 0, 0, 1);
    let later = sighting("eva", &moved);
    let violation = Violation::TwoPlaces {
        earlier: earlier.clone(),
        later,
    };
    check(&[("bob", first.clone()), ("eva", moved)], Some(violation));
    let mut altered = seen(5, 0, 0, 1);
    altered.content = content("y");
    let later = sighting("eva", &altered);
    check(
        &[("bob", first), ("eva", altered)],
        Some(Violation::Altered { earlier, later }),
    );
}

#[test]
fn an_authors_messages_stand_as_written() {
    let (one, two) = (seen(6, 0, 0, 1), seen(5, 0, 0, 2));
    let violation = |first, second| {
        let (first, second) = (sighting(first, &one), sighting(second, &two));
        Some(Violation::AuthorOrder { first, second })
    };
    // Whoever sees which, and whichever is seen first.
    check(
        &[("bob", one.clone()), ("eva", two.clone())],
        violation("bob", "eva"),
    );
    check(
        &[("eva", two.clone()), ("bob", one.clone())],
        violation("bob", "eva"),
    );
    let after = Observed {
        prev: Some(at(5)),
        ..one.clone()
    };
    check(
        &[("bob", two.clone()), ("bob", after)],
        violation("bob", "bob"),
    );
}

#[test]
fn nothing_stands_before_its_cause() {
    for (clock, had_seen) in [(5, 0), (9, 0), (1, 5), (1, 6)] {
        let (clock, had_seen) = (at(clock), at(had_seen));
        let content = Content {
            clock,
            seen: had_seen,
            ..content("x")
        };
        let bad = Observed {
            content,
            ..seen(5, 0, 0, 1)
        };
        let message = sighting("bob", &bad);
        check(
            &[("bob", bad)],
            Some(Violation::BeforeCause {
                message,
                clock,
                seen: had_seen,
            }),
        );
    }
}

#[test]
fn commits_and_history_take_part_in_the_agreement_and_not_in_the_chain() {
    let mut order = OrderCheck::default();
    order.committed("ana", id(0, 1), at(2)).unwrap();
    order.committed("ana", id(0, 1), at(2)).unwrap();
    order.delivered("ana", &seen(3, 0, 1, 1)).unwrap();
    order.delivered("bob", &seen(2, 0, 0, 1)).unwrap();
    let history = Observed {
        prev: None,
        ..seen(2, 0, 0, 1)
    };
    order.delivered("eva", &history).unwrap();
    let altered = Observed {
        content: content("y"),
        ..history
    };
    order.delivered("eva", &altered).unwrap_err();
    order.committed("ana", id(0, 2), at(3)).unwrap_err();
    order.committed("ana", id(0, 1), at(4)).unwrap_err();
    assert_eq!(order.delivered_upto("eva"), Lamport::ZERO);
    let checked = Checked {
        viewers: 3,
        messages: 2,
        sightings: 5,
        shared: 1,
    };
    assert_eq!(order.checked(), checked);
    assert_eq!(
        order.order().map(|seen| seen.stamp).collect::<Vec<_>>(),
        [at(2), at(3)]
    );
}

#[test]
fn what_an_author_wrote_is_what_everybody_sees() {
    let altered = |done: Result<(), Violation>| {
        assert!(matches!(done, Err(Violation::Altered { .. })), "{done:?}");
    };
    let mut order = OrderCheck::default();
    order
        .committed_as("ana", id(0, 1), at(2), Some("x"))
        .unwrap();
    order.committed("ana", id(0, 1), at(2)).unwrap();
    order.delivered("bob", &seen(2, 0, 0, 1)).unwrap();
    altered(order.committed_as("ana", id(0, 1), at(2), Some("y")));
    // The other way round, and where only the author speaks.
    order.delivered("bob", &seen(3, 2, 0, 2)).unwrap();
    altered(order.committed_as("ana", id(0, 2), at(3), Some("y")));
    order
        .committed_as("ana", id(0, 3), at(4), Some("y"))
        .unwrap();
    altered(order.committed_as("ana", id(0, 3), at(4), Some("z")));
    altered(order.delivered("bob", &seen(4, 3, 0, 3)));
}

#[test]
fn a_viewer_goes_on_where_it_was_told() {
    let mut order = OrderCheck::default();
    order.resumed("bob", at(40));
    order.delivered("bob", &seen(41, 40, 0, 1)).unwrap();
    order.delivered("bob", &seen(44, 41, 0, 2)).unwrap();
    // Its screen was killed and is shown again what it may not have read.
    order.resumed("bob", at(40));
    order.delivered("bob", &seen(41, 40, 0, 1)).unwrap();
    order.delivered("bob", &seen(44, 41, 0, 3)).unwrap_err();
    order.delivered("bob", &seen(44, 41, 0, 2)).unwrap();
}
