//! Payloads of control frames, coded by hand.

use bytes::Bytes;

use crate::identity::{AuthorKey, Epoch, LogId, SessionNumber};
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
    /// The last stamp it was delivered there.
    pub cursor: Lamport,
}

/// What a server says of itself in SYN_ACK.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Welcome {
    /// The log that this server orders.
    pub log: LogId,
    /// The order's clock.
    pub clock: Lamport,
}

/// Bytes of an encoded [`Hello`].
pub const HELLO_BYTES: usize = 32 + 8 + 8 + 16 + 8;
/// Bytes of an encoded [`Welcome`].
pub const WELCOME_BYTES: usize = 16 + 8;

impl Hello {
    /// Author, epoch, session, log, cursor; numbers big-endian.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(HELLO_BYTES);
        out.extend_from_slice(&self.author.0);
        out.extend_from_slice(&self.epoch.0.to_be_bytes());
        out.extend_from_slice(&self.session.0.to_be_bytes());
        out.extend_from_slice(&self.log.0);
        out.extend_from_slice(&self.cursor.get().to_be_bytes());
        out.into()
    }

    /// Reads exactly [`HELLO_BYTES`] bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (author, rest) = bytes.split_first_chunk::<32>()?;
        let (epoch, rest) = rest.split_first_chunk::<8>()?;
        let (session, rest) = rest.split_first_chunk::<8>()?;
        let (log, rest) = rest.split_first_chunk::<16>()?;
        let cursor: &[u8; 8] = rest.try_into().ok()?;
        Some(Self {
            author: AuthorKey(*author),
            epoch: Epoch(u64::from_be_bytes(*epoch)),
            session: SessionNumber(u64::from_be_bytes(*session)),
            log: LogId(*log),
            cursor: Lamport::new(u64::from_be_bytes(*cursor)),
        })
    }
}

impl Welcome {
    /// Log, clock; numbers big-endian.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(WELCOME_BYTES);
        out.extend_from_slice(&self.log.0);
        out.extend_from_slice(&self.clock.get().to_be_bytes());
        out.into()
    }

    /// Reads exactly [`WELCOME_BYTES`] bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (log, rest) = bytes.split_first_chunk::<16>()?;
        let clock: &[u8; 8] = rest.try_into().ok()?;
        Some(Self {
            log: LogId(*log),
            clock: Lamport::new(u64::from_be_bytes(*clock)),
        })
    }
}
