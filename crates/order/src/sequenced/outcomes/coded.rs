//! The bytes of a table of answers: how many are settled, then the blocks kept. Everything else
//! follows from these, so one table has one form.

use std::collections::VecDeque;

use lamparina_protocol::Lamport;

use super::{BLOCK_OUTCOMES, BLOCKS_MAX, Block, CODES, MORE, Outcomes, REFUSED};
use crate::sequenced::source::{SnapshotError, Source, put_u64};

const WHAT: &str = "the answers to an author's messages";
/// Bits of a distance that a byte holds.
const BITS: u32 = MORE.trailing_zeros();

impl Outcomes {
    pub(in crate::sequenced) fn encode(&self, out: &mut Vec<u8>) {
        put_u64(self.settled, out);
        let Some(first) = self.blocks.front() else {
            return;
        };
        put_u64(first.before.get(), out);
        for block in &self.blocks {
            // 64 answers of at most ten bytes.
            let bytes = u16::try_from(block.bytes.len()).unwrap_or(u16::MAX);
            out.extend_from_slice(&bytes.to_be_bytes());
            out.extend_from_slice(&block.bytes);
        }
    }

    /// Answers whose stamps are all at most `latest`.
    pub(in crate::sequenced) fn decode(
        source: &mut Source<'_>,
        latest: Lamport,
    ) -> Result<Self, SnapshotError> {
        let settled = source.u64(WHAT)?;
        if settled == 0 {
            return Ok(Self::default());
        }
        // There is always a next one.
        source.check(settled < u64::MAX, WHAT)?;
        let begun = settled.div_ceil(BLOCK_OUTCOMES);
        let kept = begun.min(BLOCKS_MAX as u64);
        let mut newest = source.time(latest, WHAT)?;
        let mut blocks = VecDeque::new();
        for number in begun - kept..begun {
            let answers = BLOCK_OUTCOMES.min(settled - number * BLOCK_OUTCOMES);
            let bytes = usize::from(source.u16(WHAT)?);
            let bytes = source.take(bytes, WHAT)?;
            let before = newest;
            let end = end_of_block(bytes, answers, before);
            newest = end.ok_or_else(|| source.damaged(WHAT))?;
            source.check(newest <= latest, WHAT)?;
            let bytes = bytes.to_vec();
            blocks.push_back(Block { before, bytes });
        }
        Ok(Self {
            settled,
            newest,
            dropped: begun - kept,
            blocks,
        })
    }
}

/// The newest stamp at the end of a block, where it holds so many answers and nothing else, each
/// in its shortest form.
fn end_of_block(bytes: &[u8], answers: u64, before: Lamport) -> Option<Lamport> {
    let mut bytes = bytes.iter().copied();
    let mut newest = before.get();
    for _ in 0..answers {
        let mut byte = bytes.next()?;
        if byte == REFUSED {
            CODES.get(usize::from(bytes.next()?))?;
            continue;
        }
        let (mut distance, mut shift) = (0_u64, 0);
        loop {
            let part = u64::from(byte & !MORE);
            let placed = part.checked_shl(shift)?;
            (placed >> shift == part).then_some(())?;
            distance |= placed;
            if byte & MORE == 0 {
                break;
            }
            shift += BITS;
            byte = bytes.next()?;
            (byte != 0).then_some(())?;
        }
        newest = newest.checked_add(distance)?;
    }
    bytes.next().is_none().then_some(Lamport::new(newest))
}
