//! The limit of repair by asking: an ideal that learns of each loss one round trip after the datagram
//! left, and sends it again at once. No transport that repeats only what is lost can do better.

use std::collections::BTreeSet;
use std::time::Duration;

use lamparina_impair::{Direction, Impaired, Input};
use lamparina_protocol::Instant;

use crate::chance::Arrivals;
use crate::road::{Line, PACKET_BYTES};

/// Milliseconds from creation to delivery in order of `messages` of `bytes`, wanted when `arrivals`
/// says, each way of `line` taking `one_way`; ascending.
pub fn delays_ms(
    line: &Line,
    seed: u64,
    one_way: Duration,
    mut arrivals: Arrivals,
    bytes: usize,
    messages: u32,
) -> Vec<f64> {
    let settings = line.path.clone().with_seed(seed);
    let mut path = Impaired::new(settings.for_direction(Direction::Up), false);
    let mut at = Instant::ZERO;
    let mut created = Vec::new();
    for _ in 0..messages {
        created.push(at);
        at = arrivals.after(at);
    }
    let mut attempts: BTreeSet<(Instant, u32)> = created.iter().copied().zip(0..).collect();
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
        .zip(created)
        .map(|(at, created)| {
            delivered = delivered.max(*at);
            delivered.saturating_since(created).as_secs_f64() * 1e3
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
            delays_ms(&line, 1, ms(20), Arrivals::new(ms(20), 1), 200, 5_000)
        };
        assert_eq!(percentile(&run("delay=20ms"), 1.0), 20.0);
        let lossy = run("delay=20ms,loss=20%");
        assert_eq!(lossy[0], 20.0);
        let p99 = percentile(&lossy, 0.99);
        assert!((130.0..150.0).contains(&p99), "{p99}");
    }
}
