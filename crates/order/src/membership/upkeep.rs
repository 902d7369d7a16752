//! What is due among the peers: whom to call, who is lost, which link is one too many. Keeps: calls under way and
//! calls a second are bounded, whatever the table holds.

use std::time::Duration;

use lamparina_protocol::peer::control::Parting;
use lamparina_protocol::{AuthorKey, Instant};

use super::table::{Entry, Presence, Who};
use super::topology::{Candidate, LINKS_MAX, MESH_MAX, Plan, plan};
use super::types::{Attempt, Departure, Event, Output};
use super::{DIALS_MAX, Membership};

/// A peer whose last link broke is lost when there is none again after so long.
pub(super) const LOST_AFTER: Duration = Duration::from_secs(2);
/// Records that are not told again for so many times their interval are stale.
const REFRESHES_MISSED: u32 = 3;
/// One of those that are not called any more is tried after so long; three times as often by who is alone.
pub(super) const LAST_RESORT_EVERY: Duration = Duration::from_secs(30);
/// Links that are too many go one by one, so far apart.
pub(super) const PRUNE_EVERY: Duration = Duration::from_secs(1);
/// Whoever could not be called so often in a row does not count for the ring.
const UNREACHABLE_AFTER: u32 = 2;
/// Between two looks at the table there is at least this..
const UPKEEP_APART: Duration = Duration::from_millis(20);
/// ..and at most this.
const UPKEEP_EVERY: Duration = Duration::from_secs(1);
/// Who is to be called while there is no room is looked at again after so long.
const NO_ROOM_WAIT: Duration = Duration::from_millis(250);

impl Membership {
    pub(super) fn upkeep(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.upkeep_at = now + UPKEEP_EVERY;
        self.give_up_attempts(now);
        self.note_absent(now, out);
        let plan = self.plan_with(None);
        self.prune(now, &plan, out);
        let next = self.dial(now, &plan, out);
        let resort = self.last_resort(now, out);
        let soonest = next.map_or(resort, |next| next.min(resort));
        // Something of the above may have asked for another look at once.
        self.upkeep_at = self.upkeep_at.min(soonest).max(now + UPKEEP_APART);
    }

    fn give_up_attempts(&mut self, now: Instant) {
        let over = |(_, entry): (&Who, &Entry)| {
            let attempt = entry.dialling.attempt()?;
            entry.dialling.gives_up().filter(|at| now >= *at)?;
            Some(attempt)
        };
        let over: Vec<Attempt> = self.table.iter().filter_map(over).collect();
        for attempt in over {
            self.on_dial_failed(now, attempt);
        }
    }

    /// Those whose links broke, and those of whom nobody speaks any more.
    fn note_absent(&mut self, now: Instant, out: &mut Vec<Output>) {
        let silent = self.config.refresh_every * REFRESHES_MISSED;
        let (mut lost, mut stale) = (Vec::new(), Vec::new());
        for (key, entry) in self.table.keyed() {
            if !entry.is_here() || self.links.is_linked(key) {
                continue;
            }
            if entry.unlinked.is_some_and(|at| now >= at + LOST_AFTER) {
                lost.push(*key);
            } else if now >= entry.fresh + silent {
                stale.push(*key);
            }
        }
        for key in lost {
            self.lose(now, key, None, out);
        }
        for key in stale {
            let why = Departure::Silent;
            if let Some(entry) = self.table.get_mut(&key) {
                entry.presence = Presence::Away(why);
            }
            out.push(Output::Event(Event::Left { key, why }));
        }
    }

    /// With whom to be linked; as if `also` were linked.
    pub(super) fn plan_with(&mut self, also: Option<AuthorKey>) -> Plan {
        let linked = self.links.keys();
        let mut candidates: Vec<Candidate> = Vec::new();
        for (key, entry) in self.table.keyed() {
            let is_linked = linked.contains(key) || also == Some(*key);
            if is_linked || entry.is_here() {
                candidates.push(Candidate {
                    key: *key,
                    linked: is_linked,
                    dialled: entry.dialling.attempt().is_some(),
                    reachable: is_linked || entry.dialling.failures() < UNREACHABLE_AFTER,
                });
            }
        }
        plan(&self.key, &candidates, &mut self.chance)
    }

    fn prune(&mut self, now: Instant, plan: &Plan, out: &mut Vec<Output>) {
        let Some(key) = plan.surplus.filter(|_| now >= self.prune_at) else {
            return;
        };
        self.prune_at = now + PRUNE_EVERY;
        if self.table.get(&key).is_some_and(|entry| !entry.given) {
            self.part_with(now, key, Parting::Pruned, out);
        }
    }

    /// Whether somebody who is not linked is to be.
    fn is_wanted(&self, who: &Who, entry: &Entry, plan: &Plan) -> bool {
        if entry.given {
            return true;
        }
        let Who::Key(key) = who else {
            return true;
        };
        if entry.hearsay && !self.config.mesh {
            return false;
        }
        match entry.presence {
            Presence::Here => plan.wanted.contains(key),
            // In a small group everybody is looked for where it was.
            Presence::Away(Departure::Lost | Departure::Silent) => {
                plan.ring.is_empty() && (entry.was_linked || !entry.hearsay)
            }
            Presence::Away(Departure::Left) | Presence::Unknown => false,
        }
    }

    /// Calls whom to call now; gives when the next is due.
    fn dial(&mut self, now: Instant, plan: &Plan, out: &mut Vec<Output>) -> Option<Instant> {
        let linked = self.links.keys();
        let mut due: Vec<(Instant, Who)> = Vec::new();
        for (who, entry) in self.table.iter() {
            let is_linked = matches!(who, Who::Key(key) if linked.contains(key));
            if is_linked || has_left(entry) || entry.addrs.is_empty() {
                continue;
            }
            if let Some(next) = entry.dialling.next(&self.config, entry.given)
                && self.is_wanted(who, entry, plan)
            {
                due.push((next, *who));
            }
        }
        due.sort_unstable();
        for (at, who) in due {
            if at > now {
                return Some(at);
            }
            let room = linked.len() + self.attempts.len() < LINKS_MAX;
            if !room || self.attempts.len() >= DIALS_MAX {
                return Some(now + NO_ROOM_WAIT);
            }
            if let Err(wait) = self.dials.take(now) {
                return Some(now + wait);
            }
            self.call(now, who, out);
        }
        None
    }

    fn call(&mut self, now: Instant, who: Who, out: &mut Vec<Output>) {
        let attempt = Attempt(self.last_attempt + 1);
        let Some(entry) = self.table.entry_mut(&who) else {
            return;
        };
        if let Some(addr) = entry.addrs.first().copied() {
            self.last_attempt = attempt.0;
            entry.dialling.begin(now, attempt);
            self.attempts.insert(attempt, (who, addr));
            out.push(Output::Dial { attempt, addr });
        }
    }

    /// Somebody who is not called any more, now and then: two groups that lost each other long ago meet again.
    fn last_resort(&mut self, now: Instant, out: &mut Vec<Output>) -> Instant {
        if now < self.last_resort_at {
            return self.last_resort_at;
        }
        let every = match self.links.is_empty() {
            true => LAST_RESORT_EVERY / 3,
            false => LAST_RESORT_EVERY,
        };
        self.last_resort_at = now + self.chance.jitter(every * 4 / 3);
        let linked = self.links.keys();
        let mut idle: Vec<Who> = Vec::new();
        for (who, entry) in self.table.iter() {
            let Who::Key(key) = who else { continue };
            let is_idle = !linked.contains(key) && entry.dialling.attempt().is_none();
            let is_over = entry.dialling.next(&self.config, entry.given).is_none();
            let may = self.config.mesh || !entry.hearsay;
            if is_idle && may && !has_left(entry) && (is_over || !entry.is_here()) {
                idle.push(*who);
            }
        }
        let room = linked.len() + self.attempts.len() < LINKS_MAX.min(MESH_MAX);
        if let Some(who) = self.chance.take(&mut idle)
            && room
            && self.attempts.len() < DIALS_MAX
        {
            self.call(now, who, out);
        }
        self.last_resort_at
    }
}

/// It said so, in this life.
fn has_left(entry: &Entry) -> bool {
    entry.presence == Presence::Away(Departure::Left)
}
