//! Samples of our link while it works, for tuning: a line of numbers every [`EVERY`] of virtual time.
//! Sampling only reads, so that a run with it is the same run.

use std::fmt::Write as _;
use std::time::Duration;

use lamparina_protocol::Instant;

use crate::end::Side;
use crate::flow::Flow;

/// Time between samples.
pub const EVERY: Duration = Duration::from_millis(10);

const NAMES: &str = "ms,phase,in_flight_bytes,congestion_bytes,rate_kbit,rtt_us,rtt_min_us,\
                     packets_sent,packets_lost,spurious,copies,again,timeouts,loss_out_ppm,\
                     delivered_bytes";

/// Samples so far, as comma-separated values.
#[derive(Clone, Debug)]
pub struct Trace {
    next_at: Instant,
    text: String,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            next_at: Instant::ZERO,
            text: format!("{NAMES}\n"),
        }
    }
}

impl Trace {
    /// When the next sample is due.
    pub fn deadline(&self) -> Instant {
        self.next_at
    }

    /// Samples the client's end of `flow`, if it is time and the link has something to say.
    pub fn sample(&mut self, now: Instant, flow: &Flow) {
        if now < self.next_at {
            return;
        }
        self.next_at = now + EVERY;
        let Some(stats) = flow.end(Side::Client).link_stats() else {
            return;
        };
        let micros = |span: Option<Duration>| span.unwrap_or_default().as_micros();
        let delivered = flow.ledgers.bulk.bytes_delivered() + flow.ledgers.small.bytes_delivered();
        // Writing to a string does not fail.
        let _ = writeln!(
            self.text,
            "{:.3},{},{},{},{},{},{},{},{},{},{},{},{},{},{delivered}",
            now.as_micros() as f64 / 1e3,
            stats.phase,
            u64::from(stats.in_flight_bytes) + u64::from(stats.bulk_in_flight_bytes),
            stats.congestion_bytes,
            stats.rate_bytes_per_s.unwrap_or_default() * 8 / 1_000,
            micros(stats.rtt),
            micros(stats.rtt_min),
            stats.packets_sent,
            stats.packets_lost,
            stats.packets_spurious,
            stats.copies_sent,
            stats.retransmitted,
            stats.timeouts,
            stats.loss_out_ppm.unwrap_or_default(),
        );
    }

    /// All samples, with a line of names before them.
    pub fn text(&self) -> &str {
        &self.text
    }
}
