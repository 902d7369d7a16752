//! Our link over datagrams, sealed, as the shells drive it. A message that finds no room waits here, in
//! order, small ones apart from bulk.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::Instant;
use lamparina_protocol::datagram::{ConnectionId, Copies, DatagramConfig};
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::link::{
    Event, Input, Link, LinkConfig, LinkStats, Outgoing, Output, SendError, WINDOW_BYTES_MAX,
};
use lamparina_protocol::seal::{IdentityKey, LinkKeys, SEED_BYTES, Transport};

use crate::body::{BODY_BYTES_MAX, Kind};
use crate::end::{Delivered, End, Side};

/// Longer than by default: a handshake may take its time on the worst lines, which is not measured.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(120);

/// One end.
pub(super) struct Ours {
    link: Link,
    out: Output,
    open: bool,
    closed: bool,
    /// Messages for which the link had no room, by kind.
    waiting: [VecDeque<Outgoing>; 2],
    /// Something was sent since the link was last handled.
    pending: bool,
    delivered: Vec<Delivered>,
    datagrams: Vec<Bytes>,
}

impl Ours {
    /// An end as by default, with or without copies.
    pub(super) fn new(side: Side, seed: u64, now: Instant, copies: bool) -> Self {
        let mut config = datagrams(side, seed);
        if !copies {
            config.copies = Copies::NONE;
        }
        Self::with(side, seed, now, config)
    }

    /// An end for slow lines.
    pub(super) fn slow(side: Side, seed: u64, now: Instant) -> Self {
        Self::with(side, seed, now, datagrams(side, seed).slow())
    }

    fn with(side: Side, seed: u64, now: Instant, datagrams: DatagramConfig) -> Self {
        let config = LinkConfig {
            window_bytes: WINDOW_BYTES_MAX,
            message_bytes_max: BODY_BYTES_MAX as u32,
            handshake_within: HANDSHAKE_WITHIN,
            ..LinkConfig::new(seed as u32)
        };
        let link = match side {
            Side::Client => Link::initiate(config, Bytes::new(), now),
            Side::Server => Link::respond(config, now),
        };
        Self {
            link: link.sealed(keys(side, seed)).over_datagrams(datagrams),
            out: Output::default(),
            open: false,
            closed: false,
            waiting: [VecDeque::new(), VecDeque::new()],
            pending: false,
            delivered: Vec::new(),
            datagrams: Vec::new(),
        }
    }

    fn handle(&mut self, now: Instant, input: Input) {
        self.pending = false;
        // Only answers can be out of place, and those below answer what was asked.
        let _ = self.link.handle(now, input, &mut self.out);
        self.datagrams.append(&mut self.out.wire);
        for event in std::mem::take(&mut self.out.events) {
            self.on_event(now, event);
        }
        for kind in [Kind::Small, Kind::Bulk] {
            self.send_waiting(now, kind);
        }
    }

    fn on_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Asked { .. } => {
                let welcome = Bytes::new();
                self.handle(now, Input::Accept { welcome });
            }
            Event::Proven { .. } => self.handle(now, Input::Trust),
            Event::Opened { .. } => self.open = true,
            Event::Received { kind, body } => {
                let kind = match kind {
                    FrameType::Bulk => Kind::Bulk,
                    _ => Kind::Small,
                };
                self.delivered.push(Delivered { kind, body });
            }
            Event::PeerClosing { .. } | Event::Closed(_) => self.closed = true,
        }
    }

    fn send_waiting(&mut self, now: Instant, kind: Kind) {
        while let Some(message) = self.waiting[kind as usize].front() {
            match self.link.send(now, message) {
                Ok(()) => {
                    self.waiting[kind as usize].pop_front();
                    self.pending = true;
                }
                Err(SendError::Full | SendError::NotOpen) => return,
                Err(_) => {
                    self.closed = true;
                    return;
                }
            }
        }
    }
}

impl End for Ours {
    fn tick(&mut self, now: Instant) {
        self.handle(now, Input::Tick);
    }

    fn deadline(&mut self) -> Option<Instant> {
        self.link.deadline()
    }

    fn receive(&mut self, now: Instant, datagram: Bytes) {
        self.handle(now, Input::Datagram(datagram));
    }

    fn send(&mut self, now: Instant, kind: Kind, body: &Bytes) -> bool {
        if kind == Kind::Bulk && !self.waiting[kind as usize].is_empty() {
            return false;
        }
        let frames = match kind {
            Kind::Small => FrameType::Data,
            Kind::Bulk => FrameType::Bulk,
        };
        self.waiting[kind as usize].push_back(Outgoing::own(frames, body.clone()));
        self.send_waiting(now, kind);
        true
    }

    fn poll(&mut self, now: Instant, out: &mut Vec<Bytes>) {
        while self.pending {
            self.handle(now, Input::Tick);
        }
        out.append(&mut self.datagrams);
    }

    fn delivered(&mut self, out: &mut Vec<Delivered>) {
        out.append(&mut self.delivered);
    }

    fn is_open(&self) -> bool {
        self.open
    }

    fn is_dead(&self) -> bool {
        self.closed
    }

    fn link_stats(&self) -> Option<LinkStats> {
        Some(self.link.stats())
    }
}

fn datagrams(side: Side, seed: u64) -> DatagramConfig {
    DatagramConfig::new(ConnectionId(seed), seed ^ (side as u64 + 1) << 32)
}

/// Keys from the seed: no secret is kept here, and the same seed must give the same bytes.
fn keys(side: Side, seed: u64) -> LinkKeys {
    let byte = 1 + side as u8;
    let mut random = [byte; SEED_BYTES];
    random[..8].copy_from_slice(&seed.to_be_bytes());
    LinkKeys::new(IdentityKey::from_seed(&[byte; 32]), random, Transport::Udp)
}
