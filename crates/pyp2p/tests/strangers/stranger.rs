//! Programs of others, with what was seen of each: what they drop, what they close on, what they leave out.
//! Whatever we must never do to them is a panic here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;

/// When a program drops whatever comes behind the first newline of a read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum FirstLineOnly {
    Always,
    InHandshake,
    Never,
}

/// What it does with a second connection of the same peer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Second {
    CloseAtOnce,
    CloseAfterHelloOk,
    Reject,
    Keep,
}

/// One program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quirks {
    pub(crate) name: &'static str,
    pub(crate) first_line_only: FirstLineOnly,
    pub(crate) second: Second,
    /// HELLO and SEND in one write.
    pub(crate) bursts: bool,
    /// It says nothing of its own, and answers no PING, on a connection that it accepted.
    pub(crate) speaks_where_it_dialled: bool,
    pub(crate) closes_on_pub: bool,
    pub(crate) closes_on_bye: bool,
    pub(crate) keeps_open_after_bye_ok: bool,
    /// Members that it leaves out.
    pub(crate) terse: bool,
    pub(crate) echoes_features: bool,
}

const PLAIN: Quirks = Quirks {
    name: "",
    first_line_only: FirstLineOnly::Never,
    second: Second::Keep,
    bursts: false,
    speaks_where_it_dialled: false,
    closes_on_pub: false,
    closes_on_bye: false,
    keeps_open_after_bye_ok: false,
    terse: false,
    echoes_features: false,
};

pub(crate) const ALL: [Quirks; 6] = [
    Quirks {
        name: "a",
        first_line_only: FirstLineOnly::Always,
        second: Second::CloseAtOnce,
        terse: true,
        ..PLAIN
    },
    Quirks {
        name: "b",
        first_line_only: FirstLineOnly::Always,
        second: Second::Reject,
        echoes_features: true,
        ..PLAIN
    },
    Quirks {
        name: "c",
        first_line_only: FirstLineOnly::InHandshake,
        second: Second::CloseAfterHelloOk,
        ..PLAIN
    },
    Quirks {
        name: "d",
        closes_on_pub: true,
        closes_on_bye: true,
        ..PLAIN
    },
    Quirks { name: "e", ..PLAIN },
    Quirks {
        name: "f",
        bursts: true,
        speaks_where_it_dialled: true,
        keeps_open_after_bye_ok: true,
        terse: true,
        ..PLAIN
    },
];

/// What it wants done with a connection.
pub(crate) enum Do {
    Write(String),
    Close,
}

struct Connection {
    dialled: bool,
    greeted: bool,
    partial: Vec<u8>,
    said_bye: bool,
    heard_bye: bool,
    closed: bool,
}

pub(crate) struct Stranger {
    pub(crate) quirks: Quirks,
    connections: BTreeMap<u64, Connection>,
    /// Texts that it was sent, each once.
    pub(crate) heard: BTreeSet<String>,
    /// What it has to say and nobody has acknowledged: by msg_id.
    to_say: BTreeMap<String, String>,
    unsent: VecDeque<String>,
    /// Lines that it dropped for being behind another one.
    pub(crate) dropped: usize,
}

impl Stranger {
    pub(crate) fn new(quirks: Quirks, says: usize) -> Self {
        let text = |n: usize| {
            (
                format!("{}-{n}", quirks.name),
                format!("{} says {n} \u{e9}", quirks.name),
            )
        };
        let to_say: BTreeMap<_, _> = (0..says).map(text).collect();
        Self {
            quirks,
            connections: BTreeMap::new(),
            heard: BTreeSet::new(),
            unsent: to_say.keys().cloned().collect(),
            to_say,
            dropped: 0,
        }
    }

    pub(crate) fn peer_id(&self) -> String {
        format!("{}@lab", self.quirks.name)
    }

    /// Everything that it said was acknowledged.
    pub(crate) fn is_content(&self) -> bool {
        self.to_say.is_empty()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connections
            .values()
            .any(|one| one.greeted && !one.closed)
    }

    pub(crate) fn opened(&mut self, pipe: u64, dialled: bool) -> Vec<Do> {
        let connection = Connection {
            dialled,
            greeted: false,
            partial: Vec::new(),
            said_bye: false,
            heard_bye: false,
            closed: false,
        };
        self.connections.insert(pipe, connection);
        if !dialled {
            return Vec::new();
        }
        let mut hello = self.greeting("HELLO");
        if self.quirks.bursts
            && let Some(msg_id) = self.unsent.pop_front()
        {
            hello.push_str(&self.send(&msg_id));
        }
        vec![Do::Write(hello)]
    }

    /// The other side has closed. Without a word it would go round in circles for ever.
    pub(crate) fn ended(&mut self, pipe: u64) {
        let one = self.connections.get_mut(&pipe).unwrap();
        assert!(
            one.heard_bye || one.said_bye || one.closed || !one.greeted,
            "{}: closed without BYE",
            self.quirks.name
        );
        one.closed = true;
    }

    /// What one read gave.
    pub(crate) fn read(&mut self, pipe: u64, bytes: &[u8]) -> Vec<Do> {
        assert!(bytes.is_ascii(), "a character may be cut by a read");
        let one = self.connections.get_mut(&pipe).unwrap();
        if one.closed {
            return Vec::new();
        }
        one.partial.extend_from_slice(bytes);
        let mut lines: VecDeque<String> = VecDeque::new();
        while let Some(at) = one.partial.iter().position(|&byte| byte == b'\n') {
            let rest = one.partial.split_off(at + 1);
            let line = std::mem::replace(&mut one.partial, rest);
            lines.push_back(String::from_utf8(line).unwrap());
        }
        let drops = match self.quirks.first_line_only {
            FirstLineOnly::Always => true,
            FirstLineOnly::InHandshake => !one.greeted,
            FirstLineOnly::Never => false,
        };
        if drops && !lines.is_empty() {
            self.dropped += lines.len() - 1;
            lines.truncate(1);
            one.partial.clear();
        }
        let mut out = Vec::new();
        for line in lines {
            let object: Value = serde_json::from_str(&line).expect("each line is JSON");
            assert_eq!(object["ttl"], 1, "{line}");
            self.line(pipe, &object, &mut out);
        }
        out
    }

    fn line(&mut self, pipe: u64, object: &Value, out: &mut Vec<Do>) {
        let kind = object["type"].as_str().unwrap();
        let text = |member: &str| {
            let text = object[member].as_str();
            text.unwrap_or_else(|| panic!("no {member}: {object}"))
                .to_owned()
        };
        let one = &self.connections[&pipe];
        if !one.greeted {
            let expected = if one.dialled { "HELLO_OK" } else { "HELLO" };
            if kind == "BYE" {
                out.push(Do::Close);
                return;
            }
            assert_eq!(kind, expected, "{}: {object}", self.quirks.name);
            assert_eq!(text("peer_id").matches('@').count(), 1);
            return self.greeted(pipe, out);
        }
        let silent = self.quirks.speaks_where_it_dialled && !one.dialled;
        match kind {
            "PING" if silent => {}
            "PING" => out.push(Do::Write(format!(
                "{{\"type\":\"PONG\",\"msg_id\":\"{}\",\"timestamp\":{},\"ttl\":1}}\n",
                text("msg_id"),
                if self.quirks.terse {
                    "7.5"
                } else {
                    "\"2026-02-03T10:11:12\""
                }
            ))),
            "SEND" => {
                text("src");
                self.heard.insert(text("payload"));
                let ack = format!("{{\"type\":\"ACK\",\"msg_id\":\"{}\"}}\n", text("msg_id"));
                out.push(Do::Write(ack));
            }
            "PUB" => {
                text("src");
                match self.quirks.closes_on_pub {
                    true => out.push(Do::Close),
                    false => drop(self.heard.insert(text("payload"))),
                }
            }
            "ACK" => {
                self.to_say.remove(&text("msg_id"));
            }
            "PONG" => {}
            "BYE" => {
                let one = self.connections.get_mut(&pipe).unwrap();
                one.heard_bye = true;
                out.push(Do::Write(format!(
                    "{{\"type\":\"BYE_OK\",\"msg_id\":\"{}\"}}\n",
                    text("msg_id")
                )));
                if !self.quirks.keeps_open_after_bye_ok {
                    out.push(Do::Close);
                }
            }
            "BYE_OK" => {
                assert!(self.connections[&pipe].said_bye, "nobody asked for BYE_OK");
                out.push(Do::Close);
            }
            other => panic!("a second greeting, or worse: {other}"),
        }
    }

    fn greeted(&mut self, pipe: u64, out: &mut Vec<Do>) {
        let live = self
            .connections
            .values()
            .any(|one| one.greeted && !one.closed);
        let one = self.connections.get_mut(&pipe).unwrap();
        let dialled = one.dialled;
        if dialled {
            one.greeted = true;
            return;
        }
        match self.quirks.second {
            Second::CloseAtOnce if live => return out.push(Do::Close),
            _ => one.greeted = true,
        }
        out.push(Do::Write(self.greeting("HELLO_OK")));
        match self.quirks.second {
            Second::CloseAfterHelloOk if live => out.push(Do::Close),
            Second::Reject if live => {
                out.push(Do::Write(
                    "{\"type\":\"HELLO_REJECT\",\"reason\":\"duplicate\"}\n".to_owned(),
                ));
                out.push(Do::Close);
            }
            _ => {}
        }
    }

    /// What it says of its own now, and on which connection.
    pub(crate) fn speaks(&mut self) -> Option<(u64, String)> {
        let speaks = |one: &Connection| {
            one.greeted && !one.closed && (one.dialled || !self.quirks.speaks_where_it_dialled)
        };
        let (pipe, _) = self.connections.iter().find(|(_, one)| speaks(one))?;
        let pipe = *pipe;
        let msg_id = self.unsent.pop_front()?;
        Some((pipe, self.send(&msg_id)))
    }

    /// Whether there is something that it has not said.
    pub(crate) fn has_more(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// What was not acknowledged is said again.
    pub(crate) fn repeat(&mut self) {
        self.unsent = self.to_say.keys().cloned().collect();
    }

    /// It leaves.
    pub(crate) fn leave(&mut self) -> Vec<(u64, Vec<Do>)> {
        let mut all = Vec::new();
        let bye = format!(
            "{{\"type\":\"BYE\",\"msg_id\":\"bye\",\"src\":\"{}\"}}\n",
            self.peer_id()
        );
        for (&pipe, one) in &mut self.connections {
            if one.greeted && !one.closed {
                one.said_bye = true;
                let mut done = vec![Do::Write(bye.clone())];
                if self.quirks.closes_on_bye {
                    done.push(Do::Close);
                }
                all.push((pipe, done));
            }
        }
        all
    }

    pub(crate) fn has_closed(&mut self, pipe: u64) {
        self.connections.get_mut(&pipe).unwrap().closed = true;
    }

    fn send(&self, msg_id: &str) -> String {
        let payload = self.to_say.get(msg_id).cloned().unwrap_or_default();
        let require_ack = true;
        let src = self.peer_id();
        format!(
            "{{\"payload\":\"{payload}\",\"require_ack\":{require_ack},\"src\":\"{src}\",\"dst\":\"ana@lab\",\"msg_id\":\"{msg_id}\",\"type\":\"SEND\",\"ttl\":1}}\n"
        )
    }

    fn greeting(&self, kind: &str) -> String {
        let peer_id = self.peer_id();
        let features = match self.quirks.echoes_features {
            true => r#"["ack","metrics"]"#,
            false => "[]",
        };
        format!(
            "{{\"type\":\"{kind}\",\"peer_id\":\"{peer_id}\",\"version\":\"1.0\",\"features\":{features},\"msg_id\":\"x\",\"ttl\":1}}\n"
        )
    }
}
