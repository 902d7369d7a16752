//! The peers that are known: by their key, or only by an address. Keeps: no more than 1,024 of them, no
//! address twice, and who is linked or was given by hand is not forgotten for others.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use lamparina_protocol::peer::control::Sighting;
use lamparina_protocol::peer::{Attested, Incarnation, PeerName, PeerRecord};
use lamparina_protocol::{AuthorKey, Instant};

use super::dialling::Dialling;
use super::types::{Departure, MembershipConfig, PeerInfo, PeerState, Rtt};

/// Known peers, at most. Of more the one goes that was heard of the longest ago, first of those with only an address.
pub(super) const PEERS_MAX: usize = 1_024;
/// Addresses of one peer, at most, but for given ones; a further one takes the place of the worst.
pub(super) const PEER_ADDRS_MAX: usize = 6;

/// Given addresses that are tried for ever, at most.
pub(super) const GIVEN_MAX: usize = 64;

/// Who somebody is, as far as it is known.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Who {
    Addr(SocketAddr),
    Key(AuthorKey),
}

/// Whether a peer is taken to be there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Presence {
    Unknown,
    Here,
    Away(Departure),
}

/// What is known of a peer.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) record: Option<Attested<PeerRecord>>,
    pub(super) name: Option<PeerName>,
    pub(super) incarnation: Option<Incarnation>,
    pub(super) addrs: Vec<SocketAddr>,
    /// Where somebody reaches it: passed on with its record.
    pub(super) at: Option<SocketAddr>,
    pub(super) given: bool,
    /// Only others told of it.
    pub(super) hearsay: bool,
    pub(super) presence: Presence,
    /// When its record was last told anew, or a link to it was open.
    pub(super) fresh: Instant,
    pub(super) last_seen: Option<Instant>,
    pub(super) was_linked: bool,
    /// Since when the last link to it is gone, until that is told.
    pub(super) unlinked: Option<Instant>,
    pub(super) successes: u32,
    pub(super) failures: u32,
    pub(super) dialling: Dialling,
    pub(super) rtt: Rtt,
}

impl Entry {
    fn new(now: Instant, config: &MembershipConfig) -> Self {
        Self {
            record: None,
            name: None,
            incarnation: None,
            addrs: Vec::new(),
            at: None,
            given: false,
            hearsay: true,
            presence: Presence::Unknown,
            fresh: now,
            last_seen: None,
            was_linked: false,
            unlinked: None,
            successes: 0,
            failures: 0,
            dialling: Dialling::new(config, now),
            rtt: Rtt::default(),
        }
    }

    pub(super) fn is_here(&self) -> bool {
        self.presence == Presence::Here
    }

    /// Which of its records is known: life and beat; 0 before the first.
    pub(super) fn version(&self) -> (Incarnation, u64) {
        let record = self.record.as_ref().map(Attested::said);
        let of_record = record.map_or((Incarnation(0), 0), |said| (said.incarnation, said.beat));
        let life = self.incarnation.unwrap_or_default();
        of_record.max((life, 0))
    }

    /// What others may be told of it.
    pub(super) fn sighting(&self) -> Option<Sighting> {
        let record = self.record.clone()?;
        let at = self.at;
        Some(Sighting { record, at })
    }
}

/// All known peers.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    entries: BTreeMap<Who, Entry>,
    by_addr: BTreeMap<SocketAddr, Who>,
    /// Addresses given by who runs this peer.
    given: BTreeSet<SocketAddr>,
}

/// Whether an address can be called at all.
pub(super) fn is_callable(addr: &SocketAddr) -> bool {
    let ip = addr.ip();
    addr.port() != 0 && !ip.is_unspecified() && !ip.is_multicast()
}

/// Whether an address means the same on another machine.
pub(super) fn is_portable(addr: &SocketAddr) -> bool {
    let ip = addr.ip();
    let is_link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    is_callable(addr) && !ip.is_loopback() && !is_link_local
}

impl Table {
    pub(super) fn get(&self, key: &AuthorKey) -> Option<&Entry> {
        self.entries.get(&Who::Key(*key))
    }

    pub(super) fn get_mut(&mut self, key: &AuthorKey) -> Option<&mut Entry> {
        self.entries.get_mut(&Who::Key(*key))
    }

    pub(super) fn entry_mut(&mut self, who: &Who) -> Option<&mut Entry> {
        self.entries.get_mut(who)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&Who, &mut Entry)> {
        self.entries.iter_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Who, &Entry)> {
        self.entries.iter()
    }

    /// Those with a key, ascending.
    pub(super) fn keyed(&self) -> impl Iterator<Item = (&AuthorKey, &Entry)> {
        let entries = self.entries.iter();
        entries.filter_map(|(who, entry)| match who {
            Who::Key(key) => Some((key, entry)),
            Who::Addr(_) => None,
        })
    }

    pub(super) fn at(&self, addr: &SocketAddr) -> Option<Who> {
        self.by_addr.get(addr).copied()
    }

    /// The entry of `who`, made where there is none; none where nobody can be forgotten for it.
    pub(super) fn make(
        &mut self,
        now: Instant,
        who: Who,
        config: &MembershipConfig,
        is_linked: impl Fn(&AuthorKey) -> bool,
    ) -> Option<&mut Entry> {
        if !self.entries.contains_key(&who) {
            if self.entries.len() >= PEERS_MAX {
                let victim = self.victim(is_linked)?;
                self.forget(&victim);
            }
            self.entries.insert(who, Entry::new(now, config));
            if let Who::Addr(addr) = who {
                self.learn(&who, addr, true);
            }
        }
        self.entries.get_mut(&who)
    }

    fn victim(&self, is_linked: impl Fn(&AuthorKey) -> bool) -> Option<Who> {
        let may_go = |who: &Who, entry: &Entry| {
            let linked = matches!(who, Who::Key(key) if is_linked(key));
            !linked && !entry.given && entry.dialling.attempt().is_none()
        };
        let entries = self
            .entries
            .iter()
            .filter(|(who, entry)| may_go(who, entry));
        let oldest = entries.min_by_key(|(who, entry)| {
            let has_key = matches!(who, Who::Key(_));
            (has_key, entry.is_here(), entry.fresh)
        });
        oldest.map(|(who, _)| *who)
    }

    pub(super) fn forget(&mut self, who: &Who) -> Option<Entry> {
        let entry = self.entries.remove(who)?;
        for addr in &entry.addrs {
            self.by_addr.remove(addr);
        }
        Some(entry)
    }

    /// Somebody runs this peer and gave this address. A further one than [`GIVEN_MAX`] is like any other.
    pub(super) fn give(&mut self, addr: SocketAddr) {
        if self.given.len() < GIVEN_MAX {
            self.given.insert(addr);
        }
        if let Some(who) = self.at(&addr)
            && let Some(entry) = self.entries.get_mut(&who)
        {
            entry.given = self.given.contains(&addr);
        }
    }

    /// An address of `who`. Proved, it is the best one now, and nobody else's; else one more to try.
    pub(super) fn learn(&mut self, who: &Who, addr: SocketAddr, is_proved: bool) {
        let is_taken = self.by_addr.contains_key(&addr);
        if !is_callable(&addr) || (is_taken && !is_proved) {
            return;
        }
        self.unlearn(&addr);
        let Some(entry) = self.entries.get_mut(who) else {
            return;
        };
        match is_proved {
            true => entry.addrs.insert(0, addr),
            false => entry.addrs.push(addr),
        }
        self.by_addr.insert(addr, *who);
        if entry.addrs.len() > PEER_ADDRS_MAX {
            // Neither the newest nor a given one: else nothing new would ever be tried.
            let may_go = |known: &SocketAddr| *known != addr && !self.given.contains(known);
            if let Some(at) = entry.addrs.iter().rposition(may_go) {
                self.by_addr.remove(&entry.addrs.remove(at));
            }
        }
        entry.given = entry.addrs.iter().any(|addr| self.given.contains(addr));
    }

    /// Nobody is known to be at `addr` any more.
    pub(super) fn unlearn(&mut self, addr: &SocketAddr) {
        let Some(who) = self.by_addr.remove(addr) else {
            return;
        };
        if let Some(entry) = self.entries.get_mut(&who) {
            entry.addrs.retain(|known| known != addr);
            entry.given = entry.addrs.iter().any(|addr| self.given.contains(addr));
            if matches!(who, Who::Addr(_)) {
                self.entries.remove(&who);
            }
        }
    }

    pub(super) fn info(
        &self,
        config: &MembershipConfig,
        is_linked: impl Fn(&AuthorKey) -> bool,
    ) -> Vec<PeerInfo> {
        let info = |(who, entry): (&Who, &Entry)| {
            let key = match who {
                Who::Key(key) => Some(*key),
                Who::Addr(_) => None,
            };
            let state = match key {
                Some(key) if is_linked(&key) => PeerState::Active,
                Some(_) => PeerState::Stale,
                None => PeerState::Unknown,
            };
            let record = entry.record.as_ref().map(Attested::said);
            let next = entry.dialling.next(config, entry.given);
            PeerInfo {
                key,
                name: entry.name.clone(),
                incarnation: entry.incarnation,
                addrs: entry.addrs.clone(),
                state,
                present: entry.is_here(),
                given: entry.given,
                last_seen: entry.last_seen,
                successes: entry.successes,
                failures: entry.failures,
                next_attempt: next.filter(|_| state != PeerState::Active),
                rtt: entry.rtt,
                id: record.and_then(|said| said.id),
            }
        };
        self.entries.iter().map(info).collect()
    }
}
