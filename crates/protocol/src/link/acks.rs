//! When to acknowledge. What came is acknowledged at most 5 ms later, sooner when a quarter of the
//! window waits or the peer seems to have lost our last word; once per call at most.

use std::time::Duration;

use crate::control::Terms;
use crate::time::Instant;

/// An acknowledgement waits this long for company.
pub(super) const ACK_WITHIN: Duration = Duration::from_millis(5);
/// Frames that may wait, at most.
const WAITING_FRAMES_MAX: u16 = 64;

/// What waits to be acknowledged.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Acks {
    waiting_frames: u16,
    waiting_bytes: u32,
    /// Meaningful while something waits.
    due: Instant,
    at_once: bool,
}

impl Acks {
    /// A sequenced frame came.
    #[inline]
    pub(super) fn note(&mut self, now: Instant, bytes: usize) {
        if self.waiting_frames == 0 {
            self.due = now + ACK_WITHIN;
        }
        self.waiting_frames = self.waiting_frames.saturating_add(1);
        self.waiting_bytes = self.waiting_bytes.saturating_add(bytes as u32);
    }

    /// The peer is better told now.
    pub(super) fn note_at_once(&mut self) {
        self.at_once = true;
    }

    /// Whether anything waits, due or not.
    #[inline]
    pub(super) fn waits(&self) -> bool {
        self.waiting_frames > 0 || self.at_once
    }

    /// Whether to acknowledge now.
    pub(super) fn is_due(&self, now: Instant, terms: &Terms) -> bool {
        let frames = (terms.window_frames / 4).clamp(1, WAITING_FRAMES_MAX);
        self.at_once
            || self.waiting_frames >= frames
            || self.waiting_bytes >= terms.window_bytes / 4
            || (self.waiting_frames > 0 && self.due <= now)
    }

    /// When to acknowledge.
    pub(super) fn due_at(&self) -> Option<Instant> {
        self.waits().then_some(self.due)
    }
}
