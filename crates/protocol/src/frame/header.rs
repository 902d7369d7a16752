//! The header's twelve bytes, named once.

use super::checksum;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 12;
/// Bytes of a frame, at most: within 8 KiB a CRC-32 catches every error of three bits.
pub const FRAME_BYTES_MAX: usize = 8_192;
/// Bytes of a payload, at most.
pub const PAYLOAD_BYTES_MAX: usize = FRAME_BYTES_MAX - HEADER_BYTES;

const _: () = assert!(PAYLOAD_BYTES_MAX == 8_180);

/// Where each field stands; all numbers are big-endian.
pub(crate) mod field {
    use std::ops::Range;

    pub(crate) const LENGTH: Range<usize> = 0..4;
    pub(crate) const TYPE: usize = 4;
    pub(crate) const SEQ: Range<usize> = 5..7;
    pub(crate) const CHECKSUM: Range<usize> = 7..11;
    pub(crate) const LAST: usize = 11;
}

/// Place of a frame in one direction of a link; wraps at 65,536.
///
/// Not `Ord`: order around the wrap is not transitive. Compare by [`Seq::distance_from`].
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Seq(u16);

impl Seq {
    /// The first place of a direction.
    pub const FIRST: Self = Self(0);

    /// The place numbered `number`.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The number on the wire.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The place `steps` later.
    #[must_use]
    pub const fn plus(self, steps: u16) -> Self {
        Self(self.0.wrapping_add(steps))
    }

    /// Steps forward from `base` to `self`, around the wrap.
    pub const fn distance_from(self, base: Self) -> u16 {
        self.0.wrapping_sub(base.0)
    }
}

/// What a frame carries.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum FrameType {
    /// First step of the handshake.
    Syn = 1,
    /// Cumulative acknowledgement with ranges.
    Ack = 2,
    /// Third step of the handshake.
    HandshakeAck = 3,
    /// A chat message or event. Sequenced.
    Data = 4,
    /// Missing ranges.
    Nack = 5,
    /// The end, with a code and words.
    Disconnect = 6,
    /// Claims a nick. Sequenced.
    SetNick = 7,
    /// Asks who is connected. Sequenced.
    ListRequest = 8,
    /// Says who is connected. Sequenced.
    ListResponse = 9,
    /// Second step of the handshake.
    SynAck = 10,
    /// Asks for a PONG with the same payload.
    Ping = 11,
    /// Answers a PING.
    Pong = 12,
    /// Encrypted frames (on streams).
    Sealed = 13,
    /// A large body on its own lane. Sequenced there.
    Bulk = 14,
    /// A cookie for an initiator whose address is not proved (on datagrams, before a link).
    Retry = 15,
    /// Settings of a bad channel, where the server allows it. Sequenced.
    Channel = 99,
}

impl FrameType {
    /// Every type, in the order of their numbers.
    pub const ALL: [Self; 16] = [
        Self::Syn,
        Self::Ack,
        Self::HandshakeAck,
        Self::Data,
        Self::Nack,
        Self::Disconnect,
        Self::SetNick,
        Self::ListRequest,
        Self::ListResponse,
        Self::SynAck,
        Self::Ping,
        Self::Pong,
        Self::Sealed,
        Self::Bulk,
        Self::Retry,
        Self::Channel,
    ];

    /// The number on the wire.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The type numbered `number`, if there is one.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Syn,
            2 => Self::Ack,
            3 => Self::HandshakeAck,
            4 => Self::Data,
            5 => Self::Nack,
            6 => Self::Disconnect,
            7 => Self::SetNick,
            8 => Self::ListRequest,
            9 => Self::ListResponse,
            10 => Self::SynAck,
            11 => Self::Ping,
            12 => Self::Pong,
            13 => Self::Sealed,
            14 => Self::Bulk,
            15 => Self::Retry,
            99 => Self::Channel,
            _ => return None,
        })
    }

    /// Whether frames of this type take a place in a window (BULK in its own) and are acknowledged.
    pub const fn is_sequenced(self) -> bool {
        matches!(
            self,
            Self::Data
                | Self::SetNick
                | Self::ListRequest
                | Self::ListResponse
                | Self::Bulk
                | Self::Channel
        )
    }
}

/// A frame with a good checksum and fields that no sender of this protocol writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FrameFault {
    /// A type number that this version does not know.
    #[error("frame type {0} is unknown")]
    UnknownType(u8),
    /// `last` is neither 0 nor 1.
    #[error("`last` is {0}, not 0 or 1")]
    BadLast(u8),
}

/// A header as it stands on the wire; nothing in it has been judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// Payload bytes.
    pub length: u32,
    /// Type number.
    pub kind: u8,
    /// Place in the window.
    pub seq: Seq,
    /// CRC-32 over the payload and then the header's other eight bytes.
    pub checksum: u32,
    /// 1 on a message's last fragment, else 0.
    pub last: u8,
}

impl Header {
    /// Reads the twelve bytes.
    pub fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> Self {
        let [l0, l1, l2, l3, kind, s0, s1, c0, c1, c2, c3, last] = *bytes;
        Self {
            length: u32::from_be_bytes([l0, l1, l2, l3]),
            kind,
            seq: Seq(u16::from_be_bytes([s0, s1])),
            checksum: u32::from_be_bytes([c0, c1, c2, c3]),
            last,
        }
    }

    /// The twelve bytes.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[field::LENGTH].copy_from_slice(&self.length.to_be_bytes());
        bytes[field::TYPE] = self.kind;
        bytes[field::SEQ].copy_from_slice(&self.seq.0.to_be_bytes());
        bytes[field::CHECKSUM].copy_from_slice(&self.checksum.to_be_bytes());
        bytes[field::LAST] = self.last;
        bytes
    }

    /// The checksum that this header should carry, given the CRC-32 of its payload: continued over
    /// length, type, seq and last, in the order in which they stand.
    #[inline]
    pub fn checksum_after(&self, payload_crc: u32) -> u32 {
        let covered = u64::from(self.length.swap_bytes())
            | u64::from(self.kind) << 32
            | u64::from(self.seq.0.swap_bytes()) << 40
            | u64::from(self.last) << 56;
        checksum::extend_by_eight(payload_crc, covered)
    }
}
