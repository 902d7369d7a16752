//! What sessions ask of the store, and what they get.

use lamparina_order::{LogIndex, Record};
use lamparina_protocol::frame::SharedBody;
use lamparina_protocol::link::Outgoing;
use lamparina_protocol::message::RefusalCode;
use lamparina_protocol::{Lamport, MemberId};
use lamparina_store::{Stays, Viewer};

use super::history::History;
use super::trace::Tracing;
use super::why::Asking;

/// For whom something is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Asker {
    /// Who.
    pub member: MemberId,
    /// The last stamp given before it became a member.
    pub since: Lamport,
}

impl Asker {
    /// The asker, with where it was and is.
    pub(super) fn viewer(self, stays: Stays) -> Viewer {
        Viewer {
            member: self.member,
            since: self.since,
            stays,
        }
    }
}

/// Something to be read. One that is not finished holds how far it came.
#[derive(Clone, Debug)]
pub struct ReadAsk {
    /// For whom.
    pub by: Asker,
    /// What.
    pub wanted: Wanted,
}

/// What is to be read.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// The next page of what was addressed to the asker.
    Deliveries(Position),
    /// Earlier messages.
    History(Box<History>),
    /// Messages that hold some words.
    Find {
        /// The words.
        words: String,
        /// Messages before this stamp; 0 for all.
        before: Lamport,
        /// How many, at most.
        count: u32,
    },
    /// A message's way.
    Trace(Box<Tracing>),
    /// Why two messages stand in their order.
    Why(Box<Asking>),
}

/// How far deliveries have been read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Position {
    /// Up to this stamp.
    Stamp(Lamport),
    /// Up to this entry, whose stamp is this one.
    Entry(LogIndex, Lamport),
}

/// What was read.
#[derive(Clone, Debug)]
pub enum ReadAnswer {
    /// Deliveries.
    Page(Page),
    /// A whole answer, ready to be sent.
    Parts(Vec<Outgoing>),
    /// It is not to be had, in words.
    Refused {
        /// Why.
        code: RefusalCode,
        /// Why, and what to do.
        text: String,
    },
    /// The store could not be read.
    Failed(String),
}

/// Deliveries to one member, ascending, each without its `prev`.
#[derive(Clone, Debug)]
pub struct Page {
    /// Their stamps and bytes.
    pub messages: Vec<(Lamport, SharedBody)>,
    /// Where to go on.
    pub next: Position,
    /// Every message up to this stamp has been looked at.
    pub upto: Lamport,
}

/// How far one turn came.
#[derive(Debug)]
pub enum Turn {
    /// To the end.
    Done(ReadAnswer),
    /// Others first, then on from here.
    Unfinished(ReadAsk),
}

impl Position {
    /// Behind `record`.
    pub(super) fn behind(record: &Record) -> Self {
        Self::Entry(record.index, record.stamp)
    }

    pub(super) fn stamp(self) -> Lamport {
        match self {
            Self::Stamp(stamp) | Self::Entry(_, stamp) => stamp,
        }
    }
}
