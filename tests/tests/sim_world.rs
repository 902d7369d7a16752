//! The whole world: one server and several clients in any weather, with cuts, crashes, slow readers,
//! servers that die and races for names; every promise is checked at every step.
//!
//! Four tests, so that more than one core works; any seed is a world of its own in any of them.

use lamparina_tests::sim::seeds;
use lamparina_tests::sim::world::World;

/// Worlds of each test.
const SEEDS: u64 = 200;

fn check(test: &str, part: u64) {
    seeds::run::<World>(test, part, SEEDS);
}

#[test]
fn one_order_in_any_weather_1() {
    check("one_order_in_any_weather_1", 0);
}

#[test]
fn one_order_in_any_weather_2() {
    check("one_order_in_any_weather_2", 1);
}

#[test]
fn one_order_in_any_weather_3() {
    check("one_order_in_any_weather_3", 2);
}

#[test]
fn one_order_in_any_weather_4() {
    check("one_order_in_any_weather_4", 3);
}
