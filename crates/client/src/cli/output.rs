//! Lines to stdout by a thread of its own, flushed once per batch: a reader that stalls holds up
//! what follows, never the connection.

use std::io::{self, Write};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::client::Mark;

/// Lines that wait to be written.
const LINES_WAITING_MAX: usize = 1_024;
/// Bytes gathered for one write, give or take a line.
const BATCH_BYTES: usize = 64 * 1024;

/// stdout, as a place for lines.
#[derive(Debug)]
pub(super) struct Output {
    lines: mpsc::Sender<Marked>,
    writer: Option<JoinHandle<io::Result<()>>>,
}

/// A line, and the message that it shows, to be marked as written.
type Marked = (String, Option<Mark>);

/// stdout is closed, or cannot be written.
#[derive(Debug)]
pub(super) struct OutputGone;

/// How the writing ended.
#[derive(Debug)]
pub(super) enum Written {
    /// Everything was written.
    All,
    /// Whoever read it has had enough, which is no fault.
    Unread,
    /// The system says no.
    Failed(io::Error),
}

impl From<io::Result<()>> for Written {
    fn from(written: io::Result<()>) -> Self {
        match written {
            Ok(()) => Self::All,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Self::Unread,
            Err(error) => Self::Failed(error),
        }
    }
}

impl Output {
    pub(super) fn start() -> Self {
        let (lines, taken) = mpsc::channel(LINES_WAITING_MAX);
        let writer = Some(std::thread::spawn(move || write(taken)));
        Self { lines, writer }
    }

    /// Writes a line, soon.
    pub(super) async fn line(&self, line: String, mark: Option<Mark>) -> Result<(), OutputGone> {
        self.lines
            .send((line, mark))
            .await
            .map_err(|_gone| OutputGone)
    }

    /// Resolves once nobody reads any more.
    pub(super) async fn gone(&self) {
        self.lines.closed().await;
    }

    /// How the writing ended, once [`Output::gone`] has resolved; told once.
    pub(super) fn end(&mut self) -> Written {
        join(self.writer.take())
    }

    /// Waits until everything is written.
    pub(super) fn finish(self) -> Written {
        drop(self.lines);
        join(self.writer)
    }
}

fn join(writer: Option<JoinHandle<io::Result<()>>>) -> Written {
    match writer.map(JoinHandle::join) {
        None => Written::All,
        Some(Ok(written)) => written.into(),
        Some(Err(_panic)) => Written::Failed(io::ErrorKind::Other.into()),
    }
}

fn write(mut lines: mpsc::Receiver<Marked>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut batch = String::new();
    while let Some((line, mut last)) = lines.blocking_recv() {
        batch.clear();
        push(&mut batch, &line);
        while batch.len() < BATCH_BYTES
            && let Ok((line, mark)) = lines.try_recv()
        {
            push(&mut batch, &line);
            last = mark.or(last);
        }
        // In one piece, line end and all: stderr may share the terminal.
        out.write_all(batch.as_bytes())?;
        out.flush()?;
        if let Some(mark) = last {
            mark.written();
        }
    }
    Ok(())
}

fn push(batch: &mut String, line: &str) {
    batch.push_str(line);
    batch.push('\n');
}

/// Says a line on stderr, for people.
pub(super) fn talk(line: &str) {
    // In one piece, for stderr is not buffered and stdout may share the terminal. Whoever closed
    // stderr does not want to know.
    let _ = io::stderr()
        .lock()
        .write_all(format!("{line}\n").as_bytes());
}
