//! Keeps the books of the queue: every line offered is either in a batch, or in the count of the
//! `dropped` line that stands at its place: `accepted + dropped = offered`, always.
//!
//! All of it happens under one lock (see [`super::handle`]), so lines have one order: that in which
//! they were offered. Lines refused one after another are counted in `missing`; nothing is accepted
//! after them before the line with their count, so the count stands exactly where they are missing.

use lamparina_protocol::UnixMicros;

use super::event::{DropCause, LogEvent};
use super::line::LineWriter;
use super::wire::REOPEN;

/// Lines in order, as bytes that go to the pipe unchanged.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Whole lines.
    pub(super) bytes: Vec<u8>,
    /// How many.
    pub(super) lines: u64,
    /// Lines that stand for another number of offered lines than one: `(line, weight)`, lines
    /// counted from 1.
    pub(super) weights: Vec<(u64, u64)>,
}

impl Batch {
    /// Offered lines that it stands for.
    pub(super) fn weight(&self) -> u64 {
        let stood_for: u64 = self.weights.iter().map(|(_, weight)| weight).sum();
        self.lines - self.weights.len() as u64 + stood_for
    }

    /// Forgets the lines and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.weights.clear();
        self.lines = 0;
    }

    /// Notes that the last line stands for `weight` offered lines.
    fn weigh(&mut self, weight: u64) {
        self.weights.push((self.lines, weight));
    }
}

/// Whom a line makes wake up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wake {
    Nobody,
    /// The queue was empty: whoever waits for lines.
    Idle,
    /// The queue is half full: whoever lets lines gather.
    Pacing,
}

/// Lines on their way to the subprocess.
#[derive(Debug)]
pub(super) struct Queue {
    batch: Batch,
    /// Lines refused since the last one accepted.
    missing: u64,
    reopening: bool,
    closed: bool,
    writer: LineWriter,
    lines_max: u64,
    bytes_max: usize,
    with_text: bool,
}

impl Queue {
    pub(super) fn new(lines_max: usize, bytes_max: usize, with_text: bool) -> Self {
        Self {
            batch: Batch::default(),
            missing: 0,
            reopening: false,
            closed: false,
            writer: LineWriter::default(),
            // A gap takes a line of its own, and one more must fit after it.
            lines_max: (lines_max as u64).max(2),
            bytes_max: bytes_max.max(1),
            with_text,
        }
    }

    /// Takes a line, or counts it. After `close` it does neither.
    pub(super) fn offer(&mut self, at: UnixMicros, event: &LogEvent<'_>) -> Wake {
        if self.closed {
            return Wake::Nobody;
        }
        let gap = u64::from(self.missing > 0);
        if self.batch.lines + gap >= self.lines_max || self.batch.bytes.len() >= self.bytes_max {
            self.missing += 1;
            return Wake::Nobody;
        }
        let was_empty = self.batch.lines == 0;
        self.settle_gap(at);
        let bytes = &mut self.batch.bytes;
        self.writer.push(bytes, at, event, self.with_text);
        self.batch.lines += 1;
        if was_empty {
            Wake::Idle
        } else if self.batch.lines == self.lines_max / 2 {
            Wake::Pacing
        } else {
            Wake::Nobody
        }
    }

    /// Exchanges the lines gathered, and the count of those missing after them, for `spare`.
    pub(super) fn take(&mut self, at: UnixMicros, spare: Batch) -> Batch {
        self.settle_gap(at);
        self.reopening = false;
        std::mem::replace(&mut self.batch, spare)
    }

    /// Asks for the file to be opened again, after the lines before.
    pub(super) fn reopen(&mut self) {
        if !self.reopening {
            self.reopening = true;
            self.batch.bytes.extend_from_slice(REOPEN);
            self.batch.lines += 1;
            self.batch.weigh(0);
        }
    }

    /// Nothing is accepted or counted from now on.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batch.lines == 0 && self.missing == 0
    }

    /// Writes the count of the missing lines at their place, beyond the bound if need be.
    fn settle_gap(&mut self, at: UnixMicros) {
        if self.missing > 0 {
            push_gap(
                &mut self.batch,
                &mut self.writer,
                at,
                self.missing,
                DropCause::Stalled,
            );
            self.missing = 0;
        }
    }
}

/// Appends the line that says how many are missing.
pub(super) fn push_gap(
    batch: &mut Batch,
    writer: &mut LineWriter,
    at: UnixMicros,
    count: u64,
    cause: DropCause,
) {
    let event = LogEvent::Dropped { count, cause };
    writer.push(&mut batch.bytes, at, &event, false);
    batch.lines += 1;
    batch.weigh(count);
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UnixMicros = UnixMicros(0);
    const LINE: LogEvent<'_> = LogEvent::Stopped { reason: "x" };

    /// What a batch says: `.` a line, a number a gap, `!` the order to open again.
    fn read(batch: &Batch) -> String {
        let text = std::str::from_utf8(&batch.bytes).unwrap();
        assert_eq!(text.lines().count() as u64, batch.lines);
        let words: Vec<String> = text.lines().map(read_line).collect();
        let weights = words
            .iter()
            .zip(1..)
            .filter_map(|(word, line)| match &**word {
                "." => None,
                "!" => Some((line, 0)),
                count => Some((line, count.parse().unwrap())),
            });
        assert_eq!(weights.collect::<Vec<_>>(), batch.weights);
        words.join(" ")
    }

    fn read_line(line: &str) -> String {
        if line == "!reopen" {
            return "!".to_owned();
        }
        let count = line.split_once("count=");
        let count = count.map(|(_, rest)| rest.strip_suffix(" cause=stalled").unwrap());
        count.unwrap_or(".").to_owned()
    }

    fn offer(queue: &mut Queue, lines: u64) -> Vec<Wake> {
        (0..lines).map(|_| queue.offer(AT, &LINE)).collect()
    }

    fn take(queue: &mut Queue) -> String {
        read(&queue.take(AT, Batch::default()))
    }

    #[test]
    fn gaps_stand_at_their_places() {
        let mut queue = Queue::new(4, 1_000_000, false);
        offer(&mut queue, 4);
        assert_eq!(take(&mut queue), ". . . .");
        offer(&mut queue, 7);
        assert!(!queue.is_empty());
        // The count comes beyond the bound, at once: there may never be another line.
        assert_eq!(take(&mut queue), ". . . . 3");
        assert!(queue.is_empty());
        assert_eq!(take(&mut queue), "");
        offer(&mut queue, 2);
        queue.reopen();
        queue.reopen();
        offer(&mut queue, 5);
        assert_eq!(take(&mut queue), ". . ! . 4");
        queue.reopen();
        queue.close();
        offer(&mut queue, 9);
        assert_eq!(take(&mut queue), "!");
        assert!(queue.is_closed() && queue.is_empty());
    }

    #[test]
    fn bytes_are_bounded_too() {
        let mut queue = Queue::new(1_000, 100, false);
        offer(&mut queue, 10);
        assert_eq!(take(&mut queue), ". . 8");
    }

    #[test]
    fn few_are_woken() {
        let mut queue = Queue::new(4, 1_000_000, false);
        use Wake::{Idle, Nobody, Pacing};
        let woken = [Idle, Pacing, Nobody, Nobody, Nobody];
        assert_eq!(offer(&mut queue, 5), woken);
        take(&mut queue);
        assert_eq!(offer(&mut queue, 1), [Idle]);
    }

    #[test]
    fn accepted_and_dropped_are_what_was_offered() {
        for lines_max in 1..9 {
            for offered in 0..200 {
                let mut queue = Queue::new(lines_max, 1_000_000, false);
                let mut sum = 0;
                for number in 0..offered {
                    queue.offer(AT, &LINE);
                    if number % 7 == 0 {
                        sum += queue.take(AT, Batch::default()).weight();
                    }
                }
                assert_eq!(sum + queue.take(AT, Batch::default()).weight(), offered);
            }
        }
    }
}
