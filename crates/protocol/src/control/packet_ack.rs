//! Payload of ACK on links over datagrams: which packets came. Runs stand newest first; a payload
//! never names more than [`RUNS_MAX`] of them, nor a number below zero.

use std::time::Duration;

use bytes::{Buf, BufMut};

use super::ControlError;

/// Runs of packet numbers in one ACK, at most.
pub const RUNS_MAX: usize = 32;
/// Answer at once: the sender of this ACK wants to know what came.
const FLAG_AT_ONCE: u8 = 1;
/// Bytes before the runs.
const FIXED_BYTES: usize = 8 + 4 + 1;
/// A LEB128 number of 64 bits has at most so many bytes.
const VARINT_BYTES_MAX: usize = 10;

/// Packet numbers in a row, both ends included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Run {
    /// The lowest.
    pub first: u64,
    /// The highest; not below `first`.
    pub last: u64,
}

/// ACK on a link over datagrams.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PacketAck {
    /// How long the newest had been here when this was written.
    pub delay: Duration,
    /// Whether an answer is wanted at once.
    pub at_once: bool,
    /// What came, newest first, with at least one number missing between two; at most [`RUNS_MAX`].
    /// May be empty where nothing came yet.
    pub runs: Vec<Run>,
}

impl PacketAck {
    /// Largest number, delay in microseconds, flags, then the newest run's length less one, then for
    /// each further one the numbers missing before it less one and its length less one.
    pub fn put(&self, out: &mut Vec<u8>) {
        let largest = self.runs.first().map_or(u64::MAX, |run| run.last);
        let delay = u32::try_from(self.delay.as_micros()).unwrap_or(u32::MAX);
        out.put_u64(largest);
        out.put_u32(delay);
        out.put_u8(if self.at_once { FLAG_AT_ONCE } else { 0 });
        let mut above: Option<Run> = None;
        for run in self.runs.iter().take(RUNS_MAX) {
            if let Some(above) = above {
                put_varint(out, above.first - run.last - 2);
            }
            put_varint(out, run.last - run.first);
            above = Some(*run);
        }
    }

    /// Reads a whole payload.
    ///
    /// # Errors
    ///
    /// [`ControlError::Length`], [`ControlError::Flags`] and [`ControlError::Ranges`].
    pub fn from_bytes(payload: &[u8]) -> Result<Self, ControlError> {
        let mut rest = payload;
        if rest.len() < FIXED_BYTES {
            return Err(ControlError::Length);
        }
        let largest = rest.get_u64();
        let delay = Duration::from_micros(u64::from(rest.get_u32()));
        let flags = rest.get_u8();
        if flags & !FLAG_AT_ONCE != 0 {
            return Err(ControlError::Flags(u16::from(flags)));
        }
        let mut runs = Vec::new();
        let mut last = largest;
        while !rest.is_empty() {
            if runs.len() == RUNS_MAX {
                return Err(ControlError::Ranges);
            }
            if let Some(Run { first, .. }) = runs.last() {
                let gap = take_varint(&mut rest)?;
                let below = gap.checked_add(2).and_then(|gap| first.checked_sub(gap));
                last = below.ok_or(ControlError::Ranges)?;
            }
            let length = take_varint(&mut rest)?;
            let first = last.checked_sub(length).ok_or(ControlError::Ranges)?;
            runs.push(Run { first, last });
        }
        // The number of what stands outside is none that can come.
        if runs.is_empty() != (largest == u64::MAX) {
            return Err(ControlError::Ranges);
        }
        Ok(Self {
            delay,
            at_once: flags == FLAG_AT_ONCE,
            runs,
        })
    }
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.put_u8(number as u8 | 0x80);
        number >>= 7;
    }
    out.put_u8(number as u8);
}

fn take_varint(rest: &mut &[u8]) -> Result<u64, ControlError> {
    let mut number = 0_u64;
    for place in 0..VARINT_BYTES_MAX {
        let (byte, after) = rest.split_first().ok_or(ControlError::Length)?;
        *rest = after;
        let bits = u64::from(byte & 0x7f);
        // One number, one form; none above 64 bits.
        if (place > 0 && *byte == 0) || (place == VARINT_BYTES_MAX - 1 && bits > 1) {
            return Err(ControlError::Ranges);
        }
        number |= bits << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(ControlError::Ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(runs: &[(u64, u64)], at_once: bool) -> PacketAck {
        let run = |&(first, last): &(u64, u64)| Run { first, last };
        PacketAck {
            delay: Duration::from_micros(1_500),
            at_once,
            runs: runs.iter().map(run).collect(),
        }
    }

    fn bytes(ack: &PacketAck) -> Vec<u8> {
        let mut out = Vec::new();
        ack.put(&mut out);
        out
    }

    #[test]
    fn what_is_written_is_read() {
        let tables: [&[(u64, u64)]; 5] = [
            &[],
            &[(0, 0)],
            &[(7, 300), (5, 5), (0, 3)],
            &[(u64::MAX - 1, u64::MAX - 1), (0, 1)],
            &[(1 << 40, 1 << 41)],
        ];
        for runs in tables {
            for at_once in [false, true] {
                let ack = ack(runs, at_once);
                assert_eq!(PacketAck::from_bytes(&bytes(&ack)), Ok(ack));
            }
        }
    }

    #[test]
    fn the_bytes() {
        let expected = [
            0, 0, 0, 0, 0, 0, 1, 44, 0, 0, 5, 220, 1, 0xa5, 2, 0, 0, 0, 3,
        ];
        let ack = ack(&[(7, 300), (5, 5), (0, 3)], true);
        assert_eq!(bytes(&ack), expected);
    }

    #[test]
    fn what_names_no_packets_is_refused() {
        let good = bytes(&ack(&[(7, 9), (0, 3)], false));
        let with = |at: usize, byte: u8| {
            let mut bad = good.clone();
            bad[at] = byte;
            PacketAck::from_bytes(&bad)
        };
        assert_eq!(
            PacketAck::from_bytes(&good[..12]),
            Err(ControlError::Length)
        );
        assert_eq!(with(12, 2), Err(ControlError::Flags(2)));
        assert_eq!(with(13, 10), Err(ControlError::Ranges));
        assert_eq!(with(14, 6), Err(ControlError::Ranges));
        assert_eq!(with(15, 4), Err(ControlError::Ranges));
        assert_eq!(with(15, 0x80), Err(ControlError::Length));
        let mut many = good[..13].to_vec();
        many.extend(std::iter::repeat_n(0, 2 * RUNS_MAX + 1));
        many[..8].copy_from_slice(&1_000_u64.to_be_bytes());
        assert_eq!(PacketAck::from_bytes(&many), Err(ControlError::Ranges));
        let mut long_form = good.clone();
        long_form.extend([0, 0x80, 0]);
        assert_eq!(PacketAck::from_bytes(&long_form), Err(ControlError::Ranges));
        let mut endless = good[..13].to_vec();
        endless.extend([0xff; 10]);
        assert_eq!(PacketAck::from_bytes(&endless), Err(ControlError::Ranges));
    }
}
