//! A typed line becomes a command, or an error in words; it never becomes a message by mistake.
//! Texts are kept byte for byte. Pure.
//!
//! Programs differ in what a name looks like and in a few commands: that is a [`Dialect`]. What is
//! common is read here, once.

mod about;
mod chat;
mod read;
mod slash;
#[cfg(test)]
mod tests;

use lamparina_protocol::audience::AUDIENCE_USERS_MAX;
use lamparina_protocol::message::TEXT_BYTES_MAX;
use lamparina_protocol::nick::NICK_BYTES_MAX;
use lamparina_protocol::{Audience, Lamport, Nick, RoomName};

pub use about::{FIND_COUNT, HISTORY_COUNT};
pub use chat::{audience, nick, room};
pub use read::{alone, malformed, needed, number, stamp};

use crate::logging::LogLevel;

/// Bytes of a typed line, at most: the longest text, and the longest list of recipients.
pub const LINE_BYTES_MAX: usize = TEXT_BYTES_MAX + AUDIENCE_USERS_MAX * (NICK_BYTES_MAX + 2) + 64;

/// What is particular about a program's lines.
pub trait Dialect {
    /// A recipient.
    type Name;
    /// Those for whom a text is.
    type Audience: From<To<Self::Name>>;
    /// A command that only this program has.
    type Own;

    /// Reads a recipient's name.
    ///
    /// # Errors
    ///
    /// In words, where it is none.
    fn name(text: &str) -> Result<Self::Name, CommandError>;

    /// Reads `/word` and the argument behind it, without blanks around it, where that is a command of
    /// this program's own; it is asked before the common ones.
    ///
    /// # Errors
    ///
    /// In words, where the argument does not go with the word.
    fn own(word: &str, argument: &str) -> Result<Option<Self::Own>, CommandError>;
}

/// For whom a text is, as it was typed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum To<N> {
    /// Everybody.
    All,
    /// One recipient.
    One(N),
    /// Each of these.
    Many(Vec<N>),
    /// Whoever is in there.
    Room(RoomName),
}

impl From<To<Nick>> for Audience {
    fn from(to: To<Nick>) -> Self {
        match to {
            To::All => Self::All,
            To::One(nick) => Self::Unicast(nick),
            To::Many(nicks) => Self::Multicast(nicks),
            To::Room(room) => Self::Room(room),
        }
    }
}

/// What a line asks for: `A` are those for whom a text is, `O` the commands of one program.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command<A, O> {
    /// Say something.
    Say {
        /// For whom.
        audience: A,
        /// What.
        text: String,
    },
    /// `/who`
    Who,
    /// `/join #room`
    Join(RoomName),
    /// `/leave #room`
    Leave(RoomName),
    /// `/rtt`
    Rtt,
    /// `/conn`
    Connection,
    /// `/reconnect`
    Reconnect,
    /// `/log LEVEL`
    Log(LogLevel),
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
    /// A command that only this program has.
    Own(O),
}

/// What a line of a [`Dialect`] asks for.
pub type CommandOf<D> = Command<<D as Dialect>::Audience, <D as Dialect>::Own>;

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
    /// `code` is a short word for programs; `text` says why, and what to write instead.
    pub fn new(code: &'static str, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { code, text }
    }
}

/// Reads one line, without its end. `None` where nothing is on it.
///
/// # Errors
///
/// [`CommandError`], in words for whoever typed it.
pub fn parse<D: Dialect>(line: &str) -> Result<Option<CommandOf<D>>, CommandError> {
    if line.is_empty() || line == "\r" {
        return Ok(None);
    }
    let command = match line.strip_prefix('/') {
        // `//x` says `/x`.
        Some(rest) if rest.starts_with('/') => chat::say::<D>(To::All, rest)?,
        Some(rest) => slash::parse::<D>(rest)?,
        None => chat::parse::<D>(line)?,
    };
    Ok(Some(command))
}
