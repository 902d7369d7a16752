//! Beacons: when the next one leaves, and how many of others are looked at. Keeps: whatever comes, no more than
//! so many signatures a second are checked, for one address and in all; a beacon that is known costs none.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use lamparina_protocol::bucket::{Rate, TokenBucket};
use lamparina_protocol::peer::BeaconKind;
use lamparina_protocol::{AuthorKey, Instant};

use super::chance::Chance;

/// Who is alone sends JOIN_REQUEST first after so long..
pub(super) const JOIN_REQUEST_FIRST: Duration = Duration::from_secs(1);
/// ..and at last this often.
pub(super) const JOIN_REQUEST_MAX: Duration = Duration::from_secs(10);
/// Who is not alone sends HEARTBEAT this often.
pub(super) const BEACON_EVERY: Duration = Duration::from_secs(5);
/// Signatures of beacons that are checked: from one address, a second and at once.
pub(super) const CHECKED_PER_SOURCE: u32 = 10;
/// The same in all.
pub(super) const CHECKED_IN_ALL: u32 = 100;
/// Addresses that are counted for themselves; all others share one count.
const SOURCES_MAX: usize = 256;
/// Beacons that are known by their bytes.
const KNOWN_MAX: usize = 256;

/// The beacons of one peer, and its view of others'.
#[derive(Clone, Debug)]
pub(super) struct Discovery {
    on: bool,
    next: Instant,
    wait: Duration,
    all: TokenBucket,
    others: TokenBucket,
    sources: BTreeMap<IpAddr, TokenBucket>,
    /// The last good beacon of each peer.
    known: BTreeMap<AuthorKey, Box<[u8]>>,
}

fn bucket(rate: u32, now: Instant) -> TokenBucket {
    TokenBucket::new(Rate::per_second(rate), rate * 2, now)
}

impl Discovery {
    pub(super) fn new(on: bool, now: Instant) -> Self {
        Self {
            on,
            next: now,
            wait: JOIN_REQUEST_FIRST,
            all: bucket(CHECKED_IN_ALL, now),
            others: bucket(CHECKED_PER_SOURCE, now),
            sources: BTreeMap::new(),
            known: BTreeMap::new(),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.on.then_some(self.next)
    }

    /// The last link has gone: others are looked for in haste again.
    pub(super) fn alone(&mut self, now: Instant) {
        self.wait = JOIN_REQUEST_FIRST;
        self.next = self.next.min(now + self.wait);
    }

    /// What to send now, if anything.
    pub(super) fn due(
        &mut self,
        now: Instant,
        is_alone: bool,
        chance: &mut Chance,
    ) -> Option<BeaconKind> {
        if !self.on || now < self.next {
            return None;
        }
        if !is_alone {
            self.wait = JOIN_REQUEST_FIRST;
            self.next = now + chance.jitter(BEACON_EVERY);
            return Some(BeaconKind::Heartbeat);
        }
        self.next = now + chance.jitter(self.wait);
        self.wait = (self.wait * 2).min(JOIN_REQUEST_MAX);
        Some(BeaconKind::JoinRequest)
    }

    /// Whether these bytes are a good beacon of `key` that came before.
    pub(super) fn is_known(&self, key: &AuthorKey, bytes: &[u8]) -> bool {
        self.known.get(key).is_some_and(|known| **known == *bytes)
    }

    /// Whether a beacon from this address may be checked now.
    pub(super) fn may_check(&mut self, now: Instant, from: IpAddr) -> bool {
        if !self.sources.contains_key(&from) && self.sources.len() >= SOURCES_MAX {
            self.sources.retain(|_, bucket| !bucket.is_full(now));
        }
        let bucket = match self.sources.len() < SOURCES_MAX {
            true => self
                .sources
                .entry(from)
                .or_insert_with(|| bucket(CHECKED_PER_SOURCE, now)),
            false => self.sources.get_mut(&from).unwrap_or(&mut self.others),
        };
        bucket.take(now).is_ok() && self.all.take(now).is_ok()
    }

    pub(super) fn remember(&mut self, key: AuthorKey, bytes: &[u8]) {
        if !self.known.contains_key(&key) && self.known.len() >= KNOWN_MAX {
            self.known.pop_first();
        }
        self.known.insert(key, bytes.into());
    }
}
