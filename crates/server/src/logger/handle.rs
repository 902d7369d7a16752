//! How the server speaks to its logger: never waiting.
//!
//! One short lock holds the whole queue. A line is given its time, formatted and placed, or
//! counted, inside it; the task that feeds the pipe takes all lines at once by an exchange of two
//! buffers. So order and counts need no further argument, and nobody waits for the subprocess.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use lamparina_protocol::UnixMicros;
use tokio::sync::Notify;

use super::event::LogEvent;
use super::queue::{Batch, Queue, Wake};

/// Shared by all handles and the task that feeds the subprocess.
#[derive(Debug)]
pub(super) struct Shared {
    queue: Mutex<Queue>,
    /// There are lines, or there never will be any more.
    idle: Notify,
    /// Lines should not gather any longer.
    pacing: Notify,
    with_text: bool,
}

impl Shared {
    pub(super) fn new(queue: Queue, with_text: bool) -> Self {
        Self {
            queue: Mutex::new(queue),
            idle: Notify::new(),
            pacing: Notify::new(),
            with_text,
        }
    }

    /// Takes the lines gathered, giving `spare` for them.
    pub(super) fn take(&self, spare: Batch) -> Batch {
        let mut queue = self.lock();
        queue.take(now(), spare)
    }

    /// Accepts nothing from now on.
    pub(super) fn close(&self) {
        self.lock().close();
        self.idle.notify_one();
        self.pacing.notify_one();
    }

    /// Whether the queue is closed and empty.
    pub(super) fn is_finished(&self) -> bool {
        let queue = self.lock();
        queue.is_closed() && queue.is_empty()
    }

    /// Asks for the file to be opened again.
    pub(super) fn reopen(&self) {
        self.lock().reopen();
        self.idle.notify_one();
    }

    /// Waits until there are lines, then until `pace`, or less when they grow many. May be dropped
    /// and called again at any time.
    pub(super) async fn due(&self, pace: tokio::time::Instant) {
        while !self.has_work() {
            self.idle.notified().await;
        }
        // Early or late makes no difference to what is taken.
        let _ = tokio::time::timeout_at(pace, self.pacing.notified()).await;
    }

    fn has_work(&self) -> bool {
        let queue = self.lock();
        queue.is_closed() || !queue.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A panic inside leaves at worst one line unfinished.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where events are handed in. Cheap to clone; usable from any thread.
#[derive(Clone, Debug)]
pub struct LogHandle {
    shared: Option<Arc<Shared>>,
}

impl LogHandle {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared: Some(shared),
        }
    }

    /// A handle that forgets everything.
    pub const fn null() -> Self {
        Self { shared: None }
    }

    /// Logs an event with the present time, or counts it where there is no room. Never waits for
    /// the subprocess. After [`Logger::finish`](super::Logger::finish) it does nothing.
    pub fn event(&self, event: LogEvent<'_>) {
        let Some(shared) = &self.shared else { return };
        let mut queue = shared.lock();
        let wake = queue.offer(now(), &event);
        drop(queue);
        match wake {
            Wake::Nobody => {}
            Wake::Idle => shared.idle.notify_one(),
            Wake::Pacing => shared.pacing.notify_one(),
        }
    }

    /// Logs events that happened together, as [`Self::event`] does each: under one lock, all with
    /// one time.
    pub fn events<'a>(&self, events: impl IntoIterator<Item = LogEvent<'a>>) {
        let Some(shared) = &self.shared else { return };
        let (mut idle, mut pacing) = (false, false);
        let mut queue = shared.lock();
        let at = now();
        for event in events {
            match queue.offer(at, &event) {
                Wake::Nobody => {}
                Wake::Idle => idle = true,
                Wake::Pacing => pacing = true,
            }
        }
        drop(queue);
        if idle {
            shared.idle.notify_one();
        }
        if pacing {
            shared.pacing.notify_one();
        }
    }

    /// Whether the texts of messages are logged; if not, there is no need to hand them in.
    pub fn is_text_logged(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.with_text)
    }
}

/// The time of day; a clock before 1970 reads as 1970.
pub(super) fn now() -> UnixMicros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixMicros(since.map_or(0, |since| {
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_that_happened_together_are_lines_in_their_order_and_at_one_time() {
        let shared = Arc::new(Shared::new(Queue::new(4, 1_000_000, false), false));
        let log = LogHandle::new(Arc::clone(&shared));
        let reasons = ["a", "b", "c", "d", "e", "f"];
        log.events(reasons.map(|reason| LogEvent::Stopped { reason }));
        log.events([]);
        let batch = shared.take(Batch::default());
        let text = String::from_utf8(batch.bytes).unwrap();
        let parts: Vec<_> = text
            .lines()
            .map(|line| line.split_once(' ').unwrap())
            .collect();
        let said: Vec<_> = parts.iter().map(|(_, said)| *said).collect();
        let stopped = |reason| format!("event=stopped reason={reason}");
        let mut expected = ["a", "b", "c", "d"].map(stopped).to_vec();
        expected.push("event=dropped count=2 cause=stalled".to_owned());
        assert_eq!(said, expected);
        assert!(parts[..4].iter().all(|(at, _)| *at == parts[0].0));
        assert_eq!((batch.lines, batch.weights), (5, vec![(5, 2)]));
    }
}
