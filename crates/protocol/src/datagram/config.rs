//! What one side brings to a link over datagrams. A value outside its bounds is taken for the nearest
//! one inside.

use super::ConnectionId;

/// Bytes of a datagram, by default: what passes everywhere (RFC 9000, 14).
pub const DATAGRAM_BYTES: u16 = 1_200;
/// Bytes of a datagram, at most.
pub const DATAGRAM_BYTES_MAX: u16 = 8_192;
/// Bytes of a datagram, at least: any handshake fits, whatever the profile.
pub const DATAGRAM_BYTES_MIN: u16 = 256;
/// Bytes of a datagram on a slow line: a small message waits for none longer.
pub const DATAGRAM_BYTES_SLOW: u16 = 512;
/// Payload bytes of a frame that fill such a datagram on a sealed link. Who calls over a slow line offers
/// them, and is answered accordingly (11.23).
pub const FRAGMENT_BYTES_SLOW: u16 = DATAGRAM_BYTES_SLOW - 16 - 12 - 16;
/// How often one frame may leave unasked, at most.
pub const COPIES_MAX: u8 = 8;

/// What kind of line a link is for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Profile {
    /// 16 kbit/s and more.
    #[default]
    Usual,
    /// 1 to 10 kbit/s and seconds of delay (HF radio, satellites): long timers, no chatter.
    Slow,
}

/// How much is sent more than once without being asked for, so that small messages on a bad line
/// need no round trip of repair. How many copies leave is chosen from the measured loss; without loss
/// none do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Copies {
    /// Times that a frame may leave in all: 1 (no copies) to [`COPIES_MAX`]; 4 by default.
    pub times_max: u8,
    /// Share of the link's measured speed that copies may take, in percent: 0 to 50; 25 by default.
    pub share_percent: u8,
}

impl Copies {
    /// Nothing leaves twice unasked.
    pub const NONE: Self = Self {
        times_max: 1,
        share_percent: 0,
    };
}

impl Default for Copies {
    fn default() -> Self {
        Self {
            times_max: 4,
            share_percent: 25,
        }
    }
}

/// What one side brings to a link over datagrams.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DatagramConfig {
    /// Chosen at random by the initiator; the responder takes the one in the datagram that it got.
    pub connection: ConnectionId,
    /// Bytes of a datagram, header and seal included: [`DATAGRAM_BYTES_MIN`] to
    /// [`DATAGRAM_BYTES_MAX`]; [`DATAGRAM_BYTES`] by default.
    pub datagram_bytes: u16,
    /// What kind of line it is.
    pub profile: Profile,
    /// What leaves more than once.
    pub copies: Copies,
    /// A random number that nobody else knows: it chooses packet numbers that are never used, so that
    /// acknowledgements of what never came are noticed.
    pub seed: u64,
}

impl DatagramConfig {
    /// The default limits.
    pub fn new(connection: ConnectionId, seed: u64) -> Self {
        Self {
            connection,
            datagram_bytes: DATAGRAM_BYTES,
            profile: Profile::default(),
            copies: Copies::default(),
            seed,
        }
    }

    /// The same for a slow line.
    #[must_use]
    pub fn slow(self) -> Self {
        Self {
            datagram_bytes: DATAGRAM_BYTES_SLOW,
            profile: Profile::Slow,
            ..self
        }
    }

    pub(crate) fn in_bounds(self) -> Self {
        let range = DATAGRAM_BYTES_MIN..=DATAGRAM_BYTES_MAX;
        Self {
            datagram_bytes: self.datagram_bytes.clamp(*range.start(), *range.end()),
            copies: Copies {
                times_max: self.copies.times_max.clamp(1, COPIES_MAX),
                share_percent: self.copies.share_percent.min(50),
            },
            ..self
        }
    }
}
