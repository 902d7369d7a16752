//! All that the two windows of a stream's lane can get into, looked at one by one: the shipped code
//! behind a channel that loses, damages, doubles and overtakes, with every timer in the hands of the
//! checker, and both ways of repair. In no state has a frame come twice, been skipped or overtaken, and
//! from each everything can still come.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use bytes::Bytes;
use stateright::{Checker, Model, Property};

use super::{Parking, Piece, Position, RecvWindow, SendWindow};
use crate::control::{Ack, Nack, Repair, SeqRange};
use crate::frame::{Decoded, Frame, FrameDecoder, FrameType, HEADER_BYTES, SharedBody};
use crate::time::Instant;

const NOW: Instant = Instant::ZERO;
/// A frame has one byte.
const FRAME_BYTES: usize = HEADER_BYTES + 1;
/// Windows stand here at the beginning: places wrap within the first.
const FIRST_PLACE: u16 = 65_535;

/// What is explored.
#[derive(Debug)]
struct Windows {
    window_frames: u16,
    repair: Repair,
    frames: u8,
    /// Frames under way, and acknowledgements and requests.
    frames_max: usize,
    controls_max: usize,
    first: Box<World>,
}

/// What a receiver says.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Control {
    Ack(Vec<u8>),
    Nack(Vec<u8>),
}

/// Both ends, and what is between them.
#[derive(Clone, Debug)]
struct World {
    repair: Repair,
    send: SendWindow,
    recv: RecvWindow,
    /// Bytes written so far.
    position: u32,
    said: u8,
    heard: u8,
    frames: Vec<Bytes>,
    controls: Vec<Control>,
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
    /// A new frame leaves.
    Say,
    /// The first frame that is wanted again leaves.
    Again,
    /// The sender's timer runs out.
    TimeOut,
    /// The receiver acknowledges, or asks for what is missing.
    Acknowledge,
    Ask,
    /// The channel delivers this frame twice in a row, damages or loses it.
    Deliver(usize),
    Damage(usize),
    Drop(usize),
    /// It delivers what the receiver said, and may keep it for another time; or loses it.
    DeliverControl(usize, bool),
    DropControl(usize),
}

impl World {
    fn new(window_frames: u16, repair: Repair) -> Self {
        let mut world = Self {
            repair,
            send: SendWindow::new(window_frames, 1 << 20),
            recv: RecvWindow::new(window_frames, 1 << 20, repair),
            position: 0,
            said: 0,
            heard: 0,
            frames: Vec::new(),
            controls: Vec::new(),
            wrong: None,
            canonical: Vec::new(),
        };
        for _ in 0..FIRST_PLACE {
            world.take(Step::Say);
            world.take(Step::Deliver(0));
            world.take(Step::Acknowledge);
            world.take(Step::DeliverControl(0, false));
        }
        assert_eq!(world.wrong, None);
        (world.said, world.heard) = (0, 0);
        world.settle();
        world
    }

    fn fits(&self) -> bool {
        self.send.fits(self.position, FRAME_BYTES as u32)
    }

    fn say(&mut self) {
        let body = SharedBody::new(vec![self.said].into());
        let seq = self.send.next();
        let piece = Piece {
            kind: FrameType::Data,
            body: &body,
            stretch: 0..1,
            crc: body.crc(),
            tail: &[],
            last: true,
        };
        self.send.push(NOW, self.position, &piece);
        self.send.seal();
        self.position = self.position.wrapping_add(FRAME_BYTES as u32);
        let frame = Frame {
            kind: FrameType::Data,
            seq,
            last: true,
            payload: body.bytes().to_vec().into(),
        };
        self.frames.push(frame.to_bytes());
        self.said = self.said.wrapping_add(1);
    }

    /// As `on_sequenced` has it.
    fn come(&mut self, bytes: Bytes) {
        let frame = read(bytes);
        match self.recv.position(frame.seq) {
            Position::Next => {
                let filling = self.recv.advance();
                self.hear(&frame.payload);
                while filling && let Some(parked) = self.recv.take_parked() {
                    self.hear(&parked.payload);
                }
            }
            Position::Inside { gap } => {
                if self.recv.park(gap, &frame) == Parking::Over {
                    self.wrong = Some("an honest sender was found faulty");
                }
            }
            Position::Behind => {}
            Position::Beyond => self.wrong = Some("an honest sender was found faulty"),
        }
    }

    fn hear(&mut self, payload: &[u8]) {
        if payload != [self.heard] {
            self.wrong = Some("twice, skipped or overtaken");
        }
        self.heard = self.heard.wrapping_add(1);
    }

    /// As `on_ack` and `on_nack` have it.
    fn hear_control(&mut self, control: &Control) {
        match control {
            Control::Ack(payload) => {
                let ack = Ack::from_bytes(payload).expect("an honest receiver wrote it");
                match self.send.acknowledge(NOW, &ack) {
                    Ok(acked) if acked.current => drop(self.send.mark_early(&ack.ranges)),
                    Ok(_) => {}
                    Err(_) => self.wrong = Some("an honest receiver was found lying"),
                }
            }
            Control::Nack(payload) => {
                let nack = Nack::from_bytes(payload).expect("an honest receiver wrote it");
                match self.repair {
                    Repair::GoBackN => {
                        self.send
                            .want_from(NOW, nack.ranges[0].start, Duration::ZERO);
                    }
                    Repair::SelectiveRepeat => {
                        for range in &nack.ranges {
                            self.send.want_missing(NOW, range, Duration::ZERO);
                        }
                    }
                }
            }
        }
    }

    /// Whether a frame under way would come so.
    fn comes(&self, how: impl Fn(Position) -> bool) -> bool {
        let mut frames = self.frames.iter();
        frames.any(|frame| how(self.recv.position(read(frame.clone()).seq)))
    }

    fn missing(&self) -> Vec<SeqRange> {
        self.recv.clone().missing(NOW, Duration::ZERO)
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Say => self.say(),
            Step::Again => {
                self.send.resend_wanted(NOW, FRAME_BYTES, &mut self.frames);
            }
            Step::TimeOut => {
                let limit = match self.repair {
                    Repair::GoBackN => usize::MAX,
                    Repair::SelectiveRepeat => 1,
                };
                self.send.want_first(NOW, limit);
            }
            Step::Acknowledge => {
                let (next, ranges) = (self.recv.next(), self.recv.early_ranges());
                let ack = Ack { next, ranges };
                self.controls.push(Control::Ack(ack.to_bytes()));
            }
            Step::Ask => {
                let ranges = self.recv.missing(NOW, Duration::ZERO);
                self.controls
                    .push(Control::Nack(Nack { ranges }.to_bytes()));
            }
            Step::Deliver(at) => {
                let frame = self.frames.remove(at);
                self.come(frame.clone());
                self.come(frame);
            }
            Step::Damage(at) => {
                self.frames.remove(at);
                self.recv.note_damage();
            }
            Step::Drop(at) => drop(self.frames.remove(at)),
            Step::DeliverControl(at, keep) => {
                let control = self.controls[at].clone();
                if !keep {
                    self.controls.remove(at);
                }
                self.hear_control(&control);
            }
            Step::DropControl(at) => drop(self.controls.remove(at)),
        }
    }

    /// After each step: what must hold, and the state's name.
    fn settle(&mut self) {
        if let Some(wrong) = self.broken() {
            self.wrong = Some(wrong);
        }
        self.frames.sort_unstable();
        // The same again under way is no more than once: it may be delivered as often as one likes.
        self.frames.dedup();
        self.controls.sort_unstable();
        self.controls.dedup();
        let frames = self.send.view();
        let mut name = vec![
            self.said,
            self.heard,
            self.recv.next().get() as u8,
            frames.len() as u8,
            u8::from(self.wrong.is_some()),
        ];
        let bits = |(acked, wanted): (bool, bool)| u8::from(acked) | u8::from(wanted) << 1;
        name.extend(frames.into_iter().map(bits));
        name.push(0xfe);
        let early = Ack {
            next: self.recv.next(),
            ranges: self.recv.early_ranges(),
        };
        name.extend(early.to_bytes());
        name.push(0xfe);
        for range in self.missing() {
            name.extend(range.start.get().to_be_bytes());
            name.extend(range.count.to_be_bytes());
        }
        for frame in &self.frames {
            name.push(0xfd);
            name.extend(read(frame.clone()).seq.get().to_be_bytes());
        }
        for control in &self.controls {
            let (kind, payload) = match control {
                Control::Ack(payload) => (0xfb, payload),
                Control::Nack(payload) => (0xfc, payload),
            };
            name.push(kind);
            name.extend(payload);
        }
        self.canonical = name;
    }

    fn broken(&self) -> Option<&'static str> {
        let frames = self.send.view();
        let base = self.send.base();
        let early = self.recv.early_ranges();
        let ahead = self.recv.next().distance_from(base);
        if usize::from(ahead) > frames.len() {
            return Some("the window has moved over what never came");
        }
        for (at, (acked, wanted)) in frames.iter().enumerate() {
            let seq = base.plus(at as u16);
            let is_in = |range: &SeqRange| seq.distance_from(range.start) < range.count;
            let came = (at as u16) < ahead || early.iter().any(is_in);
            if *acked && !came {
                return Some("acknowledged, and never came");
            }
            if *acked && *wanted {
                return Some("acknowledged, and to be sent again");
            }
        }
        None
    }

    fn is_done(&self, windows: &Windows) -> bool {
        self.said == windows.frames && self.heard == self.said && self.send.is_empty()
    }

    /// Whether everything can still be delivered, and the sender learn of it, by `TimeOut` or by
    /// asking: with a channel that loses nothing from now on.
    fn can_end(&self, windows: &Windows) -> bool {
        let mut world = self.clone();
        world.frames.clear();
        world.controls.clear();
        for _ in 0..=2 * windows.frames {
            if world.said < windows.frames && world.fits() {
                world.take(Step::Say);
            }
            world.take(Step::TimeOut);
            while world.send.wants_again() {
                world.take(Step::Again);
            }
            while !world.frames.is_empty() {
                world.take(Step::Deliver(0));
            }
            world.take(Step::Acknowledge);
            world.take(Step::DeliverControl(0, false));
            if world.is_done(windows) {
                return world.wrong.is_none();
            }
        }
        false
    }
}

fn read(bytes: Bytes) -> Frame {
    let mut decoder = FrameDecoder::default();
    decoder.push(bytes);
    match decoder.next() {
        Ok(Some(Decoded::Frame(frame))) => frame,
        other => panic!("a window gave {other:?}"),
    }
}

impl Model for Windows {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::clone(&self.first)]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        if world.frames.len() < self.frames_max {
            if world.said < self.frames && world.fits() {
                steps.push(Step::Say);
            }
            if world.send.wants_again() {
                steps.push(Step::Again);
            }
        }
        if !world.send.is_empty() {
            steps.push(Step::TimeOut);
        }
        if world.controls.len() < self.controls_max {
            steps.push(Step::Acknowledge);
            if !world.missing().is_empty() {
                steps.push(Step::Ask);
            }
        }
        for at in 0..world.frames.len() {
            steps.extend([Step::Deliver(at), Step::Damage(at), Step::Drop(at)]);
        }
        for at in 0..world.controls.len() {
            steps.extend([
                Step::DeliverControl(at, true),
                Step::DeliverControl(at, false),
                Step::DropControl(at),
            ]);
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        next.take(step);
        next.settle();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::<Self>::always("nothing is wrong", |_, world| world.wrong.is_none()),
            Property::<Self>::always("everything can still come", |windows, world| {
                world.can_end(windows)
            }),
            Property::<Self>::sometimes("all came, and the sender knows", |windows, world| {
                world.is_done(windows)
            }),
            Property::<Self>::sometimes("all came, and the sender does not know", |_, world| {
                world.heard == world.said && !world.send.is_empty()
            }),
            Property::<Self>::sometimes("again", |_, world| {
                world.comes(|position| position == Position::Behind)
            }),
            Property::<Self>::sometimes("the window is full", |windows, world| {
                world.send.frames() == u32::from(windows.window_frames)
            }),
            Property::<Self>::sometimes("places have wrapped", |_, world| {
                world.recv.next().get() < 1 << 15
            }),
            Property::<Self>::sometimes("a damaged frame is asked for", |_, world| {
                world.recv.early_ranges().is_empty() && !world.missing().is_empty()
            }),
        ];
        if self.window_frames > 1 {
            let early = match self.repair {
                Repair::SelectiveRepeat => Property::<Self>::sometimes("kept", |_, world| {
                    world.send.view().iter().any(|(acked, _)| *acked)
                }),
                Repair::GoBackN => Property::<Self>::sometimes("dropped", |_, world| {
                    world.comes(|position| matches!(position, Position::Inside { .. }))
                }),
            };
            properties.push(early);
        }
        properties
    }
}

/// Explores all reachable states.
#[track_caller]
fn check(window_frames: u16, repair: Repair, [frames_max, controls_max]: [usize; 2]) {
    let windows = Windows {
        window_frames,
        repair,
        frames: window_frames as u8 + 2,
        frames_max,
        controls_max,
        first: Box::new(World::new(window_frames, repair)),
    };
    let checked = windows.checker().threads(2).spawn_bfs().join();
    println!(
        "window {window_frames}, {repair:?}, {frames_max} frames and {controls_max} of the \
         receiver's words under way: {} states, {} transitions",
        checked.unique_state_count(),
        checked.state_count(),
    );
    checked.assert_properties();
}

const BOTH: [Repair; 2] = [Repair::SelectiveRepeat, Repair::GoBackN];

#[test]
fn every_state_of_small_windows() {
    for repair in BOTH {
        check(1, repair, [2, 2]);
        check(2, repair, [2, 2]);
        check(3, repair, [2, 1]);
        check(4, repair, [1, 1]);
    }
}

/// `cargo test --release -p lamparina-protocol --lib every_state_of_more -- --ignored --nocapture`
#[test]
#[ignore = "takes minutes"]
fn every_state_of_more() {
    for repair in BOTH {
        check(2, repair, [3, 3]);
        check(3, repair, [2, 2]);
        check(4, repair, [2, 1]);
    }
}
