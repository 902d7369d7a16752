//! PINGs of one connection: one each interval, whoever dialled (rules 10 and 19); so many without a
//! sign of life, and the connection is dead.

use std::collections::VecDeque;
use std::time::Duration;

use lamparina_protocol::Instant;

use crate::ids::MsgId;
use crate::limits::{PINGS_MISSED_MAX, PINGS_WAITING_MAX};

#[derive(Clone, Debug)]
pub(super) struct Pings {
    every: Duration,
    within: Duration,
    next: Instant,
    waiting: VecDeque<(MsgId, Instant)>,
    missed: u32,
}

impl Pings {
    pub(super) fn new(now: Instant, every: Duration, within: Duration) -> Self {
        Self {
            every,
            within,
            next: now + every,
            waiting: VecDeque::new(),
            missed: 0,
        }
    }

    /// The handshake is over: the first one is due an interval later.
    pub(super) fn start(&mut self, now: Instant) {
        self.next = now + self.every;
    }

    /// Whether it is time for one; then the next one is due an interval later.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now + self.every;
        }
        due
    }

    /// One leaves now.
    pub(super) fn sent(&mut self, msg_id: MsgId, now: Instant) {
        if self.waiting.len() == PINGS_WAITING_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back((msg_id, now));
    }

    /// The round trip of the PING that this answers. Without an id it is taken for the oldest one.
    pub(super) fn answered(&mut self, msg_id: Option<&MsgId>, now: Instant) -> Option<Duration> {
        let mut waiting = self.waiting.iter();
        let at = match msg_id {
            None => 0,
            Some(msg_id) => waiting.position(|(one, _)| one == msg_id)?,
        };
        self.waiting.remove(at).map(|(_, sent)| {
            self.missed = 0;
            now - sent
        })
    }

    /// Whatever comes is a sign of life.
    pub(super) const fn heard(&mut self) {
        self.missed = 0;
    }

    /// Gives up what is late: how many in a row by now, where there is one more.
    pub(super) fn late(&mut self, now: Instant) -> Option<u32> {
        let before = self.missed;
        while self
            .waiting
            .front()
            .is_some_and(|&(_, sent)| now >= sent + self.within)
        {
            self.waiting.pop_front();
            self.missed += 1;
        }
        (self.missed > before).then_some(self.missed)
    }

    pub(super) const fn is_dead(&self) -> bool {
        self.missed >= PINGS_MISSED_MAX
    }

    pub(super) fn deadline(&self) -> Instant {
        let late = self.waiting.front().map(|&(_, sent)| sent + self.within);
        late.map_or(self.next, |late| late.min(self.next))
    }
}
