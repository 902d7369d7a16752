//! Lines that say something: `MSG:`, `MULTICAST:`, `BROADCAST:`, and all others.

use lamparina_protocol::audience::AUDIENCE_USERS_MAX;
use lamparina_protocol::message::TEXT_BYTES_MAX;
use lamparina_protocol::nick::NickError;
use lamparina_protocol::{Nick, RoomName};

use super::{Command, CommandError, CommandOf, Dialect, To};

/// A line that does not begin with `/`.
pub(super) fn parse<D: Dialect>(line: &str) -> Result<CommandOf<D>, CommandError> {
    let Some((word, rest)) = line.split_once(':') else {
        return say::<D>(To::All, line);
    };
    let read: fn(&str) -> Result<To<D::Name>, CommandError> = match word {
        "MSG" => |to| D::name(to).map(To::One),
        "MULTICAST" => |to| names::<D>(to.split(',')),
        "BROADCAST" => broadcast,
        _ => return say::<D>(To::All, line),
    };
    let Some((to, text)) = rest.split_once(':') else {
        return Err(missing(word));
    };
    if to.is_empty() {
        return Err(missing(word));
    }
    say::<D>(read(to)?, text)
}

/// Says `text`, where there is one.
pub(super) fn say<D: Dialect>(to: To<D::Name>, text: &str) -> Result<CommandOf<D>, CommandError> {
    match text.len() {
        0 => Err(CommandError::new(
            "empty-text",
            "the text is empty; nothing was sent",
        )),
        bytes if bytes > TEXT_BYTES_MAX => Err(CommandError::new(
            "too-long",
            format!("the text has {bytes} bytes and a message takes {TEXT_BYTES_MAX}; split it"),
        )),
        _ => {
            let (audience, text) = (to.into(), text.to_owned());
            Ok(Command::Say { audience, text })
        }
    }
}

/// The audience that these recipients are: `ALL`, one `#room`, or names.
///
/// # Errors
///
/// In words, when they do not go together.
pub fn audience<D: Dialect>(to: &[&str]) -> Result<D::Audience, CommandError> {
    let to = match to {
        [] => Err(CommandError::new(
            "malformed",
            "name at least one recipient",
        )),
        [one] if *one == "ALL" || one.starts_with('#') => broadcast(one),
        [one] => D::name(one).map(To::One),
        many => match many
            .iter()
            .find(|one| **one == "ALL" || one.starts_with('#'))
        {
            Some(everybody) => Err(CommandError::new(
                "malformed",
                format!("{everybody} goes alone; send to the others apart"),
            )),
            None => names::<D>(many.iter().copied()),
        },
    };
    to.map(D::Audience::from)
}

fn missing(word: &str) -> CommandError {
    let form = match word {
        "MSG" => "MSG:user:text",
        "MULTICAST" => "MULTICAST:user1,user2:text",
        _ => "BROADCAST:ALL:text or BROADCAST:#room:text",
    };
    CommandError::new(
        "malformed",
        format!("something is missing; write {form}. Nothing was sent"),
    )
}

fn names<'a, D: Dialect>(
    names: impl Iterator<Item = &'a str> + Clone,
) -> Result<To<D::Name>, CommandError> {
    let count = names.clone().count();
    if count > AUDIENCE_USERS_MAX {
        let text = format!(
            "{count} recipients are named and a message takes {AUDIENCE_USERS_MAX}; use a room"
        );
        return Err(CommandError::new("too-long", text));
    }
    names.map(D::name).collect::<Result<_, _>>().map(To::Many)
}

fn broadcast<N>(to: &str) -> Result<To<N>, CommandError> {
    if to == "ALL" {
        return Ok(To::All);
    }
    match to.strip_prefix('#') {
        Some(_) => room(to).map(To::Room),
        None => Err(CommandError::new(
            "malformed",
            format!(
                "{to:?} is neither ALL nor a #room; write BROADCAST:ALL:text, BROADCAST:#room:text, \
                 or MSG:user:text. Nothing was sent"
            ),
        )),
    }
}

/// A nick; blanks around it are not part of it, for no nick has any.
///
/// # Errors
///
/// In words, where it is none.
pub fn nick(name: &str) -> Result<Nick, CommandError> {
    Nick::try_from(name.trim_matches(' ')).map_err(|error| match error {
        NickError::Reserved => CommandError::new(
            "nick-invalid",
            "`ALL` means everybody; write BROADCAST:ALL:text",
        ),
        error => CommandError::new("nick-invalid", format!("{name:?} is no name: {error}")),
    })
}

/// `#room`.
///
/// # Errors
///
/// In words, where it is none.
pub fn room(name: &str) -> Result<RoomName, CommandError> {
    let Some(bare) = name.strip_prefix('#') else {
        return Err(CommandError::new(
            "malformed",
            format!("a room's name begins with `#`; write #{name}"),
        ));
    };
    RoomName::try_from(bare)
        .map_err(|error| CommandError::new("room-invalid", format!("{name:?} is no room: {error}")))
}
