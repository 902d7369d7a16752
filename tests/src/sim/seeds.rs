//! Runs seeds, some of them twice, and says which one failed and how to run only that.
//!
//! `LAMPARINA_SEED=7` runs only seed 7, in every test that takes seeds; `LAMPARINA_SEEDS=10000` runs
//! so many for each instead of the usual number.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::world::{Did, POINTS};

/// A run is repeated for every so many seeds, to see the same bytes.
const TWICE_EVERY: u64 = 8;

/// One run.
pub trait Run {
    /// The world of `seed`, before anything happened.
    fn new(seed: u64) -> Self;
    /// Runs to the end; panics where something does not hold.
    fn run(&mut self);
    /// The digest of all that happened.
    fn digest(&self) -> u64;
    /// Adds what it did to `sum`.
    fn count(&self, sum: &mut Figures);
    /// What happened last, for people.
    fn last_steps(&self) -> String;
}

/// What runs did, together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Figures {
    /// Runs.
    pub runs: u64,
    /// Frames that entered a channel.
    pub frames: u64,
    /// Frames that a channel lost, cut off or damaged.
    pub spoilt: u64,
    /// Messages that were given a place.
    pub ordered: u64,
    /// Messages delivered.
    pub delivered: u64,
    /// Bytes of text delivered.
    pub bytes: u64,
    /// Messages refused, in words.
    pub refused: u64,
    /// Messages for which there was no room on the disk, in words.
    pub turned_away: u64,
    /// Clients that began, for the first time or after a crash.
    pub lives: u64,
    /// Pages and answers read from a disk.
    pub reads: u64,
    /// Connections made.
    pub connections: u64,
    /// Gaps that were told.
    pub gaps: u64,
    /// Events told behind messages read from a disk, that stand behind them.
    pub late: u64,
    /// Power cuts, by [`Point`](super::world::Point).
    pub cuts: [u64; POINTS],
    /// Times when a disk was full.
    pub fulls: u64,
    /// What became of connections by datagrams.
    pub air: Did,
    /// Seconds of virtual time.
    pub seconds: u64,
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")),
    )
}

/// Runs `count` seeds, and gives what they did: those from `part * count` on, so that the parts of a test run different ones.
///
/// # Panics
///
/// With the seed's own panic, after its number and last steps were printed.
pub fn run<R: Run>(test: impl Display, part: u64, count: u64) -> Figures {
    let (first, count) = match number("LAMPARINA_SEED") {
        Some(only) => (only, 1),
        None => {
            let count = number("LAMPARINA_SEEDS").unwrap_or(count);
            (part * count, count)
        }
    };
    let mut sum = Figures::default();
    for seed in first..first + count {
        let digest = one::<R>(&test, seed, &mut sum);
        if seed % TWICE_EVERY == 0 || count == 1 {
            let again = one::<R>(&test, seed, &mut Figures::default());
            assert_eq!(digest, again, "{test}: seed {seed} ran differently twice");
        }
    }
    println!("{test}: {sum:?}");
    sum
}

fn one<R: Run>(test: &impl Display, seed: u64, sum: &mut Figures) -> u64 {
    let mut world = R::new(seed);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| world.run())) {
        eprintln!("{test}: seed {seed} fails; the last steps:");
        eprintln!("{}", world.last_steps());
        eprintln!("only this seed: LAMPARINA_SEED={seed} cargo test -p lamparina-tests {test}");
        resume_unwind(panic);
    }
    sum.runs += 1;
    world.count(sum);
    world.digest()
}
