//! What a server goes on from: a store that was opened, or nothing at all.

use std::io;
use std::path::Path;

use lamparina_order::{LogIndex, Record, Sequenced};
use lamparina_protocol::{LogId, Term};
use lamparina_store::sqlite::{self, OpenError};
use lamparina_store::{Journal, Position, ReadError, Reader, TermBegan};

use crate::ordering::wall_clock;

/// A log, as far as it is durable, and what keeps it so.
pub struct Durable {
    /// What stores it.
    pub journal: Box<dyn Journal>,
    /// The state after its last entry.
    pub state: Sequenced,
    /// Its last entry.
    pub last_index: LogIndex,
    /// Entries after the newest snapshot of the state, which the next start would read again.
    pub since_snapshot: u64,
    /// Its name.
    pub log: LogId,
    /// The term that began with this start.
    pub term: Term,
    /// All terms, ascending.
    pub terms: Vec<TermBegan>,
    /// How far members' clients handed over.
    pub positions: Vec<Position>,
    /// Its newest entries, ascending: what receipts are still told for.
    pub recent: Vec<Record>,
    /// What reads it; each gets a thread. Without one nothing older than the tail is served.
    pub readers: Vec<Box<dyn Reader>>,
}

/// Threads that read the store beside the one that writes it.
const READERS: usize = 2;

impl Durable {
    /// Opens the store in `folder`, made where it is missing: locked for this process, read to its
    /// end, in a new term. `tell` is told, in words, what the search file cannot do.
    ///
    /// # Errors
    ///
    /// [`OpenError`], in words that say what to do.
    pub fn open(folder: &Path, tell: impl Fn(String) + Send + 'static) -> Result<Self, OpenError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id)
            .map_err(|error| OpenError::Io(folder.to_owned(), error.to_string()))?;
        let opened = sqlite::open(folder, wall_clock(), LogId(id), Box::new(tell))?;
        let reading = |error: ReadError| OpenError::Io(folder.to_owned(), error.to_string());
        let reader = || opened.readers.reader().map_err(reading);
        let readers = (0..READERS).map(|_| Ok(Box::new(reader()?) as Box<dyn Reader>));
        Ok(Self {
            readers: readers.collect::<Result<_, OpenError>>()?,
            journal: Box::new(opened.journal),
            state: opened.state,
            last_index: opened.last.index,
            since_snapshot: opened.replayed,
            log: opened.log,
            term: opened.term,
            terms: opened.terms,
            positions: opened.positions,
            recent: opened.recent,
        })
    }

    /// A new log that lives in memory and ends with its server.
    ///
    /// # Errors
    ///
    /// When the system gives no random bytes to name the log by.
    pub fn nowhere() -> io::Result<Self> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(io::Error::other)?;
        Ok(Self {
            journal: Box::new(lamparina_store::Nowhere),
            state: Sequenced::default(),
            last_index: LogIndex(0),
            since_snapshot: 0,
            log: LogId(id),
            term: Term(1),
            terms: Vec::new(),
            positions: Vec::new(),
            recent: Vec::new(),
            readers: Vec::new(),
        })
    }
}

impl std::fmt::Debug for Durable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Durable")
            .field("log", &self.log)
            .field("term", &self.term)
            .field("last_index", &self.last_index)
            .finish_non_exhaustive()
    }
}
