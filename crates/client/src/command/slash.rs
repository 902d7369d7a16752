//! Lines that begin with `/`.

use lamparina_protocol::Audience;

use super::{Command, CommandError, LogLevel, about, chat};

/// Bytes of a channel's settings, as the protocol bounds them.
const SPEC_BYTES_MAX: usize = 512;

/// A line without its `/`.
pub(super) fn parse(line: &str) -> Result<Command, CommandError> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let word = word.trim_end();
    // Names and numbers have no blanks around them; only texts are kept as they are.
    let argument = rest.trim();
    match word {
        "msg" => message(rest),
        "pub" => publish(rest),
        "nick" => chat::nick(needed(argument, "/nick NAME")?).map(Command::Rename),
        "join" => chat::room(needed(argument, "/join #room")?).map(Command::Join),
        "leave" => chat::room(needed(argument, "/leave #room")?).map(Command::Leave),
        "channel" => channel(argument),
        "log" => level(argument).map(Command::Log),
        "queue" => about::queue(argument),
        "history" => about::history(argument),
        "find" => about::find(argument),
        "trace" => about::trace(argument),
        "why" => about::why(argument),
        _ => bare(word, argument),
    }
}

/// Commands that stand alone.
fn bare(word: &str, argument: &str) -> Result<Command, CommandError> {
    let command = match word {
        "who" => Command::Who,
        "link" => Command::Link,
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
    if !argument.is_empty() {
        let text = format!("/{word} stands alone; write it without {argument:?}");
        return Err(CommandError::new("malformed", text));
    }
    Ok(command)
}

pub(super) fn needed<'a>(argument: &'a str, form: &str) -> Result<&'a str, CommandError> {
    if argument.is_empty() {
        let text = format!("something is missing; write {form}");
        return Err(CommandError::new("malformed", text));
    }
    Ok(argument)
}

fn message(rest: &str) -> Result<Command, CommandError> {
    let (to, text) = split(rest, "/msg USER TEXT")?;
    chat::say(Audience::Unicast(chat::nick(to)?), text)
}

fn publish(rest: &str) -> Result<Command, CommandError> {
    const FORM: &str = "/pub * TEXT or /pub #room TEXT";
    let (to, text) = split(rest, FORM)?;
    let audience = match to {
        "*" => Audience::All,
        room if room.starts_with('#') => Audience::Room(chat::room(room)?),
        _ => {
            let text = format!("{to:?} is neither * nor a #room; write {FORM}. Nothing was sent");
            return Err(CommandError::new("malformed", text));
        }
    };
    chat::say(audience, text)
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

fn channel(spec: &str) -> Result<Command, CommandError> {
    let spec = needed(spec, "/channel loss=20%,delay=80ms or /channel off")?;
    if spec.len() > SPEC_BYTES_MAX {
        let text = format!("settings have at most {SPEC_BYTES_MAX} bytes");
        return Err(CommandError::new("too-long", text));
    }
    Ok(Command::Channel(spec.to_owned()))
}

fn level(word: &str) -> Result<LogLevel, CommandError> {
    Ok(match word {
        "off" => LogLevel::Off,
        "error" => LogLevel::Error,
        "warn" => LogLevel::Warn,
        "info" => LogLevel::Info,
        "debug" => LogLevel::Debug,
        "trace" => LogLevel::Trace,
        _ => {
            let text = "a level is one of off, error, warn, info, debug, trace";
            return Err(CommandError::new("malformed", text));
        }
    })
}
