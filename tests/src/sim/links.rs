//! The small world: two links and a bad channel. Each message arrives once, in order and unchanged;
//! what is in flight stays within the terms; an orderly end loses nothing, whatever the weather was.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::Instant;
use lamparina_protocol::control::CloseCode;
use lamparina_protocol::frame::{FrameType, HEADER_BYTES, SharedBody};
use lamparina_protocol::link::{
    CloseReason, Event, Input, Link, LinkConfig, Outgoing, Output, Repair, SendError,
};

use lamparina_protocol::seal::{IdentityKey, Transport};

use super::agenda::Agenda;
use super::dice::Dice;
use super::keys;
use super::seeds::{Figures, Run};
use super::trace::Trace;
use super::weather;
use super::wire::Wire;

/// More than any run takes.
const STEPS_MAX: u64 = 3_000_000;
/// Bad weather ends at the latest then.
const CALM_AT: Duration = Duration::from_secs(20);
/// Control frames written while one frame is in flight, in bytes: a few a round trip.
const CONTROL_BYTES_MAX: u32 = 64 * 1024;
const PLACES: u32 = 65_536;

/// One side.
struct Side {
    link: Link,
    out: Output,
    /// Messages it wants to say, and has said; messages it has heard.
    to_say: u32,
    said: u32,
    heard: u32,
    closes: bool,
    opened: bool,
    closed: Option<CloseReason>,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Due {
    /// A side's timers.
    Side(usize),
    /// What comes out at a side.
    Wire(usize),
    /// What a sealed stream carries to a side.
    Stream(usize),
    /// The weather of the way to a side.
    Weather(usize),
    /// The connection is cut.
    Cut,
}

/// Two links and a channel.
pub struct Links {
    seed: u64,
    dice: Dice,
    now: Instant,
    sides: [Side; 2],
    /// Towards each side.
    wires: [Wire; 2],
    agenda: Agenda<Due>,
    trace: Trace,
    /// Bytes of a body beyond its number, at most.
    body_bytes_max: u64,
    /// Links are sealed: the channel lies between repair and seal, and the stream below is intact.
    sealed: bool,
    /// That stream, towards each side.
    streams: [VecDeque<Bytes>; 2],
    cut: bool,
    steps: u64,
}

fn config(dice: &mut Dice, long: bool) -> LinkConfig {
    let mut config = LinkConfig::new(dice.roll() as u32);
    config.handshake_within = Duration::from_secs(300);
    if dice.percent(40) {
        config.repair = Repair::GoBackN;
    }
    if long {
        // Many small frames, so that places wrap: a window that keeps up.
        config.window_frames = dice.within(64..1_024) as u16;
        return config;
    }
    config.window_frames = match dice.within(0..4) {
        0 => dice.within(1..5) as u16,
        1 | 2 => dice.within(1..65) as u16,
        _ => 16_384,
    };
    if dice.percent(60) {
        config.fragment_bytes = dice.within(64..8_181) as u16;
    }
    if dice.percent(30) {
        config.window_bytes = dice.within(100..20_000) as u32;
    }
    config
}

impl Links {
    /// The world in which places wrap: `long`.
    pub fn wrapping(seed: u64) -> Self {
        Self::make(seed, true)
    }

    fn make(seed: u64, long: bool) -> Self {
        let mut dice = Dice::new(seed, 1);
        let sealed = keys::seals(seed);
        let side = |dice: &mut Dice, first: bool| {
            let config = config(dice, long);
            let mut link = if first {
                Link::initiate(config, Bytes::from_static(b"hello"), Instant::ZERO)
            } else {
                Link::respond(config, Instant::ZERO)
            };
            if sealed {
                link = keys::sealed(link, identity(!first), Transport::Tcp, dice);
                link.set_channel(true);
            }
            Side {
                link,
                out: Output::default(),
                to_say: to_say(dice, long && first),
                said: 0,
                heard: 0,
                closes: first || (!long && dice.percent(40)),
                opened: false,
                closed: None,
            }
        };
        let sides = [side(&mut dice, true), side(&mut dice, false)];
        let body_bytes_max = match dice.within(0..6) {
            _ if long => 4,
            0 => 60_000,
            1 | 2 => 3_000,
            _ => 100,
        };
        let mut wire = || Wire::new(weather::any(&mut dice));
        let wires = if long {
            [(); 2].map(|()| Wire::new(weather::mild(&mut dice)))
        } else {
            [wire(), wire()]
        };
        let mut agenda = Agenda::default();
        agenda.set(Due::Side(0), Some(Instant::ZERO));
        agenda.set(Due::Side(1), Some(Instant::ZERO));
        if !long {
            for to in 0..2 {
                agenda.set(
                    Due::Weather(to),
                    Some(Instant::from_millis(dice.within(1..8_000))),
                );
            }
            if dice.percent(12) {
                agenda.set(Due::Cut, Some(Instant::from_millis(dice.within(1..10_000))));
            }
        }
        Self {
            seed,
            dice,
            now: Instant::ZERO,
            sides,
            wires,
            agenda,
            trace: Trace::default(),
            body_bytes_max,
            sealed,
            streams: Default::default(),
            cut: false,
            steps: 0,
        }
    }

    /// Message `number` of side `at`.
    fn message(&self, at: usize, number: u32) -> Outgoing {
        let mut dice = Dice::new(self.seed ^ u64::from(number), 100 + at as u64);
        let mut body = number.to_be_bytes().to_vec();
        let bytes = dice.within(0..self.body_bytes_max) as usize;
        body.resize(4 + bytes, dice.roll() as u8);
        let kinds = [FrameType::Data, FrameType::ListResponse, FrameType::Channel];
        Outgoing {
            kind: kinds[dice.index(kinds.len())],
            body: SharedBody::new(body.into()),
            tail: dice.percent(50).then(|| dice.roll().to_be_bytes()),
        }
    }

    fn step(&mut self, due: Due) {
        match due {
            Due::Side(at) => self.give(at, Input::Tick),
            Due::Wire(at) => {
                let arrived = self.wires[at].take(self.now);
                for frame in arrived.frames {
                    match self.sealed {
                        true => self.seal(1 - at, frame),
                        false => self.give_bytes(at, frame),
                    }
                }
                if arrived.ended {
                    self.give(at, Input::Eof);
                }
            }
            Due::Stream(at) => {
                while let Some(piece) = self.streams[at].pop_front() {
                    self.give_bytes(at, piece);
                }
            }
            Due::Weather(to) => {
                let late = self.now >= Instant::ZERO + CALM_AT;
                let settings = match late {
                    true => weather::calm(&mut self.dice),
                    false => weather::any(&mut self.dice),
                };
                self.wires[to].set(self.now, settings);
                let next = self.now + Duration::from_millis(self.dice.within(500..9_000));
                self.agenda.set(due, (!late).then_some(next));
            }
            Due::Cut => {
                self.cut = true;
                self.streams.iter_mut().for_each(VecDeque::clear);
                self.wires.iter_mut().for_each(Wire::snap);
            }
        }
        for at in 0..2 {
            let link_at = self.sides[at].link.deadline();
            let due = (link_at).map(|link_at| link_at.max(self.now));
            self.agenda.set(Due::Side(at), due);
            let waits = !self.streams[at].is_empty();
            self.agenda.set(Due::Stream(at), waits.then_some(self.now));
            // The end of a stream comes behind all that it carries.
            let wire_at = self.wires[at].deadline(self.now);
            self.agenda.set(Due::Wire(at), wire_at.filter(|_| !waits));
        }
    }

    /// A frame has passed the channel of its sender.
    fn seal(&mut self, from: usize, frame: Bytes) {
        let side = &mut self.sides[from];
        side.link.seal_frames(vec![frame], &mut side.out);
        self.pass_on(from);
    }

    /// Puts what a side's link gave on its way.
    fn pass_on(&mut self, at: usize) {
        for opened in std::mem::take(&mut self.sides[at].out.opened) {
            self.give(at, Input::Frames(opened));
        }
        for frames in std::mem::take(&mut self.sides[at].out.frames) {
            self.wires[1 - at].send(self.now, &frames, &mut self.trace);
        }
        for piece in std::mem::take(&mut self.sides[at].out.wire) {
            if !self.sealed {
                self.wires[1 - at].send(self.now, &piece, &mut self.trace);
            } else if !self.cut {
                self.trace.bytes(&piece);
                self.streams[1 - at].push_back(piece);
            }
        }
    }

    /// Bytes of a stream come split anyhow.
    fn give_bytes(&mut self, at: usize, mut frame: Bytes) {
        if self.dice.percent(5) {
            let head = frame.split_to(self.dice.index(frame.len()));
            self.give(at, Input::Bytes(head));
        }
        self.give(at, Input::Bytes(frame));
    }

    fn give(&mut self, at: usize, input: Input) {
        let side = &mut self.sides[at];
        side.link
            .handle(self.now, input, &mut side.out)
            .expect("bytes, ends and ticks have a place in every state");
        while !self.sides[at].out.events.is_empty() {
            for event in std::mem::take(&mut self.sides[at].out.events) {
                self.on_event(at, event);
            }
        }
        self.say(at);
        self.pass_on(at);
        if self.sides[at].closed.is_some() {
            self.wires[1 - at].close();
        }
        self.check(at);
    }

    fn on_event(&mut self, at: usize, event: Event) {
        match event {
            Event::Asked { .. } => {
                let welcome = Bytes::from_static(b"welcome");
                let side = &mut self.sides[at];
                side.link
                    .handle(self.now, Input::Accept { welcome }, &mut side.out)
                    .expect("it was asked");
            }
            Event::Proven { server } => {
                assert_eq!(server, identity(true).public());
                let side = &mut self.sides[at];
                side.link
                    .handle(self.now, Input::Trust, &mut side.out)
                    .expect("it was proved");
            }
            Event::Opened { words, peer, .. } => {
                assert_eq!(&words[..], [&b"welcome"[..], b"hello"][at]);
                let proved = self.sealed.then(|| identity(at == 0).public());
                assert_eq!(peer, proved);
                self.sides[at].opened = true;
            }
            Event::Received { kind, body } => {
                let number = self.sides[at].heard;
                let said = self.message(1 - at, number);
                let tail = said.tail.as_ref().map_or(&[][..], |tail| tail);
                assert_eq!(kind, said.kind, "message {number} to side {at}");
                assert!(
                    body[..] == [said.body.bytes(), tail].concat(),
                    "message {number} to side {at} is not what was said"
                );
                self.sides[at].heard += 1;
                self.trace
                    .note(self.now, "heard", at as u64, u64::from(number));
            }
            Event::Closed(reason) => {
                let orderly = u64::from(reason == CloseReason::Orderly);
                self.trace.note(self.now, "closed", at as u64, orderly);
                self.sides[at].closed = Some(reason);
            }
            Event::PeerClosing { .. } => {}
        }
    }

    fn say(&mut self, at: usize) {
        while self.sides[at].said < self.sides[at].to_say {
            let message = self.message(at, self.sides[at].said);
            let side = &mut self.sides[at];
            match side.link.send(self.now, &message) {
                Ok(()) => side.said += 1,
                Err(SendError::Full | SendError::NotOpen) => break,
                Err(error) => panic!("side {at}: {error}"),
            }
        }
        let side = &mut self.sides[at];
        side.link.flush(self.now, &mut side.out);
        if side.closes && side.said == side.to_say && side.link.terms().is_some() {
            side.closes = false;
            let (code, text) = (CloseCode::Goodbye, "done".to_owned());
            self.give(at, Input::Close { code, text });
        }
    }

    /// What must hold at every step.
    fn check(&self, at: usize) {
        let (side, other) = (&self.sides[at], &self.sides[1 - at]);
        assert!(
            side.heard <= other.said,
            "side {at} heard what was never said"
        );
        let Some(terms) = side.link.terms() else {
            return;
        };
        let stats = side.link.stats();
        assert!(stats.in_flight_frames <= u32::from(terms.window_frames));
        let frame_bytes = u32::from(terms.fragment_bytes) + HEADER_BYTES as u32;
        // What is counted runs from the oldest frame in flight to the end, acknowledgements included.
        let window_bytes = terms.window_bytes.max(frame_bytes);
        assert!(
            stats.in_flight_bytes <= window_bytes + CONTROL_BYTES_MAX,
            "{stats:?}"
        );
    }

    fn check_end(&self) {
        for (at, side) in self.sides.iter().enumerate() {
            let other = &self.sides[1 - at];
            assert_eq!(side.link.deadline(), None, "side {at} is closed and waits");
            if self.cut {
                continue;
            }
            let goodbye = CloseCode::Goodbye.number();
            match &side.closed {
                Some(CloseReason::Orderly) => {}
                // The goodbye overtook the handshake's end: nothing was ever said.
                Some(CloseReason::ByPeer { code, .. }) if *code == goodbye && !side.opened => {}
                other => panic!("side {at} ended {other:?}"),
            }
            assert_eq!(side.heard, other.said, "side {at} lost something");
        }
        let first = &self.sides[0];
        // Who closes has said all; the other may have been kept from it.
        assert!(
            self.cut || first.said == first.to_say || self.sides[1].said == self.sides[1].to_say
        );
        if first.to_say > PLACES {
            assert_eq!(self.sides[1].heard, first.to_say, "places have wrapped");
        }
    }
}

fn identity(server: bool) -> IdentityKey {
    match server {
        true => keys::server(),
        false => keys::identity(0),
    }
}

fn to_say(dice: &mut Dice, long: bool) -> u32 {
    match dice.within(0..8) {
        _ if long => PLACES + dice.within(1..3_000) as u32,
        0 => 0,
        1 => dice.within(100..400) as u32,
        _ => dice.within(1..60) as u32,
    }
}

impl Run for Links {
    fn new(seed: u64) -> Self {
        Self::make(seed, false)
    }

    fn run(&mut self) {
        while self.sides.iter().any(|side| side.closed.is_none()) {
            let (at, due) = self.agenda.pop().expect("a link that is open has timers");
            assert!(self.steps < STEPS_MAX, "no end");
            self.steps += 1;
            self.now = self.now.max(at);
            let (what, to) = match due {
                Due::Side(to) => ("timer", to),
                Due::Wire(to) => ("arrival", to),
                Due::Stream(to) => ("record", to),
                Due::Weather(to) => ("weather", to),
                Due::Cut => ("cut", 2),
            };
            self.trace.note(self.now, what, to as u64, 0);
            self.step(due);
        }
        self.check_end();
    }

    fn digest(&self) -> u64 {
        self.trace.digest()
    }

    fn count(&self, sum: &mut Figures) {
        for (wire, side) in self.wires.iter().zip(&self.sides) {
            let stats = wire.stats();
            sum.frames += stats.entered;
            sum.spoilt += stats.lost + stats.partitioned + stats.damaged;
            sum.delivered += u64::from(side.heard);
        }
        sum.connections += 1;
        sum.seconds += self.now.as_micros() / 1_000_000;
    }

    fn last_steps(&self) -> String {
        self.trace.to_string()
    }
}

/// The world in which places wrap.
pub struct Wrapping(Links);

impl Run for Wrapping {
    fn new(seed: u64) -> Self {
        Self(Links::wrapping(seed))
    }

    fn run(&mut self) {
        self.0.run();
    }

    fn digest(&self) -> u64 {
        self.0.digest()
    }

    fn count(&self, sum: &mut Figures) {
        self.0.count(sum);
    }

    fn last_steps(&self) -> String {
        self.0.last_steps()
    }
}
