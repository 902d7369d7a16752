//! The whole world over datagrams: clients that get other addresses, datagrams lost, doubled, damaged,
//! overtaken and sent again by strangers, sessions that move between TCP and UDP with each connection;
//! every promise is checked at every step.
//!
//! Four tests, so that more than one core works; any seed is a world of its own in any of them.

use lamparina_tests::sim::seeds;
use lamparina_tests::sim::world::Roamers;

/// Worlds of each test.
const SEEDS: u64 = 500;

#[track_caller]
fn check(test: &str, part: u64) {
    let sum = seeds::run::<Roamers>(test, part, SEEDS);
    // What is to be withstood has happened.
    let air = sum.air;
    if sum.runs >= 100 {
        assert!(air.connections > sum.runs && air.connections < sum.connections);
        assert!(air.roamed > 0 && air.moves > 0 && air.strange > 0);
        assert!(air.retries > 0 && air.ghosts > 0);
    }
}

#[test]
fn one_order_over_datagrams_1() {
    check("one_order_over_datagrams_1", 0);
}

#[test]
fn one_order_over_datagrams_2() {
    check("one_order_over_datagrams_2", 1);
}

#[test]
fn one_order_over_datagrams_3() {
    check("one_order_over_datagrams_3", 2);
}

#[test]
fn one_order_over_datagrams_4() {
    check("one_order_over_datagrams_4", 3);
}
