//! What travels inside sequenced frames: requests to a server and its answers.
//!
//! Only shapes live here. [`crate::codec`] turns them into bytes; `docs/protocol.md` gives those
//! bytes. A new message goes to the end of its enum: a variant's number is its place.

use serde::{Deserialize, Serialize};

use crate::audience::Audience;
use crate::identity::{AuthorKey, Epoch, MemberId, Pseq};
use crate::lamport::{Lamport, Prev};
use crate::nick::{Nick, RoomName};
use crate::time::UnixMicros;

/// Bytes of a message's text, at most.
pub const TEXT_BYTES_MAX: usize = 256 * 1024;
/// Bytes of an encoded message, at most: the text and what accompanies it.
pub const MESSAGE_BYTES_MAX: usize = TEXT_BYTES_MAX + 64 * 1024;

/// SET_NICK: claims a nick. The first one of a session enters it; a later one renames.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct SetNick {
    /// The name wanted.
    pub nick: Nick,
}

/// A message on its way to the order. Named `(author, epoch, pseq)`, its author being the session's.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Submit {
    /// The author's epoch.
    pub epoch: Epoch,
    /// Place in that epoch, from 1.
    pub pseq: Pseq,
    /// The author's clock, ticked for this message.
    pub clock: Lamport,
    /// The stamp up to which its author had been delivered.
    pub seen: Lamport,
    /// When its author wrote it, for people.
    pub sent_at: UnixMicros,
    /// For whom.
    pub audience: Audience,
    /// The text, byte for byte; 1 to [`TEXT_BYTES_MAX`] bytes.
    pub text: String,
}

/// DATA from a client.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum ToServer {
    /// Say something.
    Submit(Submit),
    /// Become a member of a room.
    Join {
        /// The room.
        room: RoomName,
    },
    /// Stop being one.
    Leave {
        /// The room.
        room: RoomName,
    },
    /// Deliveries up to this stamp have been handed to the person or program.
    Consumed {
        /// The last stamp handed over.
        upto: Lamport,
        /// How many since the last `Consumed`.
        count: u64,
    },
}

/// A message at its place, as one recipient gets it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its place in the order.
    pub stamp: Lamport,
    /// Who wrote it, by number; LIST_RESPONSE gives the key behind the number.
    pub member: MemberId,
    /// Who wrote it, by the nick held at its place.
    pub from: Nick,
    /// The author's epoch.
    pub epoch: Epoch,
    /// Place in that epoch.
    pub pseq: Pseq,
    /// The clock it was sent with.
    pub clock: Lamport,
    /// The stamp up to which its author had been delivered.
    pub seen: Lamport,
    /// When its author wrote it, for people.
    pub sent_at: UnixMicros,
    /// For whom, as the order understood it.
    pub audience: Audience,
    /// From before the recipient's membership; `prev` is 0 then and says nothing.
    pub history: bool,
    /// The text.
    pub text: String,
    /// The stamp delivered to this recipient before it. Last, so that the rest is shared.
    pub prev: Prev,
}

/// Why a request was not done. The number is the place.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum RefusalCode {
    /// The nick belongs to somebody else.
    NickTaken,
    /// The nick is ill-formed.
    NickInvalid,
    /// A recipient was never heard of.
    UnknownUser,
    /// Nobody is left to send to.
    NoRecipient,
    /// The text is empty.
    EmptyText,
    /// The text or its list of recipients is too long.
    TooLong,
    /// The clock is ahead of any honest one.
    ClockAhead,
    /// A `pseq` was left out.
    Gap,
    /// The epoch is older than the author's newest.
    StaleEpoch,
    /// A newer session of the same author is active.
    TakenOver,
    /// No such room, or not a member of it.
    NotInRoom,
    /// A documented limit is reached.
    Limit,
    /// The server does not allow it.
    NotAllowed,
    /// The request is not one of this protocol at this point.
    Malformed,
    /// The server is closing.
    ShuttingDown,
}

impl RefusalCode {
    /// The code as events and logs write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NickTaken => "nick-taken",
            Self::NickInvalid => "nick-invalid",
            Self::UnknownUser => "unknown-user",
            Self::NoRecipient => "no-recipient",
            Self::EmptyText => "empty-text",
            Self::TooLong => "too-long",
            Self::ClockAhead => "clock-ahead",
            Self::Gap => "gap",
            Self::StaleEpoch => "stale-epoch",
            Self::TakenOver => "taken-over",
            Self::NotInRoom => "not-in-room",
            Self::Limit => "limit",
            Self::NotAllowed => "not-allowed",
            Self::Malformed => "malformed",
            Self::ShuttingDown => "shutting-down",
        }
    }
}

/// DATA from a server.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum ToClient {
    /// A message at its place.
    Message(Delivery),
    /// One's own message at its place (also when it had been committed before: same stamp again).
    Committed {
        /// Its epoch.
        epoch: Epoch,
        /// Its place in the epoch.
        pseq: Pseq,
        /// Its place in the order.
        stamp: Lamport,
    },
    /// One's own message is settled without a place.
    Refused {
        /// Its epoch.
        epoch: Epoch,
        /// Its place in the epoch.
        pseq: Pseq,
        /// Why.
        code: RefusalCode,
        /// Why, and what to do.
        text: String,
    },
    /// The session has entered: the answer to its first SET_NICK.
    Entered {
        /// The nick held.
        nick: Nick,
        /// One's own number.
        member: MemberId,
        /// The order's clock.
        clock: Lamport,
        /// The last `pseq` of the session's epoch that is settled.
        settled: Pseq,
        /// The stamp after which deliveries go on: the `prev` of the next one.
        resumed: Lamport,
        /// Some messages between the cursor given and `resumed` are no longer kept here.
        gap: bool,
    },
    /// Somebody became present.
    Joined {
        /// Who.
        nick: Nick,
        /// The number behind the nick.
        member: MemberId,
        /// The key behind the number.
        author: AuthorKey,
        /// The stamp it follows.
        after: Lamport,
    },
    /// Somebody is no longer present (and still a member).
    Left {
        /// Who.
        nick: Nick,
        /// The stamp it follows.
        after: Lamport,
    },
    /// Somebody, perhaps oneself, is called otherwise now.
    Renamed {
        /// Before.
        from: Nick,
        /// From now on.
        to: Nick,
        /// The stamp it follows.
        after: Lamport,
    },
    /// Somebody, perhaps oneself, became a member of a room that one is in.
    RoomJoined {
        /// Who.
        nick: Nick,
        /// Where.
        room: RoomName,
        /// The stamp it follows.
        after: Lamport,
    },
    /// Somebody, perhaps oneself, stopped being one.
    RoomLeft {
        /// Who.
        nick: Nick,
        /// Where.
        room: RoomName,
        /// The stamp it follows.
        after: Lamport,
    },
    /// A request other than a message was not done.
    Error {
        /// Why.
        code: RefusalCode,
        /// Why, and what to do.
        text: String,
    },
}

/// One line of LIST_RESPONSE.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct UserLine {
    /// The nick held.
    pub nick: Nick,
    /// The number behind the nick.
    pub member: MemberId,
    /// The key behind the number.
    pub author: AuthorKey,
}

/// LIST_RESPONSE: who is connected, by nick. LIST_REQUEST has an empty body.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct UserList {
    /// The stamp up to which this is the state.
    pub after: Lamport,
    /// Present members, by number; at most what fits [`MESSAGE_BYTES_MAX`].
    pub users: Vec<UserLine>,
    /// How many there are in all.
    pub total: u64,
}

/// CHANNEL: from a client the wanted settings, from a server the settings in force, as text in the
/// grammar of the impairment (`loss=20%,delay=80ms`; `off`).
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct ChannelSettings {
    /// At most 512 bytes.
    pub spec: String,
}
