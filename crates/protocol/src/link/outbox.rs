//! Bytes on their way out. Sequenced frames of a lane are written one after the other into one burst,
//! control frames beside it; they leave as one piece, control frames last. The position of every
//! sequenced byte ever written in a lane is known, modulo 2^32.

use bytes::{Bytes, BytesMut};

use super::LinkStats;
use crate::control::WINDOW_FRAMES_MAX;
use crate::frame::{FrameType, Seq, put_frame, put_frame_shared};
use crate::window::Piece;

/// Room made for a burst before its size is known, at most.
const HINT_BYTES_MAX: usize = 64 * 1024;
const _: () = assert!(HINT_BYTES_MAX.div_ceil(4) <= u16::MAX as usize);
const _: () = assert!(WINDOW_FRAMES_MAX < u16::MAX);
/// Room made for the control frames that leave with a burst: an ACK and some.
const CONTROL_BYTES: usize = 32;

/// Sequenced frames of one lane, written one after the other.
#[derive(Debug, Default)]
pub(super) struct Burst {
    bytes: BytesMut,
    /// Position of the first byte.
    at: u32,
    /// A guess at this burst's bytes, from those before, in units of four.
    hint_words: u16,
    /// Not more than a window has.
    frames: u16,
}

impl Burst {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Position of the next sequenced byte.
    #[inline]
    pub(super) fn position(&self) -> u32 {
        self.at.wrapping_add(self.bytes.len() as u32)
    }

    /// Writes a sequenced frame.
    #[inline]
    pub(super) fn put(&mut self, seq: Seq, piece: &Piece<'_>) {
        if self.bytes.capacity() == 0 {
            let hint_bytes = usize::from(self.hint_words) * 4;
            self.bytes.reserve(hint_bytes + CONTROL_BYTES);
        }
        let body = &piece.body.bytes()[piece.stretch.clone()];
        put_frame_shared(
            &mut self.bytes,
            piece.kind,
            seq,
            piece.last,
            (body, piece.crc),
            piece.tail,
        );
        self.frames += 1;
    }

    /// What was written. The next burst begins.
    fn take(&mut self, stats: &mut Counters) -> BytesMut {
        let bytes = std::mem::take(&mut self.bytes);
        self.at = self.at.wrapping_add(bytes.len() as u32);
        // One small burst among large ones must not make the next one grow step by step.
        let words = bytes.len().min(HINT_BYTES_MAX).div_ceil(4) as u16;
        self.hint_words = words.max(self.hint_words / 2);
        stats.frames_sent += u64::from(std::mem::take(&mut self.frames));
        bytes
    }

    /// What was written, as a piece of its own, where anything was.
    pub(super) fn leave(&mut self, stats: &mut Counters, wire: &mut Vec<Bytes>) {
        if self.bytes.is_empty() {
            return;
        }
        let bytes = self.take(stats);
        stats.bytes_sent += bytes.len() as u64;
        wire.push(bytes.freeze());
    }
}

/// The burst being written: of the DATA lane, and all control frames.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) burst: Burst,
    control: BytesMut,
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

impl Counters {
    /// Counts `pieces`, `frames` frames in all, that were sent before and leave again.
    pub(super) fn count_again(&mut self, frames: u32, pieces: &[Bytes]) {
        let bytes: usize = pieces.iter().map(Bytes::len).sum();
        self.retransmitted += u64::from(frames);
        self.frames_sent += u64::from(frames);
        self.bytes_sent += bytes as u64;
    }
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.burst.is_empty() && self.control.is_empty()
    }

    /// Writes a control frame: alone, without a place.
    pub(super) fn put_control(&mut self, kind: FrameType, payload: &[u8]) {
        self.put_control_of(Seq::FIRST, kind, payload);
    }

    /// Writes an ACK or NACK of the lane that has this number.
    pub(super) fn put_control_of(&mut self, lane: Seq, kind: FrameType, payload: &[u8]) {
        put_frame(&mut self.control, kind, lane, true, payload);
        self.stats.frames_sent += 1;
    }

    /// What is to leave. The next burst begins.
    pub(super) fn take(&mut self) -> Bytes {
        let control = std::mem::take(&mut self.control);
        let burst = match self.burst.is_empty() {
            true => control,
            false => {
                let mut burst = self.burst.take(&mut self.stats);
                burst.extend_from_slice(&control);
                burst
            }
        };
        self.stats.bytes_sent += burst.len() as u64;
        burst.freeze()
    }

    /// The control frames that are to leave, of a link over datagrams.
    pub(super) fn take_control(&mut self) -> BytesMut {
        std::mem::take(&mut self.control)
    }
}
