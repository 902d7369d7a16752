//! What leaves in the next datagram. In this order: control frames, small messages (those to repair
//! first), their copies and markers, acknowledgements that are due, large bodies. Acknowledgements that wait
//! join whatever leaves.

use bytes::{BufMut, BytesMut};

use super::flow::{DatagramFlow, LOWER_BYTES, Leaving};
use super::sent::{Carried, LaneId, Packet};
use crate::datagram::DATAGRAM_HEADER_BYTES;
use crate::frame::{FrameType, Seq, put_frame};
use crate::link::outbox::Outbox;
use crate::time::Instant;

/// Datagrams of one call: the rest leaves with the next, so that what comes is looked at between.
const PACKETS_PER_CALL: usize = 128;
/// A PING is not answered while so many packets without messages are in flight: who asks and does not
/// acknowledge would have us remember ever more of them.
const BARE_PACKETS_MAX: usize = 64;
/// Room that an acknowledgement is given in a datagram with messages.
const ACK_BYTES: usize = 112;

/// What a datagram is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Purpose {
    /// Control frames wait.
    Control,
    /// An acknowledgement is due.
    Ack,
    /// Messages are new or to be repaired.
    Lane(LaneId),
    /// A copy is due.
    Copy,
    /// A marker is due.
    Marker,
}

impl DatagramFlow {
    /// Appends what may leave now.
    pub(in crate::link) fn put_packets(
        &mut self,
        now: Instant,
        mut control: BytesMut,
        outbox: &mut Outbox,
        leaving: &mut Vec<Leaving>,
    ) {
        if self.sent.bare() < BARE_PACKETS_MAX
            && let Some(echo) = self.pong.take()
        {
            put_frame(&mut control, FrameType::Pong, Seq::FIRST, true, &echo);
            outbox.stats.frames_sent += 1;
        }
        for _ in 0..PACKETS_PER_CALL {
            let Some(purpose) = self.next_purpose(now, !control.is_empty()) else {
                break;
            };
            let mut bytes =
                BytesMut::with_capacity(DATAGRAM_HEADER_BYTES + self.room + crate::seal::TAG_BYTES);
            bytes.put_bytes(0, DATAGRAM_HEADER_BYTES);
            let (carried, wants) = match purpose {
                Purpose::Control => {
                    let run = control_within(&control, self.room);
                    bytes.put_slice(&control.split_to(run));
                    (Carried::Nothing, true)
                }
                Purpose::Ack => (Carried::Nothing, false),
                Purpose::Marker => {
                    self.put_ack(now, true, &mut bytes, outbox);
                    (Carried::Nothing, true)
                }
                Purpose::Lane(lane) => (self.put_lane(now, lane, &mut bytes, outbox), true),
                Purpose::Copy => (self.put_copies(now, &mut bytes, outbox), true),
            };
            if self.received.waits() && self.room_left(&bytes) >= ACK_BYTES {
                self.put_ack(now, false, &mut bytes, outbox);
            }
            if bytes.len() == DATAGRAM_HEADER_BYTES {
                // A copy that nobody wants any more, or that there is no share for.
                continue;
            }
            self.leave(now, purpose, carried, wants, bytes, leaving);
        }
        self.note_rest();
    }

    /// Whether more may leave at once, or the application has no more: then rates say less.
    fn note_rest(&mut self) {
        let waits = self.data.is_ready() || self.bulk.is_ready();
        if !waits {
            self.delivery.note_app_limited(self.sent.in_flight_bytes());
        }
    }

    fn next_purpose(&mut self, now: Instant, control: bool) -> Option<Purpose> {
        if control {
            return Some(Purpose::Control);
        }
        if self.may_leave_now(now, LaneId::Data) {
            return Some(Purpose::Lane(LaneId::Data));
        }
        if self.redundancy.deadline().is_some_and(|at| at <= now) {
            if self.redundancy.take_marker(now) {
                return Some(Purpose::Marker);
            }
            return Some(Purpose::Copy);
        }
        if self.received.due_at().is_some_and(|at| at <= now) {
            return Some(Purpose::Ack);
        }
        self.may_leave_now(now, LaneId::Bulk)
            .then_some(Purpose::Lane(LaneId::Bulk))
    }

    /// The application goes on: whether it did before a packet more could have left.
    pub(super) fn end_pause(&mut self, now: Instant, lane: LaneId) {
        let bytes = u64::from(self.config.datagram_bytes) + LOWER_BYTES;
        let in_time = !self.pacer.allows(now, false) || !self.may_leave(lane, bytes);
        self.delivery.end_pause(in_time);
    }

    fn may_leave_now(&self, now: Instant, lane: LaneId) -> bool {
        let bytes = u64::from(self.config.datagram_bytes) + LOWER_BYTES;
        self.lane_of(lane).is_ready()
            && self.pacer.allows(now, lane == LaneId::Data)
            && self.may_leave(lane, bytes)
    }

    /// When the pacer lets something leave that waits for nothing else.
    pub(super) fn pacing_deadline(&self) -> Option<Instant> {
        let bytes = u64::from(self.config.datagram_bytes) + LOWER_BYTES;
        let data = (self.data.is_ready() && self.may_leave(LaneId::Data, bytes))
            .then(|| self.pacer.allows_at(true));
        let bulk = (self.bulk.is_ready() && self.may_leave(LaneId::Bulk, bytes))
            .then(|| self.pacer.allows_at(false));
        [data, bulk].into_iter().flatten().min()
    }

    fn room_left(&self, bytes: &BytesMut) -> usize {
        (DATAGRAM_HEADER_BYTES + self.room).saturating_sub(bytes.len())
    }

    fn put_ack(&mut self, now: Instant, at_once: bool, bytes: &mut BytesMut, outbox: &mut Outbox) {
        let mut payload = Vec::with_capacity(ACK_BYTES);
        self.received.acknowledge(now, at_once).put(&mut payload);
        put_frame(bytes, FrameType::Ack, Seq::FIRST, true, &payload);
        outbox.stats.frames_sent += 1;
    }

    /// Frames of `lane`, as many as fit.
    fn put_lane(
        &mut self,
        now: Instant,
        id: LaneId,
        bytes: &mut BytesMut,
        outbox: &mut Outbox,
    ) -> Carried {
        let mut carried = Carried::default();
        let mut again = 0;
        loop {
            let room = self.room_left(bytes);
            let Some((place, first)) = self.lane(id).put_next(now, room, bytes) else {
                break;
            };
            carried.add(id, place);
            again += u64::from(!first);
            outbox.stats.frames_sent += 1;
        }
        outbox.stats.retransmitted += again;
        if id == LaneId::Data && !self.data.is_ready() {
            self.redundancy.plan(now, &self.loss, &carried);
        }
        carried
    }

    /// Copies that are due, as far as they are still wanted and within their share.
    fn put_copies(&mut self, now: Instant, bytes: &mut BytesMut, outbox: &mut Outbox) -> Carried {
        let mut carried = Carried::default();
        let known = self.congestion.is_capacity_known();
        let path = self.congestion.capacity().filter(|_| known);
        let Some(places) = self.redundancy.due(now, path) else {
            return carried;
        };
        for place in places {
            if !self.data.is_wanted(place) {
                continue;
            }
            let cost = self.data.frame_bytes(place) as u64;
            let room = self.room_left(bytes);
            if !self.redundancy.afford(cost) || !self.data.put_again(now, place, room, bytes) {
                break;
            }
            carried.add(LaneId::Data, place);
            outbox.stats.frames_sent += 1;
            self.counters.copies += 1;
        }
        carried
    }

    /// The datagram has its frames: it gets its number and is remembered.
    fn leave(
        &mut self,
        now: Instant,
        purpose: Purpose,
        carried: Carried,
        wants: bool,
        bytes: BytesMut,
        leaving: &mut Vec<Leaving>,
    ) {
        let number = self.sent.take_number();
        let wire_bytes = (bytes.len() + self.extra_bytes()) as u64 + LOWER_BYTES;
        self.counters.sent += 1;
        if wants {
            if self.sent.is_idle() {
                self.repairs.begin(now);
            }
            let snapshot = self.delivery.on_sent(now, self.sent.is_idle());
            let packet = Packet {
                sent_at: now,
                bytes: wire_bytes as u16,
                quiet: self.congestion.is_quiet(snapshot.app_limited),
                snapshot,
                carried,
            };
            self.sent.insert(number, packet);
            self.repairs.credit = self.repairs.credit.saturating_sub(1);
            if !matches!(purpose, Purpose::Marker | Purpose::Copy) {
                let slack = self.slack();
                self.redundancy.plan_markers(now, &self.loss, slack);
            }
            // Acknowledgements alone wait for nothing, so that what waits must not pay for them: on a
            // path believed to be slow, much that comes would silence its receiver.
            self.pacer
                .on_sent(now, wire_bytes, self.congestion.pacing());
        }
        leaving.push(Leaving { number, bytes });
    }

    /// What is added behind the frames.
    fn extra_bytes(&self) -> usize {
        usize::from(self.config.datagram_bytes) - DATAGRAM_HEADER_BYTES - self.room
    }
}

/// Bytes of the whole frames at the beginning of `frames` that fit into `room`; the first one always.
fn control_within(frames: &[u8], room: usize) -> usize {
    let mut run = 0;
    while let Some(length) = frames[run..].first_chunk::<4>() {
        let frame = crate::frame::HEADER_BYTES + u32::from_be_bytes(*length) as usize;
        if run > 0 && run + frame > room {
            break;
        }
        run = (run + frame).min(frames.len());
    }
    run
}
