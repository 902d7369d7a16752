//! What befalls peers and their links.

use std::time::Duration;

use lamparina_order::LinkId;
use lamparina_order::membership::Input;

use super::{At, Ev, World};

impl World {
    /// Dies; the other ends of its links learn it at once, or only by silence.
    pub(crate) fn kill(&mut self, at: At, is_heard: bool) {
        self.nodes[at].machine = None;
        self.nodes[at].chat.crash();
        let links = std::mem::take(&mut self.nodes[at].links);
        for pipe in links.into_values() {
            if is_heard {
                self.close_far(at, pipe);
            }
        }
    }

    pub(crate) fn leave(&mut self, at: At) {
        if self.is_up(at) {
            self.give(at, Input::Leave);
            let links: Vec<LinkId> = self.nodes[at].links.keys().copied().collect();
            for link in links {
                let pipe = self.nodes[at].links[&link];
                let life = self.nodes[pipe.other].life;
                let when = self.after(pipe.last);
                self.at(when, Ev::Bye(pipe.other, life, pipe.their, at));
                if let Some(pipe) = self.nodes[at].links.get_mut(&link) {
                    pipe.last = when;
                }
            }
            self.kill(at, true);
        }
    }

    pub(crate) fn sleep(&mut self, at: At, time: Duration) {
        self.nodes[at].sleeps_until = self.now + time;
    }

    pub(crate) fn reconnect(&mut self, at: At) {
        if self.is_up(at) {
            self.give(at, Input::Reconnect);
        }
    }

    /// Breaks one link of a peer; both ends are told.
    pub(crate) fn flap(&mut self, at: At) {
        let links: Vec<LinkId> = self.nodes[at].links.keys().copied().collect();
        if links.is_empty() {
            return;
        }
        let link = links[self.below(links.len() as u64) as usize];
        if let Some(pipe) = self.nodes[at].links.remove(&link) {
            self.close_far(at, pipe);
            self.chat_down(at, link);
            self.give(at, Input::LinkDown { link });
        }
    }

    pub(crate) fn wall(&mut self, a: At, b: At, both: bool) {
        self.walls.insert((a, b));
        if both {
            self.walls.insert((b, a));
        }
    }
}
