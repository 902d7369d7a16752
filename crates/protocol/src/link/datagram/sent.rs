//! Packets that left and whose fate is not settled. A number is used once; those that are skipped on
//! purpose are remembered, so that who acknowledges them is found out.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::delivery::Snapshot;
use crate::control::Run;
use crate::time::Instant;

/// Numbers skipped on purpose that are remembered.
const SKIPPED_KEPT: usize = 64;
/// One number in so many is skipped.
const SKIP_ONE_IN: u64 = 2_048;
/// Packets taken for lost that are remembered, to learn that they came after all.
const LOST_KEPT: usize = 8_192;

/// Which lane a frame is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum LaneId {
    /// Messages, in their order.
    Data,
    /// Large bodies.
    Bulk,
}

/// The frames that a packet carries.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) enum Carried {
    /// None that is sent again.
    #[default]
    Nothing,
    /// `count` frames of `lane` from place `first` on.
    Run {
        lane: LaneId,
        first: u64,
        count: u16,
    },
    /// Any.
    Places(LaneId, Vec<u64>),
}

impl Carried {
    /// Adds the frame at `place`; all frames of a packet are of one lane.
    pub(super) fn add(&mut self, lane: LaneId, place: u64) {
        match self {
            Self::Nothing => {
                *self = Self::Run {
                    lane,
                    first: place,
                    count: 1,
                }
            }
            Self::Run { first, count, .. } if place == *first + u64::from(*count) => *count += 1,
            Self::Run { .. } => {
                let mut places: Vec<u64> = self.places().collect();
                places.push(place);
                *self = Self::Places(lane, places);
            }
            Self::Places(_, places) => places.push(place),
        }
    }

    pub(super) fn lane(&self) -> Option<LaneId> {
        match self {
            Self::Nothing => None,
            Self::Run { lane, .. } | Self::Places(lane, _) => Some(*lane),
        }
    }

    pub(super) fn places(&self) -> impl Iterator<Item = u64> + '_ {
        let (run, places): (_, &[u64]) = match self {
            Self::Nothing => (0..0, &[]),
            Self::Run { first, count, .. } => (*first..*first + u64::from(*count), &[]),
            Self::Places(_, places) => (0..0, places),
        };
        run.chain(places.iter().copied())
    }
}

/// A packet in flight, or taken for lost.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) sent_at: Instant,
    /// On the wire, with what IP and UDP add.
    pub(super) bytes: u16,
    /// It measures chance (see `congestion`).
    pub(super) quiet: bool,
    pub(super) snapshot: Snapshot,
    pub(super) carried: Carried,
}

/// Packets whose fate is open.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Sent {
    next: u64,
    seed: u64,
    in_flight: BTreeMap<u64, Packet>,
    in_flight_bytes: u64,
    lost: BTreeMap<u64, Packet>,
    skipped: VecDeque<u64>,
    /// Packets with frames of the DATA lane, as they left.
    data: VecDeque<u64>,
    /// Packets in flight that carry no frames of a lane.
    bare: usize,
}

impl Sent {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            next: 0,
            seed,
            in_flight: BTreeMap::new(),
            in_flight_bytes: 0,
            lost: BTreeMap::new(),
            skipped: VecDeque::new(),
            data: VecDeque::new(),
            bare: 0,
        }
    }

    /// Packets in flight that carry no frames of a lane: nothing else bounds them.
    pub(super) fn bare(&self) -> usize {
        self.bare
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    pub(super) fn in_flight_bytes(&self) -> u64 {
        self.in_flight_bytes
    }

    /// No number from here on has been used.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// The number of a packet about to leave.
    pub(super) fn take_number(&mut self) -> u64 {
        if self.next > 0 && mix(self.seed ^ self.next).is_multiple_of(SKIP_ONE_IN) {
            self.skipped.push_back(self.next);
            if self.skipped.len() > SKIPPED_KEPT {
                self.skipped.pop_front();
            }
            self.next += 1;
        }
        let number = self.next;
        self.next += 1;
        number
    }

    /// Remembers a packet that wants an acknowledgement.
    pub(super) fn insert(&mut self, number: u64, packet: Packet) {
        self.in_flight_bytes += u64::from(packet.bytes);
        if packet.carried.lane() == Some(LaneId::Data) {
            self.data.push_back(number);
        }
        self.bare += usize::from(packet.carried == Carried::Nothing);
        self.in_flight.insert(number, packet);
    }

    /// Whether an acknowledgement may name this run: numbers that have left, and none that was skipped.
    pub(super) fn may_name(&self, run: &Run) -> bool {
        let liar = |number: &u64| (run.first..=run.last).contains(number);
        run.last < self.next && !self.skipped.iter().any(liar)
    }

    /// Takes the packets of `run` out, the earliest first, each with whether it was taken for lost.
    pub(super) fn acknowledge(&mut self, run: &Run, came: &mut Vec<(u64, Packet, bool)>) {
        let range = run.first..=run.last;
        while let Some((&number, _)) = self.in_flight.range(range.clone()).next() {
            if let Some(packet) = self.in_flight.remove(&number) {
                self.in_flight_bytes -= u64::from(packet.bytes);
                self.bare -= usize::from(packet.carried == Carried::Nothing);
                came.push((number, packet, false));
            }
        }
        while let Some((&number, _)) = self.lost.range(range.clone()).next() {
            if let Some(packet) = self.lost.remove(&number) {
                came.push((number, packet, true));
            }
        }
    }

    /// The lowest number whose fate is open; runs below it bring no news.
    pub(super) fn lowest_open(&self) -> u64 {
        let first = |packets: &BTreeMap<u64, Packet>| packets.keys().next().copied();
        let lowest = [first(&self.in_flight), first(&self.lost)];
        lowest.into_iter().flatten().min().unwrap_or(self.next)
    }

    /// Packets in flight, the earliest first.
    pub(super) fn in_flight(&self) -> impl Iterator<Item = (u64, &Packet)> {
        self.in_flight
            .iter()
            .map(|(&number, packet)| (number, packet))
    }

    /// Takes a packet for lost; gives what it carried.
    pub(super) fn lose(&mut self, number: u64) -> Option<Packet> {
        let packet = self.in_flight.remove(&number)?;
        self.in_flight_bytes -= u64::from(packet.bytes);
        self.bare -= usize::from(packet.carried == Carried::Nothing);
        self.lost.insert(number, packet.clone());
        if self.lost.len() > LOST_KEPT {
            self.lost.pop_first();
        }
        Some(packet)
    }

    /// Forgets packets that were taken for lost and left before `at`.
    pub(super) fn forget_lost_before(&mut self, at: Instant) {
        while let Some(first) = self.lost.first_entry() {
            if first.get().sent_at >= at {
                return;
            }
            first.remove();
        }
    }

    /// The earliest packet in flight with frames of the DATA lane.
    pub(super) fn first_data(&mut self) -> Option<(u64, Instant)> {
        while let Some(&number) = self.data.front() {
            if let Some(packet) = self.in_flight.get(&number) {
                return Some((number, packet.sent_at));
            }
            self.data.pop_front();
        }
        None
    }

    /// The same without tidying up.
    pub(super) fn first_data_at(&self) -> Option<Instant> {
        let packets = self
            .data
            .iter()
            .filter_map(|number| self.in_flight.get(number));
        packets.map(|packet| packet.sent_at).next()
    }

    /// The earliest packet in flight.
    pub(super) fn first(&self) -> Option<(u64, Instant)> {
        let (&number, packet) = self.in_flight.first_key_value()?;
        Some((number, packet.sent_at))
    }
}

/// Time since `sent_at`, not less than a microsecond.
pub(super) fn round_trip(
    now: Instant,
    sent_at: Instant,
    delay: Duration,
    least: Duration,
) -> Duration {
    let whole = now.saturating_since(sent_at);
    let without = whole.saturating_sub(delay);
    // What the peer says of its delay may not make a round trip shorter than any seen.
    let rtt = if without >= least { without } else { whole };
    rtt.max(Duration::from_micros(1))
}

/// Steele, Lea and Flood, *Fast splittable pseudorandom number generators*, 2014: its output function.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
impl Sent {
    /// Packets taken for lost whose coming would still be noticed.
    pub(super) fn lost(&self) -> impl Iterator<Item = (u64, &Packet)> {
        self.lost.iter().map(|(&number, packet)| (number, packet))
    }
}
