//! The running client's side. The socket's file is there exactly while somebody listens, as far as
//! a kill allows; a stale one is replaced, a live one waited for.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lamparina_protocol::Audience;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream, lookup_host};
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::{
    OTHER_SERVER, REQUEST_BYTES_MAX, REQUEST_WITHIN, REQUESTS_MAX, Request, Task, VERSION,
};
use crate::command;
use crate::profile;
use crate::show::json;

/// How often a socket is looked at that another client listens on.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long the client that we take over may take to leave the socket to us, before others need not
/// wait for that any more.
const LEAVES_WITHIN: Duration = Duration::from_secs(3);
/// Event lines kept for a slow `tail`; a slower one is told and let go.
const EVENTS_KEPT: usize = 1_024;

/// A message that `send` asks the running client for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) audience: Audience,
    pub(crate) text: String,
    /// The answer, a JSON line.
    pub(crate) reply: oneshot::Sender<String>,
}

/// The running client's socket.
#[derive(Debug)]
pub(crate) struct Local {
    asked: mpsc::Receiver<Asked>,
    events: broadcast::Sender<Arc<str>>,
    task: JoinHandle<()>,
    path: Option<PathBuf>,
    /// Whether we listen; `None` while that is not known.
    bound: watch::Receiver<Option<bool>>,
}

impl Local {
    /// Listens at `path`, soon; at none, never.
    pub(crate) fn start(path: Option<PathBuf>, server: String) -> Self {
        let (asks, asked) = mpsc::channel(REQUESTS_MAX);
        let (events, _) = broadcast::channel(EVENTS_KEPT);
        let (tell_bound, bound) = watch::channel(path.is_none().then_some(false));
        let serve = Serve {
            server,
            asks,
            events: events.clone(),
        };
        let at = path.clone();
        let task = tokio::spawn(async move {
            if let Some(path) = at {
                listen(path, Arc::new(serve), &tell_bound).await;
            }
        });
        Self {
            asked,
            events,
            task,
            path,
            bound,
        }
    }

    /// The next message asked for. Cancel-safe; never ends.
    pub(crate) async fn asked(&mut self) -> Asked {
        match self.asked.recv().await {
            Some(asked) => asked,
            None => std::future::pending().await,
        }
    }

    /// Resolves once it is known whether we listen. Cancel-safe.
    pub(crate) async fn settled(&mut self) {
        // Whoever would tell has ended: it is known then, too.
        let _ = self.bound.wait_for(Option::is_some).await;
    }

    /// Whether somebody wants events.
    pub(crate) fn is_followed(&self) -> bool {
        self.events.receiver_count() > 0
    }

    /// Hands an event's line to all who follow.
    pub(crate) fn tell(&self, line: &str) {
        // Nobody follows: nobody is told.
        let _ = self.events.send(line.into());
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        // The file first: while the socket lives, nobody else replaces it.
        if *self.bound.borrow() == Some(true)
            && let Some(path) = &self.path
        {
            let _ = fs::remove_file(path);
        }
        self.task.abort();
    }
}

struct Serve {
    server: String,
    asks: mpsc::Sender<Asked>,
    events: broadcast::Sender<Arc<str>>,
}

async fn listen(path: PathBuf, serve: Arc<Serve>, bound: &watch::Sender<Option<bool>>) {
    let began = Instant::now();
    let listener = loop {
        match bind(&path).await {
            Ok(Some(listener)) => break listener,
            Ok(None) => {
                if began.elapsed() >= LEAVES_WITHIN {
                    bound.send_replace(Some(false));
                }
                sleep(LOOK_AGAIN).await;
            }
            Err(error) => {
                bound.send_replace(Some(false));
                let path = path.display();
                tracing::info!(%path, %error, "`send` and `tail` cannot go through this client");
                return;
            }
        }
    };
    bound.send_replace(Some(true));
    let room = Arc::new(Semaphore::new(REQUESTS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let serve = Arc::clone(&serve);
                tokio::spawn(async move {
                    // Who hangs up has its reasons.
                    let _ = answer(stream, &serve).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a request was not accepted");
                sleep(LOOK_AGAIN).await;
            }
        }
    }
}

/// `None` while another client listens there.
async fn bind(path: &Path) -> io::Result<Option<UnixListener>> {
    if let Some(folder) = path.parent() {
        profile::make_folder(folder)?;
    }
    let listener = match UnixListener::bind(path) {
        Ok(listener) => listener,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if UnixStream::connect(path).await.is_ok() {
                return Ok(None);
            }
            // Left behind by a client that was killed.
            fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        Err(error) => return Err(error),
    };
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(Some(listener))
}

/// Whether two addresses are one server's: written alike, or one to the system (`localhost`).
async fn is_same(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    let found = async {
        let one: Vec<_> = lookup_host(one).await.ok()?.collect();
        let mut other = lookup_host(other).await.ok()?;
        Some(other.any(|other| one.contains(&other)))
    };
    let found = timeout(REQUEST_WITHIN, found).await;
    found.ok().flatten().unwrap_or_default()
}

async fn answer(stream: UnixStream, serve: &Serve) -> io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    let mut line = Vec::new();
    let mut bounded = (&mut reading).take(REQUEST_BYTES_MAX);
    let read = timeout(REQUEST_WITHIN, bounded.read_until(b'\n', &mut line)).await;
    if read.is_err() || line.is_empty() {
        return Ok(());
    }
    match serde_json::from_slice::<Request>(&line) {
        Ok(request) if request.v != VERSION => {
            say(
                &mut writing,
                &json::error("version", "this client is another version"),
            )
            .await
        }
        Ok(request) if !is_same(&request.server, &serve.server).await => {
            let text = format!("this client talks at {}", serve.server);
            say(&mut writing, &json::error(OTHER_SERVER, &text)).await
        }
        Ok(Request {
            task: Task::Send { to, text },
            ..
        }) => {
            let answer = send(&to, text, serve).await;
            say(&mut writing, &answer).await
        }
        Ok(Request {
            task: Task::Tail, ..
        }) => follow(reading, writing, serve.events.subscribe()).await,
        Err(error) => say(&mut writing, &json::error("malformed", &error.to_string())).await,
    }
}

async fn send(to: &[String], text: String, serve: &Serve) -> String {
    let to: Vec<_> = to.iter().map(String::as_str).collect();
    let audience = match command::audience(&to) {
        Ok(audience) => audience,
        Err(error) => return json::error(error.code, &error.text),
    };
    let (reply, answer) = oneshot::channel();
    let asked = Asked {
        audience,
        text,
        reply,
    };
    let ended = || json::error("closed", "the running client has ended; send again");
    if serve.asks.send(asked).await.is_err() {
        return ended();
    }
    answer.await.unwrap_or_else(|_gone| ended())
}

async fn follow(
    mut reading: BufReader<OwnedReadHalf>,
    mut writing: OwnedWriteHalf,
    mut events: broadcast::Receiver<Arc<str>>,
) -> io::Result<()> {
    let mut byte = [0];
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            _ = reading.read(&mut byte) => return Ok(()),
        };
        match event {
            Ok(line) => say(&mut writing, &line).await?,
            Err(broadcast::error::RecvError::Lagged(lost)) => {
                let text = format!("{lost} events were not taken in time; follow again");
                return say(&mut writing, &json::error("too-slow", &text)).await;
            }
            Err(broadcast::error::RecvError::Closed) => return Ok(()),
        }
    }
}

async fn say(writing: &mut OwnedWriteHalf, line: &str) -> io::Result<()> {
    writing.write_all(format!("{line}\n").as_bytes()).await
}
