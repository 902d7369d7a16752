//! What a server needs of a store. Two implementations keep these promises: SQLite, and a
//! simulated disk that can lose what was not synced, fail, and be full at every call.

use std::path::PathBuf;

use lamparina_order::{LogIndex, Record};
use lamparina_protocol::{Lamport, MemberId, Term, UnixMicros};

use crate::stays::Stays;

/// The journal's chain up to an entry: BLAKE3 over the chain before it and the entry's bytes.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Chain(pub [u8; 32]);

impl std::fmt::Display for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Chain({self})")
    }
}

/// How far a member's clients said that they handed over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Position {
    /// Whose.
    pub member: MemberId,
    /// The last stamp handed over.
    pub consumed: Lamport,
    /// When that was said, by the server's clock.
    pub at: UnixMicros,
}

/// Why nothing of a batch was stored.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AppendError {
    /// No room. The journal is as it was; the next call may succeed.
    #[error("the disk is full ({0}): make room; writing goes on by itself then")]
    Full(String),
    /// Another program has the file for itself. The journal is as it was; the next call may succeed.
    #[error("another program holds the journal ({0}): end it; writing goes on by itself then")]
    Held(String),
    /// A file was removed or replaced while it was written. What was stored last is not in the file
    /// that stands there: this journal takes nothing from now on, and a server ends.
    #[error(
        "{0} is not the file any more that is being written: it was removed or replaced. Nothing was told of what is only in the old one. Put the file back, or restore a backup, before starting again"
    )]
    Removed(PathBuf),
    /// The disk said that it failed. What it holds is not known any more: this journal takes
    /// nothing from now on, and a server ends.
    #[error("the disk failed ({0}): check it and the file system before starting again")]
    Failed(String),
}

/// Writes the journal. One for each store, and one thread that has it.
pub trait Journal: Send {
    /// Stores all records and positions, or nothing. They are durable when this returns `Ok`.
    ///
    /// Records go on from the last one stored: their indices leave nothing out.
    ///
    /// # Errors
    ///
    /// [`AppendError`].
    fn append(&mut self, records: &[Record], positions: &[Position]) -> Result<(), AppendError>;

    /// Keeps a snapshot of the state after the entry `at`, behind the journal and when there is
    /// time. It may be lost: it only makes the next start faster.
    fn keep_snapshot(&mut self, at: LogIndex, state: Vec<u8>);
}

/// Why something could not be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// The disk or the file system.
    #[error("the store cannot be read: {0}")]
    Failed(String),
    /// Not what was written there.
    #[error("entry {0} of the journal is damaged ({1}): run lamparina-log verify")]
    Damaged(LogIndex, String),
}

/// The beginning of a term.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TermBegan {
    /// Which.
    pub term: Term,
    /// The last stamp before it: cursors of earlier terms beyond this stamp are beyond the log.
    pub after: Lamport,
    /// When, by the server's clock.
    pub at: UnixMicros,
}

/// What a search found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Found {
    /// Messages, newest first.
    pub messages: Vec<Record>,
    /// There are earlier ones, before the last of these.
    pub more: bool,
    /// Everything up to this stamp has been looked through.
    pub upto: Lamport,
}

/// Reads what is durable, beside the one that writes. Each is for one thread; there may be several.
///
/// Every call sees everything that was durable when it began.
pub trait Reader: Send {
    /// Entries after `after`, ascending: at most `count_max`, of at most `bytes_max` bytes of text;
    /// at least one where there is one.
    ///
    /// # Errors
    ///
    /// [`ReadError`], for this and all others.
    fn entries(
        &mut self,
        after: LogIndex,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Record>, ReadError>;

    /// The same downwards: entries before `before`, descending.
    fn entries_before(
        &mut self,
        before: LogIndex,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Record>, ReadError>;

    /// The last entry whose stamp is at most `stamp`: every message after `stamp` comes after it.
    fn index_of(&mut self, stamp: Lamport) -> Result<LogIndex, ReadError>;

    /// The message with this stamp, and the chain up to it.
    fn message(&mut self, stamp: Lamport) -> Result<Option<(Record, Chain)>, ReadError>;

    /// Where a member was and is, and when it was banned.
    fn stays(&mut self, member: MemberId) -> Result<Stays, ReadError>;

    /// How far these members' clients handed over, in the order asked for; those who never did are
    /// left out.
    fn positions(&mut self, members: &[MemberId]) -> Result<Vec<Position>, ReadError>;

    /// Messages before `before` (0 for all) that hold all `words` and that `may_see` admits.
    fn find(
        &mut self,
        words: &str,
        before: Lamport,
        count_max: usize,
        bytes_max: usize,
        may_see: &dyn Fn(&Record) -> bool,
    ) -> Result<Found, ReadError>;
}
