//! Two links and a bad channel: several hundred seeds of loss, damage, doubling, disorder and cuts,
//! with both ways of repair, windows from one frame and fragments from 64 bytes.

use lamparina_tests::sim::links::{Links, Wrapping};
use lamparina_tests::sim::seeds;

/// Worlds of each test.
const SEEDS: u64 = 250;

#[test]
fn links_in_any_weather_1() {
    seeds::run::<Links>("links_in_any_weather_1", 0, SEEDS);
}

#[test]
fn links_in_any_weather_2() {
    seeds::run::<Links>("links_in_any_weather_2", 1, SEEDS);
}

/// More frames than there are places, with both ways of repair among the seeds.
#[test]
fn places_wrap() {
    seeds::run::<Wrapping>("places_wrap", 1, 5);
}
