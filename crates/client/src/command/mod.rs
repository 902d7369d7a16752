//! A typed line becomes a command, or an error in words; it never becomes a message by mistake.
//! Texts are kept byte for byte. Pure.

mod about;
mod chat;
mod help;
mod slash;
#[cfg(test)]
mod tests;

use lamparina_protocol::audience::AUDIENCE_USERS_MAX;
use lamparina_protocol::message::TEXT_BYTES_MAX;
use lamparina_protocol::nick::NICK_BYTES_MAX;
use lamparina_protocol::{Audience, Lamport, Nick, RoomName};

use crate::core::outbox::Cancel;

pub use about::{FIND_COUNT, HISTORY_COUNT};
pub use chat::audience;
pub use help::HELP;

/// Bytes of a typed line, at most: the longest text, and the longest list of recipients.
pub const LINE_BYTES_MAX: usize = TEXT_BYTES_MAX + AUDIENCE_USERS_MAX * (NICK_BYTES_MAX + 2) + 64;

/// What a line asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command {
    /// Say something.
    Say {
        /// For whom.
        audience: Audience,
        /// What.
        text: String,
    },
    /// `/who`
    Who,
    /// `/nick NAME`
    Rename(Nick),
    /// `/join #room`
    Join(RoomName),
    /// `/leave #room`
    Leave(RoomName),
    /// `/queue`
    Queue,
    /// `/link`
    Link,
    /// `/rtt`
    Rtt,
    /// `/conn`
    Connection,
    /// `/reconnect`
    Reconnect,
    /// `/channel SPEC`
    Channel(String),
    /// `/log LEVEL`
    Log(LogLevel),
    /// `/queue cancel N|all`
    Cancel(Cancel),
    /// `/queue send`
    Adopt,
    /// `/queue forget`
    Forget,
    /// `/history [N] [before STAMP]`
    History {
        /// How many, at most.
        count: u32,
        /// From before this stamp; zero for the newest.
        before: Lamport,
    },
    /// `/find WORDS`
    Find(String),
    /// `/trace STAMP`
    Trace(Lamport),
    /// `/why A B`
    Why(Lamport, Lamport),
    /// `/help`
    Help,
    /// `/quit`
    Quit,
}

/// How much the program says about itself.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What went wrong.
    Error,
    /// And what may go wrong.
    Warn,
    /// And what happens.
    Info,
    /// And why.
    Debug,
    /// And everything else.
    Trace,
}

/// Why a line is no command. Nothing of it was sent.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text}")]
pub struct CommandError {
    /// A short word for programs.
    pub code: &'static str,
    /// Why, and what to write instead.
    pub text: String,
}

impl CommandError {
    pub(crate) fn new(code: &'static str, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { code, text }
    }
}

/// Reads one line, without its end. `None` where nothing is on it.
///
/// # Errors
///
/// [`CommandError`], in words for whoever typed it.
pub fn parse(line: &str) -> Result<Option<Command>, CommandError> {
    if line.is_empty() || line == "\r" {
        return Ok(None);
    }
    let command = match line.strip_prefix('/') {
        // `//x` says `/x`.
        Some(rest) if rest.starts_with('/') => chat::say(Audience::All, rest)?,
        Some(rest) => slash::parse(rest)?,
        None => chat::parse(line)?,
    };
    Ok(Some(command))
}
