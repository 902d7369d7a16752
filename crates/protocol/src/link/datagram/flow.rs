//! Messages on an open link over datagrams. A frame is repeated in a new packet until a packet that
//! carried it was acknowledged; whatever the peer sends or acknowledges, the memory held stays within
//! the terms.
//!
//! | file | part |
//! |---|---|
//! | `packets` | what leaves in the next datagram |
//! | `repair` | acknowledgements, loss and probes |
//! | here | the rest |

use std::time::Duration;

use bytes::BytesMut;

use super::congestion::Congestion;
use super::copies::{LossOut, Redundancy};
use super::delivery::Delivery;
use super::lane::{Arrival, RecvLane, SendLane};
use super::pacer::Pacer;
use super::received::Received;
use super::repair::Repairs;
use super::sent::{LaneId, Sent};
use crate::control::{Terms, read_ping};
use crate::datagram::DatagramConfig;
use crate::fragment::Uncut;
use crate::frame::{Frame, FrameType, Seq, SharedBody};
use crate::link::fault::LinkFault;
use crate::link::outbox::Outbox;
use crate::link::{LinkStats, Output, SendError};
use crate::rtt::RoundTrip;
use crate::time::Instant;

/// What IP and UDP add to a datagram.
pub(super) const LOWER_BYTES: u64 = 28;

/// Counters of packets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PacketCounters {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) lost: u64,
    pub(super) spurious: u64,
    pub(super) copies: u64,
}

/// The flow of messages in both directions.
#[derive(Debug)]
pub(in crate::link) struct DatagramFlow {
    pub(super) config: DatagramConfig,
    terms: Terms,
    pub(super) data: SendLane,
    pub(super) bulk: SendLane,
    recv_data: RecvLane,
    recv_bulk: RecvLane,
    pub(super) sent: Sent,
    pub(super) received: Received,
    pub(super) rtt: RoundTrip,
    pub(super) delivery: Delivery,
    pub(super) congestion: Congestion,
    pub(super) pacer: Pacer,
    pub(super) loss: LossOut,
    pub(super) redundancy: Redundancy,
    pub(super) repairs: Repairs,
    pub(super) counters: PacketCounters,
    /// The PONG owed to the newest PING.
    pub(super) pong: Option<[u8; 8]>,
    ping: Option<Instant>,
    ponged: Option<[u8; 8]>,
    received_at: Instant,
    /// The packet being read wants an acknowledgement; without delay.
    wants: (bool, bool),
    /// Payload bytes of a packet, header and seal taken off.
    pub(super) room: usize,
}

impl DatagramFlow {
    pub(in crate::link) fn new(
        now: Instant,
        terms: Terms,
        config: DatagramConfig,
        room: usize,
        round_trip: Option<Duration>,
    ) -> Self {
        let mut rtt = RoundTrip::default();
        if let Some(took) = round_trip {
            rtt.sample(took);
        }
        let packet = u64::from(config.datagram_bytes) + LOWER_BYTES;
        Self {
            config,
            terms,
            data: SendLane::new(&terms),
            bulk: SendLane::new(&terms),
            recv_data: RecvLane::new(&terms),
            recv_bulk: RecvLane::new(&terms),
            sent: Sent::new(config.seed),
            received: Received::new(config.profile),
            rtt,
            delivery: Delivery::new(now),
            congestion: Congestion::new(now, packet, round_trip),
            pacer: Pacer::default(),
            loss: LossOut::default(),
            redundancy: Redundancy::new(now, config.copies, config.profile),
            repairs: Repairs::new(now, config.profile),
            counters: PacketCounters::default(),
            pong: None,
            ping: None,
            ponged: None,
            received_at: now,
            wants: (false, false),
            room,
        }
    }

    /// Times and speed are measured anew; what is in flight stays so until it is acknowledged or lost.
    pub(in crate::link) fn begin_path(&mut self, now: Instant) {
        let packet = u64::from(self.config.datagram_bytes) + LOWER_BYTES;
        self.rtt = RoundTrip::default();
        self.congestion = Congestion::new(now, packet, None);
        self.loss = LossOut::default();
    }

    pub(in crate::link) fn terms(&self) -> Terms {
        self.terms
    }

    /// How long an answer may take to what was said so often already.
    pub(in crate::link) fn answer_within(&self, times: u8) -> Duration {
        let probed = self.probe_after() * (1 << times.min(3));
        self.rtt.rto_after(times).max(probed)
    }

    pub(in crate::link) fn received_at(&self) -> Instant {
        self.received_at
    }

    /// The place of the next new frame of the DATA lane.
    pub(in crate::link) fn next_to_send(&self) -> Seq {
        self.data.next()
    }

    /// The place awaited on the DATA lane.
    pub(in crate::link) fn next_awaited(&self) -> Seq {
        self.recv_data.next()
    }

    /// Something is under way that wants an acknowledgement.
    pub(in crate::link) fn awaits_answer(&self) -> bool {
        !self.sent.is_idle()
    }

    pub(in crate::link) fn is_drained(&self) -> bool {
        self.data.is_drained() && self.bulk.is_drained()
    }

    pub(in crate::link) fn has_room(&self, kind: FrameType) -> bool {
        match kind {
            FrameType::Bulk => self.terms.bulk && self.bulk.has_room(),
            _ => self.data.has_room(),
        }
    }

    pub(super) fn lane(&mut self, lane: LaneId) -> &mut SendLane {
        match lane {
            LaneId::Data => &mut self.data,
            LaneId::Bulk => &mut self.bulk,
        }
    }

    pub(super) fn lane_of(&self, lane: LaneId) -> &SendLane {
        match lane {
            LaneId::Data => &self.data,
            LaneId::Bulk => &self.bulk,
        }
    }

    /// Takes a message.
    pub(in crate::link) fn take(
        &mut self,
        now: Instant,
        kind: FrameType,
        body: &SharedBody,
        tail: Option<[u8; 8]>,
    ) -> Result<(), SendError> {
        let lane = match kind {
            FrameType::Bulk if !self.terms.bulk => return Err(SendError::NotSpoken),
            FrameType::Bulk => LaneId::Bulk,
            kind if kind.is_sequenced() => LaneId::Data,
            _ => return Err(SendError::NotSequenced),
        };
        let bytes = body.bytes().len() + tail.map_or(0, |tail| tail.len());
        if bytes > self.terms.message_bytes_max as usize {
            return Err(SendError::TooLong);
        }
        self.lane(lane).take(Uncut::new(kind, body.clone(), tail))?;
        self.end_pause(now, lane);
        Ok(())
    }

    // Receiving.

    /// A packet begins: nothing of it is known to want an acknowledgement yet.
    pub(in crate::link) fn begin_packet(&mut self) {
        self.wants = (false, false);
    }

    /// All of a packet has been read.
    pub(in crate::link) fn end_packet(&mut self, now: Instant, number: u64) {
        let (wants, at_once) = self.wants;
        self.counters.received += 1;
        self.received.take(now, number, wants, at_once);
    }

    /// Whether a packet of this number was read before, or may have been.
    pub(in crate::link) fn is_repeated(&self, number: u64) -> bool {
        self.received.judge(number) == super::received::Novelty::Again
    }

    /// Whether a packet of this number is newer than all before.
    pub(in crate::link) fn is_newest(&self, number: u64) -> bool {
        self.received.judge(number) == super::received::Novelty::Newest
    }

    /// A sequenced frame.
    pub(in crate::link) fn on_sequenced(
        &mut self,
        now: Instant,
        frame: Frame,
        outbox: &mut Outbox,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        self.wants.0 = true;
        let (at, lane) = match frame.kind {
            FrameType::Bulk if !self.terms.bulk => {
                return Err(LinkFault::NotSpoken(frame.kind));
            }
            FrameType::Bulk => (1, &mut self.recv_bulk),
            _ => (0, &mut self.recv_data),
        };
        let lap = lane.lap();
        let arrival = lane.take(frame, &mut out.events)?;
        if lane.lap() > lap {
            self.received.outlive(at);
        }
        match arrival {
            Arrival::InTurn => self.received_at = now,
            Arrival::Early => outbox.stats.early += 1,
            Arrival::Again => outbox.stats.duplicates += 1,
        }
        Ok(())
    }

    /// A PING wants a PONG, and its packet an acknowledgement: else its sender would take it for lost.
    pub(in crate::link) fn on_ping(&mut self, payload: &[u8]) -> Result<(), LinkFault> {
        let echo = read_ping(payload).map_err(|e| LinkFault::control(FrameType::Ping, e))?;
        self.wants.0 = true;
        self.pong = Some(echo);
        Ok(())
    }

    /// A PONG that answers our newest PING is a measure; others say nothing here.
    pub(in crate::link) fn on_pong(
        &mut self,
        now: Instant,
        payload: &[u8],
    ) -> Result<(), LinkFault> {
        let echo = read_ping(payload).map_err(|e| LinkFault::control(FrameType::Pong, e))?;
        if let Some(at) = self.ping.filter(|at| at.as_micros().to_be_bytes() == echo) {
            self.rtt.sample(now.saturating_since(at));
            self.ping = None;
        }
        self.wants.0 = true;
        self.ponged = Some(echo);
        Ok(())
    }

    /// What a PONG of this packet had in it.
    pub(in crate::link) fn take_ponged(&mut self) -> Option<[u8; 8]> {
        self.ponged.take()
    }

    /// The number of the next packet.
    pub(in crate::link) fn next_number(&self) -> u64 {
        self.sent.next()
    }

    /// So long a silent peer may still be repeating what it has to say: ten of its longest pauses.
    pub(in crate::link) fn goodbye_patience(&self) -> Duration {
        30 * self.probe_after()
    }

    pub(super) fn want_answer(&mut self, at_once: bool) {
        self.wants.0 |= at_once;
        self.wants.1 |= at_once;
    }

    /// When the last PING was sent, while it is not answered.
    pub(in crate::link) fn pinged_at(&self) -> Option<Instant> {
        self.ping
    }

    pub(in crate::link) fn put_ping(&mut self, now: Instant, outbox: &mut Outbox) {
        self.ping = Some(now);
        outbox.put_control(FrameType::Ping, &now.as_micros().to_be_bytes());
    }

    /// When to call again.
    pub(in crate::link) fn deadline(&self) -> Option<Instant> {
        let pacing = self.pacing_deadline();
        [
            self.received.due_at(),
            self.redundancy.deadline(),
            self.repairs_deadline(),
            pacing,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Measures, into what was counted.
    pub(in crate::link) fn measure(&self, stats: &mut LinkStats) {
        let (data_frames, data_bytes) = self.data.in_flight();
        let (bulk_frames, bulk_bytes) = self.bulk.in_flight();
        stats.in_flight_frames = data_frames + bulk_frames;
        stats.in_flight_bytes = data_bytes;
        stats.bulk_in_flight_bytes = bulk_bytes;
        stats.rtt = self.rtt.smoothed();
        stats.rtt_variation = self.rtt.variation();
        stats.rto = self.probe_after();
        stats.rtt_min = self.congestion.rtt_min();
        stats.packets_sent = self.counters.sent;
        stats.packets_received = self.counters.received;
        stats.packets_lost = self.counters.lost;
        stats.packets_spurious = self.counters.spurious;
        stats.copies_sent = self.counters.copies;
        stats.loss_out_ppm = self.loss.ppm();
        stats.loss_in_ppm = self.received.loss_ppm();
        stats.rate_bytes_per_s = self.congestion.capacity();
        stats.phase = self.congestion.phase();
        stats.congestion_bytes = self.congestion.window();
        stats.window_frames = u32::from(self.terms.window_frames);
        stats.window_bytes = self.terms.window_bytes;
    }
}

/// A datagram that is to leave: its packet number, and its frames behind room for the header.
#[derive(Debug)]
pub(in crate::link) struct Leaving {
    pub(in crate::link) number: u64,
    pub(in crate::link) bytes: BytesMut,
}
