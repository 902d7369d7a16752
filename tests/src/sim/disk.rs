//! A disk in memory: what it holds survives any cut, and at each append it can lose power before or
//! after the sync, be full, or fail. With [`Disk::lie`] it says that it synced and did not.

use std::collections::BTreeMap;

use lamparina_order::{LogIndex, Record};
use lamparina_protocol::MemberId;
use lamparina_store::rows::Rows;
use lamparina_store::{AppendError, Journal, Position};

/// Entries given at once: few, so that pages have several turns.
const GATHERED_MAX: usize = 50;

/// What becomes of the next append.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Fate {
    /// It is stored.
    #[default]
    Stored,
    /// The power goes while it is written: nothing of it is there.
    CutInside,
    /// The power goes after the sync: it is there, and nobody was told.
    CutAfterSync,
    /// The disk fails, and has it or not.
    Failed {
        /// It has it.
        stored: bool,
    },
}

/// The disk of one log.
#[derive(Debug, Default)]
pub struct Disk {
    records: Vec<Record>,
    positions: BTreeMap<MemberId, Position>,
    /// Records that are really there; the others will be gone after a cut.
    synced: usize,
    lies: bool,
    fate: Fate,
    full: bool,
    /// Takes nothing until it is opened again.
    stopped: bool,
}

impl Disk {
    /// What the next append comes to.
    pub fn plan(&mut self, fate: Fate) {
        self.fate = fate;
    }

    /// Whether there is room.
    pub fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    /// From here on nothing is synced.
    pub fn lie(&mut self) {
        self.lies = true;
    }

    /// Every entry that it says it has.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// How far members' clients handed over.
    pub fn positions(&self) -> Vec<Position> {
        self.positions.values().copied().collect()
    }

    /// Reads what it has.
    pub fn reading(&self) -> Rows<'_, Record> {
        Rows::new(&self.records, &self.positions).at_once(GATHERED_MAX)
    }

    /// The last entry.
    pub fn last_index(&self) -> LogIndex {
        LogIndex(self.records.len() as u64)
    }

    /// The power was gone, or the server was, and is here again.
    pub fn open_again(&mut self) {
        if self.lies {
            self.records.truncate(self.synced);
        }
        (self.fate, self.stopped) = (Fate::Stored, false);
    }

    fn store(&mut self, records: &[Record], positions: &[Position]) {
        for record in records {
            let next = LogIndex(self.records.len() as u64 + 1);
            assert_eq!(record.index, next, "the journal leaves an entry out");
            self.records.push(record.clone());
        }
        for position in positions {
            self.positions.insert(position.member, *position);
        }
        if !self.lies {
            self.synced = self.records.len();
        }
    }
}

impl Journal for Disk {
    fn append(&mut self, records: &[Record], positions: &[Position]) -> Result<(), AppendError> {
        let failed = || Err(AppendError::Failed("simulated".to_owned()));
        assert!(!self.stopped, "a journal that failed is written to again");
        if self.full {
            return Err(AppendError::Full("simulated".to_owned()));
        }
        let fate = std::mem::take(&mut self.fate);
        self.stopped = fate != Fate::Stored;
        match fate {
            Fate::CutInside | Fate::Failed { stored: false } => failed(),
            Fate::CutAfterSync | Fate::Failed { stored: true } => {
                self.store(records, positions);
                failed()
            }
            Fate::Stored => {
                self.store(records, positions);
                Ok(())
            }
        }
    }

    fn keep_snapshot(&mut self, _: LogIndex, _: Vec<u8>) {}
}
