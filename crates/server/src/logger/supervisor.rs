//! Keeps one logger alive, and every line on its way: what the dead one did not take goes to the
//! next, after a line that counts what may be lost.
//!
//! In: [`super::handle`]. Out: the pipe. The books are kept by [`super::feed`]; here are only
//! waiting, starting and stopping.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::feed::Feed;
use super::handle::{Shared, now};
use super::process::{Exchange, Process, Recipe};
use super::queue::Batch;
use super::wire::Status;

/// Lines gather for so long before they go into the pipe together, unless they grow many: one
/// system call then serves hundreds of lines, and nobody sees the difference in a file.
const PACE: Duration = Duration::from_millis(2);
/// Before the first attempt at a new logger; doubles with every further one.
const RESTART_AFTER: Duration = Duration::from_millis(100);
/// Before any attempt, at most.
const RESTART_AFTER_MAX: Duration = Duration::from_millis(800);
/// A logger that lived so long has not died at once.
const PROVEN_AFTER: Duration = Duration::from_secs(5);
// A killed logger is started again within a second.
const _: () = assert!(RESTART_AFTER_MAX.as_millis() < 1_000);

/// The task that feeds the logger.
#[derive(Debug)]
pub(super) struct Supervisor {
    desk: Desk,
    recipe: Recipe,
    process: Option<Process>,
}

/// What outlives every logger.
#[derive(Debug)]
struct Desk {
    shared: Arc<Shared>,
    /// Of the logger alive; 0 while there is none.
    pid: Arc<AtomicU32>,
    feed: Feed,
    spare: Batch,
    /// The last trouble told, so that it is told once.
    trouble: String,
}

/// How a life of the logger ended.
enum End {
    /// Everything is written, and nothing more will come.
    Finished,
    /// Otherwise.
    Died,
}

impl Supervisor {
    pub(super) fn new(
        shared: Arc<Shared>,
        pid: Arc<AtomicU32>,
        recipe: Recipe,
        first: Process,
    ) -> Self {
        pid.store(first.pid().unwrap_or(0), Ordering::Relaxed);
        let desk = Desk {
            shared,
            pid,
            feed: Feed::default(),
            spare: Batch::default(),
            trouble: String::new(),
        };
        Self {
            desk,
            recipe,
            process: Some(first),
        }
    }

    /// Works until the queue is closed and everything is written, or until told to give up.
    pub(super) async fn run(mut self, give_up: oneshot::Receiver<()>) {
        tokio::select! {
            () = self.work() => {}
            Ok(()) = give_up => {
                if let Some(process) = &mut self.process {
                    process.kill().await;
                }
                let lines = self.desk.unwritten();
                warn!(lines, "the logger did not end in time and was killed; these lines are lost");
            }
        }
        self.desk.pid.store(0, Ordering::Relaxed);
    }

    async fn work(&mut self) {
        let mut delay = RESTART_AFTER;
        loop {
            if let Some(process) = &mut self.process {
                let born = Instant::now();
                if matches!(self.desk.serve(process).await, End::Finished) {
                    return;
                }
                self.process = None;
                if born.elapsed() >= PROVEN_AFTER {
                    delay = RESTART_AFTER;
                }
            }
            sleep(delay).await;
            delay = (delay * 2).min(RESTART_AFTER_MAX);
            match Process::start(&self.recipe).await {
                Ok(process) => {
                    let pid = process.pid().unwrap_or(0);
                    self.desk.pid.store(pid, Ordering::Relaxed);
                    self.process = Some(process);
                }
                Err(error) => self.desk.tell(format!("cannot start the logger: {error}")),
            }
        }
    }
}

impl Desk {
    /// Feeds one logger for as long as it lives.
    async fn serve(&mut self, process: &mut Process) -> End {
        let mut pace = Instant::now();
        let mut ending = false;
        loop {
            let idle = self.feed.rest().is_empty();
            if idle && !ending && self.shared.is_finished() {
                process.end_input();
                ending = true;
            }
            tokio::select! {
                came = process.exchange(self.feed.rest()) => match came {
                    Exchange::Took(bytes) => self.feed.handed(bytes),
                    Exchange::Heard(Some(status)) => self.heard(status),
                    Exchange::Heard(None) => return self.bury(process, ending).await,
                },
                () = self.shared.due(pace), if idle && !ending => {
                    self.refill();
                    pace = Instant::now() + PACE;
                }
            }
        }
    }

    fn refill(&mut self) {
        let batch = self.shared.take(std::mem::take(&mut self.spare));
        self.spare = self.feed.load(batch);
    }

    /// The most offered lines that will never be in the file, when there is no further logger.
    fn unwritten(&self) -> u64 {
        let queued = self.shared.take(Batch::default()).weight();
        self.feed.at_risk() + self.feed.waiting() + queued
    }

    fn heard(&mut self, status: Status) {
        match status {
            Status::Ready => {}
            Status::Wrote(lines) => {
                self.feed.written(lines);
                self.trouble.clear();
            }
            Status::Failed(words) => self.tell(words),
        }
    }

    async fn bury(&mut self, process: &mut Process, ending: bool) -> End {
        let cause = process.bury().await;
        self.pid.store(0, Ordering::Relaxed);
        if ending && self.feed.is_settled() {
            return End::Finished;
        }
        let count = self.feed.child_died(now(), cause);
        warn!(
            count,
            cause = cause.name(),
            "the logger died and is started again"
        );
        End::Died
    }

    fn tell(&mut self, trouble: String) {
        if self.trouble != trouble {
            warn!("{trouble}; lines wait, and are counted where they find no room");
            self.trouble = trouble;
        }
    }
}
