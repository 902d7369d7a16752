//! One author speaks to everybody at an even pace, and one of them perhaps stands still: it neither
//! reads nor acknowledges, from before anything was said. What the others wait for their messages,
//! and what the server holds, is measured with it and without.
//!
//! Before the pace begins, more is said at once than a window and a socket hold, so that whoever
//! stands still is as far behind as it can get a connection to be.

use std::time::{Duration, Instant};

use super::enter::{self, Enter};
use super::span::Span;
use super::{WITHIN, until};
use crate::child::Server;
use crate::flock::Flock;
use crate::histogram::Histogram;
use crate::wire::{Fault, To};

/// Bytes of text said at once in the beginning.
const AT_ONCE_BYTES: u64 = 8 << 20;
/// Messages of it in flight, at most.
const AT_ONCE_WINDOW: u64 = 256;

/// What a load is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Connections, the author and the one who may stand still among them.
    pub(crate) clients: usize,
    /// Whether one does.
    pub(crate) stalls: bool,
    /// Bytes of a message's text.
    pub(crate) text_bytes: usize,
    /// Messages a second.
    pub(crate) rate: u32,
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
    /// Nanoseconds from sending to receiving, sampled, of those who read.
    pub(crate) latency: Histogram,
    /// The server's resident bytes at the end.
    pub(crate) rss_bytes: u64,
}

/// One round against a running server.
pub(crate) fn run<W: Enter>(server: &Server, shape: Shape) -> Result<Measure, Fault> {
    let mut flock = Flock::<W>::new(shape.text_bytes)?;
    enter::fill(&mut flock, server.addr(), shape.clients)?;
    // Its socket stays open.
    let stalled = match shape.stalls {
        true => Some(flock.part_with_last()?),
        false => None,
    };
    say_at_once(&mut flock, AT_ONCE_BYTES / shape.text_bytes as u64)?;
    flock.tally.latency = Some(Histogram::default());
    let received = flock.received();
    let span = Span::of(server, || keep_pace(&mut flock, shape))?;
    let deliveries = flock.received() - received;
    let latency = flock.tally.latency.take().unwrap_or_default();
    let rss_bytes = server.rss_bytes()?;
    settle(&mut flock)?;
    drop(stalled);
    Ok(Measure {
        deliveries,
        span,
        latency,
        rss_bytes,
    })
}

fn say_at_once<W: Enter>(flock: &mut Flock<W>, count: u64) -> Result<(), Fault> {
    let began = Instant::now();
    while flock.sent() < count {
        if began.elapsed() > WITHIN {
            return Err(Fault::Broken(format!(
                "only {} of {count} messages could be said at once",
                flock.sent()
            )));
        }
        let sent = flock.sent();
        let room = AT_ONCE_WINDOW.saturating_sub(flock.lag(sent));
        flock.send(0, &To::All, room.min(count - sent))?;
        flock.turn(Duration::from_millis(1))?;
    }
    settle(flock)
}

/// Sends one message at a time, at its moment, however late those before it came.
fn keep_pace<W: Enter>(flock: &mut Flock<W>, shape: Shape) -> Result<(), Fault> {
    let (began, mut said) = (Instant::now(), 0_u32);
    let between = Duration::from_secs(1) / shape.rate;
    while began.elapsed() < shape.measured {
        let wait = (between * said).saturating_sub(began.elapsed());
        if wait.is_zero() {
            said += u32::try_from(flock.send(0, &To::All, 1)?).unwrap_or(u32::MAX);
        }
        flock.turn(wait.min(Duration::from_millis(1)))?;
    }
    Ok(())
}

/// Waits until everybody who reads has everything.
fn settle<W: Enter>(flock: &mut Flock<W>) -> Result<(), Fault> {
    let sent = flock.sent();
    until(flock, "the last deliveries", |flock| {
        flock.lag(sent) == 0 && flock.endpoints.iter().all(|end| end.wire.unsettled() == 0)
    })?;
    let (wanted, received) = (sent * (flock.endpoints.len() as u64 - 1), flock.received());
    if received != wanted {
        return Err(Fault::Broken(format!(
            "{sent} messages make {wanted} deliveries to those who read; {received} came"
        )));
    }
    Ok(())
}
