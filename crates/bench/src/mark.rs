//! What a measured text carries: when it was sent, by whom, and its place among that author's. All
//! in hexadecimal at fixed places, so that a text is text and reading it back costs little.

use std::time::Instant;

/// Bytes of a measured text, at least: the mark itself.
pub(crate) const MARK_BYTES: usize = TIME + AUTHOR + COUNTER;
const TIME: usize = 16;
const AUTHOR: usize = 4;
const COUNTER: usize = 12;

/// The mark at the beginning of a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Mark {
    /// Nanoseconds of the load's clock.
    pub(crate) sent_ns: u64,
    /// The author's place among the connections.
    pub(crate) author: u16,
    /// From 1, per author; below 2^48.
    pub(crate) counter: u64,
}

impl Mark {
    /// The text of `size` bytes that begins with this mark.
    pub(crate) fn write(self, text: &mut [u8]) {
        let (mark, rest) = text.split_at_mut(MARK_BYTES);
        put_hex(&mut mark[..TIME], self.sent_ns);
        put_hex(&mut mark[TIME..TIME + AUTHOR], self.author.into());
        put_hex(&mut mark[TIME + AUTHOR..], self.counter);
        rest.fill(b'.');
    }

    /// The mark of a text, or `None` when there is none.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        Some(Self {
            sent_ns: hex(text.get(..TIME)?)?,
            author: u16::try_from(hex(text.get(TIME..TIME + AUTHOR)?)?).ok()?,
            counter: hex(text.get(TIME + AUTHOR..MARK_BYTES)?)?,
        })
    }
}

fn put_hex(out: &mut [u8], mut value: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
}

fn hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(value << 4 | u64::from(digit))
    })
}

/// The load's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// Begins now.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Nanoseconds since it began.
    pub(crate) fn ns(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_back() {
        let mark = Mark {
            sent_ns: u64::MAX - 5,
            author: 0xfffe,
            counter: (1 << 48) - 1,
        };
        let mut text = [0; 40];
        mark.write(&mut text);
        assert_eq!(&text, b"fffffffffffffffafffeffffffffffff........");
        assert_eq!(Mark::read(&text), Some(mark));
        assert_eq!(Mark::read(&text[..31]), None);
        text[3] = b'x';
        assert_eq!(Mark::read(&text), None);
    }
}
