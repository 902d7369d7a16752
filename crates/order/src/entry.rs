//! What asks for a place in the order. Everything that changes state is an entry; nothing that an
//! entry needs is looked up anywhere else.

use lamparina_protocol::message::Submit;
use lamparina_protocol::nick::NickError;
use lamparina_protocol::{AuthorKey, Epoch, Lamport, Nick, Pseq, RoomName, SessionNumber};

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
    /// The session begins: claims `nick` (a returning author may bring the old or a new one).
    Enter {
        /// The name wanted.
        nick: Nick,
        /// The epoch of the author's outbox.
        epoch: Epoch,
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
