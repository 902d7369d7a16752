//! What a journal keeps of each entry that changed what lasts: enough to reach the same state
//! again, and to judge it anew. Sessions and presence do not last: a server that starts again
//! begins with nobody present.

use std::sync::Arc;

use lamparina_protocol::message::RefusalCode;
use lamparina_protocol::{
    Audience, AuthorKey, Epoch, Lamport, MemberId, Nick, Pseq, RoomName, Term, UnixMicros,
};

use crate::access::{InviteHash, InviteId};
use crate::effect::Effect;

/// A place in the journal, counted from 1 without a hole. 0 is "before every entry".
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LogIndex(pub u64);

impl std::fmt::Display for LogIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A room, never the same number twice in one log.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RoomId(pub u64);

/// One entry of the journal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// Its place.
    pub index: LogIndex,
    /// When it was ordered, by the server's clock, for people.
    pub at: UnixMicros,
    /// A message's own stamp; of anything else the stamp it follows. Never decreases.
    pub stamp: Lamport,
    /// What happened.
    pub event: Recorded,
}

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Recorded {
    /// A server started on this log.
    Began {
        /// The term that begins.
        term: Term,
    },
    /// The order's clock moved without anything else (a message sent again).
    Clock {
        /// To this.
        clock: Lamport,
    },
    /// An author's first claim, or a claim of a known one with a newer epoch or another nick.
    Claimed {
        /// The author's number: a new one for a first claim.
        member: MemberId,
        /// The author.
        author: AuthorKey,
        /// The epoch of its outbox.
        epoch: Epoch,
        /// The nick it holds from here on.
        nick: Nick,
    },
    /// A member is called otherwise from here on.
    Renamed {
        /// Who.
        member: MemberId,
        /// Before.
        from: Nick,
        /// From now on.
        to: Nick,
    },
    /// A member came into a room.
    RoomJoined {
        /// Who.
        member: MemberId,
        /// By what name.
        nick: Nick,
        /// Where: a new number where this made the room.
        room: RoomId,
        /// The room's name.
        name: RoomName,
    },
    /// A member went out of a room; the last one ends it.
    RoomLeft {
        /// Who.
        member: MemberId,
        /// By what name.
        nick: Nick,
        /// Where.
        room: RoomId,
        /// The room's name.
        name: RoomName,
    },
    /// A message has its place.
    Message(RecordedMessage),
    /// There is an invite from here on.
    InviteMade {
        /// Its number: the next one free.
        invite: InviteId,
        /// Of its code, which is nowhere else.
        hash: InviteHash,
        /// First claims that it admits.
        uses: u32,
        /// From this time on it admits nobody; 0 for never.
        expires_at: UnixMicros,
        /// Who made it.
        by: String,
    },
    /// An invite admits nobody from here on.
    InviteRevoked {
        /// Which.
        invite: InviteId,
        /// Who took it back.
        by: String,
    },
    /// An author's first claim, by an invite: one use of it is spent by the same entry.
    Redeemed {
        /// The author's number: a new one.
        member: MemberId,
        /// The author.
        author: AuthorKey,
        /// The epoch of its outbox.
        epoch: Epoch,
        /// The nick it holds from here on.
        nick: Nick,
        /// The invite.
        invite: InviteId,
    },
    /// A member is out of all rooms and audiences from here on, and may not come back.
    Banned {
        /// Who.
        member: MemberId,
        /// By what name.
        nick: Nick,
        /// Who did it.
        by: String,
        /// Why; perhaps empty.
        reason: String,
    },
    /// A banned member may come back, and what is said to all is for it again.
    Unbanned {
        /// Who.
        member: MemberId,
        /// By what name.
        nick: Nick,
        /// Who did it.
        by: String,
    },
    /// A message was settled without a place.
    Refused {
        /// Its author.
        member: MemberId,
        /// Its epoch.
        epoch: Epoch,
        /// Its place in the epoch.
        pseq: Pseq,
        /// The clock it was sent with.
        clock: Lamport,
        /// Why.
        code: RefusalCode,
    },
}

/// A message as the journal keeps it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordedMessage {
    /// Its author.
    pub member: MemberId,
    /// The nick its author held.
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
    /// For whom, as the order understood it, by the nicks held at its place.
    pub audience: Audience,
    /// The same by number.
    pub to: To,
    /// The text.
    pub text: String,
}

/// Whom a message reaches: never its author.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum To {
    /// Every member there is at its place and not banned.
    All,
    /// These, in ascending order.
    Members(Arc<[MemberId]>),
    /// Who is in the room at its place.
    Room(RoomId),
}

/// What an entry changed that lasts.
///
/// A message is not copied for this: its effect has all of it but [`To`]. Whoever is done with the
/// effect can move its parts into a [`RecordedMessage`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Lasting {
    /// A message has its place: the effect is [`Effect::Stamped`].
    Message(To),
    /// Anything else, as the journal keeps it.
    Event(Recorded),
}

impl Lasting {
    /// The same as a journal keeps it; `effect` is the one that came with it, and a message's text
    /// is copied. `None` for another effect.
    pub fn recorded(self, effect: &Effect) -> Option<Recorded> {
        match self {
            Self::Event(event) => Some(event),
            Self::Message(to) => RecordedMessage::of(effect, to).map(Recorded::Message),
        }
    }
}

impl RecordedMessage {
    /// The message of an [`Effect::Stamped`], copied; `None` for any other effect.
    pub fn of(effect: &Effect, to: To) -> Option<Self> {
        let Effect::Stamped {
            member,
            from,
            audience,
            message,
            ..
        } = effect
        else {
            return None;
        };
        Some(Self {
            member: *member,
            from: from.clone(),
            epoch: message.epoch,
            pseq: message.pseq,
            clock: message.clock,
            seen: message.seen,
            sent_at: message.sent_at,
            audience: audience.clone(),
            to,
            text: message.text.clone(),
        })
    }
}
