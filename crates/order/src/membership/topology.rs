//! Whom to be linked with. Up to [`MESH_MAX`] peers all are; above, each keeps the two peers before and after it in
//! the ring of keys, which alone connects all, and some by chance, which make the ways short. Pure choice: no
//! state but chance.

use std::collections::BTreeSet;

use lamparina_protocol::AuthorKey;

use super::chance::Chance;

/// Up to so many peers, oneself counted, everybody is linked with everybody.
pub const MESH_MAX: usize = 16;
/// Links, at most.
pub const LINKS_MAX: usize = 16;
/// Above [`MESH_MAX`] peers: links that a peer wants at least..
pub const DEGREE_MIN: usize = 6;
/// ..and as many as it keeps for long.
pub const DEGREE_KEPT: usize = 12;
/// Neighbours in the ring, on each side.
pub(super) const RING_EACH_SIDE: usize = 2;

const _: () = assert!(MESH_MAX - 1 <= LINKS_MAX);
const _: () = assert!(2 * RING_EACH_SIDE < DEGREE_MIN && DEGREE_MIN < DEGREE_KEPT);
const _: () = assert!(DEGREE_KEPT < LINKS_MAX);

/// A peer that is there, as topology sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) key: AuthorKey,
    pub(super) linked: bool,
    /// A call is under way.
    pub(super) dialled: bool,
    /// Linked, or calls to it do not fail again and again.
    pub(super) reachable: bool,
}

/// What topology wants.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Plan {
    /// To be linked with these.
    pub(super) wanted: BTreeSet<AuthorKey>,
    /// Of them these hold everything together.
    pub(super) ring: BTreeSet<AuthorKey>,
    /// One link too many, if any.
    pub(super) surplus: Option<AuthorKey>,
}

/// `peers` are those that are there, ascending by key, without `own`.
pub(super) fn plan(own: &AuthorKey, peers: &[Candidate], chance: &mut Chance) -> Plan {
    if peers.len() < MESH_MAX {
        return Plan {
            wanted: peers.iter().map(|peer| peer.key).collect(),
            ..Plan::default()
        };
    }
    let ring = ring(own, peers);
    let mut wanted = ring.clone();
    let held = peers.iter().filter(|peer| peer.linked || peer.dialled);
    wanted.extend(held.map(|peer| peer.key));
    let mut others: Vec<AuthorKey> = peers
        .iter()
        .filter(|peer| peer.reachable && !wanted.contains(&peer.key))
        .map(|peer| peer.key)
        .collect();
    while wanted.len() < DEGREE_MIN
        && let Some(key) = chance.take(&mut others)
    {
        wanted.insert(key);
    }
    let surplus = surplus(peers, &ring, chance);
    Plan {
        wanted,
        ring,
        surplus,
    }
}

/// The reachable ones next to `own`, on both sides.
fn ring(own: &AuthorKey, peers: &[Candidate]) -> BTreeSet<AuthorKey> {
    let split = peers.partition_point(|peer| peer.key < *own);
    let (before, after) = peers.split_at(split);
    let up = after.iter().chain(before);
    let down = before.iter().rev().chain(after.iter().rev());
    let near = |peer: &&Candidate| peer.reachable;
    up.filter(near)
        .take(RING_EACH_SIDE)
        .chain(down.filter(near).take(RING_EACH_SIDE))
        .map(|peer| peer.key)
        .collect()
}

/// A link that nobody needs, where there are more than are kept.
fn surplus(
    peers: &[Candidate],
    ring: &BTreeSet<AuthorKey>,
    chance: &mut Chance,
) -> Option<AuthorKey> {
    let linked = peers.iter().filter(|peer| peer.linked);
    if linked.clone().count() <= DEGREE_KEPT {
        return None;
    }
    let mut others: Vec<AuthorKey> = linked
        .map(|peer| peer.key)
        .filter(|key| !ring.contains(key))
        .collect();
    chance.take(&mut others)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> AuthorKey {
        AuthorKey([n; 32])
    }

    fn peers(keys: impl IntoIterator<Item = u8>, linked: &[u8]) -> Vec<Candidate> {
        keys.into_iter()
            .map(|n| Candidate {
                key: key(n),
                linked: linked.contains(&n),
                dialled: false,
                reachable: n != 99,
            })
            .collect()
    }

    fn keys(set: &BTreeSet<AuthorKey>) -> Vec<u8> {
        set.iter().map(|key| key.0[0]).collect()
    }

    #[test]
    fn few_are_all_linked_with_all() {
        let chance = &mut Chance::new(1);
        let plan = plan(&key(50), &peers(0..15, &[1, 2]), chance);
        assert_eq!(keys(&plan.wanted), (0..15).collect::<Vec<_>>());
        assert_eq!((plan.surplus, plan.ring.len()), (None, 0));
    }

    #[test]
    fn of_many_the_next_in_the_ring_and_some_by_chance() {
        for (own, ring) in [
            (50, [48, 49, 51, 52]),
            (0, [1, 2, 98, 100]),
            (100, [0, 1, 97, 98]),
            // 99 does not answer: the next one stands in.
            (97, [95, 96, 98, 100]),
        ] {
            let others = (0..=100).filter(|n| *n != own);
            let plan = plan(&key(own), &peers(others, &[]), &mut Chance::new(7));
            assert_eq!(keys(&plan.ring), ring, "{own}");
            assert_eq!(plan.wanted.len(), DEGREE_MIN);
            assert!(plan.ring.is_subset(&plan.wanted) && plan.surplus.is_none());
        }
    }

    #[test]
    fn who_has_enough_links_wants_only_the_ring_besides() {
        let linked = [1, 2, 3, 4, 5, 6];
        let plan = plan(&key(50), &peers(0..40, &linked), &mut Chance::new(7));
        assert_eq!(keys(&plan.ring), [0, 1, 38, 39]);
        assert_eq!(keys(&plan.wanted), [0, 1, 2, 3, 4, 5, 6, 38, 39]);
    }

    #[test]
    fn too_many_links_lose_one_that_is_not_of_the_ring() {
        let linked: Vec<u8> = (0..13).collect();
        for seed in 0..100 {
            let plan = plan(&key(50), &peers(0..40, &linked), &mut Chance::new(seed));
            let surplus = plan.surplus.unwrap().0[0];
            assert!(linked.contains(&surplus) && !keys(&plan.ring).contains(&surplus));
        }
        let few = &peers(0..40, &linked[..12]);
        assert_eq!(plan(&key(50), few, &mut Chance::new(1)).surplus, None);
    }
}
