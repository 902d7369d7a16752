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
