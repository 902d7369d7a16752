//! What a KiB costs the processor: two ends at a wire of 1 Gbit/s, each with its own time. What comes
//! within a tick is handled at once, as a shell that reads many datagrams in a call does.
//!
//! These figures are of this machine and this moment. So that others who run beside it disturb little,
//! each MiB is measured by itself, and a quarter of them took less than what is given.

use std::time::{Duration, Instant as Clock};

use bytes::Bytes;
use lamparina_impair::Direction;
use lamparina_protocol::Instant;

use super::{Case, Effort, Ran};
use crate::body::{self, Kind};
use crate::end::{End, Side};
use crate::ends::Contender;
use crate::ledger::percentile;
use crate::road::Road;

const MESSAGE_BYTES: usize = 64 << 10;
const MESSAGES_IN_A_MIB: usize = (1 << 20) / MESSAGE_BYTES;
/// About ten datagrams.
const TICK: Duration = Duration::from_micros(100);
/// Until then windows grow.
const WARM_UP_MIB: usize = 16;
/// A minute, which is many times what a transfer takes.
const TICKS_MAX: u32 = 600_000;

/// Nanoseconds per KiB of sender and receiver.
pub(super) fn run(case: &Case, contender: Contender, seed: u64, effort: Effort) -> Ran {
    let mib = WARM_UP_MIB + if effort.quick { 64 } else { 256 };
    let spreads = transfer(case, contender, seed, mib).map(|blocks| {
        let mut costs: Vec<f64> = blocks.into_iter().skip(WARM_UP_MIB).collect();
        costs.sort_by(f64::total_cmp);
        [0.05, 0.25, 0.5, 0.75].map(|rank| percentile(&costs, rank))
    });
    Ran {
        values: spreads.iter().map(|spread| spread[1]).collect(),
        notes: vec![format!(
            "p5, p25, p50, p75 of MiB: sender {:.0?}, receiver {:.0?}",
            spreads[0], spreads[1]
        )],
        trace: None,
    }
}

/// One end and the time that it took.
struct Timed {
    end: Box<dyn End>,
    spent: Duration,
    /// Bytes that it did for that.
    done_bytes: usize,
    /// Nanoseconds per KiB of each MiB before.
    blocks: Vec<f64>,
    /// What goes to the other end.
    road: Road,
}

impl Timed {
    /// So many bytes more were done; where they make up a MiB, it is accounted for.
    fn done(&mut self, bytes: usize) {
        self.done_bytes += bytes;
        if self.done_bytes >= 1 << 20 {
            let kib = std::mem::take(&mut self.done_bytes) as f64 / 1024.0;
            let spent = std::mem::take(&mut self.spent);
            self.blocks.push(spent.as_nanos() as f64 / kib);
        }
    }

    /// Everything that is due now. Takes what it can of `body` times `left`, and gives how often that
    /// was.
    fn turn(&mut self, now: Instant, came: Came, body: &Bytes, left: usize) -> (usize, Leaves) {
        let (mut taken, mut out) = (0, Vec::new());
        let began = Clock::now();
        for (_, datagram) in came {
            self.end.receive(now, datagram);
        }
        if self.end.deadline().is_some_and(|at| at <= now) {
            self.end.tick(now);
        }
        while taken < left && self.end.send(now, Kind::Bulk, body) {
            taken += 1;
        }
        self.end.poll(now, &mut out);
        self.spent += began.elapsed();
        (taken, out)
    }
}

type Came = Vec<(u32, Bytes)>;
type Leaves = Vec<Bytes>;

/// Nanoseconds per KiB of payload of sender and receiver, for each MiB; fewer where the transfer did not
/// end. A sender's MiB is one that it sent, since it may send many before any comes.
fn transfer(case: &Case, contender: Contender, seed: u64, mib: usize) -> [Vec<f64>; 2] {
    let body = body::make(Kind::Bulk, 0, MESSAGE_BYTES);
    let messages = mib * MESSAGES_IN_A_MIB;
    let (mut left, mut received, mut sent_bytes, mut is_open) = (messages, 0, 0, false);
    let mut directions = [Direction::Up, Direction::Down].into_iter();
    let mut ends = contender.pair(seed, Instant::ZERO).map(|end| Timed {
        end,
        spent: Duration::ZERO,
        done_bytes: 0,
        blocks: Vec::new(),
        road: Road::new(
            &case.line,
            directions.next().unwrap_or(Direction::Down),
            seed,
        ),
    });
    ends.iter_mut()
        .for_each(|timed| timed.end.tick(Instant::ZERO));
    for tick in 0..TICKS_MAX {
        let now = Instant::ZERO + TICK * tick;
        for side in Side::BOTH {
            let mut came = Vec::new();
            ends[side.other().index()].road.release(now, &mut came);
            let sends = side == Side::Client && is_open;
            let timed = &mut ends[side.index()];
            let (taken, out) = timed.turn(now, came, &body, if sends { left } else { 0 });
            left -= taken;
            for datagram in &out {
                timed.road.enter(now, 0, datagram);
            }
            if sends {
                let bytes = out.iter().map(Bytes::len).sum();
                sent_bytes += bytes;
                timed.done(bytes);
            }
        }
        received += take(&mut ends[1]);
        is_open |= ends.iter().all(|timed| timed.end.is_open());
        if received == messages {
            break;
        }
    }
    let wire = sent_bytes as f64 / (mib << 20) as f64;
    let [sender, receiver] = ends.map(|timed| timed.blocks);
    [
        sender.into_iter().map(|cost| cost * wire).collect(),
        receiver,
    ]
}

/// Takes the messages that have come, and gives how many they were.
fn take(receiver: &mut Timed) -> usize {
    let mut delivered = Vec::new();
    let began = Clock::now();
    receiver.end.delivered(&mut delivered);
    receiver.spent += began.elapsed();
    receiver.done(delivered.iter().map(|message| message.body.len()).sum());
    delivered.len()
}
