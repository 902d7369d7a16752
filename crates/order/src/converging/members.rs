//! Who is a member, and how far lines are final: no member that is known and not set aside will say anything with
//! a stamp up to the frontier, so nothing but late lines enters before the final key, which only rises.
//!
//! A member's next message has a greater stamp than its newest one, and than the clock that it announced. An announced clock counts once
//! its author's last message was delivered here: before, an older message may still be under way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::peer::SignedAnnouncement;
use lamparina_protocol::{AuthorKey, Instant, Lamport};

use super::graph::Graph;
use super::types::{HistoryKey, LinkId, Output};

/// Members that have only announced themselves, at most; a further one is not heard until one of them was set aside.
pub const ANNOUNCED_ONLY_MAX: usize = 1_024;
/// Announcements of one life that follow each other faster than this, for longer than [`ANNOUNCED_BURST`], are neither kept
/// nor passed on.
pub const ANNOUNCED_GAP_MIN: Duration = Duration::from_millis(250);
/// How far announcements may be ahead of their pace: a new link brings an old one and a new one at once.
pub const ANNOUNCED_BURST: Duration = Duration::from_secs(1);

/// Those of another life, and the last one of a life, are kept in spite of that, but no more often than this.
pub const ANNOUNCED_ANYWAY_GAP_MIN: Duration = Duration::from_secs(1);

/// All members but this peer.
#[derive(Clone, Debug)]
pub(super) struct Members {
    ours: AuthorKey,
    aside_after: Duration,
    members: BTreeMap<AuthorKey, Member>,
    /// Of members that are not set aside.
    floors: BTreeSet<(Lamport, AuthorKey)>,
    /// The newest announcement of each author, our own among them, by when it came.
    by_serial: BTreeMap<u64, AuthorKey>,
    kept: BTreeMap<AuthorKey, Kept>,
    serial: u64,
    announced_only: usize,
    /// When somebody may have been silent for too long.
    check_at: Option<Instant>,
    frontier: Lamport,
    final_key: Option<HistoryKey>,
    told: Option<HistoryKey>,
}

#[derive(Clone, Debug)]
struct Member {
    /// Its next message has a greater stamp.
    floor: Lamport,
    heard_at: Instant,
    aside: bool,
    /// It has said a message; others are forgotten when there are too many.
    spoke: bool,
}

#[derive(Clone, Debug)]
struct Kept {
    signed: SignedAnnouncement,
    serial: u64,
    from: Option<LinkId>,
    /// When it would have come at the greatest pace.
    paced_at: Instant,
    /// When one of its author's was last kept though it came too fast.
    anyway_at: Option<Instant>,
    /// Its last message was delivered here.
    holds: bool,
}

impl Members {
    pub(super) const fn new(ours: AuthorKey, aside_after: Duration) -> Self {
        Self {
            ours,
            aside_after,
            members: BTreeMap::new(),
            floors: BTreeSet::new(),
            by_serial: BTreeMap::new(),
            kept: BTreeMap::new(),
            serial: 0,
            announced_only: 0,
            check_at: None,
            frontier: Lamport::ZERO,
            final_key: None,
            told: None,
        }
    }

    /// Lines up to this one were final in an earlier life.
    pub(super) const fn restore_final(&mut self, key: HistoryKey) {
        self.final_key = Some(key);
        self.told = Some(key);
    }

    pub(super) const fn ours(&self) -> &AuthorKey {
        &self.ours
    }

    pub(super) const fn final_key(&self) -> Option<HistoryKey> {
        self.final_key
    }

    pub(super) const fn frontier(&self) -> Lamport {
        self.frontier
    }

    pub(super) fn is_late(&self, key: &HistoryKey) -> bool {
        self.final_key.is_some_and(|last| *key < last)
    }

    /// Those that are not set aside.
    pub(super) fn present(&self) -> impl Iterator<Item = AuthorKey> {
        let present = self.members.iter().filter(|(_, member)| !member.aside);
        present.map(|(author, _)| *author)
    }

    /// Somebody's newest announcement.
    pub(super) fn announcement(&self, of: &AuthorKey) -> Option<&SignedAnnouncement> {
        self.kept.get(of).map(|kept| &kept.signed)
    }

    /// A message was delivered: its author is there, and will say nothing with so low a stamp.
    pub(super) fn on_message(
        &mut self,
        now: Instant,
        graph: &Graph,
        key: &HistoryKey,
        out: &mut Vec<Output>,
    ) {
        let author = key.name.chain.author;
        if author == self.ours {
            return;
        }
        let member = self.heard(now, author, out);
        let first = !std::mem::replace(&mut member.spoke, true);
        self.announced_only -= usize::from(first);
        self.raise(author, key.stamp);
        self.use_announcement(graph, author, out);
    }

    /// An announcement came over a link. Gives whether it is news, to be passed on.
    pub(super) fn on_announcement(
        &mut self,
        now: Instant,
        from: Option<LinkId>,
        graph: &Graph,
        signed: SignedAnnouncement,
        out: &mut Vec<Output>,
    ) -> bool {
        let said = signed.announcement();
        let author = said.author;
        let mut anyway = false;
        if let Some(kept) = self.kept.get(&author) {
            let before = kept.signed.announcement();
            let newer = (said.incarnation, said.beat) > (before.incarnation, before.beat);
            let hasty = from.is_some() && kept.paced_at > now + ANNOUNCED_BURST;
            let counts = said.incarnation != before.incarnation || said.gone;
            let since = kept.anyway_at.map(|at| at + ANNOUNCED_ANYWAY_GAP_MIN);
            anyway = hasty && counts && since.is_none_or(|at| now >= at);
            if !newer || (hasty && !anyway) {
                return false;
            }
        } else if !self.members.contains_key(&author) && !self.has_room() {
            return false;
        }
        self.keep(now, from, signed, anyway);
        if author != self.ours {
            self.heard(now, author, out);
            self.use_announcement(graph, author, out);
        }
        true
    }

    /// Announcements that came after `serial` and not over `link`, in the order in which they came, and the newest serial.
    pub(super) fn after(&self, serial: u64, link: LinkId) -> (Vec<Bytes>, u64) {
        let later = self.by_serial.range(serial + 1..);
        let kept = later.filter_map(|(_, author)| self.kept.get(author));
        let others = kept.filter(|kept| kept.from != Some(link));
        let bytes = others.map(|kept| kept.signed.bytes().clone()).collect();
        (bytes, self.serial)
    }

    /// When to call [`on_time`](Self::on_time).
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.check_at
    }

    /// Sets aside who was silent for too long.
    pub(super) fn on_time(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.check_at.is_none_or(|at| now < at) {
            return;
        }
        let silent = |member: &Member| now >= member.heard_at + self.aside_after;
        let present = self.members.iter().filter(|(_, member)| !member.aside);
        let gone = present.filter(|(_, member)| silent(member));
        let gone: Vec<AuthorKey> = gone.map(|(author, _)| *author).collect();
        gone.into_iter().for_each(|author| self.aside(author, out));
        let present = self.members.values().filter(|member| !member.aside);
        let oldest = present.map(|member| member.heard_at).min();
        self.check_at = oldest.map(|at| at + self.aside_after);
    }

    /// Looks how far all members have come; `clock` is our own. The frontier falls when somebody comes back, and what
    /// was final remains so.
    pub(super) fn settle(&mut self, graph: &Graph, clock: Lamport) {
        let lowest = self.floors.first().map_or(clock, |(floor, _)| *floor);
        self.frontier = lowest.min(clock);
        self.final_key = self.final_key.max(graph.greatest_upto(self.frontier));
    }

    /// Says how far lines are final, when that is news.
    pub(super) fn tell_final(&mut self, out: &mut Vec<Output>) {
        if self.told == self.final_key {
            return;
        }
        self.told = self.final_key;
        out.extend(self.final_key.map(Output::FinalUpTo));
    }

    fn has_room(&mut self) -> bool {
        if self.announced_only < ANNOUNCED_ONLY_MAX {
            return true;
        }
        let mut silent = self.members.iter();
        let found = silent.find(|(_, member)| member.aside && !member.spoke);
        let Some(author) = found.map(|(author, _)| *author) else {
            return false;
        };
        self.members.remove(&author);
        self.announced_only -= 1;
        if let Some(kept) = self.kept.remove(&author) {
            self.by_serial.remove(&kept.serial);
        }
        true
    }

    fn keep(
        &mut self,
        now: Instant,
        from: Option<LinkId>,
        signed: SignedAnnouncement,
        anyway: bool,
    ) {
        let author = signed.announcement().author;
        self.serial += 1;
        let kept = self.kept.get(&author);
        let before = kept.map_or(now, |kept| kept.paced_at);
        let anyway_at = match anyway {
            true => Some(now),
            false => kept.and_then(|kept| kept.anyway_at),
        };
        let kept = Kept {
            signed,
            serial: self.serial,
            from,
            paced_at: now.max(before) + ANNOUNCED_GAP_MIN,
            anyway_at,
            holds: false,
        };
        if let Some(before) = self.kept.insert(author, kept) {
            self.by_serial.remove(&before.serial);
        }
        self.by_serial.insert(self.serial, author);
    }

    /// There is news of a member.
    fn heard(&mut self, now: Instant, author: AuthorKey, out: &mut Vec<Output>) -> &mut Member {
        let announced_only = &mut self.announced_only;
        let member = self.members.entry(author).or_insert_with(|| {
            *announced_only += 1;
            Member {
                floor: Lamport::ZERO,
                heard_at: now,
                aside: true,
                spoke: false,
            }
        });
        member.heard_at = now;
        if member.aside {
            member.aside = false;
            self.floors.insert((member.floor, author));
            let at = now + self.aside_after;
            self.check_at = Some(self.check_at.map_or(at, |before| before.min(at)));
            out.push(Output::MemberBack(author));
        }
        member
    }

    fn raise(&mut self, author: AuthorKey, floor: Lamport) {
        let Some(member) = self.members.get_mut(&author) else {
            return;
        };
        if floor > member.floor {
            let before = std::mem::replace(&mut member.floor, floor);
            if self.floors.remove(&(before, author)) {
                self.floors.insert((floor, author));
            }
        }
    }

    /// An announcement counts once its author's last message was delivered.
    fn use_announcement(&mut self, graph: &Graph, author: AuthorKey, out: &mut Vec<Output>) {
        let Some(kept) = self.kept.get_mut(&author).filter(|kept| !kept.holds) else {
            return;
        };
        let said = kept.signed.announcement();
        if said.last.is_some_and(|last| graph.find(&last).is_none()) {
            return;
        }
        kept.holds = true;
        let (clock, gone) = (said.clock, said.gone);
        self.raise(author, clock);
        if gone {
            self.aside(author, out);
        }
    }

    fn aside(&mut self, author: AuthorKey, out: &mut Vec<Output>) {
        let Some(member) = self.members.get_mut(&author) else {
            return;
        };
        if !std::mem::replace(&mut member.aside, true) {
            self.floors.remove(&(member.floor, author));
            out.push(Output::MemberAside(author));
        }
    }
}
