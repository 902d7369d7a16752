//! Events as JSON: one object a line, `v` and `type` first, fields always in the same order.
//! Remote text is exactly what came, escaped. Fields may be added, none changes its meaning.

use std::io;

use lamparina_protocol::message::Delivery;
use serde::Serialize;

use super::clean;
use super::time::rfc3339;
use crate::core::event::{Commit, Event, MessageName, Summary};

/// The version that every line carries.
const VERSION: u8 = 1;

/// Escapes, besides what JSON demands, what a terminal would obey or hide: the text is the same.
struct Visible;

impl serde_json::ser::Formatter for Visible {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut rest = fragment;
        while let Some((at, harmful)) = rest.char_indices().find(|(_, c)| clean::is_harmful(*c)) {
            writer.write_all(&rest.as_bytes()[..at])?;
            for unit in harmful.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[at + harmful.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

#[derive(Serialize)]
struct Line<'a> {
    v: u8,
    #[serde(flatten)]
    event: Json<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Json<'a> {
    Connected {
        server: &'a str,
        r#as: &'a str,
        stamp: u64,
        member: u32,
        log: String,
    },
    Committed {
        epoch: u64,
        pseq: u64,
        stamp: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        was: Option<Name>,
    },
    Message {
        stamp: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        prev: Option<u64>,
        from: &'a str,
        kind: &'static str,
        to: Vec<String>,
        text: &'a str,
        sent_at: String,
        clock: u64,
        seen: u64,
        member: u32,
        epoch: u64,
        pseq: u64,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        history: bool,
    },
    Users {
        users: Vec<User<'a>>,
        total: u64,
        after: u64,
    },
    Joined {
        nick: &'a str,
        member: u32,
        after: u64,
    },
    Left {
        nick: &'a str,
        after: u64,
    },
    Renamed {
        from: &'a str,
        to: &'a str,
        own: bool,
        after: u64,
    },
    JoinedRoom {
        nick: &'a str,
        room: String,
        own: bool,
        after: u64,
    },
    LeftRoom {
        nick: &'a str,
        room: String,
        own: bool,
        after: u64,
    },
    Channel {
        spec: &'a str,
    },
    NewLog {
        log: String,
        epoch: u64,
        again: u64,
    },
    Error {
        code: &'a str,
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        epoch: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pseq: Option<u64>,
    },
    Disconnected {
        reason: &'a str,
        retry_ms: Option<u64>,
    },
    Closed {
        sent: u64,
        committed: u64,
        pending: u64,
        refused: u64,
    },
    Info {
        about: &'a str,
        text: &'a str,
    },
}

#[derive(Serialize)]
struct Name {
    epoch: u64,
    pseq: u64,
}

#[derive(Serialize)]
struct User<'a> {
    nick: &'a str,
    member: u32,
    author: String,
}

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

/// The answer to a command about this program: `/link`, `/queue`, `/help` ..
pub fn info(about: &str, text: &str) -> String {
    line(Json::Info { about, text })
}

/// The end of a conversation that never began.
pub fn closed(summary: Summary) -> String {
    line(closed_json(summary))
}

fn line(event: Json<'_>) -> String {
    let line = Line { v: VERSION, event };
    let mut out = Vec::new();
    let written = line.serialize(&mut serde_json::Serializer::with_formatter(
        &mut out, Visible,
    ));
    // Numbers, texts and lists of them: every value has a form, and memory takes what is written.
    debug_assert!(written.is_ok());
    String::from_utf8(out).unwrap_or_default()
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
        Event::Closed { summary, .. } => closed_json(*summary),
        Event::Channel { spec } => Json::Channel { spec },
        Event::NewLog { log, epoch, again } => Json::NewLog {
            log: log.to_string(),
            epoch: epoch.0,
            again: *again,
        },
        presence => json_presence(presence),
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
        _ => Json::Info {
            about: "event",
            text: "",
        },
    }
}

fn committed(commit: &Commit) -> Json<'static> {
    Json::Committed {
        epoch: commit.name.epoch.0,
        pseq: commit.name.pseq.0,
        stamp: commit.stamp.get(),
        was: commit.was.map(name),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::Ending;
    use crate::core::testing::{delivery, nick};
    use lamparina_protocol::message::UserLine;
    use lamparina_protocol::{
        Audience, AuthorKey, Epoch, Lamport, LogId, MemberId, Pseq, RoomName,
    };
    use std::time::Duration;

    fn samples() -> Vec<Event> {
        let room = || RoomName::try_from("lab").unwrap();
        let after = Lamport::new(41);
        let name = MessageName {
            epoch: Epoch(70),
            pseq: Pseq(1),
        };
        let commit = |was| {
            Event::Committed(Commit {
                name,
                was,
                stamp: Lamport::new(42),
                audience: Audience::All,
                text: "hi".to_owned(),
            })
        };
        let mut old = delivery(0, 3, "old");
        old.history = true;
        let summary = Summary {
            sent: 5,
            committed: 3,
            refused: 1,
            pending: 1,
        };
        vec![
            Event::Connected {
                server: "127.0.0.1:5000".to_owned(),
                nick: nick("ana"),
                member: MemberId(2),
                log: LogId([0xab; 16]),
                stamp: after,
            },
            commit(None),
            commit(Some(MessageName {
                epoch: Epoch(60),
                pseq: Pseq(9),
            })),
            Event::Message(delivery(
                40,
                42,
                "tab\t quote\" bell\u{7} rtl\u{202e} é 👩‍👧\n",
            )),
            Event::Message(old),
            Event::Users {
                users: vec![UserLine {
                    nick: nick("bob"),
                    member: MemberId(1),
                    author: AuthorKey([7; 32]),
                }],
                total: 1,
                after,
            },
            Event::Joined {
                nick: nick("bob"),
                member: MemberId(1),
                after,
            },
            Event::Left {
                nick: nick("bob"),
                after,
            },
            Event::Renamed {
                from: nick("bob"),
                to: nick("rob"),
                own: false,
                after,
            },
            Event::RoomJoined {
                nick: nick("ana"),
                room: room(),
                own: true,
                after,
            },
            Event::RoomLeft {
                nick: nick("bob"),
                room: room(),
                own: false,
                after,
            },
            Event::Channel {
                spec: "off".to_owned(),
            },
            Event::NewLog {
                log: LogId([1; 16]),
                epoch: Epoch(71),
                again: 3,
            },
            Event::Error {
                code: "unknown-user".to_owned(),
                text: "nobody is called bo".to_owned(),
                message: Some(name),
            },
            Event::Error {
                code: "gap".to_owned(),
                text: "x".to_owned(),
                message: None,
            },
            Event::Disconnected {
                reason: "the connection was cut".to_owned(),
                retry: Some(Duration::from_micros(212_900)),
            },
            Event::Disconnected {
                reason: "taken over".to_owned(),
                retry: None,
            },
            Event::Closed {
                summary,
                ending: Ending::Left,
            },
        ]
    }

    #[test]
    fn golden_lines() {
        let lines: Vec<_> = samples().iter().map(event).collect();
        let mut got = lines.join("\n");
        got.push('\n');
        got.push_str(&error("unknown-command", "/x is no command"));
        got.push('\n');
        assert_eq!(got, include_str!("json.golden"));
    }
}
