//! Puts requests into one line. Behind the trait may stand a queue of this process or a replicated
//! stream; what comes out is the order, and everything else follows from it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{Mutex, Semaphore, mpsc};

use crate::hub::Asked;

/// A future that is made rarely enough to be boxed.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Memory of waiting requests. With more, sessions wait for room, and stop reading meanwhile.
pub const QUEUE_COST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Requests from which on a batch takes no more.
pub const BATCH_REQUESTS: usize = 4_096;
/// Memory of requests from which on a batch takes no more.
pub const BATCH_COST_BYTES: usize = 4 * 1024 * 1024;
// A batch never waits for more than may wait.
const _: () = assert!(BATCH_COST_BYTES < QUEUE_COST_BYTES_MAX);
const _: () = assert!(
    QUEUE_COST_BYTES_MAX <= Semaphore::MAX_PERMITS && QUEUE_COST_BYTES_MAX <= u32::MAX as usize
);

/// Puts requests into one line. Those of one submission stay together and in order.
pub trait Sequencer: Send + Sync {
    /// Takes requests where there is room now, else gives them back.
    ///
    /// # Errors
    ///
    /// [`NotTaken`], with the requests.
    fn try_submit(&self, asked: Vec<Asked>) -> Result<(), NotTaken>;

    /// Waits for room, then takes the requests. After the end they are dropped.
    fn submit(self: Arc<Self>, asked: Vec<Asked>) -> Boxed<'static, ()>;

    /// Waits for requests and appends those that there are, bounded, to `batch`. `false` after
    /// the last one.
    fn next<'a>(&'a self, batch: &'a mut Vec<Asked>) -> Boxed<'a, bool>;

    /// Takes nothing from now on; what waits is still given out.
    fn close(&self);
}

/// There was no room.
#[derive(Debug)]
pub struct NotTaken(pub Vec<Asked>);

/// What travels through the queue.
#[derive(Debug)]
enum Part {
    /// Requests and what they cost.
    Asked(usize, Vec<Asked>),
    /// Nothing follows.
    End,
}

/// A queue in this process.
#[derive(Debug)]
pub struct Embedded {
    sender: mpsc::UnboundedSender<Part>,
    receiver: Mutex<mpsc::UnboundedReceiver<Part>>,
    /// What bounds the channel: a permit for each byte of cost.
    room: Semaphore,
}

impl Embedded {
    /// An empty queue.
    pub fn new() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self {
            sender,
            receiver: Mutex::new(receiver),
            room: Semaphore::new(QUEUE_COST_BYTES_MAX),
        }
    }

    fn send(&self, cost: usize, asked: Vec<Asked>) {
        // Refused only when this very queue is gone.
        let _ = self.sender.send(Part::Asked(cost, asked));
    }
}

impl Default for Embedded {
    fn default() -> Self {
        Self::new()
    }
}

impl Sequencer for Embedded {
    fn try_submit(&self, asked: Vec<Asked>) -> Result<(), NotTaken> {
        let cost = cost_bytes(&asked);
        match self.room.try_acquire_many(cost as u32) {
            Ok(room) => {
                room.forget();
                self.send(cost, asked);
                Ok(())
            }
            Err(_) => Err(NotTaken(asked)),
        }
    }

    fn submit(self: Arc<Self>, asked: Vec<Asked>) -> Boxed<'static, ()> {
        Box::pin(async move {
            let cost = cost_bytes(&asked);
            if let Ok(room) = self.room.acquire_many(cost as u32).await {
                room.forget();
                self.send(cost, asked);
            }
        })
    }

    fn next<'a>(&'a self, batch: &'a mut Vec<Asked>) -> Boxed<'a, bool> {
        Box::pin(async move {
            let mut receiver = self.receiver.lock().await;
            let Some(Part::Asked(mut taken, part)) = receiver.recv().await else {
                return false;
            };
            batch.extend(part);
            while batch.len() < BATCH_REQUESTS && taken < BATCH_COST_BYTES {
                match receiver.try_recv() {
                    Ok(Part::Asked(cost, part)) => {
                        taken += cost;
                        batch.extend(part);
                    }
                    // Said again for the next call.
                    Ok(Part::End) => {
                        self.close();
                        break;
                    }
                    Err(_) => break,
                }
            }
            self.room.add_permits(taken);
            true
        })
    }

    fn close(&self) {
        self.room.close();
        let _ = self.sender.send(Part::End);
    }
}

/// What requests cost together; never more than there ever is room for.
fn cost_bytes(asked: &[Asked]) -> usize {
    let cost: usize = asked.iter().map(Asked::cost_bytes).sum();
    cost.min(QUEUE_COST_BYTES_MAX)
}

#[cfg(test)]
mod tests;
