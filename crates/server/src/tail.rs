//! The newest batches, shared by all sessions: each follows at its own pace, and none can make
//! another wait. Bounded by memory and by items: the oldest batch falls off, and whoever had not
//! read it goes on from the store, or where there is none resumes with a gap.
//!
//! In: the ordering task. Out: sessions, by position.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use lamparina_protocol::Lamport;

use crate::hub::{BATCH_OUTPUT_BYTES, Batch};

/// Memory that the tail holds, unless told otherwise.
pub const TAIL_BYTES: usize = 64 * 1024 * 1024;
/// Items that the tail holds, unless told otherwise.
pub const TAIL_ITEMS: usize = 1_000_000;
// What the requests of one moment say never takes the place of everything before.
const _: () = assert!(BATCH_OUTPUT_BYTES <= TAIL_BYTES / 8);

/// The newest batches.
#[derive(Debug)]
pub struct Tail {
    ring: RwLock<Ring>,
    bytes_max: usize,
    items_max: usize,
}

#[derive(Debug, Default)]
struct Ring {
    /// Position of the oldest batch held.
    first: u64,
    batches: VecDeque<Arc<Batch>>,
    bytes: usize,
    items: usize,
}

/// What stands at a position.
#[derive(Clone, Debug)]
pub enum Read {
    /// This.
    Batch(Arc<Batch>),
    /// Nothing yet.
    NotYet,
    /// It fell off.
    Gone,
}

/// Where to begin in order to read every message after some stamp that is still here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Start {
    /// The batch to begin with.
    pub position: u64,
    /// Every message after this stamp is here.
    pub complete_after: Lamport,
}

impl Tail {
    /// An empty tail. However small its bounds, the newest batch stays.
    pub fn new(bytes_max: usize, items_max: usize) -> Self {
        Self {
            ring: RwLock::default(),
            bytes_max,
            items_max,
        }
    }

    /// Appends a batch; gives its position.
    pub fn push(&self, batch: Batch) -> u64 {
        let mut fallen = Vec::new();
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        ring.bytes += batch.cost_bytes;
        ring.items += batch.items.len();
        ring.batches.push_back(Arc::new(batch));
        while ring.batches.len() > 1 && (ring.bytes > self.bytes_max || ring.items > self.items_max)
        {
            let Some(oldest) = ring.batches.pop_front() else {
                break;
            };
            ring.bytes -= oldest.cost_bytes;
            ring.items -= oldest.items.len();
            ring.first += 1;
            fallen.push(oldest);
        }
        let position = ring.first + ring.batches.len() as u64 - 1;
        drop(ring);
        // Memory is freed outside the lock.
        drop(fallen);
        position
    }

    /// What stands at `position`.
    pub fn at(&self, position: u64) -> Read {
        let ring = self.read();
        let Some(index) = position.checked_sub(ring.first) else {
            return Read::Gone;
        };
        match ring.batches.get(index as usize) {
            Some(batch) => Read::Batch(batch.clone()),
            None => Read::NotYet,
        }
    }

    /// Where the next batch will stand.
    pub fn end(&self) -> u64 {
        let ring = self.read();
        ring.first + ring.batches.len() as u64
    }

    /// Whether `position` fell off.
    pub fn is_gone(&self, position: u64) -> bool {
        position < self.read().first
    }

    /// Where to begin in order to read what follows the stamp `low`.
    pub fn start_after(&self, low: Lamport) -> Start {
        let ring = self.read();
        // Batches that begin at or before `low`: the last of them may hold the first one after it.
        let begun = ring.batches.partition_point(|batch| batch.after <= low);
        let floor = ring.batches.front().map_or(low, |batch| batch.after);
        Start {
            position: ring.first + begun.saturating_sub(1) as u64,
            complete_after: floor,
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Ring> {
        // A panic inside would leave at worst sizes that are too large.
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
