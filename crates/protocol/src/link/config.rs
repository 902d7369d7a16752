//! What one side brings to the handshake. Limits are brought into range once, at the start.

use std::time::Duration;

use super::Repair;
use crate::control::{FRAGMENT_BYTES_MAX, FRAGMENT_BYTES_MIN, Terms, VERSION, WINDOW_FRAMES_MAX};
use crate::frame::HEADER_BYTES;
use crate::message::MESSAGE_BYTES_MAX;

/// Frame bytes in flight, by default.
pub const WINDOW_BYTES: u32 = 1 << 20;
/// Frame bytes in flight, at most.
pub const WINDOW_BYTES_MAX: u32 = 8 << 20;
/// Bytes of a message being joined on one connection, at most.
pub const REASSEMBLY_BYTES_MAX: u32 = 1 << 20;
/// Silence after which a PING is sent, by default.
pub const PING_AFTER: Duration = Duration::from_secs(20);
/// Silence after which a link is closed, by default.
pub const DEAD_AFTER: Duration = Duration::from_secs(60);
/// Time for a handshake, by default.
pub const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

const _: () = assert!(MESSAGE_BYTES_MAX <= REASSEMBLY_BYTES_MAX as usize);
// Silence is broken by a PING long before it ends a link.
const _: () = assert!(DEAD_AFTER.as_millis() >= 2 * PING_AFTER.as_millis());

/// What one side brings to the handshake. The lower limit of both sides holds.
///
/// A value outside its bounds is taken for the nearest one inside.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// Payload bytes of a frame: 64 to 8,180, the default. Smaller ones cost more headers and lose
    /// less to one damaged frame.
    pub fragment_bytes: u16,
    /// Frames in flight: 1 (stop and wait) to 16,384, the default.
    pub window_frames: u16,
    /// Frame bytes in flight: at least one whole frame, at most 8 MiB; 1 MiB by default. A sender
    /// keeps at most three times as much, a receiver once. Bandwidth times round trip, for full speed.
    pub window_bytes: u32,
    /// Go-Back-N holds when either side asks for it. Selective repeat by default.
    pub repair: Repair,
    /// Bytes of a message, fragments joined: 1 to 1 MiB; by default what the codec takes.
    pub message_bytes_max: u32,
    /// The BULK lane holds when both sides speak it, as by default. It has a window of its own, with the
    /// same limits, once it is used.
    pub bulk: bool,
    /// A random number that tells this connection from others between the same ends. Any value.
    pub token: u32,
    /// Sends a PING after this long without a word from the peer: 20 s by default. Less than half
    /// of `dead_after`, so that a lost PING can be repeated.
    pub ping_after: Duration,
    /// Closes after this long without a word from the peer, or without progress of what was sent:
    /// 60 s by default.
    pub dead_after: Duration,
    /// The handshake must be complete this long after its start: 10 s by default.
    pub handshake_within: Duration,
}

impl LinkConfig {
    /// The default limits, with `token` to tell this connection from others.
    pub const fn new(token: u32) -> Self {
        Self {
            fragment_bytes: FRAGMENT_BYTES_MAX,
            window_frames: WINDOW_FRAMES_MAX,
            window_bytes: WINDOW_BYTES,
            repair: Repair::SelectiveRepeat,
            message_bytes_max: MESSAGE_BYTES_MAX as u32,
            bulk: true,
            token,
            ping_after: PING_AFTER,
            dead_after: DEAD_AFTER,
            handshake_within: HANDSHAKE_WITHIN,
        }
    }

    /// The same with every limit inside its bounds.
    pub(super) fn in_bounds(self) -> Self {
        let fragment_bytes = self
            .fragment_bytes
            .clamp(FRAGMENT_BYTES_MIN, FRAGMENT_BYTES_MAX);
        let frame_bytes = u32::from(fragment_bytes) + HEADER_BYTES as u32;
        Self {
            fragment_bytes,
            window_frames: self.window_frames.clamp(1, WINDOW_FRAMES_MAX),
            window_bytes: self.window_bytes.clamp(frame_bytes, WINDOW_BYTES_MAX),
            message_bytes_max: self.message_bytes_max.clamp(1, REASSEMBLY_BYTES_MAX),
            ..self
        }
    }

    /// What this side offers.
    pub(super) fn terms(&self) -> Terms {
        Terms {
            version: VERSION,
            fragment_bytes: self.fragment_bytes,
            window_frames: self.window_frames,
            window_bytes: self.window_bytes,
            repair: self.repair,
            message_bytes_max: self.message_bytes_max,
            bulk: self.bulk,
        }
    }
}

impl Default for LinkConfig {
    /// The default limits and token 0, which suits streams: there the transport tells connections
    /// apart.
    fn default() -> Self {
        Self::new(0)
    }
}
