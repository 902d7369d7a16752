//! Lines that ask about messages: `/queue`, `/history`, `/find`, `/trace`, `/why`.

use lamparina_protocol::Lamport;
use lamparina_protocol::message::{HISTORY_MESSAGES_MAX, WORDS_BYTES_MAX};

use super::slash::needed;
use super::{Command, CommandError};
use crate::core::outbox::Cancel;

/// Messages that `/history` asks for by itself.
pub const HISTORY_COUNT: u32 = 20;
/// Messages that `/find` asks for.
pub const FIND_COUNT: u32 = 50;

const QUEUE: &str = "/queue, /queue cancel NUMBER, /queue cancel all, /queue send or /queue forget";
const HISTORY: &str = "/history, /history N or /history N before STAMP";

pub(super) fn queue(argument: &str) -> Result<Command, CommandError> {
    let words: Vec<_> = argument.split_whitespace().collect();
    match words[..] {
        [] => Ok(Command::Queue),
        ["cancel", "all"] => Ok(Command::Cancel(Cancel::All)),
        ["cancel", which] => Ok(Command::Cancel(Cancel::One(number(which, QUEUE)?))),
        ["send"] => Ok(Command::Adopt),
        ["forget"] => Ok(Command::Forget),
        _ => Err(malformed(QUEUE)),
    }
}

pub(super) fn history(argument: &str) -> Result<Command, CommandError> {
    let words: Vec<_> = argument.split_whitespace().collect();
    let (count, before) = match words[..] {
        [] => (u64::from(HISTORY_COUNT), Lamport::ZERO),
        [count] => (number(count, HISTORY)?, Lamport::ZERO),
        ["before", stamp] => (u64::from(HISTORY_COUNT), self::stamp(stamp, HISTORY)?),
        [count, "before", stamp] => (number(count, HISTORY)?, self::stamp(stamp, HISTORY)?),
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

pub(super) fn find(argument: &str) -> Result<Command, CommandError> {
    let words = needed(argument, "/find WORDS")?;
    if words.len() > WORDS_BYTES_MAX {
        let text = format!("the words have at most {WORDS_BYTES_MAX} bytes");
        return Err(CommandError::new("too-long", text));
    }
    Ok(Command::Find(words.to_owned()))
}

pub(super) fn trace(argument: &str) -> Result<Command, CommandError> {
    stamp(argument, "/trace STAMP").map(Command::Trace)
}

pub(super) fn why(argument: &str) -> Result<Command, CommandError> {
    const FORM: &str = "/why STAMP STAMP";
    let words: Vec<_> = argument.split_whitespace().collect();
    match words[..] {
        [a, b] => Ok(Command::Why(stamp(a, FORM)?, stamp(b, FORM)?)),
        _ => Err(malformed(FORM)),
    }
}

/// A stamp, as it stands before a message: `[42]`, or without the brackets.
fn stamp(word: &str, form: &str) -> Result<Lamport, CommandError> {
    let bare = word
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match number(bare.unwrap_or(word), form)? {
        0 => Err(malformed(form)),
        stamp => Ok(Lamport::new(stamp)),
    }
}

fn number(word: &str, form: &str) -> Result<u64, CommandError> {
    word.parse().map_err(|_not_one| malformed(form))
}

fn malformed(form: &str) -> CommandError {
    CommandError::new(
        "malformed",
        format!("this is no number, or one too few or many; write {form}"),
    )
}
