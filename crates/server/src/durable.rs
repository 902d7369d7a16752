//! What a server goes on from: a store that was opened, or nothing at all.

use std::io;

use lamparina_order::{LogIndex, Record, Sequenced};
use lamparina_protocol::{LogId, Term};
use lamparina_store::{Journal, Position, Reader, TermBegan};

/// A log, as far as it is durable, and what keeps it so.
pub struct Durable {
    /// What stores it.
    pub journal: Box<dyn Journal>,
    /// The state after its last entry.
    pub state: Sequenced,
    /// Its last entry.
    pub last_index: LogIndex,
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

impl Durable {
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
