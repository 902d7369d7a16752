//! What the tests of the pure parts share: short requests, and what was said as lines of text.

use std::sync::Arc;

use lamparina_order::{Action, Entry};
use lamparina_protocol::control::Hello;
use lamparina_protocol::frame::{FrameType, SharedBody};
use lamparina_protocol::link::SendError;
use lamparina_protocol::message::{ChannelSettings, Submit, ToClient, UserList};
use lamparina_protocol::{
    Audience, AuthorKey, Epoch, Lamport, LogId, Nick, Pseq, RoomName, SessionNumber, Term,
    UnixMicros, codec,
};
use lamparina_store::TermBegan;

use crate::hub::{Ask, Asked, Batch, ConnectionId, Item, What};
use crate::session::{Admission, Outbox, SessionConfig};

pub(crate) const LOG: LogId = LogId([7; 16]);

pub(crate) fn nick(name: &str) -> Nick {
    Nick::try_from(name).unwrap()
}

pub(crate) fn room(name: &str) -> RoomName {
    RoomName::try_from(name).unwrap()
}

pub(crate) fn hello(author: u8, session: u64) -> Hello {
    Hello {
        author: AuthorKey([author; 32]),
        epoch: Epoch(1),
        session: SessionNumber(session),
        log: LogId::default(),
        term: Term(1),
        cursor: Lamport::ZERO,
    }
}

/// How a session with a store begins, in the first term.
pub(crate) fn config(id: u64, store: bool) -> SessionConfig {
    let term = Term(1);
    let first = TermBegan {
        term,
        after: Lamport::ZERO,
        at: UnixMicros(0),
    };
    SessionConfig {
        id: ConnectionId(id),
        log: LOG,
        term,
        terms: Arc::new([first]),
        store,
        lab: true,
        admission: Admission::default(),
        rates: None,
    }
}

/// A request of author `author`, in session 1, over the connection `author`.
pub(crate) fn ask(author: u8, action: Action) -> Asked {
    ask_over(u64::from(author), author, 1, action)
}

pub(crate) fn ask_over(connection: u64, author: u8, session: u64, action: Action) -> Asked {
    Asked {
        by: ConnectionId(connection),
        ask: Ask::Entry(Entry {
            author: AuthorKey([author; 32]),
            session: SessionNumber(session),
            action,
        }),
    }
}

pub(crate) fn enter(name: &str) -> Action {
    let nick = nick(name);
    let epoch = Epoch(1);
    Action::Enter { nick, epoch }
}

pub(crate) fn submit(pseq: u64, audience: Audience, text: &str) -> Submit {
    Submit {
        epoch: Epoch(1),
        pseq: Pseq(pseq),
        clock: Lamport::ZERO,
        seen: Lamport::ZERO,
        sent_at: UnixMicros(0),
        audience,
        text: text.to_owned(),
    }
}

pub(crate) fn say(pseq: u64, audience: Audience, text: &str) -> Action {
    Action::Say(submit(pseq, audience, text))
}

/// A long text by its beginning and its size.
fn shortened(text: &str) -> String {
    match text.len() {
        0..=100 => text.to_owned(),
        bytes => format!("{}.. ({bytes} bytes)", text.get(..4).unwrap_or_default()),
    }
}

/// A message to a client as a line.
pub(crate) fn line(kind: FrameType, body: &[u8]) -> String {
    if kind == FrameType::ListResponse {
        let list: UserList = codec::decode(body).unwrap();
        let names: Vec<&str> = list.users.iter().map(|user| user.nick.as_str()).collect();
        return format!("list {} of {}", names.join(","), list.total);
    }
    if kind == FrameType::Channel {
        let settings: ChannelSettings = codec::decode(body).unwrap();
        return format!("channel {}", settings.spec);
    }
    match codec::decode(body).unwrap() {
        ToClient::Message(m) => {
            let (stamp, from, text, prev) = (m.stamp, m.from, m.text, m.prev.0);
            let text = shortened(&text);
            match m.history {
                true => format!("history {stamp} {from}: {text}"),
                false => format!("{stamp} {from}: {text} (prev {prev})"),
            }
        }
        ToClient::MessageParted(parted) => {
            let (m, bytes) = (parted.rest, parted.text.bytes);
            assert_eq!(m.text, "");
            let (stamp, from, prev) = (m.stamp, m.from, m.prev.0);
            match m.history {
                true => format!("history {stamp} {from}: text of {bytes} bytes"),
                false => format!("{stamp} {from}: text of {bytes} bytes (prev {prev})"),
            }
        }
        ToClient::Committed { pseq, stamp, .. } => format!("committed {pseq} at {stamp}"),
        ToClient::Refused { pseq, code, .. } => format!("refused {pseq}: {}", code.name()),
        ToClient::Error { code, .. } => format!("error {}", code.name()),
        ToClient::Joined { nick, after, .. } => format!("joined {nick} after {after}"),
        ToClient::Left { nick, after } => format!("left {nick} after {after}"),
        ToClient::Renamed { from, to, after } => format!("renamed {from} {to} after {after}"),
        ToClient::RoomJoined { nick, room, after } => {
            format!("{nick} joined #{room} after {after}")
        }
        ToClient::RoomLeft { nick, room, after } => format!("{nick} left #{room} after {after}"),
        ToClient::Entered {
            nick,
            settled,
            resumed,
            gap,
            rewound,
            ..
        } => format!(
            "entered {nick}, settled {settled}, resumed {resumed}, gap {gap}{}",
            if rewound { ", rewound" } else { "" }
        ),
        ToClient::Receipts { by, messages, .. } => {
            let each = messages
                .iter()
                .map(|one| format!("{} ({} of {})", one.stamp, one.delivered, one.of));
            format!("receipts by {by}: {}", each.collect::<Vec<_>>().join(" "))
        }
        other => format!("{other:?}"),
    }
}

/// A batch as lines: what is said, and to whom.
pub(crate) fn lines(batch: &Batch) -> Vec<String> {
    let to = |index: u32| {
        let mut to = Vec::new();
        if batch.everyone.contains(&index) {
            to.push("all".to_owned());
        }
        let lanes = batch.lanes.iter();
        let lanes = lanes.filter(|lane| lane.items.contains(&index));
        to.extend(lanes.map(|lane| format!("lane of {}", lane.members.len())));
        let members = batch.members.iter().filter(|(_, item)| *item == index);
        to.extend(members.map(|(member, _)| format!("m{member}")));
        let connections = batch.connections.iter().filter(|(_, item)| *item == index);
        to.extend(connections.map(|(id, _)| format!("c{}", id.0)));
        to.join(" ")
    };
    let items = batch.items.iter().enumerate();
    items
        .map(|(index, item)| format!("{} -> {}", said(item), to(index as u32)))
        .collect()
}

fn said(item: &Item) -> String {
    match &item.what {
        What::Note(note) => {
            let note = format!("{note:?}");
            let name = note.split(['(', ' ']).next().unwrap_or_default();
            format!("[{name}]")
        }
        What::Message { .. } => {
            let whole = [item.body.bytes(), &[0; 8][..]].concat();
            line(item.kind, &whole)
        }
        What::Event {
            except: Some(member),
        } => format!("{} except m{member}", line(item.kind, item.body.bytes())),
        _ => line(item.kind, item.body.bytes()),
    }
}

/// A client that takes so many messages.
#[derive(Debug)]
pub(crate) struct Taker {
    pub(crate) lines: Vec<String>,
    pub(crate) room: usize,
    /// Of a client that does not speak the lane, none.
    pub(crate) room_bulk: usize,
}

impl Taker {
    pub(crate) fn new() -> Self {
        Self {
            lines: Vec::new(),
            room: usize::MAX,
            room_bulk: 0,
        }
    }
}

impl Outbox for Taker {
    fn has_room(&self) -> bool {
        self.room > 0
    }

    fn has_room_bulk(&self) -> bool {
        self.room_bulk > 0
    }

    fn send(
        &mut self,
        kind: FrameType,
        body: &SharedBody,
        tail: Option<[u8; 8]>,
    ) -> Result<(), SendError> {
        if kind == FrameType::Bulk {
            assert!(self.room_bulk > 0, "it is asked before");
            self.room_bulk -= 1;
            let text = String::from_utf8_lossy(body.bytes());
            self.lines.push(format!("bulk {}", shortened(&text)));
            return Ok(());
        }
        if self.room == 0 {
            return Err(SendError::Full);
        }
        self.room -= 1;
        let tail: &[u8] = tail.as_ref().map_or(&[], |tail| tail);
        self.lines.push(line(kind, &[body.bytes(), tail].concat()));
        Ok(())
    }
}
