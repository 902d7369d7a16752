//! Two connections and one message on its way: each answers what it gets. A round trip is two
//! messages through the server.

use std::time::{Duration, Instant};

use super::enter::{self, Enter};
use super::until;
use crate::child::Server;
use crate::flock::Flock;
use crate::histogram::Histogram;
use crate::wire::{Fault, To};

/// Bounces a message of `text_bytes` for `warm_up` and then `measured`; gives nanoseconds per round
/// trip.
pub(crate) fn run<W: Enter>(
    server: &Server,
    text_bytes: usize,
    warm_up: Duration,
    measured: Duration,
) -> Result<Histogram, Fault> {
    let mut flock = Flock::<W>::new(text_bytes)?;
    enter::fill(&mut flock, server.addr(), 2)?;
    let mut trips = Histogram::default();
    let began = Instant::now();
    while began.elapsed() < warm_up + measured {
        let sent_ns = flock.clock.ns();
        for author in 0..2 {
            hit(&mut flock, author)?;
        }
        if began.elapsed() > warm_up {
            trips.record(flock.clock.ns() - sent_ns);
        }
    }
    until(&mut flock, "the last commits", |flock| {
        flock.endpoints.iter().all(|end| end.wire.unsettled() == 0)
    })?;
    Ok(trips)
}

/// Sends from `author` and waits until the other one has it.
fn hit<W: Enter>(flock: &mut Flock<W>, author: usize) -> Result<(), Fault> {
    let other = 1 - author;
    let wanted = flock.endpoints[other].wire.received() + 1;
    let to = To::One(enter::nick(other));
    while flock.send(author, &to, 1)? == 0 {
        flock.turn(Duration::from_millis(10))?;
    }
    until(flock, "a ball", |flock| {
        flock.endpoints[other].wire.received() >= wanted
    })
}
