//! How the program ends, as scripts see it.

use std::process::ExitCode;

use crate::core::event::{Ending, Summary};

/// An exit code with a meaning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Exit {
    /// Everything asked for is done.
    Done = 0,
    /// Something broke.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The server cannot be reached.
    CannotReach = 3,
    /// The server does not want this client.
    Refused = 4,
    /// Time ran out.
    TimeOut = 5,
    /// Accepted, but not committed or delivered as asked.
    NotSettled = 6,
    /// The demo's proof failed.
    NotProved = 7,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An end with words for people.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) exit: Exit,
    pub(super) text: String,
}

impl Stop {
    pub(super) fn new(exit: Exit, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { exit, text }
    }
}

/// The code of a conversation's end; `errors` are lines answered by an error that count.
pub(super) fn of(ending: &Ending, summary: Summary, errors: u64) -> Exit {
    match ending {
        Ending::CannotReach { .. } => Exit::CannotReach,
        Ending::Refused { .. } => Exit::Refused,
        Ending::Failed { .. } => Exit::Failed,
        Ending::Left | Ending::GaveUp { .. } if summary.pending > 0 => Exit::NotSettled,
        Ending::GaveUp { .. } => Exit::CannotReach,
        Ending::Left if errors > 0 => Exit::NotSettled,
        Ending::Left => Exit::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_has_its_code() {
        let text = String::new;
        let summary = |pending| Summary {
            pending,
            ..Summary::default()
        };
        let gave_up = Ending::GaveUp { text: text() };
        let refused = Ending::Refused {
            code: text(),
            text: text(),
        };
        assert_eq!(of(&Ending::Left, summary(0), 0), Exit::Done);
        assert_eq!(of(&Ending::Left, summary(0), 1), Exit::NotSettled);
        assert_eq!(of(&Ending::Left, summary(1), 0), Exit::NotSettled);
        assert_eq!(of(&gave_up, summary(1), 0), Exit::NotSettled);
        assert_eq!(of(&gave_up, summary(0), 0), Exit::CannotReach);
        assert_eq!(of(&refused, summary(1), 1), Exit::Refused);
        assert_eq!(
            of(&Ending::CannotReach { text: text() }, summary(0), 0),
            Exit::CannotReach
        );
        assert_eq!(
            of(&Ending::Failed { text: text() }, summary(0), 0),
            Exit::Failed
        );
    }
}
