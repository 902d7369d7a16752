//! `logs/server.log`: one event a line, written by a subprocess, so that no disk ever delays the chat.
//!
//! ```text
//! tasks -- LogHandle::event --> queue --> feed ==pipe==> child --> file
//!          (never waits)        one lock  books          the hidden role, rotates
//! ```
//!
//! - *Nothing waits.* An event is formatted, placed and left behind under one short lock. The queue
//!   is bounded by lines and bytes; what finds no room is counted.
//! - *Nothing is missing unsaid.* Where lines are missing stands
//!   `event=dropped count=N cause=..`: exact with `stalled` (the subprocess stood still, or its disk
//!   was full), an upper bound with `killed` or `failed` (it died with lines in the pipe; those that it
//!   had not confirmed count). A death without loss leaves `count=0`.
//! - *Nothing is torn.* The file holds whole lines, in the order of the events, also after `kill -9`.
//!
//! # Form of a line
//!
//! `TIME event=NAME key=value ..`: time in RFC 3339, UTC, six digits of the second; single spaces.
//! A value is *bare*, or a JSON string in double quotes: whenever it is empty or holds a blank, `"`,
//! `=`, `\`, or something escaped. Escaped (`\n`, `\r`, `\t`, else `\uXXXX` in UTF-16) are control
//! characters, characters that change the direction of the line, and characters without width,
//! except where these work inside a grapheme cluster, such as the joiner in a composed emoji. So a
//! reader splits at blanks outside quotes, each pair at its first `=`, and loses nothing. Lists are
//! one value, separated by commas, which no name holds. Values have a bound (a text 4 KiB, others
//! 512 bytes, 32 names): what is left out is said by `KEY_more=N`, in bytes, for `to` in names.
//!
//! # Known limitations
//!
//! Unix only. Times are the clock's, which may be set back; the order is that of the lines.
//! Where two servers log to one file, a killed logger's unfinished line stays in it.

mod child;
mod config;
mod event;
mod feed;
mod file;
mod handle;
mod line;
mod pairs;
#[cfg(test)]
mod parse;
mod process;
mod queue;
mod supervisor;
#[cfg(test)]
mod tests;
mod value;
mod wire;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use config::{LoggerConfig, QUEUE_BYTES, QUEUE_LINES, ROTATE_BYTES, ROTATED_KEPT};
pub use event::{
    DropCause, LogEvent, NAMES_LOGGED_MAX, TEXT_LOGGED_MAX, To, VALUE_LOGGED_MAX, Via,
};
pub use handle::LogHandle;

use handle::Shared;
use process::{Process, Recipe};
use queue::Queue;
use supervisor::Supervisor;
use wire::{Orders, ROLE};

/// From the last event until a logger that does not end is killed.
const FINISH_WITHIN: Duration = Duration::from_secs(5);

/// Call first in `main` of any executable that holds a server: plays the logger's role and returns
/// its exit code when this process was started for it, else `None`.
pub fn run_if_logger() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next()? != ROLE {
        return None;
    }
    let Some(orders) = Orders::parse(args) else {
        eprintln!("{ROLE} is a server's own subprocess and is not started by hand");
        return Some(ExitCode::from(2));
    };
    match child::play(orders) {
        Ok(()) => Some(ExitCode::SUCCESS),
        // The server was told in words already, if it still listens.
        Err(_) => Some(ExitCode::FAILURE),
    }
}

/// The logging subprocess and the task that keeps it alive.
///
/// Dropped without [`finish`](Self::finish), it takes no more events and writes the rest in the
/// background for as long as the runtime lives.
#[derive(Debug)]
pub struct Logger {
    shared: Arc<Shared>,
    pid: Arc<AtomicU32>,
    task: Option<JoinHandle<()>>,
    give_up: Option<oneshot::Sender<()>>,
}

impl Logger {
    /// Starts the subprocess and waits until it has opened its file; an error says in words why not.
    pub async fn start(config: LoggerConfig) -> io::Result<(LogHandle, Self)> {
        if std::env::args_os().nth(1).is_some_and(|arg| arg == ROLE) {
            // This executable was started as a logger and did not notice: it must not go on so.
            return Err(io::Error::other(
                "a logger cannot start a logger: main must begin with `logger::run_if_logger`",
            ));
        }
        let recipe = Recipe {
            executable: match config.executable {
                Some(executable) => executable,
                None => std::env::current_exe()?,
            },
            orders: Orders {
                file: std::path::absolute(&config.file)?,
                rotate_bytes: config.rotate_bytes,
                keep: config.keep,
            },
        };
        let first = Process::start(&recipe).await?;
        let queue = Queue::new(config.queue_lines, config.queue_bytes, config.with_text);
        let shared = Arc::new(Shared::new(queue, config.with_text));
        let pid = Arc::new(AtomicU32::new(0));
        let supervisor = Supervisor::new(shared.clone(), pid.clone(), recipe, first);
        let (give_up, told) = oneshot::channel();
        let logger = Self {
            shared: shared.clone(),
            pid,
            task: Some(tokio::spawn(supervisor.run(told))),
            give_up: Some(give_up),
        };
        Ok((LogHandle::new(shared), logger))
    }

    /// The subprocess, while one lives.
    pub fn pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }

    /// Has the file closed and opened again by its name, after all events before: for those who
    /// move it away, and then send SIGHUP to the server. (The subprocess does the same on SIGHUP.)
    pub fn reopen(&self) {
        self.shared.reopen();
    }

    /// Writes everything queued, ends the subprocess and waits for it. Events handed in later are
    /// forgotten. A subprocess that has not ended within five seconds is killed.
    pub async fn finish(mut self) {
        self.shared.close();
        let Some(mut task) = self.task.take() else {
            return;
        };
        if tokio::time::timeout(FINISH_WITHIN, &mut task)
            .await
            .is_err()
        {
            if let Some(give_up) = self.give_up.take() {
                // Refused only by a task that has just ended.
                let _ = give_up.send(());
            }
            let _ = task.await;
        }
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        self.shared.close();
    }
}
