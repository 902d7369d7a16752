//! The lines, field by field. Their order and names are what programs rely on.

use serde::Serialize;

use super::link::LinkLine;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Json<'a> {
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
        text: &'a str,
    },
    Queued {
        epoch: u64,
        pseq: u64,
        number: u64,
    },
    Cancelled {
        epoch: u64,
        pseq: u64,
        number: u64,
    },
    Requeued {
        epoch: u64,
        pseq: u64,
        was: Name,
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
        kept: u64,
    },
    Rewound {
        from: u64,
        to: u64,
    },
    CatchUp {
        from: u64,
        to: u64,
    },
    CaughtUp {
        count: u64,
        upto: u64,
    },
    History {
        count: u32,
        more: bool,
        asked: bool,
    },
    Found {
        upto: u64,
        more: bool,
        hits: Vec<Found<'a>>,
    },
    Trace(Trace<'a>),
    Why {
        earlier: u64,
        later: u64,
        reason: &'static str,
        chain: Vec<Link<'a>>,
        hidden: Vec<u64>,
        left_out: u64,
    },
    Receipt {
        stamp: u64,
        by: &'a str,
        member: u32,
        delivered: u32,
        of: u32,
    },
    Link(Box<LinkLine<'a>>),
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
        #[serde(skip_serializing_if = "Option::is_none")]
        carrier: Option<&'static str>,
    },
}

#[derive(Serialize)]
pub(super) struct Name {
    pub(super) epoch: u64,
    pub(super) pseq: u64,
}

#[derive(Serialize)]
pub(super) struct User<'a> {
    pub(super) nick: &'a str,
    pub(super) member: u32,
    pub(super) author: String,
}

#[derive(Serialize)]
pub(super) struct Found<'a> {
    pub(super) stamp: u64,
    pub(super) from: &'a str,
    pub(super) kind: &'static str,
    pub(super) to: Vec<String>,
    pub(super) text: &'a str,
    pub(super) sent_at: String,
}

#[derive(Serialize)]
pub(super) struct Trace<'a> {
    pub(super) stamp: u64,
    pub(super) from: &'a str,
    pub(super) kind: &'static str,
    pub(super) to: Vec<String>,
    pub(super) epoch: u64,
    pub(super) pseq: u64,
    pub(super) sent_at: String,
    pub(super) stored_at: String,
    pub(super) entry: u64,
    pub(super) chain: String,
    pub(super) delivered: u32,
    pub(super) of: u32,
    pub(super) marks: Vec<Mark<'a>>,
}

/// `delivered` follows from `consumed`; `at` is left out where nothing was consumed yet.
#[derive(Serialize)]
pub(super) struct Mark<'a> {
    pub(super) nick: &'a str,
    pub(super) member: u32,
    pub(super) delivered: bool,
    pub(super) consumed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Link<'a> {
    pub(super) stamp: u64,
    pub(super) from: &'a str,
    pub(super) seen: u64,
}
