//! The line on stderr that counts down to the next attempt at a connection: it rewrites itself on a
//! terminal, and is one line each time elsewhere. It is short, for a line that wraps around cannot
//! be rewritten; why there is no connection is said above it, once.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use lamparina_protocol::clean;
use tokio::time::Instant;

use crate::terminal::{Terminal, To};

/// How often it is rewritten.
pub const REWRITE_EVERY: Duration = Duration::from_millis(200);
const CLEAR_LINE: &str = "\r\u{1b}[K";

/// Talk on stderr, with at most one line that rewrites itself.
#[derive(Debug)]
pub struct Talk {
    /// stderr is one.
    terminal: bool,
    /// The one on which lines are typed: the count stands before the line there.
    typed: Terminal,
    counting: Option<Instant>,
    /// Why there is no connection, as said last.
    reason: String,
}

impl Talk {
    /// Beside what is typed on `typed`.
    pub fn new(typed: Terminal) -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
            typed,
            counting: None,
            reason: String::new(),
        }
    }

    /// Whether the line is to be rewritten.
    pub const fn is_counting(&self) -> bool {
        self.terminal && self.counting.is_some()
    }

    /// Says a line, or several.
    pub fn say(&self, text: &str) {
        if self.is_counting() && !self.typed.is_taken() {
            write_now(CLEAR_LINE);
        }
        for line in text.lines() {
            // Whoever closed stderr does not want to know.
            let _ = self.typed.write(To::Stderr, &format!("* {line}\n"));
        }
        self.rewrite();
    }

    /// The connection is gone for `retry`.
    pub fn disconnected(&mut self, reason: &str, retry: Duration) {
        let reason = clean::line(reason);
        if reason != self.reason {
            self.say(&format!("disconnected: {reason}"));
            self.reason = reason;
        }
        if self.terminal {
            self.counting = Some(Instant::now() + retry);
            self.rewrite();
        } else {
            self.say(&format!("trying again in {:.1} s", retry.as_secs_f32()));
        }
    }

    /// Nothing to count any more.
    pub fn stop(&mut self) {
        if self.is_counting() {
            match self.typed.is_taken() {
                true => self.typed.set_status(""),
                false => write_now(CLEAR_LINE),
            }
        }
        self.counting = None;
        self.reason.clear();
    }

    /// Rewrites the line that counts, where there is one.
    pub fn rewrite(&self) {
        if let (true, Some(until)) = (self.terminal, self.counting) {
            let left = until
                .saturating_duration_since(Instant::now())
                .as_secs_f32();
            let when = match left > 0.0 {
                true => format!("trying again in {left:.1} s"),
                false => "trying again now".to_owned(),
            };
            match self.typed.is_taken() {
                true => self.typed.set_status(&format!("({when}) ")),
                false => write_now(&format!("{CLEAR_LINE}* {when}")),
            }
        }
    }
}

fn write_now(text: &str) {
    let mut stderr = io::stderr().lock();
    // Whoever closed stderr does not want to know.
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}
