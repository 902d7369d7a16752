//! What carries an open link's messages: a stream or datagrams. The rest of the link does not know
//! which.

use std::time::Duration;

use bytes::Bytes;

use super::datagram::DatagramFlow;
use super::fault::LinkFault;
use super::flow::Flow;
use super::outbox::Outbox;
use super::{LinkStats, Output, SendError};
use crate::control::{ControlError, Terms};
use crate::frame::{Frame, FrameType, Header, Seq, SharedBody};
use crate::time::Instant;

/// The flow of messages.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the stream is the common one; boxing it would cost every message a detour"
)]
pub(super) enum Carrier {
    /// Over a stream.
    Stream(Flow),
    /// Over datagrams.
    Datagrams(Box<DatagramFlow>),
}

/// The same call on either.
macro_rules! on_either {
    ($carrier:expr, $flow:ident => $call:expr) => {
        match $carrier {
            Carrier::Stream($flow) => $call,
            Carrier::Datagrams($flow) => $call,
        }
    };
}

impl Carrier {
    #[inline]
    pub(super) fn take(
        &mut self,
        now: Instant,
        kind: FrameType,
        body: &SharedBody,
        tail: Option<[u8; 8]>,
        outbox: &mut Outbox,
    ) -> Result<(), SendError> {
        match self {
            Self::Stream(flow) => flow.take(now, kind, body, tail, outbox),
            Self::Datagrams(flow) => flow.take(now, kind, body, tail),
        }
    }

    pub(super) fn has_room(&self, outbox: &Outbox) -> bool {
        match self {
            Self::Stream(flow) => flow.has_room(outbox),
            Self::Datagrams(flow) => flow.has_room(FrameType::Data),
        }
    }

    pub(super) fn has_room_bulk(&self) -> bool {
        match self {
            Self::Stream(flow) => flow.has_room_bulk(),
            Self::Datagrams(flow) => flow.has_room(FrameType::Bulk),
        }
    }

    /// Time that a peer is given to be heard again, at least, before it is taken to have said goodbye:
    /// a stream ends by itself.
    pub(super) fn goodbye_patience(&self) -> Duration {
        match self {
            Self::Stream(_) => Duration::ZERO,
            Self::Datagrams(flow) => flow.goodbye_patience(),
        }
    }

    /// Whether another turn of a stream would give more of the BULK lane; datagrams have deadlines.
    pub(super) fn has_bulk_to_leave(&self) -> bool {
        match self {
            Self::Stream(flow) => flow.has_bulk_to_leave(),
            Self::Datagrams(_) => false,
        }
    }

    #[inline]
    pub(super) fn on_sequenced(
        &mut self,
        now: Instant,
        frame: Frame,
        outbox: &mut Outbox,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        on_either!(self, flow => flow.on_sequenced(now, frame, outbox, out))
    }

    pub(super) fn on_ack(&mut self, now: Instant, frame: &Frame) -> Result<(), LinkFault> {
        match self {
            Self::Stream(flow) => flow.on_ack(now, frame),
            Self::Datagrams(flow) if frame.seq == Seq::FIRST => flow.on_ack(now, &frame.payload),
            Self::Datagrams(_) => {
                let error = ControlError::NotAlone;
                Err(LinkFault::BadControl(FrameType::Ack, error))
            }
        }
    }

    pub(super) fn on_nack(
        &mut self,
        now: Instant,
        frame: &Frame,
        outbox: &mut Outbox,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        match self {
            Self::Stream(flow) => flow.on_nack(now, frame, outbox, out),
            Self::Datagrams(_) => Err(LinkFault::NotSpoken(FrameType::Nack)),
        }
    }

    pub(super) fn on_ping(&mut self, payload: &[u8]) -> Result<(), LinkFault> {
        on_either!(self, flow => flow.on_ping(payload))
    }

    pub(super) fn on_pong(&mut self, now: Instant, payload: &[u8]) -> Result<(), LinkFault> {
        on_either!(self, flow => flow.on_pong(now, payload))
    }

    /// A frame whose boundaries are good and whose checksum is not.
    pub(super) fn on_damaged(&mut self, header: &Header) {
        if let Self::Stream(flow) = self {
            flow.on_damaged(header);
        }
    }

    pub(super) fn on_time(
        &mut self,
        now: Instant,
        dead_after: Duration,
        outbox: &mut Outbox,
        out: &mut Output,
    ) -> Result<(), LinkFault> {
        match self {
            Self::Stream(flow) => flow.on_time(now, dead_after, outbox, out),
            Self::Datagrams(flow) => flow.on_time(now, dead_after, &mut outbox.stats.timeouts),
        }
    }

    /// What is due at the end of every call; datagrams are put together when they leave.
    pub(super) fn settle(&mut self, now: Instant, outbox: &mut Outbox) {
        if let Self::Stream(flow) = self {
            flow.pump(now, outbox);
            flow.settle(now, outbox);
        }
    }

    /// What a stream has to send leaves.
    pub(super) fn put_burst(&mut self, now: Instant, outbox: &mut Outbox, wire: &mut Vec<Bytes>) {
        if let Self::Stream(flow) = self {
            flow.put_burst(now, outbox, wire);
        }
    }

    pub(super) fn set_blocked(&mut self, blocked: bool) {
        if let Self::Stream(flow) = self {
            flow.set_blocked(blocked);
        }
    }

    pub(super) fn put_ping(&mut self, now: Instant, outbox: &mut Outbox) {
        on_either!(self, flow => flow.put_ping(now, outbox));
    }

    pub(super) fn pinged_at(&self) -> Option<Instant> {
        on_either!(self, flow => flow.pinged_at())
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        on_either!(self, flow => flow.deadline())
    }

    pub(super) fn terms(&self) -> Terms {
        on_either!(self, flow => flow.terms())
    }

    /// How long an answer may take to what was said so often already.
    pub(super) fn answer_within(&self, times: u8) -> Duration {
        on_either!(self, flow => flow.answer_within(times))
    }

    pub(super) fn is_drained(&self) -> bool {
        on_either!(self, flow => flow.is_drained())
    }

    pub(super) fn received_at(&self) -> Instant {
        on_either!(self, flow => flow.received_at())
    }

    pub(super) fn next_to_send(&self) -> Seq {
        on_either!(self, flow => flow.next_to_send())
    }

    pub(super) fn next_awaited(&self) -> Seq {
        on_either!(self, flow => flow.next_awaited())
    }

    /// Measures, into what was counted.
    pub(super) fn measure(&self, outbox: &Outbox, stats: &mut LinkStats) {
        match self {
            Self::Stream(flow) => {
                let rtt = flow.rtt();
                let (frames, bytes) = flow.in_flight(outbox);
                stats.in_flight_frames = frames;
                stats.in_flight_bytes = bytes;
                stats.bulk_in_flight_bytes = flow.bulk_in_flight_bytes();
                stats.rtt = rtt.smoothed();
                stats.rtt_variation = rtt.variation();
                stats.rto = rtt.rto();
                stats.window_frames = u32::from(flow.terms().window_frames);
                stats.window_bytes = flow.terms().window_bytes;
            }
            Self::Datagrams(flow) => flow.measure(stats),
        }
    }
}
