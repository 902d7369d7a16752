//! A log histogram: any `u64`, 1,920 buckets, every quantile within 1/32 (3.2 %) above the truth.

/// Buckets to each power of two, as a power of two.
const SUB_BITS: u32 = 5;
const SUB: usize = 1 << SUB_BITS;
const BUCKETS: usize = (64 - SUB_BITS as usize + 1) * SUB;

/// Counts of values. Recording is a shift and an addition.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            total: 0,
            max: 0,
        }
    }
}

impl Histogram {
    /// Counts `value` once.
    pub(crate) fn record(&mut self, value: u64) {
        self.counts[bucket(value)] += 1;
        self.total += 1;
        self.max = self.max.max(value);
    }

    /// How many values were counted.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// A value that at least `share` (0 to 1) of all values do not exceed; 0 when there is none.
    pub(crate) fn quantile(&self, share: f64) -> u64 {
        let wanted = (share * self.total as f64).ceil().max(1.0) as u64;
        let mut below = 0;
        for (index, count) in self.counts.iter().enumerate() {
            below += count;
            if below >= wanted {
                return top_of(index).min(self.max);
            }
        }
        self.max
    }
}

fn bucket(value: u64) -> usize {
    if value < SUB as u64 {
        return value as usize;
    }
    let shift = 63 - value.leading_zeros() - SUB_BITS;
    shift as usize * SUB + (value >> shift) as usize
}

/// The greatest value that falls into bucket `index`.
fn top_of(index: usize) -> u64 {
    if index < SUB {
        return index as u64;
    }
    let shift = index / SUB - 1;
    let step = (index % SUB + SUB) as u64;
    (step << shift) + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_and_hold_their_tops() {
        for index in 0..BUCKETS {
            assert_eq!(bucket(top_of(index)), index);
            if index + 1 < BUCKETS {
                assert_eq!(bucket(top_of(index) + 1), index + 1);
            }
        }
        assert_eq!(top_of(BUCKETS - 1), u64::MAX);
    }

    #[test]
    fn quantiles_are_close_from_above() {
        let mut histogram = Histogram::default();
        (1..=100_000).for_each(|value| histogram.record(value));
        for (share, truth) in [(0.5, 50_000), (0.99, 99_000), (0.999, 99_900)] {
            let told = histogram.quantile(share);
            assert!(truth <= told && told <= truth + truth / 32, "{told}");
        }
        assert_eq!(histogram.quantile(1.0), 100_000);
        assert_eq!(histogram.total(), 100_000);
    }

    #[test]
    fn nothing_is_zero() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), 0);
        histogram.record(7);
        assert_eq!((histogram.quantile(0.0), histogram.quantile(1.0)), (7, 7));
    }
}
