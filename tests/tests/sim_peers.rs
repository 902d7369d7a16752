//! Worlds of 3 to 50 peers without a server: whatever befalls their links, their disks and some of them, no honest peer is
//! delivered a message before its causes, and in the end all have the same history.
//!
//! Four tests, so that more than one core works; any seed is a world of its own in any of them.

use lamparina_tests::peers::world::World;
use lamparina_tests::sim::seeds;

/// Worlds of each test.
const SEEDS: u64 = 1_250;

fn check(test: &str, part: u64) {
    seeds::run::<World>(test, part, SEEDS);
}

#[test]
fn peers_converge_1() {
    check("peers_converge_1", 0);
}

#[test]
fn peers_converge_2() {
    check("peers_converge_2", 1);
}

#[test]
fn peers_converge_3() {
    check("peers_converge_3", 2);
}

#[test]
fn peers_converge_4() {
    check("peers_converge_4", 3);
}
