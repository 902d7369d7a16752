//! A stretch of time and the CPU time that both sides spent in it.

use std::time::{Duration, Instant};

use crate::child::Server;
use crate::proc::CpuReading;
use crate::wire::Fault;

/// What was measured around some work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// How long it took.
    pub(crate) elapsed: Duration,
    /// CPU time of the server.
    pub(crate) server_cpu: Duration,
    /// CPU time of the processes that the server started.
    pub(crate) helpers_cpu: Duration,
    /// CPU time of this process.
    pub(crate) load_cpu: Duration,
}

impl Span {
    /// Measures `work`.
    pub(crate) fn of(
        server: &Server,
        work: impl FnOnce() -> Result<(), Fault>,
    ) -> Result<Self, Fault> {
        let own = std::process::id();
        let read_own = || CpuReading::of(own).map_err(Fault::io("reading own CPU time"));
        let began = Instant::now();
        let (server_before, load_before) = (server.cpu()?, read_own()?);
        work()?;
        let (server_after, load_after) = (server.cpu()?, read_own()?);
        let (server_cpu, helpers_cpu) = server_after.since(&server_before);
        Ok(Self {
            elapsed: began.elapsed(),
            server_cpu,
            helpers_cpu,
            load_cpu: load_after.since(&load_before),
        })
    }

    /// So many of something in a second.
    pub(crate) fn rate(&self, count: u64) -> f64 {
        count as f64 / self.elapsed.as_secs_f64()
    }

    /// CPU nanoseconds of the server and of the load for each of `count`.
    pub(crate) fn ns_each(&self, count: u64) -> (f64, f64) {
        let each = |cpu: Duration| cpu.as_nanos() as f64 / count.max(1) as f64;
        (each(self.server_cpu), each(self.load_cpu))
    }

    /// How busy a core was with `cpu`, in per cent.
    pub(crate) fn busy(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() / self.elapsed.as_secs_f64() * 100.0
    }
}
