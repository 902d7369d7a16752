//! What must hold of a world.

use std::collections::BTreeSet;

use lamparina_protocol::AuthorKey;

use super::{At, World};

impl World {
    /// All have the same history, and everything that any of them keeps.
    #[track_caller]
    pub(crate) fn assert_one_history(&self, honest: &[At]) {
        let seed = self.seed;
        let first = self.nodes[honest[0]].chat.history();
        for at in honest {
            assert_eq!(self.nodes[*at].chat.history(), first, "seed {seed}: p{at}");
            let kept = self.nodes[*at].chat.kept();
            assert_eq!(kept.len(), first.len(), "seed {seed}: p{at}");
        }
        assert!(!first.is_empty());
    }

    /// Everybody follows one coordinator that is there and knows it.
    #[track_caller]
    pub(crate) fn assert_one_coordinator(&self) -> At {
        let up = self.up();
        let seed = self.seed;
        let views: BTreeSet<_> = up
            .iter()
            .map(|at| self.machine(*at).coordinator())
            .collect();
        let coordinating: Vec<At> = up
            .iter()
            .copied()
            .filter(|at| self.machine(*at).coordinates())
            .collect();
        assert_eq!(views.len(), 1, "seed {seed}: {views:?}");
        assert_eq!(coordinating.len(), 1, "seed {seed}: {coordinating:?}");
        let at = coordinating[0];
        let own = self.machine(at).coordinator().map(|one| one.key);
        assert_eq!(own, Some(self.nodes[at].key), "seed {seed}");
        at
    }

    #[track_caller]
    pub(crate) fn assert_greatest_coordinates(&self) {
        let at = self.assert_one_coordinator();
        let greatest = self.up().into_iter().max_by_key(|at| self.nodes[*at].key);
        assert_eq!(Some(at), greatest, "seed {}", self.seed);
    }

    /// Everybody takes those for there who are there, and nobody else.
    #[track_caller]
    pub(crate) fn assert_everybody_knows_who_is_there(&self) {
        let up: BTreeSet<AuthorKey> = self.up().iter().map(|at| self.nodes[*at].key).collect();
        for at in self.up() {
            let peers = self.machine(at).peers();
            let mut present: BTreeSet<AuthorKey> = peers
                .iter()
                .filter(|peer| peer.present)
                .filter_map(|peer| peer.key)
                .collect();
            present.insert(self.nodes[at].key);
            let missing: Vec<_> = up.difference(&present).collect();
            let ghosts: Vec<_> = present.difference(&up).collect();
            assert!(
                missing.is_empty() && ghosts.is_empty(),
                "seed {}: p{at} misses {missing:?} and sees {ghosts:?}",
                self.seed
            );
        }
    }

    /// All are linked with all, by one link each.
    #[track_caller]
    pub(crate) fn assert_full_mesh(&self) {
        let up = self.up();
        for at in &up {
            let mut keys: Vec<_> = self.machine(*at).links().iter().map(|l| l.key).collect();
            keys.sort_unstable();
            let mut wanted: Vec<_> = up
                .iter()
                .filter(|o| *o != at)
                .map(|o| self.nodes[*o].key)
                .collect();
            wanted.sort_unstable();
            assert_eq!(keys, wanted, "seed {}: links of p{at}", self.seed);
        }
    }

    #[track_caller]
    pub(crate) fn assert_everybody_has_a_number(&self) {
        for at in self.up() {
            assert!(self.machine(at).id().is_some(), "seed {}: p{at}", self.seed);
        }
    }

    /// Whether links join all that are up.
    pub(crate) fn is_connected(&self) -> bool {
        let up = self.up();
        let Some(first) = up.first() else {
            return true;
        };
        let mut seen = BTreeSet::from([*first]);
        let mut todo = vec![*first];
        while let Some(at) = todo.pop() {
            for pipe in self.nodes[at].links.values() {
                if self.is_up(pipe.other) && seen.insert(pipe.other) {
                    todo.push(pipe.other);
                }
            }
        }
        seen.len() == up.len()
    }

    pub(crate) fn dialled(&self) -> u64 {
        self.nodes.iter().map(|node| node.dialled).sum()
    }

    /// Of everything that was sent: the same for the same seed.
    pub(crate) const fn digest(&self) -> u64 {
        self.digest
    }

    pub(crate) fn up(&self) -> Vec<At> {
        (0..self.nodes.len()).filter(|at| self.is_up(*at)).collect()
    }
}
