//! What two sides agree on. `Terms` that came through [`Terms::checked`] are within the limits that
//! every part of a link relies on.

use crate::frame::{HEADER_BYTES, PAYLOAD_BYTES_MAX};

/// Version of the protocol that this crate speaks.
pub const VERSION: u16 = 1;
/// Payload bytes of a frame that a side may ask for, at least.
pub const FRAGMENT_BYTES_MIN: u16 = 64;
/// Payload bytes of a frame, at most.
pub const FRAGMENT_BYTES_MAX: u16 = PAYLOAD_BYTES_MAX as u16;
/// Frames in flight, at most.
pub const WINDOW_FRAMES_MAX: u16 = 16_384;

const _: () = assert!(PAYLOAD_BYTES_MAX <= u16::MAX as usize);
// A frame of the previous lap must never fall inside the window of this one, and half of all
// places must be left to tell what lies behind from what lies beyond.
const _: () = assert!(WINDOW_FRAMES_MAX as u32 * 2 <= 1 << 15);

/// How holes are repaired.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Repair {
    /// Only what is missing is sent again; the receiver keeps what came early.
    #[default]
    SelectiveRepeat,
    /// Everything from the hole on is sent again; the receiver drops what came early.
    GoBackN,
}

/// What both sides agreed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Terms {
    /// Protocol version.
    pub version: u16,
    /// Payload bytes of a frame.
    pub fragment_bytes: u16,
    /// Frames in flight.
    pub window_frames: u16,
    /// Frame bytes in flight.
    pub window_bytes: u32,
    /// How holes are repaired.
    pub repair: Repair,
    /// Bytes of a message.
    pub message_bytes_max: u32,
    /// The BULK lane is spoken.
    pub bulk: bool,
}

/// Terms that no side of this protocol offers.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TermsFault {
    /// Outside [`FRAGMENT_BYTES_MIN`] to [`FRAGMENT_BYTES_MAX`].
    #[error("frames of {0} payload bytes: ask for {FRAGMENT_BYTES_MIN} to {FRAGMENT_BYTES_MAX}")]
    Fragment(u16),
    /// Zero or over [`WINDOW_FRAMES_MAX`].
    #[error("a window of {0} frames: ask for 1 to {WINDOW_FRAMES_MAX}")]
    Frames(u16),
    /// A whole frame does not fit.
    #[error("a window of {0} bytes: ask for at least one whole frame")]
    Bytes(u32),
    /// No message at all.
    #[error("messages of no bytes: ask for at least 1")]
    Message,
    /// The answer gives more than was offered.
    #[error("the answer gives more than was offered")]
    AboveOffer,
}

impl Terms {
    /// These terms, when they are within the limits.
    ///
    /// # Errors
    ///
    /// [`TermsFault`], which says what to ask for instead.
    pub fn checked(self) -> Result<Self, TermsFault> {
        if !(FRAGMENT_BYTES_MIN..=FRAGMENT_BYTES_MAX).contains(&self.fragment_bytes) {
            return Err(TermsFault::Fragment(self.fragment_bytes));
        }
        if !(1..=WINDOW_FRAMES_MAX).contains(&self.window_frames) {
            return Err(TermsFault::Frames(self.window_frames));
        }
        if self.window_bytes < u32::from(self.fragment_bytes) + HEADER_BYTES as u32 {
            return Err(TermsFault::Bytes(self.window_bytes));
        }
        if self.message_bytes_max == 0 {
            return Err(TermsFault::Message);
        }
        Ok(self)
    }

    /// The lower limit of both sides; Go-Back-N when either asks for it, BULK when both speak it. Within the limits when
    /// both are: each window holds the larger frame, so the smaller window holds the smaller frame.
    #[must_use]
    pub fn lower_of(self, other: Self) -> Self {
        let repair = match (self.repair, other.repair) {
            (Repair::SelectiveRepeat, Repair::SelectiveRepeat) => Repair::SelectiveRepeat,
            (Repair::GoBackN, _) | (_, Repair::GoBackN) => Repair::GoBackN,
        };
        Self {
            version: self.version,
            fragment_bytes: self.fragment_bytes.min(other.fragment_bytes),
            window_frames: self.window_frames.min(other.window_frames),
            window_bytes: self.window_bytes.min(other.window_bytes),
            repair,
            message_bytes_max: self.message_bytes_max.min(other.message_bytes_max),
            bulk: self.bulk && other.bulk,
        }
    }

    /// These terms as the answer to `offer`.
    ///
    /// # Errors
    ///
    /// [`TermsFault`] when they are out of limits or above the offer.
    pub fn answering(self, offer: Self) -> Result<Self, TermsFault> {
        let checked = self.checked()?;
        if checked.lower_of(offer) == checked {
            Ok(checked)
        } else {
            Err(TermsFault::AboveOffer)
        }
    }
}
