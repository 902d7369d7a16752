//! The limit of repair by asking: an ideal that learns of each loss one round trip after the datagram
//! left, and sends it again at once. No transport that repeats only what is lost can do better.

use std::collections::BTreeSet;
use std::time::Duration;

use lamparina_impair::{Direction, Impaired, Input};
use lamparina_protocol::Instant;

use crate::road::{Line, PACKET_BYTES};

/// Milliseconds from creation to delivery in order of `messages` of `bytes`, one every `every`, each
/// way of `line` taking `one_way`; ascending.
pub fn delays_ms(
    line: &Line,
    seed: u64,
    one_way: Duration,
    every: Duration,
    bytes: usize,
    messages: u32,
) -> Vec<f64> {
    let settings = line.path.clone().with_seed(seed);
    let mut path = Impaired::new(settings.for_direction(Direction::Up), false);
    let created = |number: u32| Instant::ZERO + every * number;
    let mut attempts: BTreeSet<(Instant, u32)> = (0..messages)
        .map(|number| (created(number), number))
        .collect();
    let mut arrived = vec![Instant::ZERO; messages as usize];
    let mut out = Vec::new();
    while let Some((at, number)) = attempts.pop_first() {
        let lost_before = path.stats().lost;
        path.handle(
            at,
            Input::Frame(vec![0; bytes + PACKET_BYTES].into()),
            &mut out,
        );
        out.clear();
        if path.stats().lost > lost_before {
            attempts.insert((at + one_way * 2, number));
        } else {
            arrived[number as usize] = at + one_way;
        }
    }
    let mut delivered = Instant::ZERO;
    let mut delays: Vec<f64> = arrived
        .iter()
        .zip(0..)
        .map(|(at, number)| {
            delivered = delivered.max(*at);
            delivered.saturating_since(created(number)).as_secs_f64() * 1e3
        })
        .collect();
    delays.sort_by(f64::total_cmp);
    delays
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::percentile;

    #[test]
    fn without_loss_it_takes_one_way_and_with_loss_round_trips_more() {
        let ms = Duration::from_millis;
        let run = |path| {
            let line = Line::parse("off", path).unwrap();
            delays_ms(&line, 1, ms(20), ms(20), 200, 5_000)
        };
        assert_eq!(percentile(&run("delay=20ms"), 1.0), 20.0);
        let lossy = run("delay=20ms,loss=20%");
        assert_eq!(lossy[0], 20.0);
        assert_eq!(percentile(&lossy, 0.99), 140.0);
    }
}
