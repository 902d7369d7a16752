//! Messages on an open link over a stream, in one lane or two. The DATA lane leaves at once; the BULK
//! lane, where both sides speak it, in turns behind it. Neither waits for the other's repair.

use std::time::Duration;

use super::bulk::{BULK, Bulk};
use super::fault::LinkFault;
use super::lane::Lane;
use super::outbox::Outbox;
use super::{Output, SendError};
use crate::control::{ControlError, Terms, read_ping};
use crate::fragment::Uncut;
use crate::frame::{Frame, FrameType, Header, Seq, SharedBody};
use crate::rtt::RoundTrip;
use crate::time::Instant;

/// The DATA lane's number, in the header of its ACKs and NACKs.
const DATA: Seq = Seq::FIRST;

/// The flow of messages in both directions.
#[derive(Debug)]
pub(super) struct Flow {
    terms: Terms,
    data: Lane,
    /// From its first use on; apart so that a link without is small.
    bulk: Option<Box<Bulk>>,
    /// When the PING was sent that awaits its PONG.
    ping: Option<Instant>,
    /// The newest PING that was not answered: of several in one call, or while nothing can leave,
    /// one is.
    pong: Option<[u8; 8]>,
    /// Bytes that left wait below: nothing is sent again, and what is owed waits too, so that a
    /// peer that does not read cannot make us queue without end.
    blocked: bool,
}

impl Flow {
    pub(super) fn new(now: Instant, terms: Terms, round_trip: Option<Duration>) -> Self {
        let mut rtt = RoundTrip::default();
        if let Some(took) = round_trip {
            rtt.sample(took);
        }
        Self {
            terms,
            data: Lane::new(now, &terms, rtt),
            bulk: None,
            ping: None,
            pong: None,
            blocked: false,
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
        self.data.rtt()
    }

    /// How long an answer may take to what was said so often already.
    pub(super) fn answer_within(&self, times: u8) -> Duration {
        self.rtt().rto_after(times)
    }

    /// Frames and bytes of the DATA lane.
    pub(super) fn in_flight(&self, outbox: &Outbox) -> (u32, u32) {
        self.data.in_flight(&outbox.burst)
    }

    pub(super) fn bulk_in_flight_bytes(&self) -> u32 {
        self.bulk.as_ref().map_or(0, |bulk| bulk.in_flight_bytes())
    }

    pub(super) fn received_at(&self) -> Instant {
        let at = self.data.received_at();
        let bulk_at = self.bulk.as_ref().map(|bulk| bulk.lane.received_at());
        bulk_at.map_or(at, |bulk_at| bulk_at.max(at))
    }

    /// The place of the next new frame to the peer, in the DATA lane.
    pub(super) fn next_to_send(&self) -> Seq {
        self.data.next_to_send()
    }

    /// The place awaited from the peer, in the DATA lane.
    pub(super) fn next_awaited(&self) -> Seq {
        self.data.next_awaited()
    }

    pub(super) fn is_drained(&self) -> bool {
        let bulk_drained = |bulk: &Bulk| bulk.lane.is_drained();
        self.data.is_drained() && self.bulk.as_deref().is_none_or(bulk_drained)
    }

    pub(super) fn has_room(&self, outbox: &Outbox) -> bool {
        self.data.has_room(&outbox.burst)
    }

    pub(super) fn has_room_bulk(&self) -> bool {
        self.terms.bulk && self.bulk.as_ref().is_none_or(|bulk| bulk.has_room())
    }

    /// The BULK lane, where it is spoken.
    fn bulk_mut(&mut self, now: Instant) -> Option<&mut Bulk> {
        if !self.terms.bulk {
            return None;
        }
        let (terms, rtt) = (&self.terms, *self.data.rtt());
        let bulk = &mut self.bulk;
        Some(bulk.get_or_insert_with(|| Box::new(Bulk::new(now, terms, rtt))))
    }

    // Sending.

    /// Takes a message: into the burst, or, of the BULK lane, to leave in turns.
    #[inline]
    pub(super) fn take(
        &mut self,
        now: Instant,
        kind: FrameType,
        shared: &SharedBody,
        tail: Option<[u8; 8]>,
        outbox: &mut Outbox,
    ) -> Result<(), SendError> {
        if kind == FrameType::Bulk {
            return self.take_bulk(now, shared, tail);
        }
        if !kind.is_sequenced() {
            return Err(SendError::NotSequenced);
        }
        let burst = &mut outbox.burst;
        self.data.take(now, &self.terms, kind, shared, tail, burst)
    }

    #[cold]
    fn take_bulk(
        &mut self,
        now: Instant,
        shared: &SharedBody,
        tail: Option<[u8; 8]>,
    ) -> Result<(), SendError> {
        let uncut = Uncut::new(FrameType::Bulk, shared.clone(), tail);
        let too_long = uncut.bytes() > self.terms.message_bytes_max as usize;
        match self.bulk_mut(now) {
            None => Err(SendError::NotSpoken),
            Some(_) if too_long => Err(SendError::TooLong),
            Some(bulk) => bulk.lane.queue(uncut),
        }
    }

    /// Cuts what waits in the DATA lane, as far as its window allows.
    pub(super) fn pump(&mut self, now: Instant, outbox: &mut Outbox) {
        let burst = &mut outbox.burst;
        self.data.pump(now, &self.terms, usize::MAX, burst);
    }

    /// What leaves now is appended to `wire`: the burst, with acknowledgements that wait, and behind it
    /// a turn of the BULK lane.
    pub(super) fn put_burst(
        &mut self,
        now: Instant,
        outbox: &mut Outbox,
        wire: &mut Vec<bytes::Bytes>,
    ) {
        if !outbox.is_empty() {
            self.join_burst(outbox);
            wire.push(outbox.take());
            self.data.sealed(now);
        }
        if let Some(bulk) = &mut self.bulk
            && !self.blocked
        {
            bulk.turn(now, &self.terms, &mut outbox.stats, wire);
        }
    }

    fn join_burst(&mut self, outbox: &mut Outbox) {
        if self.blocked {
            return;
        }
        self.data.join_burst(DATA, outbox);
        if let Some(bulk) = &mut self.bulk {
            bulk.lane.join_burst(BULK, outbox);
        }
    }

    /// Whether another turn of the BULK lane would give something now.
    pub(super) fn has_bulk_to_leave(&self) -> bool {
        let has_to_leave = |bulk: &Bulk| bulk.has_to_leave(&self.terms);
        !self.blocked && self.bulk.as_deref().is_some_and(has_to_leave)
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
        let stats = &mut outbox.stats;
        if frame.kind == FrameType::Bulk {
            let terms = self.terms;
            let bulk = self.bulk_mut(now);
            let bulk = bulk.ok_or(LinkFault::NotSpoken(frame.kind))?;
            return bulk.lane.on_sequenced(now, frame, &terms, stats, out);
        }
        self.data.on_sequenced(now, frame, &self.terms, stats, out)
    }

    /// A frame whose boundaries are good and whose checksum is not: of the lane that it seems to be of.
    pub(super) fn on_damaged(&mut self, header: &Header) {
        match &mut self.bulk {
            Some(bulk) if header.kind == FrameType::Bulk.number() => bulk.lane.on_damaged(),
            _ => self.data.on_damaged(),
        }
    }

    /// The lane that an ACK or NACK is of.
    fn lane_of(&mut self, now: Instant, frame: &Frame) -> Result<&mut Lane, LinkFault> {
        let bulk = match frame.seq {
            DATA => return Ok(&mut self.data),
            BULK => self.bulk_mut(now),
            _ => None,
        };
        let stray = LinkFault::BadControl(frame.kind, ControlError::NotAlone);
        bulk.map(|bulk| &mut bulk.lane).ok_or(stray)
    }

    pub(super) fn on_ack(&mut self, now: Instant, frame: &Frame) -> Result<(), LinkFault> {
        let sample = self.lane_of(now, frame)?.on_ack(now, &frame.payload)?;
        let other = match frame.seq {
            DATA => self.bulk.as_mut().map(|bulk| &mut bulk.lane),
            _ => Some(&mut self.data),
        };
        if let (Some(took), Some(other)) = (sample, other) {
            other.sample(took);
        }
        Ok(())
    }

    pub(super) fn on_nack(
        &mut self,
        now: Instant,
        frame: &Frame,
        outbox: &mut Outbox,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        let (repair, blocked) = (self.terms.repair, self.blocked);
        let lane = self.lane_of(now, frame)?;
        lane.on_nack(now, &frame.payload, repair, blocked)?;
        outbox.stats.nacks_received += 1;
        self.repair_data(now, outbox, out);
        Ok(())
    }

    /// What is wanted of the DATA lane leaves at once; the BULK lane's leaves in its turns.
    fn repair_data(&mut self, now: Instant, outbox: &mut Outbox, out: &mut Output) {
        let stats = &mut outbox.stats;
        self.data.repair(now, usize::MAX, stats, &mut out.wire);
    }

    /// Of several PINGs in one call, or while nothing can leave, the newest is answered.
    pub(super) fn on_ping(&mut self, payload: &[u8]) -> Result<(), LinkFault> {
        let echo = read_ping(payload).map_err(|e| LinkFault::control(FrameType::Ping, e))?;
        self.pong = Some(echo);
        Ok(())
    }

    /// A PONG that answers no PING of ours, or an older one, says nothing.
    pub(super) fn on_pong(&mut self, now: Instant, payload: &[u8]) -> Result<(), LinkFault> {
        let echo = read_ping(payload).map_err(|e| LinkFault::control(FrameType::Pong, e))?;
        if let Some(at) = self.ping.filter(|at| at.as_micros().to_be_bytes() == echo) {
            let took = now.saturating_since(at);
            self.data.sample(took);
            if let Some(bulk) = &mut self.bulk {
                bulk.lane.sample(took);
            }
            self.ping = None;
        }
        Ok(())
    }

    // Timers.

    /// What is owed to the peer now: an acknowledgement, a request for what is missing.
    pub(super) fn settle(&mut self, now: Instant, outbox: &mut Outbox) {
        self.data.end_call(now);
        if let Some(bulk) = &mut self.bulk {
            bulk.lane.end_call(now);
        }
        if self.blocked {
            return;
        }
        if let Some(echo) = self.pong.take() {
            outbox.put_control(FrameType::Pong, &echo);
        }
        self.data.settle(now, &self.terms, DATA, outbox);
        if let Some(bulk) = &mut self.bulk {
            bulk.lane.settle(now, &self.terms, BULK, outbox);
        }
    }

    /// The retransmission timers, one of each lane.
    pub(super) fn on_time(
        &mut self,
        now: Instant,
        dead_after: Duration,
        outbox: &mut Outbox,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        let (repair, blocked) = (self.terms.repair, self.blocked);
        let mut ran_out = self.data.on_time(now, dead_after, repair, blocked)?;
        outbox.stats.timeouts += u64::from(ran_out);
        if let Some(bulk) = &mut self.bulk {
            let bulk_ran_out = bulk.lane.on_time(now, dead_after, repair, blocked)?;
            outbox.stats.timeouts += u64::from(bulk_ran_out);
            ran_out |= bulk_ran_out;
        }
        if ran_out && !blocked {
            self.repair_data(now, outbox, out);
            // What was sent twice gives no measure (Karn's rule), and without one the back-off stays.
            self.put_ping(now, outbox);
        }
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
        let data_at = self.data.deadline(self.blocked);
        let Some(bulk) = &self.bulk else {
            return data_at;
        };
        let turn_at = match self.blocked {
            true => None,
            false => bulk.turn_at(&self.terms),
        };
        let bulk_at = bulk.lane.deadline(self.blocked);
        [data_at, turn_at, bulk_at].into_iter().flatten().min()
    }
}
