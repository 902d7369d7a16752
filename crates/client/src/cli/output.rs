//! Lines to stdout by a thread of its own, flushed once per batch: a reader that stalls holds up
//! what follows, never the connection.

use std::io::{self, BufWriter, Write};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

/// Lines that wait to be written.
const LINES_WAITING_MAX: usize = 1_024;

/// stdout, as a place for lines.
#[derive(Debug)]
pub(super) struct Output {
    lines: mpsc::Sender<String>,
    writer: JoinHandle<io::Result<()>>,
}

/// stdout is closed, or cannot be written.
#[derive(Debug)]
pub(super) struct OutputGone;

impl Output {
    pub(super) fn start() -> Self {
        let (lines, taken) = mpsc::channel(LINES_WAITING_MAX);
        let writer = std::thread::spawn(move || write(taken));
        Self { lines, writer }
    }

    /// Writes a line, soon.
    pub(super) async fn line(&self, line: String) -> Result<(), OutputGone> {
        self.lines.send(line).await.map_err(|_gone| OutputGone)
    }

    /// Resolves once nobody reads any more.
    pub(super) async fn gone(&self) {
        self.lines.closed().await;
    }

    /// Waits until everything is written.
    pub(super) fn finish(self) -> io::Result<()> {
        drop(self.lines);
        match self.writer.join() {
            Ok(written) => written,
            Err(_panic) => Err(io::ErrorKind::Other.into()),
        }
    }
}

fn write(mut lines: mpsc::Receiver<String>) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    while let Some(line) = lines.blocking_recv() {
        writeln!(out, "{line}")?;
        while let Ok(line) = lines.try_recv() {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
    }
    Ok(())
}

/// Says a line on stderr, for people.
pub(super) fn talk(line: &str) {
    // Whoever closed stderr does not want to know.
    let _ = writeln!(io::stderr().lock(), "{line}");
}
