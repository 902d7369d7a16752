//! How the program ends, as scripts see it.

use std::process::ExitCode;

/// An exit code with a meaning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// Everything asked for is done.
    Done = 0,
    /// Something broke.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Whom to talk to cannot be reached.
    CannotReach = 3,
    /// They do not want us.
    Refused = 4,
    /// Time ran out.
    TimeOut = 5,
    /// Accepted, but not committed or delivered as asked.
    NotSettled = 6,
    /// A proof failed.
    NotProved = 7,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An end with words for people.
#[derive(Debug)]
pub struct Stop {
    /// The code.
    pub exit: Exit,
    /// What, and what to do.
    pub text: String,
}

impl Stop {
    /// An end with this code; `text` says why, and what to do.
    pub fn new(exit: Exit, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { exit, text }
    }
}
