//! Moves the write-ahead log into the database beside the writer, so that a batch waits for one
//! sync of the log and not for those of the database.
//!
//! The log stays bounded: this thread copies whenever [`EVERY_BYTES`] more were written; above
//! [`RESTART_BYTES`] the writer copies what little is left between two batches, and the next one
//! begins the log again. Whoever reads for long (a backup by another program) makes the log grow
//! until it is done; then the file is cut back to [`SIZE_LIMIT_BYTES`].
//!
//! A failure of this thread is a failure of the disk: nobody may try again, since a second sync
//! can succeed without the pages of the first.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

/// Bytes of rows written before this thread copies.
const EVERY_BYTES: u64 = 4 << 20;
/// Bytes of log above which the writer begins it again.
const RESTART_BYTES: u64 = 32 << 20;
/// Bytes of log above which the writer waits for readers, at most [`READERS_WAIT`] at a time.
const INSIST_BYTES: u64 = 128 << 20;
/// Bytes that the log's file keeps when it begins again.
pub(crate) const SIZE_LIMIT_BYTES: u64 = 64 << 20;
const READERS_WAIT: Duration = Duration::from_millis(50);
const _: () = assert!(EVERY_BYTES < RESTART_BYTES && RESTART_BYTES < SIZE_LIMIT_BYTES);

/// What the thread and the writer tell each other.
#[derive(Debug, Default)]
struct Shared {
    /// Bytes in the log when the thread last looked.
    log: AtomicU64,
    /// Why nothing may be written any more.
    failed: OnceLock<String>,
}

/// The thread, from the writer's side. Ends with it.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    shared: Arc<Shared>,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    page_bytes: u64,
    /// Bytes written since the thread was woken.
    since: u64,
    /// Bytes written since the writer last copied.
    since_own: u64,
}

impl Checkpointer {
    pub(crate) fn start(path: &Path, page_bytes: u64) -> Result<Self, rusqlite::Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.busy_timeout(Duration::ZERO)?;
        let shared = Arc::new(Shared::default());
        // One is enough: woken again while it copies, it looks once more.
        let (wake, woken) = sync_channel(1);
        let inside = Arc::clone(&shared);
        let run = move || run(&connection, &woken, &inside, page_bytes);
        let thread = std::thread::Builder::new().name("checkpoint".into());
        let thread = thread.spawn(run);
        let thread = thread.map_err(|error| {
            let words = format!("no thread for checkpoints: {error}");
            rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ERROR),
                Some(words),
            )
        })?;
        Ok(Self {
            shared,
            wake: Some(wake),
            thread: Some(thread),
            page_bytes,
            since: 0,
            since_own: 0,
        })
    }

    /// Why nothing may be written any more.
    pub(crate) fn failed(&self) -> Option<&str> {
        self.shared.failed.get().map(String::as_str)
    }

    /// The writer's batch is durable; between two batches it does its part.
    pub(crate) fn written(&mut self, bytes: u64, writer: &Connection) {
        // Pages are written whole: the last of the table, and what leads there.
        let bytes = bytes + 2 * self.page_bytes;
        self.since += bytes;
        self.since_own += bytes;
        if self.since >= EVERY_BYTES
            && let Some(wake) = &self.wake
        {
            self.since = 0;
            // Full: it is awake already.
            let _ = wake.try_send(());
        }
        // The thread may not have come to look: what was written since counts in any case.
        let log = self.shared.log.load(Ordering::Relaxed).max(self.since_own);
        if log >= RESTART_BYTES && self.since_own >= EVERY_BYTES {
            self.since_own = 0;
            self.restart(writer, log);
        }
    }

    fn restart(&self, writer: &Connection, log: u64) {
        let copied = if log < INSIST_BYTES {
            copy(writer, "PASSIVE")
        } else {
            let waits = writer.busy_timeout(READERS_WAIT);
            let copied = waits.and_then(|()| copy(writer, "RESTART"));
            copied.and_then(|copied| {
                writer.busy_timeout(super::writer::BUSY_WAIT)?;
                Ok(copied)
            })
        };
        note(&self.shared, copied, self.page_bytes);
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // It has nothing to say that `failed` does not.
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, woken: &Receiver<()>, shared: &Shared, page_bytes: u64) {
    while woken.recv().is_ok() {
        note(shared, copy(connection, "PASSIVE"), page_bytes);
        if shared.failed.get().is_some() {
            break;
        }
    }
    if shared.failed.get().is_some() {
        leave_alone(connection);
    }
}

/// Closing this connection will not touch the file.
pub(crate) fn leave_alone(connection: &Connection) {
    let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
}

/// Frames in the log, and how many of them are copied.
fn copy(connection: &Connection, mode: &str) -> Result<(u64, u64), rusqlite::Error> {
    let mut statement = connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
    let frames = |number: i64| u64::try_from(number).unwrap_or(0);
    statement.query_row((), |row| Ok((frames(row.get(1)?), frames(row.get(2)?))))
}

fn note(shared: &Shared, copied: Result<(u64, u64), rusqlite::Error>, page_bytes: u64) {
    match copied {
        // All of it is copied: the next batch begins the log again.
        Ok((log, done)) if done >= log => shared.log.store(0, Ordering::Relaxed),
        Ok((log, _)) => shared.log.store(log * page_bytes, Ordering::Relaxed),
        Err(error) => match error.sqlite_error_code() {
            // Another time: nothing was lost, the log holds it all.
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull) => {}
            _ => {
                let _ = shared.failed.set(format!("copying the log: {error}"));
            }
        },
    }
}
