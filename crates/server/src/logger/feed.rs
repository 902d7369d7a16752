//! Keeps the books of the pipe: a line is *waiting*, *handed* to the present child, or *written*,
//! as the child said. When the child dies, the lines handed and not written are the most that can be
//! lost; those not handed in full go to the next child from their beginning.
//!
//! A `dropped` line that is lost is not one line but the count it carried, so counts survive any
//! number of deaths. In: [`super::queue`]. Out: the pipe. Knows nothing of processes.

use std::collections::VecDeque;

use lamparina_protocol::UnixMicros;

use super::event::DropCause;
use super::line::LineWriter;
use super::queue::{Batch, push_gap};

/// Lines on their way through the pipe.
#[derive(Debug, Default)]
pub(super) struct Feed {
    batch: Batch,
    /// Bytes of the batch in the pipe.
    at: usize,
    /// Whole lines that this child was handed, of all batches.
    handed: u64,
    /// Of these, those it has written. `written <= handed`.
    written: u64,
    /// Lines not known to be written that stand for another number than one, ascending, counted
    /// from the child's first.
    weights: VecDeque<(u64, u64)>,
    writer: LineWriter,
}

impl Feed {
    /// What goes into the pipe next; empty when a new batch can be loaded.
    pub(super) fn rest(&self) -> &[u8] {
        &self.batch.bytes[self.at..]
    }

    /// Whether every line has been written.
    pub(super) fn is_settled(&self) -> bool {
        self.rest().is_empty() && self.handed == self.written
    }

    /// Lines not yet handed in full; a `dropped` line counts as one.
    pub(super) fn waiting(&self) -> u64 {
        count_lines(self.rest())
    }

    /// Takes a new batch once the last one is in the pipe, and gives the old one's memory back.
    pub(super) fn load(&mut self, batch: Batch) -> Batch {
        debug_assert!(self.rest().is_empty());
        let first = self.handed;
        let weights = batch.weights.iter();
        self.weights
            .extend(weights.map(|(line, weight)| (first + line, *weight)));
        self.at = 0;
        let mut spare = std::mem::replace(&mut self.batch, batch);
        spare.clear();
        spare
    }

    /// The pipe has taken `bytes` more.
    pub(super) fn handed(&mut self, bytes: usize) {
        let to = self.batch.bytes.len().min(self.at + bytes);
        self.handed += count_lines(&self.batch.bytes[self.at..to]);
        self.at = to;
    }

    /// The child has written `lines` in all.
    pub(super) fn written(&mut self, lines: u64) {
        self.written = lines.clamp(self.written, self.handed);
        while self
            .weights
            .front()
            .is_some_and(|(line, _)| *line <= self.written)
        {
            self.weights.pop_front();
        }
    }

    /// The most offered lines that are lost if the child is dead, waiting ones not counted.
    pub(super) fn at_risk(&self) -> u64 {
        let handed = self.weights.iter().filter(|(line, _)| *line <= self.handed);
        let (lines, stood_for) = handed.fold((0, 0), |(lines, sum): (u64, u64), (_, weight)| {
            (lines + 1, sum.saturating_add(*weight))
        });
        (self.handed - self.written - lines).saturating_add(stood_for)
    }

    /// The child is dead: what waits goes to the next one, after a line that counts what may be
    /// lost. A child that was handed nothing leaves no trace.
    pub(super) fn child_died(&mut self, at: UnixMicros, cause: DropCause) -> u64 {
        let lost = self.at_risk();
        let begun = &self.batch.bytes[..self.at];
        let whole = begun.iter().rposition(|byte| *byte == b'\n');
        let kept_from = whole.map_or(0, |newline| newline + 1);
        let mut next = Batch::default();
        if self.handed > 0 {
            push_gap(&mut next, &mut self.writer, at, lost, cause);
        }
        let before = next.lines;
        for (line, weight) in &self.weights {
            if *line > self.handed {
                next.weights.push((before + line - self.handed, *weight));
            }
        }
        next.bytes.extend_from_slice(&self.batch.bytes[kept_from..]);
        next.lines = count_lines(&next.bytes);
        (self.handed, self.written) = (0, 0);
        self.weights.clear();
        self.at = self.batch.bytes.len();
        self.load(next);
        lost
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UnixMicros = UnixMicros(0);

    fn batch(text: &str, weights: &[(u64, u64)]) -> Batch {
        Batch {
            bytes: text.into(),
            lines: count_lines(text.as_bytes()),
            weights: weights.into(),
        }
    }

    fn die(feed: &mut Feed) -> u64 {
        feed.child_died(AT, DropCause::Killed)
    }

    #[track_caller]
    fn check_rest(feed: &Feed, expected: &str) {
        let rest = std::str::from_utf8(feed.rest()).unwrap();
        let rest = rest.replace("1970-01-01T00:00:00.000000Z event=dropped count=", "-");
        assert_eq!(rest.replace(" cause=killed", ""), expected);
    }

    #[test]
    fn a_death_takes_what_was_handed_and_not_written() {
        let mut feed = Feed::default();
        feed.load(batch("a\nbb\nccc\nd\n", &[]));
        feed.handed(7);
        check_rest(&feed, "c\nd\n");
        feed.written(1);
        assert_eq!((feed.at_risk(), feed.waiting()), (1, 2));
        // The line begun goes to the next one whole.
        assert_eq!(die(&mut feed), 1);
        check_rest(&feed, "-1\nccc\nd\n");
        // A child that is handed nothing leaves nothing.
        assert_eq!(die(&mut feed), 0);
        check_rest(&feed, "-1\nccc\nd\n");
    }

    #[test]
    fn a_death_without_loss_is_said() {
        let mut feed = Feed::default();
        feed.load(batch("a\n", &[]));
        feed.handed(2);
        assert!(!feed.is_settled());
        feed.written(1);
        assert!(feed.is_settled());
        assert_eq!(die(&mut feed), 0);
        check_rest(&feed, "-0\n");
    }

    #[test]
    fn counts_that_are_lost_are_counted() {
        let mut feed = Feed::default();
        feed.load(batch("a\ngap\nb\n!\ngap\nc\n", &[(2, 10), (4, 0), (5, 7)]));
        feed.handed("a\ngap\nb\n!\n".len());
        assert_eq!(die(&mut feed), 1 + 10 + 1);
        check_rest(&feed, "-12\ngap\nc\n");
        feed.handed(feed.rest().len());
        assert_eq!(feed.at_risk(), 12 + 7 + 1);
        // Its predecessor's line is written, then it dies too.
        feed.written(1);
        assert_eq!(die(&mut feed), 7 + 1);
        check_rest(&feed, "-8\n");
    }

    #[test]
    fn a_child_cannot_write_more_than_it_was_handed() {
        let mut feed = Feed::default();
        feed.load(batch("a\nb\n", &[]));
        feed.handed(2);
        feed.written(u64::MAX);
        feed.written(0);
        feed.handed(2);
        assert_eq!(feed.at_risk(), 1);
    }
}
