//! How a conversation ends, as scripts see it.

pub(super) use lamparina_console::exit::{Exit, Stop};

use crate::core::event::{Ending, Summary};

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
