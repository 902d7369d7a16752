//! Bytes on their way out. Sequenced frames are written one after the other into one burst, control
//! frames beside it; they leave as one piece, control frames last. The position of every sequenced
//! byte ever written is known, modulo 2^32.

use bytes::{Bytes, BytesMut};

use super::LinkStats;
use crate::frame::{FrameType, Seq, put_frame, put_frame_shared};
use crate::window::Piece;

/// Room made for a burst before its size is known, at most.
const HINT_BYTES_MAX: usize = 64 * 1024;
/// Room made for the control frames that leave with a burst: an ACK and some.
const CONTROL_BYTES: usize = 32;

/// The burst being written.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    burst: BytesMut,
    control: BytesMut,
    /// Position of the burst's first byte.
    at: u32,
    /// A guess at this burst's bytes, from those before.
    hint: u32,
    pub(super) stats: Counters,
}

/// What [`LinkStats`] counts. What it measures is asked for elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub(super) frames_sent: u64,
    pub(super) frames_received: u64,
    pub(super) retransmitted: u64,
    pub(super) damaged: u64,
    pub(super) duplicates: u64,
    pub(super) early: u64,
    pub(super) nacks_sent: u64,
    pub(super) nacks_received: u64,
    pub(super) timeouts: u64,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
}

impl Counters {
    /// The counts, with every measure at its default.
    pub(super) fn to_stats(self) -> LinkStats {
        LinkStats {
            frames_sent: self.frames_sent,
            frames_received: self.frames_received,
            retransmitted: self.retransmitted,
            damaged: self.damaged,
            duplicates: self.duplicates,
            early: self.early,
            nacks_sent: self.nacks_sent,
            nacks_received: self.nacks_received,
            timeouts: self.timeouts,
            bytes_sent: self.bytes_sent,
            bytes_received: self.bytes_received,
            ..LinkStats::default()
        }
    }
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.burst.is_empty() && self.control.is_empty()
    }

    /// Position of the next sequenced byte.
    #[inline]
    pub(super) fn position(&self) -> u32 {
        self.at.wrapping_add(self.burst.len() as u32)
    }

    /// Writes a control frame: alone, without a place.
    pub(super) fn put_control(&mut self, kind: FrameType, payload: &[u8]) {
        put_frame(&mut self.control, kind, Seq::FIRST, true, payload);
        self.stats.frames_sent += 1;
    }

    /// Writes a sequenced frame.
    #[inline]
    pub(super) fn put_sequenced(&mut self, seq: Seq, piece: &Piece<'_>) {
        if self.burst.capacity() == 0 {
            self.burst.reserve(self.hint as usize + CONTROL_BYTES);
        }
        let body = &piece.body.bytes()[piece.stretch.clone()];
        let burst = &mut self.burst;
        put_frame_shared(
            burst,
            piece.kind,
            seq,
            piece.last,
            (body, piece.crc),
            piece.tail,
        );
        self.stats.frames_sent += 1;
    }

    /// What is to leave. The next burst begins.
    pub(super) fn take(&mut self) -> Bytes {
        let control = std::mem::take(&mut self.control);
        let mut burst = std::mem::take(&mut self.burst);
        self.at = self.at.wrapping_add(burst.len() as u32);
        if burst.is_empty() {
            burst = control;
        } else {
            // One small burst among large ones must not make the next one grow step by step.
            let length = burst.len().min(HINT_BYTES_MAX) as u32;
            self.hint = length.max(self.hint / 2);
            burst.extend_from_slice(&control);
        }
        self.stats.bytes_sent += burst.len() as u64;
        burst.freeze()
    }

    /// The control frames that are to leave, of a link over datagrams.
    pub(super) fn take_control(&mut self) -> BytesMut {
        std::mem::take(&mut self.control)
    }

    /// Counts `pieces`, `frames` frames in all, that were sent before and leave again.
    pub(super) fn count_again(&mut self, frames: u32, pieces: &[Bytes]) {
        let bytes: usize = pieces.iter().map(Bytes::len).sum();
        self.stats.retransmitted += u64::from(frames);
        self.stats.frames_sent += u64::from(frames);
        self.stats.bytes_sent += bytes as u64;
    }
}
