//! Lines that ask about messages: `/history`, `/find`, `/trace`, `/why`.

use lamparina_protocol::Lamport;
use lamparina_protocol::message::{HISTORY_MESSAGES_MAX, WORDS_BYTES_MAX};

use super::read::{malformed, needed, number, stamp};
use super::{Command, CommandError};

/// Messages that `/history` asks for by itself.
pub const HISTORY_COUNT: u32 = 20;
/// Messages that `/find` asks for.
pub const FIND_COUNT: u32 = 50;

const HISTORY: &str = "/history, /history N or /history N before STAMP";

pub(super) fn history<A, O>(argument: &str) -> Result<Command<A, O>, CommandError> {
    let words: Vec<_> = argument.split_whitespace().collect();
    let (count, before) = match words[..] {
        [] => (u64::from(HISTORY_COUNT), Lamport::ZERO),
        [count] => (number(count, HISTORY)?, Lamport::ZERO),
        ["before", before] => (u64::from(HISTORY_COUNT), stamp(before, HISTORY)?),
        [count, "before", before] => (number(count, HISTORY)?, stamp(before, HISTORY)?),
        _ => return Err(malformed(HISTORY)),
    };
    match u32::try_from(count) {
        Ok(count @ 1..=HISTORY_MESSAGES_MAX) => Ok(Command::History { count, before }),
        _ => Err(CommandError::new(
            "malformed",
            format!("{count} messages at once: ask for 1 to {HISTORY_MESSAGES_MAX}"),
        )),
    }
}

pub(super) fn find<A, O>(argument: &str) -> Result<Command<A, O>, CommandError> {
    let words = needed(argument, "/find WORDS")?;
    if words.len() > WORDS_BYTES_MAX {
        let text = format!("the words have at most {WORDS_BYTES_MAX} bytes");
        return Err(CommandError::new("too-long", text));
    }
    Ok(Command::Find(words.to_owned()))
}

pub(super) fn trace<A, O>(argument: &str) -> Result<Command<A, O>, CommandError> {
    stamp(argument, "/trace STAMP").map(Command::Trace)
}

pub(super) fn why<A, O>(argument: &str) -> Result<Command<A, O>, CommandError> {
    const FORM: &str = "/why STAMP STAMP";
    let words: Vec<_> = argument.split_whitespace().collect();
    match words[..] {
        [a, b] => Ok(Command::Why(stamp(a, FORM)?, stamp(b, FORM)?)),
        _ => Err(malformed(FORM)),
    }
}
