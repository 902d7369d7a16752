//! Entries as the client's plain lines, remote text cleaned; anything but a message behind `* `.

use lamparina_order::{Record, Recorded};
use lamparina_protocol::{Audience, clean};

/// An entry as one line, or as several indented ones where a text has several.
pub(super) fn line(record: &Record) -> String {
    match &record.event {
        Recorded::Message(message) => {
            let from = clean::line(message.from.as_str());
            let head = match &message.audience {
                Audience::All => format!("{from}:"),
                Audience::Room(room) => format!("{from} #{}:", clean::line(room.as_str())),
                named => format!("{from} -> {}:", clean::line(&named.names().join(","))),
            };
            format!("[{}] {head} {}", record.stamp, clean::text(&message.text))
        }
        _ => format!("* {}", happened(record)),
    }
}

/// What else happened, in words, cleaned.
pub(super) fn happened(record: &Record) -> String {
    clean::line(&words(record))
}

fn words(record: &Record) -> String {
    match &record.event {
        Recorded::Began { term } => format!("the server started, term {term}"),
        Recorded::Clock { clock } => format!("the clock moved to {clock}"),
        Recorded::Claimed { member, nick, .. } => format!("{nick} is member {member}"),
        Recorded::Renamed { from, to, .. } => format!("{from} is {to} from now on"),
        Recorded::RoomJoined { nick, name, .. } => format!("{nick} came into #{name}"),
        Recorded::RoomLeft { nick, name, .. } => format!("{nick} went out of #{name}"),
        Recorded::InviteMade {
            invite, uses, by, ..
        } => format!("{} made invite {invite}, for {uses}", clean::line(by)),
        Recorded::InviteRevoked { invite, by } => {
            format!("{} took invite {invite} back", clean::line(by))
        }
        Recorded::Redeemed {
            member,
            nick,
            invite,
            ..
        } => format!("{nick} is member {member}, by invite {invite}"),
        Recorded::Banned {
            nick, by, reason, ..
        } => {
            let why = match reason.is_empty() {
                true => String::new(),
                false => format!(": {}", clean::line(reason)),
            };
            format!("{nick} was banned by {}{why}", clean::line(by))
        }
        Recorded::Unbanned { nick, by, .. } => {
            format!("{nick} is banned no more, by {}", clean::line(by))
        }
        Recorded::Refused {
            member, pseq, code, ..
        } => format!(
            "message {pseq} of member {member} was refused: {}",
            code.name()
        ),
        Recorded::Message(message) => format!("{} said something", message.from),
    }
}
