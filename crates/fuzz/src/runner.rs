//! Many executions of one target on a stable toolchain: first the corpus, then inputs made from it.
//! The same seed makes the same inputs in the same order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::mutate::{self, Random};
use crate::targets::Target;

/// An input that broke a property. What broke was printed by the panic.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Broken(pub Vec<u8>);

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// Inputs given to the target.
    pub executions: u64,
    /// The longest that one took.
    pub slowest: Duration,
}

/// Executes `target` this many times, at least once for each input of the corpus.
///
/// # Errors
///
/// The first input that breaks a property.
pub fn run(
    target: &Target,
    corpus: &[Vec<u8>],
    executions: u64,
    seed: u64,
) -> Result<Done, Broken> {
    let mut done = Done::default();
    for input in corpus {
        execute(target, input, &mut done)?;
    }
    let mut random = Random::new(seed);
    let mut input = Vec::new();
    while done.executions < executions {
        mutate::next(&mut random, corpus, target.bytes_max, &mut input);
        execute(target, &input, &mut done)?;
    }
    Ok(done)
}

fn execute(target: &Target, input: &[u8], done: &mut Done) -> Result<(), Broken> {
    let began = Instant::now();
    let held = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    done.slowest = done.slowest.max(began.elapsed());
    done.executions += 1;
    held.map_err(|_panic| Broken(input.to_vec()))
}
