//! Commands that only a client of a server has.

use lamparina_console::command::{alone, malformed, needed, nick, number};
use lamparina_protocol::Nick;

use super::CommandError;
use crate::core::outbox::Cancel;

/// Bytes of a channel's settings, as the protocol bounds them.
const SPEC_BYTES_MAX: usize = 512;

const QUEUE: &str = "/queue, /queue cancel NUMBER, /queue cancel all, /queue send or /queue forget";

/// Such a command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Own {
    /// `/nick NAME`
    Rename(Nick),
    /// `/queue`
    Queue,
    /// `/link`
    Link,
    /// `/channel SPEC`
    Channel(String),
    /// `/queue cancel N|all`
    Cancel(Cancel),
    /// `/queue send`
    Adopt,
    /// `/queue forget`
    Forget,
}

/// Reads `/word` and its argument; `None` where the word is none of these.
pub(super) fn parse(word: &str, argument: &str) -> Result<Option<Own>, CommandError> {
    Ok(Some(match word {
        "nick" => Own::Rename(nick(needed(argument, "/nick NAME")?)?),
        "channel" => channel(argument)?,
        "queue" => queue(argument)?,
        "link" => {
            alone(word, argument)?;
            Own::Link
        }
        _ => return Ok(None),
    }))
}

fn queue(argument: &str) -> Result<Own, CommandError> {
    let words: Vec<_> = argument.split_whitespace().collect();
    match words[..] {
        [] => Ok(Own::Queue),
        ["cancel", "all"] => Ok(Own::Cancel(Cancel::All)),
        ["cancel", which] => Ok(Own::Cancel(Cancel::One(number(which, QUEUE)?))),
        ["send"] => Ok(Own::Adopt),
        ["forget"] => Ok(Own::Forget),
        _ => Err(malformed(QUEUE)),
    }
}

fn channel(spec: &str) -> Result<Own, CommandError> {
    let spec = needed(spec, "/channel loss=20%,delay=80ms or /channel off")?;
    if spec.len() > SPEC_BYTES_MAX {
        let text = format!("settings have at most {SPEC_BYTES_MAX} bytes");
        return Err(CommandError::new("too-long", text));
    }
    Ok(Own::Channel(spec.to_owned()))
}
