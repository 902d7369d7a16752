//! A sender of limited speed: what it sends takes its time and goes in order; what waits for it is
//! bounded, and what finds no room is refused.

use lamparina_protocol::Instant;

use crate::value::{QueueBytes, Rate};

const NANOS: u128 = 1_000_000_000;

/// When the sender will be done with all that it accepted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sender {
    /// In nanoseconds of the run, so that short frames do not add up rounding errors.
    busy_until_nanos: u128,
}

impl Sender {
    /// Accepts `bytes` and gives the time at which the last of them is sent; `None` where they find
    /// no room, the frame being sent counted in. An idle sender takes a frame of any length, so that
    /// none is too long for ever.
    pub(crate) fn accept(
        &mut self,
        now: Instant,
        bytes: usize,
        rate: Rate,
        queue: QueueBytes,
    ) -> Option<Instant> {
        let (bits, rate) = (bytes as u128 * 8, u128::from(rate.bits()));
        let now = u128::from(now.as_micros()) * 1_000;
        let waiting_bits = self.busy_until_nanos.saturating_sub(now) * rate / NANOS;
        if waiting_bits > 0 && waiting_bits + bits > u128::from(queue.bytes()) * 8 {
            return None;
        }
        self.busy_until_nanos = self.busy_until_nanos.max(now) + bits * NANOS / rate;
        let micros = self.busy_until_nanos.div_ceil(1_000);
        Some(Instant::from_micros(
            u64::try_from(micros).unwrap_or(u64::MAX),
        ))
    }
}
