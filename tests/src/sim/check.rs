//! What must hold, whatever happens: checked at every step from what people said, what got a place,
//! and what everybody was told. Knows nothing of the machines that it judges.

mod durable;
mod violation;

use std::collections::{BTreeMap, BTreeSet};

use lamparina_order::verify::{MessageId, Observed, OrderCheck};
use lamparina_protocol::message::{Delivery, RefusalCode};
use lamparina_protocol::{Audience, Epoch, Lamport, MemberId, Pseq};

pub use violation::Violation;

/// A person, by number; the same through crashes and new names.
pub type Who = usize;

/// What names a message.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Name {
    /// Its author.
    pub who: Who,
    /// The life of the author's outbox.
    pub epoch: Epoch,
    /// Its place there.
    pub pseq: Pseq,
}

/// A message, as its author said it.
#[derive(Clone, Debug)]
struct Said {
    /// What its author first called it.
    given: Name,
    text: u64,
    seen: u64,
    /// The last stamp that its author had been told of, by a delivery or a commit.
    known: u64,
    settled: Option<String>,
    /// Its author is gone: nobody waits for its settlement.
    orphan: bool,
}

#[derive(Clone, Debug)]
struct Ordered {
    name: Name,
    recipients: BTreeSet<Who>,
}

/// What one person has been told.
#[derive(Clone, Debug, Default)]
struct Viewer {
    /// Stamps that are for it, ascending.
    addressed: Vec<u64>,
    /// How many of them lie behind it.
    passed: usize,
    /// The last stamp delivered in this life.
    upto: u64,
    /// What the next delivery must name.
    chain: u64,
    /// The last stamp in the person's hands, in any life.
    handed: u64,
    /// And in this one: what the next message has seen.
    seen: u64,
    /// The last stamp it was told of in any way.
    known: u64,
    /// The last stamp that came to its session from the disk instead of the tail.
    read_upto: u64,
    /// Its last message of each author.
    last_of: BTreeMap<Who, (Epoch, Pseq)>,
}

/// The check.
#[derive(Clone, Debug, Default)]
pub struct Check {
    said: BTreeMap<Name, Said>,
    ordered: BTreeMap<u64, Ordered>,
    places: BTreeMap<Name, u64>,
    /// Why a message has no place; while the disk is full it may be told so for more than one reason.
    refused: BTreeMap<Name, BTreeSet<&'static str>>,
    /// What anybody was told stands at a stamp, and the stamp of it. Survives every restart.
    told_at: BTreeMap<u64, Name>,
    told_of: BTreeMap<Name, u64>,
    /// Members whose claim is durable.
    claimed: BTreeSet<MemberId>,
    /// What a message is called now, by what it was called first.
    names: BTreeMap<Name, Name>,
    last_of: BTreeMap<Who, (Epoch, Pseq)>,
    viewers: Vec<Viewer>,
    second: OrderCheck,
    /// Deliveries checked.
    pub delivered: u64,
    /// Bytes of text in them.
    pub bytes: u64,
    /// Refusals checked.
    pub refusals: u64,
    /// Those for want of room among them.
    pub turned_away: u64,
    /// Gaps told.
    pub gaps: u64,
    /// Events told behind messages that came from the disk and stand behind them.
    pub late: u64,
}

/// A digest of a text: two texts of a run are taken for equal by it.
pub fn digest(text: &str) -> u64 {
    let mut digest = 0xcbf2_9ce4_8422_2325 ^ text.len() as u64;
    for chunk in text.as_bytes().chunks(8) {
        let word = match chunk.first_chunk() {
            Some(eight) => u64::from_be_bytes(*eight),
            None => chunk
                .iter()
                .fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        digest = (digest ^ word)
            .wrapping_mul(0x0100_0000_01b3)
            .rotate_left(29);
    }
    digest
}

type Checked = Result<(), Violation>;

impl Check {
    /// A check with `people` of them.
    pub fn new(people: usize) -> Self {
        Self {
            viewers: vec![Viewer::default(); people],
            ..Self::default()
        }
    }

    /// Somebody says something.
    pub fn said(&mut self, name: Name, text: &str) {
        let viewer = &self.viewers[name.who];
        let said = Said {
            given: name,
            text: digest(text),
            seen: viewer.seen,
            known: viewer.known,
            settled: None,
            orphan: false,
        };
        self.said.insert(name, said);
    }

    /// A message has its place.
    ///
    /// # Errors
    ///
    /// The [`Violation`], here and in all that follows.
    pub fn ordered(&mut self, name: Name, stamp: u64, recipients: BTreeSet<Who>) -> Checked {
        let said = self.said.get(&name).ok_or(Violation::NeverSaid(name))?;
        if let Some(first) = self.places.get(&name) {
            let (first, second) = (*first, stamp);
            return Err(Violation::TwoPlaces {
                name,
                first,
                second,
            });
        }
        let before = self.ordered.last_key_value().map_or(0, |(stamp, _)| *stamp);
        if stamp <= before {
            return Err(Violation::OrderNotIncreasing {
                name,
                stamp,
                before,
            });
        }
        let cause = said.known.max(said.seen);
        if stamp <= cause {
            return Err(Violation::BeforeCause { name, stamp, cause });
        }
        in_author_order(&mut self.last_of, name)?;
        for who in &recipients {
            self.viewers[*who].addressed.push(stamp);
        }
        self.places.insert(name, stamp);
        self.ordered.insert(stamp, Ordered { name, recipients });
        Ok(())
    }

    /// The order decided against a message.
    pub fn decided_against(&mut self, name: Name, code: &'static str) {
        self.refused.entry(name).or_default().insert(code);
    }

    /// There was no room for a message: its author may be told so, and nothing is settled by it.
    pub fn turned_away(&mut self, name: Name) {
        self.decided_against(name, RefusalCode::StorageFull.name());
    }

    /// Whether there was no room for some message of somebody.
    pub fn was_turned_away(&self, who: Who) -> bool {
        let code = RefusalCode::StorageFull.name();
        let mut own = self.refused.iter().filter(|(name, _)| name.who == who);
        own.any(|(_, codes)| codes.contains(code))
    }

    fn was_refused(&self, name: &Name, code: &str) -> bool {
        let codes = self.refused.get(name);
        codes.is_some_and(|codes| codes.contains(code))
    }

    /// Somebody is delivered something.
    ///
    /// # Errors
    ///
    /// As [`Self::ordered`].
    pub fn delivered(&mut self, who: Who, author: Who, delivery: &Delivery) -> Checked {
        let stamp = delivery.stamp.get();
        let name = Name {
            who: author,
            epoch: delivery.epoch,
            pseq: delivery.pseq,
        };
        self.check_content(who, name, delivery)?;
        let viewer = &mut self.viewers[who];
        let (upto, chain, prev) = (viewer.upto, viewer.chain, delivery.prev.0.get());
        if stamp <= upto {
            let viewer = who;
            return Err(Violation::NotIncreasing {
                viewer,
                stamp,
                upto,
            });
        }
        viewer.pass(who, stamp)?;
        if prev != chain {
            let viewer = who;
            return Err(Violation::WrongPrev {
                viewer,
                stamp,
                prev,
                chain,
            });
        }
        in_author_order(&mut viewer.last_of, name)?;
        (viewer.upto, viewer.chain) = (stamp, stamp);
        viewer.known = viewer.known.max(stamp);
        self.delivered += 1;
        self.bytes += delivery.text.len() as u64;
        self.second
            .delivered(&who.to_string(), &observed(delivery))?;
        Ok(())
    }

    /// Somebody is shown what was said to all before it came.
    ///
    /// # Errors
    ///
    /// As [`Self::ordered`].
    pub fn shown_history(&mut self, who: Who, author: Who, delivery: &Delivery) -> Checked {
        let name = Name {
            who: author,
            epoch: delivery.epoch,
            pseq: delivery.pseq,
        };
        let received = self.viewers[who].addressed.iter();
        let first = received.copied().next().unwrap_or(u64::MAX);
        if delivery.audience != Audience::All || delivery.stamp.get() >= first {
            return Err(Violation::WrongAudience { viewer: who, name });
        }
        self.check_text(who, name, delivery)
    }

    fn check_content(&self, viewer: Who, name: Name, delivery: &Delivery) -> Checked {
        self.check_text(viewer, name, delivery)?;
        let stamp = delivery.stamp.get();
        let said = self.said.get(&name).ok_or(Violation::NeverSaid(name))?;
        let cause = said
            .known
            .max(delivery.seen.get())
            .max(delivery.clock.get());
        if stamp <= cause {
            return Err(Violation::BeforeCause { name, stamp, cause });
        }
        if viewer == name.who {
            return Err(Violation::Own(viewer, name));
        }
        let ordered = self.ordered.get(&stamp);
        if ordered.is_none_or(|ordered| !ordered.recipients.contains(&viewer)) {
            return Err(Violation::WrongAudience { viewer, name });
        }
        Ok(())
    }

    /// What is shown is what the order has there, as it was said.
    fn check_text(&self, viewer: Who, name: Name, delivery: &Delivery) -> Checked {
        let stamp = delivery.stamp.get();
        let there = self.ordered.get(&stamp);
        if there.is_none_or(|ordered| ordered.name != name) {
            let there = there.map(|ordered| ordered.name);
            return Err(Violation::NotTheOrder {
                viewer,
                name,
                stamp,
                there,
            });
        }
        let said = self.said.get(&name).ok_or(Violation::NeverSaid(name))?;
        if said.text != digest(&delivery.text) || said.seen != delivery.seen.get() {
            return Err(Violation::Altered { viewer, name });
        }
        Ok(())
    }

    /// Somebody is told the place of what it said.
    ///
    /// # Errors
    ///
    /// As [`Self::ordered`].
    pub fn committed(&mut self, name: Name, member: MemberId, stamp: u64) -> Checked {
        let there = self.ordered.get(&stamp).map(|ordered| ordered.name);
        if there != Some(name) {
            let viewer = name.who;
            return Err(Violation::NotTheOrder {
                viewer,
                name,
                stamp,
                there,
            });
        }
        self.settle(name, format!("at {stamp}"))?;
        let viewer = &mut self.viewers[name.who];
        viewer.known = viewer.known.max(stamp);
        let id = MessageId {
            member,
            epoch: name.epoch,
            pseq: name.pseq,
        };
        let stamp = Lamport::new(stamp);
        self.second.committed(&name.who.to_string(), id, stamp)?;
        Ok(())
    }

    /// Somebody is told that what it said has no place. It is called what it was called first.
    ///
    /// # Errors
    ///
    /// As [`Self::ordered`].
    pub fn refused(&mut self, given: Name, code: &str) -> Checked {
        let name = self.names.get(&given).copied().unwrap_or(given);
        if code == "clock-ahead" {
            return Err(Violation::ClockAhead(name));
        }
        if !self.was_refused(&name, code) {
            let decided = match self.places.get(&name) {
                Some(stamp) => Some(format!("at {stamp}")),
                None => self.refused.get(&name).map(|codes| format!("{codes:?}")),
            };
            let code = code.to_owned();
            return Err(Violation::NotDecided {
                name,
                code,
                decided,
            });
        }
        self.refusals += 1;
        self.turned_away += u64::from(code == RefusalCode::StorageFull.name());
        self.settle(name, code.to_owned())
    }

    fn settle(&mut self, name: Name, how: String) -> Checked {
        let said = self.said.get_mut(&name).ok_or(Violation::NeverSaid(name))?;
        match said.settled.replace(how.clone()) {
            Some(first) if first != how => Err(Violation::SettledTwice {
                name,
                first,
                second: how,
            }),
            _ => Ok(()),
        }
    }

    /// Deliveries to somebody go on after a stamp; with a `gap` it is told that some may be lost.
    ///
    /// # Errors
    ///
    /// As [`Self::ordered`].
    pub fn resumed(&mut self, who: Who, stamp: u64, gap: bool) -> Checked {
        self.gaps += u64::from(gap);
        let viewer = &mut self.viewers[who];
        let had = viewer.upto.max(viewer.handed);
        let lost = viewer
            .addressed
            .iter()
            .find(|to| **to > had && **to <= stamp);
        if let (Some(missing), false) = (lost, gap) {
            return Err(Violation::SilentGap {
                viewer: who,
                upto: had,
                next: stamp,
                missing: *missing,
            });
        }
        viewer.chain = stamp;
        viewer.upto = viewer.upto.max(stamp);
        viewer.passed = viewer.addressed.partition_point(|to| *to <= viewer.upto);
        self.second.resumed(&who.to_string(), Lamport::new(stamp));
        Ok(())
    }

    /// Somebody is told of an event that follows `after`.
    ///
    /// # Errors
    ///
    /// As [`Self::ordered`].
    pub fn event(&mut self, who: Who, after: u64) -> Checked {
        let viewer = &self.viewers[who];
        let next = viewer.addressed.get(viewer.passed).copied();
        let early = next.is_some_and(|next| next <= after);
        if viewer.upto <= after && !early {
            return Ok(());
        }
        // What happened while a session read from the disk comes behind what it read.
        if viewer.upto > after && after < viewer.read_upto {
            self.late += 1;
            return Ok(());
        }
        Err(Violation::OutOfPlace {
            viewer: who,
            after,
            upto: viewer.upto,
            next,
        })
    }

    /// Somebody's session has deliveries up to `stamp` from the disk; a new one has none.
    pub fn read(&mut self, who: Who, stamp: u64) {
        self.viewers[who].read_upto = stamp;
    }

    /// Deliveries are in a person's hands.
    pub fn handed(&mut self, who: Who, upto: u64) {
        let viewer = &mut self.viewers[who];
        viewer.handed = viewer.handed.max(upto);
        viewer.seen = viewer.seen.max(upto);
    }

    /// Somebody begins a new life, with an empty memory.
    pub fn reborn(&mut self, who: Who) {
        let viewer = &mut self.viewers[who];
        (viewer.upto, viewer.chain, viewer.passed, viewer.seen) = (0, 0, 0, 0);
        viewer.last_of.clear();
        for (name, said) in &mut self.said {
            said.orphan |= name.who == who;
        }
    }

    /// The order begins anew, with an empty memory: another log. What is settled stays settled.
    pub fn new_log(&mut self) {
        let people = self.viewers.len();
        let (delivered, bytes) = (self.delivered, self.bytes);
        let (gaps, refusals) = (self.gaps, self.refusals);
        let (turned_away, late) = (self.turned_away, self.late);
        *self = Self {
            said: std::mem::take(&mut self.said),
            names: std::mem::take(&mut self.names),
            delivered,
            bytes,
            gaps,
            refusals,
            turned_away,
            late,
            ..Self::new(people)
        };
        for said in self.said.values_mut() {
            (said.seen, said.known) = (0, 0);
        }
    }

    /// What somebody said and is not settled has new names, in the same order. Gives how many.
    pub fn renamed(&mut self, who: Who, epoch: Epoch) -> u64 {
        let open = |(name, said): &(&Name, &Said)| {
            name.who == who && said.settled.is_none() && !said.orphan
        };
        let names = self.said.iter().filter(open).map(|(name, _)| *name);
        let names: Vec<_> = names.collect();
        for (place, before) in names.iter().enumerate() {
            if let Some(said) = self.said.remove(before) {
                let pseq = Pseq(place as u64 + 1);
                let name = Name { who, epoch, pseq };
                self.names.insert(said.given, name);
                self.said.insert(name, said);
            }
        }
        names.len() as u64
    }

    /// Whether everything said by the living is settled and everybody has what is for it.
    ///
    /// # Errors
    ///
    /// As [`Self::ordered`].
    pub fn complete(&self) -> Checked {
        for (who, viewer) in self.viewers.iter().enumerate() {
            if let Some(missing) = viewer.addressed.get(viewer.passed) {
                return Err(Violation::Missing {
                    viewer: who,
                    upto: viewer.upto,
                    missing: *missing,
                });
            }
        }
        let open = |said: &Said| said.settled.is_none() && !said.orphan;
        match self.said.iter().find(|(_, said)| open(said)) {
            Some((name, _)) => Err(Violation::Unsettled(*name)),
            None => Ok(()),
        }
    }

    /// Messages that have a place.
    pub fn places(&self) -> usize {
        self.places.len()
    }
}

impl Viewer {
    /// Moves on to `stamp`, which must be the next one for it.
    fn pass(&mut self, who: Who, stamp: u64) -> Checked {
        match self.addressed.get(self.passed) {
            Some(next) if *next == stamp => {
                self.passed += 1;
                Ok(())
            }
            Some(missing) => Err(Violation::SilentGap {
                viewer: who,
                upto: self.upto,
                next: stamp,
                missing: *missing,
            }),
            None => Err(Violation::NotIncreasing {
                viewer: who,
                stamp,
                upto: self.upto,
            }),
        }
    }
}

/// Each author's messages come in the order in which they were said.
fn in_author_order(last_of: &mut BTreeMap<Who, (Epoch, Pseq)>, name: Name) -> Checked {
    let place = (name.epoch, name.pseq);
    match last_of.insert(name.who, place) {
        Some(last) if last >= place => Err(Violation::AuthorOrder(name)),
        _ => Ok(()),
    }
}

/// For the product's own check; of a long text a digest will do.
fn observed(delivery: &Delivery) -> Observed {
    if delivery.text.len() <= 64 {
        return Observed::from(delivery);
    }
    let text = format!("{:016x}", digest(&delivery.text));
    Observed::from(&Delivery {
        text,
        from: delivery.from.clone(),
        audience: delivery.audience.clone(),
        ..*delivery
    })
}
