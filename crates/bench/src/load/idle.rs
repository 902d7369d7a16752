//! Many connections that have entered and then say nothing: what each costs the server in memory.

use std::time::{Duration, Instant};

use super::enter::{self, Enter};
use crate::child::Server;
use crate::flock::Flock;
use crate::wire::Fault;

/// Connections entered before the first reading: what they touch first is not theirs.
const WARM_UP_CONNECTIONS: usize = 16;
/// Quiet time before each reading.
const QUIET: Duration = Duration::from_secs(1);

/// What was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Connections between the two readings.
    pub(crate) connections: usize,
    /// Resident bytes before them.
    pub(crate) before: u64,
    /// Resident bytes with them.
    pub(crate) with: u64,
    /// How long they took to enter.
    pub(crate) entering: Duration,
}

impl Memory {
    /// Resident bytes for each connection.
    pub(crate) fn each(&self) -> f64 {
        self.with.saturating_sub(self.before) as f64 / self.connections as f64
    }
}

/// Enters `connections` and reads the server's memory before and after.
pub(crate) fn run<W: Enter>(server: &Server, connections: usize) -> Result<Memory, Fault> {
    let mut flock = Flock::<W>::new(crate::mark::MARK_BYTES)?;
    enter::fill(&mut flock, server.addr(), WARM_UP_CONNECTIONS)?;
    keep_quiet(&mut flock)?;
    let before = server.rss_bytes()?;
    let began = Instant::now();
    enter::fill(&mut flock, server.addr(), WARM_UP_CONNECTIONS + connections)?;
    let entering = began.elapsed();
    keep_quiet(&mut flock)?;
    Ok(Memory {
        connections,
        before,
        with: server.rss_bytes()?,
        entering,
    })
}

fn keep_quiet<W: Enter>(flock: &mut Flock<W>) -> Result<(), Fault> {
    let began = Instant::now();
    while began.elapsed() < QUIET {
        flock.turn(Duration::from_millis(50))?;
    }
    Ok(())
}
