//! What is typed to a client of a server: the common commands of [`lamparina_console::command`], names
//! that are nicks, and a few commands of its own. Pure.

mod help;
mod own;
#[cfg(test)]
mod tests;

use lamparina_console::command::{self, Dialect};
use lamparina_protocol::{Audience, Nick};

pub use help::HELP;
pub use lamparina_console::command::{CommandError, FIND_COUNT, HISTORY_COUNT, LINE_BYTES_MAX};
pub use lamparina_console::logging::LogLevel;
pub use own::Own;

/// What a line asks for.
pub type Command = command::Command<Audience, Own>;

/// How lines to a client of a server are read.
struct AtServer;

impl Dialect for AtServer {
    type Name = Nick;
    type Audience = Audience;
    type Own = Own;

    fn name(text: &str) -> Result<Nick, CommandError> {
        command::nick(text)
    }

    fn own(word: &str, argument: &str) -> Result<Option<Own>, CommandError> {
        own::parse(word, argument)
    }
}

/// Reads one line, without its end. `None` where nothing is on it.
///
/// # Errors
///
/// [`CommandError`], in words for whoever typed it.
pub fn parse(line: &str) -> Result<Option<Command>, CommandError> {
    command::parse::<AtServer>(line)
}

/// The audience that these recipients are: `ALL`, one `#room`, or nicks.
///
/// # Errors
///
/// In words, when they do not go together.
pub fn audience(to: &[&str]) -> Result<Audience, CommandError> {
    command::audience::<AtServer>(to)
}
