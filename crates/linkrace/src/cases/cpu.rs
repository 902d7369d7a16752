//! What a KiB costs the processor: two ends in memory without a line between them, each with its own
//! time. These figures are of this machine and this moment; take the least of several rounds.

use std::time::{Duration, Instant as Clock};

use bytes::Bytes;
use lamparina_protocol::Instant;

use super::{Effort, Ran};
use crate::body::{self, Kind};
use crate::end::{End, Side};
use crate::ends::Contender;

const MESSAGE_BYTES: usize = 64 << 10;
/// Time from one end to the other: short, so that windows are small and caches warm, as on a LAN.
const ONE_WAY: Duration = Duration::from_micros(500);
/// Exchanges without an end in sight are a fault.
const TURNS_MAX: u32 = 10_000_000;

/// The least of some rounds, for sender and receiver.
pub(super) fn run(contender: Contender, effort: Effort) -> Ran {
    let (rounds, mib) = if effort.quick { (3, 16) } else { (7, 64) };
    let rounds: Vec<[f64; 2]> = (0..rounds).filter_map(|_| round(contender, mib)).collect();
    let least = |side: usize| {
        let values = rounds.iter().map(|round| round[side]);
        values.min_by(f64::total_cmp).unwrap_or(f64::NAN)
    };
    Ran {
        values: vec![least(0), least(1)],
        notes: vec![format!("rounds: {rounds:.0?}")],
        trace: None,
    }
}

/// One end and the time that it took.
struct Timed {
    end: Box<dyn End>,
    spent: Duration,
    /// Datagrams on their way to it, by arrival.
    coming: Vec<(Instant, Vec<Bytes>)>,
}

impl Timed {
    fn due(&mut self) -> Option<Instant> {
        let arrival = self.coming.first().map(|(at, _)| *at);
        [arrival, self.end.deadline()].into_iter().flatten().min()
    }

    /// Everything that is due now, at once, as a shell that reads many datagrams in a call does.
    /// Gives how many messages it took.
    fn turn(&mut self, now: Instant, bodies: &[Bytes], out: &mut Vec<Bytes>) -> usize {
        let came = match self.coming.first() {
            Some((at, _)) if *at <= now => self.coming.remove(0).1,
            _ => Vec::new(),
        };
        let mut taken = 0;
        let began = Clock::now();
        for datagram in came {
            self.end.receive(now, datagram);
        }
        if self.end.deadline().is_some_and(|at| at <= now) {
            self.end.tick(now);
        }
        for body in bodies {
            if !self.end.send(now, Kind::Bulk, body) {
                break;
            }
            taken += 1;
        }
        self.end.poll(now, out);
        self.spent += began.elapsed();
        taken
    }
}

/// Nanoseconds per KiB of sender and receiver; nothing where the transfer did not end.
fn round(contender: Contender, mib: usize) -> Option<[f64; 2]> {
    let messages = mib * (1 << 20) / MESSAGE_BYTES;
    let bodies: Vec<Bytes> = (0..messages)
        .map(|tag| body::make(Kind::Bulk, tag as u64, MESSAGE_BYTES))
        .collect();
    let mut next = 0;
    let mut ends = contender.pair(1, Instant::ZERO).map(|end| Timed {
        end,
        spent: Duration::ZERO,
        coming: Vec::new(),
    });
    let (mut now, mut came) = (Instant::ZERO, 0);
    let (mut out, mut delivered) = (Vec::new(), Vec::new());
    ends.iter_mut().for_each(|timed| timed.end.tick(now));
    let mut is_open = false;
    for _ in 0..TURNS_MAX {
        for side in Side::BOTH {
            let sends = side == Side::Client && is_open;
            let bodies = &bodies[if sends { next } else { messages }..];
            next += ends[side.index()].turn(now, bodies, &mut out);
            if !out.is_empty() {
                let batch = std::mem::take(&mut out);
                ends[side.other().index()]
                    .coming
                    .push((now + ONE_WAY, batch));
            }
        }
        let began = Clock::now();
        ends[1].end.delivered(&mut delivered);
        ends[1].spent += began.elapsed();
        came += delivered.drain(..).count();
        if !is_open && ends[0].end.is_open() && ends[1].end.is_open() {
            is_open = true;
            ends.iter_mut()
                .for_each(|timed| timed.spent = Duration::ZERO);
            continue;
        }
        if came == messages {
            let kib = (mib << 10) as f64;
            return Some(ends.map(|timed| timed.spent.as_nanos() as f64 / kib));
        }
        let next_at = ends.iter_mut().filter_map(Timed::due).min()?;
        now = now.max(next_at);
    }
    None
}
