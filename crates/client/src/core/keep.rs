//! What of an outbox is kept on disk, as changes with tickets. Keeps these: nothing is sent before
//! the disk has it under the name that it is sent with; where a change could not be stored, nothing
//! behind it counts as stored until the whole state has been. Without a disk everything counts as
//! stored at once.

use std::time::Duration;

use lamparina_protocol::message::Submit;
use lamparina_protocol::{Epoch, Instant, Lamport, LogId, Pseq, Term};

use super::event::MessageName;

/// A reader's place is stored this long after it moved, at most.
pub const PLACE_EVERY: Duration = Duration::from_millis(100);
/// A disk that said no is asked again after this long.
pub const RETRY_EVERY: Duration = Duration::from_secs(1);

/// One unsettled message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Kept {
    /// The name that `send` gave.
    pub given: MessageName,
    /// The message as it goes out.
    pub submit: Submit,
    /// It may have reached a server.
    pub tried: bool,
}

/// How far a person has read in one log.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Place {
    /// The log; all zero for none yet.
    pub log: LogId,
    /// Its term then; 0 for none yet.
    pub term: Term,
    /// The last stamp shown.
    pub shown: Lamport,
    /// The highest stamp that anything shown had, history too.
    pub highest: Lamport,
}

/// Everything that is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct State {
    /// The outbox's epoch.
    pub epoch: Epoch,
    /// The last place given in it.
    pub last: Pseq,
    /// How far was read.
    pub place: Place,
    /// What is unsettled, in order.
    pub messages: Vec<Kept>,
    /// What waits in other outboxes: for the logs that this address had before, or sent to this one
    /// by an outbox that its server no longer answers. Goes nowhere by itself.
    pub elsewhere: Vec<Elsewhere>,
}

/// A message of another outbox.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Elsewhere {
    /// Which outbox, as the disk numbers them.
    pub outbox: i64,
    /// The message.
    pub kept: Kept,
}

impl State {
    /// An outbox that has just been made.
    pub const fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            last: Pseq(0),
            place: Place {
                log: LogId([0; 16]),
                term: Term(0),
                shown: Lamport::ZERO,
                highest: Lamport::ZERO,
            },
            messages: Vec::new(),
            elsewhere: Vec::new(),
        }
    }
}

/// One change of what is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// A message was said; it is the last one.
    Said(Kept),
    /// Every message may have reached a server from now on.
    Tried,
    /// A message is settled. It may be forgotten late, or never: it is then sent again under the
    /// same name, and answered the same.
    Settled(MessageName),
    /// Somebody has read further. May be forgotten too: what follows is then shown again.
    Place(Place),
    /// All of it, in place of what was kept; what waits elsewhere stays there.
    Whole(State),
    /// Messages of other outboxes are none any more; these, of this one, stand for them.
    Adopted {
        /// Each by its outbox and its place there.
        from: Vec<(i64, Pseq)>,
        /// As they are said now.
        kept: Vec<Kept>,
    },
}

impl Change {
    /// Whether nothing waits for it, and a crash may lose it.
    pub const fn is_lazy(&self) -> bool {
        matches!(self, Self::Settled(_) | Self::Place(_))
    }
}

/// Numbers changes, and knows which of them are stored.
#[derive(Debug)]
pub(super) struct Keeper {
    durable: bool,
    last: u64,
    stored: u64,
    /// The newest [`Change::Whole`]: what failed before it does not matter any more.
    whole: u64,
    /// The disk said no; when to try again.
    broken: Option<Instant>,
    /// The person knows.
    told: bool,
    place: Place,
    /// The place as given to the disk last, and when and under which number.
    place_given: Place,
    place_at: Option<Instant>,
    place_ticket: u64,
    changes: Vec<(u64, Change)>,
}

impl Keeper {
    pub(super) const fn new(durable: bool, place: Place) -> Self {
        Self {
            durable,
            last: 0,
            stored: 0,
            whole: 0,
            broken: None,
            told: false,
            place,
            place_given: place,
            place_at: None,
            place_ticket: 0,
            changes: Vec::new(),
        }
    }

    /// Whether there is a disk.
    pub(super) const fn is_durable(&self) -> bool {
        self.durable
    }

    /// Up to which number everything is stored.
    pub(super) const fn stored(&self) -> u64 {
        self.stored
    }

    /// Whether the next change must be the whole state.
    pub(super) const fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Gives a change to the disk. Its number; 0, which is stored already, where there is no disk.
    pub(super) fn give(&mut self, change: Change) -> u64 {
        if !self.durable || (self.broken.is_some() && !matches!(change, Change::Whole(_))) {
            return if self.durable { u64::MAX } else { 0 };
        }
        self.last += 1;
        if let Change::Whole(_) = change {
            (self.whole, self.broken) = (self.last, None);
            self.place_given = self.place;
            self.place_ticket = self.last;
        }
        self.changes.push((self.last, change));
        self.last
    }

    /// What is to go to the disk now.
    pub(super) fn take(&mut self) -> Vec<(u64, Change)> {
        std::mem::take(&mut self.changes)
    }

    /// Everything up to `upto` is stored.
    pub(super) fn note_stored(&mut self, upto: u64) {
        self.stored = self.stored.max(upto);
        if self.broken.is_none() && self.stored >= self.whole {
            self.told = false;
        }
    }

    /// The change `ticket`, and all behind it but a later [`Change::Whole`], are not stored. Says
    /// whether that matters.
    pub(super) fn note_failed(&mut self, now: Instant, ticket: u64) -> bool {
        if ticket < self.whole || self.broken.is_some() {
            return false;
        }
        self.broken = Some(now + RETRY_EVERY);
        true
    }

    /// Whether the person is to be told of a failure; once for each time that it lasts.
    pub(super) const fn tell(&mut self) -> bool {
        !std::mem::replace(&mut self.told, true)
    }

    /// When the whole state is to be tried again.
    pub(super) const fn retry_at(&self) -> Option<Instant> {
        self.broken
    }

    /// Where the reader is.
    pub(super) const fn place(&self) -> Place {
        self.place
    }

    /// The reader is there now.
    pub(super) const fn set_place(&mut self, place: Place) {
        self.place = place;
    }

    /// The disk has another outbox in use, and the reader is there.
    pub(super) const fn switched(&mut self, place: Place) {
        (self.place, self.place_given) = (place, place);
    }

    /// Something with this stamp was shown.
    pub(super) fn note_shown(&mut self, stamp: Lamport) {
        self.place.highest = self.place.highest.max(stamp);
    }

    /// When the place is to be stored; `None` while it is.
    pub(super) fn place_due(&self) -> Option<Instant> {
        let waits = !self.durable || self.broken.is_some() || self.place_ticket > self.stored;
        if waits || self.place == self.place_given {
            return None;
        }
        Some(self.place_at.map_or(Instant::ZERO, |at| at + PLACE_EVERY))
    }

    /// Gives the place to the disk, where it is due, or wanted at once.
    pub(super) fn keep_place(&mut self, now: Instant, at_once: bool) {
        let at_once = at_once && self.durable && self.place != self.place_given;
        if at_once || self.place_due().is_some_and(|due| now >= due) {
            self.place_given = self.place;
            self.place_at = Some(now);
            self.place_ticket = self.give(Change::Place(self.place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(shown: u64) -> Place {
        Place {
            shown: Lamport::new(shown),
            ..Place::default()
        }
    }

    #[test]
    fn a_failure_counts_until_the_whole_is_given_again() {
        let at = Instant::from_millis;
        let mut keeper = Keeper::new(true, place(0));
        assert_eq!(keeper.give(Change::Tried), 1);
        assert_eq!(keeper.give(Change::Tried), 2);
        keeper.note_stored(1);
        assert!(keeper.note_failed(at(5), 2));
        assert!(keeper.tell());
        assert!(!keeper.tell(), "told once");
        assert!(!keeper.note_failed(at(6), 3), "it is known");
        assert_eq!(keeper.give(Change::Tried), u64::MAX, "never stored");
        assert_eq!(keeper.retry_at(), Some(at(5) + RETRY_EVERY));
        let whole = keeper.give(Change::Whole(State::new(Epoch(1))));
        assert_eq!((whole, keeper.retry_at()), (3, None));
        assert!(!keeper.note_failed(at(9), 2), "the whole is behind it");
        keeper.note_stored(3);
        assert!(keeper.note_failed(at(9), 4));
        assert!(keeper.tell(), "another time");
        let given: Vec<_> = keeper.take().into_iter().map(|(n, _)| n).collect();
        assert_eq!(given, [1, 2, 3]);
    }

    #[test]
    fn the_place_is_stored_seldom_and_one_at_a_time() {
        let at = Instant::from_millis;
        let mut keeper = Keeper::new(true, place(0));
        assert_eq!(keeper.place_due(), None);
        keeper.set_place(place(4));
        keeper.keep_place(at(1_000), false);
        keeper.set_place(place(5));
        assert_eq!(keeper.place_due(), None, "one is under way");
        keeper.note_stored(1);
        assert_eq!(keeper.place_due(), Some(at(1_100)));
        keeper.keep_place(at(1_099), false);
        keeper.keep_place(at(1_100), false);
        keeper.set_place(place(6));
        keeper.keep_place(at(1_101), true);
        let places: Vec<_> = keeper
            .take()
            .into_iter()
            .map(|(_, change)| change)
            .collect();
        assert_eq!(places, [4, 5, 6].map(|n| Change::Place(place(n))));
        let mut nowhere = Keeper::new(false, place(0));
        nowhere.set_place(place(1));
        nowhere.keep_place(at(1), true);
        assert_eq!((nowhere.take().len(), nowhere.place_due()), (0, None));
    }
}
