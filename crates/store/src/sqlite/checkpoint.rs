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
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

/// Bytes of rows written before this thread copies.
const EVERY_BYTES: u64 = 4 << 20;
/// Bytes of log above which the writer begins it again.
const RESTART_BYTES: u64 = 32 << 20;
/// Bytes of log above which the writer waits: for this thread, and for readers at most
/// [`READERS_WAIT`] at a time.
const INSIST_BYTES: u64 = 64 << 20;
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
    /// Held while one of the two copies.
    copying: Mutex<()>,
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
    /// Bytes written since the log was last seen wholly copied.
    since_copied: u64,
    /// Bytes written since the writer last tried to copy.
    since_tried: u64,
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
            since_copied: 0,
            since_tried: 0,
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
        self.since_copied += bytes;
        self.since_tried += bytes;
        if self.since >= EVERY_BYTES
            && let Some(wake) = &self.wake
        {
            self.since = 0;
            // Full: it is awake already.
            let _ = wake.try_send(());
        }
        // The thread may not have come to look: what was written since counts in any case.
        let log = self.shared.log.load(Ordering::Relaxed);
        let log = log.max(self.since_copied);
        if log >= RESTART_BYTES && self.since_tried >= EVERY_BYTES {
            self.restart(writer, log);
        }
    }

    fn restart(&mut self, writer: &Connection, log: u64) {
        let shared = Arc::clone(&self.shared);
        let insist = log >= INSIST_BYTES;
        let _copying = match shared.copying.try_lock() {
            Ok(copying) => copying,
            Err(TryLockError::Poisoned(copying)) => copying.into_inner(),
            // After the next batch, then.
            Err(TryLockError::WouldBlock) if !insist => return,
            Err(TryLockError::WouldBlock) => lock(&shared),
        };
        self.since_tried = 0;
        let copied = match insist {
            false => copy(writer, "PASSIVE"),
            true => {
                let waits = writer.busy_timeout(READERS_WAIT);
                let copied = waits.and_then(|()| copy(writer, "RESTART"));
                writer.busy_timeout(super::writer::BUSY_WAIT).and(copied)
            }
        };
        if note(&shared, copied, self.page_bytes) {
            self.since_copied = 0;
        }
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, ()> {
    shared
        .copying
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
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
        let copying = lock(shared);
        note(shared, copy(connection, "PASSIVE"), page_bytes);
        drop(copying);
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

/// Frames in the log, and how many of them are copied; `None` when another program copies.
fn copy(connection: &Connection, mode: &str) -> Result<Option<(u64, u64)>, rusqlite::Error> {
    let mut statement = connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
    let frames: (i64, i64) = statement.query_row((), |row| Ok((row.get(1)?, row.get(2)?)))?;
    let number = |frames| u64::try_from(frames).ok();
    Ok(number(frames.0).zip(number(frames.1)))
}

/// Whether all of the log is copied: then the next batch begins it again.
fn note(
    shared: &Shared,
    copied: Result<Option<(u64, u64)>, rusqlite::Error>,
    page_bytes: u64,
) -> bool {
    match copied {
        Ok(None) => false,
        Ok(Some((log, done))) => {
            let whole = done >= log;
            let bytes = if whole { 0 } else { log * page_bytes };
            shared.log.store(bytes, Ordering::Relaxed);
            whole
        }
        Err(error) => {
            let code = error.sqlite_error_code();
            // Another time: nothing was lost, the log holds it all.
            let later = matches!(
                code,
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull)
            );
            if !later {
                let _ = shared.failed.set(format!("copying the log: {error}"));
            }
            false
        }
    }
}
