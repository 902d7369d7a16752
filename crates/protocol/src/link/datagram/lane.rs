//! One lane of a link over datagrams: messages cut into frames, each with a place, kept until one of the
//! packets that carried it was acknowledged; and the frames that came, joined again in their order.
//! Neither side holds more than the window agreed on, in frames and in bytes.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::super::backlog::Backlog;
use super::super::fault::LinkFault;
use super::super::{Event, SendError, Terms};
use crate::control::Repair;
use crate::fragment::{Reassembly, Uncut};
use crate::frame::{Frame, FrameType, HEADER_BYTES, Seq, SharedBody, checksum, put_frame_shared};
use crate::time::Instant;
use crate::window::{Parking, Position, RecvWindow};

/// A frame in flight keeps its buffer where that is at most so many times as long; else a copy.
const SHARED_TIMES_MAX: usize = 4;
/// Buffers up to this are kept whatever part of them is used.
const SHARED_BYTES_MAX: usize = 4_096;

/// One frame, from its first packet to its acknowledgement.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
struct Slot {
    kind: FrameType,
    body: SharedBody,
    stretch: Range<usize>,
    crc: u32,
    tail: [u8; 8],
    tail_bytes: u8,
    last: bool,
    acked: bool,
    /// Packets that carry it and are neither acknowledged nor taken for lost.
    carried: u16,
    /// Packets that have carried it.
    sends: u16,
    sent_at: Instant,
}

impl Slot {
    fn frame_bytes(&self) -> usize {
        HEADER_BYTES + self.stretch.len() + usize::from(self.tail_bytes)
    }
}

/// The sender's side.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct SendLane {
    slots: VecDeque<Slot>,
    /// Place of the first slot, not wrapped.
    base: u64,
    /// Frame bytes of all slots.
    bytes: usize,
    /// Places to send again, the earliest first.
    lost: BTreeSet<u64>,
    backlog: Backlog,
    window_frames: u16,
    window_bytes: u32,
    fragment_bytes: usize,
}

impl SendLane {
    pub(super) fn new(terms: &Terms) -> Self {
        Self {
            slots: VecDeque::new(),
            base: 0,
            bytes: 0,
            lost: BTreeSet::new(),
            backlog: Backlog::new(terms.window_bytes),
            window_frames: terms.window_frames,
            window_bytes: terms.window_bytes,
            fragment_bytes: usize::from(terms.fragment_bytes),
        }
    }

    /// Takes a message; it waits for its packet.
    pub(super) fn take(&mut self, message: Uncut) -> Result<(), SendError> {
        if self.backlog.is_full() {
            return Err(SendError::Full);
        }
        self.backlog.push(message);
        Ok(())
    }

    /// Everything taken has been acknowledged.
    pub(super) fn is_drained(&self) -> bool {
        self.slots.is_empty() && self.backlog.is_empty()
    }

    /// A message would find room in the window at once.
    pub(super) fn has_room(&self) -> bool {
        self.backlog.is_empty() && self.fits(1)
    }

    /// Something waits for its first or another packet and may be sent.
    pub(super) fn is_ready(&self) -> bool {
        if !self.lost.is_empty() {
            return true;
        }
        let fragment_bytes = self.fragment_bytes;
        let next = self
            .backlog
            .peek()
            .map(|uncut| uncut.next_bytes(fragment_bytes));
        next.is_some_and(|bytes| self.fits(HEADER_BYTES + bytes))
    }

    /// Frames and frame bytes between the first unacknowledged and the newest.
    pub(super) fn in_flight(&self) -> (u32, u32) {
        (self.slots.len() as u32, self.bytes as u32)
    }

    /// The place of the next new frame.
    pub(super) fn next(&self) -> Seq {
        Seq::new((self.base + self.slots.len() as u64) as u16)
    }

    fn fits(&self, bytes: usize) -> bool {
        self.slots.len() < usize::from(self.window_frames)
            && (self.slots.is_empty() || self.bytes + bytes <= self.window_bytes as usize)
    }

    /// Writes the next frame to send into `out`, when it has at most `room` bytes: what was lost
    /// before what is new. Gives its place, and whether it leaves for the first time.
    pub(super) fn put_next(
        &mut self,
        now: Instant,
        room: usize,
        out: &mut BytesMut,
    ) -> Option<(u64, bool)> {
        if let Some(&place) = self.lost.first() {
            return self.put_again(now, place, room, out).then(|| {
                self.lost.remove(&place);
                (place, false)
            });
        }
        let fragment_bytes = self.fragment_bytes;
        let uncut = self.backlog.front()?;
        let length = HEADER_BYTES + uncut.next_bytes(fragment_bytes);
        if length > room || !self.fits(length) {
            return None;
        }
        let place = self.cut_next(now);
        self.put_again(now, place, room, out)
            .then_some((place, true))
    }

    /// Cuts the next fragment into a slot; gives its place.
    fn cut_next(&mut self, now: Instant) -> u64 {
        let place = self.base + self.slots.len() as u64;
        let Some(uncut) = self.backlog.front() else {
            return place;
        };
        let kind = uncut.kind;
        let fragment = uncut.cut(self.fragment_bytes);
        let whole = fragment.stretch == (0..fragment.body.bytes().len());
        let crc = match whole {
            true => fragment.body.crc(),
            false => checksum::of(&fragment.body.bytes()[fragment.stretch.clone()]),
        };
        let mut tail = [0; 8];
        tail[..fragment.tail.len()].copy_from_slice(fragment.tail);
        let (body, stretch) = kept(fragment.body, fragment.stretch);
        let slot = Slot {
            kind,
            body,
            stretch,
            crc,
            tail,
            tail_bytes: fragment.tail.len() as u8,
            last: fragment.last,
            acked: false,
            carried: 0,
            sends: 0,
            sent_at: now,
        };
        if slot.last {
            self.backlog.pop();
        }
        self.bytes += slot.frame_bytes();
        self.slots.push_back(slot);
        place
    }

    /// Writes the frame at `place` once more, when it is still wanted and has at most `room` bytes.
    pub(super) fn put_again(
        &mut self,
        now: Instant,
        place: u64,
        room: usize,
        out: &mut BytesMut,
    ) -> bool {
        let Some(slot) = self.slot(place) else {
            return false;
        };
        if slot.acked || slot.frame_bytes() > room {
            return false;
        }
        slot.carried = slot.carried.saturating_add(1);
        slot.sends = slot.sends.saturating_add(1);
        slot.sent_at = now;
        let body = &slot.body.bytes()[slot.stretch.clone()];
        let tail = &slot.tail[..usize::from(slot.tail_bytes)];
        let seq = Seq::new(place as u16);
        put_frame_shared(out, slot.kind, seq, slot.last, (body, slot.crc), tail);
        true
    }

    /// Whether the frame at `place` still wants an acknowledgement.
    pub(super) fn is_wanted(&self, place: u64) -> bool {
        let at = place.checked_sub(self.base).map(|at| at as usize);
        at.and_then(|at| self.slots.get(at))
            .is_some_and(|slot| !slot.acked)
    }

    /// Bytes of the frame at `place`.
    pub(super) fn frame_bytes(&self, place: u64) -> usize {
        let at = place.checked_sub(self.base).map(|at| at as usize);
        at.and_then(|at| self.slots.get(at))
            .map_or(0, Slot::frame_bytes)
    }

    fn slot(&mut self, place: u64) -> Option<&mut Slot> {
        let at = place.checked_sub(self.base)?;
        self.slots.get_mut(at as usize)
    }

    /// A packet with the frame at `place` came. Whether that is news.
    pub(super) fn acknowledge(&mut self, place: u64) -> bool {
        let Some(slot) = self.slot(place).filter(|slot| !slot.acked) else {
            return false;
        };
        slot.acked = true;
        self.lost.remove(&place);
        while let Some(slot) = self.slots.front().filter(|slot| slot.acked) {
            self.bytes -= slot.frame_bytes();
            self.base += 1;
            self.slots.pop_front();
        }
        if self.slots.is_empty() {
            self.slots = VecDeque::new();
        }
        true
    }

    /// A packet with the frame at `place` is taken for lost: the frame leaves again, unless another
    /// packet still carries it.
    pub(super) fn lose(&mut self, place: u64) {
        let Some(slot) = self.slot(place).filter(|slot| !slot.acked) else {
            return;
        };
        slot.carried = slot.carried.saturating_sub(1);
        if slot.carried == 0 {
            self.lost.insert(place);
        }
    }
}

/// The body kept for sending again: shared, or copied where a small part would hold on to much.
fn kept(body: &SharedBody, stretch: Range<usize>) -> (SharedBody, Range<usize>) {
    let whole = body.buffer().len();
    if whole <= SHARED_BYTES_MAX || whole <= SHARED_TIMES_MAX * body.bytes().len() {
        return (body.clone(), stretch);
    }
    let part = Bytes::copy_from_slice(&body.bytes()[stretch]);
    let length = part.len();
    (SharedBody::new(part), 0..length)
}

/// A lap is as many places as a window has at most.
const LAP_BITS: u32 = 14;

const _: () = assert!(1 << LAP_BITS == crate::control::WINDOW_FRAMES_MAX);

/// The receiver's side.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct RecvLane {
    window: RecvWindow,
    assembly: Reassembly,
    message_bytes_max: u32,
    fragment_bytes: usize,
}

impl RecvLane {
    pub(super) fn new(terms: &Terms) -> Self {
        Self {
            window: RecvWindow::new(
                terms.window_frames,
                terms.window_bytes,
                Repair::SelectiveRepeat,
            ),
            assembly: Reassembly::default(),
            message_bytes_max: terms.message_bytes_max,
            fragment_bytes: usize::from(terms.fragment_bytes),
        }
    }

    /// The place awaited.
    pub(super) fn next(&self) -> Seq {
        self.window.next()
    }

    /// How often as many places as a window has have been delivered: see `Received::outlive`.
    pub(super) fn lap(&self) -> u64 {
        self.window.delivered() >> LAP_BITS
    }

    /// Takes a frame; messages that it completes are appended. Whether it came in its turn, early or
    /// again.
    pub(super) fn take(
        &mut self,
        frame: Frame,
        events: &mut Vec<Event>,
    ) -> Result<Arrival, LinkFault> {
        if frame.payload.len() > self.fragment_bytes {
            return Err(LinkFault::TooLong);
        }
        match self.window.position(frame.seq) {
            Position::Next => {
                let filling = self.window.advance();
                self.join(frame.kind, frame.last, frame.payload, events)?;
                if filling {
                    while let Some(parked) = self.window.take_parked() {
                        self.join(parked.kind, parked.last, parked.payload, events)?;
                    }
                }
                Ok(Arrival::InTurn)
            }
            Position::Inside { gap } => match self.window.park(gap, &frame) {
                Parking::Kept | Parking::Dropped => Ok(Arrival::Early),
                Parking::Again => Ok(Arrival::Again),
                Parking::Over => Err(LinkFault::BeyondWindow),
            },
            Position::Behind => Ok(Arrival::Again),
            Position::Beyond => Err(LinkFault::BeyondWindow),
        }
    }

    fn join(
        &mut self,
        kind: FrameType,
        last: bool,
        payload: Bytes,
        events: &mut Vec<Event>,
    ) -> Result<(), LinkFault> {
        let limit = self.message_bytes_max;
        if let Some(body) = self.assembly.add(kind, last, payload, limit)? {
            events.push(Event::Received { kind, body });
        }
        Ok(())
    }
}

/// How a frame came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Arrival {
    /// It was awaited.
    InTurn,
    /// Others are missing before it.
    Early,
    /// It had come before.
    Again,
}

/// What a model of the lanes looks at.
#[cfg(test)]
pub(super) mod view {
    use super::{RecvLane, SendLane};
    use crate::control::SeqRange;

    /// A frame between its first packet and the end of its place in the window.
    #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
    pub(in crate::link::datagram) struct FrameView {
        pub(in crate::link::datagram) acked: bool,
        /// Packets that carry it and are neither acknowledged nor taken for lost.
        pub(in crate::link::datagram) carried: u16,
        /// It is to leave again.
        pub(in crate::link::datagram) lost: bool,
    }

    impl SendLane {
        /// The first place in the window, and the frames from there on.
        pub(in crate::link::datagram) fn view(&self) -> (u64, Vec<FrameView>) {
            let frames = self.slots.iter().zip(self.base..);
            let frames = frames.map(|(slot, place)| FrameView {
                acked: slot.acked,
                carried: slot.carried,
                lost: self.lost.contains(&place),
            });
            (self.base, frames.collect())
        }
    }

    impl RecvLane {
        /// What came before its turn.
        pub(in crate::link::datagram) fn early(&self) -> Vec<SeqRange> {
            self.window.early_ranges()
        }
    }
}
