//! Inputs from inputs: bits flipped, numbers at their edges, parts taken out, doubled and joined.
//! The same seed makes the same inputs on every machine.

/// Numbers from a seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

/// Changes made to one input, at most.
const CHANGES_MAX: u64 = 8;
/// Numbers at which readers tend to be wrong.
const EDGES: [u64; 20] = [
    0,
    1,
    0x7f,
    0x80,
    250,
    251,
    252,
    253,
    254,
    0xff,
    0x100,
    0x1fff,
    8_180,
    8_181,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    i64::MAX as u64,
    u64::MAX,
];

impl Random {
    /// Begins at `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 where that is 0.
    pub const fn below(&mut self, bound: usize) -> usize {
        match bound {
            0 => 0,
            // A bias of less than 2^-40 does no harm here.
            _ => (self.next() % bound as u64) as usize,
        }
    }
}

/// Makes the next input of at most `bytes_max` bytes in `out`, mostly from one in `corpus`.
pub fn next(random: &mut Random, corpus: &[Vec<u8>], bytes_max: usize, out: &mut Vec<u8>) {
    out.clear();
    if corpus.is_empty() || random.below(8) == 0 {
        let most = bytes_max.min(64 << random.below(6));
        let length = random.below(most + 1);
        out.resize_with(length, || random.next() as u8);
        return;
    }
    out.extend_from_slice(&corpus[random.below(corpus.len())]);
    for _ in 0..=random.next() % CHANGES_MAX {
        change(random, corpus, out);
    }
    out.truncate(bytes_max);
}

fn change(random: &mut Random, corpus: &[Vec<u8>], out: &mut Vec<u8>) {
    let at = random.below(out.len());
    let run = 1 + random.below(16.min(out.len() + 1));
    let end = (at + run).min(out.len());
    match random.below(10) {
        0 | 1 if !out.is_empty() => out[at] ^= 1 << random.below(8),
        2 if !out.is_empty() => out[at] = random.next() as u8,
        3 => edge(random, at, out),
        4 => drop(out.drain(at..end)),
        5 => {
            let double = out[at..end].to_vec();
            out.splice(at..at, double);
        }
        6 => out.truncate(at),
        7 => {
            let bytes = random.next().to_le_bytes();
            out.splice(at..at, bytes.into_iter().take(run.min(8)));
        }
        8 => {
            let other = &corpus[random.below(corpus.len())];
            out.truncate(at);
            out.extend_from_slice(&other[random.below(other.len())..]);
        }
        _ => {
            let other = &corpus[random.below(corpus.len())];
            let from = random.below(other.len());
            let to = (from + run).min(other.len());
            out.splice(at..at, other[from..to].iter().copied());
        }
    }
}

/// Writes a number at an edge over what stands at `at`, in 1, 2, 4 or 8 bytes of either order.
fn edge(random: &mut Random, at: usize, out: &mut [u8]) {
    let number = EDGES[random.below(EDGES.len())];
    let width = 1 << random.below(4);
    let bytes = match random.below(2) {
        0 => number.to_le_bytes(),
        _ => (number << (64 - 8 * width)).to_be_bytes(),
    };
    for (place, byte) in out.iter_mut().skip(at).zip(bytes).take(width) {
        *place = byte;
    }
}
