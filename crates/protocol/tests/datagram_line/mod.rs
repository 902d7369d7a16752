//! Two links over datagrams with a line between them: a bottleneck with a queue, then chance. One
//! seed, one run.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use lamparina_protocol::Instant;
use lamparina_protocol::datagram::{ConnectionId, DatagramConfig};
use lamparina_protocol::frame::{FrameType, SharedBody};
use lamparina_protocol::link::{CloseReason, Event, Input, Link, LinkConfig, Output, SendError};
use lamparina_protocol::seal::{IdentityKey, LinkKeys, SEED_BYTES, Transport};

/// xorshift64*: small, seeded, good enough to be unfair with.
#[derive(Clone)]
pub(crate) struct Dice(pub u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound.max(1)
    }

    pub(crate) fn permille(&mut self, chance: u64) -> bool {
        self.below(1_000) < chance
    }
}

/// What a line does to datagrams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) loss_permille: u64,
    pub(crate) damage_permille: u64,
    pub(crate) twice_permille: u64,
    pub(crate) delay_us: u64,
    pub(crate) jitter_us: u64,
    pub(crate) bytes_per_s: u64,
    pub(crate) queue_bytes: u64,
}

impl Line {
    pub(crate) const fn clean(delay_ms: u64) -> Self {
        Self {
            loss_permille: 0,
            damage_permille: 0,
            twice_permille: 0,
            delay_us: delay_ms * 1_000,
            jitter_us: 0,
            bytes_per_s: 1 << 30,
            queue_bytes: 1 << 30,
        }
    }
}

pub(crate) struct Side {
    pub(crate) link: Link,
    pub(crate) out: Output,
    pub(crate) closed: Option<CloseReason>,
    pub(crate) opened: bool,
    /// Messages that came, with their time and lane.
    pub(crate) came: Vec<(Instant, FrameType, Bytes)>,
    pub(crate) wire_bytes: u64,
    pub(crate) datagrams: u64,
    busy_until_ns: u64,
    last: Option<Bytes>,
}

pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) line: Line,
    pub(crate) now: Instant,
    pub(crate) sides: [Side; 2],
    travelling: BTreeMap<(Instant, u64), (usize, Bytes)>,
    serial: u64,
    /// Nothing passes in this span.
    pub(crate) cut: Option<(Instant, Instant)>,
    /// A digest of everything that was ever on the wire.
    pub(crate) trace: u64,
    pub(crate) queue_drops: u64,
}

pub(crate) const CONNECTION: ConnectionId = ConnectionId(0x1122_3344_5566_7788);

pub(crate) fn keys(at: usize, seed: u64) -> LinkKeys {
    let mut bytes = [at as u8; SEED_BYTES];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let identity = IdentityKey::from_seed(&[1 + at as u8; 32]);
    LinkKeys::new(identity, bytes, Transport::Udp).with_rekey_every(500)
}

impl World {
    pub(crate) fn new(
        seed: u64,
        line: Line,
        sealed: bool,
        config: impl Fn(usize) -> (LinkConfig, DatagramConfig),
    ) -> Self {
        let side = |at: usize| {
            let (link, datagrams) = config(at);
            let link = match at {
                0 => Link::initiate(link, Bytes::from_static(b"hello"), Instant::ZERO),
                _ => Link::respond(link, Instant::ZERO),
            };
            let link = if sealed {
                link.sealed(keys(at, seed))
            } else {
                link
            };
            Side {
                link: link.over_datagrams(datagrams),
                out: Output::default(),
                closed: None,
                opened: false,
                came: Vec::new(),
                wire_bytes: 0,
                datagrams: 0,
                busy_until_ns: 0,
                last: None,
            }
        };
        let mut world = Self {
            dice: Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            line,
            now: Instant::ZERO,
            sides: [side(0), side(1)],
            travelling: BTreeMap::new(),
            serial: 0,
            cut: None,
            trace: 0xcbf2_9ce4_8422_2325,
            queue_drops: 0,
        };
        world.give(0, Input::Tick);
        world
    }

    pub(crate) fn config(seed: u64) -> impl Fn(usize) -> (LinkConfig, DatagramConfig) {
        move |at| {
            let link = LinkConfig {
                window_bytes: 8 << 20,
                message_bytes_max: 1 << 20,
                handshake_within: Duration::from_secs(120),
                ..LinkConfig::new(at as u32 + 1)
            };
            (link, DatagramConfig::new(CONNECTION, seed + at as u64))
        }
    }

    pub(crate) fn give(&mut self, at: usize, input: Input) {
        let side = &mut self.sides[at];
        side.link.handle(self.now, input, &mut side.out).unwrap();
        self.collect(at);
    }

    pub(crate) fn send(
        &mut self,
        at: usize,
        kind: FrameType,
        body: Bytes,
    ) -> Result<(), SendError> {
        let side = &mut self.sides[at];
        let sent = side
            .link
            .send_shared(self.now, kind, &SharedBody::new(body), None);
        side.link.flush(self.now, &mut side.out);
        self.collect(at);
        sent
    }

    fn collect(&mut self, at: usize) {
        loop {
            let wire = std::mem::take(&mut self.sides[at].out.wire);
            for datagram in wire {
                self.carry(at, datagram);
            }
            let events = std::mem::take(&mut self.sides[at].out.events);
            if events.is_empty() {
                return;
            }
            for event in events {
                self.on_event(at, event);
            }
        }
    }

    fn on_event(&mut self, at: usize, event: Event) {
        let side = &mut self.sides[at];
        let answer = match event {
            Event::Asked { .. } => Input::Accept {
                welcome: Bytes::from_static(b"welcome"),
            },
            Event::Proven { .. } => Input::Trust,
            Event::Opened { .. } => {
                side.opened = true;
                return;
            }
            Event::Received { kind, body } => {
                side.came.push((self.now, kind, body));
                return;
            }
            Event::PeerClosing { .. } => return,
            Event::Closed(reason) => {
                side.closed = Some(reason);
                return;
            }
        };
        side.link.handle(self.now, answer, &mut side.out).unwrap();
    }

    /// A datagram enters the line.
    pub(crate) fn carry(&mut self, from: usize, datagram: Bytes) {
        let line = self.line;
        let wire = datagram.len() as u64 + 28;
        for byte in &datagram {
            self.trace = (self.trace ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
        let side = &mut self.sides[from];
        side.wire_bytes += wire;
        side.datagrams += 1;
        if self
            .cut
            .is_some_and(|(begin, end)| begin <= self.now && self.now < end)
        {
            return;
        }
        let now_ns = self.now.as_micros() * 1_000;
        let begins = side.busy_until_ns.max(now_ns);
        let waiting = (begins - now_ns) as u128 * line.bytes_per_s as u128 / 1_000_000_000;
        if waiting > 0 && waiting + wire as u128 > line.queue_bytes as u128 {
            self.queue_drops += 1;
            return;
        }
        side.busy_until_ns = begins + wire * 1_000_000_000 / line.bytes_per_s;
        let leaves = Instant::from_micros(side.busy_until_ns.div_ceil(1_000));
        if self.dice.permille(line.loss_permille) {
            return;
        }
        let copies = 1 + u64::from(self.dice.permille(line.twice_permille));
        for _ in 0..copies {
            let mut bytes = datagram.clone();
            if self.dice.permille(line.damage_permille) {
                let mut damaged = BytesMut::new();
                damaged.put_slice(&bytes);
                let bit = self.dice.below(8 * damaged.len() as u64) as usize;
                damaged[bit / 8] ^= 1 << (bit % 8);
                bytes = damaged.freeze();
            }
            let delay = line.delay_us + self.dice.below(2 * line.jitter_us + 1);
            let delay = delay.saturating_sub(line.jitter_us);
            self.serial += 1;
            let at = leaves + Duration::from_micros(delay);
            self.travelling.insert((at, self.serial), (1 - from, bytes));
        }
    }

    /// The datagram that this side was given since this was asked last.
    pub(crate) fn last_datagram(&mut self, at: usize) -> Option<Bytes> {
        self.sides[at].last.take()
    }

    /// When something happens next.
    pub(crate) fn next(&self) -> Option<Instant> {
        let arrival = self.travelling.keys().next().map(|(at, _)| *at);
        let deadlines = self.sides.iter().filter_map(|side| side.link.deadline());
        deadlines.chain(arrival).min().map(|at| at.max(self.now))
    }

    /// One step, not beyond `until`. Whether there was one.
    pub(crate) fn step(&mut self, until: Instant) -> bool {
        let Some(next) = self.next().filter(|next| *next <= until) else {
            self.now = until;
            return false;
        };
        self.now = next;
        if let Some(first) = self.travelling.first_entry()
            && first.key().0 <= self.now
        {
            let (to, datagram) = first.remove();
            self.sides[to].last = Some(datagram.clone());
            self.give(to, Input::Datagram(datagram));
            return true;
        }
        for at in [0, 1] {
            if self.sides[at].link.deadline().is_some_and(|at| at <= next) {
                self.give(at, Input::Tick);
            }
        }
        true
    }

    pub(crate) fn run_until(&mut self, until: Instant) {
        while self.step(until) {}
    }

    /// Runs until both are open.
    pub(crate) fn open(&mut self) {
        while !(self.sides[0].opened && self.sides[1].opened) {
            let until = self.now + Duration::from_secs(5);
            self.step(until);
            assert!(self.now.as_micros() < 120_000_000, "not open");
        }
    }
}
