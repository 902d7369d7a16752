//! Questions of operators and answers to them, as lines of JSON. Pure. A question that is none is
//! answered in words; a field that nobody knows is one.

use std::net::SocketAddr;

use lamparina_order::InviteId;
use lamparina_protocol::message::RefusalCode;
use lamparina_protocol::{AuthorKey, Fingerprint, MemberId, Nick, UnixMicros};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::access::InviteCode;
use crate::hub::{OperatorAnswer, OperatorAsk, Whom, Words};

/// The version that every line carries.
pub const VERSION: u64 = 1;
/// Bytes of a question, its end included.
pub const LINE_BYTES_MAX: usize = 4_096;
/// Seconds until an invite expires, at most: a hundred years.
const EXPIRES_S_MAX: u64 = 100 * 366 * 86_400;

/// A question.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Question {
    /// What server this is.
    Server,
    /// A new invite.
    InviteNew {
        #[serde(default = "one")]
        uses: u32,
        /// Left out for never.
        expires_s: Option<u64>,
    },
    /// Invites, newest first.
    InviteList {
        #[serde(default)]
        all: bool,
        before: Option<u64>,
    },
    /// An invite is taken back.
    InviteRevoke { invite: u64 },
    /// Members, by number.
    Members {
        #[serde(default)]
        present: bool,
        after: Option<u32>,
    },
    /// Somebody's session ends.
    Kick { who: String },
    /// Somebody may not come back.
    Ban {
        who: String,
        #[serde(default)]
        reason: String,
    },
    /// Somebody may.
    Unban { who: String },
}

/// What a question asks.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Wanted {
    /// What server this is.
    Server,
    /// Something of the order; for a new invite its code.
    Order(OperatorAsk, Option<InviteCode>),
}

/// What this server is.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub(super) listen: Vec<SocketAddr>,
    pub(super) by_invite: bool,
    /// Of the key by which clients know this server; none where links are in clear.
    pub(super) key: Option<Fingerprint>,
}

const fn one() -> u32 {
    1
}

/// Reads a question.
///
/// # Errors
///
/// Why it is none, in words.
pub(super) fn read(line: &[u8]) -> Result<Question, String> {
    let value: Value = serde_json::from_slice(line)
        .map_err(|error| format!("this is no line of JSON ({error}): see docs/operations.md"))?;
    let Value::Object(mut fields) = value else {
        return Err("a question is a JSON object: see docs/operations.md".to_owned());
    };
    match fields.remove("v").and_then(|v| v.as_u64()) {
        Some(VERSION) => {}
        _ => {
            return Err(format!(
                "say \"v\":{VERSION}: this server speaks no other version"
            ));
        }
    }
    serde_json::from_value(Value::Object(fields))
        .map_err(|error| format!("this asks for nothing known ({error}): see docs/operations.md"))
}

/// What a question asks: `by` asks, `now` is the wall clock, `code` is a new one.
///
/// # Errors
///
/// What is wrong with it, in words.
pub(super) fn wanted(
    question: Question,
    by: &str,
    now: UnixMicros,
    code: InviteCode,
) -> Result<Wanted, String> {
    let by = by.to_owned();
    let ask = match question {
        Question::Server => return Ok(Wanted::Server),
        Question::InviteNew { uses, expires_s } => {
            let expires_at = match expires_s {
                None => UnixMicros(0),
                Some(seconds @ 1..=EXPIRES_S_MAX) => UnixMicros(now.0 + seconds * 1_000_000),
                Some(_) => {
                    return Err(
                        "an invite expires after 1 second to 100 years, or never".to_owned()
                    );
                }
            };
            let hash = code.hash();
            let ask = OperatorAsk::Invite {
                hash,
                uses,
                expires_at,
                by,
            };
            return Ok(Wanted::Order(ask, Some(code)));
        }
        Question::InviteList { all, before } => OperatorAsk::Invites {
            before: before.map(InviteId),
            all,
        },
        Question::InviteRevoke { invite } => OperatorAsk::Revoke {
            invite: InviteId(invite),
            by,
        },
        Question::Members { present, after } => OperatorAsk::Members {
            after: after.map(MemberId),
            present,
        },
        Question::Kick { who } => OperatorAsk::Kick { whom: whom(&who)? },
        Question::Ban { who, reason } => OperatorAsk::Ban {
            whom: whom(&who)?,
            by,
            reason,
        },
        Question::Unban { who } => OperatorAsk::Unban {
            whom: whom(&who)?,
            by,
        },
    };
    Ok(Wanted::Order(ask, None))
}

/// A member by a nick, or by the 64 hexadecimal digits of its key.
fn whom(text: &str) -> Result<Whom, String> {
    if let Some(key) = key(text) {
        return Ok(Whom::Key(key));
    }
    let nick = Nick::try_from(text);
    nick.map(Whom::Nick)
        .map_err(|error| format!("{error}: name a member by its nick or by its key"))
}

fn key(text: &str) -> Option<AuthorKey> {
    let mut key = [0; 32];
    if text.len() != 2 * key.len() || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = str::from_utf8(digits).ok()?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(AuthorKey(key))
}

/// The answer to [`Question::Server`], and what a new invite's answer says beside.
pub(super) fn about(about: &About) -> Value {
    let listen: Vec<String> = about.listen.iter().map(SocketAddr::to_string).collect();
    json!({
        "v": VERSION,
        "ok": true,
        "listen": listen,
        "fingerprint": about.key.map(|key| key.to_string()),
        "words": about.key.map(|key| key.spoken()),
        "access": if about.by_invite { "invite" } else { "open" },
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
    })
}

/// A question that was not answered.
pub(super) fn refused(code: &str, words: &str) -> Value {
    json!({"v": VERSION, "ok": false, "code": code, "error": words})
}

/// An answer of the order; `now` is the wall clock.
pub(super) fn answer(
    answer: &OperatorAnswer,
    code: Option<&InviteCode>,
    server: &About,
    now: UnixMicros,
) -> Value {
    let mut said = match answer {
        OperatorAnswer::Invited(invite) => {
            let mut said = about(server);
            said["invite"] = json!(invite.0);
            said["code"] = json!(code.map(ToString::to_string));
            return said;
        }
        OperatorAnswer::Revoked(invite) => json!({"invite": invite.0}),
        OperatorAnswer::Kicked(nick) | OperatorAnswer::Unbanned(nick) => {
            json!({"nick": nick.as_str()})
        }
        OperatorAnswer::Banned(nick, was_present) => {
            json!({"nick": nick.as_str(), "was_connected": was_present})
        }
        OperatorAnswer::Invites(invites, more) => {
            let line = |(id, invite): &(InviteId, lamparina_order::Invite)| {
                let expires_at = Some(invite.expires_at.0).filter(|at| *at != 0);
                json!({
                    "invite": id.0,
                    "uses": invite.uses,
                    "used": invite.used,
                    "expires_at": expires_at.map(rfc3339),
                    "revoked": invite.revoked,
                    "open": invite.is_open(now),
                })
            };
            let invites: Vec<Value> = invites.iter().map(line).collect();
            json!({"invites": invites, "more": more})
        }
        OperatorAnswer::Members(members, more) => {
            let line = |member: &crate::hub::MemberLine| {
                json!({
                    "member": member.member.0,
                    "nick": member.nick.as_str(),
                    "key": member.author.to_string(),
                    "connected": member.present,
                    "banned": member.banned,
                })
            };
            let members: Vec<Value> = members.iter().map(line).collect();
            json!({"members": members, "more": more})
        }
        OperatorAnswer::Refused(Words { code, text }) => return refused(code.name(), text),
    };
    said["v"] = json!(VERSION);
    said["ok"] = json!(true);
    said
}

/// What a question gets when the server ends before it is answered.
pub(super) fn closing() -> Value {
    refused(
        RefusalCode::ShuttingDown.name(),
        "the server is closing: ask again when it is back, and look whether this was done",
    )
}

fn rfc3339(micros: u64) -> String {
    let micros = i64::try_from(micros).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_microsecond(micros) {
        Ok(time) => format!("{time:.0}"),
        Err(_) => "never".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> InviteCode {
        InviteCode::from_random([3; crate::access::CODE_CHARS])
    }

    #[track_caller]
    fn check(line: &str, expected: Result<OperatorAsk, &str>) {
        let now = UnixMicros(5);
        let got = read(line.as_bytes()).and_then(|asked| wanted(asked, "uid 7", now, code()));
        match (got, expected) {
            (Ok(Wanted::Order(ask, _)), Ok(expected)) => assert_eq!(ask, expected),
            (Err(words), Err(expected)) => assert!(words.contains(expected), "{words}"),
            (got, expected) => panic!("{got:?}, not {expected:?}"),
        }
    }

    #[test]
    fn questions_are_what_the_page_says() {
        let by = || "uid 7".to_owned();
        let nick = |text: &str| Whom::Nick(Nick::try_from(text).unwrap());
        let invite = |uses, expires_at| OperatorAsk::Invite {
            hash: code().hash(),
            uses,
            expires_at: UnixMicros(expires_at),
            by: by(),
        };
        check(r#"{"v":1,"do":"invite-new"}"#, Ok(invite(1, 0)));
        check(
            r#"{"v":1,"do":"invite-new","uses":3,"expires_s":2}"#,
            Ok(invite(3, 2_000_005)),
        );
        check(
            r#"{"v":1,"do":"invite-revoke","invite":4}"#,
            Ok(OperatorAsk::Revoke {
                invite: InviteId(4),
                by: by(),
            }),
        );
        check(
            r#"{"v":1,"do":"ban","who":"ana","reason":"why"}"#,
            Ok(OperatorAsk::Ban {
                whom: nick("ana"),
                by: by(),
                reason: "why".to_owned(),
            }),
        );
        let key = Whom::Key(AuthorKey([0xab; 32]));
        check(
            &format!(r#"{{"v":1,"do":"kick","who":"{}"}}"#, "aB".repeat(32)),
            Ok(OperatorAsk::Kick { whom: key }),
        );
        let members = OperatorAsk::Members {
            after: Some(MemberId(2)),
            present: true,
        };
        check(
            r#"{"v":1,"do":"members","present":true,"after":2}"#,
            Ok(members),
        );
    }

    #[test]
    fn what_is_no_question_is_refused_in_words() {
        check("", Err("no line of JSON"));
        check("{", Err("no line of JSON"));
        check("[]", Err("JSON object"));
        check("{}", Err("\"v\":1"));
        check(r#"{"v":2,"do":"server"}"#, Err("\"v\":1"));
        check(r#"{"v":1,"do":"destroy"}"#, Err("nothing known"));
        check(r#"{"v":1,"do":"kick"}"#, Err("nothing known"));
        check(
            r#"{"v":1,"do":"kick","who":"ana","x":1}"#,
            Err("nothing known"),
        );
        check(
            r#"{"v":1,"do":"kick","who":"a b"}"#,
            Err("nick or by its key"),
        );
        check(
            r#"{"v":1,"do":"invite-new","expires_s":0}"#,
            Err("100 years"),
        );
        check(
            r#"{"v":1,"do":"invite-new","uses":-1}"#,
            Err("nothing known"),
        );
        let deep = format!(
            r#"{{"v":1,"do":{}{}}}"#,
            "[".repeat(2_000),
            "]".repeat(2_000)
        );
        check(&deep, Err(""));
    }
}
