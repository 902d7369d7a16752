//! Messages on an open link: both windows, fragments, acknowledgements and repair. Whatever the
//! peer sends, the memory held stays within the terms.

use std::time::Duration;

use super::acks::Acks;
use super::backlog::Backlog;
use super::fault::LinkFault;
use super::outbox::Outbox;
use super::{Event, Output, SendError};
use crate::control::{Ack, Nack, Repair, SeqRange, Terms, read_ping};
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

/// What is done once for all frames of a call.
#[derive(Debug, Default)]
struct Later {
    /// The newest PING that was not answered.
    pong: Option<[u8; 8]>,
    /// What the newest ACK says came early.
    early: Vec<SeqRange>,
}

/// The flow of messages in both directions.
#[derive(Debug)]
pub(super) struct Flow {
    terms: Terms,
    send: SendWindow,
    backlog: Backlog,
    recv: RecvWindow,
    assembly: Reassembly,
    rtt: RoundTrip,
    acks: Acks,
    /// The retransmission timer; runs while anything is in flight.
    rto_at: Option<Instant>,
    timeouts_in_row: u16,
    progress_at: Instant,
    /// When the PING was sent that awaits its PONG.
    ping: Option<Instant>,
    /// When something in its turn came last.
    received_at: Instant,
    /// Bytes that left wait below: nothing is sent again, and what is owed waits too, so that a
    /// peer that does not read cannot make us queue without end.
    blocked: bool,
    /// What is done once for all frames of a call; rare, and apart so that an idle link is small.
    later: Option<Box<Later>>,
    /// NACKs answered in this call.
    nacks: u8,
}

impl Flow {
    pub(super) fn new(now: Instant, terms: Terms, round_trip: Option<Duration>) -> Self {
        let mut rtt = RoundTrip::default();
        if let Some(took) = round_trip {
            rtt.sample(took);
        }
        Self {
            terms,
            send: SendWindow::new(terms.window_frames, terms.window_bytes),
            backlog: Backlog::new(terms.window_bytes),
            recv: RecvWindow::new(terms.window_frames, terms.window_bytes, terms.repair),
            assembly: Reassembly::default(),
            rtt,
            acks: Acks::default(),
            rto_at: None,
            timeouts_in_row: 0,
            progress_at: now,
            ping: None,
            received_at: now,
            blocked: false,
            later: None,
            nacks: 0,
        }
    }

    /// Whether what leaves waits below.
    pub(super) fn set_blocked(&mut self, blocked: bool) {
        self.blocked = blocked;
    }

    pub(super) fn terms(&self) -> Terms {
        self.terms
    }

    pub(super) fn rtt(&self) -> &RoundTrip {
        &self.rtt
    }

    pub(super) fn in_flight(&self, outbox: &Outbox) -> (u32, u32) {
        (self.send.frames(), self.send.bytes(outbox.position()))
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

    pub(super) fn has_room(&self, outbox: &Outbox) -> bool {
        self.backlog.is_empty() && self.send.fits(outbox.position(), 1)
    }

    // Sending.

    /// Takes a message: at once into the burst where it is one frame and the window has room.
    #[inline]
    pub(super) fn take(
        &mut self,
        now: Instant,
        kind: FrameType,
        shared: &SharedBody,
        tail: Option<[u8; 8]>,
        outbox: &mut Outbox,
    ) -> Result<(), SendError> {
        if !kind.is_sequenced() {
            return Err(SendError::NotSequenced);
        }
        let body = shared.bytes();
        let end: &[u8] = tail.as_ref().map_or(&[], |tail| tail);
        let bytes = body.len() + end.len();
        if bytes > self.terms.message_bytes_max as usize {
            return Err(SendError::TooLong);
        }
        let position = outbox.position();
        let whole = bytes <= usize::from(self.terms.fragment_bytes) && self.backlog.is_empty();
        if !whole || !self.send.fits(position, (HEADER_BYTES + bytes) as u32) {
            let uncut = Uncut::new(kind, shared.clone(), tail);
            return self.take_later(now, uncut, outbox);
        }
        let piece = Piece {
            kind,
            body: shared,
            stretch: 0..body.len(),
            crc: shared.crc(),
            tail: end,
            last: true,
        };
        put(now, &piece, &mut self.send, outbox);
        Ok(())
    }

    #[cold]
    fn take_later(
        &mut self,
        now: Instant,
        message: Uncut,
        outbox: &mut Outbox,
    ) -> Result<(), SendError> {
        if self.backlog.is_full() {
            return Err(SendError::Full);
        }
        self.backlog.push(message);
        self.pump(now, outbox);
        Ok(())
    }

    /// Cuts what waits, as far as the window allows.
    pub(super) fn pump(&mut self, now: Instant, outbox: &mut Outbox) {
        let fragment_bytes = usize::from(self.terms.fragment_bytes);
        while let Some(uncut) = self.backlog.front() {
            let length = HEADER_BYTES + uncut.next_bytes(fragment_bytes);
            let position = outbox.position();
            if !self.send.fits(position, length as u32) {
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
            put(now, &piece, &mut self.send, outbox);
            if piece.last {
                self.backlog.pop();
            }
        }
    }

    /// The burst leaves: an acknowledgement that waits goes with it.
    pub(super) fn join_burst(&mut self, outbox: &mut Outbox) {
        if self.acks.waits() && !self.blocked {
            self.put_ack(outbox);
        }
    }

    /// The burst has left.
    pub(super) fn sealed(&mut self, now: Instant) {
        self.send.seal();
        if self.rto_at.is_none() && !self.send.is_empty() {
            self.rto_at = Some(now + self.rtt.rto());
            self.progress_at = now;
        }
    }

    // Receiving.

    /// A sequenced frame.
    #[inline]
    pub(super) fn on_sequenced(
        &mut self,
        now: Instant,
        frame: Frame,
        outbox: &mut Outbox,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        if frame.payload.len() > usize::from(self.terms.fragment_bytes) {
            return Err(LinkFault::TooLong);
        }
        match self.recv.position(frame.seq) {
            Position::Next => {
                self.acks.note(now, HEADER_BYTES + frame.payload.len());
                self.received_at = now;
                let filling = self.recv.advance();
                self.deliver(frame.kind, frame.last, frame.payload, out)?;
                if filling {
                    self.deliver_parked(out)?;
                }
                Ok(())
            }
            Position::Inside { gap } => self.on_early(now, gap, &frame, outbox),
            Position::Behind => {
                // Our earlier ACK was lost.
                outbox.stats.duplicates += 1;
                self.acks.note_at_once();
                Ok(())
            }
            Position::Beyond => Err(LinkFault::BeyondWindow),
        }
    }

    fn deliver(
        &mut self,
        kind: FrameType,
        last: bool,
        payload: bytes::Bytes,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        let limit = self.terms.message_bytes_max;
        if let Some(body) = self.assembly.add(kind, last, payload, limit)? {
            out.events.push(Event::Received { kind, body });
        }
        Ok(())
    }

    #[cold]
    fn deliver_parked(&mut self, out: &mut Output) -> Result<(), LinkFault> {
        self.acks.note_at_once();
        while let Some(parked) = self.recv.take_parked() {
            self.deliver(parked.kind, parked.last, parked.payload, out)?;
        }
        Ok(())
    }

    #[cold]
    fn on_early(
        &mut self,
        now: Instant,
        gap: u16,
        frame: &Frame,
        outbox: &mut Outbox,
    ) -> Result<(), LinkFault> {
        outbox.stats.early += 1;
        match self.recv.park(gap, frame) {
            Parking::Kept => self.acks.note(now, HEADER_BYTES + frame.payload.len()),
            Parking::Again => {
                outbox.stats.duplicates += 1;
                self.acks.note_at_once();
            }
            Parking::Dropped => {}
            Parking::Over => return Err(LinkFault::BeyondWindow),
        }
        Ok(())
    }

    /// A frame whose boundaries are good and whose checksum is not.
    pub(super) fn on_damaged(&mut self) {
        self.recv.note_damage();
    }

    pub(super) fn on_ack(&mut self, now: Instant, payload: &[u8]) -> Result<(), LinkFault> {
        let ack = Ack::from_bytes(payload).map_err(|e| LinkFault::control(FrameType::Ack, e))?;
        let acked = self
            .send
            .acknowledge(now, &ack)
            .map_err(|AckFault| LinkFault::AckUnsent)?;
        if let Some(took) = acked.sample {
            self.rtt.sample(took);
        }
        if acked.current {
            self.remember_early(ack.ranges);
        }
        self.note_progress(now, acked.progress);
        Ok(())
    }

    /// What the newest ACK says came early.
    fn note_early(&mut self, now: Instant) {
        if let Some(later) = &mut self.later {
            let ranges = std::mem::take(&mut later.early);
            let news = self.send.mark_early(&ranges);
            self.note_progress(now, news);
        }
    }

    fn remember_early(&mut self, ranges: Vec<SeqRange>) {
        if self.later.is_some() || !ranges.is_empty() {
            self.later.get_or_insert_default().early = ranges;
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

    pub(super) fn on_nack(
        &mut self,
        now: Instant,
        payload: &[u8],
        outbox: &mut Outbox,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        let nack = Nack::from_bytes(payload).map_err(|e| LinkFault::control(FrameType::Nack, e))?;
        outbox.stats.nacks_received += 1;
        // What is not answered now is asked for again.
        if self.blocked || self.nacks >= NACKS_PER_CALL {
            return Ok(());
        }
        self.nacks += 1;
        self.note_early(now);
        let before = out.wire.len();
        let frames = self.answer_nack(now, &nack.ranges, &mut out.wire);
        outbox.count_again(frames, &out.wire[before..]);
        Ok(())
    }

    fn answer_nack(
        &mut self,
        now: Instant,
        ranges: &[SeqRange],
        wire: &mut Vec<bytes::Bytes>,
    ) -> u32 {
        let again_after = self.rtt.again_after();
        match (self.terms.repair, ranges) {
            (Repair::GoBackN, [first, ..]) => {
                self.send.resend_from(now, first.start, again_after, wire)
            }
            (Repair::GoBackN, []) => 0,
            (Repair::SelectiveRepeat, ranges) => ranges
                .iter()
                .map(|range| self.send.resend_missing(now, range, again_after, wire))
                .sum(),
        }
    }

    /// Of several PINGs in one call, or while nothing can leave, the newest is answered.
    pub(super) fn on_ping(&mut self, payload: &[u8]) -> Result<(), LinkFault> {
        let echo = read_ping(payload).map_err(|e| LinkFault::control(FrameType::Ping, e))?;
        self.later.get_or_insert_default().pong = Some(echo);
        Ok(())
    }

    /// A PONG that answers no PING of ours, or an older one, says nothing.
    pub(super) fn on_pong(&mut self, now: Instant, payload: &[u8]) -> Result<(), LinkFault> {
        let echo = read_ping(payload).map_err(|e| LinkFault::control(FrameType::Pong, e))?;
        if let Some(at) = self.ping.filter(|at| at.as_micros().to_be_bytes() == echo) {
            self.rtt.sample(now.saturating_since(at));
            self.ping = None;
        }
        Ok(())
    }

    // Timers.

    /// What is owed to the peer now: an acknowledgement, a request for what is missing.
    pub(super) fn settle(&mut self, now: Instant, outbox: &mut Outbox) {
        self.nacks = 0;
        self.note_early(now);
        if self.blocked {
            return;
        }
        let later = self.later.take();
        if let Some(echo) = later.and_then(|later| later.pong) {
            outbox.put_control(FrameType::Pong, &echo);
        }
        if self.acks.is_due(now, &self.terms) {
            self.put_ack(outbox);
        }
        let ranges = self.recv.missing(now, self.rtt.again_after());
        if !ranges.is_empty() {
            outbox.put_control(FrameType::Nack, &Nack { ranges }.to_bytes());
            outbox.stats.nacks_sent += 1;
        }
    }

    fn put_ack(&mut self, outbox: &mut Outbox) {
        self.acks = Acks::default();
        let next = self.recv.next();
        let ranges = self.recv.early_ranges();
        if ranges.is_empty() {
            outbox.put_control(FrameType::Ack, &next.get().to_be_bytes());
        } else {
            outbox.put_control(FrameType::Ack, &Ack { next, ranges }.to_bytes());
        }
    }

    /// The retransmission timer (RFC 6298, 5.4 to 5.6).
    pub(super) fn on_time(
        &mut self,
        now: Instant,
        dead_after: Duration,
        outbox: &mut Outbox,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        if self.rto_at.is_none_or(|at| now < at) {
            return Ok(());
        }
        let stuck = now.saturating_since(self.progress_at) >= dead_after;
        if stuck && self.timeouts_in_row >= GIVE_UP_TIMEOUTS {
            return Err(LinkFault::GaveUp);
        }
        outbox.stats.timeouts += 1;
        self.timeouts_in_row = self.timeouts_in_row.saturating_add(1);
        self.rtt.back_off();
        self.rto_at = Some(now + self.rtt.rto());
        if self.blocked {
            // It has not even left.
            return Ok(());
        }
        let before = out.wire.len();
        let limit = match self.terms.repair {
            Repair::GoBackN => usize::MAX,
            Repair::SelectiveRepeat => {
                let before = self.timeouts_in_row.saturating_sub(1);
                (TIMEOUT_FRAMES_MAX >> before.min(8)).max(TIMEOUT_FRAMES_MIN)
            }
        };
        let frames = self.send.resend_first(now, limit, &mut out.wire);
        outbox.count_again(frames, &out.wire[before..]);
        // What was sent twice gives no measure (Karn's rule), and without one the back-off stays.
        self.put_ping(now, outbox);
        Ok(())
    }

    /// When the last PING was sent, while it is not answered.
    pub(super) fn pinged_at(&self) -> Option<Instant> {
        self.ping
    }

    pub(super) fn put_ping(&mut self, now: Instant, outbox: &mut Outbox) {
        self.ping = Some(now);
        outbox.put_control(FrameType::Ping, &now.as_micros().to_be_bytes());
    }

    /// When to call again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.blocked {
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
fn put(now: Instant, piece: &Piece<'_>, send: &mut SendWindow, outbox: &mut Outbox) {
    let seq = send.next();
    send.push(now, outbox.position(), piece);
    outbox.put_sequenced(seq, piece);
}
