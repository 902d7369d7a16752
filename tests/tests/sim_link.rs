//! Two links and a bad channel: several hundred seeds of loss, damage, doubling, disorder and cuts,
//! with both ways of repair, windows from one frame and fragments from 64 bytes.

use lamparina_tests::sim::links::{Links, Wrapping};
use lamparina_tests::sim::seeds;

#[test]
fn links_in_any_weather() {
    seeds::run::<Links>("links_in_any_weather", 0, 300);
}

#[test]
fn links_in_any_other_weather() {
    seeds::run::<Links>("links_in_any_other_weather", 1_000, 300);
}

#[test]
fn places_wrap() {
    seeds::run::<Wrapping>("places_wrap", 2_001, 4);
}
