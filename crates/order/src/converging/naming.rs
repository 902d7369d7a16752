//! Naming instead of telling: where a neighbour gets an author's messages sooner from others, they are only named to it,
//! at their places, so that a mesh costs one whole copy for each peer and not one for each link.
//!
//! Always: what stands behind a named message on a link is not looked at before that message is here. It comes by another link,
//! or is needed and given by the one that named it: its neighbour has all causes from there already.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::peer::link::NEED_MAX;
use lamparina_protocol::peer::{Digest, Signed};
use lamparina_protocol::{AuthorKey, Instant};

use super::types::{Fault, Heard, Incoming, Output, Sending};
use super::{LinkId, Position};

/// What was only named has so long to come by another link; then it is needed.
pub const NAMED_WITHIN: Duration = Duration::from_millis(100);
/// Whose messages come again all the same is asked again to name them, after so long.
pub const ASK_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// So many bytes behind a named message, and it is needed at once.
pub const NEEDED_FROM_BYTES: usize = 1 << 20;
/// Bytes that wait behind a named message, at most; more is a fault, and the next link begins anew.
pub const BEHIND_BYTES_MAX: usize = 8 << 20;
/// Authors that a neighbour may ask to be named only; more are told whole.
pub const NAME_ONLY_MAX: usize = 1_024;
/// Messages that a neighbour needs and has not been given, at most; more is a fault.
pub const NEEDED_MAX: usize = 1_024;
/// Links that are down and have something behind a named message, at most; the oldest is forgotten first.
pub const PARTED_MAX: usize = 4;
/// What waits on such a link does so for so long.
pub const PARTED_WITHIN: Duration = Duration::from_secs(30);
/// What a thing that waits is counted for, beside the bytes of its messages.
const WAITING_EXTRA_BYTES: usize = 128;

/// A link on which a message was named that is not here.
#[derive(Clone, Debug)]
pub(super) struct Gap {
    /// Which.
    pub(super) digest: Digest,
    since: Instant,
    /// What was needed already.
    needed: BTreeSet<Digest>,
    /// What came for it and has not been reached.
    given: BTreeMap<Digest, Arc<Signed>>,
    behind: VecDeque<Heard>,
    bytes: usize,
}

impl Gap {
    pub(super) fn new(now: Instant, digest: Digest) -> Self {
        Self {
            digest,
            since: now,
            needed: BTreeSet::new(),
            given: BTreeMap::new(),
            behind: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Keeps what came behind it.
    pub(super) fn push(&mut self, heard: Heard) -> Result<(), Fault> {
        self.bytes += bytes_of(&heard);
        self.behind.push_back(own_bytes(heard));
        match self.bytes > BEHIND_BYTES_MAX {
            true => Err(Fault::TooMuchBehind),
            false => Ok(()),
        }
    }

    pub(super) fn is_waited_behind(&self) -> bool {
        !self.behind.is_empty()
    }

    /// What was needed has come: nothing else is taken.
    pub(super) fn give(&mut self, signed: Arc<Signed>) {
        if self.needed.contains(&signed.digest()) {
            self.given.insert(signed.digest(), copied(&signed));
        }
    }

    /// The message itself, where it was given.
    pub(super) fn take_given(&mut self) -> Option<Arc<Signed>> {
        self.given.remove(&self.digest)
    }

    /// The gap is closed: the next one on the same link knows what was given, and what waits is heard behind it.
    pub(super) fn into_rest(self) -> (Rest, VecDeque<Heard>) {
        let rest = Rest {
            needed: self.needed,
            given: self.given,
        };
        (rest, self.behind)
    }

    /// Another gap behind one that was closed.
    pub(super) fn go_on(mut self, rest: Rest) -> Self {
        (self.needed, self.given) = (rest.needed, rest.given);
        self
    }

    /// When to ask for it, unless that was done. Who is asked and gives nothing holds up what it says itself, and nobody else.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let asked = self.needed.contains(&self.digest);
        let within = match self.bytes > NEEDED_FROM_BYTES {
            true => Duration::ZERO,
            false => NAMED_WITHIN,
        };
        (!asked).then_some(self.since + within)
    }

    /// Asks for what has not come.
    pub(super) fn on_time(
        &mut self,
        now: Instant,
        link: LinkId,
        knows: impl Fn(&Digest) -> bool,
        out: &mut Vec<Output>,
    ) {
        if self.deadline().is_none_or(|at| now < at) {
            return;
        }
        // Whatever else is missing behind it is asked for at once, and what came by another link is needed no more.
        self.needed.retain(|digest| !knows(digest));
        self.given.retain(|digest, _| !knows(digest));
        let named = self.behind.iter().filter_map(|heard| match heard {
            Heard::Messages(messages) => Some(messages),
            _ => None,
        });
        let named = named.flatten().filter_map(|message| match message {
            Incoming::Named(digest) if !knows(digest) => Some(*digest),
            _ => None,
        });
        let missing = std::iter::once(self.digest).chain(named);
        let missing = missing.filter(|digest| !self.needed.contains(digest));
        let room = NEED_MAX.saturating_sub(self.needed.len());
        let missing: Vec<Digest> = missing.take(room.max(1)).collect();
        self.needed.extend(missing.iter().copied());
        out.push(Output::Send(link, Sending::Need(missing)));
    }
}

/// What one gap knows for the next one on its link.
#[derive(Debug, Default)]
pub(super) struct Rest {
    needed: BTreeSet<Digest>,
    given: BTreeMap<Digest, Arc<Signed>>,
}

impl Rest {
    pub(super) fn given(&mut self, digest: &Digest) -> Option<Arc<Signed>> {
        self.given.remove(digest)
    }
}

/// The same with bytes of its own: what came is a part of a link message, and would keep the whole of it, which nobody counts.
fn own_bytes(heard: Heard) -> Heard {
    match heard {
        Heard::Messages(messages) => {
            let own = |message| match message {
                Incoming::New(signed) => Incoming::New(copied(&signed)),
                known => known,
            };
            Heard::Messages(messages.into_iter().map(own).collect())
        }
        heard => heard,
    }
}

fn copied(signed: &Arc<Signed>) -> Arc<Signed> {
    // It was read from the same bytes before.
    Signed::read_own(&Bytes::copy_from_slice(signed.bytes()))
        .map_or_else(|_| Arc::clone(signed), Arc::new)
}

fn bytes_of(heard: &Heard) -> usize {
    let messages = match heard {
        Heard::Messages(messages) => &messages[..],
        _ => &[],
    };
    let bytes = messages.iter().map(|message| match message {
        Incoming::New(signed) => WAITING_EXTRA_BYTES + signed.bytes().len(),
        Incoming::Known(_) | Incoming::Named(_) => WAITING_EXTRA_BYTES,
    });
    let announced = match heard {
        Heard::Announcements(items) => items.iter().map(|item| item.bytes().len()).sum(),
        _ => 0,
    };
    WAITING_EXTRA_BYTES + announced + bytes.sum::<usize>()
}

/// What one neighbour wants only named, what it needs all the same, and whom this peer asked it to name.
#[derive(Clone, Debug, Default)]
pub(super) struct Naming {
    /// It gets their messages sooner from others.
    only: BTreeSet<AuthorKey>,
    /// Named messages that it needs.
    needed: VecDeque<Position>,
    /// Those whose messages come here sooner by other links, as it was told.
    asked: BTreeMap<AuthorKey, Instant>,
}

impl Naming {
    /// Whether a message of this author is only named.
    pub(super) fn names(&self, author: &AuthorKey) -> bool {
        self.only.contains(author)
    }

    /// It wants their messages named.
    pub(super) fn name_only(&mut self, authors: Vec<AuthorKey>) {
        for author in authors {
            if self.only.len() < NAME_ONLY_MAX {
                self.only.insert(author);
            }
        }
    }

    /// It needs one that was named: from now on this author's are told whole.
    pub(super) fn need(&mut self, position: Position, author: &AuthorKey) -> Result<(), Fault> {
        self.only.remove(author);
        self.needed.push_back(position);
        match self.needed.len() > NEEDED_MAX {
            true => Err(Fault::NeededTooMuch),
            false => Ok(()),
        }
    }

    /// The next message to give.
    pub(super) fn next_given(&mut self) -> Option<Position> {
        self.needed.pop_front()
    }

    /// A whole message came that was here; gives whether to ask that this author's be named.
    pub(super) fn came_again(&mut self, now: Instant, author: AuthorKey) -> bool {
        let due = match self.asked.get(&author) {
            Some(asked) => now >= *asked + ASK_AGAIN_AFTER,
            None => self.asked.len() < NAME_ONLY_MAX,
        };
        if due {
            self.asked.insert(author, now);
        }
        due
    }

    /// A message of this author had to be asked for.
    pub(super) fn had_to_ask(&mut self, author: &AuthorKey) {
        self.asked.remove(author);
    }
}
