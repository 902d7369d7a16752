//! Payloads of ACK and NACK. Ranges ascend from the place named first and do not overlap, so that
//! one payload never costs its reader more than one window's worth of work.

use bytes::BufMut;

use super::ControlError;
use crate::frame::Seq;

/// Ranges in one ACK or NACK, at most.
pub const RANGES_MAX: usize = 32;
/// Bytes of an encoded range.
const RANGE_BYTES: usize = 4;

/// Places in a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SeqRange {
    /// The first of them.
    pub start: Seq,
    /// How many; at least one.
    pub count: u16,
}

/// ACK: everything before `next` came, and so did `ranges` after it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ack {
    /// The first place that did not come.
    pub next: Seq,
    /// What came early; at most [`RANGES_MAX`].
    pub ranges: Vec<SeqRange>,
}

/// NACK: `ranges` did not come. Places never sent may be among them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Nack {
    /// What is missing: 1 to [`RANGES_MAX`].
    pub ranges: Vec<SeqRange>,
}

impl Ack {
    /// Next, then start and count of each range.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 + self.ranges.len() * RANGE_BYTES);
        out.put_u16(self.next.get());
        put_ranges(&mut out, &self.ranges);
        out
    }

    /// Reads a whole payload.
    ///
    /// # Errors
    ///
    /// [`ControlError::Length`] and [`ControlError::Ranges`]: each range must begin after `next`
    /// and after the end of the one before.
    pub fn from_bytes(payload: &[u8]) -> Result<Self, ControlError> {
        let (next, rest) = payload
            .split_first_chunk::<2>()
            .ok_or(ControlError::Length)?;
        let next = Seq::new(u16::from_be_bytes(*next));
        // `next` itself did not come: it stands for a first range of one place.
        let ranges = read_ranges(rest, next, 1)?;
        Ok(Self { next, ranges })
    }
}

impl Nack {
    /// Start and count of each range.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.ranges.len() * RANGE_BYTES);
        put_ranges(&mut out, &self.ranges);
        out
    }

    /// Reads a whole payload.
    ///
    /// # Errors
    ///
    /// [`ControlError::Length`] and [`ControlError::Ranges`]: each range must begin after the end
    /// of the one before.
    pub fn from_bytes(payload: &[u8]) -> Result<Self, ControlError> {
        let first = payload.first_chunk::<2>().ok_or(ControlError::Length)?;
        let first = Seq::new(u16::from_be_bytes(*first));
        let ranges = read_ranges(payload, first, 0)?;
        Ok(Self { ranges })
    }
}

fn put_ranges(out: &mut Vec<u8>, ranges: &[SeqRange]) {
    for range in ranges {
        out.put_u16(range.start.get());
        out.put_u16(range.count);
    }
}

/// Reads ranges of which each begins at least `taken` places after `base`, `taken` growing with
/// every range read.
fn read_ranges(bytes: &[u8], base: Seq, mut taken: u32) -> Result<Vec<SeqRange>, ControlError> {
    if !bytes.len().is_multiple_of(RANGE_BYTES) || bytes.len() > RANGES_MAX * RANGE_BYTES {
        return Err(ControlError::Length);
    }
    let mut ranges = Vec::with_capacity(bytes.len() / RANGE_BYTES);
    let mut rest = bytes;
    while let Some((&[s0, s1, c0, c1], after)) = rest.split_first_chunk::<RANGE_BYTES>() {
        rest = after;
        let range = SeqRange {
            start: Seq::new(u16::from_be_bytes([s0, s1])),
            count: u16::from_be_bytes([c0, c1]),
        };
        let begins = u32::from(range.start.distance_from(base));
        if range.count == 0 || begins < taken {
            return Err(ControlError::Ranges);
        }
        taken = begins + u32::from(range.count);
        ranges.push(range);
    }
    // Not even a place of the next lap may be named.
    if taken > 1 << 16 {
        return Err(ControlError::Ranges);
    }
    Ok(ranges)
}
