//! Frames that came. Everything before `next` has been delivered; `holes` are the places missing
//! between `next` and `end`, ascending, the first of them beginning at `next`; with selective repeat
//! the places between holes are `parked`, with Go-Back-N there is one hole up to `end`.
//!
//! Places are counted without wrapping here: `next` of them have been delivered.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::Position;
use crate::control::{RANGES_MAX, Repair, SeqRange};
use crate::frame::{Frame, FrameType, HEADER_BYTES, Seq};
use crate::time::Instant;

/// A frame that came before its turn.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Parked {
    pub(crate) kind: FrameType,
    pub(crate) last: bool,
    pub(crate) payload: Bytes,
}

/// What became of an early frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Parking {
    /// It is kept.
    Kept,
    /// It was there already.
    Again,
    /// Go-Back-N: it will come again.
    Dropped,
    /// More bytes than the window has. No honest sender gets there.
    Over,
}

/// Places missing, `start` included, `end` not.
#[derive(Clone, Copy, Debug)]
struct Hole {
    start: u64,
    end: u64,
    nacked: Option<Instant>,
    /// How often it was asked for and did not come.
    in_vain: u8,
    /// Go-Back-N: its beginning came since it was asked for. What is missing now was lost again.
    shrunk: bool,
}

/// A hole that is asked for again and again is asked for at least this often, or once a round trip
/// where that takes longer.
const ASK_AGAIN_MAX: Duration = Duration::from_secs(1);

impl Hole {
    /// When to ask for it: at once, then after a round trip, and each time twice as late. The round
    /// trip may have been measured when the path was another one.
    fn due(&self, again_after: Duration) -> Instant {
        let Some(nacked) = self.nacked else {
            return Instant::ZERO;
        };
        let doublings = u32::from(self.in_vain.saturating_sub(1)).min(16);
        let wait = again_after.saturating_mul(1 << doublings);
        nacked + wait.min(ASK_AGAIN_MAX.max(again_after))
    }
}

/// The receiver's end of the window.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct RecvWindow {
    next: u64,
    /// One past the last place that came; `next` while there is no hole.
    end: u64,
    holes: Vec<Hole>,
    parked: BTreeMap<u64, Parked>,
    parked_bytes: u32,
    /// Something damaged came: perhaps what belongs at `end`.
    suspect_end: bool,
    /// When `end` was asked for.
    end_nacked: Option<Instant>,
    repair: Repair,
    frames_max: u16,
    bytes_max: u32,
}

impl RecvWindow {
    pub(crate) fn new(frames_max: u16, bytes_max: u32, repair: Repair) -> Self {
        Self {
            next: 0,
            end: 0,
            holes: Vec::new(),
            parked: BTreeMap::new(),
            parked_bytes: 0,
            suspect_end: false,
            end_nacked: None,
            repair,
            frames_max,
            bytes_max,
        }
    }

    /// The place awaited.
    #[inline]
    pub(crate) fn next(&self) -> Seq {
        seq(self.next)
    }

    /// Places delivered so far, not wrapped.
    pub(crate) fn delivered(&self) -> u64 {
        self.next
    }

    #[inline]
    pub(crate) fn position(&self, seq: Seq) -> Position {
        Position::of(self.next(), self.frames_max, seq)
    }

    /// The place awaited has come. Whether that began to fill a hole: then
    /// [`RecvWindow::take_parked`] may have more.
    #[inline]
    pub(crate) fn advance(&mut self) -> bool {
        self.next += 1;
        if self.end < self.next {
            self.end = self.next;
            self.end_nacked = None;
            self.suspect_end = false;
        }
        if self.holes.is_empty() {
            return false;
        }
        self.shrink_first_hole();
        true
    }

    fn shrink_first_hole(&mut self) {
        if let Some(first) = self.holes.first_mut() {
            first.start = self.next;
            first.shrunk = true;
            if first.start == first.end {
                self.holes.remove(0);
            }
        }
        if self.holes.is_empty() {
            self.holes = Vec::new();
        }
    }

    /// The frame at `next`, when it came early; `next` is the one after it then.
    pub(crate) fn take_parked(&mut self) -> Option<Parked> {
        let parked = self.parked.remove(&self.next)?;
        self.parked_bytes -= frame_bytes(&parked.payload);
        self.next += 1;
        Some(parked)
    }

    /// Takes a frame with `gap` places missing before it.
    pub(crate) fn park(&mut self, gap: u16, frame: &Frame) -> Parking {
        let place = self.next + u64::from(gap);
        if self.repair == Repair::GoBackN {
            self.widen_the_hole(place + 1);
            self.ask_anew();
            return Parking::Dropped;
        }
        if self.parked.contains_key(&place) {
            return Parking::Again;
        }
        let bytes = frame_bytes(&frame.payload);
        if self.parked_bytes + bytes > self.bytes_max {
            return Parking::Over;
        }
        self.parked_bytes += bytes;
        let parked = Parked {
            kind: frame.kind,
            last: frame.last,
            // A copy: a few bytes must not hold on to the whole chunk they came in.
            payload: Bytes::copy_from_slice(&frame.payload),
        };
        self.parked.insert(place, parked);
        if place >= self.end {
            self.open_hole(place);
        } else {
            self.split_hole(place);
        }
        Parking::Kept
    }

    /// Go-Back-N: what was dropped is missing too.
    fn widen_the_hole(&mut self, end: u64) {
        if end <= self.end {
            return;
        }
        match self.holes.first_mut() {
            Some(hole) => hole.end = end,
            None => self.holes.push(Hole {
                start: self.next,
                end,
                nacked: self.end_nacked,
                in_vain: u8::from(self.end_nacked.is_some()),
                shrunk: false,
            }),
        }
        self.end = end;
        self.end_nacked = None;
    }

    /// Go-Back-N: something early came. Where the hole's beginning had come since it was asked for,
    /// a frame sent again is lost again: that is another hole, to be asked for at once.
    fn ask_anew(&mut self) {
        if let Some(hole) = self.holes.first_mut().filter(|hole| hole.shrunk) {
            hole.nacked = None;
            hole.in_vain = 0;
            hole.shrunk = false;
        }
    }

    /// Everything from `end` up to `place` is missing.
    fn open_hole(&mut self, place: u64) {
        if place > self.end {
            // One place may have been asked for already, as a damaged frame's.
            let nacked = self.end_nacked.filter(|_| place == self.end + 1);
            self.holes.push(Hole {
                start: self.end,
                end: place,
                nacked,
                in_vain: u8::from(nacked.is_some()),
                shrunk: false,
            });
        }
        self.end = place + 1;
        self.end_nacked = None;
        self.suspect_end = false;
    }

    fn split_hole(&mut self, place: u64) {
        let at = self.holes.partition_point(|hole| hole.end <= place);
        let Some(hole) = self.holes.get_mut(at) else {
            return;
        };
        let after = Hole {
            start: place + 1,
            ..*hole
        };
        hole.end = place;
        let nothing_before = hole.start == hole.end;
        match (nothing_before, after.start == after.end) {
            (true, true) => drop(self.holes.remove(at)),
            (true, false) => *hole = after,
            (false, true) => {}
            (false, false) => self.holes.insert(at + 1, after),
        }
    }

    /// What came early, for an ACK: the lowest [`RANGES_MAX`] stretches between holes.
    pub(crate) fn early_ranges(&self) -> Vec<SeqRange> {
        let ends = self.holes.iter().skip(1).map(|hole| hole.start);
        let stretches = self.holes.iter().zip(ends.chain([self.end]));
        stretches
            .map(|(hole, end)| range(hole.end, end))
            .filter(|range| range.count > 0)
            .take(RANGES_MAX)
            .collect()
    }

    /// A frame came damaged. What it was is not known; the next place is asked for.
    pub(crate) fn note_damage(&mut self) {
        // With Go-Back-N the hole is asked for, and everything after it comes with it.
        self.suspect_end = self.repair == Repair::SelectiveRepeat || self.holes.is_empty();
    }

    /// What to ask for now: each hole when it is due, at most [`RANGES_MAX`] at a time.
    pub(crate) fn missing(&mut self, now: Instant, again_after: Duration) -> Vec<SeqRange> {
        let mut ranges = Vec::new();
        let due = |nacked: Option<Instant>| nacked.is_none_or(|at| at + again_after <= now);
        let due_holes = |hole: &&mut Hole| hole.due(again_after) <= now;
        for hole in self.holes.iter_mut().filter(due_holes) {
            if ranges.len() == RANGES_MAX {
                return ranges;
            }
            hole.nacked = Some(now);
            hole.in_vain = hole.in_vain.saturating_add(1);
            ranges.push(range(hole.start, hole.end));
        }
        if std::mem::take(&mut self.suspect_end)
            && due(self.end_nacked)
            && ranges.len() < RANGES_MAX
        {
            self.end_nacked = Some(now);
            ranges.push(range(self.end, self.end + 1));
        }
        ranges
    }

    /// When [`RecvWindow::missing`] has something to ask for; `None` while nothing is missing.
    pub(crate) fn missing_at(&self, again_after: Duration) -> Option<Instant> {
        self.holes.iter().map(|hole| hole.due(again_after)).min()
    }
}

fn seq(place: u64) -> Seq {
    Seq::new(place as u16)
}

/// A window has fewer places than `u16` counts.
fn range(start: u64, end: u64) -> SeqRange {
    SeqRange {
        start: seq(start),
        count: (end - start) as u16,
    }
}

fn frame_bytes(payload: &Bytes) -> u32 {
    (HEADER_BYTES + payload.len()) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(place: u64) -> Frame {
        Frame {
            kind: FrameType::Data,
            seq: seq(place),
            last: true,
            payload: Bytes::from(vec![place as u8; 4]),
        }
    }

    /// Feeds places as they come; gives what was delivered, the early ranges, what is missing.
    #[track_caller]
    fn check(
        repair: Repair,
        first: u64,
        come: &[u64],
        delivered: u64,
        early: &[(u64, u16)],
        missing: &[(u64, u16)],
    ) {
        let mut window = RecvWindow::new(64, 1_000, repair);
        window.next = first;
        window.end = first;
        for &place in come {
            match window.position(seq(first + place)) {
                Position::Next => {
                    if window.advance() {
                        while window.take_parked().is_some() {}
                    }
                }
                Position::Inside { gap } => {
                    window.park(gap, &frame(first + place));
                }
                Position::Behind => {}
                Position::Beyond => panic!("beyond"),
            }
        }
        let shape = |ranges: Vec<SeqRange>| -> Vec<(u16, u16)> {
            let pairs = ranges.iter().map(|range| (range.start.get(), range.count));
            pairs.collect()
        };
        let expected = |ranges: &[(u64, u16)]| -> Vec<(u16, u16)> {
            let pairs = ranges.iter();
            pairs.map(|&(at, n)| ((first + at) as u16, n)).collect()
        };
        let again = Duration::from_millis(10);
        assert_eq!(window.next - first, delivered);
        assert_eq!(shape(window.early_ranges()), expected(early));
        assert_eq!(
            shape(window.missing(Instant::ZERO, again)),
            expected(missing)
        );
        assert!(window.missing(Instant::from_millis(9), again).is_empty());
        let repeated = window.missing(Instant::from_millis(10), again);
        assert_eq!(shape(repeated), expected(missing));
        let parked: u64 = window.parked.len() as u64;
        let missing: u64 = missing.iter().map(|&(_, n)| u64::from(n)).sum();
        assert_eq!(window.end, window.next + parked + missing);
    }

    #[test]
    fn holes_around_the_wrap() {
        use Repair::{GoBackN, SelectiveRepeat};
        for first in [0, 65_530, 65_535, 131_070] {
            check(SelectiveRepeat, first, &[0, 1, 2], 3, &[], &[]);
            check(SelectiveRepeat, first, &[0, 3], 1, &[(3, 1)], &[(1, 2)]);
            check(SelectiveRepeat, first, &[0, 3, 1, 2], 4, &[], &[]);
            check(
                SelectiveRepeat,
                first,
                &[3, 1],
                0,
                &[(1, 1), (3, 1)],
                &[(0, 1), (2, 1)],
            );
            check(
                SelectiveRepeat,
                first,
                &[9, 5, 4, 6],
                0,
                &[(4, 3), (9, 1)],
                &[(0, 4), (7, 2)],
            );
            check(SelectiveRepeat, first, &[9, 0, 8], 1, &[(8, 2)], &[(1, 7)]);
            check(SelectiveRepeat, first, &[2, 2, 0, 0, 1, 1], 3, &[], &[]);
            check(SelectiveRepeat, first, &[63, 62], 0, &[(62, 2)], &[(0, 62)]);
            check(GoBackN, first, &[0, 3], 1, &[], &[(1, 3)]);
            check(GoBackN, first, &[0, 3, 5, 1], 2, &[], &[(2, 4)]);
            check(GoBackN, first, &[0, 3, 1, 2, 3], 4, &[], &[]);
        }
    }

    #[test]
    fn parked_bytes_are_bounded() {
        let mut window = RecvWindow::new(64, 40, Repair::SelectiveRepeat);
        assert_eq!(window.park(1, &frame(1)), Parking::Kept);
        assert_eq!(window.park(1, &frame(1)), Parking::Again);
        assert_eq!(window.park(2, &frame(2)), Parking::Kept);
        assert_eq!(window.park(3, &frame(3)), Parking::Over);
    }

    #[test]
    fn going_back_a_loss_of_what_was_sent_again_is_asked_for_at_once() {
        let again = Duration::from_millis(10);
        let mut window = RecvWindow::new(64, 1_000, Repair::GoBackN);
        window.park(3, &frame(3));
        assert_eq!(window.missing(Instant::ZERO, again), [range(0, 4)]);
        // Early frames that were under way before it was asked for change nothing.
        window.park(4, &frame(4));
        assert_eq!(window.missing(Instant::from_millis(1), again), []);
        window.advance();
        assert_eq!(window.missing(Instant::from_millis(2), again), []);
        window.park(1, &frame(2));
        assert_eq!(
            window.missing(Instant::from_millis(3), again),
            [range(1, 5)]
        );
        window.park(2, &frame(3));
        assert_eq!(window.missing(Instant::from_millis(4), again), []);
    }

    #[test]
    fn a_damaged_frame_is_asked_for_once() {
        let again = Duration::from_millis(10);
        let mut window = RecvWindow::new(64, 1_000, Repair::SelectiveRepeat);
        window.note_damage();
        assert_eq!(window.missing(Instant::ZERO, again), [range(0, 1)]);
        window.note_damage();
        assert_eq!(window.missing(Instant::from_millis(9), again), []);
        window.park(1, &frame(1));
        assert_eq!(window.missing(Instant::from_millis(9), again), []);
        assert_eq!(
            window.missing(Instant::from_millis(10), again),
            [range(0, 1)]
        );
    }
}
