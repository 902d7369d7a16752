//! A link: what was sent comes in order or, when the link breaks, not at all. Its ends may learn of that at different
//! times, and a direction may stand still for a while.

use std::collections::VecDeque;

use bytes::Bytes;
use lamparina_order::converging::LinkId;
use lamparina_protocol::Instant;

/// One end of a link.
#[derive(Debug)]
pub struct End {
    /// Whose.
    pub node: usize,
    /// It has been told that the link is up, and not that it is down.
    pub up: bool,
    /// What comes to it, and when.
    pub coming: VecDeque<(Instant, Bytes)>,
    /// Until when nothing comes to it.
    pub still_until: Instant,
}

/// A link between two peers.
#[derive(Debug)]
pub struct Pipe {
    /// Both.
    pub ends: [End; 2],
    /// Nothing passes any more.
    pub broken: bool,
    /// It takes little at a time.
    pub slow: bool,
}

/// An end of a link, by the link's number and 0 or 1. That is also how machines name the link.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct EndId {
    /// Of which link.
    pub pipe: u64,
    /// Which end.
    pub side: usize,
}

impl EndId {
    /// How the machine at this end calls the link.
    pub const fn link(self) -> LinkId {
        LinkId(self.pipe * 2 + self.side as u64)
    }

    /// Which end a machine means.
    pub const fn of(link: LinkId) -> Self {
        Self {
            pipe: link.0 / 2,
            side: (link.0 % 2) as usize,
        }
    }

    /// The other one.
    pub const fn other(self) -> Self {
        Self {
            pipe: self.pipe,
            side: 1 - self.side,
        }
    }
}

impl Pipe {
    /// Between two, up at both.
    pub fn new(a: usize, b: usize, slow: bool) -> Self {
        let end = |node| End {
            node,
            up: true,
            coming: VecDeque::new(),
            still_until: Instant::ZERO,
        };
        Self {
            ends: [end(a), end(b)],
            broken: false,
            slow,
        }
    }

    /// Something leaves for an end and comes no earlier than what left before. Gives when.
    pub fn send(&mut self, to: usize, at: Instant, bytes: Bytes) -> Option<Instant> {
        if self.broken {
            return None;
        }
        let end = &mut self.ends[to];
        let last = end.coming.back().map_or(at, |(last, _)| *last);
        let at = at.max(last).max(end.still_until);
        end.coming.push_back((at, bytes));
        Some(at)
    }

    /// A direction stands still: what is under way comes later.
    pub fn stand_still(&mut self, side: usize, until: Instant) {
        let end = &mut self.ends[side];
        end.still_until = until;
        for (at, _) in &mut end.coming {
            *at = until.max(*at);
        }
    }

    /// What comes to an end by now.
    pub fn come(&mut self, side: usize, now: Instant) -> Option<Bytes> {
        let end = &mut self.ends[side];
        let due = end.coming.front().is_some_and(|(at, _)| *at <= now);
        if !due || !end.up {
            return None;
        }
        end.coming.pop_front().map(|(_, bytes)| bytes)
    }

    /// When something next comes to an end.
    pub fn next(&self, side: usize) -> Option<Instant> {
        self.ends[side].coming.front().map(|(at, _)| *at)
    }
}
