//! Entries as JSON: one object a line. A message has the fields of a client's `message` event, and
//! `index` and `at`; it has no `prev`, which only a recipient has, and is `history` for that reason.

use lamparina_order::{Record, Recorded, RecordedMessage};
use lamparina_protocol::clean;
use serde::Serialize;

use super::when::rfc3339;

/// The version that every line carries.
const VERSION: u8 = 1;

#[derive(Serialize)]
struct Line<'a> {
    v: u8,
    #[serde(flatten)]
    event: Json<'a>,
    index: u64,
    at: String,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Json<'a> {
    Message {
        stamp: u64,
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
        history: bool,
    },
    Began {
        term: u32,
        after: u64,
    },
    Clock {
        clock: u64,
        after: u64,
    },
    Claimed {
        nick: &'a str,
        member: u32,
        author: String,
        epoch: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        invite: Option<u64>,
        after: u64,
    },
    InviteMade {
        invite: u64,
        uses: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<String>,
        by: &'a str,
        after: u64,
    },
    InviteRevoked {
        invite: u64,
        by: &'a str,
        after: u64,
    },
    Banned {
        nick: &'a str,
        member: u32,
        by: &'a str,
        reason: &'a str,
        after: u64,
    },
    Unbanned {
        nick: &'a str,
        member: u32,
        by: &'a str,
        after: u64,
    },
    Renamed {
        from: &'a str,
        to: &'a str,
        member: u32,
        after: u64,
    },
    JoinedRoom {
        nick: &'a str,
        room: String,
        member: u32,
        after: u64,
    },
    LeftRoom {
        nick: &'a str,
        room: String,
        member: u32,
        after: u64,
    },
    Refused {
        code: &'static str,
        member: u32,
        epoch: u64,
        pseq: u64,
        after: u64,
    },
}

/// An entry as one line, without its end.
pub(crate) fn line(record: &Record) -> String {
    let line = Line {
        v: VERSION,
        event: json(record),
        index: record.index.0,
        at: rfc3339(record.at),
    };
    // Numbers, texts and lists of them: every value has a form.
    visible(serde_json::to_string(&line).unwrap_or_default())
}

/// Escapes, besides what JSON demands, what a terminal would obey or hide: the value is the same.
/// Outside of strings JSON has nothing of that kind.
pub fn visible(json: String) -> String {
    // Controls are escaped already; of ASCII one is left.
    let harmless = json.is_ascii() && !json.contains('\u{7f}');
    if harmless || !json.contains(clean::is_harmful) {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if clean::is_harmful(c) {
            let mut units = [0; 2];
            let units = c.encode_utf16(&mut units);
            out.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

fn json(record: &Record) -> Json<'_> {
    let after = record.stamp.get();
    match &record.event {
        Recorded::Message(message) => said(after, message),
        Recorded::Began { term } => Json::Began {
            term: term.0,
            after,
        },
        Recorded::Clock { clock } => Json::Clock {
            clock: clock.get(),
            after,
        },
        Recorded::Claimed {
            member,
            author,
            epoch,
            nick,
        } => Json::Claimed {
            nick: nick.as_str(),
            member: member.0,
            author: author.to_string(),
            epoch: epoch.0,
            invite: None,
            after,
        },
        Recorded::Redeemed {
            member,
            author,
            epoch,
            nick,
            invite,
        } => Json::Claimed {
            nick: nick.as_str(),
            member: member.0,
            author: author.to_string(),
            epoch: epoch.0,
            invite: Some(invite.0),
            after,
        },
        Recorded::InviteMade {
            invite,
            uses,
            expires_at,
            by,
            ..
        } => Json::InviteMade {
            invite: invite.0,
            uses: *uses,
            expires_at: (expires_at.0 != 0).then(|| rfc3339(*expires_at)),
            by,
            after,
        },
        Recorded::InviteRevoked { invite, by } => Json::InviteRevoked {
            invite: invite.0,
            by,
            after,
        },
        Recorded::Banned {
            member,
            nick,
            by,
            reason,
        } => Json::Banned {
            nick: nick.as_str(),
            member: member.0,
            by,
            reason,
            after,
        },
        Recorded::Unbanned { member, nick, by } => Json::Unbanned {
            nick: nick.as_str(),
            member: member.0,
            by,
            after,
        },
        Recorded::Renamed { member, from, to } => Json::Renamed {
            from: from.as_str(),
            to: to.as_str(),
            member: member.0,
            after,
        },
        Recorded::RoomJoined {
            member, nick, name, ..
        } => Json::JoinedRoom {
            nick: nick.as_str(),
            room: format!("#{name}"),
            member: member.0,
            after,
        },
        Recorded::RoomLeft {
            member, nick, name, ..
        } => Json::LeftRoom {
            nick: nick.as_str(),
            room: format!("#{name}"),
            member: member.0,
            after,
        },
        Recorded::Refused {
            member,
            epoch,
            pseq,
            code,
            ..
        } => Json::Refused {
            code: code.name(),
            member: member.0,
            epoch: epoch.0,
            pseq: pseq.0,
            after,
        },
    }
}

fn said(stamp: u64, message: &RecordedMessage) -> Json<'_> {
    Json::Message {
        stamp,
        from: message.from.as_str(),
        kind: message.audience.kind(),
        to: message.audience.names(),
        text: &message.text,
        sent_at: rfc3339(message.sent_at),
        clock: message.clock.get(),
        seen: message.seen.get(),
        member: message.member.0,
        epoch: message.epoch.0,
        pseq: message.pseq.0,
        history: true,
    }
}
