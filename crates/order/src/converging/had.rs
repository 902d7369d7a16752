//! What a neighbour is known to have: a bit for each position from where sending to it stands. Exact, since a peer
//! that has a message has its causes.

use std::collections::VecDeque;

use super::graph::Graph;

/// Positions a neighbour has, from `from` on.
#[derive(Clone, Debug, Default)]
pub(super) struct Had {
    /// Words before this one are not kept: nobody asks any more.
    first_word: u32,
    words: VecDeque<u64>,
}

const WORD: u32 = u64::BITS;

impl Had {
    pub(super) fn contains(&self, position: u32) -> bool {
        let (word, bit) = (position / WORD, position % WORD);
        match word.checked_sub(self.first_word) {
            None => true,
            Some(at) => self
                .words
                .get(at as usize)
                .is_some_and(|word| word >> bit & 1 == 1),
        }
    }

    /// Notes one position; gives whether it was news.
    fn insert(&mut self, position: u32) -> bool {
        let (word, bit) = (position / WORD, position % WORD);
        let Some(at) = word.checked_sub(self.first_word) else {
            return false;
        };
        let at = at as usize;
        if self.words.len() <= at {
            self.words.resize(at + 1, 0);
        }
        let news = self.words[at] >> bit & 1 == 0;
        self.words[at] |= 1 << bit;
        news
    }

    /// Nobody asks for positions before this one any more.
    pub(super) fn forget_before(&mut self, position: u32) {
        let word = position / WORD;
        while self.first_word < word && self.words.pop_front().is_some() {
            self.first_word += 1;
        }
        self.first_word = self.first_word.max(word);
    }

    /// Notes a message and everything that caused it. What was noted before is not walked again, so all calls
    /// together cost no more than one walk over all messages.
    pub(super) fn insert_past(&mut self, graph: &Graph, position: u32) {
        if !self.insert(position) {
            return;
        }
        let mut open = vec![position];
        while let Some(position) = open.pop() {
            for cause in graph.causes(position) {
                if self.insert(cause) {
                    open.push(cause);
                }
            }
        }
    }
}
