//! What a server logs, and the one line that each event becomes.
//!
//! `time event=NAME key=value ..`, the keys in the order of the fields. What is cut is said:
//! after a value that was too long comes `KEY_more=N`, the bytes (for `to`: the names) left out.

use std::net::SocketAddr;

use lamparina_protocol::{Audience, Lamport, SessionNumber};

use super::pairs::Pairs;

/// Bytes of a message's text in the log, at most.
pub const TEXT_LOGGED_MAX: usize = 4 * 1024;
/// Bytes of any other value, at most.
pub const VALUE_LOGGED_MAX: usize = 512;
/// Recipients that are named, at most.
pub const NAMES_LOGGED_MAX: usize = 32;
/// Bytes of a nick or room in a list; checked names are shorter.
pub(super) const NAME_BYTES_MAX: usize = 72;
/// Every byte of a value can become an escape of six.
const ESCAPE_FACTOR: usize = 6;
/// Bytes of a whole line, at most: one text, one list, and up to four values with their keys.
pub(super) const LINE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a line, most of the time.
const LINE_BYTES_USUAL: usize = 160;
const _: () = assert!(
    LINE_BYTES_MAX
        > ESCAPE_FACTOR
            * (TEXT_LOGGED_MAX + NAMES_LOGGED_MAX * NAME_BYTES_MAX + 4 * VALUE_LOGGED_MAX)
);

/// Why lines are missing at a place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DropCause {
    /// The logger stood still and the queue was full: the count is exact.
    Stalled,
    /// The logger was killed: the count is an upper bound.
    Killed,
    /// The logger ended by itself, in error: the count is an upper bound.
    Failed,
}

impl DropCause {
    /// The word in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stalled => "stalled",
            Self::Killed => "killed",
            Self::Failed => "failed",
        }
    }
}

/// What carries a connection. Only what is not TCP is said.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Via {
    /// A stream.
    #[default]
    Tcp,
    /// Datagrams.
    Udp,
}

/// The recipients of a message, as the caller has them.
#[derive(Clone, Copy, Debug)]
pub enum To<'a> {
    /// As the order understood them.
    Audience(&'a Audience),
    /// Names, which hold no comma.
    Names(&'a [String]),
    /// Names, which hold no comma.
    Strs(&'a [&'a str]),
}

impl<'a> From<&'a Audience> for To<'a> {
    fn from(audience: &'a Audience) -> Self {
        Self::Audience(audience)
    }
}

impl<'a> From<&'a [String]> for To<'a> {
    fn from(names: &'a [String]) -> Self {
        Self::Names(names)
    }
}

impl<'a> From<&'a [&'a str]> for To<'a> {
    fn from(names: &'a [&'a str]) -> Self {
        Self::Strs(names)
    }
}

/// One event. Every `&str` may come from the other side: it is cleaned and bounded here.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the fields are the keys that docs describe")]
pub enum LogEvent<'a> {
    /// A listener accepts.
    Started {
        addr: SocketAddr,
        version: &'a str,
        pid: u32,
        via: Via,
    },
    /// A session entered.
    Connected {
        nick: &'a str,
        addr: SocketAddr,
        session: SessionNumber,
        via: Via,
    },
    /// A connection, a nick or a message was refused.
    Refused {
        addr: SocketAddr,
        nick: Option<&'a str>,
        code: &'a str,
        reason: &'a str,
    },
    /// A message has its place.
    Produced {
        stamp: Lamport,
        kind: &'a str,
        from: &'a str,
        to: To<'a>,
        bytes: usize,
        seen: Lamport,
        text: Option<&'a str>,
    },
    /// A client handed messages to its person or program.
    Consumed {
        by: &'a str,
        upto: Lamport,
        count: u64,
    },
    /// Somebody is called otherwise.
    Renamed { from: &'a str, to: &'a str },
    /// A session ended.
    Disconnected { nick: &'a str, reason: &'a str },
    /// Somebody came into a room, named without its `#`.
    JoinedRoom { nick: &'a str, room: &'a str },
    /// Somebody went out of a room, named without its `#`.
    LeftRoom { nick: &'a str, room: &'a str },
    /// A client changed the channel of a server in the lab.
    Channel { nick: &'a str, settings: &'a str },
    /// An operator did something.
    Operated { what: &'a str, by: &'a str },
    /// Somebody became a member by an invite.
    Redeemed { nick: &'a str, invite: u64 },
    /// Somebody was banned.
    Banned {
        nick: &'a str,
        by: &'a str,
        reason: &'a str,
    },
    /// Somebody is banned no more.
    Unbanned { nick: &'a str, by: &'a str },
    /// Of a peer without a server: somebody else coordinates; an empty name for nobody.
    Coordinator { nick: &'a str, epoch: u64 },
    /// Of a peer without a server: it met others again, and their lines came.
    Merged {
        lines: u64,
        inserted: u64,
        late: u64,
    },
    /// Of a peer without a server: somebody gave one name to two messages.
    Equivocation { nick: &'a str, number: u64 },
    /// Lines are missing here. The logger writes these itself.
    Dropped { count: u64, cause: DropCause },
    /// The server ends.
    Stopped { reason: &'a str },
}

impl LogEvent<'_> {
    /// Appends `event=..` and the keys, without time and newline. A text is left out unless `with_text`.
    pub(super) fn push(&self, out: &mut Vec<u8>, with_text: bool) {
        out.reserve(LINE_BYTES_USUAL);
        let line = &mut Pairs::new(out);
        match *self {
            Self::Produced {
                stamp,
                kind,
                from,
                to,
                bytes,
                seen,
                text,
            } => {
                line.event("produced").number("stamp", stamp.get());
                line.value("kind", kind).value("from", from).names(to);
                line.number("bytes", bytes as u64)
                    .number("seen", seen.get());
                if let Some(text) = text.filter(|_| with_text) {
                    line.bounded("text", text, TEXT_LOGGED_MAX);
                }
            }
            Self::Consumed { by, upto, count } => {
                line.event("consumed").value("by", by);
                line.number("upto", upto.get()).number("count", count);
            }
            _ => self.push_rare(line),
        }
    }

    /// Those events that come once or twice in a session.
    fn push_rare(&self, line: &mut Pairs<'_>) {
        match *self {
            Self::Started {
                addr,
                version,
                pid,
                via,
            } => line
                .event("started")
                .addr(addr)
                .value("version", version)
                .number("pid", u64::from(pid))
                .via(via),
            Self::Connected {
                nick,
                addr,
                session,
                via,
            } => line
                .event("connected")
                .value("nick", nick)
                .addr(addr)
                .number("session", session.0)
                .via(via),
            Self::Refused {
                addr,
                nick,
                code,
                reason,
            } => {
                line.event("refused").addr(addr);
                if let Some(nick) = nick {
                    line.value("nick", nick);
                }
                line.value("code", code).value("reason", reason)
            }
            Self::Renamed { from, to } => line.event("renamed").value("from", from).value("to", to),
            Self::Disconnected { nick, reason } => line
                .event("disconnected")
                .value("nick", nick)
                .value("reason", reason),
            Self::JoinedRoom { nick, room } => {
                line.event("room_joined").value("nick", nick).room(room)
            }
            Self::LeftRoom { nick, room } => line.event("room_left").value("nick", nick).room(room),
            Self::Channel { nick, settings } => line
                .event("channel")
                .value("nick", nick)
                .value("settings", settings),
            Self::Operated { what, by } => {
                line.event("operated").value("what", what).value("by", by)
            }
            Self::Redeemed { nick, invite } => line
                .event("redeemed")
                .value("nick", nick)
                .number("invite", invite),
            Self::Banned { nick, by, reason } => line
                .event("banned")
                .value("nick", nick)
                .value("by", by)
                .bounded("reason", reason, TEXT_LOGGED_MAX),
            Self::Unbanned { nick, by } => {
                line.event("unbanned").value("nick", nick).value("by", by)
            }
            Self::Dropped { count, cause } => line
                .event("dropped")
                .number("count", count)
                .value("cause", cause.name()),
            Self::Stopped { reason } => line.event("stopped").value("reason", reason),
            _ => self.push_of_peer(line),
        };
    }

    /// Those that only a peer without a server has.
    fn push_of_peer<'a, 'b>(&self, line: &'a mut Pairs<'b>) -> &'a mut Pairs<'b> {
        match *self {
            Self::Coordinator { nick, epoch } => line
                .event("coordinator")
                .value("nick", nick)
                .number("epoch", epoch),
            Self::Merged {
                lines,
                inserted,
                late,
            } => line
                .event("merged")
                .number("lines", lines)
                .number("inserted", inserted)
                .number("late", late),
            Self::Equivocation { nick, number } => line
                .event("equivocation")
                .value("nick", nick)
                .number("n", number),
            _ => line,
        }
    }
}
