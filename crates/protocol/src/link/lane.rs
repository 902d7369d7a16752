//! One lane of an open link: messages both ways, each once and in order, whatever happens in the
//! other lane. Both windows, what waits behind them, fragments, acknowledgements and repair; the
//! memory held stays within the terms.

use std::time::Duration;

use bytes::Bytes;

use super::acks::Acks;
use super::backlog::Backlog;
use super::fault::LinkFault;
use super::outbox::{Burst, Counters, Outbox};
use super::{Event, Output, SendError};
use crate::control::{Ack, Nack, Repair, SeqRange, Terms};
use crate::fragment::{Reassembly, Uncut};
use crate::frame::{Frame, FrameType, HEADER_BYTES, Seq, SharedBody, checksum};
use crate::rtt::RoundTrip;
use crate::time::Instant;
use crate::window::{AckFault, Parking, Piece, Position, RecvWindow, SendWindow};

/// Frames sent again at the first time-out in a row; each further one sends half as many. A peer
/// that only reads slowly is thus sent little twice.
const TIMEOUT_FRAMES_MAX: usize = 16;
/// Frames sent again at any time-out.
const TIMEOUT_FRAMES_MIN: usize = 2;
/// NACKs answered in one call: each may look at every frame in flight, and a peer may send
/// thousands in one piece.
const NACKS_PER_CALL: u8 = 8;
/// Time-outs in a row before a link without progress is given up.
const GIVE_UP_TIMEOUTS: u16 = 10;

#[derive(Debug)]
struct Early(Vec<SeqRange>);

/// The flow of messages in both directions of one lane.
#[derive(Debug)]
pub(super) struct Lane {
    send: SendWindow,
    backlog: Backlog,
    recv: RecvWindow,
    assembly: Reassembly,
    acks: Acks,
    /// Takes the samples of all lanes, and backs off alone: time-outs of one lane delay no other.
    rtt: RoundTrip,
    /// The retransmission timer; runs while anything is in flight.
    rto_at: Option<Instant>,
    timeouts_in_row: u16,
    progress_at: Instant,
    /// When something in its turn came last.
    received_at: Instant,
    /// What the newest ACK says came early, looked at once for all ACKs of a call; rare, and apart so
    /// that an idle link is small.
    early: Option<Box<Early>>,
    /// NACKs answered in this call.
    nacks: u8,
}

impl Lane {
    pub(super) fn new(now: Instant, terms: &Terms, rtt: RoundTrip) -> Self {
        Self {
            send: SendWindow::new(terms.window_frames, terms.window_bytes),
            backlog: Backlog::new(terms.window_bytes),
            recv: RecvWindow::new(terms.window_frames, terms.window_bytes, terms.repair),
            assembly: Reassembly::default(),
            acks: Acks::default(),
            rtt,
            rto_at: None,
            timeouts_in_row: 0,
            progress_at: now,
            received_at: now,
            early: None,
            nacks: 0,
        }
    }

    pub(super) fn rtt(&self) -> &RoundTrip {
        &self.rtt
    }

    /// A round trip was measured, here or in another lane.
    pub(super) fn sample(&mut self, took: Duration) {
        self.rtt.sample(took);
    }

    pub(super) fn in_flight(&self, burst: &Burst) -> (u32, u32) {
        (self.send.frames(), self.send.bytes(burst.position()))
    }

    pub(super) fn received_at(&self) -> Instant {
        self.received_at
    }

    /// The place of the next new frame to the peer.
    pub(super) fn next_to_send(&self) -> Seq {
        self.send.next()
    }

    /// The place awaited from the peer.
    pub(super) fn next_awaited(&self) -> Seq {
        self.recv.next()
    }

    pub(super) fn is_drained(&self) -> bool {
        self.send.is_empty() && self.backlog.is_empty()
    }

    pub(super) fn has_room(&self, burst: &Burst) -> bool {
        self.backlog.is_empty() && self.send.fits(burst.position(), 1)
    }

    // Sending.

    /// Takes a message: at once into the burst where it is one frame and the window has room.
    #[inline]
    pub(super) fn take(
        &mut self,
        now: Instant,
        terms: &Terms,
        kind: FrameType,
        shared: &SharedBody,
        tail: Option<[u8; 8]>,
        burst: &mut Burst,
    ) -> Result<(), SendError> {
        let body = shared.bytes();
        let end: &[u8] = tail.as_ref().map_or(&[], |tail| tail);
        let bytes = body.len() + end.len();
        if bytes > terms.message_bytes_max as usize {
            return Err(SendError::TooLong);
        }
        let position = burst.position();
        let whole = bytes <= usize::from(terms.fragment_bytes) && self.backlog.is_empty();
        if !whole || !self.send.fits(position, (HEADER_BYTES + bytes) as u32) {
            self.queue(Uncut::new(kind, shared.clone(), tail))?;
            self.pump(now, terms, usize::MAX, burst);
            return Ok(());
        }
        let piece = Piece {
            kind,
            body: shared,
            stretch: 0..body.len(),
            crc: shared.crc(),
            tail: end,
            last: true,
        };
        put(now, &piece, &mut self.send, burst);
        Ok(())
    }

    /// Takes a message that leaves by [`Lane::pump`].
    #[cold]
    pub(super) fn queue(&mut self, message: Uncut) -> Result<(), SendError> {
        if self.backlog.is_full() {
            return Err(SendError::Full);
        }
        self.backlog.push(message);
        Ok(())
    }

    /// Cuts what waits, as far as the window allows and until the burst has `burst_bytes_max`.
    pub(super) fn pump(
        &mut self,
        now: Instant,
        terms: &Terms,
        burst_bytes_max: usize,
        burst: &mut Burst,
    ) {
        let fragment_bytes = usize::from(terms.fragment_bytes);
        while let Some(uncut) = self.backlog.front() {
            let length = HEADER_BYTES + uncut.next_bytes(fragment_bytes);
            let fits = self.send.fits(burst.position(), length as u32);
            if !fits || burst.len() + length > burst_bytes_max {
                return;
            }
            let kind = uncut.kind;
            let fragment = uncut.cut(fragment_bytes);
            let piece = Piece {
                kind,
                body: fragment.body,
                crc: checksum::of(&fragment.body.bytes()[fragment.stretch.clone()]),
                stretch: fragment.stretch,
                tail: fragment.tail,
                last: fragment.last,
            };
            put(now, &piece, &mut self.send, burst);
            if piece.last {
                self.backlog.pop();
            }
        }
    }

    /// Whether anything could leave now: again, or for the first time.
    pub(super) fn has_to_leave(&self, terms: &Terms, burst: &Burst) -> bool {
        self.send.wants_again()
            || self.backlog.first().is_some_and(|uncut| {
                let length = HEADER_BYTES + uncut.next_bytes(usize::from(terms.fragment_bytes));
                self.send.fits(burst.position(), length as u32)
            })
    }

    /// The burst has left.
    pub(super) fn sealed(&mut self, now: Instant) {
        self.send.seal();
        if self.rto_at.is_none() && !self.send.is_empty() {
            self.rto_at = Some(now + self.rtt.rto());
            self.progress_at = now;
        }
    }

    /// Sends again what is wanted, in pieces of their own of at most `room_bytes`; gives the bytes.
    pub(super) fn repair(
        &mut self,
        now: Instant,
        room_bytes: usize,
        stats: &mut Counters,
        wire: &mut Vec<Bytes>,
    ) -> usize {
        if !self.send.wants_again() {
            return 0;
        }
        let before = wire.len();
        let frames = self.send.resend_wanted(now, room_bytes, wire);
        stats.count_again(frames, &wire[before..]);
        wire[before..].iter().map(Bytes::len).sum()
    }

    // Receiving.

    /// A sequenced frame of this lane.
    #[inline]
    pub(super) fn on_sequenced(
        &mut self,
        now: Instant,
        frame: Frame,
        terms: &Terms,
        stats: &mut Counters,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        match self.recv.position(frame.seq) {
            Position::Next => {
                self.acks.note(now, HEADER_BYTES + frame.payload.len());
                self.received_at = now;
                let filling = self.recv.advance();
                let limit = terms.message_bytes_max;
                self.deliver(frame.kind, frame.last, frame.payload, limit, out)?;
                if filling {
                    self.deliver_parked(limit, out)?;
                }
                Ok(())
            }
            Position::Inside { gap } => self.on_early(now, gap, &frame, stats),
            Position::Behind => {
                // Our earlier ACK was lost.
                stats.duplicates += 1;
                self.acks.note_at_once();
                Ok(())
            }
            Position::Beyond => Err(LinkFault::BeyondWindow),
        }
    }

    #[inline]
    fn deliver(
        &mut self,
        kind: FrameType,
        last: bool,
        payload: Bytes,
        limit: u32,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        if let Some(body) = self.assembly.add(kind, last, payload, limit)? {
            out.events.push(Event::Received { kind, body });
        }
        Ok(())
    }

    #[cold]
    fn deliver_parked(&mut self, limit: u32, out: &mut Output) -> Result<(), LinkFault> {
        self.acks.note_at_once();
        while let Some(parked) = self.recv.take_parked() {
            self.deliver(parked.kind, parked.last, parked.payload, limit, out)?;
        }
        Ok(())
    }

    #[cold]
    fn on_early(
        &mut self,
        now: Instant,
        gap: u16,
        frame: &Frame,
        stats: &mut Counters,
    ) -> Result<(), LinkFault> {
        stats.early += 1;
        match self.recv.park(gap, frame) {
            Parking::Kept => self.acks.note(now, HEADER_BYTES + frame.payload.len()),
            Parking::Again => {
                stats.duplicates += 1;
                self.acks.note_at_once();
            }
            Parking::Dropped => {}
            Parking::Over => return Err(LinkFault::BeyondWindow),
        }
        Ok(())
    }

    /// A frame, of this lane as it seems, whose boundaries are good and whose checksum is not.
    pub(super) fn on_damaged(&mut self) {
        self.recv.note_damage();
    }

    /// Gives the round trip that it measures, taken here already.
    pub(super) fn on_ack(
        &mut self,
        now: Instant,
        payload: &[u8],
    ) -> Result<Option<Duration>, LinkFault> {
        let ack = Ack::from_bytes(payload).map_err(|e| LinkFault::control(FrameType::Ack, e))?;
        let acked = self
            .send
            .acknowledge(now, &ack)
            .map_err(|AckFault| LinkFault::AckUnsent)?;
        if let Some(took) = acked.sample {
            self.rtt.sample(took);
        }
        if acked.current {
            self.early = match ack.ranges.is_empty() {
                true => None,
                false => Some(Box::new(Early(ack.ranges))),
            };
        }
        self.note_progress(now, acked.progress);
        Ok(acked.sample)
    }

    /// What the newest ACK says came early.
    fn note_early(&mut self, now: Instant) {
        if let Some(early) = self.early.take() {
            let news = self.send.mark_early(&early.0);
            self.note_progress(now, news);
        }
    }

    fn note_progress(&mut self, now: Instant, progress: bool) {
        if progress {
            self.timeouts_in_row = 0;
            self.progress_at = now;
            // RFC 6298, 5.2 and 5.3.
            self.rto_at = (!self.send.is_empty()).then(|| now + self.rtt.rto());
        }
    }

    /// Marks what a NACK asks for to be sent again. What is not marked now is asked for again.
    pub(super) fn on_nack(
        &mut self,
        now: Instant,
        payload: &[u8],
        repair: Repair,
        blocked: bool,
    ) -> Result<(), LinkFault> {
        let nack = Nack::from_bytes(payload).map_err(|e| LinkFault::control(FrameType::Nack, e))?;
        if blocked || self.nacks >= NACKS_PER_CALL {
            return Ok(());
        }
        self.nacks += 1;
        self.note_early(now);
        let again_after = self.rtt.again_after();
        match (repair, &nack.ranges[..]) {
            (Repair::GoBackN, [first, ..]) => self.send.want_from(now, first.start, again_after),
            (Repair::GoBackN, []) => {}
            (Repair::SelectiveRepeat, ranges) => {
                for range in ranges {
                    self.send.want_missing(now, range, again_after);
                }
            }
        }
        Ok(())
    }

    // Timers.

    /// The end of a call: what its ACKs said counts.
    pub(super) fn end_call(&mut self, now: Instant) {
        self.nacks = 0;
        self.note_early(now);
    }

    /// What is owed to the peer now: an acknowledgement, a request for what is missing. `lane` is
    /// this lane's number.
    pub(super) fn settle(&mut self, now: Instant, terms: &Terms, lane: Seq, outbox: &mut Outbox) {
        if self.acks.is_due(now, terms) {
            self.put_ack(lane, outbox);
        }
        let ranges = self.recv.missing(now, self.rtt.again_after());
        if !ranges.is_empty() {
            let payload = Nack { ranges }.to_bytes();
            outbox.put_control_of(lane, FrameType::Nack, &payload);
            outbox.stats.nacks_sent += 1;
        }
    }

    /// An acknowledgement that waits goes with the burst.
    #[inline]
    pub(super) fn join_burst(&mut self, lane: Seq, outbox: &mut Outbox) {
        if self.acks.waits() {
            self.put_ack(lane, outbox);
        }
    }

    fn put_ack(&mut self, lane: Seq, outbox: &mut Outbox) {
        self.acks = Acks::default();
        let next = self.recv.next();
        let ranges = self.recv.early_ranges();
        if ranges.is_empty() {
            outbox.put_control_of(lane, FrameType::Ack, &next.get().to_be_bytes());
        } else {
            let payload = Ack { next, ranges }.to_bytes();
            outbox.put_control_of(lane, FrameType::Ack, &payload);
        }
    }

    /// The retransmission timer (RFC 6298, 5.4 to 5.6): marks what is to be sent again, and gives
    /// whether it ran out. While what left is blocked below, nothing is marked: it has not even left.
    pub(super) fn on_time(
        &mut self,
        now: Instant,
        dead_after: Duration,
        repair: Repair,
        blocked: bool,
    ) -> Result<bool, LinkFault> {
        if self.rto_at.is_none_or(|at| now < at) {
            return Ok(false);
        }
        let stuck = now.saturating_since(self.progress_at) >= dead_after;
        if stuck && self.timeouts_in_row >= GIVE_UP_TIMEOUTS {
            return Err(LinkFault::GaveUp);
        }
        self.timeouts_in_row = self.timeouts_in_row.saturating_add(1);
        self.rtt.back_off();
        self.rto_at = Some(now + self.rtt.rto());
        if !blocked {
            let limit = match repair {
                Repair::GoBackN => usize::MAX,
                Repair::SelectiveRepeat => {
                    let before = self.timeouts_in_row.saturating_sub(1);
                    (TIMEOUT_FRAMES_MAX >> before.min(8)).max(TIMEOUT_FRAMES_MIN)
                }
            };
            self.send.want_first(now, limit);
        }
        Ok(true)
    }

    /// When to call again.
    pub(super) fn deadline(&self, blocked: bool) -> Option<Instant> {
        if blocked {
            return self.rto_at;
        }
        let missing_at = self.recv.missing_at(self.rtt.again_after());
        [self.rto_at, self.acks.due_at(), missing_at]
            .into_iter()
            .flatten()
            .min()
    }
}

/// Writes a frame that the window has room for.
#[inline]
fn put(now: Instant, piece: &Piece<'_>, send: &mut SendWindow, burst: &mut Burst) {
    let seq = send.next();
    send.push(now, burst.position(), piece);
    burst.put(seq, piece);
}
