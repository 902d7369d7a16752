//! Why one message stands before another: one author wrote both; or the later one's author had
//! seen the earlier one, perhaps through others; or neither, and they stand as they arrived.
//!
//! Message X has message Y among its direct causes where Y stands before X and
//! - both have one author, or
//! - Y was addressed to the author of X, and `X.seen` is not before Y: it had been delivered.
//!
//! A is a cause of B where such steps lead from B back to A. [`Search`] walks the messages between
//! them once, downwards, fed page by page, and keeps what it has reached: of each author one
//! message as a rule. Further messages of a reached author lead nowhere new, but where their
//! `seen` is greater than that of a later one, which no honest client's is.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use lamparina_protocol::message::{CHAIN_MAX, ChainLink, WhyOrdered};
use lamparina_protocol::{Lamport, MemberId, Nick};

use crate::record::{LogIndex, Record, Recorded, RoomId, To};

/// Messages that one search keeps, at most: two for each of as many members as there may be.
pub const REACHED_MAX: usize = 200_000;

/// What a search needs of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Said {
    /// Its entry.
    pub index: LogIndex,
    /// Its place.
    pub stamp: Lamport,
    /// Its author.
    pub member: MemberId,
    /// The nick its author held.
    pub from: Nick,
    /// The stamp up to which its author had been delivered.
    pub seen: Lamport,
    /// For whom.
    pub to: To,
}

impl Said {
    /// What a search needs of an entry; `None` where it is no message.
    pub fn of(record: &Record) -> Option<Self> {
        let Recorded::Message(message) = &record.event else {
            return None;
        };
        Some(Self {
            index: record.index,
            stamp: record.stamp,
            member: message.member,
            from: message.from.clone(),
            seen: message.seen,
            to: message.to.clone(),
        })
    }

    fn link(&self) -> ChainLink {
        ChainLink {
            stamp: self.stamp,
            from: self.from.clone(),
            seen: self.seen,
        }
    }
}

/// Says who there was at a message's place. A reader of the journal knows; a search does not.
pub trait There {
    /// Whether `member` was a member at all (`room` is `None`), or was in the room, just before
    /// the entry `at`.
    fn was_there(&self, member: MemberId, room: Option<RoomId>, at: LogIndex) -> bool;
}

/// Why two messages stand in their order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The earlier of the two.
    pub earlier: Lamport,
    /// The later one.
    pub later: Lamport,
    /// Why.
    pub reason: WhyOrdered,
    /// For [`WhyOrdered::Seen`]: the messages from the earlier to the later one, both included.
    /// At most [`CHAIN_MAX`]: of a longer chain the middle is left out.
    pub chain: Vec<ChainLink>,
    /// How many of the chain were left out, in its middle.
    pub left_out: usize,
}

/// What a search wants next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Progress {
    /// The message before those that it was given.
    More,
    /// Nothing.
    Done(Answer),
    /// Nothing: more than [`REACHED_MAX`] messages would have to be kept.
    TooMuch,
}

/// A message that leads to the later one.
#[derive(Clone, Debug)]
struct Reached {
    link: ChainLink,
    /// The next one on the way to the later one, by its place in the list; the later one has none.
    next: Option<usize>,
    /// Steps from here to the later one.
    steps: usize,
}

/// A search for the way from a message back to an earlier one.
#[derive(Clone, Debug)]
pub struct Search {
    earlier: Said,
    later: Lamport,
    reached: Vec<Reached>,
    /// Of each author reached, the message with the greatest `seen`.
    known: BTreeMap<MemberId, usize>,
}

impl Search {
    /// Begins with two messages, in either order. The answer may be there at once; else it wants
    /// the messages before the later one, downwards to [`Self::end`].
    pub fn new(one: &Said, other: &Said, there: &impl There) -> (Self, Progress) {
        let (earlier, later) = if one.stamp <= other.stamp {
            (one, other)
        } else {
            (other, one)
        };
        let mut search = Self {
            earlier: earlier.clone(),
            later: later.stamp,
            reached: Vec::new(),
            known: BTreeMap::new(),
        };
        let progress = if earlier.member == later.member {
            search.answer(WhyOrdered::SameAuthor, Vec::new(), 0)
        } else {
            search.reach(later, None, there)
        };
        (search, progress)
    }

    /// Takes the next message downwards. Those not between the two answer nothing, except that
    /// one at the earlier one's place, or before it, ends the search.
    pub fn step(&mut self, said: &Said, there: &impl There) -> Progress {
        if said.stamp <= self.earlier.stamp {
            return self.answer(WhyOrdered::Concurrent, Vec::new(), 0);
        }
        if said.stamp >= self.later {
            return Progress::More;
        }
        let next = match self.known.get(&said.member) {
            Some(&own) if self.reached[own].link.seen >= said.seen => return Progress::More,
            Some(&own) => Some(own),
            None => self.told(said, there),
        };
        match next {
            None => Progress::More,
            next => self.reach(said, next, there),
        }
    }

    /// [`Self::step`] with an entry of a journal; one that is no message is passed over.
    pub fn step_record(&mut self, record: &Record, there: &impl There) -> Progress {
        match Said::of(record) {
            Some(said) => self.step(&said, there),
            None => Progress::More,
        }
    }

    /// The entry of the earlier message: below it there is nothing to look for.
    pub const fn end(&self) -> LogIndex {
        self.earlier.index
    }

    /// Notes a message that leads to the later one. It ends the search where the earlier one leads
    /// to it by one step.
    fn reach(&mut self, said: &Said, next: Option<usize>, there: &impl There) -> Progress {
        if self.reached.len() == REACHED_MAX {
            return Progress::TooMuch;
        }
        let at = self.reached.len();
        let steps = next.map_or(0, |next| self.reached[next].steps + 1);
        self.reached.push(Reached {
            link: said.link(),
            next,
            steps,
        });
        self.known.insert(said.member, at);
        let earlier = &self.earlier;
        let had_seen = said.seen >= earlier.stamp && addressed(earlier, said.member, there);
        if said.member == earlier.member || had_seen {
            return self.seen(at);
        }
        Progress::More
    }

    /// The reached message nearest to the later one whose author had been delivered `said`.
    fn told(&self, said: &Said, there: &impl There) -> Option<usize> {
        let had_seen = |at: &usize| self.reached[*at].link.seen >= said.stamp;
        let nearest = |at: &usize| self.reached[*at].steps;
        if let To::Members(members) = &said.to {
            let known = members.iter().filter_map(|member| self.known.get(member));
            return known.copied().filter(had_seen).min_by_key(nearest);
        }
        let known = self.known.iter().filter(|(_, at)| had_seen(at));
        let mut best: Option<usize> = None;
        for (member, &at) in known {
            let nearer = best.is_none_or(|best| nearest(&at) < nearest(&best));
            if nearer && addressed(said, *member, there) {
                best = Some(at);
            }
        }
        best
    }

    /// The chain from the earlier message over the one reached last.
    fn seen(&self, last: usize) -> Progress {
        let length = self.reached[last].steps + 2;
        let left_out = length.saturating_sub(CHAIN_MAX);
        let first_left_out = CHAIN_MAX / 2;
        let mut chain = vec![self.earlier.link()];
        let mut at = Some(last);
        for place in 1..length {
            let Some(reached) = at.map(|at| &self.reached[at]) else {
                break;
            };
            if !(first_left_out..first_left_out + left_out).contains(&place) {
                chain.push(reached.link.clone());
            }
            at = reached.next;
        }
        self.answer(WhyOrdered::Seen, chain, left_out)
    }

    fn answer(&self, reason: WhyOrdered, chain: Vec<ChainLink>, left_out: usize) -> Progress {
        Progress::Done(Answer {
            earlier: self.earlier.stamp,
            later: self.later,
            reason,
            chain,
            left_out,
        })
    }
}

/// Whether a message was for `member`, who is not its author.
fn addressed(said: &Said, member: MemberId, there: &impl There) -> bool {
    if said.member == member {
        return false;
    }
    match &said.to {
        To::All => there.was_there(member, None, said.index),
        To::Members(members) => members.binary_search(&member).is_ok(),
        To::Room(room) => there.was_there(member, Some(*room), said.index),
    }
}
