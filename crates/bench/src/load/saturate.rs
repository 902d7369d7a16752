//! Talkers send as much as they may: `fanout` has one of them, `roomchat` all. What is in flight
//! is bounded alike on both sides: never more than `window` messages that the slowest recipient has
//! not got, and with ours also never more than that without their commit.
//!
//! Nothing may be lost: after the measured time sending stops, and the round counts only if every
//! connection then has exactly what the others sent.

use std::time::{Duration, Instant};

use super::enter::{self, Enter};
use super::span::Span;
use super::until;
use crate::child::Server;
use crate::flock::Flock;
use crate::histogram::Histogram;
use crate::wire::{Fault, To};

/// A talker waits until it may send this part of its share of the window.
const PIECES_PER_WINDOW: u64 = 4;

/// What a load is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Connections that send.
    pub(crate) talkers: usize,
    /// Connections that only receive.
    pub(crate) listeners: usize,
    /// Bytes of a message's text.
    pub(crate) text_bytes: usize,
    /// Messages in flight, at most.
    pub(crate) window: u64,
    /// Runs this long before measuring.
    pub(crate) warm_up: Duration,
    /// Measures this long.
    pub(crate) measured: Duration,
}

/// What a round gave.
#[derive(Clone, Debug)]
pub(crate) struct Measure {
    /// Messages received, all recipients together.
    pub(crate) deliveries: u64,
    /// Time and CPU time.
    pub(crate) span: Span,
    /// Nanoseconds from sending to receiving, sampled.
    pub(crate) latency: Histogram,
    /// Frames that came twice.
    pub(crate) duplicates: u64,
}

/// One round against a running server.
pub(crate) fn run<W: Enter>(server: &Server, shape: Shape) -> Result<Measure, Fault> {
    let mut flock = Flock::<W>::new(shape.text_bytes)?;
    enter::fill(&mut flock, server.addr(), shape.talkers + shape.listeners)?;
    pump(&mut flock, shape, shape.warm_up)?;
    flock.tally.latency = Some(Histogram::default());
    let received = flock.received();
    let span = Span::of(server, || pump(&mut flock, shape, shape.measured))?;
    let deliveries = flock.received() - received;
    let latency = flock.tally.latency.take().unwrap_or_default();
    settle(&mut flock)?;
    Ok(Measure {
        deliveries,
        span,
        latency,
        duplicates: flock
            .endpoints
            .iter()
            .map(|end| end.wire.duplicates())
            .sum(),
    })
}

/// Sends and receives for `time`.
fn pump<W: Enter>(flock: &mut Flock<W>, shape: Shape, time: Duration) -> Result<(), Fault> {
    let began = Instant::now();
    // Each talker in turn begins, so that a full window starves none.
    let mut first = 0;
    let share = (shape.window / shape.talkers as u64).max(1);
    let piece = (share / PIECES_PER_WINDOW).max(1);
    while began.elapsed() < time {
        let sent = flock.sent();
        let mut room = shape.window.saturating_sub(flock.lag(sent));
        for step in 0..shape.talkers {
            let talker = (first + step) % shape.talkers;
            let unsettled = flock.endpoints[talker].wire.unsettled();
            let count = share.saturating_sub(unsettled).min(room);
            // Large pieces: a trickle would cost both sides a system call for each few messages.
            if count >= piece {
                room -= flock.send(talker, &To::All, count)?;
            }
        }
        first = (first + 1) % shape.talkers;
        flock.turn(Duration::from_millis(1))?;
    }
    Ok(())
}

/// Waits until every connection has everything, then looks whether one has more.
fn settle<W: Enter>(flock: &mut Flock<W>) -> Result<(), Fault> {
    let sent = flock.sent();
    let waited = until(flock, "the last deliveries and commits", |flock| {
        flock.lag(sent) == 0 && flock.endpoints.iter().all(|end| end.wire.unsettled() == 0)
    });
    flock.turn(Duration::from_millis(20))?;
    let wanted = sent * (flock.endpoints.len() as u64 - 1);
    let received = flock.received();
    if received != wanted {
        return Err(Fault::Broken(format!(
            "{sent} messages to {} others make {wanted} deliveries; {received} came",
            flock.endpoints.len() - 1
        )));
    }
    waited
}
