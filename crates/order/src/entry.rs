//! What asks for a place in the order. Everything that changes state is an entry; nothing that an
//! entry needs is looked up anywhere else.

use lamparina_protocol::message::Submit;
use lamparina_protocol::nick::NickError;
use lamparina_protocol::{
    AuthorKey, Epoch, Lamport, Nick, Pseq, RoomName, SessionNumber, UnixMicros,
};

use crate::access::InviteHash;

/// One entry, in the name of an author's session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Who.
    pub author: AuthorKey,
    /// In which of the author's sessions. Nothing of a session takes effect after a newer one entered.
    pub session: SessionNumber,
    /// What.
    pub action: Action,
}

/// What an entry asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// The session begins: claims `nick` (a returning author may bring the old or a new one). Who was
    /// never here becomes a member: whoever hands this in has decided that it may.
    Enter {
        /// The name wanted.
        nick: Nick,
        /// The epoch of the author's outbox.
        epoch: Epoch,
    },
    /// The same for members alone.
    Return {
        /// The name wanted.
        nick: Nick,
        /// The epoch of the author's outbox.
        epoch: Epoch,
    },
    /// The same; who was never here becomes a member by an invite, which a member does not need.
    Redeem {
        /// The name wanted.
        nick: Nick,
        /// The epoch of the author's outbox.
        epoch: Epoch,
        /// Of the invite's code.
        code: InviteHash,
        /// When, by the server's clock: whether the invite has expired. It is this entry's time in
        /// the journal, and set by whoever orders.
        at: UnixMicros,
    },
    /// The session ends.
    Exit,
    /// Another name.
    Rename {
        /// The name wanted.
        nick: Nick,
    },
    /// Into a room; the first to come creates it.
    Join {
        /// Which.
        room: RoomName,
    },
    /// Out of a room.
    Leave {
        /// Which.
        room: RoomName,
    },
    /// A message.
    Say(Submit),
    /// A message with what is no name among its recipients: it is settled without a place.
    Misaddressed {
        /// The author's epoch.
        epoch: Epoch,
        /// Place in that epoch.
        pseq: Pseq,
        /// The author's clock, ticked for this message.
        clock: Lamport,
        /// Why it is no name.
        why: NickError,
    },
}

impl Action {
    /// Whether it begins a session.
    pub const fn claims(&self) -> bool {
        matches!(
            self,
            Self::Enter { .. } | Self::Return { .. } | Self::Redeem { .. }
        )
    }
}
