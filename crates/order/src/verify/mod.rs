//! Checks, from what recipients saw and nothing else, that there is one order: every recipient's
//! stamps grow without a silent gap, and any two recipients agree on what both saw.
//!
//! Knows nothing of the machine that made the order, so it can judge it. Feed it deliveries and
//! commits as they are seen, in any interleaving of the viewers; the first [`Violation`] names
//! both messages. It remembers every message for as long as it lives: it is for runs and
//! captures, not for a server that never stops.

pub mod journal;
mod violation;

use std::collections::BTreeMap;

use lamparina_protocol::message::Delivery;
use lamparina_protocol::{Audience, Epoch, Lamport, MemberId, Nick, Pseq};

pub use violation::{Sighting, Violation};

/// What names a message: nothing else, so that equal texts stay two messages.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct MessageId {
    /// Its author.
    pub member: MemberId,
    /// The author's epoch.
    pub epoch: Epoch,
    /// Place in that epoch.
    pub pseq: Pseq,
}

/// What is the same for everybody who sees a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Content {
    /// The nick its author held.
    pub from: Nick,
    /// The clock it was sent with.
    pub clock: Lamport,
    /// The stamp up to which its author had been delivered.
    pub seen: Lamport,
    /// For whom.
    pub audience: Audience,
    /// The text.
    pub text: String,
}

/// One delivery, as one viewer saw it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Observed {
    /// Its place.
    pub stamp: Lamport,
    /// The stamp delivered to this viewer before it; `None` for history, which has none.
    pub prev: Option<Lamport>,
    /// Which message.
    pub id: MessageId,
    /// What it says.
    pub content: Content,
}

impl From<&Delivery> for Observed {
    fn from(delivery: &Delivery) -> Self {
        Self {
            stamp: delivery.stamp,
            prev: (!delivery.history).then_some(delivery.prev.0),
            id: MessageId {
                member: delivery.member,
                epoch: delivery.epoch,
                pseq: delivery.pseq,
            },
            content: Content {
                from: delivery.from.clone(),
                clock: delivery.clock,
                seen: delivery.seen,
                audience: delivery.audience.clone(),
                text: delivery.text.clone(),
            },
        }
    }
}

/// What has been checked so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Checked {
    /// Viewers who saw anything.
    pub viewers: usize,
    /// Different messages seen.
    pub messages: usize,
    /// Deliveries and commits seen.
    pub sightings: u64,
    /// Messages seen by more than one viewer: what agreement was possible about.
    pub shared: usize,
}

/// The check. A violation leaves it as it was before the sighting that showed it.
#[derive(Clone, Debug, Default)]
pub struct OrderCheck {
    viewers: BTreeMap<String, Lamport>,
    places: BTreeMap<Lamport, Place>,
    stamps: BTreeMap<MessageId, Lamport>,
    sightings: u64,
}

/// What stands at one stamp, and whether more than its first viewer saw it.
#[derive(Clone, Debug)]
struct Place {
    first: Sighting,
    shared: bool,
}

impl OrderCheck {
    /// `viewer` was delivered a message.
    pub fn delivered(&mut self, viewer: &str, seen: &Observed) -> Result<(), Violation> {
        let sighting = Sighting {
            viewer: viewer.to_owned(),
            stamp: seen.stamp,
            id: seen.id,
            content: Some(seen.content.clone()),
            written: None,
        };
        if let Some(prev) = seen.prev {
            self.check_chain(&sighting, prev)?;
        }
        check_cause(&sighting, &seen.content)?;
        self.check_place(&sighting)?;
        self.note(sighting, seen.prev.is_some());
        Ok(())
    }

    /// `viewer` was told the place of a message of its own. The same commit may come again.
    pub fn committed(
        &mut self,
        viewer: &str,
        id: MessageId,
        stamp: Lamport,
    ) -> Result<(), Violation> {
        self.committed_as(viewer, id, stamp, None)
    }

    /// The same, where `viewer` also says what it wrote.
    pub fn committed_as(
        &mut self,
        viewer: &str,
        id: MessageId,
        stamp: Lamport,
        written: Option<&str>,
    ) -> Result<(), Violation> {
        let sighting = Sighting {
            viewer: viewer.to_owned(),
            stamp,
            id,
            content: None,
            written: written.map(str::to_owned),
        };
        self.check_place(&sighting)?;
        self.note(sighting, false);
        Ok(())
    }

    /// `viewer` was told that its deliveries go on after `stamp`: at a reconnection, or where it
    /// begins later than the order does. What it sees again must be what it was.
    pub fn resumed(&mut self, viewer: &str, stamp: Lamport) {
        self.viewers.insert(viewer.to_owned(), stamp);
    }

    /// The stamp up to which a viewer has been delivered; 0 for nothing yet.
    pub fn delivered_upto(&self, viewer: &str) -> Lamport {
        self.viewers.get(viewer).copied().unwrap_or_default()
    }

    /// Everything seen, by place: the one order.
    pub fn order(&self) -> impl Iterator<Item = &Sighting> {
        self.places.values().map(|place| &place.first)
    }

    /// How much has been checked, all of it without a violation.
    pub fn checked(&self) -> Checked {
        Checked {
            viewers: self.viewers.len(),
            messages: self.places.len(),
            sightings: self.sightings,
            shared: self.places.values().filter(|place| place.shared).count(),
        }
    }

    /// Stamps grow, and `prev` is the delivery before.
    fn check_chain(&self, later: &Sighting, prev: Lamport) -> Result<(), Violation> {
        let after = self.delivered_upto(&later.viewer);
        if later.stamp > after && prev == after {
            return Ok(());
        }
        let viewer = later.viewer.clone();
        let earlier = self.places.get(&after).map(|place| {
            let first = place.first.clone();
            Box::new(Sighting {
                viewer: viewer.clone(),
                ..first
            })
        });
        let later = Box::new(later.clone());
        Err(if later.stamp <= after {
            Violation::NotIncreasing {
                viewer,
                after,
                earlier,
                later,
            }
        } else {
            Violation::BrokenPrev {
                viewer,
                after,
                earlier,
                prev,
                later,
            }
        })
    }

    /// One message a place, one place and one content a message, each author's in its order.
    fn check_place(&self, later: &Sighting) -> Result<(), Violation> {
        if let Some(stamp) = self.stamps.get(&later.id)
            && *stamp != later.stamp
            && let Some(place) = self.places.get(stamp)
        {
            let (earlier, later) = (Box::new(place.first.clone()), Box::new(later.clone()));
            return Err(Violation::TwoPlaces { earlier, later });
        }
        let Some(place) = self.places.get(&later.stamp) else {
            return self.check_author(later);
        };
        let earlier = &place.first;
        let altered = earlier.contradicts(later);
        let same = earlier.id == later.id;
        if same && !altered {
            return Ok(());
        }
        let (earlier, later) = (Box::new(earlier.clone()), Box::new(later.clone()));
        Err(if same {
            Violation::Altered { earlier, later }
        } else {
            Violation::SamePlace { earlier, later }
        })
    }

    /// A message seen for the first time stands between its author's neighbours. With growing
    /// stamps this is FIFO for every viewer.
    fn check_author(&self, new: &Sighting) -> Result<(), Violation> {
        let own = |(id, stamp): (&MessageId, &Lamport)| {
            let of_author = id.member == new.id.member;
            of_author
                .then(|| self.places.get(stamp).map(|place| &place.first))
                .flatten()
        };
        let before = self.stamps.range(..new.id).next_back().and_then(own);
        let after = self.stamps.range(new.id..).next().and_then(own);
        let (first, second) = match (before, after) {
            (Some(before), _) if before.stamp > new.stamp => (before, new),
            (_, Some(after)) if after.stamp < new.stamp => (new, after),
            _ => return Ok(()),
        };
        let (first, second) = (Box::new(first.clone()), Box::new(second.clone()));
        Err(Violation::AuthorOrder { first, second })
    }

    fn note(&mut self, sighting: Sighting, advances: bool) {
        self.sightings += 1;
        let upto = self.viewers.entry(sighting.viewer.clone()).or_default();
        if advances {
            *upto = sighting.stamp;
        }
        self.stamps.insert(sighting.id, sighting.stamp);
        match self.places.get_mut(&sighting.stamp) {
            None => {
                self.places.insert(
                    sighting.stamp,
                    Place {
                        first: sighting,
                        shared: false,
                    },
                );
            }
            Some(place) => {
                place.shared |= place.first.viewer != sighting.viewer;
                let first = &mut place.first;
                first.content = first.content.take().or(sighting.content);
                first.written = first.written.take().or(sighting.written);
            }
        }
    }
}

/// A stamp is above the clock its message was sent with, and above all that its author had seen.
fn check_cause(sighting: &Sighting, content: &Content) -> Result<(), Violation> {
    let (clock, seen) = (content.clock, content.seen);
    if sighting.stamp > clock && sighting.stamp > seen {
        return Ok(());
    }
    Err(Violation::BeforeCause {
        message: Box::new(sighting.clone()),
        clock,
        seen,
    })
}

#[cfg(test)]
mod tests;
