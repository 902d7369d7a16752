//! Taking from others what this peer lacks: a first look at each neighbour, then whole pages, one at a time, from one
//! neighbour after the other among those that have more. One that stops in the middle, or drips, holds up nobody.
//!
//! While something is being taken, no further lines become final, for a while: those who come back with it are
//! not known as members yet.

use std::time::Duration;

use lamparina_protocol::Instant;

use super::graph::Graph;
use super::links::{Link, Links, PAGE_MESSAGES_MAX, Pull};
use super::types::{HistoryKey, LinkId, MERGE_RANGES_MAX, MergeReport, Output, Sending};

/// Messages in the first page from a neighbour: enough where little is missing, and little where several have the same.
pub const FIRST_LOOK_MESSAGES: u32 = 16;
/// A neighbour of which nothing comes for so long is passed over.
pub const STUCK_AFTER: Duration = Duration::from_secs(2);
/// A page has so long, whatever comes of it, before others are asked too.
pub const PAGE_WITHIN: Duration = Duration::from_secs(5);
/// So long, at most, taking holds up what becomes final.
pub const HOLD_UP_MAX: Duration = Duration::from_secs(30);
/// Newest messages that are named in a WANT, at most.
pub const NEWEST_NAMED_MAX: usize = 1_024;

/// What is being taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Taking {
    /// The neighbour of which a whole page was asked last.
    last: Option<LinkId>,
    run: Option<Run>,
}

/// From the first link that came up until no neighbour has more.
#[derive(Clone, Debug)]
struct Run {
    since: Instant,
    /// Length of the log, and its greatest key, at the beginning.
    first: u32,
    newest: Option<HistoryKey>,
    lines: u32,
    late: u32,
    /// No lines become final.
    holds_up: bool,
}

impl Taking {
    /// A link came up: another run, unless one is going on.
    pub(super) fn begin(&mut self, now: Instant, graph: &Graph) {
        self.run.get_or_insert_with(|| Run {
            since: now,
            first: graph.len(),
            newest: graph.greatest_upto(graph.clock()),
            lines: 0,
            late: 0,
            holds_up: true,
        });
    }

    /// Somebody else's message was delivered.
    pub(super) const fn took(&mut self, late: bool) {
        if let Some(run) = &mut self.run {
            run.lines += 1;
            run.late += late as u32;
        }
    }

    /// Whether lines may become final.
    pub(super) fn holds_up(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.holds_up)
    }

    /// Passes over those that are stuck, and asks the next one for a page.
    pub(super) fn go_on(
        &mut self,
        now: Instant,
        graph: &Graph,
        links: &mut Links,
        out: &mut Vec<Output>,
    ) {
        if let Some(run) = &mut self.run {
            run.holds_up &= now < run.since + HOLD_UP_MAX;
        }
        let mut busy = false;
        for link in links.values_mut() {
            if let Pull::Asked {
                asked,
                since,
                whole,
                slow,
                stuck,
                ..
            } = &mut link.pull
            {
                let quiet = now >= *since + STUCK_AFTER;
                *slow |= quiet || now >= *asked + PAGE_WITHIN;
                *stuck |= quiet || now >= *asked + HOLD_UP_MAX;
                link.was_slow |= *slow;
                busy |= *whole && !*slow;
            }
        }
        if busy {
            return;
        }
        let more = links.iter().filter(|(_, link)| link.pull == Pull::More);
        // In turns, and those that were slow behind all others: else a few of them would share all the time there is.
        let turn = |id: &LinkId, link: &Link| {
            let passed = self.last.is_some_and(|last| *id <= last);
            (link.was_slow, passed, *id)
        };
        let Some((_, _, id)) = more.map(|(id, link)| turn(id, link)).min() else {
            return;
        };
        if let Some(link) = links.get_mut(&id) {
            self.last = Some(id);
            link.pull = Pull::asked(now, true);
            out.push(Output::Send(id, want(graph, PAGE_MESSAGES_MAX)));
        }
    }

    /// When to call [`go_on`](Self::go_on) again.
    pub(super) fn deadline(&self, links: &Links) -> Option<Instant> {
        let asked = links.values().filter_map(|link| match link.pull {
            Pull::Asked { stuck: true, .. } | Pull::More | Pull::Done => None,
            Pull::Asked {
                asked, since, slow, ..
            } => {
                let within = if slow { HOLD_UP_MAX } else { PAGE_WITHIN };
                Some((since + STUCK_AFTER).min(asked + within))
            }
        });
        let held = self.run.as_ref().filter(|run| run.holds_up);
        let held = held.map(|run| run.since + HOLD_UP_MAX);
        asked.min().into_iter().chain(held).min()
    }

    /// Ends the run when no neighbour has more, and says what it brought.
    pub(super) fn end(&mut self, graph: &Graph, links: &Links) -> Option<MergeReport> {
        let going_on = links.values().any(|link| match link.pull {
            Pull::Asked { stuck, .. } => !stuck,
            Pull::More => true,
            Pull::Done => false,
        });
        match going_on {
            true => None,
            false => self.run.take().and_then(|run| run.report(graph)),
        }
    }
}

/// "These I have": the newest messages, and some ever further back in the log, for a neighbour that knows none of
/// the newest.
pub(super) fn want(graph: &Graph, limit: u32) -> Sending {
    let mut named: Vec<u32> = graph.newest().rev().take(NEWEST_NAMED_MAX).collect();
    let mut back = 1;
    while let Some(position) = graph.len().checked_sub(back) {
        named.push(position);
        back += back.div_ceil(2);
    }
    named.sort_unstable();
    named.dedup();
    let has = named.iter().map(|at| graph.digest(*at)).collect();
    Sending::Want { has, limit }
}

impl Run {
    fn report(&self, graph: &Graph) -> Option<MergeReport> {
        let newest = self.newest?;
        let keys = (self.first..graph.len()).map(|position| graph.key(position));
        let inserted = keys.filter(|key| *key < newest);
        let (low, high) = (inserted.clone().min()?, inserted.clone().max()?);
        let positions = graph.between(low.stamp.get() as u32, high.stamp.get() as u32);
        let lines = positions.map(|position| (graph.key(position), position >= self.first));
        Some(MergeReport {
            since: self.since,
            lines: self.lines,
            inserted: inserted.count() as u32,
            late: self.late,
            ranges: ranges(lines, high),
        })
    }
}

/// Runs of new keys, up to `high`, with no older one between them. `lines` come by stamp, each key with whether it is new, and
/// are walked once.
pub(super) fn ranges(
    lines: impl Iterator<Item = (HistoryKey, bool)>,
    high: HistoryKey,
) -> Vec<(HistoryKey, HistoryKey)> {
    let mut ranges: Vec<(HistoryKey, HistoryKey)> = Vec::new();
    let mut lines = lines.peekable();
    let mut parted = true;
    let mut of_stamp = Vec::new();
    while let Some((key, _)) = lines.peek() {
        let stamp = key.stamp;
        of_stamp.clear();
        of_stamp.extend(std::iter::from_fn(|| {
            lines.next_if(|(key, _)| key.stamp == stamp)
        }));
        of_stamp.sort_unstable();
        for (key, new) in of_stamp.iter().filter(|(key, _)| *key <= high) {
            if !new {
                parted = true;
                continue;
            }
            let full = ranges.len() == MERGE_RANGES_MAX;
            match ranges.last_mut() {
                Some((_, last)) if full && parted => {
                    *last = high;
                    return ranges;
                }
                Some((_, last)) if !parted => *last = *key,
                _ => ranges.push((*key, *key)),
            }
            parted = false;
        }
    }
    ranges
}
