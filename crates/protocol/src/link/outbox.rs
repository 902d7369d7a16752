//! Bytes on their way out. Frames are written one after the other into one burst, which leaves as
//! one piece; the position of every byte ever written is known, modulo 2^32.

use bytes::{Bytes, BytesMut};

use super::LinkStats;
use crate::frame::{FrameType, Seq, put_frame, put_frame_shared};

/// Room made for a burst before its size is known, at most.
const HINT_BYTES_MAX: usize = 64 * 1024;

/// The burst being written.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    burst: BytesMut,
    /// Position of the burst's first byte.
    at: u32,
    /// Bytes of the burst before this one: the best guess for this one.
    hint: u32,
    /// Counters of the link. Those that are measured when asked for are zero here.
    pub(super) stats: LinkStats,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.burst.is_empty()
    }

    /// Position of the next byte.
    #[inline]
    pub(super) fn position(&self) -> u32 {
        self.at.wrapping_add(self.burst.len() as u32)
    }

    /// Writes a control frame: alone, without a place.
    pub(super) fn put_control(&mut self, kind: FrameType, payload: &[u8]) {
        self.make_room();
        put_frame(&mut self.burst, kind, Seq::FIRST, true, payload);
        self.stats.frames_sent += 1;
    }

    /// Writes a sequenced frame.
    #[inline]
    pub(super) fn put_sequenced(
        &mut self,
        kind: FrameType,
        seq: Seq,
        last: bool,
        body: (&[u8], u32),
        tail: &[u8],
    ) {
        self.make_room();
        put_frame_shared(&mut self.burst, kind, seq, last, body, tail);
        self.stats.frames_sent += 1;
    }

    #[inline]
    fn make_room(&mut self) {
        if self.burst.capacity() == 0 {
            self.burst.reserve(self.hint as usize);
        }
    }

    /// The burst and its position. The next one begins.
    pub(super) fn take(&mut self) -> (u32, Bytes) {
        let at = self.at;
        let burst = std::mem::take(&mut self.burst).freeze();
        self.at = at.wrapping_add(burst.len() as u32);
        self.hint = burst.len().min(HINT_BYTES_MAX) as u32;
        self.stats.bytes_sent += burst.len() as u64;
        (at, burst)
    }

    /// Counts pieces of earlier bursts, `frames` frames in all, that leave again.
    pub(super) fn count_again(&mut self, frames: u32, pieces: &[Bytes]) {
        let bytes: usize = pieces.iter().map(Bytes::len).sum();
        self.stats.retransmitted += u64::from(frames);
        self.stats.frames_sent += u64::from(frames);
        self.stats.bytes_sent += bytes as u64;
    }
}
