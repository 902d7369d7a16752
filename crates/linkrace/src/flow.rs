//! Two ends and what they are to carry: what the application wants goes in when it wants it, and what
//! comes out is noted. Nothing is sent before the client's side is open.

use lamparina_protocol::Instant;

use crate::body::{self, Kind};
use crate::digest::Digest;
use crate::end::{Delivered, End, Side};
use crate::ledger::Ledgers;
use crate::load::{Load, Turns};

/// Two ends and what they are to carry.
pub struct Flow {
    pub(crate) ends: [Box<dyn End>; 2],
    starts_at: Instant,
    loads: Vec<Load>,
    turns: Option<Turns>,
    /// What was sent and what came.
    pub ledgers: Ledgers,
    /// When the client's side opened.
    pub opened_at: Option<Instant>,
    /// Bytes that had gone up by then, all flows together.
    pub bytes_up_before: u64,
    has_begun: bool,
    /// Ends to which something has happened in this step.
    pub(crate) touched: [bool; 2],
}

impl Flow {
    /// A flow whose client calls at `starts_at`.
    pub fn new(ends: [Box<dyn End>; 2], starts_at: Instant) -> Self {
        Self {
            ends,
            starts_at,
            loads: Vec::new(),
            turns: None,
            ledgers: Ledgers::default(),
            opened_at: None,
            bytes_up_before: 0,
            has_begun: false,
            touched: [false; 2],
        }
    }

    /// The same with something to send.
    #[must_use]
    pub fn with(mut self, load: Load) -> Self {
        self.loads.push(load);
        self
    }

    /// The same with a conversation.
    #[must_use]
    pub fn talking(mut self, turns: Turns) -> Self {
        self.turns = Some(turns);
        self
    }

    /// One of its ends.
    pub fn end(&self, side: Side) -> &dyn End {
        self.ends[side.index()].as_ref()
    }

    /// Whether everything that was to be sent has come.
    pub fn is_complete(&self) -> bool {
        self.opened_at.is_some()
            && self.loads.iter().all(Load::is_done)
            && self.turns.is_none_or(|turns| turns.left == 0)
            && self.ledgers.is_complete()
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.ends.iter().any(|end| end.is_dead())
    }

    pub(crate) fn deadline(&mut self) -> Option<Instant> {
        if !self.has_begun {
            return Some(self.starts_at);
        }
        let loads = self.loads.iter().filter_map(Load::deadline).min();
        let turns = self.turns.and_then(|turns| turns.next_at);
        let [client, server] = &mut self.ends;
        [client.deadline(), server.deadline(), loads, turns]
            .into_iter()
            .flatten()
            .min()
    }

    /// Timers of ends, and what the application wants now.
    pub(crate) fn on_time(&mut self, now: Instant) {
        let begins = !self.has_begun && self.starts_at <= now;
        self.has_begun |= begins;
        for (end, touched) in self.ends.iter_mut().zip(&mut self.touched) {
            if begins || (self.has_begun && end.deadline().is_some_and(|at| at <= now)) {
                end.tick(now);
                *touched = true;
            }
        }
        let Some(turns) = &mut self.turns else { return };
        if turns.next_at.is_some_and(|at| at <= now) {
            turns.next_at = None;
            turns.left -= 1;
            let tag = self.ledgers.small.create(now, turns.bytes);
            let side = (tag % 2) as usize;
            self.ends[side].send(now, Kind::Small, &body::make(Kind::Small, tag, turns.bytes));
            self.touched[side] = true;
        }
    }

    /// Begins to send once the client's side is open.
    pub(crate) fn note_open(&mut self, now: Instant, bytes_up: u64) {
        if self.opened_at.is_some() || !self.end(Side::Client).is_open() {
            return;
        }
        self.opened_at = Some(now);
        self.bytes_up_before = bytes_up;
        self.loads.iter_mut().for_each(|load| load.open(now));
        if let Some(turns) = &mut self.turns {
            turns.next_at = Some(now);
        }
    }

    pub(crate) fn load(&mut self, now: Instant) {
        let client = &mut self.ends[Side::Client.index()];
        for load in &mut self.loads {
            let due = load.deadline().is_some_and(|at| at <= now);
            if due || self.touched[Side::Client.index()] {
                self.touched[Side::Client.index()] |=
                    load.act(now, client.as_mut(), &mut self.ledgers);
            }
        }
    }

    pub(crate) fn note_delivered(
        &mut self,
        now: Instant,
        message: &Delivered,
        digest: &mut Digest,
    ) {
        let tag = self.ledgers.deliver(now, message);
        digest.number(now.as_micros());
        digest.number(tag.map_or(u64::MAX, |tag| tag << 1 | message.kind as u64));
        if let (Some(turns), Some(_)) = (&mut self.turns, tag)
            && turns.left > 0
        {
            turns.next_at = Some(now + turns.think);
        }
    }
}
