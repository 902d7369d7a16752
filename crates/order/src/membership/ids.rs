//! Numbers for peers: `(coordinator, epoch, n)`. Keeps: a coordinator gives no number twice in an epoch, and one life of
//! a peer the same one as often as it asks. Questions go towards the coordinator, answers the way back.

use std::collections::BTreeMap;
use std::time::Duration;

use lamparina_protocol::peer::{Coordinator, Incarnation, PeerId};
use lamparina_protocol::{AuthorKey, Instant};

use crate::LinkId;

/// Who has no number asks again after so long, at first..
pub(super) const ASK_AGAIN_FIRST: Duration = Duration::from_secs(1);
/// ..and at last.
pub(super) const ASK_AGAIN_MAX: Duration = Duration::from_secs(10);
/// Lives whose number a coordinator remembers; of more the one that was given first is forgotten.
pub(super) const GIVEN_MAX: usize = 4_096;
/// Questions of others under way through us; of more the oldest is forgotten.
pub(super) const ROUTES_MAX: usize = 256;

/// The numbers that were given and asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Ids {
    own: Option<PeerId>,
    ask_at: Option<Instant>,
    wait: Duration,
    /// Of the epoch in which we coordinate.
    giving: Option<Giving>,
    /// From where others asked, and the how-manieth question that was.
    routes: BTreeMap<AuthorKey, (LinkId, u64)>,
    asked: u64,
}

#[derive(Clone, Debug)]
struct Giving {
    by: Coordinator,
    last: u64,
    given: BTreeMap<(AuthorKey, Incarnation), u64>,
}

impl Ids {
    pub(super) const fn own(&self) -> Option<PeerId> {
        self.own
    }

    pub(super) const fn set_own(&mut self, id: PeerId) {
        self.own = Some(id);
        self.ask_at = None;
    }

    /// Another peer coordinates: it is asked soon, where there is no number yet.
    pub(super) fn on_coordinator(&mut self, now: Instant, coordinator: Option<Coordinator>) {
        self.wait = ASK_AGAIN_FIRST;
        let asks = self.own.is_none() && coordinator.is_some();
        self.ask_at = asks.then_some(now);
        self.routes.clear();
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.ask_at
    }

    /// Whether to ask now.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        if self.ask_at.is_none_or(|at| now < at) {
            return false;
        }
        self.ask_at = Some(now + self.wait);
        self.wait = (self.wait * 2).min(ASK_AGAIN_MAX);
        true
    }

    /// The number of this life, as its coordinator `by`.
    pub(super) fn give(
        &mut self,
        by: Coordinator,
        key: AuthorKey,
        incarnation: Incarnation,
    ) -> PeerId {
        let giving = match &mut self.giving {
            Some(giving) if giving.by == by => giving,
            giving => giving.insert(Giving {
                by,
                last: 0,
                given: BTreeMap::new(),
            }),
        };
        let last = &mut giving.last;
        let n = *giving.given.entry((key, incarnation)).or_insert_with(|| {
            *last += 1;
            *last
        });
        if giving.given.len() > GIVEN_MAX
            && let Some(oldest) = giving.given.iter().min_by_key(|(_, n)| **n)
        {
            let life = *oldest.0;
            giving.given.remove(&life);
        }
        PeerId { by, n }
    }

    /// `key` asked, from there.
    pub(super) fn route(&mut self, key: AuthorKey, from: LinkId) {
        self.asked += 1;
        self.routes.insert(key, (from, self.asked));
        if self.routes.len() > ROUTES_MAX {
            let oldest = self.routes.iter().min_by_key(|(_, (_, asked))| *asked);
            if let Some(key) = oldest.map(|(key, _)| *key) {
                self.routes.remove(&key);
            }
        }
    }

    /// Where the answer for `key` goes, once.
    pub(super) fn back(&mut self, key: &AuthorKey) -> Option<LinkId> {
        self.routes.remove(key).map(|(link, _)| link)
    }
}

#[cfg(test)]
mod tests {
    use lamparina_protocol::peer::ElectionEpoch;

    use super::*;

    fn key(n: u64) -> AuthorKey {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&n.to_be_bytes());
        AuthorKey(key)
    }

    fn by(epoch: u64) -> Coordinator {
        let (epoch, key) = (ElectionEpoch(epoch), key(9));
        Coordinator { epoch, key }
    }

    #[test]
    fn a_life_has_one_number_and_no_two_have_the_same() {
        let mut ids = Ids::default();
        let mut n = |epoch, who, life| ids.give(by(epoch), key(who), Incarnation(life)).n;
        assert_eq!(
            [n(1, 1, 1), n(1, 2, 1), n(1, 1, 1), n(1, 1, 2)],
            [1, 2, 1, 3]
        );
        // Another epoch counts from the beginning.
        assert_eq!([n(2, 2, 1), n(2, 1, 1)], [1, 2]);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_no_number_comes_again() {
        let mut ids = Ids::default();
        let lives = GIVEN_MAX as u64 + 10;
        for who in 1..=lives {
            assert_eq!(ids.give(by(1), key(who), Incarnation(1)).n, who);
            ids.route(key(who), LinkId(who));
        }
        // The first was forgotten, and gets a new one.
        assert_eq!(ids.give(by(1), key(1), Incarnation(1)).n, lives + 1);
        assert_eq!(ids.back(&key(lives)), Some(LinkId(lives)));
        assert_eq!(ids.back(&key(lives)), None);
        assert_eq!(ids.back(&key(1)), None);
        assert_eq!(ids.routes.len(), ROUTES_MAX - 1);
    }
}
