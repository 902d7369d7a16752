//! Whom to dial, where and when: what the rendezvous lists and has no connection, with waits that grow
//! and end (rules 21 to 24).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use lamparina_protocol::Instant;

use super::ConnectionId;
use crate::ids::PeerId;
use crate::limits::{AFTER_BYE, DIALS_MAX, TARGETS_MAX};
use crate::random::{Random, backoff};
use crate::record::Record;
use crate::settings::Settings;

#[derive(Clone, Debug)]
pub(super) struct Targets {
    settings: Arc<Settings>,
    random: Random,
    /// Where we listen, as the rendezvous sees it.
    own: Option<SocketAddr>,
    all: BTreeMap<PeerId, Target>,
    dials: u64,
}

#[derive(Clone, Debug)]
struct Target {
    addr: SocketAddr,
    expires_in: u64,
    failed: u32,
    state: State,
    /// Who answered there, where that was somebody else: a record may be older than its port's use.
    answers_as: Option<PeerId>,
}

/// What is to be done about a peer that the rendezvous lists.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// It is dialled then.
    Due(Instant),
    /// It is being dialled.
    Dialling {
        /// As what.
        connection: ConnectionId,
        /// On 127.0.0.1, as the second attempt (rule 24).
        loopback: bool,
    },
    /// It is connected.
    Linked,
    /// It is connected by our own frames.
    Replaced,
    /// It said BYE: until then, and until it is listed again, it is not dialled (rule 23).
    Left(Instant),
    /// It failed too often.
    GivenUp,
}

/// What follows from a dial that came to nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    Nothing,
    /// The second attempt.
    Dial(ConnectionId, SocketAddr),
    /// So many failed in a row.
    Failed(u32),
}

/// How the last connection to a peer ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lost {
    /// It said BYE.
    Bye,
    /// It lasted, or ended right after a PUB: no failure of ours (rule 18).
    Calmly,
    /// At once.
    Soon,
}

impl Targets {
    pub(super) const fn new(settings: Arc<Settings>, random: Random) -> Self {
        Self {
            settings,
            random,
            own: None,
            all: BTreeMap::new(),
            dials: 0,
        }
    }

    /// We are registered as this.
    pub(super) fn set_own(&mut self, own: SocketAddr) {
        self.own = Some(own);
        self.all.retain(|_, target| target.addr != own);
    }

    /// The rendezvous lists these, all of `namespace` or of any.
    pub(super) fn listed(
        &mut self,
        now: Instant,
        records: &[Record],
        namespace: Option<&str>,
        is_live: impl Fn(&PeerId) -> bool,
    ) {
        let ours = |record: &&Record| {
            record.peer != self.settings.me && self.own.is_none_or(|own| own != record.addr)
        };
        let records: BTreeMap<_, _> = records
            .iter()
            .filter(ours)
            .take(TARGETS_MAX)
            .map(|record| (&record.peer, record))
            .collect();
        self.all.retain(|peer, target| {
            let elsewhere = namespace.is_some_and(|namespace| namespace != peer.namespace());
            let kept = match target.state {
                State::Dialling { .. } => true,
                State::Left(until) => now < until,
                _ => false,
            };
            elsewhere || kept || records.contains_key(peer)
        });
        for (peer, record) in records {
            let full = self.all.len() >= TARGETS_MAX;
            match self.all.get_mut(peer) {
                Some(target) => target.listed(now, record),
                None if full => {}
                None => {
                    let state = match is_live(peer) {
                        true => State::Linked,
                        false => State::Due(now),
                    };
                    self.all.insert(peer.clone(), Target::new(record, state));
                }
            }
        }
    }

    /// The next peer to dial now; it is being dialled from here on.
    pub(super) fn dial(&mut self, now: Instant) -> Option<(ConnectionId, SocketAddr, PeerId)> {
        if self.dialling() >= DIALS_MAX {
            return None;
        }
        let mut all = self.all.iter_mut();
        let due = |target: &Target| matches!(target.state, State::Due(at) if at <= now);
        let (peer, target) = all.find(|(_, target)| due(target))?;
        self.dials += 1;
        let connection = ConnectionId::Dialled(self.dials);
        target.state = State::Dialling {
            connection,
            loopback: false,
        };
        Some((connection, target.addr, peer.clone()))
    }

    /// A dial came to nothing.
    pub(super) fn failed(&mut self, now: Instant, peer: &PeerId, is_live: bool) -> Next {
        let Some(target) = self.all.get_mut(peer) else {
            return Next::Nothing;
        };
        let State::Dialling { loopback, .. } = target.state else {
            return Next::Nothing;
        };
        if is_live {
            // Only a duplicate ended (rule 21).
            target.state = State::Linked;
            return Next::Nothing;
        }
        let here = self.own.is_some_and(|own| own.ip() == target.addr.ip());
        if here && !loopback && !target.addr.ip().is_loopback() {
            self.dials += 1;
            let connection = ConnectionId::Dialled(self.dials);
            target.state = State::Dialling {
                connection,
                loopback: true,
            };
            let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
            return Next::Dial(connection, SocketAddr::new(localhost, target.addr.port()));
        }
        target.retry(now, &self.settings, &mut self.random);
        Next::Failed(target.failed)
    }

    /// A dial found ourselves, or a peer that goes on by our own frames.
    pub(super) fn settle(&mut self, peer: &PeerId, state: State) {
        if let Some(target) = self.all.get_mut(peer) {
            target.state = state;
        }
    }

    /// `peer` is connected, and answered where `target` was dialled.
    pub(super) fn linked(&mut self, peer: &PeerId, target: Option<&PeerId>) {
        self.settle(peer, State::Linked);
        let Some(target) = target.filter(|&target| target != peer) else {
            return;
        };
        if let Some(dialled) = self.all.get_mut(target) {
            dialled.state = State::Linked;
            dialled.answers_as = Some(peer.clone());
        }
    }

    /// The last connection to `peer` has ended. Gives how often it failed in a row, where it did.
    pub(super) fn lost(&mut self, now: Instant, peer: &PeerId, addr: SocketAddr, how: Lost) -> u32 {
        let mut most = 0;
        for (listed, target) in &mut self.all {
            if listed != peer && target.answers_as.as_ref() != Some(peer) {
                continue;
            }
            if matches!(target.state, State::Dialling { .. }) {
                continue;
            }
            match how {
                Lost::Bye => target.state = State::Left(now + AFTER_BYE),
                Lost::Calmly => {
                    target.failed = 0;
                    target.wait(now, &self.settings, &mut self.random);
                }
                Lost::Soon => target.retry(now, &self.settings, &mut self.random),
            }
            most = most.max(target.failed);
        }
        // It may be listed for a while yet, or again at once.
        if how == Lost::Bye && !self.all.contains_key(peer) && self.all.len() < TARGETS_MAX {
            let state = State::Left(now + AFTER_BYE);
            let (expires_in, failed, answers_as) = (0, 0, None);
            let left = Target {
                addr,
                expires_in,
                failed,
                state,
                answers_as,
            };
            self.all.insert(peer.clone(), left);
        }
        most
    }

    /// Whoever is listed and not connected is dialled now, as if nothing had failed.
    pub(super) fn again(&mut self, now: Instant) {
        for target in self.all.values_mut() {
            if matches!(target.state, State::Due(_) | State::GivenUp) {
                target.failed = 0;
                target.state = State::Due(now);
            }
        }
    }

    /// Our own link to it is gone: it is dialled again in a while, where it is still listed.
    pub(super) fn unlinked(&mut self, now: Instant, peer: &PeerId) {
        if let Some(target) = self.all.get_mut(peer)
            && target.state == State::Replaced
        {
            target.wait(now, &self.settings, &mut self.random);
        }
    }

    pub(super) fn states(&self) -> impl Iterator<Item = (&PeerId, SocketAddr, State)> {
        let all = self.all.iter();
        all.map(|(peer, target)| (peer, target.addr, target.state))
    }

    pub(super) fn is_given_up(&self, peer: &PeerId) -> bool {
        let target = self.all.get(peer);
        target.is_some_and(|target| target.state == State::GivenUp)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.dialling() >= DIALS_MAX {
            return None;
        }
        let due = self.all.values().filter_map(|target| match target.state {
            State::Due(at) => Some(at),
            _ => None,
        });
        due.min()
    }

    fn dialling(&self) -> usize {
        let states = self.all.values();
        states
            .filter(|target| matches!(target.state, State::Dialling { .. }))
            .count()
    }
}

impl Target {
    const fn new(record: &Record, state: State) -> Self {
        Self {
            addr: record.addr,
            expires_in: record.expires_in,
            failed: 0,
            state,
            answers_as: None,
        }
    }

    fn listed(&mut self, now: Instant, record: &Record) {
        let moved = self.addr != record.addr;
        // A record only ages, unless the peer has registered itself again.
        let renewed = record.expires_in > self.expires_in;
        (self.addr, self.expires_in) = (record.addr, record.expires_in);
        match self.state {
            State::Left(until) if now >= until => self.state = State::Due(now),
            State::GivenUp | State::Due(_) | State::Replaced if moved => self.begin(now),
            State::GivenUp if renewed => self.begin(now),
            _ => {}
        }
    }

    fn begin(&mut self, now: Instant) {
        self.failed = 0;
        self.answers_as = None;
        self.state = State::Due(now);
    }

    /// Due after the wait that belongs to the failures so far; one more is the last, perhaps.
    fn retry(&mut self, now: Instant, settings: &Settings, random: &mut Random) {
        self.wait(now, settings, random);
        self.failed += 1;
        if self.failed >= settings.reconnect_attempts {
            self.state = State::GivenUp;
        }
    }

    /// Due after the wait that belongs to so many failures.
    fn wait(&mut self, now: Instant, settings: &Settings, random: &mut Random) {
        let (first, most) = (settings.reconnect_first, settings.reconnect_most);
        self.state = State::Due(now + backoff(random, self.failed, first, most));
    }
}
