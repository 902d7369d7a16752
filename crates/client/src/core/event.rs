//! What a conversation tells the person or program behind it. Every event is a fact: nothing here
//! is said before it holds.

use std::time::Duration;

use super::carrier::Carrier;

use lamparina_protocol::message::{ChainLink, Delivery, Hit, Trace, UserLine, WhyOrdered};
use lamparina_protocol::{Audience, Epoch, Lamport, LogId, MemberId, Nick, Pseq, RoomName};

/// What names a message of this author: its outbox's epoch and the place in it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MessageName {
    /// The outbox.
    pub epoch: Epoch,
    /// The place, from 1.
    pub pseq: Pseq,
}

/// One's own message, settled with a place in the order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Commit {
    /// Its name in the order.
    pub name: MessageName,
    /// The name that `send` gave, when a new order made it another one.
    pub was: Option<MessageName>,
    /// Its place.
    pub stamp: Lamport,
    /// For whom.
    pub audience: Audience,
    /// The text.
    pub text: String,
}

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// The conversation goes on (or begins) at a server.
    Connected {
        /// Its address, as given.
        server: String,
        /// The nick held.
        nick: Nick,
        /// One's own number there.
        member: MemberId,
        /// The log that it orders.
        log: LogId,
        /// The order's clock.
        stamp: Lamport,
    },
    /// One's own message is on disk: it is sent, and sent again, until it is settled. Not told
    /// where nothing is kept on disk.
    Queued {
        /// The name that `send` gave.
        name: MessageName,
        /// What `/queue` calls it.
        number: u64,
    },
    /// One's own message was taken back before it ever went out. Its name is free again.
    Cancelled {
        /// The name that `send` gave.
        name: MessageName,
        /// What `/queue` called it.
        number: u64,
    },
    /// One's own message, which has not gone out yet, goes by another name: one before it was
    /// cancelled, or a copy of this outbox has used its name.
    Requeued {
        /// The name that `send` gave, which is another one's from now on.
        was: MessageName,
        /// The name that it goes by from now on.
        name: MessageName,
    },
    /// One's own message has its place.
    Committed(Commit),
    /// Somebody's message, at its place.
    Message(Delivery),
    /// Who is connected.
    Users {
        /// By number.
        users: Vec<UserLine>,
        /// How many there are in all.
        total: u64,
        /// The stamp it follows.
        after: Lamport,
    },
    /// Somebody became present.
    Joined {
        /// Who.
        nick: Nick,
        /// The number behind the nick.
        member: MemberId,
        /// The stamp it follows.
        after: Lamport,
    },
    /// Somebody is no longer present.
    Left {
        /// Who.
        nick: Nick,
        /// The stamp it follows.
        after: Lamport,
    },
    /// Somebody is called otherwise.
    Renamed {
        /// Before.
        from: Nick,
        /// From now on.
        to: Nick,
        /// Whether it is oneself.
        own: bool,
        /// The stamp it follows.
        after: Lamport,
    },
    /// Somebody came into a room.
    RoomJoined {
        /// Who.
        nick: Nick,
        /// Where.
        room: RoomName,
        /// Whether it is oneself.
        own: bool,
        /// The stamp it follows.
        after: Lamport,
    },
    /// Somebody went out of a room.
    RoomLeft {
        /// Who.
        nick: Nick,
        /// Where.
        room: RoomName,
        /// Whether it is oneself.
        own: bool,
        /// The stamp it follows.
        after: Lamport,
    },
    /// The server's own bad channel, as it is set now.
    Channel {
        /// Its settings.
        spec: String,
    },
    /// The server orders another log than before. Where an outbox is kept on disk, what was queued
    /// for the earlier one stays there; else unsettled messages go again under a new epoch.
    NewLog {
        /// The log.
        log: LogId,
        /// The new epoch.
        epoch: Epoch,
        /// How many messages go to this log (again).
        again: u64,
        /// How many are kept for another log, and go nowhere by themselves.
        kept: u64,
    },
    /// The server's log has lost its end: what was shown after `to` is no longer in it, and stamps
    /// after `to` may name other messages from now on.
    Rewound {
        /// The last stamp shown before.
        from: Lamport,
        /// The stamp after which deliveries go on.
        to: Lamport,
    },
    /// What was missed while away comes now.
    CatchUp {
        /// After this stamp.
        from: Lamport,
        /// Up to this one.
        to: Lamport,
    },
    /// What was missed has come; what follows is new.
    CaughtUp {
        /// How many messages it was.
        count: u64,
        /// The last one.
        upto: Lamport,
    },
    /// Messages from before have come, each a [`Event::Message`] with its `history` set.
    History {
        /// How many.
        count: u32,
        /// There are earlier ones.
        more: bool,
        /// They were asked for; a newcomer gets some unasked.
        asked: bool,
    },
    /// Messages with the words looked for.
    Found {
        /// Newest first.
        hits: Vec<Hit>,
        /// There are earlier ones.
        more: bool,
        /// Everything up to this stamp has been looked through.
        upto: Lamport,
    },
    /// What is known of a message's way.
    Trace(Box<Trace>),
    /// Why two messages stand in their order.
    Why {
        /// The earlier one.
        earlier: Lamport,
        /// The later one.
        later: Lamport,
        /// Why.
        reason: WhyOrdered,
        /// How the later one's author came to know of the earlier one.
        chain: Vec<ChainLink>,
        /// The stamps of the messages of that chain that one may not see.
        hidden: Vec<Lamport>,
        /// How many more there are, in its middle.
        left_out: u64,
    },
    /// A recipient has one's own message.
    Receipt {
        /// The message.
        stamp: Lamport,
        /// Who has it.
        by: Nick,
        /// The number behind the nick.
        member: MemberId,
        /// How many recipients have it by now.
        delivered: u32,
        /// How many there are.
        of: u32,
    },
    /// Something was not done, or is not as it should be.
    Error {
        /// A short word for programs.
        code: String,
        /// What, and what to do.
        text: String,
        /// The message that it settles, as `send` named it.
        message: Option<MessageName>,
    },
    /// The conversation goes on over another carrier than before, or than was asked for.
    Carried {
        /// Which.
        by: Carrier,
        /// Why, in words.
        text: String,
    },
    /// The connection is gone.
    Disconnected {
        /// Why.
        reason: String,
        /// When the next attempt comes; `None` when none does.
        retry: Option<Duration>,
    },
    /// The conversation is over. Nothing follows.
    Closed {
        /// What became of the messages.
        summary: Summary,
        /// Why.
        ending: Ending,
    },
}

/// What became of the messages said. Those that an earlier run left on disk count too: they are
/// said again, by this one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Summary {
    /// Messages said.
    pub sent: u64,
    /// Of these: have their place.
    pub committed: u64,
    /// Of these: refused, in words.
    pub refused: u64,
    /// Of these: neither.
    pub pending: u64,
}

/// Why a conversation is over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ending {
    /// It was asked for.
    Left,
    /// No server was there in the first place.
    CannotReach {
        /// What was tried, and what to do.
        text: String,
    },
    /// The server does not want this client: its name, its version, or a newer session has taken over.
    Refused {
        /// A short word for programs.
        code: String,
        /// Why, and what to do.
        text: String,
    },
    /// The server was away for too long.
    GaveUp {
        /// What was tried.
        text: String,
    },
    /// A fault that trying again does not cure.
    Failed {
        /// Which.
        text: String,
    },
}

impl Ending {
    /// The word for programs, and the words for people, of every ending that nobody asked for.
    pub fn error(&self) -> Option<(&str, &str)> {
        match self {
            Self::Left => None,
            Self::CannotReach { text } => Some(("cannot-reach", text)),
            Self::Refused { code, text } => Some((code, text)),
            Self::GaveUp { text } => Some(("gave-up", text)),
            Self::Failed { text } => Some(("failed", text)),
        }
    }
}
