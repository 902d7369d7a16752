//! The baseline's frames: a length, then the text.

use bytes::{BufMut, BytesMut};

use super::{Fault, MarkCheck, SAMPLE_EVERY, Tally, To, Wire};
use crate::mark::Mark;
use crate::raw_server::LENGTH_BYTES;

/// One connection to a raw server.
#[derive(Debug)]
pub(crate) struct Raw {
    received: u64,
    /// Counts down to the next sample.
    skip: u64,
    marks: MarkCheck,
}

impl Raw {
    /// `index` spreads the samples, so that not all connections look at the same messages.
    pub(crate) fn new(index: usize) -> Self {
        Self {
            received: 0,
            skip: index as u64 % SAMPLE_EVERY,
            marks: MarkCheck::default(),
        }
    }

    /// A whole frame, as long as every frame of the load is.
    #[inline]
    pub(super) fn frame(&mut self, frame: &[u8], tally: &mut Tally) -> Result<(), Fault> {
        let length = u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]) as usize;
        if length != tally.text_bytes {
            return Err(Fault::Broken(format!("a frame of {length} bytes came")));
        }
        self.received += 1;
        if self.skip == 0 {
            self.skip = SAMPLE_EVERY;
            self.marks.check(&frame[LENGTH_BYTES..], tally)?;
        }
        self.skip -= 1;
        Ok(())
    }
}

impl Wire for Raw {
    fn walk(&mut self, bytes: &[u8], tally: &mut Tally) -> Result<usize, Fault> {
        let whole = LENGTH_BYTES + tally.text_bytes;
        let mut rest = bytes;
        while rest.len() >= whole {
            let (frame, after) = rest.split_at(whole);
            self.frame(frame, tally)?;
            rest = after;
        }
        Ok(bytes.len() - rest.len())
    }

    fn answer(&mut self, _: &mut BytesMut, _: bool) -> bool {
        false
    }

    fn room(&self) -> u64 {
        u64::MAX
    }

    fn put(&mut self, out: &mut BytesMut, _: &To, mark: Mark, size: usize) {
        out.put_u32(size as u32);
        let text = out.len();
        out.resize(text + size, 0);
        mark.write(&mut out[text..]);
    }

    fn received(&self) -> u64 {
        self.received
    }

    fn unsettled(&self) -> u64 {
        0
    }

    fn settled(&self) -> u64 {
        0
    }

    fn duplicates(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::Histogram;

    fn tally() -> Tally {
        Tally {
            now_ns: 1_500,
            text_bytes: 40,
            latency: Some(Histogram::default()),
            commits: None,
        }
    }

    fn frames(counters: impl IntoIterator<Item = u64>) -> BytesMut {
        let (mut sender, mut out) = (Raw::new(0), BytesMut::new());
        for counter in counters {
            let mark = Mark {
                sent_ns: 500,
                author: 3,
                counter,
            };
            sender.put(&mut out, &To::All, mark, 40);
        }
        out
    }

    #[test]
    fn whole_frames_are_counted_and_sampled() {
        let (mut wire, mut tally, bytes) = (Raw::new(0), tally(), frames(1..=130));
        assert_eq!(wire.walk(&bytes[..50], &mut tally).unwrap(), 44);
        let rest = &bytes[44..];
        assert_eq!(wire.walk(rest, &mut tally).unwrap(), rest.len());
        assert_eq!(wire.received(), 130);
        let latency = tally.latency.unwrap();
        assert_eq!((latency.total(), latency.quantile(1.0)), (3, 1_000));
    }

    #[test]
    fn what_comes_back_in_time_or_size_is_a_fault() {
        let bytes = frames([9, 8]);
        let mut wire = Raw::new(0);
        wire.walk(&bytes[..44], &mut tally()).unwrap();
        let mut sampled = Raw { skip: 0, ..wire };
        assert!(sampled.walk(&bytes[44..], &mut tally()).is_err());
        let mut other = tally();
        other.text_bytes = 36;
        assert!(Raw::new(0).walk(&bytes, &mut other).is_err());
    }
}
