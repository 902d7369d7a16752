//! One life of the subprocess: started, spoken to, buried. Knows nothing of what lines mean.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::event::DropCause;
use super::wire::{Orders, Status};

/// From the start of the program until it must have opened its file.
const READY_WITHIN: Duration = Duration::from_secs(5);
/// From the end of its stdout until it must have ended.
const END_WITHIN: Duration = Duration::from_millis(200);

/// What starts a logger.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub(super) executable: PathBuf,
    pub(super) orders: Orders,
}

/// A running logger.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts one and waits until it has opened its file.
    pub(super) async fn start(recipe: &Recipe) -> io::Result<Self> {
        let mut child = Command::new(&recipe.executable)
            .args(recipe.orders.to_args())
            // What a service manager says to the server is not said to its logger.
            .env_remove("LISTEN_FDS")
            .env_remove("LISTEN_PID")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_PID")
            .env_remove("WATCHDOG_USEC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C reaches the group of the server: the logger has still to write its last lines.
            .process_group(0)
            .spawn()?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut process = Self {
            child,
            stdin,
            stdout: BufReader::new(stdout).lines(),
        };
        let answer = tokio::time::timeout(READY_WITHIN, process.status()).await;
        let fault = match answer {
            Ok(Some(Status::Ready)) => return Ok(process),
            Ok(Some(Status::Failed(words))) => words,
            Ok(_) => format!(
                "{} does not play the logger: its main must begin with `logger::run_if_logger`",
                recipe.executable.display()
            ),
            Err(_) => format!("the logger did not open its file within {READY_WITHIN:?}"),
        };
        process.kill().await;
        Err(io::Error::other(fault))
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// The next thing it says; `None` when it is gone. May be dropped and called again.
    pub(super) async fn status(&mut self) -> Option<Status> {
        read_status(&mut self.stdout).await
    }

    /// Waits for either: something it says, or the pipe to take some of `bytes`. May be dropped and
    /// called again.
    pub(super) async fn exchange(&mut self, bytes: &[u8]) -> Exchange {
        let Some(stdin) = &mut self.stdin else {
            return Exchange::Heard(self.status().await);
        };
        if bytes.is_empty() {
            return Exchange::Heard(self.status().await);
        }
        tokio::select! {
            status = read_status(&mut self.stdout) => Exchange::Heard(status),
            taken = stdin.write(bytes) => match taken {
                Ok(taken) => Exchange::Took(taken),
                Err(_) => {
                    // It is gone. What it said before is still to be read.
                    self.stdin = None;
                    Exchange::Took(0)
                }
            },
        }
    }

    /// Ends its input.
    pub(super) fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Makes sure that it is dead and waited for, and says how it ended.
    pub(super) async fn bury(&mut self) -> DropCause {
        self.stdin = None;
        let ended = tokio::time::timeout(END_WITHIN, self.child.wait()).await;
        match ended {
            Ok(Ok(status)) if status.signal().is_none() => DropCause::Failed,
            Ok(_) => DropCause::Killed,
            Err(_) => {
                self.kill().await;
                DropCause::Killed
            }
        }
    }

    /// Kills it and waits for it.
    pub(super) async fn kill(&mut self) {
        // The only error is that it is dead and waited for.
        let _ = self.child.kill().await;
    }
}

/// What came of an exchange.
#[derive(Debug)]
pub(super) enum Exchange {
    /// It said this, or will never say anything again.
    Heard(Option<Status>),
    /// The pipe took so many bytes.
    Took(usize),
}

async fn read_status(stdout: &mut Lines<BufReader<ChildStdout>>) -> Option<Status> {
    let line = stdout.next_line().await.ok().flatten()?;
    Status::parse(&line)
}
