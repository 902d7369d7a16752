//! What a peer tells, and the answers it gives. Every event is a fact: nothing here is said before it
//! holds.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use lamparina_order::converging;
use lamparina_protocol::nick::NickError;
use lamparina_protocol::peer::message::Digest;
use lamparina_protocol::peer::{Foreign, Incarnation, MessageName, PeerName};
use lamparina_protocol::{AuthorKey, Lamport, Nick, RoomName, UnixMicros};

/// Recipients of one message, at most; those of a private message with its author.
pub const RECIPIENTS_MAX: usize = lamparina_protocol::peer::message::ENVELOPES_MAX - 1;
/// Digits of a key that name somebody, at least.
pub const KEY_DIGITS_MIN: usize = 8;

/// For whom a message is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Recipients {
    /// Everybody.
    All,
    /// Those of a room, or of a namespace.
    Room(RoomName),
    /// Some, at most [`RECIPIENTS_MAX`]; nobody else can read it.
    Some(Vec<NamePattern>),
}

/// How somebody is named: `name`, `name@namespace`, or `~` and the first digits of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NamePattern {
    /// Whoever has this name, in whatever namespace, if there is only one.
    Name(Nick),
    /// Whoever has this name.
    Full(PeerName),
    /// Whose key begins so: at least [`KEY_DIGITS_MIN`] hexadecimal digits, in lower case.
    Key(String),
}

/// Why a text names nobody.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NamePatternError {
    /// The name or the namespace is none.
    #[error(transparent)]
    Name(#[from] NickError),
    /// What follows `~` is no beginning of a key.
    #[error(
        "`~` begins a key: write at least {KEY_DIGITS_MIN} and at most 64 hexadecimal digits behind it"
    )]
    Key,
}

impl NamePattern {
    /// Reads a name as people write it.
    ///
    /// # Errors
    ///
    /// [`NamePatternError`], in words.
    pub fn parse(text: &str) -> Result<Self, NamePatternError> {
        if let Some(digits) = text.strip_prefix('~') {
            let digits = digits.to_ascii_lowercase();
            let well_formed = (KEY_DIGITS_MIN..=64).contains(&digits.len())
                && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            return match well_formed {
                true => Ok(Self::Key(digits)),
                false => Err(NamePatternError::Key),
            };
        }
        match text.split_once('@') {
            None => Ok(Self::Name(Nick::try_from(text)?)),
            Some((name, namespace)) => Ok(Self::Full(PeerName {
                name: Nick::try_from(name)?,
                namespace: RoomName::try_from(namespace)?,
            })),
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Full(name) => name.fmt(f),
            Self::Key(digits) => write!(f, "~{digits}"),
        }
    }
}

/// A line's place in history, which is sorted by this.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HistoryKey {
    /// One more than the greatest stamp of its causes.
    pub stamp: Lamport,
    /// Who wrote it (of a foreign one: who received it).
    pub author: AuthorKey,
    /// In which life.
    pub incarnation: Incarnation,
    /// Its place among that life's messages.
    pub n: u64,
    /// Of its signed bytes. Two messages of one name differ here.
    pub digest: Digest,
}

impl HistoryKey {
    /// The name of the message there.
    pub const fn name(&self) -> MessageName {
        let chain = lamparina_protocol::peer::Chain {
            author: self.author,
            incarnation: self.incarnation,
        };
        MessageName { chain, n: self.n }
    }
}

impl From<converging::HistoryKey> for HistoryKey {
    fn from(key: converging::HistoryKey) -> Self {
        Self {
            stamp: key.stamp,
            author: key.name.chain.author,
            incarnation: key.name.chain.incarnation,
            n: key.name.n,
            digest: key.digest,
        }
    }
}

impl From<HistoryKey> for converging::HistoryKey {
    fn from(key: HistoryKey) -> Self {
        Self {
            stamp: key.stamp,
            name: key.name(),
            digest: key.digest,
        }
    }
}

/// How many a message is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// One.
    Unicast,
    /// Some.
    Multicast,
    /// Everybody, or a room.
    Broadcast,
}

impl Kind {
    /// Its word in events.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unicast => "unicast",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
        }
    }
}

/// A line of the chat.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// Its place in history.
    pub key: HistoryKey,
    /// Who said it. Of a foreign one see `via`: this is who received it.
    pub from: PeerName,
    /// Where its author listens, as far as that is known.
    pub addr: Option<SocketAddr>,
    /// How many it is for.
    pub kind: Kind,
    /// For whom: `ALL`, `#room`, or names.
    pub to: Vec<String>,
    /// What it says.
    pub text: String,
    /// When, by its author's clock.
    pub sent_at: UnixMicros,
    /// Whose it was, where it came over another protocol.
    pub via: Option<Foreign>,
    /// It came when lines behind it were final already, and was inserted.
    pub late: bool,
    /// Nothing but late lines will be inserted before it.
    pub is_final: bool,
    /// It is told because somebody asked for it, or because it is older than this start.
    pub history: bool,
    /// It is this peer's own.
    pub own: bool,
    /// Another key bears the name of `from`, too: who it is, `key.author` says.
    pub shares_name: bool,
}

impl Line {
    /// The message's name.
    pub const fn name(&self) -> MessageName {
        self.key.name()
    }
}

/// What is known of another peer.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum PeerState {
    /// There is a link.
    Active,
    /// There was one, or it was heard, and there is none now.
    Stale,
    /// Only an address is known.
    Unknown,
}

impl PeerState {
    /// Its word in events.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Stale => "STALE",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// A peer, as the table has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeerLine {
    /// Who it is, once proved. A PyP2P peer has no key.
    pub key: Option<AuthorKey>,
    /// What it is called, once known.
    pub name: Option<PeerName>,
    /// `name@namespace` of a PyP2P peer, as it says.
    pub foreign: Option<String>,
    /// Where it listens.
    pub addrs: Vec<SocketAddr>,
    /// Whether there is a link.
    pub state: PeerState,
    /// The id that a coordinator gave it, as `coordinator.epoch.n`.
    pub id: Option<String>,
    /// When it was heard last.
    pub last_seen_at: Option<UnixMicros>,
    /// Links that opened.
    pub successes: u64,
    /// Attempts that failed, and links that broke.
    pub failures: u64,
    /// The mean round trip.
    pub rtt_mean: Option<Duration>,
    /// The last one.
    pub rtt_last: Option<Duration>,
    /// It coordinates, as far as we know.
    pub is_coordinator: bool,
    /// It is this peer.
    pub own: bool,
}

/// Which side made a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// The other.
    Inbound,
    /// This one.
    Outbound,
}

impl Direction {
    /// Its word in events.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// What is spoken on a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Spoken {
    /// Our sealed frames over TCP.
    Tcp,
    /// Our sealed frames over UDP.
    Udp,
    /// PyP2P.
    Pyp2p,
}

impl Spoken {
    /// Its word in events.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Pyp2p => "pyp2p",
        }
    }
}

/// A link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LinkLine {
    /// Its number, never used again in this life.
    pub number: u64,
    /// Who made it.
    pub direction: Direction,
    /// What is spoken.
    pub spoken: Spoken,
    /// The socket's other end.
    pub addr: SocketAddr,
    /// Who is there.
    pub key: Option<AuthorKey>,
    /// What it is called there.
    pub name: Option<String>,
    /// Since when.
    pub since: UnixMicros,
    /// The last round trip.
    pub rtt: Option<Duration>,
    /// Bytes sent on it so far; of PyP2P none are counted.
    pub sent_bytes: u64,
    /// Bytes that came on it.
    pub received_bytes: u64,
}

/// Who coordinates.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CoordinatorLine {
    /// Who.
    pub key: AuthorKey,
    /// What it is called, where that is known.
    pub name: Option<PeerName>,
    /// In which epoch.
    pub epoch: u64,
    /// It is this peer.
    pub own: bool,
}

/// Lines that came together and stand together in history.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Merged {
    /// The first.
    pub first: HistoryKey,
    /// The last.
    pub last: HistoryKey,
    /// How many.
    pub count: u64,
}

/// What came when peers met again that had gone on without each other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MergeReport {
    /// Lines that came.
    pub lines: u64,
    /// Of those, lines that stand before the newest line of before.
    pub inserted: u64,
    /// Of those, lines that came too late to be told before others became final.
    pub late: u64,
    /// Where they stand, ascending. Bounded: what does not fit is in the last one.
    pub ranges: Vec<Merged>,
}

/// An author gave one name to two messages. Both stand in history, and both signatures prove it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Equivocation {
    /// The name.
    pub name: MessageName,
    /// What the author is called.
    pub from: PeerName,
    /// The two messages.
    pub digests: [Digest; 2],
}

/// What became of what was said.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Summary {
    /// Messages that were taken.
    pub sent: u64,
    /// Messages that are stored here.
    pub committed: u64,
    /// Of those, messages that no neighbour is known to have, though there were neighbours; and messages
    /// that were not stored.
    pub pending: u64,
}

/// How two messages stand to each other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Why {
    /// The first in history.
    pub first: Line,
    /// The second.
    pub second: Line,
    /// Messages by which the first is a cause of the second, both ends included; empty where only the
    /// arrangement of history puts one before the other.
    pub path: Vec<MessageName>,
}

/// What became of one message here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trace {
    /// The message.
    pub line: Line,
    /// When it came here, or was said here.
    pub received_at: UnixMicros,
    /// Its place in the order of delivery here.
    pub position: u64,
    /// The messages that it names as its causes.
    pub causes: Vec<MessageName>,
    /// Neighbours that are known to have it.
    pub known_to: Vec<PeerName>,
}

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// It accepts links here.
    Listening(SocketAddr),
    /// It knows the clock: what is said from now on stands behind what others had said.
    Ready {
        /// The clock.
        stamp: Lamport,
    },
    /// One's own message is stored here and has its place.
    Committed {
        /// Its place.
        key: HistoryKey,
        /// How many it is for.
        kind: Kind,
        /// For whom.
        to: Vec<String>,
        /// What it says.
        text: String,
    },
    /// Somebody's line.
    Message(Line),
    /// Everything up to here is final.
    Final {
        /// The last one that is.
        upto: HistoryKey,
    },
    /// Peers met again.
    Merged(MergeReport),
    /// An author gave one name to two messages.
    Equivocation(Equivocation),
    /// A peer is there that was not.
    Joined(PeerLine),
    /// A peer has left, or cannot be reached any more.
    Left(PeerLine),
    /// A link has opened.
    LinkUp(LinkLine),
    /// A link has ended.
    LinkDown {
        /// Which.
        link: LinkLine,
        /// Why, in words.
        reason: String,
    },
    /// Somebody else coordinates, or nobody.
    Coordinator(Option<CoordinatorLine>),
    /// Something that people should know.
    Warning {
        /// A word for programs.
        code: &'static str,
        /// What, and what to do.
        text: String,
    },
    /// Nothing follows.
    Closed(Summary),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let read = NamePattern::parse(text);
        let read = read.map(|pattern| pattern.to_string());
        let words = read.map_err(|error| error.to_string());
        match expected {
            Ok(same) => assert_eq!(words.as_deref(), Ok(same)),
            Err(part) => assert!(words.clone().unwrap_err().contains(part), "{words:?}"),
        }
    }

    #[test]
    fn names_are_read_as_people_write_them() {
        check("ana", Ok("ana"));
        check("ana@lab", Ok("ana@lab"));
        check("~0123abCD", Ok("~0123abcd"));
        check("~0123abc", Err("at least 8"));
        check("~0123abcg", Err("hexadecimal"));
        check(&format!("~{}", "0".repeat(65)), Err("at most 64"));
        check("", Err("at least one character"));
        check("ana@", Err("at least one character"));
        check("ana@a@b", Err("not allowed"));
    }
}
