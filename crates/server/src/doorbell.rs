//! Wakes a session when the tail holds something for it, and says from where on.
//!
//! A session that nothing concerns sleeps, however far the tail moves: the bell remembers the first
//! batch that reaches it, so that it need not read, nor fall behind, the batches that do not.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::hub::{ConnectionId, Rings};

/// Nothing rang.
const SILENT: u64 = u64::MAX;
/// Something rang that is not in the tail.
const STIRRED: u64 = u64::MAX - 1;

/// A session's bell.
#[derive(Debug)]
pub(crate) struct Doorbell {
    /// Position of the first batch that reaches the session since it last looked.
    first: AtomicU64,
    waker: Mutex<Option<Waker>>,
}

impl Doorbell {
    pub(crate) fn new() -> Self {
        Self {
            first: AtomicU64::new(SILENT),
            waker: Mutex::new(None),
        }
    }

    /// The batch at `position` reaches this session.
    pub(crate) fn ring(&self, position: u64) {
        // Whoever rang first has woken it, and it has not looked since.
        if self.first.fetch_min(position, Ordering::AcqRel) == SILENT {
            let waker = lock(&self.waker).take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// The first position rung for since the last call.
    pub(crate) fn take(&self) -> Option<u64> {
        let first = self.first.load(Ordering::Acquire);
        if first == SILENT {
            return None;
        }
        Some(self.first.swap(SILENT, Ordering::AcqRel)).filter(|first| *first < STIRRED)
    }

    /// Waits until it has rung. May be dropped and called again at any time.
    pub(crate) async fn rung(&self) {
        std::future::poll_fn(|context| self.poll_rung(context)).await;
    }

    fn poll_rung(&self, context: &Context<'_>) -> Poll<()> {
        if self.has_rung() {
            return Poll::Ready(());
        }
        let mut waker = lock(&self.waker);
        match &mut *waker {
            Some(known) => known.clone_from(context.waker()),
            None => *waker = Some(context.waker().clone()),
        }
        drop(waker);
        // It may have rung before the waker was in its place.
        if self.has_rung() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn has_rung(&self) -> bool {
        self.first.load(Ordering::Acquire) != SILENT
    }
}

/// The bells of all connections.
#[derive(Debug, Default)]
pub(crate) struct Doorbells {
    bells: Mutex<HashMap<ConnectionId, Arc<Doorbell>>>,
}

impl Doorbells {
    /// A connection's bell, until [`Doorbells::remove`].
    pub(crate) fn add(&self, id: ConnectionId) -> Arc<Doorbell> {
        let bell = Arc::new(Doorbell::new());
        lock(&self.bells).insert(id, bell.clone());
        bell
    }

    pub(crate) fn remove(&self, id: ConnectionId) {
        let mut bells = lock(&self.bells);
        bells.remove(&id);
        // After a crowd has left, its room is given back.
        if bells.capacity() > 1_024 && bells.len() < bells.capacity() / 8 {
            bells.shrink_to_fit();
        }
    }

    /// Rings for a batch at `position`.
    pub(crate) fn ring(&self, rings: &Rings, position: u64) {
        let bells = lock(&self.bells);
        match rings {
            Rings::Everyone => bells.values().for_each(|bell| bell.ring(position)),
            Rings::These(these) => these
                .iter()
                .filter_map(|id| bells.get(id))
                .for_each(|bell| bell.ring(position)),
        }
    }
}

impl Doorbells {
    /// Wakes one session, whatever stands in the tail.
    pub(crate) fn stir_one(&self, id: ConnectionId) {
        if let Some(bell) = lock(&self.bells).get(&id) {
            bell.ring(STIRRED);
        }
    }

    /// Wakes everybody, whatever stands in the tail.
    pub(crate) fn stir(&self) {
        lock(&self.bells)
            .values()
            .for_each(|bell| bell.ring(STIRRED));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that panics runs inside.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_first_position_since_it_was_looked_at() {
        let bells = Doorbells::default();
        let (one, two) = (bells.add(ConnectionId(1)), bells.add(ConnectionId(2)));
        bells.ring(&Rings::These(vec![ConnectionId(1), ConnectionId(9)]), 7);
        bells.ring(&Rings::Everyone, 8);
        assert_eq!((one.take(), two.take()), (Some(7), Some(8)));
        assert_eq!((one.take(), two.take()), (None, None));
        bells.remove(ConnectionId(1));
        bells.ring(&Rings::Everyone, 9);
        assert_eq!((one.take(), two.take()), (None, Some(9)));
    }

    #[tokio::test]
    async fn a_ring_before_or_after_the_wait_wakes() {
        let bell = Arc::new(Doorbell::new());
        bell.ring(3);
        bell.rung().await;
        assert_eq!(bell.take(), Some(3));
        let waiting = tokio::spawn({
            let bell = bell.clone();
            async move { bell.rung().await }
        });
        tokio::task::yield_now().await;
        bell.ring(4);
        waiting.await.unwrap();
        assert_eq!(bell.take(), Some(4));
    }
}
