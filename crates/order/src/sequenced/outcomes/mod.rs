//! Keeps, for one epoch of one author, which messages are settled and how: `pseq` 1 to `settled`
//! without a hole, each settled once, its answer never changed.
//!
//! An answer takes one to three bytes as a rule: an author's stamps only grow, so the distance
//! to the one before is enough. Silent authors cost nothing but the empty table.

mod coded;

use std::collections::VecDeque;

use lamparina_protocol::message::RefusalCode;
use lamparina_protocol::{Lamport, Pseq};

/// How a message was settled: its stamp, or why it has none.
pub(super) type Outcome = Result<Lamport, RefusalCode>;

/// Answers kept for an author's newest epoch, at least. An older message is still known to be
/// settled and is never judged again; only its answer is gone from memory.
pub const OUTCOMES_KEPT: usize = 65_536;
/// Answers in a block: what one look-up reads through, at most.
const BLOCK_OUTCOMES: u64 = 64;
/// Blocks kept; the one being filled comes on top, so that [`OUTCOMES_KEPT`] is always reached.
const BLOCKS_MAX: usize = OUTCOMES_KEPT / BLOCK_OUTCOMES as usize + 1;
/// Frames in the largest window of a link: messages that a client may have sent without an answer.
const WINDOW_FRAMES_MAX: usize = 16_384;
// What a client may have to ask about again is still known, with room for queues on the way.
const _: () = assert!(OUTCOMES_KEPT >= 2 * WINDOW_FRAMES_MAX);

/// Stands where a distance would, before a refusal's code: two stamps are never equal.
const REFUSED: u8 = 0;
/// Set in each byte of a distance that another one follows.
const MORE: u8 = 0x80;

/// The settled messages of one epoch.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcomes {
    /// Messages settled: also the last `pseq` that is.
    settled: u64,
    /// The newest stamp among them.
    newest: Lamport,
    /// Blocks dropped from the front.
    dropped: u64,
    blocks: VecDeque<Block>,
}

/// How far a table had come: enough to cut it back, together with the blocks dropped since.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    settled: u64,
    newest: Lamport,
    blocks: usize,
    last_bytes: usize,
}

/// Up to [`BLOCK_OUTCOMES`] answers in a row.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// The newest stamp before this block.
    before: Lamport,
    /// Distances (seven bits a byte, low ones first), or [`REFUSED`] and a code.
    bytes: Vec<u8>,
}

impl Outcomes {
    /// The last `pseq` that is settled.
    pub(super) const fn settled(&self) -> Pseq {
        Pseq(self.settled)
    }

    /// Settles the next message. Returns the oldest answers where these went for it.
    pub(super) fn settle(&mut self, outcome: Outcome) -> Option<Block> {
        let dropped = if self.settled.is_multiple_of(BLOCK_OUTCOMES) {
            self.begin_block()
        } else {
            None
        };
        // A block was begun with the first answer, so there is one.
        if let Some(block) = self.blocks.back_mut() {
            block.push(outcome, self.newest);
        }
        self.newest = outcome.unwrap_or(self.newest);
        self.settled += 1;
        dropped
    }

    /// How far this has come.
    pub(super) fn mark(&self) -> Mark {
        Mark {
            settled: self.settled,
            newest: self.newest,
            blocks: self.blocks.len(),
            last_bytes: self.blocks.back().map_or(0, |block| block.bytes.len()),
        }
    }

    /// Puts back the answers dropped last.
    pub(super) fn put_back(&mut self, block: Block) {
        self.blocks.push_front(block);
        self.dropped -= 1;
    }

    /// Forgets what was settled since the mark, after everything dropped since was put back.
    pub(super) fn cut_back(&mut self, mark: &Mark) {
        (self.settled, self.newest) = (mark.settled, mark.newest);
        self.blocks.truncate(mark.blocks);
        if let Some(block) = self.blocks.back_mut() {
            block.bytes.truncate(mark.last_bytes);
        }
    }

    /// How message `pseq` was settled; `None` when it is not settled or too old.
    pub(super) fn get(&self, pseq: Pseq) -> Option<Outcome> {
        if pseq.0 > self.settled {
            return None;
        }
        let index = pseq.0.checked_sub(1)?;
        let block = (index / BLOCK_OUTCOMES).checked_sub(self.dropped)?;
        let block = self.blocks.get(usize::try_from(block).ok()?)?;
        block
            .answers()
            .nth(usize::try_from(index % BLOCK_OUTCOMES).ok()?)
    }

    fn begin_block(&mut self) -> Option<Block> {
        let full = self.blocks.len() == BLOCKS_MAX;
        let dropped = full.then(|| self.blocks.pop_front()).flatten();
        self.dropped += u64::from(full);
        self.blocks.push_back(Block {
            before: self.newest,
            bytes: Vec::new(),
        });
        dropped
    }
}

impl Block {
    fn push(&mut self, outcome: Outcome, newest: Lamport) {
        let mut distance = match outcome {
            Ok(stamp) => stamp.get() - newest.get(),
            Err(code) => {
                self.bytes.extend([REFUSED, code as u8]);
                return;
            }
        };
        while distance >= u64::from(MORE) {
            self.bytes.push(distance as u8 | MORE);
            distance >>= 7;
        }
        self.bytes.push(distance as u8);
    }

    fn answers(&self) -> impl Iterator<Item = Outcome> {
        let mut bytes = self.bytes.iter().copied();
        let mut newest = self.before;
        std::iter::from_fn(move || {
            let first = bytes.next()?;
            if first == REFUSED {
                return CODES.get(usize::from(bytes.next()?)).map(|code| Err(*code));
            }
            let mut distance = u64::from(first & !MORE);
            let (mut byte, mut shift) = (first, 7);
            while byte & MORE != 0 {
                byte = bytes.next()?;
                distance |= u64::from(byte & !MORE) << shift;
                shift += 7;
            }
            newest = Lamport::new(newest.get() + distance);
            Some(Ok(newest))
        })
    }
}

/// Codes by their number.
const CODES: [RefusalCode; 20] = [
    RefusalCode::NickTaken,
    RefusalCode::NickInvalid,
    RefusalCode::UnknownUser,
    RefusalCode::NoRecipient,
    RefusalCode::EmptyText,
    RefusalCode::TooLong,
    RefusalCode::ClockAhead,
    RefusalCode::Gap,
    RefusalCode::StaleEpoch,
    RefusalCode::TakenOver,
    RefusalCode::NotInRoom,
    RefusalCode::Limit,
    RefusalCode::NotAllowed,
    RefusalCode::Malformed,
    RefusalCode::ShuttingDown,
    RefusalCode::StorageFull,
    RefusalCode::NotFound,
    RefusalCode::TooFast,
    RefusalCode::Banned,
    RefusalCode::NotAdmitted,
];

// Each code stands at its own number.
const _: () = {
    let mut number = 0;
    while number < CODES.len() {
        assert!(CODES[number] as usize == number);
        number += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(outcomes: &[Outcome]) {
        let mut table = Outcomes::default();
        for (settled, outcome) in outcomes.iter().enumerate() {
            assert_eq!(table.settled(), Pseq(settled as u64));
            table.settle(*outcome);
        }
        for (index, outcome) in outcomes.iter().enumerate() {
            assert_eq!(table.get(Pseq(index as u64 + 1)), Some(*outcome));
        }
        assert_eq!(table.get(Pseq(0)), None);
        assert_eq!(table.get(Pseq(outcomes.len() as u64 + 1)), None);
        assert_eq!(table.get(Pseq(u64::MAX)), None);
    }

    fn at(stamp: u64) -> Outcome {
        Ok(Lamport::new(stamp))
    }

    #[test]
    fn every_answer_comes_back_as_it_was() {
        check(&[]);
        check(&[at(1)]);
        check(&[at(1), at(2), at(129), at(130), at(1 << 40), at(u64::MAX)]);
        check(&[
            Err(RefusalCode::EmptyText),
            at(u64::MAX),
            Err(RefusalCode::ClockAhead),
        ]);
        check(&CODES.map(Err));
        let long: Vec<Outcome> = (1_u64..1_000)
            .map(|n| {
                if n.is_multiple_of(7) {
                    Err(RefusalCode::TooLong)
                } else {
                    at(n * n)
                }
            })
            .collect();
        check(&long);
    }

    #[test]
    fn the_newest_are_kept_and_memory_is_bounded() {
        let mut table = Outcomes::default();
        let total = 3 * OUTCOMES_KEPT as u64 + 17;
        for n in 1..=total {
            table.settle(at(n * 300));
        }
        assert_eq!(table.settled(), Pseq(total));
        let oldest = total - OUTCOMES_KEPT as u64 + 1;
        for n in oldest..=total {
            assert_eq!(table.get(Pseq(n)), Some(at(n * 300)));
        }
        assert_eq!(table.get(Pseq(1)), None);
        assert_eq!(table.get(Pseq(oldest - 2 * BLOCK_OUTCOMES)), None);
        assert_eq!(table.blocks.len(), BLOCKS_MAX);
    }
}
