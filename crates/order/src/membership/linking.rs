//! Links that begin and end, and calls that fail. Keeps: whatever the other end says, at most [`LINKS_MAX`] peers are
//! linked, none of them ourselves.

use std::net::SocketAddr;
use std::time::Duration;

use lamparina_protocol::peer::control::{Parting, SIGHTINGS_MAX, Sighting};
use lamparina_protocol::peer::{Control, Incarnation, PeerHello};
use lamparina_protocol::{AuthorKey, Instant};

use super::election::Heard;
use super::links::{Due, LINKS_PER_PEER_MAX, Live};
use super::table::{Presence, Who, is_portable};
use super::topology::LINKS_MAX;
use super::types::{Attempt, Closing, Departure, Event, Output, Source};
use super::{Membership, OURSELVES_MAX};
use crate::LinkId;

/// Peers told of when a link begins, at most.
pub(super) const TOLD_MAX: usize = 512;
/// Whoever closed a link because it needs it no more is left alone for so long.
pub(super) const PARTING_LASTS: Duration = Duration::from_secs(30);

impl Membership {
    #[expect(clippy::too_many_arguments, reason = "what the input holds")]
    pub(super) fn on_link_up(
        &mut self,
        now: Instant,
        link: LinkId,
        attempt: Option<Attempt>,
        key: AuthorKey,
        hello: &PeerHello,
        addr: SocketAddr,
        out: &mut Vec<Output>,
    ) {
        let called = attempt.and_then(|attempt| self.end_attempt(attempt));
        if self.has_left {
            return;
        }
        if key == self.key {
            if hello.incarnation != self.own.incarnation {
                out.push(Output::Event(Event::SameKey(addr)));
            }
            self.is_ourselves(called.map(|(_, addr)| addr));
            let why = Closing::Ourselves;
            out.push(Output::Close { link, why });
            return;
        }
        if let Some((Who::Key(other), _)) = called
            && other != key
        {
            self.note_failure(now, &Who::Key(other));
        }
        self.end_earlier_lives(now, key, hello.incarnation, out);
        if !self.make_room(now, key, link, out) {
            return;
        }
        let is_linked = |key: &AuthorKey| self.links.is_linked(key);
        let who = Who::Key(key);
        let made = self.table.make(now, who, &self.config, is_linked);
        if made.is_none() {
            // Nobody can be forgotten for it: all are linked or given.
            Self::part(link, Parting::Full, out);
            return;
        }
        let inbound = attempt.is_none();
        let listens = match called {
            Some((_, addr)) => addr,
            None => SocketAddr::new(addr.ip(), hello.port),
        };
        self.table.learn(&who, listens, !inbound);
        let life = (key, hello.incarnation);
        let live = Live::new(life, inbound, addr, now, &self.config);
        let is_first = self.links.is_empty();
        self.links.insert(now, link, live);
        self.note_link(now, key, hello, listens, out);
        if is_first {
            self.elect(now, Heard::Linked(true), None, out);
        }
        self.greet(now, link, out);
        self.upkeep_at = now;
    }

    /// A peer that started anew has nothing to do with its links of before, and does not coordinate.
    fn end_earlier_lives(
        &mut self,
        now: Instant,
        key: AuthorKey,
        life: Incarnation,
        out: &mut Vec<Output>,
    ) {
        for link in self.links.of_earlier_lives(&key, life) {
            let why = Closing::Dead;
            out.push(Output::Close { link, why });
            self.links.remove(link);
        }
        let known = self.table.get(&key).and_then(|entry| entry.incarnation);
        if self.is_coordinator(&key) && known.is_some_and(|known| known < life) {
            self.elect(now, Heard::Lost, None, out);
        }
    }

    /// What both sides say first on a link.
    fn greet(&mut self, now: Instant, link: LinkId, out: &mut Vec<Output>) {
        self.send_heartbeat(now, link, out);
        let at = None;
        let record = self.record.clone();
        let mut sightings = vec![Sighting { record, at }];
        let others = self
            .table
            .keyed()
            .filter(|(key, entry)| entry.is_here() && self.links.key(link) != Some(**key));
        let others = others.filter_map(|(_, entry)| entry.sighting());
        sightings.extend(others.take(TOLD_MAX));
        for sighting in &mut sightings {
            sighting.at = self.portable(sighting.at, link);
        }
        for part in sightings.chunks(SIGHTINGS_MAX) {
            Self::send(link, &Control::Peers(part.to_vec()), out);
        }
        self.tell_coordinator(now, link, out);
    }

    /// An address, if it means the same at the other end.
    pub(super) fn portable(&mut self, at: Option<SocketAddr>, link: LinkId) -> Option<SocketAddr> {
        let live = self.links.get_mut(link)?;
        let same_host = live.addr.ip().is_loopback();
        at.filter(|at| same_host || is_portable(at))
    }

    /// Whether another link fits; where it does not, it or one that nobody needs is closed.
    fn make_room(
        &mut self,
        now: Instant,
        key: AuthorKey,
        link: LinkId,
        out: &mut Vec<Output>,
    ) -> bool {
        let of_peer = self.links.of(&key).count();
        if of_peer >= LINKS_PER_PEER_MAX {
            Self::part(link, Parting::Duplicate, out);
            return false;
        }
        if of_peer > 0 || self.links.keys().len() < LINKS_MAX {
            return true;
        }
        let ring = self.plan_with(Some(key)).ring;
        let is_given = |key: &AuthorKey| self.table.get(key).is_some_and(|entry| entry.given);
        let mut others: Vec<AuthorKey> = self.links.keys().into_iter().collect();
        others.retain(|other| !ring.contains(other) && !is_given(other));
        let is_needed = ring.contains(&key) || is_given(&key);
        match self.chance.take(&mut others).filter(|_| is_needed) {
            Some(other) => {
                self.part_with(now, other, Parting::Full, out);
                true
            }
            None => {
                Self::part(link, Parting::Full, out);
                false
            }
        }
    }

    pub(super) fn part(link: LinkId, parting: Parting, out: &mut Vec<Output>) {
        Self::send(link, &Control::Parting(parting), out);
        let why = Closing::Parting(parting);
        out.push(Output::Close { link, why });
    }

    /// Closes all links with `key`, for there is no need of them.
    pub(super) fn part_with(
        &mut self,
        now: Instant,
        key: AuthorKey,
        parting: Parting,
        out: &mut Vec<Output>,
    ) {
        let links: Vec<LinkId> = self.links.of(&key).collect();
        for link in links {
            Self::part(link, parting, out);
            self.forget_link(now, link, true, out);
        }
    }

    /// A link proves that a peer is there, and in which life.
    fn note_link(
        &mut self,
        now: Instant,
        key: AuthorKey,
        hello: &PeerHello,
        listens: SocketAddr,
        out: &mut Vec<Output>,
    ) {
        let Some(entry) = self.table.get_mut(&key) else {
            return;
        };
        if hello.incarnation > entry.version().0 {
            entry.record = None;
        }
        if hello.incarnation >= entry.incarnation.unwrap_or(Incarnation(0)) {
            entry.incarnation = Some(hello.incarnation);
            entry.name = Some(hello.name.clone());
        }
        if listens.port() != 0 {
            entry.at = Some(listens);
        }
        entry.successes = entry.successes.saturating_add(1);
        entry.dialling.succeed(&self.config);
        (entry.was_linked, entry.hearsay) = (true, false);
        (entry.unlinked, entry.last_seen) = (None, Some(now));
        entry.fresh = now;
        if !entry.is_here() {
            entry.presence = Presence::Here;
            out.push(Output::Event(Event::Joined(key)));
        }
    }

    /// An address leads to ourselves.
    fn is_ourselves(&mut self, addr: Option<SocketAddr>) {
        if let Some(addr) = addr {
            self.table.unlearn(&addr);
            if self.ourselves.len() < OURSELVES_MAX {
                self.ourselves.insert(addr);
            }
        }
    }

    fn end_attempt(&mut self, attempt: Attempt) -> Option<(Who, SocketAddr)> {
        let called = self.attempts.remove(&attempt)?;
        if let Some(entry) = self.table.entry_mut(&called.0)
            && entry.dialling.attempt() == Some(attempt)
        {
            entry.dialling.end();
        }
        Some(called)
    }

    pub(super) fn on_dial_failed(&mut self, now: Instant, attempt: Attempt) {
        if let Some((who, _)) = self.attempts.remove(&attempt) {
            self.note_failure(now, &who);
        }
    }

    fn note_failure(&mut self, now: Instant, who: &Who) {
        let Some(entry) = self.table.entry_mut(who) else {
            return;
        };
        entry.failures = entry.failures.saturating_add(1);
        entry.dialling.fail(now, &self.config, &mut self.chance);
        // Another address next time.
        if !entry.addrs.is_empty() {
            entry.addrs.rotate_left(1);
        }
        let is_over = entry.dialling.next(&self.config, entry.given).is_none();
        if is_over && matches!(who, Who::Addr(_)) {
            self.table.forget(who);
        }
        self.upkeep_at = now;
    }

    pub(super) fn on_link_down(&mut self, now: Instant, link: LinkId, out: &mut Vec<Output>) {
        self.forget_link(now, link, false, out);
    }

    /// A link is gone. `parted`: its other end is there, and nobody needs the link.
    pub(super) fn forget_link(
        &mut self,
        now: Instant,
        link: LinkId,
        parted: bool,
        out: &mut Vec<Output>,
    ) {
        let Some(live) = self.links.remove(link) else {
            return;
        };
        if self.toward == Some(link) {
            self.toward = None;
        }
        let key = live.key;
        if self.links.is_linked(&key) {
            return;
        }
        let bias = self.bias(&key);
        if let Some(entry) = self.table.get_mut(&key) {
            (entry.last_seen, entry.fresh) = (Some(now), now);
            entry.dialling.lose(now + bias, &mut self.chance);
            if parted {
                entry.dialling.rest(now + PARTING_LASTS);
            } else if entry.is_here() {
                entry.unlinked = Some(now);
            }
        }
        // Whoever parted with us is there: its announcements come by other ways.
        if !parted && self.is_coordinator(&key) {
            self.elect(now, Heard::Lost, None, out);
        }
        if self.links.is_empty() {
            self.elect(now, Heard::Linked(false), None, out);
            self.discovery.alone(now);
        }
        self.upkeep_at = now;
    }

    /// Of two that lose each other the one with the greater key calls first.
    pub(super) fn bias(&self, key: &AuthorKey) -> Duration {
        match self.key > *key {
            true => Duration::ZERO,
            false => Duration::from_millis(400),
        }
    }

    pub(super) fn is_coordinator(&self, key: &AuthorKey) -> bool {
        let coordinator = self.election.coordinator();
        coordinator.is_some_and(|coordinator| coordinator.key == *key)
    }

    pub(super) fn on_bye(&mut self, now: Instant, link: LinkId, out: &mut Vec<Output>) {
        let Some(key) = self.links.key(link) else {
            return;
        };
        if let Some(entry) = self.table.get_mut(&key)
            && entry.is_here()
        {
            entry.presence = Presence::Away(Departure::Left);
            entry.unlinked = None;
            let why = Departure::Left;
            out.push(Output::Event(Event::Left { key, why }));
        }
        if self.is_coordinator(&key) {
            self.elect(now, Heard::Lost, None, out);
        }
        self.upkeep_at = now;
    }

    pub(super) fn on_heard(&mut self, now: Instant, link: LinkId, out: &mut Vec<Output>) {
        if self.links.heard(now, link)
            && let Some(key) = self.links.key(link)
        {
            let silent = false;
            out.push(Output::Event(Event::Suspected { key, silent }));
        }
    }

    pub(super) fn send_heartbeat(&mut self, now: Instant, link: LinkId, out: &mut Vec<Output>) {
        let coordinator = self.election.coordinator();
        let Some(live) = self.links.get_mut(link) else {
            return;
        };
        let (beat, echo, held_micros) = live.beat(now, &self.config);
        let heartbeat = Control::Heartbeat {
            beat,
            echo,
            held_micros,
            coordinator,
        };
        Self::send(link, &heartbeat, out);
    }

    pub(super) fn tick_links(&mut self, now: Instant, out: &mut Vec<Output>) {
        for due in self.links.due(now, &self.config) {
            match due {
                Due::Heartbeat(link) => self.send_heartbeat(now, link, out),
                Due::Suspected(link, silent) => {
                    if let Some(key) = self.links.key(link) {
                        out.push(Output::Event(Event::Suspected { key, silent }));
                        if self.is_coordinator(&key) && !self.links.is_healthy(&key) {
                            self.elect(now, Heard::Lost, None, out);
                        }
                    }
                }
                Due::Dead(link) => {
                    let why = Closing::Dead;
                    out.push(Output::Close { link, why });
                    self.forget_link(now, link, false, out);
                }
                Due::Duplicate(link) => {
                    Self::part(link, Parting::Duplicate, out);
                    self.forget_link(now, link, false, out);
                }
            }
        }
    }

    pub(super) fn on_address(&mut self, now: Instant, addr: SocketAddr, source: Source) {
        if self.ourselves.contains(&addr) || !super::table::is_callable(&addr) {
            return;
        }
        let who = self.table.at(&addr).unwrap_or(Who::Addr(addr));
        let is_linked = |key: &AuthorKey| self.links.is_linked(key);
        let made = self.table.make(now, who, &self.config, is_linked);
        if let Some(entry) = made {
            entry.hearsay = false;
            entry.dialling.allow_one(now, &self.config);
        }
        if source == Source::Given {
            self.table.give(addr);
        }
        self.upkeep_at = now;
    }

    pub(super) fn on_own_addresses(&mut self, mut addrs: Vec<SocketAddr>) {
        addrs.truncate(lamparina_protocol::peer::record::ADDRS_MAX);
        if addrs != self.own.addrs {
            self.own.addrs = addrs;
            self.publish_soon();
        }
    }

    pub(super) fn on_reconnect(&mut self, now: Instant) {
        self.ourselves.clear();
        for (_, entry) in self.table.iter_mut() {
            entry.dialling.reset(&self.config, now);
        }
        self.discovery.alone(now);
        self.upkeep_at = now;
    }
}
