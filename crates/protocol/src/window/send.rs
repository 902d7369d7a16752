//! Frames in flight. Places `base..base + slots.len()` are in flight; the last `unsealed` of them
//! are still being written. A frame is kept as what it is made of: a stretch of a body, which many
//! frames and many links share, and its own few bytes. Thus a frame in flight costs 32 bytes,
//! neither a copy nor a reference count, and sent again it is the same bytes again.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::control::{Ack, SeqRange};
use crate::frame::{FrameType, HEADER_BYTES, Seq, SharedBody, put_frame_shared};
use crate::time::Instant;

/// Slots that a window begins with, after it had drained: it grows by doubling, and the first few
/// doublings cost more than their memory.
const SLOTS_FIRST: usize = 32;

/// A frame to send: its part of a body, whose CRC-32 is `crc`, and what stands behind it.
#[derive(Clone, Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) kind: FrameType,
    pub(crate) body: &'a SharedBody,
    pub(crate) stretch: Range<usize>,
    pub(crate) crc: u32,
    /// At most eight bytes.
    pub(crate) tail: &'a [u8],
    pub(crate) last: bool,
}

/// One frame in flight. Positions and times wrap; only differences are taken, and those are small:
/// a window has fewer than 2^32 bytes, and no frame is in flight for an hour.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Position of its first byte among all bytes written.
    at: u32,
    sent_us: u32,
    /// Where its part of the body begins in the source.
    start: u32,
    /// CRC-32 of that part.
    crc: u32,
    tail: [u8; 8],
    body_bytes: u16,
    tail_bytes: u8,
    kind: FrameType,
    last: bool,
    sends: u8,
    /// Acknowledged by a range, before its turn.
    acked: bool,
    /// To be sent again.
    wanted: bool,
}

const _: () = assert!(size_of::<Slot>() <= 32);

impl Slot {
    /// No sample may be taken from it (Karn's rule; a range's ACK was its sample).
    fn is_touched(self) -> bool {
        self.sends > 1 || self.acked
    }

    /// Bytes of the frame, header included.
    fn frame_bytes(self) -> usize {
        HEADER_BYTES + usize::from(self.body_bytes) + usize::from(self.tail_bytes)
    }
}

/// A buffer that frames in flight are stretches of.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
struct Source {
    buffer: Bytes,
    /// The first such frame.
    first: Seq,
}

/// An acknowledgement of what was never sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct AckFault;

/// What an ACK brought.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Acked {
    /// Something was acknowledged for the first time.
    pub(crate) progress: bool,
    /// An unambiguous round trip.
    pub(crate) sample: Option<Duration>,
    /// It is not older than an acknowledgement before it: its ranges hold.
    pub(crate) current: bool,
}

/// The sender's end of the window.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct SendWindow {
    slots: VecDeque<Slot>,
    sources: VecDeque<Source>,
    /// Bytes of all sources: what this window may keep from being freed.
    kept_bytes: u32,
    base: Seq,
    unsealed: u16,
    /// Slots that are touched: while there are none, an ACK costs the same for any number of frames.
    touched: u16,
    /// Slots that are wanted again.
    wanted: u16,
    frames_max: u16,
    bytes_max: u32,
}

impl SendWindow {
    pub(crate) fn new(frames_max: u16, bytes_max: u32) -> Self {
        Self {
            slots: VecDeque::new(),
            sources: VecDeque::new(),
            kept_bytes: 0,
            base: Seq::FIRST,
            unsealed: 0,
            touched: 0,
            wanted: 0,
            frames_max,
            bytes_max,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(crate) fn frames(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Bytes kept for sending again, when `position` bytes have been written in all.
    #[inline]
    pub(crate) fn bytes(&self, position: u32) -> u32 {
        self.slots
            .front()
            .map_or(0, |front| position.wrapping_sub(front.at))
    }

    /// Whether a frame of `length` bytes may be written now. An empty window takes any frame.
    #[inline]
    pub(crate) fn fits(&self, position: u32, length: u32) -> bool {
        self.slots.len() < usize::from(self.frames_max)
            && (self.slots.is_empty() || self.bytes(position) + length <= self.bytes_max)
    }

    /// The place of the next new frame.
    #[inline]
    pub(crate) fn next(&self) -> Seq {
        self.base.plus(self.slots.len() as u16)
    }

    /// Takes the place [`SendWindow::next`] for a frame about to be written at `position`.
    #[inline]
    pub(crate) fn push(&mut self, now: Instant, position: u32, piece: &Piece<'_>) {
        let start = match self.sources.back() {
            Some(source) if is_same(&source.buffer, piece.body.buffer()) => {
                piece.body.start() + piece.stretch.start as u32
            }
            _ => self.begin_source(piece),
        };
        let mut tail = [0; 8];
        tail[..piece.tail.len()].copy_from_slice(piece.tail);
        self.slots.push_back(Slot {
            at: position,
            sent_us: now.as_micros() as u32,
            start,
            crc: piece.crc,
            tail,
            body_bytes: piece.stretch.len() as u16,
            tail_bytes: piece.tail.len() as u8,
            kind: piece.kind,
            last: piece.last,
            sends: 1,
            acked: false,
            wanted: false,
        });
        self.unsealed += 1;
    }

    /// Another buffer: keeps it, or, where this window keeps half as much as it may have in flight
    /// already, copies out of it what is needed: a peer that does not read must not hold on to
    /// what others were sent. Gives where the piece begins in it.
    fn begin_source(&mut self, piece: &Piece<'_>) -> u32 {
        if self.slots.capacity() == 0 {
            self.slots.reserve(SLOTS_FIRST);
        }
        let whole = piece.body.buffer();
        let first = self.next();
        let (buffer, start) =
            if u64::from(self.kept_bytes) + whole.len() as u64 <= u64::from(self.bytes_max / 2) {
                (
                    whole.clone(),
                    piece.body.start() + piece.stretch.start as u32,
                )
            } else {
                let copy = Bytes::copy_from_slice(&piece.body.bytes()[piece.stretch.clone()]);
                (copy, 0)
            };
        self.kept_bytes += buffer.len() as u32;
        self.sources.push_back(Source { buffer, first });
        start
    }

    /// What was written leaves now.
    pub(crate) fn seal(&mut self) {
        self.unsealed = 0;
    }

    /// Frames that have left and are in flight.
    fn sealed(&self) -> u16 {
        self.slots.len() as u16 - self.unsealed
    }

    /// Applies an acknowledgement, all but its ranges, which are judged here and left to
    /// [`SendWindow::mark_early`]. One that is older than the last brings nothing.
    pub(crate) fn acknowledge(&mut self, now: Instant, ack: &Ack) -> Result<Acked, AckFault> {
        let count = ack.next.distance_from(self.base);
        if count > self.sealed() {
            let old = count >= 1 << 15;
            return if old {
                Ok(Acked::default())
            } else {
                Err(AckFault)
            };
        }
        // Ranges are judged before anything is changed, and from `next`: it will be the base then.
        let left = u32::from(self.sealed() - count);
        for range in &ack.ranges {
            let begins = u32::from(range.start.distance_from(ack.next));
            if begins + u32::from(range.count) > left {
                return Err(AckFault);
            }
        }
        let mut acked = Acked {
            current: true,
            ..Acked::default()
        };
        if count > 0 {
            acked.progress = true;
            acked.sample = self.advance(now, count);
        }
        Ok(acked)
    }

    /// Marks what came early, by the newest acknowledgement. Whether any of it was news.
    pub(crate) fn mark_early(&mut self, ranges: &[SeqRange]) -> bool {
        let mut news = false;
        for range in ranges {
            news |= self.mark(range);
        }
        news
    }

    /// Lets go of the first `count` frames. The sample is the last one's, when all of them were
    /// sent once: otherwise the last may have waited behind a hole.
    fn advance(&mut self, now: Instant, count: u16) -> Option<Duration> {
        let last = *self.slots.get(usize::from(count) - 1)?;
        let mut touched = 0;
        if self.touched > 0 {
            let going = self.slots.iter().take(usize::from(count));
            touched = going.filter(|slot| slot.is_touched()).count() as u16;
            self.touched -= touched;
        }
        if self.wanted > 0 {
            let going = self.slots.iter().take(usize::from(count));
            self.wanted -= going.filter(|slot| slot.wanted).count() as u16;
        }
        self.slots.drain(..usize::from(count));
        self.base = self.base.plus(count);
        self.let_go_of_sources();
        (touched == 0).then(|| since(now, last.sent_us))
    }

    /// Drops sources with no frame in flight, and all memory when nothing is.
    fn let_go_of_sources(&mut self) {
        if self.slots.is_empty() {
            self.slots = VecDeque::new();
            self.sources = VecDeque::new();
            self.kept_bytes = 0;
            return;
        }
        while let Some(second) = self.sources.get(1) {
            let still_needed =
                second.first != self.base && self.base.distance_from(second.first) >= 1 << 15;
            if still_needed {
                break;
            }
            if let Some(gone) = self.sources.pop_front() {
                self.kept_bytes -= gone.buffer.len() as u32;
            }
        }
    }

    /// Marks what came early. Whether any of it was news.
    fn mark(&mut self, range: &SeqRange) -> bool {
        let from = usize::from(range.start.distance_from(self.base));
        let mut news = 0;
        for slot in self.slots.range_mut(from..from + usize::from(range.count)) {
            self.touched += u16::from(!slot.is_touched());
            self.wanted -= u16::from(slot.wanted);
            news += u16::from(!slot.acked);
            slot.acked = true;
            slot.wanted = false;
        }
        news > 0
    }

    /// Marks to be sent again what `range` names of the frames in flight, but nothing that was sent
    /// again less than `again_after` ago.
    pub(crate) fn want_missing(&mut self, now: Instant, range: &SeqRange, again_after: Duration) {
        let begins = range.start.distance_from(self.base);
        let ends = u32::from(begins) + u32::from(range.count);
        let lap = 1 << 16;
        // A range that begins behind may reach into the window.
        let (from, to) = match begins {
            0..0x8000 => (u32::from(begins), ends),
            _ => (0, ends.saturating_sub(lap)),
        };
        let places = from as usize..to as usize;
        self.want(now, places, usize::MAX, Some(again_after));
    }

    /// Go-Back-N: marks everything from `first` on, unless `first` was sent again less than
    /// `again_after` ago.
    pub(crate) fn want_from(&mut self, now: Instant, first: Seq, again_after: Duration) {
        let from = match first.distance_from(self.base) {
            behind if behind >= 1 << 15 => 0,
            from => usize::from(from),
        };
        let recent = self
            .slots
            .get(from)
            .is_none_or(|slot| slot.sends > 1 && since(now, slot.sent_us) < again_after);
        if !recent {
            self.want(now, from..usize::MAX, usize::MAX, None);
        }
    }

    /// Marks the first `limit` frames that are not acknowledged.
    pub(crate) fn want_first(&mut self, now: Instant, limit: usize) {
        self.want(now, 0..usize::MAX, limit, None);
    }

    fn want(
        &mut self,
        now: Instant,
        places: Range<usize>,
        limit: usize,
        again_after: Option<Duration>,
    ) {
        let end = places.end.min(usize::from(self.sealed()));
        let mut found = 0;
        for slot in self.slots.range_mut(places.start.min(end)..end) {
            if found == limit {
                break;
            }
            let recent =
                slot.sends > 1 && again_after.is_some_and(|again| since(now, slot.sent_us) < again);
            if slot.acked || recent {
                continue;
            }
            found += 1;
            self.wanted += u16::from(!slot.wanted);
            slot.wanted = true;
        }
    }

    /// Whether anything is to be sent again.
    pub(crate) fn wants_again(&self) -> bool {
        self.wanted > 0
    }

    /// Sends again what is marked, in order, as one piece of at most `room_bytes`. Gives how many
    /// frames.
    pub(crate) fn resend_wanted(
        &mut self,
        now: Instant,
        room_bytes: usize,
        wire: &mut Vec<Bytes>,
    ) -> u32 {
        let mut sent = 0;
        let mut out = BytesMut::new();
        let mut place = 0;
        while self.wanted > 0
            && let Some(slot) = self.slots.get_mut(place)
        {
            if slot.wanted {
                if out.len() + slot.frame_bytes() > room_bytes {
                    break;
                }
                self.touched += u16::from(!slot.is_touched());
                self.wanted -= 1;
                slot.wanted = false;
                slot.sends = slot.sends.saturating_add(1);
                slot.sent_us = now.as_micros() as u32;
                sent += 1;
                self.write_again(place, &mut out);
            }
            place += 1;
        }
        if !out.is_empty() {
            wire.push(out.freeze());
        }
        sent
    }

    /// Writes the frame `place` places after `base`, as it was.
    fn write_again(&self, place: usize, out: &mut BytesMut) {
        let (Some(slot), Some(source)) = (self.slots.get(place), self.source_of(place)) else {
            return;
        };
        let seq = self.base.plus(place as u16);
        let from = slot.start as usize;
        let body = &source.buffer[from..from + usize::from(slot.body_bytes)];
        let tail = &slot.tail[..usize::from(slot.tail_bytes)];
        put_frame_shared(out, slot.kind, seq, slot.last, (body, slot.crc), tail);
    }

    /// Which source holds the frame `place` places after `base`.
    fn source_of(&self, place: usize) -> Option<&Source> {
        let front = self.sources.front()?.first;
        let wanted = self.base.plus(place as u16).distance_from(front);
        let after = self
            .sources
            .partition_point(|source| source.first.distance_from(front) <= wanted);
        self.sources.get(after.checked_sub(1)?)
    }
}

/// Whether two handles are of the same buffer.
#[inline]
fn is_same(one: &Bytes, other: &Bytes) -> bool {
    std::ptr::eq(one.as_ptr(), other.as_ptr()) && one.len() == other.len()
}

/// Time since a wrapped point in time.
fn since(now: Instant, sent_us: u32) -> Duration {
    let elapsed = (now.as_micros() as u32).wrapping_sub(sent_us);
    Duration::from_micros(u64::from(elapsed))
}

#[cfg(test)]
impl SendWindow {
    /// The first place in flight.
    pub(super) fn base(&self) -> Seq {
        self.base
    }

    /// Of each frame in flight, whether it was acknowledged early and whether it is wanted again.
    pub(super) fn view(&self) -> Vec<(bool, bool)> {
        let slots = self.slots.iter();
        slots.map(|slot| (slot.acked, slot.wanted)).collect()
    }
}

#[cfg(test)]
mod tests;
