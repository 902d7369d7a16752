//! When people speak: numbers from a seed, by whole numbers alone, so that every machine draws the same.

use std::time::Duration;

use lamparina_protocol::Instant;

/// Into so many steps the mean time between two messages is cut.
const STEPS: u64 = 200;

/// Times at which somebody wants to send, `mean` apart on average and independent of each other: at each
/// of 200 steps of the mean it happens by chance or does not, as near to a Poisson process as matters.
/// Messages at fixed times would fall into step with round trips.
#[derive(Clone, Debug)]
pub struct Arrivals {
    mean: Duration,
    /// State of SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, OOPSLA 2014).
    state: u64,
}

impl Arrivals {
    /// Arrivals that `seed` decides.
    pub fn new(mean: Duration, seed: u64) -> Self {
        Self { mean, state: seed }
    }

    /// The one after that at `at`.
    pub fn after(&mut self, at: Instant) -> Instant {
        let mut steps = 1;
        while self.number() >= u64::MAX / STEPS {
            steps += 1;
        }
        at + Duration::from_nanos(self.mean.as_nanos() as u64 / STEPS * steps)
    }

    fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_as_many_as_asked_for_and_at_no_fixed_times() {
        let mut arrivals = Arrivals::new(Duration::from_millis(20), 9);
        let mut at = Instant::ZERO;
        let mut gaps_us: Vec<u64> = Vec::new();
        for _ in 0..10_000 {
            let next = arrivals.after(at);
            gaps_us.push(next.saturating_since(at).as_micros() as u64);
            at = next;
        }
        let mean_us = at.as_micros() / 10_000;
        assert!((19_500..20_500).contains(&mean_us), "{mean_us}");
        let short = gaps_us.iter().filter(|gap| **gap < 2_000).count();
        let long = gaps_us.iter().filter(|gap| **gap > 60_000).count();
        // 1 - e^-0.1 and e^-3 of them.
        assert!((850..1_050).contains(&short), "{short}");
        assert!((430..570).contains(&long), "{long}");
    }
}
