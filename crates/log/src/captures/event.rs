//! A line of a client's `--json` output, as far as it says something of the order.

use lamparina_order::verify::{Content, MessageId, Observed};
use lamparina_protocol::{Audience, Epoch, Lamport, MemberId, Nick, Pseq, RoomName};
use serde::Deserialize;

/// An event. Types and fields that are not known here are nothing to this check.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Event {
    /// The client is connected, to this log.
    Connected {
        member: Option<u32>,
        log: Option<String>,
    },
    /// The server has another log.
    NewLog { log: String },
    /// The log lost its end since: what was seen there after `to` is no more.
    Rewound { to: u64 },
    /// Its own message has this place, and what it says, where the client tells.
    Committed {
        epoch: u64,
        pseq: u64,
        stamp: u64,
        text: Option<String>,
    },
    /// It was delivered a message, or shown one from before its time.
    Message(Box<Shown>),
    /// Anything else.
    #[serde(other)]
    Other,
}

/// A message as a client shows it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub(super) struct Shown {
    stamp: u64,
    prev: Option<u64>,
    from: String,
    kind: String,
    to: Vec<String>,
    text: String,
    clock: u64,
    seen: u64,
    member: u32,
    epoch: u64,
    pseq: u64,
    #[serde(default)]
    history: bool,
}

impl Shown {
    /// Its place.
    pub(super) const fn stamp(&self) -> u64 {
        self.stamp
    }

    /// The same in the terms of the order.
    pub(super) fn observed(self) -> Result<Observed, String> {
        let audience = audience(&self.kind, self.to)?;
        Ok(Observed {
            stamp: Lamport::new(self.stamp),
            prev: self.prev.filter(|_| !self.history).map(Lamport::new),
            id: MessageId {
                member: MemberId(self.member),
                epoch: Epoch(self.epoch),
                pseq: Pseq(self.pseq),
            },
            content: Content {
                from: nick(&self.from)?,
                clock: Lamport::new(self.clock),
                seen: Lamport::new(self.seen),
                audience,
                text: self.text,
            },
        })
    }
}

fn nick(name: &str) -> Result<Nick, String> {
    Nick::try_from(name).map_err(|error| format!("{name:?} is no nick: {error}"))
}

fn audience(kind: &str, to: Vec<String>) -> Result<Audience, String> {
    match (kind, to.as_slice()) {
        ("unicast", [name]) => Ok(Audience::Unicast(nick(name)?)),
        ("multicast", names) => {
            let names: Result<_, _> = names.iter().map(|name| nick(name)).collect();
            Ok(Audience::Multicast(names?))
        }
        ("broadcast", [all]) if all == "ALL" => Ok(Audience::All),
        ("broadcast", [room]) => {
            let name = room
                .strip_prefix('#')
                .and_then(|name| RoomName::try_from(name).ok());
            let name = name.ok_or_else(|| format!("{room:?} is no room"))?;
            Ok(Audience::Room(name))
        }
        _ => Err(format!("a {kind} is not for {}", to.join(","))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_a_client_are_read() {
        let read = |line: &str| serde_json::from_str::<Event>(line).unwrap();
        let line = r##"{"v":1,"type":"connected","server":"x","as":"ana","stamp":41,"member":2,"log":"ab"}"##;
        let (member, log) = (Some(2), Some("ab".to_owned()));
        assert_eq!(read(line), Event::Connected { member, log });
        assert_eq!(
            read(r#"{"v":1,"type":"joined","nick":"bob","after":4}"#),
            Event::Other
        );
        let line = r##"{"v":1,"type":"message","stamp":42,"prev":40,"from":"bob","kind":"broadcast","to":["#lab"],"text":"x","sent_at":"","clock":41,"seen":0,"member":7,"epoch":70,"pseq":42}"##;
        let Event::Message(shown) = read(line) else {
            panic!("no message");
        };
        let observed = shown.observed().unwrap();
        assert_eq!(observed.prev, Some(Lamport::new(40)));
        assert_eq!(
            observed.content.audience,
            Audience::Room(RoomName::try_from("lab").unwrap())
        );
    }

    #[test]
    fn what_no_client_prints_is_told() {
        let to = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        assert!(audience("unicast", to(&["a", "b"])).is_err());
        assert!(audience("broadcast", to(&["lab"])).is_err());
        assert!(audience("unicast", to(&["a b"])).is_err());
        assert!(audience("shout", to(&["ALL"])).is_err());
        assert_eq!(audience("broadcast", to(&["ALL"])), Ok(Audience::All));
    }
}
