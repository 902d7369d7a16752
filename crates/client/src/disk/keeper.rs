//! The one thread that writes the file. Changes that wait share a transaction, so that many lines
//! cost few syncs; nobody waits for the thread but through [`Progress`].

use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;

use lamparina_protocol::{AuthorKey, Epoch, LogId};
use tokio::sync::{oneshot, watch};

use super::DiskError;
use super::database::{Database, StoreError};
use crate::core::keep::{Change, State};

/// Changes of one transaction, at most.
const BATCH_MAX: usize = 4_096;

/// How far the disk is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// Everything up to this number is stored.
    pub(crate) stored: u64,
    /// The last failure: what could not be stored, and why.
    pub(crate) failed: Option<(u64, String)>,
    /// The file belongs to somebody else.
    pub(crate) taken: bool,
}

enum Job {
    Store(u64, Change),
    /// Answered when the file is known to be ours; not answered when it is not.
    Check(oneshot::Sender<()>),
    /// The outbox of another log from here on, or of the first one; with an epoch for a new one.
    Switch(LogId, Epoch, oneshot::Sender<Result<State, String>>),
}

/// An outbox's file, with its thread. Dropped, it stores what it was given and ends.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// Holds little at a time: a message is given once and settled once, and no more than an
    /// outbox's worth of them is unsettled.
    jobs: mpsc::Sender<Job>,
    progress: watch::Receiver<Progress>,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Opens the file at `path`, or makes it, and takes over the outbox in use at `address`; gives
    /// what is in it.
    pub(crate) fn open(
        path: &Path,
        address: &str,
        author: AuthorKey,
        epoch: Epoch,
        owner: u64,
    ) -> Result<(Self, State), DiskError> {
        let owner = owner.cast_signed();
        let (database, state) = Database::open(path, address, author, epoch, owner)?;
        let (jobs, taken) = mpsc::channel();
        let (tell, progress) = watch::channel(Progress::default());
        let name = "outbox".to_owned();
        let thread = std::thread::Builder::new().name(name);
        let thread = thread.spawn(move || work(database, &taken, &tell));
        let thread = thread.map_err(|error| DiskError::Io {
            path: path.to_owned(),
            why: error.to_string(),
        })?;
        let keeper = Self {
            jobs,
            progress,
            thread,
        };
        Ok((keeper, state))
    }

    /// Stores a change, soon.
    pub(crate) fn store(&self, ticket: u64, change: Change) {
        // The thread ends after its sender, or has told why it ended.
        let _ = self.jobs.send(Job::Store(ticket, change));
    }

    /// Resolves once the file is known to be ours still; never, where it is not.
    pub(crate) fn check(&self) -> oneshot::Receiver<()> {
        let (reply, answer) = oneshot::channel();
        let _ = self.jobs.send(Job::Check(reply));
        answer
    }

    /// The outbox of `log` is in use from here on; gives what is in it, or says why not. Everything
    /// given before is stored first, in the one before.
    pub(crate) fn switch(
        &self,
        log: LogId,
        epoch: Epoch,
    ) -> oneshot::Receiver<Result<State, String>> {
        let (reply, answer) = oneshot::channel();
        let _ = self.jobs.send(Job::Switch(log, epoch, reply));
        answer
    }

    /// Waits for news. Cancel-safe.
    pub(crate) async fn news(&mut self) -> Progress {
        match self.progress.changed().await {
            Ok(()) => self.progress.borrow_and_update().clone(),
            Err(_ended) => std::future::pending().await,
        }
    }

    /// Stores what was given, and closes the file.
    pub(crate) async fn finish(self) {
        let Self {
            jobs,
            progress: _,
            thread,
        } = self;
        drop(jobs);
        // A thread that panicked has said so itself.
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}

fn work(mut database: Database, jobs: &mpsc::Receiver<Job>, tell: &watch::Sender<Progress>) {
    let mut failed: Option<String> = None;
    let mut next = None;
    while let Some(first) = next.take().or_else(|| jobs.recv().ok()) {
        if let Job::Switch(log, epoch, reply) = first {
            let switched = match &failed {
                Some(why) => Err(StoreError::Failed(why.clone())),
                None => database.switch(log, epoch),
            };
            let answer = match switched {
                Ok(state) => Ok(state),
                Err(StoreError::Failed(why)) => {
                    Err(format!("the outbox's file cannot be used: {why}"))
                }
                Err(StoreError::Taken) => {
                    tell.send_modify(|progress| progress.taken = true);
                    return;
                }
            };
            // Who asked may have gone.
            let _ = reply.send(answer);
            continue;
        }
        let (mut changes, mut last) = (Vec::new(), 0);
        let mut checks = Vec::new();
        let more = std::iter::from_fn(|| jobs.try_recv().ok());
        for job in std::iter::once(first).chain(more).take(BATCH_MAX) {
            match job {
                Job::Store(ticket, change) => {
                    last = ticket;
                    // After a failure nothing counts but the whole state.
                    if matches!(change, Change::Whole(_)) {
                        failed = None;
                        changes.clear();
                    }
                    changes.push(change);
                }
                Job::Check(reply) => checks.push(reply),
                switch @ Job::Switch(..) => {
                    next = Some(switch);
                    break;
                }
            }
        }
        let stored = match (changes.is_empty(), &failed) {
            (true, _) => Ok(()),
            (false, Some(why)) => Err(StoreError::Failed(why.clone())),
            (false, None) => database.store(&changes),
        };
        let answer = |checks: Vec<oneshot::Sender<()>>| {
            for reply in checks {
                // Who asked may have gone.
                let _ = reply.send(());
            }
        };
        let stored = stored.and_then(|()| match checks.is_empty() || database.is_ours()? {
            true => Ok(()),
            false => Err(StoreError::Taken),
        });
        match stored {
            Ok(()) => {
                tell.send_if_modified(|progress| {
                    progress.stored = progress.stored.max(last);
                    last > 0
                });
                answer(checks);
            }
            Err(StoreError::Failed(why)) => {
                if last > 0 {
                    failed = Some(why.clone());
                    let why = format!("the outbox's file cannot be written: {why}");
                    tell.send_modify(|progress| progress.failed = Some((last, why)));
                }
                // A connection may still be made: what cannot be stored is not sent.
                answer(checks);
            }
            Err(StoreError::Taken) => {
                tell.send_modify(|progress| progress.taken = true);
                return;
            }
        }
    }
}
