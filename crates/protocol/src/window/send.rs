//! Frames in flight. Places `base..base + slots.len()` are in flight; the last `unsealed` of them
//! are still being written, the others lie in `bursts`, in order. A frame in flight costs twelve
//! bytes and no reference count: it is a stretch of the burst that it left with.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;

use crate::control::{Ack, SeqRange};
use crate::frame::Seq;
use crate::time::Instant;

/// Slots that a window begins with, after it had drained: it grows by doubling, and the first few
/// doublings cost more than their memory.
const SLOTS_FIRST: usize = 32;

/// One frame in flight. Positions and times wrap; only differences are taken, and those are small:
/// a window has fewer than 2^32 bytes, and no frame is in flight for an hour.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Position of its first byte among all bytes written.
    at: u32,
    sent_us: u32,
    length: u16,
    sends: u8,
    /// Acknowledged by a range, before its turn.
    acked: bool,
}

impl Slot {
    /// No sample may be taken from it (Karn's rule; a range's ACK was its sample).
    fn is_touched(self) -> bool {
        self.sends > 1 || self.acked
    }
}

/// Bytes that left as one piece.
#[derive(Debug)]
struct Burst {
    bytes: Bytes,
    /// Position of its first byte among all bytes written.
    at: u32,
    /// Its first sequenced frame.
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
}

/// The sender's end of the window.
#[derive(Debug)]
pub(crate) struct SendWindow {
    slots: VecDeque<Slot>,
    bursts: VecDeque<Burst>,
    base: Seq,
    unsealed: u16,
    /// Slots that are touched: while there are none, an ACK costs the same for any number of frames.
    touched: u16,
    frames_max: u16,
    bytes_max: u32,
}

impl SendWindow {
    pub(crate) fn new(frames_max: u16, bytes_max: u32) -> Self {
        Self {
            slots: VecDeque::new(),
            bursts: VecDeque::new(),
            base: Seq::FIRST,
            unsealed: 0,
            touched: 0,
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

    /// Takes the place [`SendWindow::next`] for a frame of `length` bytes about to be written at
    /// `position`.
    #[inline]
    pub(crate) fn push(&mut self, now: Instant, position: u32, length: u16) {
        if self.slots.capacity() == 0 {
            self.slots.reserve(SLOTS_FIRST);
        }
        self.slots.push_back(Slot {
            at: position,
            sent_us: now.as_micros() as u32,
            length,
            sends: 1,
            acked: false,
        });
        self.unsealed += 1;
    }

    /// The bytes written since `at` have become `burst` and leave now.
    pub(crate) fn seal(&mut self, at: u32, burst: &Bytes) {
        if self.unsealed > 0 {
            self.bursts.push_back(Burst {
                bytes: burst.clone(),
                at,
                first: self.base.plus(self.sealed()),
            });
            self.unsealed = 0;
        }
    }

    /// Frames that have left and are in flight.
    fn sealed(&self) -> u16 {
        self.slots.len() as u16 - self.unsealed
    }

    /// Applies an acknowledgement. One that is older than the last brings nothing.
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
        let mut acked = Acked::default();
        if count > 0 {
            acked.progress = true;
            acked.sample = self.advance(now, count);
        }
        for range in &ack.ranges {
            acked.progress |= self.mark(range);
        }
        Ok(acked)
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
        self.slots.drain(..usize::from(count));
        self.base = self.base.plus(count);
        self.let_go_of_bursts();
        (touched == 0).then(|| since(now, last.sent_us))
    }

    /// Drops bursts with no frame in flight, and all memory when nothing is.
    fn let_go_of_bursts(&mut self) {
        if self.slots.is_empty() {
            self.slots = VecDeque::new();
            self.bursts = VecDeque::new();
            return;
        }
        if self.sealed() == 0 {
            self.bursts.clear();
            return;
        }
        while let Some(second) = self.bursts.get(1) {
            if self.base.distance_from(second.first) >= 1 << 15 {
                break;
            }
            self.bursts.pop_front();
        }
    }

    /// Marks what came early. Whether any of it was news.
    fn mark(&mut self, range: &SeqRange) -> bool {
        let from = usize::from(range.start.distance_from(self.base));
        let mut news = 0;
        for slot in self.slots.range_mut(from..from + usize::from(range.count)) {
            self.touched += u16::from(!slot.is_touched());
            news += u16::from(!slot.acked);
            slot.acked = true;
        }
        news > 0
    }

    /// Sends again what `range` names of the frames in flight, but nothing that was sent again less
    /// than `again_after` ago. Gives how many frames.
    pub(crate) fn resend_missing(
        &mut self,
        now: Instant,
        range: &SeqRange,
        again_after: Duration,
        wire: &mut Vec<Bytes>,
    ) -> u32 {
        let begins = range.start.distance_from(self.base);
        let ends = u32::from(begins) + u32::from(range.count);
        let lap = 1 << 16;
        // A range that begins behind may reach into the window.
        let (from, to) = match begins {
            0..0x8000 => (u32::from(begins), ends),
            _ => (0, ends.saturating_sub(lap)),
        };
        let places = from as usize..to as usize;
        self.resend(now, places, usize::MAX, Some(again_after), wire)
    }

    /// Go-Back-N: sends again everything from `first` on, unless `first` was sent again less than
    /// `again_after` ago.
    pub(crate) fn resend_from(
        &mut self,
        now: Instant,
        first: Seq,
        again_after: Duration,
        wire: &mut Vec<Bytes>,
    ) -> u32 {
        let from = match first.distance_from(self.base) {
            behind if behind >= 1 << 15 => 0,
            from => usize::from(from),
        };
        let recent = self
            .slots
            .get(from)
            .is_none_or(|slot| slot.sends > 1 && since(now, slot.sent_us) < again_after);
        if recent {
            return 0;
        }
        self.resend(now, from..usize::MAX, usize::MAX, None, wire)
    }

    /// Sends again the first `limit` frames that are not acknowledged.
    pub(crate) fn resend_first(
        &mut self,
        now: Instant,
        limit: usize,
        wire: &mut Vec<Bytes>,
    ) -> u32 {
        self.resend(now, 0..usize::MAX, limit, None, wire)
    }

    /// Neighbours that lie side by side in one burst leave as one piece.
    fn resend(
        &mut self,
        now: Instant,
        places: Range<usize>,
        limit: usize,
        again_after: Option<Duration>,
        wire: &mut Vec<Bytes>,
    ) -> u32 {
        let mut sent = 0;
        let mut run: Option<(usize, Range<usize>)> = None;
        for place in places.start..places.end.min(usize::from(self.sealed())) {
            if sent == limit {
                break;
            }
            let Some(burst) = self.burst_of(place) else {
                break;
            };
            let Some(slot) = self.slots.get_mut(place) else {
                break;
            };
            let recent =
                slot.sends > 1 && again_after.is_some_and(|again| since(now, slot.sent_us) < again);
            if slot.acked || recent {
                continue;
            }
            self.touched += u16::from(!slot.is_touched());
            slot.sends = slot.sends.saturating_add(1);
            slot.sent_us = now.as_micros() as u32;
            sent += 1;
            let from = slot.at.wrapping_sub(self.bursts[burst].at) as usize;
            let to = from + usize::from(slot.length);
            match &mut run {
                Some((same, stretch)) if *same == burst && stretch.end == from => stretch.end = to,
                _ => {
                    self.put_run(run.take(), wire);
                    run = Some((burst, from..to));
                }
            }
        }
        self.put_run(run, wire);
        sent as u32
    }

    fn put_run(&self, run: Option<(usize, Range<usize>)>, wire: &mut Vec<Bytes>) {
        if let Some((burst, stretch)) = run {
            wire.push(self.bursts[burst].bytes.slice(stretch));
        }
    }

    /// Which burst holds the frame `place` places after `base`.
    fn burst_of(&self, place: usize) -> Option<usize> {
        let front = self.bursts.front()?.first;
        let wanted = self.base.plus(place as u16).distance_from(front);
        let after = self
            .bursts
            .partition_point(|burst| burst.first.distance_from(front) <= wanted);
        after.checked_sub(1)
    }
}

/// Time since a wrapped point in time.
fn since(now: Instant, sent_us: u32) -> Duration {
    let elapsed = (now.as_micros() as u32).wrapping_sub(sent_us);
    Duration::from_micros(u64::from(elapsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A window with `base` as its first place and `count` one-byte frames in flight, two a burst.
    fn window(base: u16, count: u16) -> SendWindow {
        let mut window = SendWindow::new(64, 1_000);
        window.base = Seq::new(base);
        for place in 0..count {
            let at = u32::from(place).wrapping_sub(3);
            window.push(Instant::ZERO, at, 1);
            if place % 2 == 1 {
                window.seal(
                    at.wrapping_sub(1),
                    &Bytes::from(vec![place as u8 - 1, place as u8]),
                );
            }
        }
        window
    }

    fn ack(next: u16, ranges: &[(u16, u16)]) -> Ack {
        let ranges = ranges.iter().map(|&(start, count)| SeqRange {
            start: Seq::new(start),
            count,
        });
        Ack {
            next: Seq::new(next),
            ranges: ranges.collect(),
        }
    }

    #[track_caller]
    fn check(base: u16, ack: &Ack, expected: Result<u32, AckFault>, again: &[&[u8]]) {
        let mut window = window(base, 8);
        let got = window.acknowledge(Instant::from_millis(5), ack);
        assert_eq!(got.map(|_| window.frames()), expected);
        let mut wire = Vec::new();
        window.resend_first(Instant::from_millis(6), usize::MAX, &mut wire);
        assert_eq!(wire, again);
    }

    #[test]
    fn acknowledgements_around_the_wrap() {
        let all: &[&[u8]] = &[&[0, 1], &[2, 3], &[4, 5], &[6, 7]];
        check(10, &ack(10, &[]), Ok(8), all);
        check(10, &ack(9, &[]), Ok(8), all);
        check(10, &ack(18, &[]), Ok(0), &[]);
        check(10, &ack(19, &[]), Err(AckFault), all);
        check(10, &ack(13, &[]), Ok(5), &[&[3], &[4, 5], &[6, 7]]);
        check(65_533, &ack(0, &[]), Ok(5), &[&[3], &[4, 5], &[6, 7]]);
        check(65_533, &ack(65_532, &[(1, 1)]), Ok(8), all);
        check(
            65_533,
            &ack(65_535, &[(0, 1), (2, 2)]),
            Ok(6),
            &[&[2], &[4], &[7]],
        );
        check(65_533, &ack(65_535, &[(4, 2)]), Err(AckFault), all);
        check(65_533, &ack(6, &[]), Err(AckFault), all);
        // A range that reaches around the wrap to what `next` has acknowledged.
        check(10, &ack(12, &[(11, 1)]), Err(AckFault), all);
        check(10, &ack(12, &[(9, 1)]), Err(AckFault), all);
        check(65_533, &ack(5, &[]), Ok(0), &[]);
    }

    #[test]
    fn samples_obey_karn() {
        let at = Instant::from_millis(30);
        let sample = |window: &mut SendWindow, next| {
            let acked = window.acknowledge(at, &ack(next, &[])).unwrap();
            acked.sample.map(|took| took.as_millis())
        };
        let mut fresh = window(0, 8);
        assert_eq!(sample(&mut fresh, 3), Some(30));
        fresh.resend_first(at, 1, &mut Vec::new());
        assert_eq!(sample(&mut fresh, 4), None);
        assert_eq!(sample(&mut fresh, 6), Some(30));
        assert_eq!(sample(&mut fresh, 6), None);
    }

    #[test]
    fn nacks_name_anything() {
        let mut window = window(65_533, 8);
        let missing = |window: &mut SendWindow, ms, start, count| {
            let mut wire = Vec::new();
            let range = SeqRange {
                start: Seq::new(start),
                count,
            };
            let again = Duration::from_millis(10);
            window.resend_missing(Instant::from_millis(ms), &range, again, &mut wire);
            wire.concat()
        };
        assert_eq!(missing(&mut window, 1, 65_535, 3), [2, 3, 4]);
        assert_eq!(missing(&mut window, 5, 65_535, 4), [5]);
        assert_eq!(missing(&mut window, 12, 65_530, 6), [0, 1, 2]);
        assert_eq!(missing(&mut window, 12, 4, 9), [7]);
        assert_eq!(missing(&mut window, 12, 5, 65_535), []);
        assert_eq!(missing(&mut window, 12, 40_000, 10), []);
    }

    #[test]
    fn a_drained_window_owns_nothing() {
        let mut window = window(65_530, 8);
        window.acknowledge(Instant::ZERO, &ack(2, &[])).unwrap();
        assert!(window.is_empty());
        assert_eq!(window.slots.capacity() + window.bursts.capacity(), 0);
    }
}
