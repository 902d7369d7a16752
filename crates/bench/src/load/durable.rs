//! Authors send as much as their windows allow, and every message waits for its commit. Either all
//! is for one who has claimed its nick and gone, so that commits alone are measured, or it is for
//! everybody, listeners included.
//!
//! Nothing may be lost: after the measured time sending stops, and the round counts only if every
//! message has its commit and every connection exactly what was for it.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use super::enter::{self, Enter};
use super::span::Span;
use super::until;
use crate::child::Server;
use crate::flock::Flock;
use crate::histogram::Histogram;
use crate::wire::{Fault, To};

/// How long the server has to notice that the absent one has gone.
const GONE_WITHIN: Duration = Duration::from_millis(200);

/// What a load is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Connections that send.
    pub(crate) authors: usize,
    /// Connections that only receive; with none, all is for the one who has gone.
    pub(crate) listeners: usize,
    /// Bytes of a message's text.
    pub(crate) text_bytes: usize,
    /// Messages of one author without their commit, at most.
    pub(crate) window_each: u64,
    /// Messages that the slowest recipient has not got, at most.
    pub(crate) window: u64,
}

/// What a round gave.
#[derive(Clone, Debug)]
pub(crate) struct Measure {
    /// Messages committed.
    pub(crate) commits: u64,
    /// Messages received, all recipients together.
    pub(crate) deliveries: u64,
    /// Time and CPU time.
    pub(crate) span: Span,
    /// Nanoseconds from sending to the commit, of every message.
    pub(crate) to_commit: Histogram,
    /// Nanoseconds from sending to receiving, sampled.
    pub(crate) to_delivery: Histogram,
}

/// The authors, entered, with what they send to whom.
#[derive(Debug)]
pub(crate) struct Load<W> {
    flock: Flock<W>,
    shape: Shape,
    to: To,
    /// Messages that were settled before this load began.
    before: u64,
}

impl<W: Enter> Load<W> {
    /// Enters everybody. The absent one is `known` to a server that was given this load before; it
    /// must not come back, or all that waits for it would be delivered.
    pub(crate) fn enter(server: &Server, shape: Shape, known: bool) -> Result<Self, Fault> {
        let mut flock = Flock::<W>::new(shape.text_bytes)?;
        let present = shape.authors + shape.listeners;
        let mut to = To::All;
        if shape.listeners == 0 {
            to = To::One(enter::nick(present));
            if !known {
                enter::fill(&mut flock, server.addr(), present + 1)?;
                flock.close_last();
            }
        }
        enter::fill(&mut flock, server.addr(), present)?;
        let began = Instant::now();
        while began.elapsed() < GONE_WITHIN {
            flock.turn(Duration::from_millis(10))?;
        }
        let mut load = Self {
            flock,
            shape,
            to,
            before: 0,
        };
        load.before = load.settled();
        Ok(load)
    }

    /// Of each author, messages settled, those before this load included, and up to how many may
    /// be settled although this side has not heard of it.
    pub(crate) fn promised(&self) -> Vec<RangeInclusive<u64>> {
        let authors = self.flock.endpoints.iter().take(self.shape.authors);
        let promised = authors.map(|end| {
            let settled = end.wire.settled();
            settled..=settled + end.wire.unsettled()
        });
        promised.collect()
    }

    /// Messages settled of all since this load began.
    pub(crate) fn settled(&self) -> u64 {
        let settled = self.flock.endpoints.iter().map(|end| end.wire.settled());
        settled.sum::<u64>() - self.before
    }

    /// Sends and receives while `going`.
    pub(crate) fn pump(&mut self, going: impl Fn(&Self) -> bool) -> Result<(), Fault> {
        while going(self) {
            self.send_all()?;
            self.flock.turn(Duration::from_millis(1))?;
        }
        Ok(())
    }

    /// Every author sends what its window allows.
    fn send_all(&mut self) -> Result<(), Fault> {
        let shape = self.shape;
        let mut room = u64::MAX;
        if shape.listeners > 0 {
            let lag = self.flock.lag(self.flock.sent());
            room = shape.window.saturating_sub(lag);
        }
        for author in 0..shape.authors {
            let unsettled = self.flock.endpoints[author].wire.unsettled();
            let count = shape.window_each.saturating_sub(unsettled).min(room);
            if count > 0 {
                room -= self.flock.send(author, &self.to, count)?;
            }
        }
        Ok(())
    }

    /// One message at a time for `time`.
    fn drip(&mut self, time: Duration) -> Result<(), Fault> {
        let began = Instant::now();
        while began.elapsed() < time {
            while self.flock.send(0, &self.to, 1)? == 0 {
                self.flock.turn(Duration::from_millis(1))?;
            }
            self.commits_come()?;
        }
        Ok(())
    }

    fn commits_come(&mut self) -> Result<(), Fault> {
        until(&mut self.flock, "commits", |flock| {
            flock.endpoints.iter().all(|end| end.wire.unsettled() == 0)
        })
    }

    /// Waits until everything is committed and delivered, then looks whether there is more.
    pub(crate) fn settle(&mut self) -> Result<(), Fault> {
        self.commits_come()?;
        let sent = self.flock.sent();
        let others = match self.to {
            To::All => self.flock.endpoints.len() as u64 - 1,
            To::One(_) => 0,
        };
        if others > 0 {
            until(&mut self.flock, "the last deliveries", |flock| {
                flock.lag(sent) == 0
            })?;
        }
        self.flock.turn(Duration::from_millis(20))?;
        let (wanted, received) = (sent * others, self.flock.received());
        let settled = self.settled();
        if settled != sent || received != wanted {
            return Err(Fault::Broken(format!(
                "{sent} messages make as many commits and {wanted} deliveries; {settled} and \
                 {received} came"
            )));
        }
        Ok(())
    }

    /// Measures `work`.
    fn measured(
        &mut self,
        server: &Server,
        work: impl FnOnce(&mut Self) -> Result<(), Fault>,
    ) -> Result<Measure, Fault> {
        self.flock.tally.commits = Some(Histogram::default());
        self.flock.tally.latency = Some(Histogram::default());
        let (settled, received) = (self.settled(), self.flock.received());
        let span = Span::of(server, || work(self))?;
        let measure = Measure {
            commits: self.settled() - settled,
            deliveries: self.flock.received() - received,
            span,
            to_commit: self.flock.tally.commits.take().unwrap_or_default(),
            to_delivery: self.flock.tally.latency.take().unwrap_or_default(),
        };
        self.settle()?;
        Ok(measure)
    }
}

/// One round: full windows.
pub(crate) fn run<W: Enter>(
    server: &Server,
    shape: Shape,
    warm_up: Duration,
    measured: Duration,
) -> Result<Measure, Fault> {
    let mut load = Load::<W>::enter(server, shape, false)?;
    load.pump(for_time(warm_up))?;
    load.measured(server, |load| load.pump(for_time(measured)))
}

/// One round: one message at a time of the first author.
pub(crate) fn sparse<W: Enter>(
    server: &Server,
    shape: Shape,
    warm_up: Duration,
    measured: Duration,
) -> Result<Measure, Fault> {
    let mut load = Load::<W>::enter(server, shape, false)?;
    load.drip(warm_up)?;
    load.measured(server, |load| load.drip(measured))
}

fn for_time<W>(time: Duration) -> impl Fn(&Load<W>) -> bool {
    let began = Instant::now();
    move |_| began.elapsed() < time
}
