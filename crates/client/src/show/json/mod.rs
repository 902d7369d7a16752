//! Events as JSON: one object a line, `v` and `type` first, fields always in the same order.
//! Remote text is exactly what came, escaped. Fields may be added, none changes its meaning.

mod answers;
mod line;
mod link;
#[cfg(test)]
mod tests;

use lamparina_console::json::line as written;
use lamparina_protocol::message::Delivery;

use super::time::rfc3339;
use crate::core::event::{Commit, Event, MessageName, Summary};
use crate::net::NetStatus;
use line::{Json, Name, User};

/// `event` as one line, without its end.
pub fn event(event: &Event) -> String {
    line(json(event))
}

/// An error that is no event of the conversation: a line that was no command.
pub fn error(code: &str, text: &str) -> String {
    line(Json::Error {
        code,
        text,
        epoch: None,
        pseq: None,
    })
}

/// The answer to a command about this program, in words: `/queue`, `/help` ..
pub fn info(about: &str, text: &str) -> String {
    line(Json::Info {
        about,
        text,
        carrier: None,
    })
}

/// The answer to `/link`: how the link is now, in numbers and a word.
pub fn link(status: &NetStatus) -> String {
    line(link::json(status))
}

/// The end of a conversation that never began.
pub fn closed(summary: Summary) -> String {
    line(closed_json(summary))
}

fn line(event: Json<'_>) -> String {
    written(&event)
}

fn json(event: &Event) -> Json<'_> {
    match event {
        Event::Connected {
            server,
            nick,
            member,
            log,
            stamp,
        } => Json::Connected {
            server,
            r#as: nick.as_str(),
            stamp: stamp.get(),
            member: member.0,
            log: log.to_string(),
        },
        Event::Committed(commit) => committed(commit),
        Event::Message(delivery) => message(delivery),
        Event::Users {
            users,
            total,
            after,
        } => Json::Users {
            users: users.iter().map(user).collect(),
            total: *total,
            after: after.get(),
        },
        Event::Error {
            code,
            text,
            message,
        } => Json::Error {
            code,
            text,
            epoch: message.map(|name| name.epoch.0),
            pseq: message.map(|name| name.pseq.0),
        },
        Event::Disconnected { reason, retry } => Json::Disconnected {
            reason,
            retry_ms: retry.map(|retry| u64::try_from(retry.as_millis()).unwrap_or(u64::MAX)),
        },
        Event::Carried { by, text } => Json::Info {
            about: "carrier",
            text,
            carrier: Some(by.name()),
        },
        Event::Closed { summary, .. } => closed_json(*summary),
        Event::Channel { spec } => Json::Channel { spec },
        Event::NewLog {
            log,
            epoch,
            again,
            kept,
        } => Json::NewLog {
            log: log.to_string(),
            epoch: epoch.0,
            again: *again,
            kept: *kept,
        },
        Event::Queued { name, number } => Json::Queued {
            epoch: name.epoch.0,
            pseq: name.pseq.0,
            number: *number,
        },
        Event::Cancelled { name, number } => Json::Cancelled {
            epoch: name.epoch.0,
            pseq: name.pseq.0,
            number: *number,
        },
        Event::Requeued { was, name: now } => Json::Requeued {
            epoch: now.epoch.0,
            pseq: now.pseq.0,
            was: name(*was),
        },
        other => json_presence(other),
    }
}

/// Who comes, goes, and is called how.
fn json_presence(event: &Event) -> Json<'_> {
    match event {
        Event::Joined {
            nick,
            member,
            after,
        } => Json::Joined {
            nick: nick.as_str(),
            member: member.0,
            after: after.get(),
        },
        Event::Left { nick, after } => Json::Left {
            nick: nick.as_str(),
            after: after.get(),
        },
        Event::Renamed {
            from,
            to,
            own,
            after,
        } => Json::Renamed {
            from: from.as_str(),
            to: to.as_str(),
            own: *own,
            after: after.get(),
        },
        Event::RoomJoined {
            nick,
            room,
            own,
            after,
        } => Json::JoinedRoom {
            nick: nick.as_str(),
            room: format!("#{room}"),
            own: *own,
            after: after.get(),
        },
        Event::RoomLeft {
            nick,
            room,
            own,
            after,
        } => Json::LeftRoom {
            nick: nick.as_str(),
            room: format!("#{room}"),
            own: *own,
            after: after.get(),
        },
        other => answers::json(other),
    }
}

fn committed(commit: &Commit) -> Json<'_> {
    Json::Committed {
        epoch: commit.name.epoch.0,
        pseq: commit.name.pseq.0,
        stamp: commit.stamp.get(),
        was: commit.was.map(name),
        // So that what its recipients were shown can be compared with what was written.
        text: &commit.text,
    }
}

fn name(name: MessageName) -> Name {
    Name {
        epoch: name.epoch.0,
        pseq: name.pseq.0,
    }
}

fn message(delivery: &Delivery) -> Json<'_> {
    Json::Message {
        stamp: delivery.stamp.get(),
        prev: (!delivery.history).then(|| delivery.prev.0.get()),
        from: delivery.from.as_str(),
        kind: delivery.audience.kind(),
        to: delivery.audience.names(),
        text: &delivery.text,
        sent_at: rfc3339(delivery.sent_at),
        clock: delivery.clock.get(),
        seen: delivery.seen.get(),
        member: delivery.member.0,
        epoch: delivery.epoch.0,
        pseq: delivery.pseq.0,
        history: delivery.history,
    }
}

fn user(line: &lamparina_protocol::message::UserLine) -> User<'_> {
    User {
        nick: line.nick.as_str(),
        member: line.member.0,
        author: line.author.to_string(),
    }
}

const fn closed_json(summary: Summary) -> Json<'static> {
    Json::Closed {
        sent: summary.sent,
        committed: summary.committed,
        pending: summary.pending,
        refused: summary.refused,
    }
}
