//! Who coordinates (bully). Keeps: a coordinator claims an epoch greater than all it knows, and only when it is on
//! disk; of two coordinators that see each other one stays, the greater by epoch, then by key; who is healthy is
//! not unseated by newcomers. Nothing else rests on who coordinates, nor on whether anybody does.
//!
//! In: what others say, proved and new (`news`). Out: what to say, and to whom.

use std::time::Duration;

use lamparina_protocol::peer::control::{Announced, Candidacy, Cause};
use lamparina_protocol::peer::{Coordinator, ElectionEpoch};
use lamparina_protocol::{AuthorKey, Instant};

/// How long a candidate waits for somebody greater to answer.
pub(super) const ELECTION_WAIT: Duration = Duration::from_millis(600);
/// How long it then waits for somebody greater to coordinate.
pub(super) const YIELD_WAIT: Duration = Duration::from_millis(1_500);
/// How long a peer that got its first link waits to hear of a coordinator.
pub(super) const JOIN_WAIT: Duration = Duration::from_secs(1);
/// A coordinator announces itself this often.
pub(super) const ANNOUNCE_EVERY: Duration = Duration::from_secs(1);
/// Without an announcement for so long a coordinator is lost.
pub(super) const ANNOUNCEMENT_MISSED: Duration = Duration::from_secs(3);
/// No two announcements of one coordinator are nearer than this.
const ANNOUNCE_APART: Duration = Duration::from_millis(200);
/// A peer up for less does not challenge a living coordinator.
pub(super) const HOLD_AFTER_START: Duration = Duration::from_secs(10);
/// Nobody challenges a coordinator that is newer than this.
pub(super) const HOLD_AFTER_CHANGE: Duration = Duration::from_secs(5);
/// So often in a row a candidate waits in vain for somebody greater; then it coordinates.
const YIELDS_MAX: u8 = 3;
/// What is left of [`ANNOUNCEMENT_MISSED`] when somebody says that the coordinator is lost.
const DOUBTED: Duration = Duration::from_secs(1);

const _: () = assert!(ELECTION_WAIT.as_millis() < YIELD_WAIT.as_millis());
const _: () = assert!(ANNOUNCEMENT_MISSED.as_millis() >= 3 * ANNOUNCE_EVERY.as_millis());
const _: () = assert!(DOUBTED.as_millis() < ANNOUNCEMENT_MISSED.as_millis());

/// What an election hears.
#[derive(Clone, Debug)]
pub(super) enum Heard<'a> {
    /// Time has passed.
    Tick,
    /// Whether there is any link now.
    Linked(bool),
    /// The coordinator's link died, is silent, or it said that it leaves.
    Lost,
    /// Somebody says that the coordinator is lost.
    Doubted,
    /// ELECTION, proved and new. Whether we have a link to our coordinator on which it is heard.
    Election {
        candidacy: &'a Candidacy,
        healthy: bool,
    },
    /// ELECTION_OK from a neighbour.
    Ok {
        from: AuthorKey,
        candidate: AuthorKey,
        round: u64,
    },
    /// COORDINATOR_ANNOUNCEMENT, proved and new.
    Announcement(&'a Announced),
    /// Who a neighbour says coordinates.
    Seen(Option<Coordinator>),
    /// An epoch is on disk.
    Persisted(ElectionEpoch),
}

/// What an election wants done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Do {
    /// Flood ELECTION of our own.
    Elect {
        round: u64,
        epoch: ElectionEpoch,
        cause: Cause,
    },
    /// Flood an announcement of our own.
    Announce(Announced),
    /// Pass what came on to all other links.
    Forward,
    /// Answer ELECTION_OK where it came from.
    AnswerOk,
    /// Send the coordinator's newest announcement where it came from.
    Tell,
    /// Put the epoch on disk, then say [`Heard::Persisted`].
    Persist(ElectionEpoch),
    /// Somebody else coordinates now, or nobody.
    Changed(Option<Coordinator>),
}

/// The part in an election.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// Elections are switched off.
    Off,
    /// None is under way. When to begin one, where nobody coordinates and somebody is linked.
    Quiet { elect_at: Option<Instant> },
    /// Asked for one; nobody greater has answered yet.
    Electing { until: Instant, cause: Cause },
    /// Somebody greater is there and should coordinate soon.
    Yielding { until: Instant },
    /// Won; waits for the disk.
    Claiming { epoch: ElectionEpoch },
    /// Coordinates.
    Coordinating { last: Instant, beat: u64 },
}

/// A coordinator that is believed to be there.
#[derive(Clone, Copy, Debug)]
struct Followed {
    coordinator: Coordinator,
    /// When it announced itself last.
    heard: Instant,
}

/// One peer's part in elections.
#[derive(Clone, Debug)]
pub(super) struct Election {
    own: AuthorKey,
    started: Instant,
    linked: bool,
    /// The greatest epoch on disk or heard of.
    known: ElectionEpoch,
    /// Ourselves while we coordinate.
    followed: Option<Followed>,
    /// When that changed last.
    changed: Instant,
    phase: Phase,
    round: u64,
    /// How often in a row we yielded in vain.
    yields: u8,
}

impl Election {
    pub(super) const fn new(
        own: AuthorKey,
        persisted: ElectionEpoch,
        on: bool,
        now: Instant,
    ) -> Self {
        Self {
            own,
            started: now,
            linked: false,
            known: persisted,
            followed: None,
            changed: now,
            phase: if on {
                Phase::Quiet { elect_at: None }
            } else {
                Phase::Off
            },
            round: 0,
            yields: 0,
        }
    }

    pub(super) fn coordinator(&self) -> Option<Coordinator> {
        self.followed.map(|followed| followed.coordinator)
    }

    pub(super) const fn coordinates(&self) -> bool {
        matches!(self.phase, Phase::Coordinating { .. })
    }

    /// Time during which we slept and could not hear.
    pub(super) fn slept(&mut self, time: Duration) {
        if let Some(followed) = &mut self.followed {
            followed.heard += time;
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let missed = self
            .followed
            .filter(|followed| followed.coordinator.key != self.own)
            .map(|followed| followed.heard + ANNOUNCEMENT_MISSED);
        let phase = match self.phase {
            Phase::Off | Phase::Claiming { .. } => None,
            Phase::Quiet { elect_at } => elect_at.or_else(|| self.challenge_at()),
            Phase::Electing { until, .. } | Phase::Yielding { until } => Some(until),
            Phase::Coordinating { last, .. } => Some(last + ANNOUNCE_EVERY),
        };
        [missed, phase].into_iter().flatten().min()
    }

    pub(super) fn handle(&mut self, now: Instant, heard: Heard<'_>, out: &mut Vec<Do>) {
        if self.phase == Phase::Off {
            if matches!(heard, Heard::Election { .. } | Heard::Announcement(_)) {
                out.push(Do::Forward);
            }
            return;
        }
        match heard {
            Heard::Tick => self.on_tick(now, out),
            Heard::Linked(linked) => self.on_linked(now, linked),
            Heard::Lost => self.on_lost(now, out),
            Heard::Doubted => self.doubt(now),
            Heard::Election { candidacy, healthy } => {
                self.on_election(now, candidacy, healthy, out);
            }
            Heard::Ok {
                from,
                candidate,
                round,
            } => {
                // Who answers is greater, or knows a coordinator: else it has no reason to.
                let is_ours = candidate == self.own && round == self.round;
                if is_ours && (from > self.own || self.followed.is_some()) {
                    self.yield_to_greater(now);
                }
            }
            Heard::Announcement(announced) => self.on_announcement(now, announced, out),
            Heard::Seen(coordinator) => {
                // `None` is less than any.
                if self.coordinator() > coordinator {
                    out.push(Do::Tell);
                }
            }
            Heard::Persisted(epoch) => self.on_persisted(now, epoch, out),
        }
    }

    fn on_tick(&mut self, now: Instant, out: &mut Vec<Do>) {
        let is_missed = |followed: &Followed| now >= followed.heard + ANNOUNCEMENT_MISSED;
        if !self.coordinates() && self.followed.as_ref().is_some_and(is_missed) {
            self.on_lost(now, out);
        }
        match self.phase {
            Phase::Quiet { elect_at } => {
                if elect_at.is_some_and(|at| now >= at) {
                    self.elect(now, Cause::Lost, out);
                } else if self.challenge_at().is_some_and(|at| now >= at) {
                    self.elect(now, Cause::Challenge, out);
                }
            }
            Phase::Electing { until, .. } if now >= until => self.claim(now, out),
            Phase::Yielding { until } if now >= until => self.stop_yielding(now, out),
            Phase::Coordinating { last, .. } if now >= last + ANNOUNCE_EVERY => {
                self.announce(now, out);
            }
            _ => {}
        }
    }

    /// When we may challenge a lesser coordinator.
    fn challenge_at(&self) -> Option<Instant> {
        let followed = self.followed.filter(|_| self.linked)?;
        if followed.coordinator.key >= self.own {
            return None;
        }
        Some((self.started + HOLD_AFTER_START).max(self.changed + HOLD_AFTER_CHANGE))
    }

    fn elect(&mut self, now: Instant, cause: Cause, out: &mut Vec<Do>) {
        self.round += 1;
        let until = now + ELECTION_WAIT;
        self.phase = Phase::Electing { until, cause };
        let (round, epoch) = (self.round, self.known);
        out.push(Do::Elect {
            round,
            epoch,
            cause,
        });
    }

    /// Nobody greater has answered.
    fn claim(&mut self, now: Instant, out: &mut Vec<Do>) {
        let Some(epoch) = self.known.next() else {
            // The last epoch is used: nobody coordinates any more but who does already.
            self.phase = Phase::Yielding {
                until: now + HOLD_AFTER_START,
            };
            return;
        };
        self.known = epoch;
        self.phase = Phase::Claiming { epoch };
        out.push(Do::Persist(epoch));
    }

    fn on_persisted(&mut self, now: Instant, persisted: ElectionEpoch, out: &mut Vec<Do>) {
        let Phase::Claiming { epoch } = self.phase else {
            return;
        };
        if epoch != persisted {
            return;
        }
        let key = self.own;
        let coordinator = Coordinator { epoch, key };
        self.follow(now, coordinator, out);
        self.phase = Phase::Coordinating { last: now, beat: 0 };
        self.announce(now, out);
    }

    fn announce(&mut self, now: Instant, out: &mut Vec<Do>) {
        let (Phase::Coordinating { last, beat }, Some(followed)) =
            (&mut self.phase, &self.followed)
        else {
            return;
        };
        *last = now;
        *beat += 1;
        let (coordinator, beat) = (followed.coordinator, *beat);
        out.push(Do::Announce(Announced { coordinator, beat }));
    }

    fn follow(&mut self, now: Instant, coordinator: Coordinator, out: &mut Vec<Do>) {
        self.known = self.known.max(coordinator.epoch);
        let heard = now;
        self.followed = Some(Followed { coordinator, heard });
        self.changed = now;
        self.yields = 0;
        self.phase = Phase::Quiet { elect_at: None };
        out.push(Do::Changed(Some(coordinator)));
    }

    fn on_linked(&mut self, now: Instant, linked: bool) {
        let is_first = linked && !self.linked;
        self.linked = linked;
        if self.coordinates() {
            return;
        }
        // Alone nobody needs a coordinator. Whoever took epochs while alone would unseat the
        // others' coordinator each time that it comes back.
        if !linked {
            self.phase = Phase::Quiet { elect_at: None };
        } else if is_first && self.followed.is_none() {
            let elect_at = Some(now + JOIN_WAIT);
            self.phase = Phase::Quiet { elect_at };
        }
    }

    fn on_lost(&mut self, now: Instant, out: &mut Vec<Do>) {
        if self.coordinates() || self.followed.take().is_none() {
            return;
        }
        self.changed = now;
        out.push(Do::Changed(None));
        if matches!(self.phase, Phase::Quiet { .. }) && self.linked {
            self.elect(now, Cause::Lost, out);
        }
    }

    /// The coordinator has to be heard soon now.
    fn doubt(&mut self, now: Instant) {
        if let Some(followed) = &mut self.followed {
            let age = now.saturating_since(followed.heard);
            let most = ANNOUNCEMENT_MISSED.saturating_sub(DOUBTED);
            if age < most {
                // Both are at most as long as the run: what cannot be subtracted from the beginning is none.
                let heard = now.as_micros().saturating_sub(most.as_micros() as u64);
                followed.heard = Instant::from_micros(heard);
            }
        }
    }

    fn on_election(
        &mut self,
        now: Instant,
        candidacy: &Candidacy,
        healthy: bool,
        out: &mut Vec<Do>,
    ) {
        if candidacy.key == self.own {
            return;
        }
        self.known = self.known.max(candidacy.epoch);
        let Some(followed) = self.followed else {
            return self.compete(now, candidacy, Cause::Lost, out);
        };
        let challenged =
            candidacy.cause == Cause::Challenge && candidacy.key > followed.coordinator.key;
        if self.coordinates() {
            match challenged {
                true => out.push(Do::Forward),
                false => self.assert_coordination(now, out),
            }
        } else if challenged {
            self.compete(now, candidacy, Cause::Challenge, out);
        } else if healthy || candidacy.cause == Cause::Challenge {
            out.extend([Do::AnswerOk, Do::Tell]);
        } else {
            // Whoever has no link to the coordinator cannot know better. Where it lives it hears of
            // this and announces itself.
            self.doubt(now);
            self.compete(now, candidacy, Cause::Lost, out);
        }
    }

    /// Somebody takes us for lost, or is less than we are.
    fn assert_coordination(&mut self, now: Instant, out: &mut Vec<Do>) {
        out.push(Do::AnswerOk);
        match self.phase {
            Phase::Coordinating { last, .. } if now >= last + ANNOUNCE_APART => {
                self.announce(now, out);
            }
            _ => out.push(Do::Tell),
        }
    }

    /// A candidate is passed on, or met by who is greater.
    fn compete(&mut self, now: Instant, candidacy: &Candidacy, cause: Cause, out: &mut Vec<Do>) {
        if candidacy.key > self.own {
            out.push(Do::Forward);
            self.yield_to_greater(now);
            return;
        }
        let may = match cause {
            Cause::Lost => true,
            Cause::Challenge => self.challenge_at().is_some_and(|at| now >= at),
        };
        if !may {
            out.push(Do::Forward);
            return;
        }
        out.push(Do::AnswerOk);
        if matches!(self.phase, Phase::Quiet { .. }) && self.linked {
            self.elect(now, cause, out);
        }
    }

    fn yield_to_greater(&mut self, now: Instant) {
        let waits = match self.phase {
            Phase::Electing { .. } | Phase::Claiming { .. } => true,
            Phase::Quiet { .. } => self.followed.is_none(),
            Phase::Yielding { .. } | Phase::Coordinating { .. } | Phase::Off => false,
        };
        // Who is always answered and never led is answered by somebody who cannot or will not.
        if waits && self.yields < YIELDS_MAX {
            self.yields += 1;
            let until = now + YIELD_WAIT;
            self.phase = Phase::Yielding { until };
        }
    }

    fn stop_yielding(&mut self, now: Instant, out: &mut Vec<Do>) {
        self.phase = Phase::Quiet { elect_at: None };
        if self.followed.is_some() {
            self.changed = now;
        } else if self.linked {
            self.elect(now, Cause::Lost, out);
        }
    }

    fn on_announcement(&mut self, now: Instant, announced: &Announced, out: &mut Vec<Do>) {
        let coordinator = announced.coordinator;
        self.known = self.known.max(coordinator.epoch);
        if coordinator.key == self.own {
            // Of an earlier life: the next claim is greater.
            return;
        }
        if let Phase::Claiming { epoch } = self.phase {
            let key = self.own;
            if coordinator < (Coordinator { epoch, key }) {
                return;
            }
        }
        match &mut self.followed {
            Some(followed) if followed.coordinator == coordinator => {
                followed.heard = now;
                if let Phase::Electing { cause, .. } = self.phase
                    && cause == Cause::Lost
                {
                    self.phase = Phase::Quiet { elect_at: None };
                    self.yields = 0;
                }
                out.push(Do::Forward);
            }
            Some(followed) if followed.coordinator > coordinator => out.push(Do::Tell),
            _ => {
                self.follow(now, coordinator, out);
                out.push(Do::Forward);
            }
        }
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
