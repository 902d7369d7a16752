//! Ways to say the same thing: [`Raw`], the baseline's, [`RawDurable`], the baseline's with commits,
//! and [`Ours`], Lamparina's protocol.
//! A wire walks what came in place, counts and checks it, and says what it owes the other side.

mod ours;
mod pending;
mod raw;
mod raw_durable;
mod sealed;

pub(crate) use ours::Ours;
pub(crate) use raw::Raw;
pub(crate) use raw_durable::RawDurable;
pub(crate) use sealed::SealedOurs;

use bytes::BytesMut;

use crate::histogram::Histogram;
use crate::mark::Mark;

/// One delivery in so many has its text (and, with ours, its checksum) looked at; count and order
/// are checked on every one with ours, and on these with raw, which has no numbers of its own.
pub(crate) const SAMPLE_EVERY: u64 = 64;

/// For whom a message is.
#[derive(Clone, Debug)]
pub(crate) enum To {
    /// Everybody else.
    All,
    /// The one with this nick.
    One(String),
}

/// Why a run is worth nothing: something was lost, out of order, refused, or cut off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// What came is not what must come.
    #[error("{0}")]
    Broken(String),
    /// The system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl Fault {
    /// For `map_err`: an I/O error with what was tried.
    pub(crate) fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}

/// What one read is measured against.
#[derive(Debug)]
pub(crate) struct Tally {
    /// When the read returned, by the load's clock.
    pub(crate) now_ns: u64,
    /// Bytes of every text.
    pub(crate) text_bytes: usize,
    /// Time from sending to receiving, of sampled deliveries; `None` outside the measured time.
    pub(crate) latency: Option<Histogram>,
    /// Time from sending to the commit, of every message; `None` outside the measured time.
    pub(crate) commits: Option<Histogram>,
}

/// Order of the marks that one connection sees: each author's counters only grow.
#[derive(Clone, Debug, Default)]
pub(crate) struct MarkCheck {
    last: Vec<u64>,
}

impl MarkCheck {
    /// Looks at a sampled text.
    pub(crate) fn check(&mut self, text: &[u8], tally: &mut Tally) -> Result<(), Fault> {
        let Some(mark) = Mark::read(text) else {
            return Err(Fault::Broken("a text came back changed".to_owned()));
        };
        let author = usize::from(mark.author);
        if self.last.len() <= author {
            self.last.resize(author + 1, 0);
        }
        if mark.counter <= self.last[author] {
            let (now, before) = (mark.counter, self.last[author]);
            return Err(Fault::Broken(format!(
                "message {now} of author {author} came after its message {before}"
            )));
        }
        self.last[author] = mark.counter;
        if let Some(latency) = &mut tally.latency {
            latency.record(tally.now_ns.saturating_sub(mark.sent_ns));
        }
        Ok(())
    }
}

/// One connection's way of speaking.
pub(crate) trait Wire {
    /// Walks the whole frames at the beginning of `bytes`; gives how many bytes they are.
    fn walk(&mut self, bytes: &[u8], tally: &mut Tally) -> Result<usize, Fault>;

    /// Appends what the frames walked demand: answers, and acknowledgements, as soon as they are
    /// due, or `at_once`. Gives whether something is still owed.
    fn answer(&mut self, out: &mut BytesMut, at_once: bool) -> bool;

    /// Makes what was appended to `out` ready for the socket.
    fn finish(&mut self, _out: &mut BytesMut) -> Result<(), Fault> {
        Ok(())
    }

    /// How many messages may be put now.
    fn room(&self) -> u64;

    /// Appends a message of `size` bytes of text. Only while there is room.
    fn put(&mut self, out: &mut BytesMut, to: &To, mark: Mark, size: usize);

    /// Messages received.
    fn received(&self) -> u64;

    /// Messages sent and not known to have a place; 0 where the wire has no word for it.
    fn unsettled(&self) -> u64;

    /// Messages known to have a place, those of earlier connections of this author included; 0
    /// where the wire has no word for it.
    fn settled(&self) -> u64;

    /// Frames that came twice.
    fn duplicates(&self) -> u64;
}
