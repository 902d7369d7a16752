//! Datagrams of one link between the task that receives for all and the task that it belongs to.
//! Bounded by bytes: what finds no room is dropped and counted, and the link repairs it. Empty, it
//! owns no buffer.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::socket::Arrived;

/// Bytes that may wait for a link that is open.
pub const INBOX_BYTES_MAX: usize = 256 * 1024;
/// Bytes that may wait for a link that is not yet: a few datagrams.
pub const INBOX_BYTES_EARLY: usize = 8 * 1024;
/// What keeping a datagram costs besides its bytes.
const DATAGRAM_COST_BYTES: usize = 128;

/// The inbox.
#[derive(Debug)]
pub(crate) struct Inbox(Mutex<Waiting>);

#[derive(Debug)]
struct Waiting {
    arrived: Vec<Arrived>,
    bytes: usize,
    bytes_max: usize,
    dropped: u64,
    waker: Option<Waker>,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Waiting {
            arrived: Vec::new(),
            bytes: 0,
            bytes_max: INBOX_BYTES_EARLY,
            dropped: 0,
            waker: None,
        }))
    }

    /// The link is open: more may wait.
    pub(crate) fn widen(&self) {
        self.lock().bytes_max = INBOX_BYTES_MAX;
    }

    /// Takes a datagram, where there is room.
    pub(crate) fn push(&self, arrived: Arrived) {
        let mut waiting = self.lock();
        let bytes = arrived.bytes.len() + DATAGRAM_COST_BYTES;
        if waiting.bytes + bytes > waiting.bytes_max {
            waiting.dropped += 1;
            return;
        }
        waiting.bytes += bytes;
        waiting.arrived.push(arrived);
        if let Some(waker) = waiting.waker.take() {
            drop(waiting);
            waker.wake();
        }
    }

    /// Waits until there is something, and takes all of it.
    pub(crate) fn poll_take(&self, context: &Context<'_>) -> Poll<Vec<Arrived>> {
        self.poll(context, |waiting| {
            waiting.bytes = 0;
            std::mem::take(&mut waiting.arrived)
        })
    }

    /// Waits until there is something.
    pub(crate) fn poll_look(&self, context: &Context<'_>) -> Poll<()> {
        self.poll(context, |_| ())
    }

    fn poll<T>(&self, context: &Context<'_>, take: impl FnOnce(&mut Waiting) -> T) -> Poll<T> {
        let mut waiting = self.lock();
        if !waiting.arrived.is_empty() {
            return Poll::Ready(take(&mut waiting));
        }
        match &mut waiting.waker {
            Some(waker) => waker.clone_from(context.waker()),
            None => waiting.waker = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// Datagrams dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing that panics runs inside.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    use bytes::Bytes;

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicU32);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn datagram(bytes: usize) -> Arrived {
        Arrived {
            from: "127.0.0.1:1".parse().unwrap(),
            to: None,
            bytes: vec![0; bytes].into(),
        }
    }

    #[test]
    fn one_waking_serves_all_that_came_and_what_finds_no_room_is_counted() {
        let (inbox, wakes) = (Inbox::new(), Arc::new(Wakes::default()));
        let waker = Waker::from(wakes.clone());
        let context = Context::from_waker(&waker);
        assert!(inbox.poll_take(&context).is_pending());
        assert!(inbox.poll_look(&context).is_pending());
        for _ in 0..100 {
            inbox.push(datagram(1_200));
        }
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        assert!(inbox.poll_look(&context).is_ready());
        let Poll::Ready(came) = inbox.poll_take(&context) else {
            panic!("something came");
        };
        let room = INBOX_BYTES_EARLY / (1_200 + DATAGRAM_COST_BYTES);
        assert_eq!((came.len(), inbox.dropped()), (room, 100 - room as u64));
        assert!(inbox.poll_take(&context).is_pending());
        inbox.widen();
        // Empty ones cost too.
        (0..100_000).for_each(|_| inbox.push(datagram(0)));
        let Poll::Ready(came) = inbox.poll_take(&context) else {
            panic!("something came");
        };
        assert_eq!(came.len(), INBOX_BYTES_MAX / DATAGRAM_COST_BYTES);
        assert_eq!(came[0].bytes, Bytes::new());
        assert_eq!(wakes.0.load(Ordering::Relaxed), 2);
    }
}
