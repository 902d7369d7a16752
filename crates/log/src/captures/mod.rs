//! What clients saw, from their `--json` output: that each saw growing stamps without a silent gap,
//! that all agree on the order of what they saw, and that the journal says the same.
//!
//! A capture may begin in the middle of an order, and may hold several connections of one client.
//! Where a connection begins anew, the deliveries may begin again a little earlier (a client that
//! was killed shows those messages again), never later.
//!
//! A client that was told that its log was rewound (a backup was restored, or a disk had lied) has
//! seen an end that is no more: that end is counted and otherwise left out.
//!
//! All that was seen is remembered while it is checked: memory grows with the captures.

mod event;
mod journal;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::path::Path;

use lamparina_order::verify::{MessageId, Observed, OrderCheck};
use lamparina_protocol::{Epoch, Lamport, MemberId, Pseq};

use crate::finding::{Finding, Stop};
use crate::lines::Lines;
use event::Event;

pub use journal::AgainstJournal;

/// What one client saw of one log.
#[derive(Clone, Debug, Default)]
pub struct Stretch {
    /// The capture's name.
    viewer: String,
    /// Who the client is there, where the capture says so.
    member: Option<MemberId>,
    /// The `prev` of its first delivery: what it begins after.
    after: Option<Lamport>,
    delivered: BTreeSet<Lamport>,
    /// Shown as history, which has no `prev`.
    history: BTreeSet<Lamport>,
}

/// All captures, by log; the empty name is for those that do not say which.
#[derive(Clone, Debug, Default)]
pub struct Captures {
    orders: BTreeMap<String, Order>,
    files: usize,
    lost: u64,
    cut: Vec<String>,
}

/// What was seen of one log.
#[derive(Clone, Debug, Default)]
pub struct Order {
    check: OrderCheck,
    stretches: Vec<Stretch>,
}

/// How much was checked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Seen {
    /// Captures.
    pub files: usize,
    /// Different logs.
    pub logs: usize,
    /// Different messages.
    pub messages: usize,
    /// Deliveries and commits.
    pub sightings: u64,
    /// Messages seen by more than one: what agreement was possible about.
    pub shared: usize,
    /// Deliveries and commits of an end that the log lost since, as the clients were told.
    pub lost: u64,
}

/// Where the reading of one capture stands.
struct Reading<'a> {
    viewer: &'a str,
    log: String,
    member: Option<MemberId>,
    /// A connection has begun, and nothing was delivered in it yet.
    fresh: bool,
}

impl Captures {
    /// Reads a capture, and checks it against itself and those before.
    ///
    /// # Errors
    ///
    /// The first violation, or words why the file cannot be read.
    pub fn read(&mut self, file: &Path) -> Result<(), Stop> {
        self.take_lines(Lines::open(file)?)
    }

    /// The same of a capture that is being read.
    ///
    /// # Errors
    ///
    /// As [`Captures::read`].
    pub fn take_lines<R: BufRead>(&mut self, lines: Lines<R>) -> Result<(), Stop> {
        let file = lines.file();
        let viewer = file.display().to_string();
        self.files += 1;
        let mut reading = Reading {
            viewer: &viewer,
            log: String::new(),
            member: None,
            fresh: true,
        };
        for (number, event) in self.events(lines, &viewer)? {
            self.take(&mut reading, event, number)?;
        }
        Ok(())
    }

    /// The events of a capture by line, without those of an end that the log lost since.
    fn events<R: BufRead>(
        &mut self,
        mut lines: Lines<R>,
        viewer: &str,
    ) -> Result<Vec<(u64, Event)>, Stop> {
        let mut events = Vec::new();
        while let Some(line) = lines.read()? {
            let (number, whole) = (line.number, line.whole);
            let text = line.text.map(str::trim).unwrap_or("?");
            if text.is_empty() {
                continue;
            }
            match serde_json::from_str::<Event>(text) {
                Ok(Event::Other) => {}
                Ok(event) => {
                    if let Event::Rewound { to } = event {
                        let before = events.len();
                        events.retain(|(_, event)| !is_beyond(event, to));
                        self.lost += (before - events.len()) as u64;
                    }
                    events.push((number, event));
                }
                // A client that was killed left half a line.
                Err(_) if !whole => self.cut.push(viewer.to_owned()),
                Err(error) => {
                    let words = format!(
                        "{viewer}, line {number}: no event of a client's --json output: {error}"
                    );
                    return Err(Stop::Failed(words));
                }
            }
        }
        Ok(events)
    }

    /// What was checked.
    pub fn seen(&self) -> Seen {
        let mut seen = Seen {
            files: self.files,
            logs: self.orders.len(),
            lost: self.lost,
            ..Seen::default()
        };
        for order in self.orders.values() {
            let checked = order.check.checked();
            seen.messages += checked.messages;
            seen.sightings += checked.sightings;
            seen.shared += checked.shared;
        }
        seen
    }

    /// Captures whose last line is not whole.
    pub fn cut(&self) -> &[String] {
        &self.cut
    }

    /// What was seen of this log: also in captures that do not say of which, where none says another.
    pub fn of_log(&self, log: &str) -> Option<&Order> {
        let unnamed = || self.orders.get("").filter(|_| self.orders.len() == 1);
        self.orders.get(log).or_else(unnamed)
    }

    /// The logs that captures name.
    pub fn logs(&self) -> impl Iterator<Item = &str> {
        self.orders.keys().map(String::as_str)
    }

    fn take(&mut self, reading: &mut Reading<'_>, event: Event, number: u64) -> Result<(), Stop> {
        match event {
            Event::Connected { member, log } => {
                reading.member = member.map(MemberId);
                reading.log = log.unwrap_or_default();
                reading.fresh = true;
                self.stretch(reading);
                Ok(())
            }
            Event::Rewound { to } => {
                reading.fresh = true;
                let order = self.stretch(reading);
                let upto = order.check.delivered_upto(reading.viewer);
                order
                    .check
                    .resumed(reading.viewer, upto.min(Lamport::new(to)));
                Ok(())
            }
            Event::NewLog { log } => {
                (reading.log, reading.fresh) = (log, true);
                Ok(())
            }
            Event::Committed {
                epoch,
                pseq,
                stamp,
                text,
            } => {
                // Without its number the client's message has no name.
                let Some(member) = reading.member else {
                    return Ok(());
                };
                let (epoch, pseq) = (Epoch(epoch), Pseq(pseq));
                let id = MessageId {
                    member,
                    epoch,
                    pseq,
                };
                let order = self.stretch(reading);
                let (viewer, stamp) = (reading.viewer, Lamport::new(stamp));
                let committed = order.check.committed_as(viewer, id, stamp, text.as_deref());
                committed.map_err(|violation| found(&violation, reading, number).into())
            }
            Event::Message(shown) => {
                let observed = shown.observed().map_err(|error| {
                    Stop::Failed(format!("{}, line {number}: {error}", reading.viewer))
                })?;
                self.delivered(reading, &observed, number)
            }
            Event::Other => Ok(()),
        }
    }

    /// What this client saw of this log.
    fn stretch(&mut self, reading: &Reading<'_>) -> &mut Order {
        let order = self.orders.entry(reading.log.clone()).or_default();
        let at = order
            .stretches
            .iter()
            .position(|found| found.viewer == reading.viewer);
        let at = at.unwrap_or_else(|| {
            let viewer = reading.viewer.to_owned();
            order.stretches.push(Stretch {
                viewer,
                ..Stretch::default()
            });
            order.stretches.len() - 1
        });
        // The one at hand stands last: a capture is read from one log at a time.
        let last = order.stretches.len() - 1;
        order.stretches.swap(at, last);
        if let Some(stretch) = order.stretches.last_mut() {
            stretch.member = reading.member.or(stretch.member);
        }
        order
    }

    fn delivered(
        &mut self,
        reading: &mut Reading<'_>,
        observed: &Observed,
        number: u64,
    ) -> Result<(), Stop> {
        let order = self.stretch(reading);
        let upto = order.check.delivered_upto(reading.viewer);
        let first = order
            .stretches
            .last()
            .is_none_or(|stretch| stretch.after.is_none());
        if let Some(prev) = observed.prev {
            if reading.fresh && (first || prev < upto) {
                order.check.resumed(reading.viewer, prev);
            }
            reading.fresh = false;
        }
        let delivered = order.check.delivered(reading.viewer, observed);
        delivered.map_err(|violation| found(&violation, reading, number))?;
        if let Some(stretch) = order.stretches.last_mut() {
            stretch.note(observed);
        }
        Ok(())
    }
}

impl Stretch {
    fn note(&mut self, observed: &Observed) {
        let Some(prev) = observed.prev else {
            self.history.insert(observed.stamp);
            return;
        };
        self.after = Some(self.after.map_or(prev, |after| after.min(prev)));
        self.delivered.insert(observed.stamp);
    }
}

/// Whether something was seen behind this stamp.
fn is_beyond(event: &Event, to: u64) -> bool {
    match event {
        Event::Committed { stamp, .. } => *stamp > to,
        Event::Message(shown) => shown.stamp() > to,
        _ => false,
    }
}

fn found(
    violation: &lamparina_order::verify::Violation,
    reading: &Reading<'_>,
    number: u64,
) -> Finding {
    let line = format!("{}, line {number}", reading.viewer);
    Finding::new(name(violation), violation.to_string()).with("here", line)
}

const fn name(violation: &lamparina_order::verify::Violation) -> &'static str {
    use lamparina_order::verify::Violation;
    match violation {
        Violation::NotIncreasing { .. } => "capture-not-increasing",
        Violation::BrokenPrev { .. } => "capture-prev",
        Violation::SamePlace { .. } => "capture-same-place",
        Violation::TwoPlaces { .. } => "capture-two-places",
        Violation::Altered { .. } => "capture-altered",
        Violation::AuthorOrder { .. } => "capture-author-order",
        Violation::BeforeCause { .. } => "capture-before-cause",
    }
}
