//! What an application wants to send from the client's side, and when. A message is created when the
//! application wants it, whether or not the transport takes it at once.

use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::Instant;

use crate::body::{self, Kind};
use crate::chance::Arrivals;
use crate::end::End;
use crate::ledger::Ledgers;

/// One stream of messages.
#[derive(Clone, Debug)]
pub struct Load {
    kind: Kind,
    bytes: usize,
    left: u64,
    pace: Pace,
    /// When the next one is due, once the link is open.
    next_at: Option<Instant>,
    /// Created, and not taken so far.
    waiting: Option<Bytes>,
}

impl Load {
    /// Bulk messages of `bytes`, as fast as they are taken.
    pub fn fill(bytes: usize, messages: u64) -> Self {
        Self {
            kind: Kind::Bulk,
            bytes,
            left: messages,
            pace: Pace::AsTaken,
            next_at: None,
            waiting: None,
        }
    }

    /// A message of `bytes` every so often.
    pub fn every(every: Duration, kind: Kind, bytes: usize, messages: u64) -> Self {
        Self {
            pace: Pace::Every(every),
            kind,
            ..Self::fill(bytes, messages)
        }
    }

    /// Small messages of `bytes` at times that `arrivals` says.
    pub fn at(arrivals: Arrivals, bytes: usize, messages: u64) -> Self {
        Self {
            pace: Pace::ByChance(arrivals),
            kind: Kind::Small,
            ..Self::fill(bytes, messages)
        }
    }

    /// The link has opened.
    pub fn open(&mut self, now: Instant) {
        self.next_at = Some(now);
    }

    /// When the next message is to be created; one that waits is no reason to call again.
    pub fn deadline(&self) -> Option<Instant> {
        let waits = self.left == 0 || self.waiting.is_some();
        self.next_at.filter(|_| !waits)
    }

    /// Whether all was created and taken.
    pub fn is_done(&self) -> bool {
        self.left == 0 && self.waiting.is_none()
    }

    /// Creates what is due and gives it to `end` as far as it takes it; gives whether it took any.
    pub fn act(&mut self, now: Instant, end: &mut dyn End, ledgers: &mut Ledgers) -> bool {
        let mut any = false;
        while let Some(body) = self.waiting.take().or_else(|| self.create(now, ledgers)) {
            if !end.send(now, self.kind, &body) {
                self.waiting = Some(body);
                break;
            }
            any = true;
        }
        any
    }

    fn create(&mut self, now: Instant, ledgers: &mut Ledgers) -> Option<Bytes> {
        let due = self.next_at.filter(|at| *at <= now && self.left > 0)?;
        self.left -= 1;
        self.next_at = Some(match &mut self.pace {
            Pace::AsTaken => due,
            Pace::Every(every) => due + *every,
            Pace::ByChance(arrivals) => arrivals.after(due),
        });
        // One that was due earlier was wanted earlier: what the transport did not take then counts.
        let tag = ledgers.of(self.kind).create(due, self.bytes);
        Some(body::make(self.kind, tag, self.bytes))
    }
}

#[derive(Clone, Debug)]
enum Pace {
    AsTaken,
    Every(Duration),
    ByChance(Arrivals),
}

/// A conversation: each side answers some time after it has heard the other.
#[derive(Clone, Copy, Debug)]
pub struct Turns {
    /// Length of each message.
    pub bytes: usize,
    /// Messages still to be said.
    pub left: u64,
    /// Time between hearing and answering.
    pub think: Duration,
    /// When the next one is said, once it is clear.
    pub next_at: Option<Instant>,
}
