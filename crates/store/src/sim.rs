//! A disk in memory that a test can make full, break, and cut the power of at every call. It keeps
//! the promises of a store, and loses what a real one may lose: nothing that was synced.
//!
//! Deterministic: what happens is decided by the calls and the script alone.

mod journal;
mod reader;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lamparina_order::{LogIndex, Record, Sequenced};
use lamparina_protocol::{LogId, MemberId, Term, UnixMicros};

use crate::chain::Chainer;
use crate::code::Encoder;
use crate::restart::{Tip, next_term, replay};
use crate::traits::{AppendError, Chain, Position, ReadError, TermBegan};

pub use journal::SimJournal;
pub use reader::SimReader;

/// A call that the script decides about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Call {
    /// Records and positions are to be stored: how many of each.
    Append {
        /// Records.
        records: usize,
        /// Positions.
        positions: usize,
    },
    /// A term begins: the store is being opened.
    Begin,
    /// A snapshot is to be kept.
    Snapshot,
    /// Something is read.
    Read,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Fate {
    /// It is done, and all that was done before is durable.
    #[default]
    Done,
    /// There is no room: nothing is done. A read fails.
    Full,
    /// The disk fails, and whether the batch is there after a restart is the script's to say. The
    /// journal takes nothing any more.
    Failed {
        /// It is there.
        kept: bool,
    },
    /// The power goes before it is durable.
    CutBefore,
    /// The power goes when it is durable, before anybody is told.
    CutAfter,
    /// The disk lies: it is done, and a power cut takes it unless a later call was honest.
    Lie,
}

type Script = Box<dyn FnMut(Call) -> Fate + Send>;

/// The disk. Clones are the same one.
#[derive(Clone)]
pub struct Disk(Arc<Mutex<Inner>>);

/// A state with the entry after which it was, and the chain up to it.
#[derive(Clone, Debug)]
struct Kept {
    at: LogIndex,
    chain: Chain,
    state: Vec<u8>,
}

/// What a power cut does not take.
#[derive(Clone, Default)]
struct Files {
    /// Entry `n` stands at `n - 1`.
    rows: Vec<(Record, Chain)>,
    terms: Vec<TermBegan>,
    positions: BTreeMap<MemberId, Position>,
    snapshots: Vec<Kept>,
}

struct Inner {
    log: LogId,
    files: Files,
    /// What is durable, where that is less than `files`.
    synced: Option<Files>,
    /// Counts openings and power cuts: a journal of an earlier one is dead.
    power: u64,
    /// Why the journal takes nothing any more.
    failed: Option<String>,
    script: Script,
    encoder: Encoder,
    chainer: Chainer,
}

/// What a server goes on from, as [`sqlite::Opened`](crate::sqlite::Opened).
#[derive(Debug)]
pub struct SimOpened {
    /// What stores from here on.
    pub journal: SimJournal,
    /// The state after the last entry.
    pub state: Sequenced,
    /// Which log.
    pub log: LogId,
    /// The last entry: the beginning of the new term.
    pub last: Tip,
    /// The term that begins with this.
    pub term: Term,
    /// All terms, ascending, the new one included.
    pub terms: Vec<TermBegan>,
    /// How far members' clients handed over.
    pub positions: Vec<Position>,
    /// All entries, ascending.
    pub recent: Vec<Record>,
    /// Entries that were replayed.
    pub replayed: u64,
}

impl Disk {
    /// An empty disk, for a log of this name.
    pub fn new(log: LogId) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            log,
            files: Files::default(),
            synced: None,
            power: 0,
            failed: None,
            script: Box::new(|_| Fate::Done),
            encoder: Encoder::default(),
            chainer: Chainer::default(),
        })))
    }

    /// Decides about every call from here on. It is called while the disk is locked, and must not
    /// use it.
    pub fn script(&self, script: impl FnMut(Call) -> Fate + Send + 'static) {
        self.lock().script = Box::new(script);
    }

    /// The power goes: what was not synced is lost, and the journal in use is dead.
    pub fn power_cut(&self) {
        self.lock().cut();
    }

    /// What is on the disk now, synced or not.
    pub fn records(&self) -> Vec<Record> {
        let inner = self.lock();
        inner
            .files
            .rows
            .iter()
            .map(|(row, _)| row.clone())
            .collect()
    }

    /// The disk is as it was when `earlier` was copied from it, as after restoring a backup.
    pub fn restore(&self, earlier: &Self) {
        if Arc::ptr_eq(&self.0, &earlier.0) {
            return;
        }
        let (log, files) = {
            let earlier = earlier.lock();
            (earlier.log, earlier.files.clone())
        };
        let mut inner = self.lock();
        inner.cut();
        (inner.log, inner.files) = (log, files);
    }

    /// Another disk with the same on it.
    #[must_use]
    pub fn copy(&self) -> Self {
        let inner = self.lock();
        let copy = Self::new(inner.log);
        copy.lock().files = inner.files.clone();
        copy
    }

    /// A reader. It goes on reading after power cuts.
    pub fn reader(&self) -> SimReader {
        SimReader::new(self.clone())
    }

    /// Starts on what is there, in a new term.
    ///
    /// # Errors
    ///
    /// What the script says of [`Call::Read`] and [`Call::Begin`], or entries that do not replay.
    pub fn open(&self, now: UnixMicros) -> Result<SimOpened, OpenFault> {
        let mut inner = self.lock();
        // A new start: whatever server had this disk has it no longer.
        inner.power += 1;
        inner.failed = None;
        inner.read()?;
        let (mut state, replayed) = inner.replayed()?;
        let recent = inner.files.rows.iter().map(|(row, _)| row.clone());
        let mut recent: Vec<Record> = recent.collect();
        let next = next_term(&inner.files.terms, inner.tip(), now);
        let (term, began) =
            next.ok_or_else(|| AppendError::Failed("there are no more terms".into()))?;
        replay(&mut state, &began)?;
        let power = inner.power;
        inner.store(
            power,
            Call::Begin,
            std::slice::from_ref(&began),
            &[],
            Some(term),
        )?;
        recent.push(began);
        Ok(SimOpened {
            journal: SimJournal::new(self.clone(), power),
            state,
            log: inner.log,
            last: inner.tip(),
            term: term.term,
            terms: inner.files.terms.clone(),
            positions: inner.files.positions.values().copied().collect(),
            recent,
            replayed,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let inner = self.lock();
        let mut out = f.debug_struct("Disk");
        out.field("log", &inner.log).field("tip", &inner.tip());
        out.finish_non_exhaustive()
    }
}

/// Why a simulated store cannot be opened.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OpenFault {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The term's beginning could not be stored.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl Inner {
    fn tip(&self) -> Tip {
        match self.files.rows.last() {
            None => Tip::genesis(self.log),
            Some((record, chain)) => Tip {
                index: record.index,
                stamp: record.stamp,
                chain: *chain,
            },
        }
    }

    fn cut(&mut self) {
        if let Some(synced) = self.synced.take() {
            self.files = synced;
        }
        self.power += 1;
        self.failed = None;
    }

    /// What the script says of a read.
    fn read(&mut self) -> Result<(), ReadError> {
        match (self.script)(Call::Read) {
            Fate::Done | Fate::Lie => Ok(()),
            Fate::Full | Fate::Failed { .. } => Err(ReadError::Failed("as the script says".into())),
            Fate::CutBefore | Fate::CutAfter => {
                self.cut();
                Err(ReadError::Failed("the power is off".into()))
            }
        }
    }

    /// The state after the last entry, and how many entries were replayed for it.
    fn replayed(&self) -> Result<(Sequenced, u64), ReadError> {
        let belongs = |kept: &&Kept| {
            let row = kept.at.0.checked_sub(1);
            let row = row.and_then(|place| self.files.rows.get(usize::try_from(place).ok()?));
            row.is_some_and(|(_, chain)| *chain == kept.chain)
        };
        let kept = self.files.snapshots.iter().rev().find(belongs);
        let kept = kept.and_then(|kept| Some((Sequenced::from_bytes(&kept.state).ok()?, kept.at)));
        let (mut state, at) = kept.unwrap_or_default();
        let done = usize::try_from(at.0).unwrap_or(usize::MAX);
        for (record, _) in self.files.rows.iter().skip(done) {
            replay(&mut state, record)?;
        }
        Ok((state, (self.files.rows.len() - done) as u64))
    }

    /// All of it or nothing, as the script says.
    fn store(
        &mut self,
        power: u64,
        call: Call,
        records: &[Record],
        positions: &[Position],
        term: Option<TermBegan>,
    ) -> Result<(), AppendError> {
        if power != self.power {
            return Err(AppendError::Failed("the power is off".into()));
        }
        if let Some(failed) = &self.failed {
            return Err(AppendError::Failed(failed.clone()));
        }
        let rows = self.rows(records);
        let rows = rows.map_err(|error| self.fail(error))?;
        let fate = (self.script)(call);
        if fate == Fate::Lie && self.synced.is_none() {
            self.synced = Some(self.files.clone());
        }
        if matches!(
            fate,
            Fate::Done | Fate::Lie | Fate::CutAfter | Fate::Failed { kept: true }
        ) {
            self.files.put(rows, positions, term);
        }
        if matches!(
            fate,
            Fate::Done | Fate::CutAfter | Fate::Failed { kept: true }
        ) {
            self.synced = None;
        }
        match fate {
            Fate::Done | Fate::Lie => Ok(()),
            Fate::Full => Err(AppendError::Full("as the script says".into())),
            Fate::Failed { .. } => Err(self.fail("as the script says".into())),
            Fate::CutBefore | Fate::CutAfter => {
                self.cut();
                Err(AppendError::Failed("the power is off".into()))
            }
        }
    }

    /// The rows of a batch, as they would be read again.
    fn rows(&mut self, records: &[Record]) -> Result<Vec<(Record, Chain)>, String> {
        let mut tip = self.tip();
        let mut rows = Vec::with_capacity(records.len());
        for record in records {
            if record.index.0 != tip.index.0 + 1 || record.stamp < tip.stamp {
                return Err(format!(
                    "entry {} at stamp {} cannot follow entry {} at stamp {}",
                    record.index, record.stamp, tip.index, tip.stamp
                ));
            }
            let row = self.encoder.encode(record);
            let row = row.map_err(|error| error.to_string())?;
            let chain = self.chainer.next(tip.chain, &row);
            // What is read later is what the row says, not what was given.
            let record = row.decode().map_err(|error| error.to_string())?;
            (tip.index, tip.stamp, tip.chain) = (record.index, record.stamp, chain);
            rows.push((record, chain));
        }
        Ok(rows)
    }

    fn fail(&mut self, words: String) -> AppendError {
        self.failed = Some(words.clone());
        AppendError::Failed(words)
    }
}

impl Files {
    fn put(&mut self, rows: Vec<(Record, Chain)>, positions: &[Position], term: Option<TermBegan>) {
        self.rows.extend(rows);
        for position in positions {
            self.positions.insert(position.member, *position);
        }
        self.terms.extend(term);
    }
}
