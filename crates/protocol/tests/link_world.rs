//! Two links in memory with a bad channel between them: each message once and in order, whatever
//! the channel does, and nothing lost by an orderly end. One seed, one run.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::Instant;
use lamparina_protocol::control::CloseCode;
use lamparina_protocol::frame::{FrameType, HEADER_BYTES, SharedBody};
use lamparina_protocol::link::{
    CloseReason, Event, Input, Link, LinkConfig, Outgoing, Output, Repair, SendError,
};
use lamparina_protocol::seal::{IdentityKey, LinkKeys, SEED_BYTES, Transport};

/// xorshift64*: small, seeded, good enough to be unfair with.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

#[derive(Clone, Copy, Default)]
struct Channel {
    loss: u64,
    damage: u64,
    twice: u64,
    delay_ms: u64,
    jitter_ms: u64,
    /// Frames of other types than BULK pass unharmed and in time.
    spares_all_but_bulk: bool,
}

struct Side {
    link: Link,
    out: Output,
    /// Numbers of messages to say, and the next of them.
    to_say: u32,
    said: u32,
    heard: u32,
    /// The same of the BULK lane, where it is used.
    bulk_to_say: u32,
    bulk_said: u32,
    bulk_heard: u32,
    /// When each message of the DATA lane was said.
    said_at: Vec<Instant>,
    closed: Option<CloseReason>,
    close_when_said: bool,
}

/// Where something on its way is.
enum Way {
    /// In the channel, where frames are treated one by one.
    Channel(Bytes),
    /// Below a seal.
    Stream(Bytes),
}

struct World {
    seed: u64,
    dice: Dice,
    channel: Channel,
    now: Instant,
    sides: [Side; 2],
    travelling: BTreeMap<(Instant, u64), (usize, Way)>,
    serial: u64,
    body_bytes: fn(u32) -> usize,
    /// A digest of everything that was ever on the wire.
    trace: u64,
    /// The channel lies between repair and seal; the stream below is intact.
    sealed: bool,
}

fn identity(at: usize) -> IdentityKey {
    IdentityKey::from_seed(&[1 + at as u8; 32])
}

fn keys(at: usize, seed: u64) -> LinkKeys {
    let mut bytes = [at as u8; SEED_BYTES];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    // A new key every few records: no seed may depend on where one key ends.
    LinkKeys::new(identity(at), bytes, Transport::Tcp).with_rekey_every(7)
}

fn config(token: u32) -> LinkConfig {
    LinkConfig {
        handshake_within: Duration::from_secs(300),
        ..LinkConfig::new(token)
    }
}

impl World {
    fn new(seed: u64, channel: Channel, configs: [LinkConfig; 2], to_say: [u32; 2]) -> Self {
        let [ours, theirs] = configs;
        let side = |link, to_say| Side {
            link,
            out: Output::default(),
            to_say,
            said: 0,
            heard: 0,
            bulk_to_say: 0,
            bulk_said: 0,
            bulk_heard: 0,
            said_at: Vec::new(),
            closed: None,
            close_when_said: true,
        };
        Self {
            seed,
            dice: Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            channel,
            now: Instant::ZERO,
            sides: [
                side(
                    Link::initiate(ours, Bytes::from_static(b"hello"), Instant::ZERO),
                    to_say[0],
                ),
                side(Link::respond(theirs, Instant::ZERO), to_say[1]),
            ],
            travelling: BTreeMap::new(),
            serial: 0,
            body_bytes: |number| (number % 7) as usize * 9,
            trace: 0xcbf2_9ce4_8422_2325,
            sealed: false,
        }
    }

    /// The same with both links sealed.
    fn sealed(mut self) -> Self {
        let seed = self.seed;
        self.sides = [0, 1].map(|at| {
            let side = &mut self.sides[at];
            let blank = Link::respond(LinkConfig::new(0), Instant::ZERO);
            let link = std::mem::replace(&mut side.link, blank);
            let mut link = link.sealed(keys(at, seed));
            link.set_channel(true);
            Side {
                link,
                out: Output::default(),
                closed: None,
                said_at: Vec::new(),
                ..*side
            }
        });
        self.sealed = true;
        self
    }

    fn body(&self, number: u32) -> (Bytes, [u8; 8]) {
        let mut body = number.to_be_bytes().to_vec();
        body.resize(4 + (self.body_bytes)(number), number as u8);
        (body.into(), (u64::from(number) * 3).to_be_bytes())
    }

    /// What is said in the BULK lane: longer, and different.
    fn bulk_body(&self, number: u32) -> Bytes {
        let bytes = 1_000 + (self.body_bytes)(number) * 3;
        number.to_be_bytes().repeat(bytes / 4 + 1).into()
    }

    fn handle(&mut self, at: usize, input: Input) {
        let side = &mut self.sides[at];
        side.link.handle(self.now, input, &mut side.out).unwrap();
        self.after(at);
    }

    /// Reads what came out, says what can be said, sends what is to be sent.
    fn after(&mut self, at: usize) {
        loop {
            let events = std::mem::take(&mut self.sides[at].out.events);
            if events.is_empty() {
                break;
            }
            for event in events {
                self.on_event(at, event);
            }
        }
        self.say(at);
        self.pass_opened(at);
        for piece in std::mem::take(&mut self.sides[at].out.frames) {
            self.put_on_wire(1 - at, piece);
        }
        for piece in std::mem::take(&mut self.sides[at].out.wire) {
            if self.sealed {
                self.put_on_stream(1 - at, piece);
            } else {
                self.put_on_wire(1 - at, piece);
            }
        }
    }

    /// Nothing is done to what comes: the channel is on the sender's side.
    fn pass_opened(&mut self, at: usize) {
        for frames in std::mem::take(&mut self.sides[at].out.opened) {
            self.handle(at, Input::Frames(frames));
        }
    }

    /// The stream below the seal: at once, whole and in order.
    fn put_on_stream(&mut self, to: usize, piece: Bytes) {
        for &byte in &piece {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.serial += 1;
        let key = (self.now, self.serial);
        self.travelling.insert(key, (to, Way::Stream(piece)));
    }

    fn on_event(&mut self, at: usize, event: Event) {
        match event {
            Event::Asked { .. } => {
                let welcome = Bytes::from_static(b"welcome");
                let side = &mut self.sides[at];
                let accept = Input::Accept { welcome };
                side.link.handle(self.now, accept, &mut side.out).unwrap();
            }
            Event::Received {
                kind: FrameType::Bulk,
                body,
            } => {
                assert_eq!(body, self.bulk_body(self.sides[at].bulk_heard));
                self.sides[at].bulk_heard += 1;
            }
            Event::Received { kind, body } => {
                assert_eq!(kind, FrameType::Data);
                let number = self.sides[at].heard;
                let (expected, tail) = self.body(number);
                assert_eq!(body[..], [&expected[..], &tail[..]].concat());
                if self.channel.spares_all_but_bulk {
                    let said_at = self.sides[1 - at].said_at[number as usize];
                    let took = self.now.saturating_since(said_at);
                    assert_eq!(took, Duration::from_millis(self.channel.delay_ms));
                }
                self.sides[at].heard += 1;
            }
            Event::Closed(reason) => self.sides[at].closed = Some(reason),
            Event::Proven { server } => {
                assert_eq!(server, identity(1).public());
                let side = &mut self.sides[at];
                let trust = Input::Trust;
                side.link.handle(self.now, trust, &mut side.out).unwrap();
            }
            Event::Opened { words, peer, .. } => {
                assert_eq!(&words[..], [&b"welcome"[..], b"hello"][at]);
                let proved = self.sealed.then(|| identity(1 - at).public());
                assert_eq!(peer, proved);
            }
            Event::PeerClosing { .. } => {}
        }
    }

    fn say(&mut self, at: usize) {
        loop {
            let side = &self.sides[at];
            if side.said == side.to_say || side.link.terms().is_none() {
                break;
            }
            let (body, tail) = self.body(side.said);
            let message = Outgoing {
                kind: FrameType::Data,
                body: SharedBody::new(body),
                tail: Some(tail),
            };
            let side = &mut self.sides[at];
            match side.link.send(self.now, &message) {
                Ok(()) => {
                    side.said += 1;
                    side.said_at.push(self.now);
                }
                Err(SendError::Full | SendError::NotOpen) => break,
                Err(error) => panic!("{error}"),
            }
        }
        while self.sides[at].bulk_said < self.sides[at].bulk_to_say
            && self.sides[at].link.has_room_bulk()
        {
            let body = self.bulk_body(self.sides[at].bulk_said);
            let side = &mut self.sides[at];
            let message = Outgoing::own(FrameType::Bulk, body);
            side.link.send(self.now, &message).unwrap();
            side.bulk_said += 1;
        }
        let side = &mut self.sides[at];
        side.link.flush(self.now, &mut side.out);
        let all_said = side.said == side.to_say && side.bulk_said == side.bulk_to_say;
        if side.close_when_said && all_said && side.link.terms().is_some() {
            side.close_when_said = false;
            let close = Input::Close {
                code: CloseCode::Goodbye,
                text: "done".to_owned(),
            };
            side.link.handle(self.now, close, &mut side.out).unwrap();
            self.after(at);
        }
    }

    /// Frame by frame the dice decide.
    fn put_on_wire(&mut self, to: usize, mut piece: Bytes) {
        while !piece.is_empty() {
            let length = u32::from_be_bytes(piece[..4].try_into().unwrap()) as usize;
            let frame = piece.split_to(HEADER_BYTES + length);
            for &byte in &frame {
                self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
            if self.channel.spares_all_but_bulk && frame[4] != FrameType::Bulk.number() {
                self.put_frame_after(to, frame, self.channel.delay_ms * 1_000);
                continue;
            }
            let copies = 1 + u64::from(self.dice.percent(self.channel.twice));
            for _ in 0..copies {
                if !self.dice.percent(self.channel.loss) {
                    self.put_frame(to, frame.clone());
                }
            }
        }
    }

    fn put_frame(&mut self, to: usize, frame: Bytes) {
        let mut frame = frame.to_vec();
        if self.dice.percent(self.channel.damage) {
            // Not the length: on streams boundaries stay.
            let at = 4 + self.dice.below(frame.len() as u64 - 4) as usize;
            frame[at] ^= 1 << self.dice.below(8);
        }
        let jitter = self.dice.below(self.channel.jitter_ms * 1_000 + 1);
        self.put_frame_after(to, frame.into(), self.channel.delay_ms * 1_000 + jitter);
    }

    fn put_frame_after(&mut self, to: usize, frame: Bytes, delay_us: u64) {
        let delay = Duration::from_micros(delay_us);
        self.serial += 1;
        let key = (self.now + delay, self.serial);
        self.travelling.insert(key, (to, Way::Channel(frame)));
    }

    /// Runs until both are closed.
    fn run(&mut self) {
        self.handle(0, Input::Tick);
        let mut steps = 0u64;
        while self.sides.iter().any(|side| side.closed.is_none()) {
            steps += 1;
            assert!(steps < 4_000_000, "seed {}: no end", self.seed);
            let arrives = self.travelling.first_key_value().map(|(&(at, _), _)| at);
            let due = |side: &Side| side.link.deadline();
            let dues: Vec<_> = self.sides.iter().map(due).collect();
            let next = dues.iter().flatten().copied().chain(arrives).min();
            let next = next.unwrap_or_else(|| panic!("seed {}: nothing to wait for", self.seed));
            self.now = self.now.max(next);
            if arrives == Some(next) {
                match self.travelling.pop_first().unwrap().1 {
                    (to, Way::Channel(frame)) if self.sealed => {
                        let side = &mut self.sides[1 - to];
                        side.link.seal_frames(vec![frame], &mut side.out);
                        self.after(1 - to);
                    }
                    (to, Way::Channel(bytes) | Way::Stream(bytes)) => {
                        self.handle(to, Input::Bytes(bytes));
                    }
                }
            } else {
                let at = dues.iter().position(|&due| due == Some(next)).unwrap();
                self.handle(at, Input::Tick);
            }
            // The transport of a side that has closed ends.
            for at in 0..2 {
                let other_gone = self.sides[1 - at].closed.is_some();
                if other_gone && self.sides[at].closed.is_none() && self.travelling.is_empty() {
                    self.handle(at, Input::Eof);
                }
            }
        }
    }

    /// Each message once, in order (the order is checked as they come), and both ended well.
    #[track_caller]
    fn assert_all_heard(&self) {
        let seed = self.seed;
        for at in 0..2 {
            let (side, other) = (&self.sides[at], &self.sides[1 - at]);
            assert_eq!(
                side.closed,
                Some(CloseReason::Orderly),
                "seed {seed}, side {at}"
            );
            assert_eq!(side.heard, other.said, "seed {seed}, side {at}");
            assert_eq!(side.bulk_heard, other.bulk_said, "seed {seed}, side {at}");
            assert_eq!(side.link.deadline(), None);
        }
    }
}

#[track_caller]
fn check(
    seeds: std::ops::Range<u64>,
    channel: Channel,
    change: fn(&mut LinkConfig),
    to_say: [u32; 2],
    body_bytes: fn(u32) -> usize,
) {
    check_lanes(seeds, channel, change, to_say, [0, 0], body_bytes);
}

/// The same with messages in the BULK lane beside.
#[track_caller]
fn check_lanes(
    seeds: std::ops::Range<u64>,
    channel: Channel,
    change: fn(&mut LinkConfig),
    to_say: [u32; 2],
    bulk_to_say: [u32; 2],
    body_bytes: fn(u32) -> usize,
) {
    for seed in seeds {
        for (repair, sealed) in [
            (Repair::SelectiveRepeat, false),
            (Repair::GoBackN, false),
            (Repair::SelectiveRepeat, true),
            (Repair::GoBackN, true),
        ] {
            let run = || {
                let mut configs = [config(seed as u32), config(!seed as u32)];
                configs[0].repair = repair;
                configs.iter_mut().for_each(change);
                let mut world = World::new(seed, channel, configs, to_say);
                world.body_bytes = body_bytes;
                for (side, bulk_to_say) in world.sides.iter_mut().zip(bulk_to_say) {
                    side.bulk_to_say = bulk_to_say;
                }
                if sealed {
                    world = world.sealed();
                }
                // Only the one with more to say closes of itself: the other answers.
                world.sides[1].close_when_said = seed % 2 == 1 && to_say[1] == to_say[0];
                world.run();
                world
            };
            let world = run();
            // When both close of themselves, the first to do so may keep the other from saying all.
            assert!(
                seed % 2 == 1 || world.sides[0].said == to_say[0],
                "seed {seed}: {:?} {:?}",
                world.sides[0].closed,
                world.sides[1].closed
            );
            world.assert_all_heard();
            if seed % 16 == 0 {
                assert_eq!(
                    run().trace,
                    world.trace,
                    "seed {seed}: the same seed, other bytes"
                );
            }
        }
    }
}

const GOOD: Channel = Channel {
    loss: 0,
    damage: 0,
    twice: 0,
    delay_ms: 20,
    jitter_ms: 0,
    spares_all_but_bulk: false,
};

const BAD: Channel = Channel {
    loss: 20,
    damage: 5,
    twice: 10,
    delay_ms: 20,
    jitter_ms: 40,
    spares_all_but_bulk: false,
};

const AWFUL: Channel = Channel {
    loss: 40,
    damage: 10,
    twice: 20,
    delay_ms: 5,
    jitter_ms: 200,
    spares_all_but_bulk: false,
};

fn small(number: u32) -> usize {
    (number % 7) as usize * 9
}

#[test]
fn a_good_channel_loses_nothing() {
    check(0..4, GOOD, |_| {}, [200, 200], small);
}

#[test]
fn a_bad_channel_loses_nothing() {
    check(0..100, BAD, |_| {}, [60, 60], small);
}

#[test]
fn an_awful_channel_loses_nothing() {
    check(0..60, AWFUL, |_| {}, [30, 30], small);
}

#[test]
fn any_window_loses_nothing() {
    check(
        0..12,
        BAD,
        |config| config.window_frames = 1,
        [20, 20],
        small,
    );
    check(
        0..12,
        BAD,
        |config| config.window_frames = 2,
        [30, 30],
        small,
    );
    check(
        0..12,
        BAD,
        |config| config.window_frames = 4,
        [40, 40],
        small,
    );
    check(
        0..12,
        BAD,
        |config| config.window_frames = 64,
        [150, 50],
        small,
    );
}

#[test]
fn long_messages_are_cut_and_joined() {
    let long: fn(u32) -> usize = |number| (256 * 1024) >> (number % 3 * 8);
    check(0..4, BAD, |_| {}, [3, 1], long);
    let tiny_window: fn(&mut LinkConfig) = |config| {
        config.fragment_bytes = 100;
        config.window_bytes = 300;
    };
    check(0..8, BAD, tiny_window, [5, 5], |number| {
        number as usize * 150
    });
}

#[test]
fn neither_lane_loses_anything() {
    check_lanes(0..4, GOOD, |_| {}, [100, 100], [50, 50], small);
    check_lanes(0..30, BAD, |_| {}, [40, 40], [20, 20], small);
    check_lanes(0..15, AWFUL, |_| {}, [15, 15], [10, 10], small);
    let tiny_window: fn(&mut LinkConfig) = |config| {
        config.fragment_bytes = 100;
        config.window_bytes = 300;
    };
    check_lanes(0..8, BAD, tiny_window, [10, 10], [5, 5], small);
    let stop_and_wait: fn(&mut LinkConfig) = |config| config.window_frames = 1;
    check_lanes(0..8, BAD, stop_and_wait, [10, 10], [5, 5], small);
    // Several turns of BULK, and a window that is smaller than a message.
    let big: fn(u32) -> usize = |number| 20_000 << (number % 3);
    let window: fn(&mut LinkConfig) = |config| config.window_bytes = 50_000;
    check_lanes(0..4, BAD, window, [5, 5], [4, 2], big);
}

/// Every message of the DATA lane comes a way's delay after it was said, to the microsecond, while half
/// of the other lane's frames are lost.
#[test]
fn no_message_waits_for_the_repair_of_the_other_lane() {
    let channel = Channel {
        loss: 50,
        damage: 5,
        twice: 10,
        delay_ms: 20,
        jitter_ms: 40,
        spares_all_but_bulk: true,
    };
    check_lanes(0..20, channel, |_| {}, [0, 40], [30, 5], small);
    let fast: fn(u32) -> usize = |number| 100 + number as usize * 300;
    check_lanes(0..8, channel, |_| {}, [60, 60], [20, 20], fast);
}

#[test]
fn places_wrap() {
    let channel = Channel {
        loss: 1,
        damage: 1,
        twice: 1,
        delay_ms: 5,
        jitter_ms: 2,
        spares_all_but_bulk: false,
    };
    for repair in [Repair::SelectiveRepeat, Repair::GoBackN] {
        let mut configs = [config(1), config(2)];
        configs[1].repair = repair;
        configs[0].window_frames = match repair {
            Repair::SelectiveRepeat => 16_384,
            Repair::GoBackN => 64,
        };
        let mut world = World::new(7, channel, configs, [70_001, 10]);
        world.sides[1].close_when_said = false;
        world.run();
        world.assert_all_heard();
        assert_eq!(world.sides[1].heard, 70_001);
    }
}
