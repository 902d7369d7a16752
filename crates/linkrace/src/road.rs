//! One direction of a line, shared by all flows: first a bottleneck that sends one datagram after
//! another and drops what finds no room before it, then a path that loses, damages and delays. What
//! is lost behind the bottleneck has taken its time there, so that no transport can deliver more than
//! capacity times (1 - loss).
//!
//! A datagram counts with [`PACKET_BYTES`] more at the bottleneck. The last of these bytes say whose
//! flow it is; nothing damages them.

use bytes::{BufMut, Bytes, BytesMut};
use lamparina_impair::{Direction, Impaired, Input, LENGTH_FIELD_BYTES, Settings, SettingsError};
use lamparina_protocol::Instant;

/// Bytes of IP (version 4) and UDP before each datagram.
pub const PACKET_BYTES: usize = 28;

/// What a line is like, both ways.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// `rate` and `queue` of the bottleneck.
    pub bottleneck: Settings,
    /// `delay`, `loss`, `burst`, `jitter`, `corrupt` behind it.
    pub path: Settings,
}

impl Line {
    /// A line by the grammar of `lamparina-impair`.
    ///
    /// # Errors
    ///
    /// What is not understood, in words.
    pub fn parse(bottleneck: &str, path: &str) -> Result<Self, SettingsError> {
        Ok(Self {
            bottleneck: bottleneck.parse()?,
            path: path.parse()?,
        })
    }
}

/// One direction.
#[derive(Debug)]
pub struct Road {
    bottleneck: Impaired,
    path: Impaired,
    /// Bytes that entered, headers of packets included.
    bytes: u64,
    scratch: Vec<Bytes>,
}

impl Road {
    /// The direction of `line` that chance rules by `seed`.
    pub fn new(line: &Line, direction: Direction, seed: u64) -> Self {
        let path = line.path.clone().with_seed(seed).for_direction(direction);
        Self {
            bottleneck: Impaired::new(line.bottleneck.clone(), false),
            path: Impaired::new(path, true),
            bytes: 0,
            scratch: Vec::new(),
        }
    }

    /// A datagram of `flow` enters. It comes out of [`Road::release`], even where it comes at once.
    pub fn enter(&mut self, now: Instant, flow: u32, datagram: &[u8]) {
        let mut packet = BytesMut::with_capacity(PACKET_BYTES + datagram.len());
        packet.put_bytes(0, PACKET_BYTES - LENGTH_FIELD_BYTES);
        packet.put_u32(flow);
        packet.put_slice(datagram);
        self.bytes += packet.len() as u64;
        self.bottleneck
            .handle(now, Input::Frame(packet.freeze()), &mut self.scratch);
    }

    /// Appends the datagrams that come out now, each with its flow. To be called after `enter` too.
    pub fn release(&mut self, now: Instant, out: &mut Vec<(u32, Bytes)>) {
        self.bottleneck.handle(now, Input::Tick, &mut self.scratch);
        let mut came = Vec::new();
        self.path.handle(now, Input::Tick, &mut came);
        for mut packet in self.scratch.drain(..) {
            let tagged = packet.split_off(PACKET_BYTES - LENGTH_FIELD_BYTES);
            self.path.handle(now, Input::Frame(tagged), &mut came);
        }
        for mut tagged in came {
            let flow = tagged.split_to(LENGTH_FIELD_BYTES);
            let flow = flow.iter().fold(0, |all, byte| all << 8 | u32::from(*byte));
            out.push((flow, tagged));
        }
    }

    /// When to call [`Road::release`] again.
    pub fn deadline(&self) -> Option<Instant> {
        let both = [self.bottleneck.deadline(), self.path.deadline()];
        both.into_iter().flatten().min()
    }

    /// Bytes that entered so far, headers of packets included, whatever became of them.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Datagrams that found no room before the bottleneck, and those lost behind it.
    pub fn drops(&self) -> (u64, u64) {
        (
            self.bottleneck.stats().dropped_by_queue,
            self.path.stats().lost,
        )
    }
}
