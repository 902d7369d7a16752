//! Reads the store beside the task that orders: threads of their own, each with a reader. A session
//! has at most one question there; each turn is bounded, and what needs several goes behind the
//! others, so that nobody waits for a long search.
//!
//! | file | holds |
//! |---|---|
//! | `ask` | questions and answers |
//! | `answer` | one turn of reading; searches |
//! | `deliveries`, `bodies` | pages of what a member missed, encoded as they were when new |
//! | `history` | earlier messages, for newcomers and on request |
//! | `trace`, `why` | what is known of a message's way; why one stands before another |
//! | `directory` | who is called what, which the store does not say |

mod answer;
mod ask;
mod bodies;
mod deliveries;
mod directory;
mod history;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod trace;
mod why;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use lamparina_store::Reader;
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use crate::hub::ConnectionId;

pub use answer::answer;
pub use ask::{Asker, Page, Position, ReadAnswer, ReadAsk, Turn, Wanted};
pub use directory::Directory;
pub use history::{History, NEWCOMER_BYTES_MAX, NEWCOMER_MESSAGES_MAX};
pub use trace::Tracing;
pub use why::{Asking, WHY_ROWS_MAX};

/// Entries looked at in one turn.
pub const ROWS_MAX: usize = 4_096;
/// Bytes gathered in one turn, and of one page; more only where one message has more.
pub const BYTES_MAX: usize = 256 * 1024;
/// Questions that wait for one reader, at most. With more, sessions wait for room.
pub const QUEUE_MAX: usize = 1_024;

/// The way to the threads that read. They end when the last copy is dropped.
#[derive(Clone, Debug)]
pub struct Readers {
    queues: Arc<[mpsc::Sender<Job>]>,
}

/// A question, and who waits for the answer.
#[derive(Debug)]
struct Job {
    ask: ReadAsk,
    answer: oneshot::Sender<ReadAnswer>,
}

impl Readers {
    /// Starts a thread for each reader. The handles are there to wait for their end.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn start(
        readers: Vec<Box<dyn Reader>>,
        directory: &Arc<dyn Directory>,
    ) -> io::Result<(Self, Vec<JoinHandle<()>>)> {
        let (mut queues, mut threads) = (Vec::new(), Vec::new());
        for mut reader in readers {
            let (queue, mut jobs) = mpsc::channel(QUEUE_MAX);
            let directory = Arc::clone(directory);
            let thread = std::thread::Builder::new().name("reader".to_owned());
            let run = move || serve(&mut *reader, &*directory, &mut jobs);
            threads.push(thread.spawn(run)?);
            queues.push(queue);
        }
        let queues = queues.into();
        Ok((Self { queues }, threads))
    }

    /// Reads for a connection. Where the queue is full it waits for room.
    pub async fn read(self, by: ConnectionId, ask: ReadAsk) -> ReadAnswer {
        let gone = || ReadAnswer::Failed("nobody reads it any more".to_owned());
        // The same connection asks the same thread, so that each has its share of them.
        let Some(at) = by.0.checked_rem(self.queues.len() as u64) else {
            return gone();
        };
        let (answer, answered) = oneshot::channel();
        if self.queues[at as usize]
            .send(Job { ask, answer })
            .await
            .is_err()
        {
            return gone();
        }
        answered.await.unwrap_or_else(|_| gone())
    }
}

/// Takes turns among what waits, to the end of the queue.
fn serve(reader: &mut dyn Reader, directory: &dyn Directory, jobs: &mut mpsc::Receiver<Job>) {
    let mut turns = VecDeque::new();
    loop {
        if turns.is_empty() {
            let Some(job) = jobs.blocking_recv() else {
                return;
            };
            turns.push_back(job);
        }
        // Whoever is taken here has at most one question, so these are bounded like the queue.
        while turns.len() < QUEUE_MAX
            && let Ok(job) = jobs.try_recv()
        {
            turns.push_back(job);
        }
        let Some(Job { ask, answer: to }) = turns.pop_front() else {
            continue;
        };
        if to.is_closed() {
            continue;
        }
        match answer(reader, directory, ask) {
            Turn::Unfinished(ask) => turns.push_back(Job { ask, answer: to }),
            Turn::Done(answer) => {
                if let ReadAnswer::Failed(why) = &answer {
                    error!(%why, "the store could not be read");
                }
                // The session may have ended meanwhile.
                let _ = to.send(answer);
            }
        }
    }
}
