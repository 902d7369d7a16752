//! What the raw server has read and not yet written to everybody: one copy of it, in the order it
//! came, however many readers follow. A reader never gets what it wrote itself.

use std::collections::VecDeque;
use std::io::IoSlice;

/// Bytes of a block; reads go into its free end.
const BLOCK_BYTES: usize = 256 * 1024;
/// Bytes that may wait for the slowest reader before nothing more is read.
const TAIL_BYTES_MAX: usize = 1024 * 1024;
/// Bytes taken by one read, at most: what is written to everybody at once stays in the caches.
const ROOM_BYTES_MAX: usize = 128 * 1024;
/// A block with less room than this is full.
const ROOM_BYTES_MIN: usize = 64 * 1024;
/// Blocks kept for use again.
const SPARE_BLOCKS_MAX: usize = 8;

/// Where a reader is: a run, and the bytes of it that it has.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Cursor {
    run: u64,
    offset: usize,
}

/// Whole frames of one author in a row.
#[derive(Debug)]
struct Run {
    author: usize,
    block: u64,
    start: usize,
    end: usize,
}

/// Runs in order and the blocks that hold them.
#[derive(Debug)]
pub(crate) struct Tail {
    runs: VecDeque<Run>,
    /// Number of `runs[0]`.
    first_run: u64,
    blocks: VecDeque<Box<[u8]>>,
    /// Number of `blocks[0]`.
    first_block: u64,
    /// Bytes used of the last block.
    used: usize,
    spare: Vec<Box<[u8]>>,
}

impl Tail {
    /// An empty tail.
    pub(crate) fn new() -> Self {
        Self {
            runs: VecDeque::new(),
            first_run: 0,
            blocks: VecDeque::new(),
            first_block: 0,
            used: BLOCK_BYTES,
            spare: Vec::new(),
        }
    }

    /// Whether more may be read.
    pub(crate) fn has_room(&self) -> bool {
        self.blocks.len() * BLOCK_BYTES <= TAIL_BYTES_MAX
    }

    /// Room for a read, [`ROOM_BYTES_MIN`] to [`ROOM_BYTES_MAX`] bytes.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if BLOCK_BYTES - self.used < ROOM_BYTES_MIN {
            let block = self.spare.pop();
            self.blocks
                .push_back(block.unwrap_or_else(|| vec![0; BLOCK_BYTES].into()));
            self.used = 0;
        }
        let last = self.blocks.len() - 1;
        let end = BLOCK_BYTES.min(self.used + ROOM_BYTES_MAX);
        &mut self.blocks[last][self.used..end]
    }

    /// The first `length` bytes of the room are whole frames of `author` now.
    pub(crate) fn commit(&mut self, author: usize, length: usize) {
        let block = self.first_block + self.blocks.len() as u64 - 1;
        let start = self.used;
        self.used += length;
        let end = self.used;
        match self.runs.back_mut() {
            Some(run) if run.author == author && run.block == block && run.end == start => {
                run.end = end;
            }
            _ => self.runs.push_back(Run {
                author,
                block,
                start,
                end,
            }),
        }
    }

    /// Where a new reader begins: behind everything.
    pub(crate) fn end(&self) -> Cursor {
        match self.runs.back() {
            None => Cursor {
                run: self.first_run,
                offset: 0,
            },
            Some(run) => Cursor {
                run: self.first_run + self.runs.len() as u64 - 1,
                offset: run.end - run.start,
            },
        }
    }

    /// Fills `slices` with what follows `cursor`, leaving out what `reader` wrote; gives how many.
    pub(crate) fn fill<'a>(
        &'a self,
        reader: usize,
        cursor: Cursor,
        slices: &mut [IoSlice<'a>],
    ) -> usize {
        let mut filled = 0;
        for (run, skip) in self.runs_from(cursor) {
            if run.author != reader && run.start + skip < run.end {
                let Some(slice) = slices.get_mut(filled) else {
                    break;
                };
                let block = &self.blocks[(run.block - self.first_block) as usize];
                *slice = IoSlice::new(&block[run.start + skip..run.end]);
                filled += 1;
            }
        }
        filled
    }

    /// `cursor`, `written` bytes further, what `reader` wrote itself left out.
    pub(crate) fn advance(&self, reader: usize, cursor: Cursor, mut written: usize) -> Cursor {
        let mut at = cursor;
        let first = cursor.run.max(self.first_run);
        for (step, (run, skip)) in self.runs_from(cursor).enumerate() {
            let length = run.end - run.start;
            at = Cursor {
                run: first + step as u64,
                offset: length,
            };
            if run.author != reader {
                let taken = written.min(length - skip);
                written -= taken;
                at.offset = skip + taken;
                if at.offset < length {
                    break;
                }
            }
        }
        at
    }

    fn runs_from(&self, cursor: Cursor) -> impl Iterator<Item = (&Run, usize)> {
        // A cursor at the end of a run that all had, and that is forgotten, stands at the beginning.
        let (from, offset) = match cursor.run.checked_sub(self.first_run) {
            Some(from) => (from as usize, cursor.offset),
            None => (0, 0),
        };
        let skips = std::iter::once(offset).chain(std::iter::repeat(0));
        self.runs.range(from.min(self.runs.len())..).zip(skips)
    }

    /// Forgets what lies before `slowest`, the least of all cursors.
    pub(crate) fn trim(&mut self, slowest: Cursor) {
        while self.first_run < slowest.run && self.runs.len() > 1 {
            self.runs.pop_front();
            self.first_run += 1;
        }
        if slowest == self.end() {
            // All have all: begin again at the start of the same, still warm block.
            self.first_run = slowest.run + u64::from(!self.runs.is_empty());
            self.runs.clear();
            self.drop_blocks_before(self.first_block + self.blocks.len().saturating_sub(1) as u64);
            self.used = if self.blocks.is_empty() {
                BLOCK_BYTES
            } else {
                0
            };
        } else if let Some(run) = self.runs.front() {
            self.drop_blocks_before(run.block);
        }
    }

    fn drop_blocks_before(&mut self, block: u64) {
        while self.first_block < block {
            if let Some(free) = self.blocks.pop_front()
                && self.spare.len() < SPARE_BLOCKS_MAX
            {
                self.spare.push(free);
            }
            self.first_block += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(tail: &mut Tail, author: usize, text: &[u8]) {
        tail.room()[..text.len()].copy_from_slice(text);
        tail.commit(author, text.len());
    }

    /// Reads at most `most` bytes, as a socket would take them.
    fn read(tail: &Tail, reader: usize, cursor: &mut Cursor, most: usize) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 4];
        let filled = tail.fill(reader, *cursor, &mut slices);
        let mut got: Vec<u8> = slices[..filled]
            .iter()
            .flat_map(|slice| slice.to_vec())
            .collect();
        got.truncate(most);
        *cursor = tail.advance(reader, *cursor, got.len());
        got
    }

    #[test]
    fn everybody_gets_what_others_wrote_in_order() {
        let mut tail = Tail::new();
        let mut cursors = [tail.end(); 3];
        let mut got = [const { Vec::new() }; 3];
        for round in 0..50u8 {
            for author in [0, 0, 1, 2, 1] {
                say(&mut tail, author, &[round, author as u8, b'.']);
            }
            for reader in 0..3 {
                let most = [1, 7, 100][(reader + round as usize) % 3];
                got[reader].extend(read(&tail, reader, &mut cursors[reader], most));
            }
            tail.trim(*cursors.iter().min().unwrap());
        }
        for reader in 0..3 {
            loop {
                let more = read(&tail, reader, &mut cursors[reader], 100);
                if more.is_empty() {
                    break;
                }
                got[reader].extend(more);
            }
            let said = (0..50u8).flat_map(|round| [0, 0, 1, 2, 1].map(|author| (round, author)));
            let wanted: Vec<u8> = said
                .filter(|(_, author)| usize::from(*author) != reader)
                .flat_map(|(round, author)| [round, author, b'.'])
                .collect();
            assert_eq!(got[reader], wanted, "reader {reader}");
        }
    }

    #[test]
    fn what_all_have_is_forgotten_and_blocks_are_used_again() {
        let mut tail = Tail::new();
        let mut cursor = tail.end();
        for _ in 0..100 {
            say(&mut tail, 1, &[7; 60_000]);
            assert_eq!(read(&tail, 0, &mut cursor, usize::MAX).len(), 60_000);
            tail.trim(cursor);
            assert!(tail.has_room());
            assert_eq!((tail.blocks.len(), tail.runs.len()), (1, 0));
        }
        // Nobody reads: the tail is full before long.
        for _ in 0..40 {
            say(&mut tail, 1, &[7; 60_000]);
        }
        assert!(!tail.has_room());
    }
}
