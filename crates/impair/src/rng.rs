//! Numbers by place: the n-th number of a stream is a function of seed, purpose and n alone, so it
//! can be asked for in any order and one purpose never disturbs another.
//!
//! The generator is SplitMix64: G. L. Steele, D. Lea, C. H. Flood, *Fast Splittable Pseudorandom
//! Number Generators*, OOPSLA 2014, with the constants of S. Vigna's `splitmix64.c` (public domain,
//! 2015). Its n-th output is `mix(seed + n * GAMMA)`, which makes it a counter-based generator. It
//! is no secret to anybody: for bad channels only.

/// The odd number nearest to 2^64 divided by the golden ratio.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// What a number is drawn for. Each has a stream of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u64)]
pub(crate) enum Purpose {
    /// Whether a frame is lost, or where the bursts of losses begin and end.
    Loss = 1,
    /// Whether a frame comes twice.
    Duplicate = 2,
    /// Whether a copy is damaged.
    Damage = 3,
    /// Which bits of a damaged copy are flipped.
    Bits = 4,
    /// How far a copy's travelling time is from the delay.
    Jitter = 5,
    /// Whether a copy is held back.
    Hold = 6,
    /// Behind how many others a copy is held back.
    Behind = 7,
    /// The seed of the direction to the server.
    Up = 8,
    /// The seed of the direction from the server.
    Down = 9,
}

/// One stream of numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    seed: u64,
}

impl Stream {
    /// The stream for `purpose`.
    pub(crate) const fn new(seed: u64, purpose: Purpose) -> Self {
        Self {
            seed: mix(seed ^ mix((purpose as u64).wrapping_mul(GAMMA))),
        }
    }

    /// The stream that SplitMix64 gives for `seed` itself.
    pub(crate) const fn raw(seed: u64) -> Self {
        Self { seed }
    }

    /// The number at `place`, from 0.
    pub(crate) const fn at(self, place: u64) -> u64 {
        let steps = place.wrapping_add(1);
        mix(self.seed.wrapping_add(steps.wrapping_mul(GAMMA)))
    }

    /// The number at `place`, scaled down to `0..bound`; 0 where `bound` is 0.
    ///
    /// By multiplication: a bias below `bound / 2^64` and no draw thrown away, which would make the
    /// place of a number depend on those before it.
    pub(crate) const fn below(self, place: u64, bound: u64) -> u64 {
        ((self.at(place) as u128 * bound as u128) >> 64) as u64
    }
}

/// SplitMix64's finaliser, a bijection ("Mix13" of D. Stafford, *Better Bit Mixing*, 2011).
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_numbers() {
        let numbers: Vec<u64> = (0..5).map(|n| Stream::raw(1_234_567).at(n)).collect();
        assert_eq!(
            numbers,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ]
        );
    }

    #[test]
    fn purposes_and_seeds_do_not_repeat_each_other() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..50 {
            for purpose in [Purpose::Loss, Purpose::Damage, Purpose::Up, Purpose::Down] {
                for place in 0..50 {
                    assert!(seen.insert(Stream::new(seed, purpose).at(place)));
                }
            }
        }
    }

    #[test]
    fn scaled_numbers_are_even_and_in_range() {
        let mut counts = [0u32; 7];
        for place in 0..70_000 {
            counts[Stream::new(1, Purpose::Bits).below(place, 7) as usize] += 1;
        }
        assert!(
            counts.iter().all(|&n| (9_600..10_400).contains(&n)),
            "{counts:?}"
        );
        assert_eq!(Stream::raw(5).below(3, 0), 0);
        assert_eq!(Stream::raw(5).below(3, 1), 0);
    }
}
