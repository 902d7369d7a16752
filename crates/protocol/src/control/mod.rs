//! Payloads of control frames, coded by hand: big-endian, of exact length, bounded. A payload that
//! is accepted encodes to the same bytes again (but for words that are not UTF-8).

mod ack;
mod disconnect;
mod handshake;
mod packet_ack;
mod terms;

pub use ack::{Ack, Nack, RANGES_MAX, SeqRange};
pub use disconnect::{CLOSE_TEXT_BYTES_MAX, Disconnect, cut, read_ping};
pub use handshake::{
    HandshakeAck, MAGIC, SYN_ACK_CLEAR_BYTES, SYN_BYTES_MIN, SYN_CLEAR_BYTES, Syn, SynAck,
    WORDS_BYTES_MAX,
};
pub use packet_ack::{PacketAck, RUNS_MAX, Run};
pub use terms::{
    FRAGMENT_BYTES_MAX, FRAGMENT_BYTES_MIN, Repair, Terms, TermsFault, VERSION, WINDOW_FRAMES_MAX,
};

use bytes::Bytes;

use crate::identity::{AuthorKey, Epoch, LogId, SessionNumber, Term};
use crate::lamport::Lamport;

/// Codes of DISCONNECT.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u16)]
pub enum CloseCode {
    /// An orderly end.
    Goodbye = 0,
    /// Another protocol's bytes.
    WrongProtocol = 1,
    /// A version that this side does not speak.
    WrongVersion = 2,
    /// Terms outside the limits.
    BadTerms = 3,
    /// A frame that has no place in this state.
    Unexpected = 4,
    /// A type number that this side does not know.
    UnknownType = 5,
    /// `last` is neither 0 nor 1.
    BadLast = 6,
    /// An acknowledgement of what was never sent.
    AckUnsent = 7,
    /// A frame beyond the window.
    BeyondWindow = 8,
    /// A control payload that cannot be read.
    BadControl = 9,
    /// A message longer than agreed.
    TooLong = 10,
    /// A message that cannot be read, or has no place in this state.
    BadMessage = 11,
    /// Frame boundaries were lost; connect again and resume.
    Damaged = 12,
    /// Nothing heard for too long.
    Timeout = 13,
    /// Retransmissions were not acknowledged.
    GaveUp = 14,
    /// The server is closing.
    ShuttingDown = 15,
    /// Too many connections, or another documented limit.
    Limit = 16,
    /// Did not read for too long.
    TooSlow = 17,
    /// The nick belongs to somebody else, or is ill-formed.
    Nick = 18,
    /// A newer session of the same author is active.
    TakenOver = 19,
    /// Links must be sealed here.
    SealedOnly = 20,
    /// Links are in clear here.
    ClearOnly = 21,
    /// An identity was not proved.
    Unproven = 22,
    /// The server's disk is full, and a newcomer's name cannot be kept.
    StorageFull = 23,
    /// The author was banned by who runs the server.
    Banned = 24,
    /// Who was never here needs an invite or a password, and has none that is good.
    NotAdmitted = 25,
    /// Who runs the server ended the session; its author may come back.
    Kicked = 26,
}

impl CloseCode {
    /// Every code, in the order of their numbers.
    pub const ALL: [Self; 27] = [
        Self::Goodbye,
        Self::WrongProtocol,
        Self::WrongVersion,
        Self::BadTerms,
        Self::Unexpected,
        Self::UnknownType,
        Self::BadLast,
        Self::AckUnsent,
        Self::BeyondWindow,
        Self::BadControl,
        Self::TooLong,
        Self::BadMessage,
        Self::Damaged,
        Self::Timeout,
        Self::GaveUp,
        Self::ShuttingDown,
        Self::Limit,
        Self::TooSlow,
        Self::Nick,
        Self::TakenOver,
        Self::SealedOnly,
        Self::ClearOnly,
        Self::Unproven,
        Self::StorageFull,
        Self::Banned,
        Self::NotAdmitted,
        Self::Kicked,
    ];

    /// The number on the wire.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The code numbered `number`, if this version knows it.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// Bytes that are not the control payload expected. The sender's fault: their checksum was good.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ControlError {
    /// Too short, too long, or not ending where it says.
    #[error("the payload has a length that its type does not allow")]
    Length,
    /// SYN or SYN_ACK of another protocol.
    #[error("the magic is not this protocol's")]
    Magic,
    /// SYN or SYN_ACK of another version.
    #[error("version {0} is not spoken here")]
    Version(u16),
    /// Flags that this version does not know.
    #[error("flags {0:#06x} are unknown")]
    Flags(u16),
    /// Empty, overlapping or descending ranges.
    #[error("the ranges are empty, overlap or do not ascend")]
    Ranges,
    /// `seq` other than 0 or `last` other than 1.
    #[error("a control frame stands alone: seq 0, last 1")]
    NotAlone,
}

/// What a client says of itself in SYN: who it is and where it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hello {
    /// The profile's public key.
    pub author: AuthorKey,
    /// The epoch of its outbox.
    pub epoch: Epoch,
    /// This session's number.
    pub session: SessionNumber,
    /// The log that `cursor` belongs to; all zero for none.
    pub log: LogId,
    /// The log's term when it was there last; 0 for never.
    pub term: Term,
    /// The last stamp it was delivered there.
    pub cursor: Lamport,
}

/// What a server says of itself in SYN_ACK.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Welcome {
    /// The log that this server orders.
    pub log: LogId,
    /// Its term: grows with each start of the server.
    pub term: Term,
    /// The order's clock.
    pub clock: Lamport,
    /// How fast an author may send; what is left of the burst comes with `Entered`.
    pub pace: Pace,
}

/// How many messages a server takes of one author: it counts them in a bucket that holds `burst`
/// and is filled up by `per_second`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Pace {
    /// Messages a second, for as long as it lasts; 0 where nothing is counted.
    pub per_second: u32,
    /// Messages at once.
    pub burst: u32,
}

/// Bytes of an encoded [`Hello`].
pub const HELLO_BYTES: usize = 32 + 8 + 8 + 16 + 4 + 8;
/// Bytes of an encoded [`Welcome`].
pub const WELCOME_BYTES: usize = 16 + 4 + 8 + 4 + 4;

impl Hello {
    /// Author, epoch, session, log, term, cursor; numbers big-endian.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(HELLO_BYTES);
        out.extend_from_slice(&self.author.0);
        out.extend_from_slice(&self.epoch.0.to_be_bytes());
        out.extend_from_slice(&self.session.0.to_be_bytes());
        out.extend_from_slice(&self.log.0);
        out.extend_from_slice(&self.term.0.to_be_bytes());
        out.extend_from_slice(&self.cursor.get().to_be_bytes());
        out.into()
    }

    /// Reads exactly [`HELLO_BYTES`] bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (author, rest) = bytes.split_first_chunk::<32>()?;
        let (epoch, rest) = rest.split_first_chunk::<8>()?;
        let (session, rest) = rest.split_first_chunk::<8>()?;
        let (log, rest) = rest.split_first_chunk::<16>()?;
        let (term, rest) = rest.split_first_chunk::<4>()?;
        let cursor: &[u8; 8] = rest.try_into().ok()?;
        Some(Self {
            author: AuthorKey(*author),
            epoch: Epoch(u64::from_be_bytes(*epoch)),
            session: SessionNumber(u64::from_be_bytes(*session)),
            log: LogId(*log),
            term: Term(u32::from_be_bytes(*term)),
            cursor: Lamport::new(u64::from_be_bytes(*cursor)),
        })
    }
}

impl Welcome {
    /// Log, term, clock, messages a second, burst; numbers big-endian.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(WELCOME_BYTES);
        out.extend_from_slice(&self.log.0);
        out.extend_from_slice(&self.term.0.to_be_bytes());
        out.extend_from_slice(&self.clock.get().to_be_bytes());
        out.extend_from_slice(&self.pace.per_second.to_be_bytes());
        out.extend_from_slice(&self.pace.burst.to_be_bytes());
        out.into()
    }

    /// Reads exactly [`WELCOME_BYTES`] bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (log, rest) = bytes.split_first_chunk::<16>()?;
        let (term, rest) = rest.split_first_chunk::<4>()?;
        let (clock, rest) = rest.split_first_chunk::<8>()?;
        let (per_second, rest) = rest.split_first_chunk::<4>()?;
        let burst: &[u8; 4] = rest.try_into().ok()?;
        Some(Self {
            log: LogId(*log),
            term: Term(u32::from_be_bytes(*term)),
            clock: Lamport::new(u64::from_be_bytes(*clock)),
            pace: Pace {
                per_second: u32::from_be_bytes(*per_second),
                burst: u32::from_be_bytes(*burst),
            },
        })
    }
}
