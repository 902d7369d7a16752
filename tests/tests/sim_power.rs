//! The whole world again, with a server that loses power at every point of its work, a disk that
//! fails or is full, and clients that come back: nothing is told before it is durable, and nothing
//! that was is ever lost, repeated or moved.

use lamparina_tests::sim::seeds;
use lamparina_tests::sim::world::{Cutting, Point};

/// Worlds of each test.
const SEEDS: u64 = 80;
/// Power cuts of each test, at least; there are four.
const CUTS: u64 = 5_000;
/// And at each point.
const CUTS_AT_A_POINT: u64 = 60;

fn check(test: &str, part: u64) {
    let did = seeds::run::<Cutting>(test, part, SEEDS);
    if did.runs != SEEDS {
        return;
    }
    let failures = did.cuts[Point::Failed as usize];
    let cuts = did.cuts.iter().sum::<u64>() - failures;
    assert!(cuts >= CUTS, "only {cuts} power cuts");
    for (point, cuts) in did.cuts.iter().enumerate() {
        let last = Point::Anywhere as usize;
        assert!(*cuts >= CUTS_AT_A_POINT, "only {cuts} at {point} of {last}");
    }
    assert!(
        did.fulls >= CUTS_AT_A_POINT && did.turned_away > 0,
        "{did:?}"
    );
    assert_eq!(did.gaps, 0, "a server with a store leaves nothing out");
}

#[test]
fn nothing_before_it_is_durable_1() {
    check("nothing_before_it_is_durable_1", 0);
}

#[test]
fn nothing_before_it_is_durable_2() {
    check("nothing_before_it_is_durable_2", 1);
}

#[test]
fn nothing_before_it_is_durable_3() {
    check("nothing_before_it_is_durable_3", 2);
}

#[test]
fn nothing_before_it_is_durable_4() {
    check("nothing_before_it_is_durable_4", 3);
}
