//! What this peer says: each message behind everything that it was delivered, and nothing before it is on the
//! disk; and now and then its clock, of which only what is on the disk counts, so that no crash takes it back.

use std::collections::VecDeque;
use std::time::Duration;

use lamparina_protocol::peer::message::HEADS_MAX;
use lamparina_protocol::peer::private::SealingKey;
use lamparina_protocol::peer::{
    Announcement, Body, Chain, Content, Digest, Foreign, MessageName, Signed, SignedAnnouncement,
};
use lamparina_protocol::{AuthorKey, Instant, Lamport, UnixMicros};

use super::graph::Graph;
use super::types::{Config, UseError};

/// Messages that wait until this peer is ready, at most; more are refused.
pub const WAITING_MAX: usize = 1_024;
/// The clock is announced no more often than this, when it rose.
pub const ANNOUNCE_RISEN_EVERY: Duration = Duration::from_secs(1);
/// And so often when it did not: a member that is silent for longer is set aside.
pub const ANNOUNCE_EVERY: Duration = Duration::from_secs(5);

/// A message that waits.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) body: Body,
    pub(super) sent_at: UnixMicros,
    pub(super) foreign: Option<Foreign>,
}

/// This peer as an author.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub(super) config: Config,
    sealing: [u8; 32],
    pub(super) author: AuthorKey,
    /// Messages of this life.
    n: u64,
    /// The last one of this life.
    prev: Option<(u32, Digest)>,
    /// The last one of any life.
    last: Option<u32>,
    pub(super) waiting: VecDeque<Said>,
    /// Own messages that are not on the disk, and up to where everything is.
    unstored: VecDeque<u32>,
    stored: u32,
    /// The greatest stamp on the disk, and the last own message there.
    stored_clock: u32,
    stored_last: Option<u32>,
    beat: u64,
    announced_clock: u32,
    announced_at: Instant,
    pub(super) left: bool,
}

impl Own {
    pub(super) fn new(config: Config) -> Self {
        Self {
            sealing: SealingKey::of(&config.identity).public(),
            author: AuthorKey(config.identity.public().0),
            config,
            n: 0,
            prev: None,
            last: None,
            waiting: VecDeque::new(),
            unstored: VecDeque::new(),
            stored: 0,
            stored_clock: 0,
            stored_last: None,
            beat: 0,
            announced_clock: 0,
            announced_at: Instant::ZERO,
            left: false,
        }
    }

    /// The name that the next message will have, behind those that wait.
    pub(super) fn next_name(&self) -> MessageName {
        self.name(self.n + 1 + self.waiting.len() as u64)
    }

    const fn name(&self, n: u64) -> MessageName {
        let chain = Chain {
            author: self.author,
            incarnation: self.config.incarnation,
        };
        MessageName { chain, n }
    }

    /// Whether a message that has to wait could be signed.
    pub(super) fn check(&self, said: &Said) -> Result<(), UseError> {
        let content = self.content(self.name(1), None, Vec::new(), said.clone());
        content
            .encode()
            .map(drop)
            .map_err(|error| UseError::Sign(error.into()))
    }

    /// Signs a message behind everything that was delivered.
    pub(super) fn compose(&self, graph: &Graph, said: Said) -> Result<Signed, UseError> {
        let prev = self.prev.map(|(position, _)| position);
        let mut heads: Vec<u32> = graph.newest().filter(|at| Some(*at) != prev).collect();
        if heads.len() > HEADS_MAX {
            heads.sort_unstable_by_key(|at| std::cmp::Reverse((graph.stamp(*at), *at)));
            heads.truncate(HEADS_MAX);
        }
        // Whoever is delivered a life's first message has been delivered the lives before.
        if let (None, Some(last)) = (prev, self.last)
            && !heads.contains(&last)
        {
            heads.truncate(HEADS_MAX - 1);
            heads.push(last);
        }
        let mut heads: Vec<Digest> = heads.into_iter().map(|at| graph.digest(at)).collect();
        heads.sort_unstable();
        let prev = self.prev.map(|(_, digest)| digest);
        let content = self.content(self.name(self.n + 1), prev, heads, said);
        Ok(Signed::sign(&self.config.identity, content)?)
    }

    fn content(
        &self,
        name: MessageName,
        prev: Option<Digest>,
        heads: Vec<Digest>,
        said: Said,
    ) -> Content {
        Content {
            name,
            prev,
            heads,
            sent_at: said.sent_at,
            from: self.config.name.clone(),
            addr: self.config.addr,
            body: said.body,
            foreign: said.foreign,
        }
    }

    /// What was composed stands in the log, not yet on the disk.
    pub(super) fn said(&mut self, position: u32, digest: Digest) {
        self.n += 1;
        self.prev = Some((position, digest));
        self.unstored.push_back(position);
    }

    /// A message by this author stands in the log, of this life or another.
    pub(super) const fn delivered(&mut self, position: u32) {
        self.last = Some(position);
    }

    /// Everything before `upto` is on the disk.
    pub(super) fn stored(&mut self, graph: &Graph, upto: u32) {
        let upto = upto.min(graph.len());
        for position in self.stored..upto {
            self.stored_clock = self.stored_clock.max(graph.stamp(position));
            if graph.key(position).name.chain.author == self.author {
                self.stored_last = Some(position);
            }
        }
        self.stored = self.stored.max(upto);
        while self.unstored.front().is_some_and(|at| *at < self.stored) {
            self.unstored.pop_front();
        }
    }

    /// Neighbours are told what stands before: the first own message that is not on the disk.
    pub(super) fn tellable(&self, graph: &Graph) -> u32 {
        self.unstored.front().copied().unwrap_or(graph.len())
    }

    /// When to announce, once ready.
    pub(super) fn announce_at(&self) -> Option<Instant> {
        if self.left {
            return None;
        }
        let wait = match (self.beat, self.stored_clock > self.announced_clock) {
            (0, _) => Duration::ZERO,
            (_, true) => ANNOUNCE_RISEN_EVERY,
            (_, false) => ANNOUNCE_EVERY,
        };
        Some(self.announced_at + wait)
    }

    pub(super) fn announce(
        &mut self,
        now: Instant,
        graph: &Graph,
        gone: bool,
    ) -> Result<SignedAnnouncement, UseError> {
        self.beat += 1;
        (self.announced_clock, self.announced_at) = (self.stored_clock, now);
        let announcement = Announcement {
            author: self.author,
            incarnation: self.config.incarnation,
            beat: self.beat,
            last: self.stored_last.map(|at| graph.digest(at)),
            clock: Lamport::new(u64::from(self.stored_clock)),
            name: self.config.name.clone(),
            addr: self.config.addr,
            sealing: self.sealing,
            gone,
        };
        Ok(SignedAnnouncement::sign(
            &self.config.identity,
            announcement,
        )?)
    }
}
