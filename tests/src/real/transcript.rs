//! Lines as a process printed them, and waiting until enough of them have come.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

use serde_json::Value;

use super::PATIENCE;

/// Characters of a line that a failure prints.
const SHOWN_CHARS: usize = 240;
/// Lines that a failure prints from the beginning, and from the end.
const SHOWN_LINES: usize = 60;

/// One line of output.
#[derive(Clone, Debug)]
pub struct Line {
    /// The bytes, without the newline.
    pub bytes: Vec<u8>,
    /// The line as JSON; `Null` where it is none.
    pub json: Value,
}

/// Everything heard until now.
#[derive(Debug, Default)]
pub struct Heard {
    /// Standard output, by lines.
    pub out: Vec<Line>,
    /// Standard error, by lines.
    pub err: Vec<String>,
    /// Streams that have ended: 2 when nothing follows.
    pub ended: u8,
}

/// What a process says, while it says it.
#[derive(Clone, Debug, Default)]
pub struct Transcript(Arc<(Mutex<Heard>, Condvar)>);

impl Heard {
    /// The JSON objects of type `kind`, in order.
    pub fn of_type<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> + 'a {
        let json = self.out.iter().map(|line| &line.json);
        json.filter(move |value| value["type"] == kind)
    }

    /// Messages in order, those from before one's membership left out.
    pub fn messages(&self) -> impl Iterator<Item = &Value> {
        self.of_type("message")
            .filter(|message| message["history"] != true)
    }

    /// The texts of [`Heard::messages`].
    pub fn texts(&self) -> Vec<String> {
        let text = |message: &Value| message["text"].as_str().unwrap_or_default().to_owned();
        self.messages().map(text).collect()
    }
}

impl Transcript {
    /// Follows standard output on a thread of its own.
    pub(super) fn follow_out(&self, stream: impl Read + Send + 'static) {
        self.follow(stream, |heard, bytes| {
            let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            heard.out.push(Line { bytes, json });
        });
    }

    /// Follows standard error on a thread of its own.
    pub(super) fn follow_err(&self, stream: impl Read + Send + 'static) {
        self.follow(stream, |heard, bytes| {
            heard.err.push(String::from_utf8_lossy(&bytes).into_owned());
        });
    }

    /// One stream less to wait for.
    pub(super) fn skip(&self) {
        self.heard().ended += 1;
        self.0.1.notify_all();
    }

    fn follow(
        &self,
        stream: impl Read + Send + 'static,
        keep: impl Fn(&mut Heard, Vec<u8>) + Send + 'static,
    ) {
        let transcript = self.clone();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                line.pop_if(|last| *last == b'\n');
                keep(&mut transcript.heard(), std::mem::take(&mut line));
                transcript.0.1.notify_all();
            }
            transcript.skip();
        });
    }

    /// What has been heard until now.
    pub fn heard(&self) -> MutexGuard<'_, Heard> {
        // A panic of a test that holds the guard leaves whole lines behind.
        self.0.0.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    /// Waits until `look` finds something in what has been heard; panics with everything heard
    /// when it never does, or when nothing follows any more.
    #[track_caller]
    pub fn wait<T>(&self, what: &str, mut look: impl FnMut(&Heard) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        let mut heard = self.heard();
        loop {
            if let Some(found) = look(&heard) {
                return found;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || heard.ended >= 2 {
                let end = if left.is_zero() { "time" } else { "output" };
                let shown = heard.to_string();
                drop(heard);
                panic!("waited in vain for {what}: {end} ended\n{shown}");
            }
            let waited = self.0.1.wait_timeout(heard, left);
            heard = waited.unwrap_or_else(|poison| poison.into_inner()).0;
        }
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let out = self
            .out
            .iter()
            .map(|line| String::from_utf8_lossy(&line.bytes));
        show(f, "out", out.map(|line| line.into_owned()).collect())?;
        show(f, "err", self.err.clone())
    }
}

fn show(f: &mut fmt::Formatter<'_>, name: &str, lines: Vec<String>) -> fmt::Result {
    let count = lines.len();
    writeln!(f, "-- {name}: {count} lines")?;
    for (at, line) in lines.iter().enumerate() {
        if at == SHOWN_LINES && count > 2 * SHOWN_LINES {
            writeln!(f, "   ..")?;
        }
        if at < SHOWN_LINES || at + SHOWN_LINES >= count {
            let shown: String = line.chars().take(SHOWN_CHARS).collect();
            writeln!(f, "   {shown}")?;
        }
    }
    Ok(())
}
