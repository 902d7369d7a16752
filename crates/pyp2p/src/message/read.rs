//! Lines into messages, generously: members that are missing are taken for absent where anything
//! can still be done, and those that are not known are passed over.

use serde_json::{Map, Value};

use super::Topic;
use crate::ids::{MsgId, PeerId};
use crate::json::{NotObject, object, shortened};
use crate::limits::REASON_CHARS_MAX;

/// What came from a peer. Who sent it is whose connection it came by: nobody passes messages on, and
/// `src` is not always there (rule 3).
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    /// The dialler says who it is.
    Hello(Greeting),
    /// The acceptor does.
    HelloOk(Greeting),
    /// Asks for a PONG.
    Ping {
        /// What PONG has to repeat.
        msg_id: Option<MsgId>,
    },
    /// Answers a PING.
    Pong {
        /// The PING's.
        msg_id: Option<MsgId>,
    },
    /// A message for us.
    Send {
        /// What ACK has to repeat.
        msg_id: Option<MsgId>,
        /// The text.
        payload: String,
        /// Whether an ACK is asked for; where nothing is said, it is not (rule 3).
        require_ack: bool,
    },
    /// A SEND of ours arrived.
    Ack {
        /// The SEND's.
        msg_id: Option<MsgId>,
    },
    /// A message for many.
    Pub {
        /// What it is called; some programs give each receiver another one (rule 4).
        msg_id: Option<MsgId>,
        /// For whom it is.
        topic: Topic,
        /// The text.
        payload: String,
    },
    /// The peer leaves.
    Bye {
        /// What BYE_OK has to repeat.
        msg_id: Option<MsgId>,
        /// Why, shortened; empty where nothing is said.
        reason: String,
    },
    /// Answers our BYE.
    ByeOk,
    /// A type that we do not know, shortened (rule 8).
    Other {
        /// The type.
        kind: String,
    },
}

/// What HELLO and HELLO_OK say of who sends them.
#[derive(Clone, Debug, PartialEq)]
pub struct Greeting {
    /// Who it is.
    pub peer_id: PeerId,
    /// The member by which two programs of ours know each other; features prove nothing (rule 7).
    pub lamparina: Option<Map<String, Value>>,
}

/// A line that says nothing: it is dropped, and the connection stays (rule 9).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unreadable {
    /// It is no object.
    #[error(transparent)]
    NotObject(#[from] NotObject),
    /// It has no `type`, or one that is no text.
    #[error("the object has no type")]
    NoType,
    /// What it cannot be understood without is missing, too long, or no text.
    #[error("{kind} has no {member} that can be used")]
    Member {
        /// The type.
        kind: &'static str,
        /// The member.
        member: &'static str,
    },
}

/// Reads one line, with or without its newline.
///
/// # Errors
///
/// [`Unreadable`].
pub fn read(line: &str) -> Result<Received, Unreadable> {
    let object = object(line)?;
    let kind = text(&object, "type").ok_or(Unreadable::NoType)?;
    let msg_id = text(&object, "msg_id").and_then(MsgId::received);
    Ok(match kind.to_ascii_uppercase().as_str() {
        "HELLO" => Received::Hello(greeting(&object, "HELLO")?),
        "HELLO_OK" => Received::HelloOk(greeting(&object, "HELLO_OK")?),
        "PING" => Received::Ping { msg_id },
        "PONG" => Received::Pong { msg_id },
        "SEND" => Received::Send {
            msg_id,
            payload: payload(&object, "SEND")?,
            require_ack: object.get("require_ack") == Some(&Value::Bool(true)),
        },
        "ACK" => Received::Ack { msg_id },
        "PUB" => Received::Pub {
            msg_id,
            topic: Topic::read(text(&object, "dst").unwrap_or_default()),
            payload: payload(&object, "PUB")?,
        },
        "BYE" => Received::Bye {
            msg_id,
            reason: shortened(
                text(&object, "reason").unwrap_or_default(),
                REASON_CHARS_MAX,
            ),
        },
        "BYE_OK" => Received::ByeOk,
        _ => Received::Other {
            kind: shortened(kind, REASON_CHARS_MAX),
        },
    })
}

fn greeting(object: &Map<String, Value>, kind: &'static str) -> Result<Greeting, Unreadable> {
    let member = "peer_id";
    let peer_id = text(object, member).and_then(PeerId::received);
    Ok(Greeting {
        peer_id: peer_id.ok_or(Unreadable::Member { kind, member })?,
        lamparina: object.get("lamparina").and_then(Value::as_object).cloned(),
    })
}

fn payload(object: &Map<String, Value>, kind: &'static str) -> Result<String, Unreadable> {
    let member = "payload";
    let payload = text(object, member).ok_or(Unreadable::Member { kind, member })?;
    Ok(payload.to_owned())
}

fn text<'a>(object: &'a Map<String, Value>, member: &str) -> Option<&'a str> {
    object.get(member).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Option<MsgId> {
        MsgId::received(text)
    }

    #[track_caller]
    fn check(line: &str, expect: Received) {
        assert_eq!(read(line), Ok(expect));
    }

    fn hello(peer: &str) -> Greeting {
        Greeting {
            peer_id: PeerId::received(peer).unwrap(),
            lamparina: None,
        }
    }

    #[test]
    fn rule_1_a_timestamp_is_never_needed_in_any_form() {
        for timestamp in [
            r#""2026-02-03T10:11:12Z""#,
            r#""2026-02-03T10:11:12.123456+00:00""#,
            r#""2026-02-03T10:11:12""#,
            "1770113472.5",
            "null",
            "{}",
        ] {
            let line = format!(r#"{{"type":"PONG","msg_id":"m","timestamp":{timestamp},"ttl":1}}"#);
            check(&line, Received::Pong { msg_id: id("m") });
            let line = line.replace("PONG", "ACK");
            check(&line, Received::Ack { msg_id: id("m") });
        }
        let line = r#"{"type":"ACK","msg_id":"m"}"#;
        check(line, Received::Ack { msg_id: id("m") });
    }

    #[test]
    fn rule_2_members_that_are_not_known_are_passed_over() {
        let line = r#"{"ttl":1,"src":"rui@lab","msg_id":"m","features":["ack"],"version":"1.0","peer_id":"rui@lab","type":"HELLO"}"#;
        check(line, Received::Hello(hello("rui@lab")));
        let line = line.replace("HELLO", "HELLO_OK").replace("[\"ack\"]", "7");
        check(&line, Received::HelloOk(hello("rui@lab")));
        let line = r#"{"type":"ACK","msg_id":"m","src":1,"dst":[],"x":{"y":null}}"#;
        check(line, Received::Ack { msg_id: id("m") });
        let line = r#"{"type":"PING","src":"a@b","msg_id":"m"}"#;
        check(line, Received::Ping { msg_id: id("m") });
    }

    #[test]
    fn rule_3_members_may_be_missing() {
        let payload = || "oi".to_owned();
        check(
            r#"{"type":"PUB","msg_id":"m","src":"c@lab","dst":"*","payload":"oi","ttl":1}"#,
            Received::Pub {
                msg_id: id("m"),
                topic: Topic::All,
                payload: payload(),
            },
        );
        for (require_ack, expect) in [
            ("", false),
            (r#","require_ack":false"#, false),
            (r#","require_ack":null"#, false),
            (r#","require_ack":true"#, true),
        ] {
            check(
                &format!(r#"{{"type":"SEND","msg_id":"m","payload":"oi"{require_ack}}}"#),
                Received::Send {
                    msg_id: id("m"),
                    payload: payload(),
                    require_ack: expect,
                },
            );
        }
        let reason = String::new();
        check(
            r#"{"type":"BYE","msg_id":"m","src":"f@lab"}"#,
            Received::Bye {
                msg_id: id("m"),
                reason,
            },
        );
        check(r#"{"type":"BYE_OK","msg_id":"m"}"#, Received::ByeOk);
    }

    #[test]
    fn rule_4_a_pub_may_name_a_bare_namespace() {
        let line = r#"{"type":"PUB","msg_id":"m","dst":"lab","payload":"oi"}"#;
        let topic = Topic::Namespace("lab".to_owned());
        check(
            line,
            Received::Pub {
                msg_id: id("m"),
                topic,
                payload: "oi".to_owned(),
            },
        );
    }

    #[test]
    fn rule_7_our_own_member_is_an_object_in_hello() {
        let with = |value: &str| {
            let line = format!(
                r#"{{"type":"HELLO_OK","peer_id":"b@lab","version":"1.0","features":["ack","metrics"],"lamparina":{value}}}"#
            );
            match read(&line) {
                Ok(Received::HelloOk(greeting)) => greeting.lamparina,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(with(r#"{"port":4100}"#).unwrap()["port"], 4100);
        assert_eq!(with("true"), None);
        assert_eq!(with("\"x\""), None);
    }

    #[test]
    fn rule_8_types_that_are_not_known_are_named() {
        for (line, kind) in [
            (
                r#"{"type":"HELLO_REJECT","reason":"duplicate"}"#,
                "HELLO_REJECT",
            ),
            (
                r#"{"type":"RELAY","src":"c@lab","dst":"*","payload":"x","ttl":3}"#,
                "RELAY",
            ),
            (r#"{"type":""}"#, ""),
        ] {
            check(
                line,
                Received::Other {
                    kind: kind.to_owned(),
                },
            );
        }
    }

    #[test]
    fn rule_9_what_says_nothing_is_named_too() {
        #[track_caller]
        fn bad(line: &str, words: &str) {
            assert_eq!(read(line).unwrap_err().to_string(), words);
        }
        bad("", "the line is empty");
        bad("  \r", "the line is empty");
        bad("hello", "the line is not JSON");
        bad("{\"type\":\"PING\"", "the line is not JSON");
        bad("[\"PING\"]", "the line is no object");
        bad("{}", "the object has no type");
        bad(r#"{"type":7}"#, "the object has no type");
        bad(
            r#"{"type":"HELLO"}"#,
            "HELLO has no peer_id that can be used",
        );
        bad(
            r#"{"type":"HELLO","peer_id":""}"#,
            "HELLO has no peer_id that can be used",
        );
        let long = format!(r#"{{"type":"HELLO_OK","peer_id":"{}"}}"#, "x".repeat(200));
        bad(&long, "HELLO_OK has no peer_id that can be used");
        bad(
            r#"{"type":"SEND","msg_id":"m","payload":5}"#,
            "SEND has no payload that can be used",
        );
        bad(
            r#"{"type":"PUB","msg_id":"m"}"#,
            "PUB has no payload that can be used",
        );
        let line = r#"{"type":"PING","msg_id":{}}"#;
        check(line, Received::Ping { msg_id: None });
    }
}
