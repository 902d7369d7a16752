//! What goes into the converging order and what comes out of it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::peer::link::NAMED_BYTES;
use lamparina_protocol::peer::message::Incarnation;
use lamparina_protocol::peer::{
    Body, Digest, Foreign, LinkMessage, MessageName, PeerName, ReadError, SignError, Signed,
    SignedAnnouncement, signed,
};
use lamparina_protocol::seal::IdentityKey;
use lamparina_protocol::{AuthorKey, Instant, Lamport, UnixMicros};

pub use crate::LinkId;

/// Place of a message in the order in which this peer was delivered it, from 0. Each peer has its own.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Position(pub u32);

/// A message's place in history, the same on every peer: `(stamp, author, incarnation, n, digest)`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HistoryKey {
    /// One more than the greatest stamp of its causes.
    pub stamp: Lamport,
    /// Author, incarnation, n.
    pub name: MessageName,
    /// Tells two messages apart to which their author gave one name.
    pub digest: Digest,
}

/// Who this peer is.
#[derive(Clone, Debug)]
pub struct Config {
    /// Signs what it says.
    pub identity: IdentityKey,
    /// This life: greater than all before.
    pub incarnation: Incarnation,
    /// What it is called.
    pub name: PeerName,
    /// Where it listens.
    pub addr: Option<SocketAddr>,
    /// A member that is not heard for so long is set aside.
    pub aside_after: Duration,
}

/// Unless configured otherwise, a member that is not heard for so long is set aside.
pub const ASIDE_AFTER: Duration = Duration::from_secs(60);

impl Config {
    /// With the usual times.
    pub const fn new(identity: IdentityKey, incarnation: Incarnation, name: PeerName) -> Self {
        Self {
            identity,
            incarnation,
            name,
            addr: None,
            aside_after: ASIDE_AFTER,
        }
    }
}

/// What happens to a peer.
#[derive(Clone, Debug)]
pub enum Input {
    /// A link is open: both sides begin with what they have.
    LinkUp(LinkId),
    /// A link has ended.
    LinkDown(LinkId),
    /// A neighbour said something.
    Heard(LinkId, Heard),
    /// So many bytes of messages may be emitted for a link from now on; instead of what was left. A link begins with none.
    Room(LinkId, u32),
    /// This peer says something.
    Say {
        /// What, and to whom. A private one is sealed for [`next_name`](super::Converging::next_name).
        body: Body,
        /// When, for people.
        sent_at: UnixMicros,
        /// Whose it is, when it came over another protocol.
        foreign: Option<Foreign>,
    },
    /// All deliveries before this position are on the disk, to stay. Own messages wait for it before anybody is told.
    Stored(Position),
    /// What this peer is called from now on, and where it listens.
    Called(PeerName, Option<SocketAddr>),
    /// This peer leaves: it says so, and says nothing more.
    Leave,
    /// Time has passed.
    Tick,
}

/// What a neighbour said, with every signature proved.
#[derive(Clone, Debug)]
pub enum Heard {
    /// It has these and their causes, and wants so many messages at most.
    Want {
        /// Digests.
        has: Vec<Digest>,
        /// 0 only tells.
        limit: u32,
    },
    /// Messages, in its delivery order.
    Messages(Vec<Incoming>),
    /// The page that was wanted is over.
    PageEnd {
        /// Whether something is left.
        more: bool,
    },
    /// Announcements.
    Announcements(Vec<SignedAnnouncement>),
    /// It leaves.
    Bye,
    /// It needs these, which were only named to it.
    Need(Vec<Digest>),
    /// What was needed.
    Given(Vec<Arc<Signed>>),
    /// Messages of these authors it wants named only.
    NameOnly(Vec<AuthorKey>),
}

/// A message that came.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// One that was there already: its signature need not be looked at again.
    Known(Digest),
    /// One that was not there when it was read.
    New(Arc<Signed>),
    /// One that was only named.
    Named(Digest),
}

impl Heard {
    /// Reads and proves what a link message holds; `None` for what is membership's. `knows` tells which messages are
    /// there already ([`Converging::knows`](super::Converging::knows)); saying too seldom that one is costs time, not correctness.
    ///
    /// # Errors
    ///
    /// [`ReadError`]: the neighbour passed on what it should have refused. End the link.
    pub fn read(
        message: LinkMessage,
        knows: impl Fn(&Digest) -> bool,
    ) -> Result<Option<Self>, ReadError> {
        let incoming = |bytes: &Bytes| {
            if let Some(digest) = named(bytes) {
                return Ok(Incoming::Named(digest));
            }
            let digest = signed::digest_of(bytes)?;
            match knows(&digest) {
                true => Ok(Incoming::Known(digest)),
                false => Signed::read(bytes).map(|signed| Incoming::New(Arc::new(signed))),
            }
        };
        Ok(Some(match message {
            LinkMessage::Want { has, limit } => Self::Want { has, limit },
            LinkMessage::Messages(items) => {
                let items: Result<_, ReadError> = items.iter().map(incoming).collect();
                Self::Messages(items?)
            }
            LinkMessage::PageEnd { more } => Self::PageEnd { more },
            LinkMessage::Announcements(items) => {
                let items: Result<_, _> = items.iter().map(SignedAnnouncement::read).collect();
                Self::Announcements(items?)
            }
            LinkMessage::Bye => Self::Bye,
            LinkMessage::Need(digests) => Self::Need(digests),
            LinkMessage::Given(items) => {
                let items: Result<_, ReadError> = items
                    .iter()
                    .map(|item| Signed::read(item).map(Arc::new))
                    .collect();
                Self::Given(items?)
            }
            LinkMessage::NameOnly(authors) => Self::NameOnly(authors),
            LinkMessage::Control(_) => return Ok(None),
        }))
    }
}

/// The digest that is all that stands in an item of [`LinkMessage::Messages`].
pub fn named(item: &[u8]) -> Option<Digest> {
    <[u8; NAMED_BYTES]>::try_from(item).ok().map(Digest)
}

/// What a peer does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Output {
    /// A message is delivered: store it at this position and show it.
    Deliver(Delivery),
    /// Tell a neighbour.
    Send(LinkId, Sending),
    /// Everything up to here is final; it only rises. Store it with the deliveries.
    FinalUpTo(HistoryKey),
    /// An author gave one name to two messages. Both stand in history.
    Equivocation(Proof),
    /// A catch-up is over that put lines between those that were there.
    Merged(MergeReport),
    /// A neighbour is at fault: the link counts as down already; end it with these words.
    Fault(LinkId, Fault),
    /// A newer announcement of somebody came.
    Announced(SignedAnnouncement),
    /// A member was not heard for a minute, or left: lines do not wait for it any more.
    MemberAside(AuthorKey),
    /// Somebody is a member, for the first time or again.
    MemberBack(AuthorKey),
    /// This peer knows what others know, as far as can be told: from now on it speaks.
    Ready,
}

/// A delivered message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delivery {
    /// Its place in this peer's log.
    pub position: Position,
    /// The message.
    pub message: Arc<Signed>,
    /// Its stamp.
    pub stamp: Lamport,
    /// It stands before lines that were final here.
    pub late: bool,
    /// The link it came from first; none for own messages.
    pub from: Option<LinkId>,
}

impl Delivery {
    /// Its place in history.
    pub fn key(&self) -> HistoryKey {
        HistoryKey {
            stamp: self.stamp,
            name: self.message.content().name,
            digest: self.message.digest(),
        }
    }
}

/// What to tell a neighbour. Messages are named by their positions: the shell has their bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Sending {
    /// [`LinkMessage::Want`].
    Want {
        /// Digests.
        has: Vec<Digest>,
        /// How many at most.
        limit: u32,
    },
    /// [`LinkMessage::Messages`] with these.
    Messages(Vec<Telling>),
    /// [`LinkMessage::PageEnd`].
    PageEnd {
        /// Whether something is left.
        more: bool,
    },
    /// [`LinkMessage::Announcements`].
    Announcements(Vec<Bytes>),
    /// [`LinkMessage::Bye`].
    Bye,
    /// [`LinkMessage::Need`].
    Need(Vec<Digest>),
    /// [`LinkMessage::Given`] with the signed bytes of these.
    Given(Vec<Position>),
    /// [`LinkMessage::NameOnly`].
    NameOnly(Vec<AuthorKey>),
}

/// How a neighbour is told a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Telling {
    /// By its signed bytes.
    Whole(Position),
    /// By its digest: its bytes come sooner from others.
    Named(Position, Digest),
}

impl Telling {
    /// Where the message stands here.
    pub const fn position(&self) -> Position {
        match self {
            Self::Whole(position) | Self::Named(position, _) => *position,
        }
    }

    /// What stands for it in [`LinkMessage::Messages`].
    ///
    /// # Errors
    ///
    /// Those of `bytes_of`.
    pub fn item<E>(&self, bytes_of: impl FnOnce(Position) -> Result<Bytes, E>) -> Result<Bytes, E> {
        match self {
            Self::Whole(position) => bytes_of(*position),
            Self::Named(_, digest) => Ok(Bytes::copy_from_slice(&digest.0)),
        }
    }
}

impl Sending {
    /// The link message, with the bytes of messages as `bytes_of` gives them.
    ///
    /// # Errors
    ///
    /// The first of `bytes_of`.
    pub fn into_message<E>(
        self,
        mut bytes_of: impl FnMut(Position) -> Result<Bytes, E>,
    ) -> Result<LinkMessage, E> {
        Ok(match self {
            Self::Want { has, limit } => LinkMessage::Want { has, limit },
            Self::Messages(tellings) => {
                let item = |telling: &Telling| telling.item(&mut bytes_of);
                let items: Result<_, E> = tellings.iter().map(item).collect();
                LinkMessage::Messages(items?)
            }
            Self::Need(digests) => LinkMessage::Need(digests),
            Self::Given(positions) => {
                let items: Result<_, E> = positions.into_iter().map(bytes_of).collect();
                LinkMessage::Given(items?)
            }
            Self::NameOnly(authors) => LinkMessage::NameOnly(authors),
            Self::PageEnd { more } => LinkMessage::PageEnd { more },
            Self::Announcements(items) => LinkMessage::Announcements(items),
            Self::Bye => LinkMessage::Bye,
        })
    }
}

/// Two messages of one name. Both signed by its author, they prove it to anybody.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Proof {
    /// The name.
    pub name: MessageName,
    /// The one that was delivered here before.
    pub first: Position,
    /// The other.
    pub second: Position,
}

/// What a catch-up brought.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MergeReport {
    /// When the first link came up that it began with.
    pub since: Instant,
    /// Lines that others brought since.
    pub lines: u32,
    /// Those of them that stand between or before lines that were there.
    pub inserted: u32,
    /// Those of them that stand before final lines.
    pub late: u32,
    /// Where they stand: first and last line of each run, ascending; the last run holds all that would be more runs
    /// than [`MERGE_RANGES_MAX`].
    pub ranges: Vec<(HistoryKey, HistoryKey)>,
}

/// Runs of inserted lines in a [`MergeReport`], at most.
pub const MERGE_RANGES_MAX: usize = 16;

/// What a neighbour did wrong. The link is no longer known here.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// It sent a message before its cause.
    #[error("a message came before its cause {0}")]
    UnknownCause(Digest),
    /// It passed on a message whose prev is none of its chain.
    #[error("a message's prev is not the message before it in its chain")]
    Prev,
    /// It asked for a page before the last one was over.
    #[error("a page was wanted before the last one was over")]
    WantedTwice,
    /// It ended a page that was not wanted.
    #[error("a page ended that was not wanted")]
    NotWanted,
    /// It sent very much behind a message that it only named.
    #[error("too much waits behind a message that was only named")]
    TooMuchBehind,
    /// It needs more than was named.
    #[error("more is needed than was named")]
    NeededTooMuch,
    /// It says that it has more, and sent nothing.
    #[error("a page ended with more to come, and nothing in it")]
    EmptyPage,
    /// Our own bound, not its fault: no more messages are kept.
    #[error("no more than {max} messages are kept here: begin a new history")]
    Full {
        /// The bound.
        max: u32,
    },
}

/// Why an input was not taken. Nothing has changed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UseError {
    /// It left.
    #[error("this peer has left: nothing is said any more")]
    Left,
    /// Too many messages wait until this peer is ready.
    #[error("{0} messages wait already until this peer has heard from others: try again")]
    TooMany(usize),
    /// The message cannot be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// No more messages are kept.
    #[error("no more than {max} messages are kept here: begin a new history")]
    Full {
        /// The bound.
        max: u32,
    },
    /// A stored message that has no place behind those before it.
    #[error("message {0:?} of the store has no place behind those before it: {1}")]
    Stored(Position, Fault),
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
