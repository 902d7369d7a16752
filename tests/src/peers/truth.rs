//! What was said by anybody, and a second opinion on what follows from it: stamps and keys, derived from causes without
//! the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lamparina_order::converging::{Delivery, HistoryKey, LinkId};
use lamparina_protocol::peer::{Digest, Signed};
use lamparina_protocol::{AuthorKey, Lamport};

/// All messages that anybody was delivered.
#[derive(Debug, Default)]
pub struct Truth {
    stamps: BTreeMap<Digest, u64>,
    /// Messages whose signature was looked at, so that it is done once in a world.
    pub proved: BTreeMap<Digest, Arc<Signed>>,
}

/// What one peer was delivered, and told of it.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    digests: BTreeSet<Digest>,
    /// Lines are final up to here.
    pub final_upto: Option<HistoryKey>,
    /// The greatest final key of the time when this author was a member.
    present: BTreeMap<AuthorKey, HistoryKey>,
    /// Late lines.
    pub late: u64,
}

/// How far lines are final, and for which members that holds.
#[derive(Clone, Debug, Default)]
pub struct Promised {
    /// Lines are final up to here.
    pub final_upto: Option<HistoryKey>,
    present: BTreeMap<AuthorKey, HistoryKey>,
}

impl Truth {
    /// The stamp of a message whose causes have theirs.
    fn stamp(&mut self, message: &Signed) -> u64 {
        let content = message.content();
        let causes = content.prev.iter().chain(&content.heads);
        let stamp = |cause| self.stamps.get(cause).copied();
        let stamps: Option<Vec<u64>> = causes.map(stamp).collect();
        let stamps = stamps.expect("a message was delivered before its causes");
        let stamp = stamps.into_iter().max().unwrap_or(0) + 1;
        self.stamps.insert(message.digest(), stamp);
        stamp
    }

    /// A peer was delivered a message: its causes were, its stamp follows from them, it comes once, and it is late
    /// exactly when it stands before a final line.
    pub fn delivered(&mut self, seen: &mut Seen, delivery: &Delivery, honest: &[AuthorKey]) {
        let message = &delivery.message;
        let content = message.content();
        for cause in content.prev.iter().chain(&content.heads) {
            assert!(seen.digests.contains(cause), "delivered before its cause");
        }
        assert!(seen.digests.insert(message.digest()), "delivered twice");
        assert_eq!(delivery.stamp, Lamport::new(self.stamp(message)), "stamp");
        let key = delivery.key();
        let late = seen.final_upto.is_some_and(|last| key < last);
        assert_eq!(
            delivery.late, late,
            "late is what stands before a final line"
        );
        seen.late += u64::from(late);
        let author = key.name.chain.author;
        if honest.contains(&author) {
            let promised = seen.present.get(&author);
            assert!(
                promised.is_none_or(|last| key > *last),
                "a known member's line was inserted before a final one",
            );
        }
        assert!(!(late && delivery.from.is_none()), "an own line is late");
    }

    /// A peer restored a message from its disk.
    pub fn restored(seen: &mut Seen, message: &Signed) {
        seen.digests.insert(message.digest());
    }
}

impl Seen {
    /// Lines are final up to here, with these members there.
    pub fn is_final(&mut self, upto: HistoryKey, members: impl Iterator<Item = AuthorKey>) {
        assert!(self.final_upto < Some(upto), "what is final only rises");
        self.final_upto = Some(upto);
        self.present.extend(members.map(|author| (author, upto)));
    }

    /// What it has promised by now: what a write that begins now keeps of that.
    pub fn promised(&self) -> Promised {
        Promised {
            final_upto: self.final_upto,
            present: self.present.clone(),
        }
    }

    /// What is left of it after a crash. Who became known as a member behind the last write was promised nothing by
    /// what the disk has.
    pub fn after_crash(promised: &Promised) -> Self {
        Self {
            digests: BTreeSet::new(),
            final_upto: promised.final_upto,
            present: promised.present.clone(),
            late: 0,
        }
    }

    /// How many messages it was delivered.
    pub fn len(&self) -> usize {
        self.digests.len()
    }

    /// Whether it was delivered none.
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }
}

/// Whether a link is one of ours: so that traces name it the same on every machine.
pub const fn number(link: Option<LinkId>) -> u64 {
    match link {
        Some(LinkId(number)) => number,
        None => u64::MAX,
    }
}
