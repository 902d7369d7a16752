//! The lines, field by field. Their order and names are what programs rely on.
//!
//! An incarnation has more digits than the numbers of many readers of JSON, so it is a text; `epoch`, which
//! programs know from a client of a server, is the same as a number.

use serde::Serialize;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Json<'a> {
    Listening {
        addr: String,
    },
    Connected {
        server: Option<String>,
        r#as: String,
        stamp: u64,
    },
    Committed {
        epoch: u64,
        pseq: u64,
        stamp: u64,
        #[serde(flatten)]
        place: Place,
        kind: &'static str,
        to: &'a [String],
        text: &'a str,
    },
    Message(Said<'a>),
    Final {
        upto: u64,
        #[serde(flatten)]
        place: Place,
    },
    Merged {
        lines: u64,
        inserted: u64,
        late: u64,
        ranges: Vec<Span>,
    },
    Equivocation {
        from: String,
        message: Name,
        digests: [String; 2],
    },
    Joined(Peer),
    Left(Peer),
    LinkUp(Link),
    LinkDown {
        reason: &'a str,
        link: Link,
    },
    Coordinator {
        nick: Option<String>,
        author: Option<String>,
        epoch: Option<u64>,
        own: bool,
    },
    Users {
        users: Vec<Peer>,
        total: u64,
    },
    Peers {
        peers: Vec<Peer>,
    },
    Conn {
        inbound: Vec<Link>,
        outbound: Vec<Link>,
    },
    Rtt {
        peers: Vec<Rtt>,
    },
    History {
        count: u64,
        more: bool,
        asked: bool,
    },
    Found {
        hits: Vec<Said<'a>>,
    },
    Trace {
        message: Said<'a>,
        received_at: String,
        position: u64,
        causes: Vec<Name>,
        known_to: Vec<String>,
    },
    Why {
        earlier: u64,
        later: u64,
        reason: &'static str,
        first: Place,
        second: Place,
        path: Vec<Name>,
    },
    Doctor {
        good: bool,
        findings: Vec<Finding>,
    },
    Info {
        about: &'a str,
        text: &'a str,
    },
    Error {
        code: &'a str,
        text: &'a str,
    },
    Closed {
        sent: u64,
        committed: u64,
        pending: u64,
    },
}

#[derive(Serialize)]
pub(super) struct Said<'a> {
    pub(super) stamp: u64,
    pub(super) from: String,
    pub(super) addr: Option<String>,
    pub(super) kind: &'static str,
    pub(super) to: &'a [String],
    pub(super) text: &'a str,
    pub(super) sent_at: String,
    #[serde(flatten)]
    pub(super) place: Place,
    pub(super) r#final: bool,
    pub(super) late: bool,
    pub(super) history: bool,
    pub(super) own: bool,
    pub(super) via: Option<Via<'a>>,
}

#[derive(Serialize)]
pub(super) struct Via<'a> {
    pub(super) protocol: &'static str,
    pub(super) by: String,
    pub(super) msg_id: &'a str,
}

#[derive(Serialize)]
pub(super) struct Place {
    pub(super) author: String,
    pub(super) incarnation: String,
    pub(super) n: u64,
    pub(super) digest: String,
}

#[derive(Serialize)]
pub(super) struct Name {
    pub(super) author: String,
    pub(super) incarnation: String,
    pub(super) n: u64,
}

#[derive(Serialize)]
pub(super) struct Span {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) count: u64,
}

#[derive(Serialize)]
pub(super) struct Peer {
    pub(super) nick: String,
    pub(super) author: Option<String>,
    pub(super) addrs: Vec<String>,
    pub(super) state: &'static str,
    pub(super) id: Option<String>,
    pub(super) last_seen_at: Option<String>,
    pub(super) successes: u64,
    pub(super) failures: u64,
    pub(super) rtt_mean_ms: Option<f64>,
    pub(super) rtt_last_ms: Option<f64>,
    pub(super) coordinator: bool,
    pub(super) own: bool,
    pub(super) pyp2p: bool,
}

#[derive(Serialize)]
pub(super) struct Link {
    pub(super) number: u64,
    pub(super) direction: &'static str,
    pub(super) spoken: &'static str,
    pub(super) addr: String,
    pub(super) nick: Option<String>,
    pub(super) author: Option<String>,
    pub(super) since: String,
    pub(super) rtt_ms: Option<f64>,
}

#[derive(Serialize)]
pub(super) struct Rtt {
    pub(super) nick: String,
    pub(super) mean_ms: Option<f64>,
    pub(super) last_ms: Option<f64>,
}

#[derive(Serialize)]
pub(super) struct Finding {
    pub(super) about: String,
    pub(super) verdict: &'static str,
    pub(super) text: String,
    pub(super) advice: Option<String>,
}
