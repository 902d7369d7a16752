//! The links that are open: heartbeats, round trips, silence, and two links where one is enough. Keeps: of two
//! links between the same two peers one goes, after a moment, and only one of the two decides which.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use lamparina_protocol::bucket::{Rate, TokenBucket};
use lamparina_protocol::peer::Incarnation;
use lamparina_protocol::{AuthorKey, Instant};

use super::types::{LinkInfo, MembershipConfig, Rtt};
use crate::LinkId;

/// How long a second link waits before one goes: what is under way on it still comes.
pub(super) const DUPLICATE_LASTS: Duration = Duration::from_secs(1);
/// After so long also the other side decides.
pub(super) const DUPLICATE_LASTS_LONG: Duration = Duration::from_secs(10);
/// Links with one peer, at most; a further one is closed at once.
pub(super) const LINKS_PER_PEER_MAX: usize = 3;
/// Control messages taken from a neighbour, a second; four times as many at once. What is over is dropped.
pub(super) const CONTROLS_PER_SECOND: u32 = 500;
/// Signatures checked for a neighbour, a second; eight times as many at once. What is over is dropped.
pub(super) const CHECKED_PER_SECOND: u32 = 128;
/// Heartbeats whose answer is waited for.
const BEATS_KEPT: usize = 16;

/// A link.
#[derive(Clone, Debug)]
pub(super) struct Live {
    pub(super) key: AuthorKey,
    /// The life of the peer at the other end.
    life: Incarnation,
    pub(super) inbound: bool,
    pub(super) addr: SocketAddr,
    since: Instant,
    heard: Instant,
    suspected: bool,
    /// Heartbeats that left, and when.
    beats: VecDeque<(u32, Instant)>,
    beat: u32,
    next_beat: Instant,
    /// The other side's newest, and when it came.
    theirs: Option<(u32, Instant)>,
    close_at: Option<Instant>,
    rtt: Rtt,
    controls: TokenBucket,
    checks: TokenBucket,
    /// When it was last told who coordinates.
    pub(super) told: Option<Instant>,
}

/// What time does to links.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    Heartbeat(LinkId),
    Suspected(LinkId, bool),
    Dead(LinkId),
    Duplicate(LinkId),
}

/// All open links.
#[derive(Clone, Debug)]
pub(super) struct Links {
    own: AuthorKey,
    links: BTreeMap<LinkId, Live>,
}

impl Live {
    pub(super) fn new(
        (key, life): (AuthorKey, Incarnation),
        inbound: bool,
        addr: SocketAddr,
        now: Instant,
        config: &MembershipConfig,
    ) -> Self {
        let bucket = |rate, times| TokenBucket::new(Rate::per_second(rate), rate * times, now);
        Self {
            key,
            life,
            inbound,
            addr,
            since: now,
            heard: now,
            suspected: false,
            beats: VecDeque::new(),
            beat: 0,
            next_beat: now + config.heartbeat_every,
            theirs: None,
            close_at: None,
            rtt: Rtt::default(),
            controls: bucket(CONTROLS_PER_SECOND, 4),
            checks: bucket(CHECKED_PER_SECOND, 8),
            told: None,
        }
    }

    pub(super) fn may_speak(&mut self, now: Instant) -> bool {
        self.controls.take(now).is_ok()
    }

    pub(super) fn may_be_checked(&mut self, now: Instant) -> bool {
        self.checks.take(now).is_ok()
    }

    /// The numbers of the next heartbeat: its own, the other side's newest, microseconds since that came.
    pub(super) fn beat(&mut self, now: Instant, config: &MembershipConfig) -> (u32, u32, u32) {
        self.beat = self.beat.wrapping_add(1);
        self.next_beat = now + config.heartbeat_every;
        self.beats.push_back((self.beat, now));
        if self.beats.len() > BEATS_KEPT {
            self.beats.pop_front();
        }
        let (echo, since) = self.theirs.unwrap_or((0, now));
        let held = now.saturating_since(since).as_micros();
        (self.beat, echo, u32::try_from(held).unwrap_or(u32::MAX))
    }

    /// The other side's heartbeat; a round trip, where it answers one of ours.
    pub(super) fn on_beat(
        &mut self,
        now: Instant,
        beat: u32,
        echo: u32,
        held_micros: u32,
    ) -> Option<Duration> {
        self.theirs = Some((beat, now));
        let at = self.beats.iter().position(|(sent, _)| *sent == echo)?;
        let (_, sent) = self.beats.drain(..=at).next_back()?;
        let held = Duration::from_micros(u64::from(held_micros));
        let rtt = now.saturating_since(sent).saturating_sub(held);
        self.rtt.add(rtt);
        Some(rtt)
    }
}

impl Links {
    pub(super) const fn new(own: AuthorKey) -> Self {
        let links = BTreeMap::new();
        Self { own, links }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    pub(super) fn get_mut(&mut self, link: LinkId) -> Option<&mut Live> {
        self.links.get_mut(&link)
    }

    pub(super) fn key(&self, link: LinkId) -> Option<AuthorKey> {
        self.links.get(&link).map(|live| live.key)
    }

    pub(super) fn ids(&self) -> Vec<LinkId> {
        self.links.keys().copied().collect()
    }

    /// Who is linked.
    pub(super) fn keys(&self) -> BTreeSet<AuthorKey> {
        self.links.values().map(|live| live.key).collect()
    }

    pub(super) fn of<'a>(&'a self, key: &'a AuthorKey) -> impl Iterator<Item = LinkId> + 'a {
        let links = self.links.iter();
        links
            .filter(move |(_, live)| live.key == *key)
            .map(|(link, _)| *link)
    }

    /// Links that lead to a life of `key` before `life`: nobody is at their other end any more.
    pub(super) fn of_earlier_lives(&self, key: &AuthorKey, life: Incarnation) -> Vec<LinkId> {
        let links = self.links.iter();
        links
            .filter(|(_, live)| live.key == *key && live.life < life)
            .map(|(link, _)| *link)
            .collect()
    }

    pub(super) fn is_linked(&self, key: &AuthorKey) -> bool {
        self.links.values().any(|live| live.key == *key)
    }

    /// Whether there is a link to `key` on which it is heard.
    pub(super) fn is_healthy(&self, key: &AuthorKey) -> bool {
        let mut links = self.links.values();
        links.any(|live| live.key == *key && !live.suspected)
    }

    /// Adds a link. Where there is another to the same peer, one of them is to go.
    pub(super) fn insert(&mut self, now: Instant, link: LinkId, live: Live) {
        let key = live.key;
        self.links.insert(link, live);
        let we_decide = self.own > key;
        let lasts = match we_decide {
            true => DUPLICATE_LASTS,
            false => DUPLICATE_LASTS_LONG,
        };
        // The one that the greater key called; of several the newest, for it was called because the
        // older ones did not answer.
        let good = |live: &Live| (live.inbound != we_decide, live.since);
        let links = self.links.iter().filter(|(_, live)| live.key == key);
        let kept = links.max_by_key(|(link, live)| (good(live), **link));
        let kept = kept.map(|(link, _)| *link);
        for (link, live) in &mut self.links {
            if live.key == key {
                let goes = Some(*link) != kept;
                live.close_at = goes.then(|| live.close_at.unwrap_or(now + lasts));
            }
        }
    }

    pub(super) fn remove(&mut self, link: LinkId) -> Option<Live> {
        let live = self.links.remove(&link)?;
        let mut rest = self
            .links
            .values_mut()
            .filter(|other| other.key == live.key);
        if let (Some(only), None) = (rest.next(), rest.next()) {
            only.close_at = None;
        }
        Some(live)
    }

    /// Something came: `true` when it was suspected.
    pub(super) fn heard(&mut self, now: Instant, link: LinkId) -> bool {
        let Some(live) = self.links.get_mut(&link) else {
            return false;
        };
        live.heard = now;
        std::mem::take(&mut live.suspected)
    }

    /// Time during which we slept and could not hear.
    pub(super) fn slept(&mut self, time: Duration) {
        self.links.values_mut().for_each(|live| live.heard += time);
    }

    pub(super) fn deadline(&self, config: &MembershipConfig) -> Option<Instant> {
        let of = |live: &Live| {
            let silent = match live.suspected {
                true => live.heard + config.dead_after,
                false => live.heard + config.suspected_after,
            };
            let close = live.close_at.unwrap_or(silent);
            live.next_beat.min(silent).min(close)
        };
        self.links.values().map(of).min()
    }

    pub(super) fn due(&mut self, now: Instant, config: &MembershipConfig) -> Vec<Due> {
        let mut due = Vec::new();
        let healthy = self
            .links
            .values()
            .filter(|live| live.close_at.is_none() && now < live.heard + config.suspected_after);
        let healthy: BTreeSet<AuthorKey> = healthy.map(|live| live.key).collect();
        for (link, live) in &mut self.links {
            // The one that was to stay is silent.
            if !healthy.contains(&live.key) {
                live.close_at = None;
            }
            if now >= live.heard + config.dead_after {
                due.push(Due::Dead(*link));
                continue;
            }
            if live.close_at.is_some_and(|at| now >= at) {
                due.push(Due::Duplicate(*link));
                continue;
            }
            if !live.suspected && now >= live.heard + config.suspected_after {
                live.suspected = true;
                due.push(Due::Suspected(*link, true));
            }
            if now >= live.next_beat {
                due.push(Due::Heartbeat(*link));
            }
        }
        due
    }

    pub(super) fn info(&self) -> Vec<LinkInfo> {
        let info = |(link, live): (&LinkId, &Live)| LinkInfo {
            link: *link,
            key: live.key,
            inbound: live.inbound,
            addr: live.addr,
            since: live.since,
            heard: live.heard,
            suspected: live.suspected,
            rtt: live.rtt,
        };
        self.links.iter().map(info).collect()
    }
}
