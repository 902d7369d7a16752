//! The logger's role. Keeps this: lines reach the file in the order of stdin, whole, and *wrote N*
//! is said only after the operating system has taken N of them.
//!
//! It writes as soon as stdin has nothing more for the moment, so that a person who follows the
//! file sees lines at once, and in large pieces while stdin is busy. What cannot be written waits:
//! the pipe fills, the server counts. SIGINT and SIGTERM are ignored, for the last lines are still to
//! come; SIGHUP opens the file again. It ends at the end of stdin, also when the server was killed.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use tokio::net::unix::pipe::Receiver;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::file::{LogFile, Step};
use super::wire::{Orders, REOPEN, Status};

/// Bytes read at once: what a pipe holds.
const READ_BYTES: usize = 64 * 1024;
/// Bytes gathered, at most, before they are written although stdin has more.
const WRITE_BYTES: usize = 256 * 1024;
/// Between two attempts at what failed.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// Plays the role until stdin ends.
pub(super) fn play(orders: Orders) -> io::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(run(orders))
}

async fn run(orders: Orders) -> io::Result<()> {
    // Listening to a signal replaces what it would do: these two then do nothing.
    let _interrupt = signal(SignalKind::interrupt())?;
    let _terminate = signal(SignalKind::terminate())?;
    let hang_up = signal(SignalKind::hangup())?;
    let pipe = Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
    let mut role = Role {
        file: LogFile::new(orders),
        gathered: Vec::with_capacity(WRITE_BYTES + READ_BYTES),
        wrote: 0,
    };
    if let Err(error) = role.file.plan(&[]) {
        report(&Status::Failed(format!("cannot open the log: {error}")))?;
        return Err(error);
    }
    // A server that is gone has perhaps left lines behind.
    let _ = report(&Status::Ready);
    role.work(pipe, hang_up).await
}

struct Role {
    file: LogFile,
    /// Bytes read and not yet written; a line may be unfinished at the end.
    gathered: Vec<u8>,
    wrote: u64,
}

impl Role {
    async fn work(&mut self, pipe: Receiver, mut hang_up: Signal) -> io::Result<()> {
        loop {
            tokio::select! {
                readable = pipe.readable() => readable?,
                _ = hang_up.recv() => {
                    self.file.close();
                    self.settle().await?;
                    continue;
                }
            }
            let open = self.gather(&pipe)?;
            self.settle().await?;
            if !open {
                return Ok(());
            }
        }
    }

    /// Reads what there is, up to a bound; false at the end of stdin.
    fn gather(&mut self, pipe: &Receiver) -> io::Result<bool> {
        while self.gathered.len() < WRITE_BYTES {
            self.gathered.reserve(READ_BYTES);
            match pipe.try_read_buf(&mut self.gathered) {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Writes every whole line gathered, and waits for as long as that takes.
    async fn settle(&mut self) -> io::Result<()> {
        let newline = self.gathered.iter().rposition(|byte| *byte == b'\n');
        let whole = newline.map_or(0, |newline| newline + 1);
        let mut from = 0;
        loop {
            let step = match self.file.plan(&self.gathered[from..whole]) {
                Ok(step) => step,
                Err(error) => {
                    wait("cannot open the log", &error).await?;
                    continue;
                }
            };
            match step {
                Step::Nothing => break,
                Step::Rotate => {
                    if let Err(error) = self.file.rotate() {
                        report(&Status::Failed(format!("cannot rotate the log: {error}")))?;
                    }
                }
                Step::Reopen => {
                    self.file.close();
                    from += REOPEN.len();
                    self.acknowledge(1);
                }
                Step::Write { bytes, lines } => {
                    self.write(from..from + bytes).await?;
                    from += bytes;
                    self.acknowledge(lines);
                }
            }
        }
        self.gathered.drain(..whole);
        Ok(())
    }

    async fn write(&mut self, range: std::ops::Range<usize>) -> io::Result<()> {
        let mut done = 0;
        while let Err(error) = self.file.append(&self.gathered[range.clone()], &mut done) {
            wait("cannot write the log", &error).await?;
        }
        Ok(())
    }

    fn acknowledge(&mut self, lines: u64) {
        self.wrote += lines;
        // A server that is gone needs no answer, and its last lines are written all the same.
        let _ = report(&Status::Wrote(self.wrote));
    }
}

/// Says what failed and lets time pass. An error when nobody listens any more: then waiting would
/// have no end.
async fn wait(what: &str, error: &io::Error) -> io::Result<()> {
    report(&Status::Failed(format!("{what}: {error}")))?;
    tokio::time::sleep(RETRY_AFTER).await;
    Ok(())
}

fn report(status: &Status) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", status.to_line())?;
    out.flush()
}
