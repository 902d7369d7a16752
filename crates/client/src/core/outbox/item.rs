//! What may be asked for: messages, each with how far it has come, and other requests.

use lamparina_protocol::message::Submit;
use lamparina_protocol::{Lamport, Nick, RoomName};

use crate::core::event::MessageName;

/// A request other than a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ask {
    /// Into a room.
    Join(RoomName),
    /// Out of it.
    Leave(RoomName),
    /// Another name.
    Rename(Nick),
    /// Who is connected.
    Who,
    /// Settings for the server's bad channel.
    Channel(String),
    /// What was said before.
    History {
        /// Before this stamp; zero for the newest.
        before: Lamport,
        /// How many, at most.
        count: u32,
    },
    /// Messages that hold these words.
    Find {
        /// All of them.
        words: String,
        /// Before this stamp; zero for the newest.
        before: Lamport,
        /// How many, at most.
        count: u32,
    },
    /// What is known of a message's way.
    Trace(Lamport),
    /// Why these two stand in their order.
    Why(Lamport, Lamport),
}

impl Ask {
    /// Whether it is answered from what is stored, beside the order's own answers.
    pub const fn reads(&self) -> bool {
        matches!(
            self,
            Self::History { .. } | Self::Find { .. } | Self::Trace(_) | Self::Why(..)
        )
    }
}

impl Ask {
    /// Whether it may go out before a message that was said before it: what it asks, and what comes of
    /// it, has no place among messages.
    pub const fn passes_messages(&self) -> bool {
        matches!(self, Self::Who | Self::Channel(_)) || self.reads()
    }
}

/// A message, and how far it has come.
#[derive(Clone, Debug)]
pub struct Said {
    /// What `/queue` calls it: counted from 1 in each run, and never another one's.
    pub number: u64,
    /// The name that `send` gave.
    pub given: MessageName,
    /// The message as it goes out; its epoch and place may be others by now.
    pub submit: Submit,
    /// It may have reached a server, in this run or an earlier one.
    pub sent: bool,
    /// The disk is told that it may have.
    pub(in crate::core) marked: bool,
    /// The change that stores it, and the one that must be stored before it may go out.
    pub(in crate::core) said: u64,
    pub(in crate::core) ready: u64,
    /// Its author knows that it is stored.
    pub(in crate::core) queued: bool,
    /// Not judged, because the one before it was not kept: it goes again under another name.
    pub(super) passed_over: bool,
}

impl Said {
    pub(super) fn name(&self) -> MessageName {
        MessageName {
            epoch: self.submit.epoch,
            pseq: self.submit.pseq,
        }
    }
}

/// One thing asked for.
#[derive(Clone, Debug)]
pub enum Item {
    /// A message.
    Say(Box<Said>),
    /// Anything else.
    Ask(Ask),
}
