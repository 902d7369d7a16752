//! Accepts, saves and ends. Connections share the directory behind a lock that is held for one answer at
//! a time and never across a wait.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lamparina_protocol::UnixMicros;
use lamparina_pyp2p::directory::{Asked, Directory, Settings};
use lamparina_transport::Clock;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::file::{self, OpenError};
use crate::{CONNECTIONS_MAX, Config, connection};

/// How long connections may take to end when the rendezvous does.
const ENDING_WITHIN: Duration = Duration::from_secs(2);
/// Pause after an error of accepting that may last: no files, no memory.
const PAUSE: Duration = Duration::from_millis(50);
/// Between two writings of the file, at least, and as many times as long as writing took.
const SAVE_PAUSE: Duration = Duration::from_millis(100);
const SAVE_SHARE: u32 = 9;
/// Pause after the file could not be written.
const SAVE_AGAIN: Duration = Duration::from_secs(5);

/// What a rendezvous did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Summary {
    /// Connections accepted.
    pub connections: u64,
    /// Records at the end.
    pub records: usize,
}

/// A rendezvous with its records, which does not accept yet.
#[derive(Debug)]
pub struct Rendezvous {
    shared: Arc<Shared>,
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    directory: Mutex<Directory>,
    clock: Clock,
    idle: Duration,
    data: Option<PathBuf>,
    changed: Notify,
    saving: Mutex<()>,
}

impl Rendezvous {
    /// Takes over the records in the file, where there is one.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: that file cannot be used.
    pub fn open(config: Config) -> Result<Self, OpenError> {
        let clock = Clock::start();
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let micros = since.map_or(0, |since| since.as_micros());
        let mut settings = Settings::new(UnixMicros(u64::try_from(micros).unwrap_or(0)));
        settings.limit = config.limit;
        settings.records_max = config.records_max;
        let mut directory = Directory::new(settings);
        if let (Some(path), true) = (&config.data, config.resume) {
            let restored = file::load(path, &mut directory, clock.now())?;
            if restored.kept > 0 {
                info!(
                    "{} records taken over from {}",
                    restored.kept,
                    path.display()
                );
            }
            if restored.left_out > 0 {
                warn!(
                    "{} records left out: there may be no more",
                    restored.left_out
                );
            }
        }
        let shared = Shared {
            directory: Mutex::new(directory),
            clock,
            idle: config.idle,
            data: config.data,
            changed: Notify::new(),
            saving: Mutex::new(()),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Serves on `listener` until `shutdown` is ready, then writes the records for the last time.
    ///
    /// # Errors
    ///
    /// When they cannot be written at the end.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<Summary> {
        let shared = self.shared;
        let saving = tokio::spawn(keep_saved(shared.clone()));
        let connections = accept(listener, &shared, shutdown).await;
        saving.abort();
        let _ = saving.await;
        let records = shared.directory().len();
        shared.save().await?;
        Ok(Summary {
            connections,
            records,
        })
    }
}

/// Serves on `listener` until `shutdown` is ready.
///
/// # Errors
///
/// When the records cannot be read at the beginning, or written at the end.
pub async fn run(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> io::Result<Summary> {
    let rendezvous = Rendezvous::open(config).map_err(io::Error::other)?;
    rendezvous.run(listener, shutdown).await
}

impl Shared {
    /// [`Directory::admit`].
    pub(crate) fn admit(&self, from: SocketAddr) -> Result<(), String> {
        let now = self.clock.now();
        self.directory().admit(now, from)
    }

    /// [`Directory::answer`]; what changes is saved behind it.
    pub(crate) fn answer(&self, from: IpAddr, asked: Asked<'_>) -> String {
        let now = self.clock.now();
        let mut directory = self.directory();
        let before = directory.changes();
        let reply = directory.answer(now, from, asked);
        if directory.changes() != before {
            self.changed.notify_one();
        }
        reply
    }

    pub(crate) const fn idle(&self) -> Duration {
        self.idle
    }

    fn directory(&self) -> MutexGuard<'_, Directory> {
        // Nothing that panics runs inside.
        self.directory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the records, on a thread that may wait for the disk.
    async fn save(self: &Arc<Self>) -> io::Result<()> {
        let Some(path) = self.data.clone() else {
            return Ok(());
        };
        let shared = self.clone();
        let saved = tokio::task::spawn_blocking(move || {
            // A writing that nobody waits for any more must not replace a later one.
            let saving = shared.saving.lock();
            let _saving = saving.unwrap_or_else(PoisonError::into_inner);
            let text = shared.directory().save(shared.clock.now());
            file::save(&path, &text)
        });
        saved.await.map_err(io::Error::other)?
    }
}

/// Accepts until `shutdown` is ready and what was accepted has ended; how many there were.
async fn accept(
    listener: TcpListener,
    shared: &Arc<Shared>,
    shutdown: impl Future<Output = ()>,
) -> u64 {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (mut connections, mut serving) = (0, JoinSet::new());
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = next(&listener, &room) => accepted,
            Some(_) = serving.join_next() => continue,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, from, permit)) => {
                connections += 1;
                let shared = shared.clone();
                serving.spawn(async move {
                    connection::serve(stream, from, &shared).await;
                    drop(permit);
                });
            }
            // Of one connection that is gone already, or of a system that has no room: both pass.
            Err(error) => {
                warn!("cannot accept a connection now, trying again: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    let all = async { while serving.join_next().await.is_some() {} };
    // Who is silent is cut.
    let _ = tokio::time::timeout(ENDING_WITHIN, all).await;
    serving.shutdown().await;
    connections
}

type Accepted = (
    tokio::net::TcpStream,
    SocketAddr,
    tokio::sync::OwnedSemaphorePermit,
);

/// The next connection that there is room for.
async fn next(listener: &TcpListener, room: &Arc<Semaphore>) -> io::Result<Accepted> {
    let permit = room.clone().acquire_owned().await;
    let permit = permit.map_err(io::Error::other)?;
    let (stream, from) = listener.accept().await?;
    Ok((stream, from, permit))
}

/// Writes the records soon after each change, and spends a tenth of the time on it at most.
async fn keep_saved(shared: Arc<Shared>) {
    let mut failing = false;
    loop {
        shared.changed.notified().await;
        let begun = tokio::time::Instant::now();
        let pause = match shared.save().await {
            Ok(()) => {
                failing = false;
                SAVE_PAUSE.max(begun.elapsed() * SAVE_SHARE)
            }
            Err(error) => {
                if !failing {
                    warn!("the records cannot be written, trying again: {error}");
                }
                failing = true;
                shared.changed.notify_one();
                SAVE_AGAIN
            }
        };
        tokio::time::sleep(pause).await;
    }
}
