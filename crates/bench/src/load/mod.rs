//! The loads. Each is written once, over any [`Wire`], so that both servers meet the same one.

pub(crate) mod durable;
pub(crate) mod enter;
pub(crate) mod idle;
pub(crate) mod pingpong;
pub(crate) mod saturate;
pub(crate) mod span;
pub(crate) mod stalled;

use std::time::{Duration, Instant};

use crate::flock::Flock;
use crate::wire::{Fault, Wire};

/// How long anything awaited may take before the run fails.
pub(crate) const WITHIN: Duration = Duration::from_secs(15);

/// Turns until `done`; fails, naming `what`, when it takes too long.
pub(crate) fn until<W: Wire>(
    flock: &mut Flock<W>,
    what: &str,
    done: impl Fn(&Flock<W>) -> bool,
) -> Result<(), Fault> {
    let began = Instant::now();
    while !done(flock) {
        flock.turn(Duration::from_millis(10))?;
        if began.elapsed() > WITHIN {
            return Err(Fault::Broken(format!(
                "{what}: not within {} s",
                WITHIN.as_secs()
            )));
        }
    }
    Ok(())
}
