//! What befalls peers and their links, and how it ends.

use std::time::Duration;

use super::{Plans, REST_EVERY, World};
use crate::peers::hostile;
use crate::peers::pipe::{EndId, Pipe};

impl World {
    pub(super) fn lies(&mut self, node: usize) {
        let ends: Vec<EndId> = self.ends_of(node);
        if self.healed || self.nodes[node].machine.is_none() {
            return;
        }
        if !ends.is_empty() {
            let end = ends[self.liar.index(ends.len())];
            let lie = hostile::lie(&self.nodes[node], node, &mut self.liar);
            self.put(end, lie);
        }
        self.plan_next(Plans::Lies(node), 20..1_500);
    }

    pub(super) fn ends_of(&self, node: usize) -> Vec<EndId> {
        let ends = self.pipes.iter().flat_map(|(pipe, link)| {
            let of = move |side: &usize| !link.broken && link.ends[*side].node == node;
            [0, 1]
                .into_iter()
                .filter(of)
                .map(|side| EndId { pipe: *pipe, side })
        });
        ends.collect()
    }

    pub(super) fn trouble(&mut self) {
        if self.healed {
            return;
        }
        let node = self.dice.index(self.nodes.len());
        let ends = self.ends_of(node);
        match self.dice.roll() % 10 {
            0 if self.nodes[node].machine.is_some() => self.crash(node),
            1 => {
                for end in ends {
                    self.break_link(end.pipe, false);
                }
            }
            2 => self.part(),
            3..=5 if !ends.is_empty() => {
                let end = ends[self.dice.index(ends.len())];
                self.break_link(end.pipe, false);
            }
            6 | 7 if !ends.is_empty() => {
                let end = ends[self.dice.index(ends.len())];
                self.stand_still(end);
            }
            _ => {
                let other = self.dice.index(self.nodes.len());
                self.connect(node, other);
            }
        }
        self.plan_next(Plans::Trouble, self.plan.misfortune_millis.clone());
    }

    /// A direction of a link stands still.
    fn stand_still(&mut self, end: EndId) {
        let until = self.now + Duration::from_millis(self.dice.within(10..4_000));
        self.trace
            .note(self.now, "stands still", end.pipe, end.side as u64);
        if let Some(pipe) = self.pipes.get_mut(&end.pipe) {
            pipe.stand_still(end.side, until);
        }
    }

    /// Two halves.
    fn part(&mut self) {
        self.trace.note(self.now, "parts", 0, 0);
        let halves: Vec<bool> = self.nodes.iter().map(|_| self.dice.percent(50)).collect();
        let across = |pipe: &Pipe| halves[pipe.ends[0].node] != halves[pipe.ends[1].node];
        let across = self.pipes.iter().filter(|(_, pipe)| across(pipe));
        let across: Vec<u64> = across.map(|(pipe, _)| *pipe).collect();
        for pipe in across {
            self.break_link(pipe, false);
        }
    }

    fn crash(&mut self, node: usize) {
        self.trace.note(self.now, "crashes", node as u64, 0);
        self.figures.late += self.nodes[node].seen.late;
        self.nodes[node].crash();
        self.agenda.set(Plans::Tick(node), None);
        self.agenda.set(Plans::Synced(node), None);
        for end in self.ends_of(node) {
            self.break_link(end.pipe, false);
        }
        self.plan_next(Plans::Starts(node), 100..5_000);
    }

    /// Trouble is over: liars are gone, and honest peers are up, in one piece, over good links.
    pub(super) fn heal(&mut self) {
        self.healed = true;
        self.trace.note(self.now, "heals", 0, 0);
        let pipes: Vec<u64> = self.pipes.keys().copied().collect();
        for pipe in pipes {
            self.break_link(pipe, true);
            for side in [0, 1] {
                self.learns_down(EndId { pipe, side });
            }
        }
        for node in 0..self.nodes.len() {
            match self.nodes[node].honest {
                true => self.starts(node),
                false => {
                    self.nodes[node].crash();
                    self.agenda.set(Plans::Tick(node), None);
                    self.agenda.set(Plans::Starts(node), None);
                }
            }
        }
        for node in 1..self.plan.honest {
            let other = self.dice.index(node);
            self.connect(node, other);
        }
        self.agenda.set(Plans::Rest, Some(self.now + REST_EVERY));
    }
}
