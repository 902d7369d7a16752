//! The baseline's frames, and a commit of eight bytes for each frame sent: its place in the file,
//! which only grows.

use bytes::BytesMut;

use super::pending::Pending;
use super::{Fault, Raw, Tally, To, Wire};
use crate::mark::Mark;
use crate::raw_server::{COMMIT_BYTES, COMMIT_MARK, LENGTH_BYTES};

/// One connection to a raw server that keeps a file.
#[derive(Debug)]
pub(crate) struct RawDurable {
    raw: Raw,
    pending: Pending,
    settled: u64,
    /// The last place told.
    place: u64,
}

impl RawDurable {
    /// `index` spreads the samples, so that not all connections look at the same messages.
    pub(crate) fn new(index: usize) -> Self {
        Self {
            raw: Raw::new(index),
            pending: Pending::default(),
            settled: 0,
            place: 0,
        }
    }

    fn commit(&mut self, commit: u64, tally: &mut Tally) -> Result<(), Fault> {
        let (place, before) = (commit ^ COMMIT_MARK, self.place);
        if place <= before || !self.pending.settle(tally) {
            return Err(Fault::Broken(format!(
                "a commit of place {place} came after that of {before}; nothing calls for it"
            )));
        }
        self.place = place;
        self.settled += 1;
        Ok(())
    }
}

impl Wire for RawDurable {
    fn walk(&mut self, bytes: &[u8], tally: &mut Tally) -> Result<usize, Fault> {
        let whole = LENGTH_BYTES + tally.text_bytes;
        let mut rest = bytes;
        while let Some((first, after)) = rest.split_first_chunk::<COMMIT_BYTES>() {
            let commit = u64::from_be_bytes(*first);
            if commit & COMMIT_MARK != 0 {
                self.commit(commit, tally)?;
                rest = after;
            } else if let Some((frame, after)) = rest.split_at_checked(whole) {
                self.raw.frame(frame, tally)?;
                rest = after;
            } else {
                break;
            }
        }
        Ok(bytes.len() - rest.len())
    }

    fn answer(&mut self, _: &mut BytesMut, _: bool) -> bool {
        false
    }

    fn room(&self) -> u64 {
        u64::MAX
    }

    fn put(&mut self, out: &mut BytesMut, to: &To, mark: Mark, size: usize) {
        self.pending.send(mark.sent_ns);
        self.raw.put(out, to, mark, size);
    }

    fn received(&self) -> u64 {
        self.raw.received()
    }

    fn unsettled(&self) -> u64 {
        self.pending.len()
    }

    fn settled(&self) -> u64 {
        self.settled
    }

    fn duplicates(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::Histogram;

    const SIZE: usize = 40;

    fn tally() -> Tally {
        Tally {
            now_ns: 1_500,
            text_bytes: SIZE,
            latency: None,
            commits: Some(Histogram::default()),
        }
    }

    /// A connection that has sent `count` messages at 500 ns.
    fn sent(count: u64) -> (RawDurable, BytesMut) {
        let (mut wire, mut out) = (RawDurable::new(0), BytesMut::new());
        for counter in 1..=count {
            let mark = Mark {
                sent_ns: 500,
                author: 3,
                counter,
            };
            wire.put(&mut out, &To::All, mark, SIZE);
        }
        (wire, out)
    }

    fn commits(places: &[u64]) -> Vec<u8> {
        let commits = places.iter().map(|place| COMMIT_MARK | place);
        commits.flat_map(u64::to_be_bytes).collect()
    }

    #[test]
    fn commits_and_frames_are_told_apart_in_any_split() {
        let bytes = [commits(&[4]), sent(2).1.to_vec(), commits(&[9, 10])].concat();
        for step in [1, 8, 13, bytes.len()] {
            let ((mut wire, _), mut tally, mut used) = (sent(4), tally(), 0);
            for end in (1..=bytes.len()).filter(|end| end % step == 0 || *end == bytes.len()) {
                used += wire.walk(&bytes[used..end], &mut tally).unwrap();
            }
            let counts = (wire.received(), wire.settled(), wire.unsettled());
            assert_eq!(
                (used, counts),
                (bytes.len(), (2, 3, 1)),
                "in steps of {step}"
            );
            let took = tally.commits.unwrap();
            assert_eq!((took.total(), took.quantile(1.0)), (3, 1_000));
        }
    }

    #[test]
    fn commits_out_of_order_or_of_nothing_are_faults() {
        for places in [&[2, 1][..], &[3, 3], &[1, 2, 3]] {
            let (mut wire, _) = sent(2);
            assert!(
                wire.walk(&commits(places), &mut tally()).is_err(),
                "{places:?}"
            );
        }
    }
}
