//! Messages into lines: every member of its type each time, `payload` a text, `ttl` 1 (rule 14).

use lamparina_protocol::UnixMicros;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{FEATURES, VERSION};
use crate::ids::{MsgId, PeerId};
use crate::line::{self, LineTooLong};

/// What we say. Members are written in this order, `type` first.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the members are those of docs/pyp2p.md")]
pub enum Message<'a> {
    /// We dialled, and this is who we are.
    Hello(Card<'a>),
    /// We accepted, and this is who we are.
    HelloOk(Card<'a>),
    /// Asks for a PONG.
    Ping {
        msg_id: &'a MsgId,
        #[serde(serialize_with = "write_time")]
        timestamp: UnixMicros,
        ttl: Ttl,
    },
    /// Answers a PING, with the time of answering.
    Pong {
        /// The PING's; empty where it had none.
        msg_id: &'a str,
        #[serde(serialize_with = "write_time")]
        timestamp: UnixMicros,
        ttl: Ttl,
    },
    /// A message for one peer.
    Send {
        msg_id: &'a MsgId,
        src: &'a PeerId,
        dst: &'a PeerId,
        payload: &'a str,
        require_ack: bool,
        ttl: Ttl,
    },
    /// A SEND arrived.
    Ack {
        msg_id: &'a MsgId,
        #[serde(serialize_with = "write_time")]
        timestamp: UnixMicros,
        ttl: Ttl,
    },
    /// A message for many.
    Pub {
        msg_id: &'a MsgId,
        src: &'a PeerId,
        /// [`Topic`](super::Topic), written.
        dst: &'a str,
        payload: &'a str,
        require_ack: bool,
        ttl: Ttl,
    },
    /// We leave.
    Bye {
        msg_id: &'a MsgId,
        src: &'a PeerId,
        dst: &'a PeerId,
        reason: &'a str,
        ttl: Ttl,
    },
    /// Answers a BYE.
    ByeOk {
        /// The BYE's; empty where it had none.
        msg_id: &'a str,
        src: &'a PeerId,
        dst: &'a PeerId,
        ttl: Ttl,
    },
}

/// What HELLO and HELLO_OK say of us.
#[derive(Clone, Debug, Serialize)]
pub struct Card<'a> {
    peer_id: &'a PeerId,
    version: &'static str,
    features: [&'static str; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    lamparina: Option<&'a Map<String, Value>>,
    ttl: Ttl,
}

impl<'a> Card<'a> {
    /// Of `peer_id`, with the member by which our own programs know each other, or without.
    pub const fn new(peer_id: &'a PeerId, lamparina: Option<&'a Map<String, Value>>) -> Self {
        Self {
            peer_id,
            version: VERSION,
            features: FEATURES,
            lamparina,
            ttl: Ttl,
        }
    }
}

/// `ttl`: always 1, for nobody passes anything on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ttl;

impl Serialize for Ttl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(1)
    }
}

impl Message<'_> {
    /// The line to send, with its newline.
    ///
    /// # Errors
    ///
    /// [`LineTooLong`]: the text is too long once it is written as ASCII.
    pub fn to_line(&self) -> Result<String, LineTooLong> {
        line::write(self)
    }
}

/// `2026-02-03T10:11:12Z`, the form that every program reads.
fn write_time<S: Serializer>(at: &UnixMicros, serializer: S) -> Result<S::Ok, S::Error> {
    let seconds = i64::try_from(at.0 / 1_000_000).unwrap_or(i64::MAX);
    // Where a clock says a year that nobody can write, no decision depends on it.
    let at = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    serializer.collect_str(&at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Received, Topic, read};

    const NOON: UnixMicros = UnixMicros(1_770_113_472_999_999);

    fn peer(text: &str) -> PeerId {
        PeerId::received(text).unwrap()
    }

    #[track_caller]
    fn check(message: &Message<'_>, json: &str) {
        assert_eq!(message.to_line().unwrap(), format!("{json}\n"));
    }

    #[test]
    fn rule_14_every_member_is_there_and_ttl_is_1() {
        let (ana, rui, id) = (
            peer("ana@lab"),
            peer("rui@lab"),
            MsgId::received("m").unwrap(),
        );
        let (msg_id, timestamp, ttl) = (&id, NOON, Ttl);
        let (src, dst) = (&ana, &rui);
        check(
            &Message::Hello(Card::new(&ana, None)),
            r#"{"type":"HELLO","peer_id":"ana@lab","version":"1.0","features":["ack","metrics"],"ttl":1}"#,
        );
        let ours = [("port".to_owned(), 4100.into())].into_iter().collect();
        check(
            &Message::HelloOk(Card::new(&rui, Some(&ours))),
            r#"{"type":"HELLO_OK","peer_id":"rui@lab","version":"1.0","features":["ack","metrics"],"lamparina":{"port":4100},"ttl":1}"#,
        );
        check(
            &Message::Ping {
                msg_id,
                timestamp,
                ttl,
            },
            r#"{"type":"PING","msg_id":"m","timestamp":"2026-02-03T10:11:12Z","ttl":1}"#,
        );
        check(
            &Message::Pong {
                msg_id: "m",
                timestamp,
                ttl,
            },
            r#"{"type":"PONG","msg_id":"m","timestamp":"2026-02-03T10:11:12Z","ttl":1}"#,
        );
        check(
            &Message::Send {
                msg_id,
                src,
                dst,
                payload: "bom dia",
                require_ack: true,
                ttl,
            },
            r#"{"type":"SEND","msg_id":"m","src":"ana@lab","dst":"rui@lab","payload":"bom dia","require_ack":true,"ttl":1}"#,
        );
        check(
            &Message::Ack {
                msg_id,
                timestamp,
                ttl,
            },
            r#"{"type":"ACK","msg_id":"m","timestamp":"2026-02-03T10:11:12Z","ttl":1}"#,
        );
        check(
            &Message::Pub {
                msg_id,
                src,
                dst: "#lab",
                payload: "\u{e9}\u{1f600}",
                require_ack: false,
                ttl,
            },
            r##"{"type":"PUB","msg_id":"m","src":"ana@lab","dst":"#lab","payload":"\u00e9\ud83d\ude00","require_ack":false,"ttl":1}"##,
        );
        check(
            &Message::Bye {
                msg_id,
                src,
                dst,
                reason: "fim",
                ttl,
            },
            r#"{"type":"BYE","msg_id":"m","src":"ana@lab","dst":"rui@lab","reason":"fim","ttl":1}"#,
        );
        check(
            &Message::ByeOk {
                msg_id: "m",
                src,
                dst,
                ttl,
            },
            r#"{"type":"BYE_OK","msg_id":"m","src":"ana@lab","dst":"rui@lab","ttl":1}"#,
        );
    }

    #[test]
    fn a_clock_that_is_far_off_is_written_all_the_same() {
        let id = MsgId::received("m").unwrap();
        let ping = Message::Ping {
            msg_id: &id,
            timestamp: UnixMicros(u64::MAX),
            ttl: Ttl,
        };
        check(
            &ping,
            r#"{"type":"PING","msg_id":"m","timestamp":"1970-01-01T00:00:00Z","ttl":1}"#,
        );
    }

    #[test]
    fn what_is_written_is_read_again() {
        let (ana, id) = (peer("ana@lab"), MsgId::from_random([7; 16]));
        let topic = Topic::Namespace("lab".to_owned());
        let text = "a\u{1f600}\n\"";
        let line = Message::Pub {
            msg_id: &id,
            src: &ana,
            dst: &topic.to_string(),
            payload: text,
            require_ack: false,
            ttl: Ttl,
        };
        let read = read(&line.to_line().unwrap());
        assert_eq!(
            read,
            Ok(Received::Pub {
                msg_id: Some(id),
                topic,
                payload: text.to_owned()
            })
        );
    }
}
