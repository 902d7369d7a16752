//! Lines to stdout by a thread of its own, flushed once per batch: a reader that stalls holds up
//! what follows, never the connection.

use std::io::{self, Write};
use std::thread::JoinHandle;

use lamparina_protocol::clean;
use tokio::sync::mpsc;

use crate::terminal::{Terminal, To};

/// Lines that wait to be written.
const LINES_WAITING_MAX: usize = 1_024;
/// Bytes gathered for one write, give or take a line.
const BATCH_BYTES: usize = 64 * 1024;

/// What is to be told once a line is written, as that a message has been shown.
pub trait Mark: std::fmt::Debug + Send + 'static {
    /// Says that the line is written, and everything before it.
    fn tell(self);
}

/// No mark: nobody wants to know.
impl Mark for () {
    fn tell(self) {}
}

/// stdout, as a place for lines, some with a mark `M`.
#[derive(Debug)]
pub struct Output<M> {
    lines: mpsc::Sender<Piece<M>>,
    writer: Option<JoinHandle<io::Result<()>>>,
}

/// What is to be written.
#[derive(Debug)]
enum Piece<M> {
    /// A line, and what is to be told once it is written.
    Line(String, Option<M>),
    /// Words between lines, for people: on stderr, once what stands before them is written.
    Talk(String),
}

/// stdout is closed, or cannot be written.
#[derive(Debug)]
pub struct OutputGone;

/// How the writing ended.
#[derive(Debug)]
pub enum Written {
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

impl<M: Mark> Output<M> {
    /// Begins to write, beside what is typed on `terminal`.
    pub fn start(terminal: Terminal) -> Self {
        let (lines, taken) = mpsc::channel(LINES_WAITING_MAX);
        let writer = Some(std::thread::spawn(move || write(taken, &terminal)));
        Self { lines, writer }
    }

    /// Writes a line, soon, and tells its mark then; of several marks at once the last is told.
    ///
    /// # Errors
    ///
    /// [`OutputGone`].
    pub async fn line(&self, line: String, mark: Option<M>) -> Result<(), OutputGone> {
        let piece = Piece::Line(line, mark);
        self.lines.send(piece).await.map_err(|_gone| OutputGone)
    }

    /// Says words that have their place between lines.
    ///
    /// # Errors
    ///
    /// [`OutputGone`].
    pub async fn talk(&self, line: String) -> Result<(), OutputGone> {
        let piece = Piece::Talk(line);
        self.lines.send(piece).await.map_err(|_gone| OutputGone)
    }

    /// Resolves once nobody reads any more.
    pub async fn gone(&self) {
        self.lines.closed().await;
    }

    /// How the writing ended, once [`Output::gone`] has resolved; told once.
    pub fn end(&mut self) -> Written {
        join(self.writer.take())
    }

    /// Waits until everything is written.
    pub fn finish(self) -> Written {
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

fn write<M: Mark>(mut lines: mpsc::Receiver<Piece<M>>, terminal: &Terminal) -> io::Result<()> {
    let mut batch = String::new();
    while let Some(first) = lines.blocking_recv() {
        batch.clear();
        let (mut last, mut words) = (None, None);
        let mut next = Some(first);
        while let Some(piece) = next.take() {
            match piece {
                Piece::Line(line, mark) => {
                    push(&mut batch, &line);
                    last = mark.or(last);
                    if batch.len() < BATCH_BYTES {
                        next = lines.try_recv().ok();
                    }
                }
                Piece::Talk(line) => words = Some(line),
            }
        }
        // In one piece, line end and all: stderr may share the terminal.
        if !batch.is_empty() {
            terminal.write(To::Stdout, &batch)?;
        }
        if let Some(mark) = last {
            mark.tell();
        }
        if let Some(words) = words {
            // Whoever closed stderr does not want to know.
            let _ = terminal.write(To::Stderr, &format!("{words}\n"));
        }
    }
    Ok(())
}

fn push(batch: &mut String, line: &str) {
    batch.push_str(line);
    batch.push('\n');
}

/// Says a line on stderr, for people. Whatever remote words are in it are harmless from here on.
pub fn talk(line: &str) {
    // In one piece, for stderr is not buffered and stdout may share the terminal. Whoever closed
    // stderr does not want to know.
    let line = clean::words(line);
    let _ = io::stderr()
        .lock()
        .write_all(format!("{line}\n").as_bytes());
}
