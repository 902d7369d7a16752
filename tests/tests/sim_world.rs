//! The whole world: one server and several clients in any weather, with cuts, crashes, slow readers
//! and races for names; every promise is checked at every step.

use lamparina_tests::sim::seeds;
use lamparina_tests::sim::world::World;

#[test]
fn one_order_in_any_weather() {
    seeds::run::<World>("one_order_in_any_weather", 0, 100);
}
