//! All that two lanes over datagrams can get into, looked at one by one: the shipped lanes, sent
//! packets and replay filter, with the network and every timer in the hands of the checker. In no state
//! has a message come twice, been skipped or overtaken, and from each everything can still come.
//!
//! Time and congestion only choose *when* something leaves or is taken for lost; here it may at any
//! moment. Packet numbers grow without end, so that two states count as one when they differ in nothing
//! that any later step can tell: see [`World::canonical`].

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use bytes::{Bytes, BytesMut};
use stateright::{Checker, Model, Property};

use super::delivery::Delivery;
use super::lane::view::FrameView;
use super::lane::{RecvLane, SendLane};
use super::received::{Novelty, Received};
use super::sent::{Carried, LaneId, Packet, Sent};
use crate::control::{PacketAck, Repair, SeqRange, Terms, VERSION};
use crate::datagram::Profile;
use crate::fragment::Uncut;
use crate::frame::{Decoded, FrameDecoder, FrameType, HEADER_BYTES, Seq, SharedBody};
use crate::link::Event;
use crate::time::Instant;

/// Payload bytes of a frame here.
const FRAGMENT_BYTES: usize = 64;
const FRAME_BYTES: usize = HEADER_BYTES + FRAGMENT_BYTES;
/// Lanes stand here at the beginning: the places of the wire wrap within the first window.
const FIRST_PLACE: u64 = 65_535;
/// The message that has two frames.
const LONG_MESSAGE: u8 = 1;

/// What is explored.
#[derive(Debug)]
struct Lanes {
    window_frames: u16,
    /// Messages to deliver.
    messages: u8,
    /// Datagrams with messages under way, and acknowledgements, at most.
    packets_max: usize,
    acks_max: usize,
    /// Frames in a datagram, at most.
    frames_max: usize,
    /// Whether packets that were taken for lost are remembered.
    late: bool,
    /// Whether a frame may leave again although nothing says that it was lost.
    copies: bool,
    /// Where they begin.
    first: Box<World>,
}

/// A datagram under way.
#[derive(Clone, Debug)]
struct Datagram {
    number: u64,
    frames: Bytes,
}

/// Both ends, and what is between them: datagrams that have not come, and acknowledgements that would be
/// news. The network may deliver any of them twice; how often and how much later changes nothing, which
/// is looked at in each state.
#[derive(Clone, Debug)]
struct World {
    send: SendLane,
    sent: Sent,
    received: Received,
    recv: RecvLane,
    packets: Vec<Datagram>,
    acks: Vec<Bytes>,
    /// Numbers of datagrams that came.
    came: BTreeSet<u64>,
    /// Messages that came, in order.
    heard: u8,
    /// What must never be.
    wrong: Option<&'static str>,
    canonical: Vec<u8>,
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for World {}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical.hash(state);
    }
}

/// What may happen next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    /// A datagram leaves with as many frames at most: what was lost before what is new.
    Send(usize),
    /// The frame at this place leaves again unasked.
    Copy(u64),
    /// A timer says that this packet is lost.
    Lose(u64),
    /// What was taken for lost is forgotten.
    Forget,
    /// The receiver acknowledges what it has.
    Acknowledge,
    /// The network delivers this datagram or acknowledgement, twice in a row; or it loses it.
    Deliver(usize),
    Drop(usize),
    DeliverAck(usize),
    DropAck(usize),
}

fn terms(window_frames: u16) -> Terms {
    Terms {
        version: VERSION,
        fragment_bytes: FRAGMENT_BYTES as u16,
        window_frames,
        window_bytes: 1 << 20,
        repair: Repair::SelectiveRepeat,
        message_bytes_max: 1 << 16,
        bulk: true,
    }
}

fn message(number: u8) -> Uncut {
    let bytes = match number {
        LONG_MESSAGE => 2 * FRAGMENT_BYTES,
        _ => FRAGMENT_BYTES,
    };
    let body = SharedBody::new(vec![number; bytes].into());
    Uncut::new(FrameType::Data, body, None)
}

impl World {
    fn new(window_frames: u16, messages: u8) -> Self {
        let terms = terms(window_frames);
        let mut world = Self {
            send: SendLane::new(&terms),
            sent: Sent::new(1),
            received: Received::new(Profile::Usual),
            recv: RecvLane::new(&terms),
            packets: Vec::new(),
            acks: Vec::new(),
            came: BTreeSet::new(),
            heard: 0,
            wrong: None,
            canonical: Vec::new(),
        };
        for _ in 0..FIRST_PLACE {
            world.send.take(message(u8::MAX)).expect("there is room");
            let (place, frames) = world.cut(1).pop().expect("the window is open");
            world.hear(frames);
            world.send.acknowledge(place);
        }
        world.heard = 0;
        world.wrong = None;
        for number in 0..messages {
            world.send.take(message(number)).expect("there is room");
        }
        world.settle();
        world
    }

    /// Takes up to `count` frames out of the lane.
    fn cut(&mut self, count: usize) -> Vec<(u64, Bytes)> {
        let mut frames = Vec::new();
        while frames.len() < count {
            let mut out = BytesMut::new();
            let next = self.send.put_next(Instant::ZERO, FRAME_BYTES, &mut out);
            let Some((place, _)) = next else {
                break;
            };
            frames.push((place, out.freeze()));
        }
        frames
    }

    /// A datagram with these frames leaves, as `packets` and `Sent` have it.
    fn leave(&mut self, frames: Vec<(u64, Bytes)>) {
        if frames.is_empty() {
            return;
        }
        let mut carried = Carried::default();
        let mut bytes = BytesMut::new();
        for (place, frame) in frames {
            carried.add(LaneId::Data, place);
            bytes.extend_from_slice(&frame);
        }
        let number = self.sent.take_number();
        let packet = Packet {
            sent_at: Instant::ZERO,
            bytes: bytes.len() as u16,
            quiet: false,
            snapshot: Delivery::new(Instant::ZERO).on_sent(Instant::ZERO, false),
            carried,
        };
        self.sent.insert(number, packet);
        self.packets.push(Datagram {
            number,
            frames: bytes.freeze(),
        });
    }

    /// A datagram comes, as `on_packet` has it.
    fn come(&mut self, datagram: Datagram) {
        let Datagram { number, frames } = datagram;
        if self.received.judge(number) == Novelty::Again {
            return;
        }
        if !self.came.insert(number) {
            self.wrong = Some("a repeated datagram was taken");
        }
        self.hear(frames);
        self.received.take(Instant::ZERO, number, true, false);
    }

    fn hear(&mut self, frames: Bytes) {
        let mut decoder = FrameDecoder::default();
        decoder.push(frames);
        while let Ok(Some(Decoded::Frame(frame))) = decoder.next() {
            let mut events = Vec::new();
            if self.recv.take(frame, &mut events).is_err() {
                self.wrong = Some("an honest sender was found faulty");
            }
            for event in events {
                let expected = match self.heard {
                    LONG_MESSAGE => vec![LONG_MESSAGE; 2 * FRAGMENT_BYTES],
                    number => vec![number; FRAGMENT_BYTES],
                };
                match event {
                    Event::Received { body, .. } if body == expected => {}
                    _ => self.wrong = Some("twice, skipped or overtaken"),
                }
                self.heard = self.heard.wrapping_add(1);
            }
        }
        assert!(!decoder.is_mid_frame(), "frames are whole");
    }

    /// An acknowledgement comes, as `on_ack` and `on_came` have it.
    fn acknowledged(&mut self, payload: &[u8]) {
        let Ok(ack) = PacketAck::from_bytes(payload) else {
            self.wrong = Some("an acknowledgement that cannot be read");
            return;
        };
        if !ack.runs.iter().all(|run| self.sent.may_name(run)) {
            self.wrong = Some("an honest receiver was found lying");
            return;
        }
        let lowest = self.sent.lowest_open();
        let mut came = Vec::new();
        for run in ack.runs.iter().take_while(|run| run.last >= lowest) {
            self.sent.acknowledge(run, &mut came);
        }
        for (_, packet, _) in &came {
            for place in packet.carried.places() {
                self.send.acknowledge(place);
            }
        }
        let _ = self.sent.first_data();
    }

    /// As `lose` has it.
    fn lose(&mut self, number: u64) {
        if let Some(packet) = self.sent.lose(number) {
            for place in packet.carried.places() {
                self.send.lose(place);
            }
        }
    }

    fn forget(&mut self) {
        self.sent.forget_lost_before(Instant::from_micros(1));
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Send(count) => {
                let frames = self.cut(count);
                self.leave(frames);
            }
            Step::Copy(place) => {
                let mut out = BytesMut::new();
                if self
                    .send
                    .put_again(Instant::ZERO, place, FRAME_BYTES, &mut out)
                {
                    self.leave(vec![(place, out.freeze())]);
                }
            }
            Step::Lose(number) => self.lose(number),
            Step::Forget => self.forget(),
            Step::Acknowledge => {
                let mut payload = Vec::new();
                let ack = self.received.acknowledge(Instant::ZERO, false);
                ack.put(&mut payload);
                self.acks.push(payload.into());
            }
            Step::Deliver(at) => {
                let datagram = self.packets.remove(at);
                self.come(datagram.clone());
                self.come(datagram);
            }
            Step::Drop(at) => drop(self.packets.remove(at)),
            Step::DeliverAck(at) => {
                let ack = self.acks.remove(at);
                self.acknowledged(&ack);
                self.acknowledged(&ack);
            }
            Step::DropAck(at) => drop(self.acks.remove(at)),
        }
    }

    /// After each step: what must hold, and the state's name.
    fn settle(&mut self) {
        if let Some(wrong) = self.broken() {
            self.wrong = Some(wrong);
        }
        let sent = &self.sent;
        let is_news = |ack: &Bytes| {
            let open = sent.in_flight().chain(sent.lost());
            let mut numbers = open.map(|(number, _)| number);
            numbers.any(|number| names(ack, number))
        };
        self.acks.retain(is_news);
        self.canonical = self.canonical();
    }

    fn broken(&self) -> Option<&'static str> {
        let again = |number: &u64| self.received.judge(*number) == Novelty::Again;
        if !self.came.iter().all(again) {
            return Some("a repeated datagram would be taken");
        }
        let (base, frames) = self.send.view();
        let next = self.place_awaited(base);
        let early = self.recv.early();
        let came = |place: u64| {
            let seq = Seq::new(place as u16);
            let is_in = |range: &SeqRange| seq.distance_from(range.start) < range.count;
            place < next || early.iter().any(is_in)
        };
        for (frame, place) in frames.iter().zip(base..) {
            if frame.acked && !came(place) {
                return Some("acknowledged, and never came");
            }
            let carries = |packet: &Packet| packet.carried.places().any(|other| other == place);
            let in_flight = self.sent.in_flight();
            let carriers = in_flight.filter(|(_, packet)| carries(packet)).count();
            if !frame.acked && carriers != usize::from(frame.carried) {
                return Some("packets that carry a frame are miscounted");
            }
            if !frame.acked && !frame.lost && carriers == 0 {
                return Some("a frame that nobody will send again");
            }
        }
        if base > next {
            return Some("the window has moved over what never came");
        }
        let bytes: u64 = (self.sent.in_flight())
            .map(|(_, packet)| u64::from(packet.bytes))
            .sum();
        if bytes != self.sent.in_flight_bytes() {
            return Some("bytes in flight are miscounted");
        }
        let has_data = self.sent.in_flight().next().is_some();
        if self.sent.first_data_at().is_some() != has_data {
            return Some("no probe timer for what is in flight");
        }
        None
    }

    /// The place that the receiver awaits, not wrapped: at most a window from the sender's.
    fn place_awaited(&self, base: u64) -> u64 {
        match self.recv.next().distance_from(Seq::new(base as u16)) {
            ahead if ahead < 1 << 15 => base + u64::from(ahead),
            behind => base - u64::from(u16::MAX - behind) - 1,
        }
    }

    /// All that a later step could tell, without packet numbers: they are compared for equality only,
    /// and a packet neither under way nor of the sender's concern is named by nobody.
    fn canonical(&self) -> Vec<u8> {
        let (base, frames) = self.send.view();
        let mut name = vec![
            (base - FIRST_PLACE) as u8,
            frames.len() as u8,
            (self.place_awaited(base) - FIRST_PLACE) as u8,
            self.heard,
            u8::from(self.received.waits()),
            u8::from(self.wrong.is_some()),
        ];
        let bits = |frame: &FrameView| match frame.acked {
            true => u8::MAX,
            false => frame.carried as u8 | u8::from(frame.lost) << 7,
        };
        name.extend(frames.iter().map(bits));
        for range in self.recv.early() {
            name.extend(range.start.get().to_be_bytes());
            name.push(range.count as u8);
        }
        name.push(0xfe);
        let (packets, masks) = self.packets_named(base, &frames);
        for packet in packets {
            name.extend(packet);
            name.push(0xfd);
        }
        name.push(0xfe);
        for mask in masks {
            name.extend(mask.to_be_bytes());
        }
        name
    }

    /// Packets that matter, by what is known of them, and for each acknowledgement which it names.
    fn packets_named(&self, base: u64, frames: &[FrameView]) -> (Vec<Vec<u8>>, Vec<u32>) {
        let is_wanted = |place: &u64| {
            let at = place.checked_sub(base).map(|at| at as usize);
            let frame = at.and_then(|at| frames.get(at));
            frame.is_some_and(|frame| !frame.acked)
        };
        // What the sender thinks of it, and what it carries that is wanted.
        let mut fates: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        let in_flight = self
            .sent
            .in_flight()
            .map(|(number, packet)| (number, packet, 1));
        let lost = self.sent.lost().map(|(number, packet)| (number, packet, 2));
        for (number, packet, fate) in in_flight.chain(lost) {
            let wanted = packet.carried.places().filter(is_wanted);
            let wanted: Vec<u8> = wanted.map(|place| (place - FIRST_PLACE) as u8).collect();
            let could_be_told =
                fate == 1 || self.came.contains(&number) || self.is_under_way(number);
            if !wanted.is_empty() && could_be_told {
                fates.insert(number, [vec![fate], wanted].concat());
            }
        }
        for datagram in &self.packets {
            let fate = fates.entry(datagram.number).or_default();
            fate.push(0xfc);
            for seq in seqs(&datagram.frames) {
                fate.extend(seq.get().to_be_bytes());
            }
        }
        let mut known: Vec<(Vec<u8>, Vec<bool>)> = Vec::new();
        for (number, mut name) in fates {
            name.push(u8::from(self.came.contains(&number)));
            let named = self.acks.iter().map(|ack| names(ack, number)).collect();
            known.push((name, named));
        }
        known.sort();
        // Two that were taken for lost, are not under way and differ in nothing are as good as one.
        known.dedup_by(|one, other| one == other && one.0[0] == 2 && !one.0.contains(&0xfc));
        let mut masks: Vec<u32> = (0..self.acks.len())
            .map(|ack| {
                let named = known.iter().enumerate();
                named.fold(0, |mask, (at, (_, by))| mask | u32::from(by[ack]) << at)
            })
            .collect();
        masks.sort_unstable();
        (known.into_iter().map(|(name, _)| name).collect(), masks)
    }

    fn is_under_way(&self, number: u64) -> bool {
        self.packets.iter().any(|packet| packet.number == number)
    }

    fn is_done(&self, lanes: &Lanes) -> bool {
        self.send.is_drained() && self.heard == lanes.messages
    }

    /// Whether everything can still be delivered, and the sender learn of it: with a network that
    /// has lost what is under way and loses nothing from now on, and timers that run out.
    fn can_end(&self, lanes: &Lanes) -> bool {
        let mut world = self.clone();
        world.packets.clear();
        world.acks.clear();
        world.lose_all();
        world.settle();
        let begins = (lanes.window_frames, world.canonical.clone());
        if CAN_END.with_borrow(|known| known.contains(&begins)) {
            return true;
        }
        for _ in 0..=2 * lanes.messages {
            world.lose_all();
            world.take(Step::Send(1));
            if !world.packets.is_empty() {
                world.take(Step::Deliver(0));
            }
            if world.received.waits() {
                world.take(Step::Acknowledge);
                world.take(Step::DeliverAck(0));
            }
            if world.is_done(lanes) && world.wrong.is_none() {
                return CAN_END.with_borrow_mut(|known| known.insert(begins));
            }
        }
        false
    }

    fn lose_all(&mut self) {
        let numbers: Vec<u64> = self.sent.in_flight().map(|(number, _)| number).collect();
        numbers.into_iter().for_each(|number| self.lose(number));
    }
}

thread_local! {
    /// States without anything under way from which everything could come.
    static CAN_END: RefCell<BTreeSet<(u16, Vec<u8>)>> = const { RefCell::new(BTreeSet::new()) };
}

/// Whether an acknowledgement names this packet.
fn names(ack: &Bytes, number: u64) -> bool {
    let ack = PacketAck::from_bytes(ack).expect("an honest receiver wrote it");
    let mut runs = ack.runs.iter();
    runs.any(|run| run.first <= number && number <= run.last)
}

/// Places of frames, as they stand on the wire.
fn seqs(frames: &Bytes) -> Vec<Seq> {
    let mut decoder = FrameDecoder::default();
    decoder.push(frames.clone());
    let mut seqs = Vec::new();
    while let Ok(Some(Decoded::Frame(frame))) = decoder.next() {
        seqs.push(frame.seq);
    }
    seqs
}

impl Model for Lanes {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::clone(&self.first)]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        if world.packets.len() < self.packets_max && world.send.is_ready() {
            steps.extend((1..=self.frames_max).map(Step::Send));
        }
        let (base, frames) = world.send.view();
        if self.copies && world.packets.len() < self.packets_max {
            let once = frames.iter().zip(base..);
            let once = once.filter(|(frame, _)| !frame.acked && frame.carried == 1);
            steps.extend(once.map(|(_, place)| Step::Copy(place)));
        }
        steps.extend((world.sent.in_flight()).map(|(number, _)| Step::Lose(number)));
        if world.sent.lost().next().is_some() {
            steps.push(Step::Forget);
        }
        if world.received.waits() && world.acks.len() < self.acks_max {
            steps.push(Step::Acknowledge);
        }
        for at in 0..world.packets.len() {
            steps.extend([Step::Deliver(at), Step::Drop(at)]);
        }
        for at in 0..world.acks.len() {
            steps.extend([Step::DeliverAck(at), Step::DropAck(at)]);
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        next.take(step);
        if !self.late {
            next.forget();
        }
        next.settle();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::<Self>::always("nothing is wrong", |_, world| world.wrong.is_none()),
            Property::<Self>::always("everything can still come", |lanes, world| {
                world.can_end(lanes)
            }),
            Property::<Self>::sometimes("all came, and the sender knows", |lanes, world| {
                world.is_done(lanes)
            }),
            Property::<Self>::sometimes(
                "all came, and the sender does not know",
                |lanes, world| world.heard == lanes.messages && !world.send.is_drained(),
            ),
            Property::<Self>::sometimes("a frame came again in another packet", |_, world| {
                let next = world.recv.next();
                let is_behind = |datagram: &Datagram| {
                    let mut seqs = seqs(&datagram.frames).into_iter();
                    seqs.any(|seq| seq.distance_from(next) >= 1 << 15)
                };
                world.packets.iter().any(is_behind)
            }),
            Property::<Self>::sometimes("the window is full, and more waits", |lanes, world| {
                let frames = world.send.in_flight().0;
                frames == u32::from(lanes.window_frames) && !world.send.is_ready()
            }),
            Property::<Self>::sometimes("places have wrapped", |_, world| {
                world.recv.next().get() < 1 << 15
            }),
        ];
        if self.window_frames > 1 {
            properties.push(Property::<Self>::sometimes("early", |_, world| {
                !world.recv.early().is_empty()
            }));
        }
        if self.late {
            properties.push(Property::<Self>::sometimes("late", |_, world| {
                let named = |number| world.acks.iter().any(|ack| names(ack, number));
                world.sent.lost().any(|(number, _)| named(number))
            }));
        }
        if self.copies {
            properties.push(Property::<Self>::sometimes(
                "twice under way",
                |_, world| {
                    let (_, frames) = world.send.view();
                    frames.iter().any(|frame| frame.carried == 2)
                },
            ));
        }
        properties
    }
}

/// Explores all reachable states.
#[track_caller]
fn check(
    window_frames: u16,
    [packets_max, frames_max, acks_max]: [usize; 3],
    late: bool,
    copies: bool,
) {
    // A window, the second frame of the long message, and one more.
    let messages = window_frames as u8 + 1;
    let lanes = Lanes {
        window_frames,
        messages,
        packets_max,
        frames_max,
        acks_max,
        late,
        copies,
        first: Box::new(World::new(window_frames, messages)),
    };
    let checked = lanes.checker().threads(2).spawn_bfs().join();
    println!(
        "window {window_frames}, {packets_max} datagrams of {frames_max} frames and {acks_max} \
         acknowledgements under way{}{}: {} states, {} transitions",
        if late { ", late ones" } else { "" },
        if copies { ", copies" } else { "" },
        checked.unique_state_count(),
        checked.state_count(),
    );
    checked.assert_properties();
}

#[test]
fn every_state_of_small_windows() {
    check(1, [2, 1, 2], true, true);
    check(2, [2, 1, 1], true, false);
    check(2, [1, 1, 1], true, true);
    check(2, [2, 2, 1], false, false);
    check(3, [1, 1, 1], true, false);
    check(3, [2, 1, 2], false, false);
    check(4, [1, 1, 1], false, false);
}

/// `cargo test --release -p lamparina-protocol --lib every_state_of_more -- --ignored --nocapture`
#[test]
#[ignore = "takes minutes"]
fn every_state_of_more() {
    check(2, [2, 2, 1], true, false);
    check(2, [2, 1, 1], true, true);
    check(3, [2, 1, 1], true, false);
    check(3, [2, 2, 2], false, false);
    check(3, [2, 1, 1], false, true);
    check(4, [2, 1, 1], false, false);
    check(4, [1, 1, 1], true, false);
    check(4, [1, 1, 1], false, true);
}
