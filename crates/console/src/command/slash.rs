//! Lines that begin with `/`.

use super::read::{alone, needed};
use super::{Command, CommandError, CommandOf, Dialect, To, about, chat};
use crate::logging::{LogLevel, UnknownLevel};

/// A line without its `/`.
pub(super) fn parse<D: Dialect>(line: &str) -> Result<CommandOf<D>, CommandError> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let word = word.trim_end();
    // Names and numbers have no blanks around them; only texts are kept as they are.
    let argument = rest.trim();
    if let Some(own) = D::own(word, argument)? {
        return Ok(Command::Own(own));
    }
    match word {
        "msg" => message::<D>(rest),
        "pub" => publish::<D>(rest),
        "join" => chat::room(needed(argument, "/join #room")?).map(Command::Join),
        "leave" => chat::room(needed(argument, "/leave #room")?).map(Command::Leave),
        "log" => level(argument).map(Command::Log),
        "history" => about::history(argument),
        "find" => about::find(argument),
        "trace" => about::trace(argument),
        "why" => about::why(argument),
        _ => bare(word, argument),
    }
}

/// Commands that stand alone.
fn bare<A, O>(word: &str, argument: &str) -> Result<Command<A, O>, CommandError> {
    let command = match word {
        "who" => Command::Who,
        "rtt" => Command::Rtt,
        "conn" => Command::Connection,
        "reconnect" => Command::Reconnect,
        "help" => Command::Help,
        "quit" => Command::Quit,
        _ => {
            let text = format!(
                "/{word} is no command; /help lists them, and //{word} says it as text. Nothing was \
                 sent"
            );
            return Err(CommandError::new("unknown-command", text));
        }
    };
    alone(word, argument)?;
    Ok(command)
}

fn message<D: Dialect>(rest: &str) -> Result<CommandOf<D>, CommandError> {
    let (to, text) = split(rest, "/msg USER TEXT")?;
    chat::say::<D>(To::One(D::name(to)?), text)
}

fn publish<D: Dialect>(rest: &str) -> Result<CommandOf<D>, CommandError> {
    const FORM: &str = "/pub * TEXT or /pub #room TEXT";
    let (to, text) = split(rest, FORM)?;
    let to = match to {
        "*" => To::All,
        room if room.starts_with('#') => To::Room(chat::room(room)?),
        _ => {
            let text = format!("{to:?} is neither * nor a #room; write {FORM}. Nothing was sent");
            return Err(CommandError::new("malformed", text));
        }
    };
    chat::say::<D>(to, text)
}

/// The recipient, and the text behind one blank.
fn split<'a>(rest: &'a str, form: &str) -> Result<(&'a str, &'a str), CommandError> {
    match rest.split_once(' ') {
        Some((to, text)) if !to.is_empty() => Ok((to, text)),
        _ => {
            let text = format!("something is missing; write {form}. Nothing was sent");
            Err(CommandError::new("malformed", text))
        }
    }
}

fn level(word: &str) -> Result<LogLevel, CommandError> {
    word.parse()
        .map_err(|unknown: UnknownLevel| CommandError::new("malformed", unknown.to_string()))
}
