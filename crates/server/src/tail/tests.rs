use super::*;
use crate::hub::Hub;
use crate::testing::{ask, enter, say};
use lamparina_protocol::Audience;

fn batches(count: u64) -> Vec<Batch> {
    let mut hub = Hub::default();
    hub.apply_now(&mut vec![ask(1, enter("ana"))]);
    (1..=count)
        .map(|pseq| {
            let said = say(pseq, Audience::All, "x");
            hub.apply_now(&mut vec![ask(1, said)]).unwrap().0
        })
        .collect()
}

fn found(tail: &Tail, position: u64) -> &'static str {
    match tail.at(position) {
        Read::Batch(_) => "batch",
        Read::NotYet => "not yet",
        Read::Gone => "gone",
    }
}

#[test]
fn the_oldest_fall_off_and_the_newest_stays() {
    // Each batch holds a message and a commit.
    let tail = Tail::new(usize::MAX, 6);
    for (position, batch) in batches(5).into_iter().enumerate() {
        assert_eq!(tail.push(batch), position as u64);
    }
    let all: Vec<&str> = (0..6).map(|position| found(&tail, position)).collect();
    let expected = ["gone", "gone", "batch", "batch", "batch", "not yet"];
    assert_eq!(all, expected);
    assert!(tail.is_gone(1) && !tail.is_gone(2));

    let small = Tail::new(1, 1);
    for batch in batches(3) {
        small.push(batch);
    }
    assert_eq!((found(&small, 1), found(&small, 2)), ("gone", "batch"));
}

#[test]
fn where_to_begin() {
    let tail = Tail::new(usize::MAX, 6);
    for batch in batches(5) {
        tail.push(batch);
    }
    // Positions 2, 3, 4 hold stamps 3, 4, 5.
    let check = |low, position| {
        let complete_after = Lamport::new(2);
        let start = Start {
            position,
            complete_after,
        };
        assert_eq!(tail.start_after(Lamport::new(low)), start, "after {low}");
    };
    check(0, 2);
    check(2, 2);
    check(3, 3);
    check(4, 4);
    check(5, 4);
}
