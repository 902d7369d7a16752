//! How what was seen can contradict one order: always by two things seen, both named.

use std::fmt;

use lamparina_protocol::Lamport;

use super::{Content, MessageId};

/// A message at a place, as somebody saw it: what a violation points at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sighting {
    /// Who saw it first.
    pub viewer: String,
    /// Its place.
    pub stamp: Lamport,
    /// Which message.
    pub id: MessageId,
    /// What it says; `None` where only its author's commit was seen.
    pub content: Option<Content>,
    /// What its author says that it wrote, where that is known.
    pub written: Option<String>,
}

impl Sighting {
    /// Whether the two say different things of one message.
    pub(super) fn contradicts(&self, other: &Self) -> bool {
        let differ = |a: Option<&str>, b: Option<&str>| a.zip(b).is_some_and(|(a, b)| a != b);
        let contents = self.content.as_ref().zip(other.content.as_ref());
        contents.is_some_and(|(a, b)| a != b)
            || differ(self.written.as_deref(), other.text())
            || differ(other.written.as_deref(), self.text())
    }

    /// Its text, by whoever saw it.
    fn text(&self) -> Option<&str> {
        let shown = self.content.as_ref().map(|content| content.text.as_str());
        shown.or(self.written.as_deref())
    }
}

/// How what was seen contradicts one order. `earlier` was seen before `later`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Violation {
    /// A viewer's stamps did not grow.
    #[error("{viewer} was delivered {later}, after {}: stamps must grow", Before(*after, earlier))]
    NotIncreasing {
        /// Who saw it.
        viewer: String,
        /// The stamp that the viewer had been delivered up to.
        after: Lamport,
        /// The message there, where anybody saw it.
        earlier: Option<Box<Sighting>>,
        /// The one not above it.
        later: Box<Sighting>,
    },
    /// A delivery's `prev` is not the delivery before it: something is missing.
    #[error(
        "{viewer} was delivered {later}, which says that it follows stamp {prev}, after {}: \
         something is missing",
        Before(*after, earlier)
    )]
    BrokenPrev {
        /// Who saw it.
        viewer: String,
        /// The stamp that the viewer had been delivered up to.
        after: Lamport,
        /// The message there, where anybody saw it.
        earlier: Option<Box<Sighting>>,
        /// What the later one names instead.
        prev: Lamport,
        /// The one delivered.
        later: Box<Sighting>,
    },
    /// Two messages at one place.
    #[error("two messages have one place: {earlier}, and {later}")]
    SamePlace {
        /// As seen first.
        earlier: Box<Sighting>,
        /// As seen by somebody else, or again.
        later: Box<Sighting>,
    },
    /// One message at two places.
    #[error("one message has two places: {earlier}, and {later}")]
    TwoPlaces {
        /// As seen first.
        earlier: Box<Sighting>,
        /// As seen by somebody else, or again.
        later: Box<Sighting>,
    },
    /// One message with two contents.
    #[error("one message was seen with two contents: {earlier}, and {later}")]
    Altered {
        /// As seen first.
        earlier: Box<Sighting>,
        /// As seen by somebody else, or again.
        later: Box<Sighting>,
    },
    /// An author's messages stand in another order than it wrote them.
    #[error("{first} was written before {second}, and stands after it")]
    AuthorOrder {
        /// Written first.
        first: Box<Sighting>,
        /// Written second.
        second: Box<Sighting>,
    },
    /// A message stands at or before what its author had seen or counted when writing it.
    #[error("{message} stands before its cause: its clock was {clock}, and it had seen {seen}")]
    BeforeCause {
        /// The message.
        message: Box<Sighting>,
        /// The clock it was sent with.
        clock: Lamport,
        /// The stamp up to which its author had been delivered.
        seen: Lamport,
    },
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "message {} of member {} (epoch {})",
            self.pseq, self.member, self.epoch
        )
    }
}

impl fmt::Display for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at stamp {}", self.id, self.stamp)?;
        if let Some(content) = &self.content {
            write!(f, " from {}", content.from)?;
        }
        write!(f, ", seen by {}", self.viewer)
    }
}

/// The delivery before, or that there was none.
struct Before<'a>(Lamport, &'a Option<Box<Sighting>>);

impl fmt::Display for Before<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(_, Some(sighting)) => sighting.fmt(f),
            Self(Lamport::ZERO, None) => f.write_str("nothing"),
            Self(after, None) => write!(f, "stamp {after}"),
        }
    }
}
