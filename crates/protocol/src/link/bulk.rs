//! The BULK lane of a stream link. It leaves in turns of at most [`TURN_BYTES`], one in each call and
//! behind everything else, while nothing waits below: so a big message holds a small one up by no more
//! than what was handed below already.

use bytes::Bytes;

use super::lane::Lane;
use super::outbox::{Burst, Counters};
use crate::control::Terms;
use crate::frame::{FRAME_BYTES_MAX, Seq};
use crate::rtt::RoundTrip;
use crate::time::Instant;

/// Bytes of the BULK lane that one call gives, at most: as much as one record holds.
pub(super) const TURN_BYTES: usize = 16 * 1024;
/// The lane's number, in the header of its ACKs and NACKs.
pub(super) const BULK: Seq = Seq::new(1);

// Whatever frames were agreed on, a turn takes one.
const _: () = assert!(FRAME_BYTES_MAX <= TURN_BYTES);

/// The second lane, of a link that uses it.
#[derive(Debug)]
pub(super) struct Bulk {
    pub(super) lane: Lane,
    burst: Burst,
    /// When its last turn was.
    turn_at: Instant,
}

impl Bulk {
    pub(super) fn new(now: Instant, terms: &Terms, rtt: RoundTrip) -> Self {
        Self {
            lane: Lane::new(now, terms, rtt),
            burst: Burst::default(),
            turn_at: now,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.lane.has_room(&self.burst)
    }

    pub(super) fn in_flight_bytes(&self) -> u32 {
        self.lane.in_flight(&self.burst).1
    }

    /// Whether another turn would give something.
    pub(super) fn has_to_leave(&self, terms: &Terms) -> bool {
        self.lane.has_to_leave(terms, &self.burst)
    }

    /// When to give another turn; `None` while it would give nothing.
    pub(super) fn turn_at(&self, terms: &Terms) -> Option<Instant> {
        self.has_to_leave(terms).then_some(self.turn_at)
    }

    /// What leaves now: first what is sent again, then what is new.
    pub(super) fn turn(
        &mut self,
        now: Instant,
        terms: &Terms,
        stats: &mut Counters,
        wire: &mut Vec<Bytes>,
    ) {
        self.turn_at = now;
        let repaired = self.lane.repair(now, TURN_BYTES, stats, wire);
        let room = TURN_BYTES.saturating_sub(repaired);
        self.lane.pump(now, terms, room, &mut self.burst);
        if !self.burst.is_empty() {
            self.burst.leave(stats, wire);
            self.lane.sealed(now);
        }
    }
}
