//! A store as a server starts from it: locked, its rows chained and replayed from the newest
//! snapshot that belongs to them, and in a new term.

use std::path::{Path, PathBuf};

use lamparina_order::{LogIndex, Record, Sequenced};
use lamparina_protocol::{LogId, Term, UnixMicros};

use super::error::OpenError;
use super::files;
use super::lock::Lock;
use super::reader::SqliteReader;
use super::schema::Meta;
use super::writer::{SqliteJournal, connect};
use crate::index::{self, Behind, Tell};
use crate::restart::{Tip, next_term, replay};
use crate::traits::{AppendError, Chain, Position, ReadError, Reader, TermBegan};

/// The newest entries that a start hands over, at most.
pub const RECENT_MAX: usize = 16_384;
/// Bytes of their texts, at most.
pub const RECENT_BYTES_MAX: usize = 16 << 20;

/// What a server goes on from.
#[derive(Debug)]
pub struct Opened {
    /// What stores from here on. Has the store's lock.
    pub journal: SqliteJournal,
    /// The state after the last entry, which is the beginning of the new term.
    pub state: Sequenced,
    /// Which log.
    pub log: LogId,
    /// The last entry: the beginning of the new term.
    pub last: Tip,
    /// Its place.
    pub last_index: LogIndex,
    /// The newest entries, ascending: at most [`RECENT_MAX`], of at most [`RECENT_BYTES_MAX`]
    /// bytes of text.
    pub recent: Vec<Record>,
    /// The term that begins with this.
    pub term: Term,
    /// All terms, ascending, the new one included.
    pub terms: Vec<TermBegan>,
    /// How far members' clients handed over.
    pub positions: Vec<Position>,
    /// Entries that were replayed: those behind the snapshot.
    pub replayed: u64,
    /// Makes readers.
    pub readers: Readers,
}

/// Makes readers of one store, each with its own connection.
#[derive(Clone, Debug)]
pub struct Readers {
    folder: PathBuf,
}

impl Readers {
    /// One more.
    ///
    /// # Errors
    ///
    /// [`ReadError::Failed`].
    pub fn reader(&self) -> Result<SqliteReader, ReadError> {
        SqliteReader::open(&self.folder)
    }
}

/// Opens the store in `folder` for a server that starts at `now`, and makes it, as the log `new`,
/// where it is missing. `tell` is told what cannot be done behind the journal.
///
/// # Errors
///
/// [`OpenError`]: no term has begun then.
pub fn open(folder: &Path, now: UnixMicros, new: LogId, tell: Tell) -> Result<Opened, OpenError> {
    let lock = Lock::take(folder)?;
    let new = Meta {
        log: new,
        created_at: now,
    };
    let (connection, meta) = connect(folder, new)?;
    let path = folder.join(files::DATABASE);
    let readers = Readers {
        folder: folder.to_owned(),
    };
    let kept = readers.reader();
    let kept = kept.and_then(|mut reader| Kept::read(&mut reader, folder, meta.log));
    let kept = kept.map_err(|error| OpenError::reading(&path, error))?;
    let mut journal = SqliteJournal::new(folder, lock, connection, kept.tip)?;
    let mut state = kept.state;
    let (mut terms, mut recent) = (kept.terms, kept.recent);
    let (term, began) =
        begin(&mut journal, &mut state, &terms, now).map_err(|error| not_begun(&path, error))?;
    terms.push(term);
    recent.push(began);
    let last = journal.tip();
    let behind = Behind::start(&path, meta.log, last.index, tell);
    journal.follow(behind.map_err(|error| OpenError::io(&path, &error))?);
    Ok(Opened {
        journal,
        state,
        log: meta.log,
        last,
        last_index: last.index,
        recent,
        term: term.term,
        terms,
        positions: kept.positions,
        replayed: kept.replayed,
        readers,
    })
}

/// What the files hold.
struct Kept {
    state: Sequenced,
    tip: Tip,
    terms: Vec<TermBegan>,
    positions: Vec<Position>,
    replayed: u64,
    recent: Vec<Record>,
}

impl Kept {
    fn read(reader: &mut SqliteReader, folder: &Path, log: LogId) -> Result<Self, ReadError> {
        let genesis = Tip::genesis(log);
        let tip = reader.tip()?.unwrap_or(genesis);
        let empty = || Start {
            state: Sequenced::default(),
            from: (genesis.index, genesis.chain),
        };
        let start = snapshot(reader, folder, log, tip)?;
        let Start { mut state, from } = start.unwrap_or_else(empty);
        reader.verify(from, tip.index, |record, _| replay(&mut state, &record))?;
        let before = LogIndex(tip.index.0.saturating_add(1));
        let mut recent = reader.entries_before(before, RECENT_MAX - 1, RECENT_BYTES_MAX)?;
        recent.reverse();
        Ok(Self {
            state,
            tip,
            terms: reader.terms()?,
            positions: reader.all_positions()?,
            replayed: tip.index.0 - from.0.0,
            recent,
        })
    }
}

/// Where replaying starts: a state, and after which entry.
struct Start {
    state: Sequenced,
    from: (LogIndex, Chain),
}

/// The newest snapshot that belongs to the journal.
fn snapshot(
    reader: &SqliteReader,
    folder: &Path,
    log: LogId,
    tip: Tip,
) -> Result<Option<Start>, ReadError> {
    for snapshot in index::snapshots(folder, log) {
        let belongs = snapshot.index <= tip.index
            && reader.stored_chain(snapshot.index)? == Some(snapshot.chain);
        // One that cannot be read only makes the start slower.
        if belongs && let Ok(state) = Sequenced::from_bytes(&snapshot.state) {
            let from = (snapshot.index, snapshot.chain);
            return Ok(Some(Start { state, from }));
        }
    }
    Ok(None)
}

fn begin(
    journal: &mut SqliteJournal,
    state: &mut Sequenced,
    terms: &[TermBegan],
    now: UnixMicros,
) -> Result<(TermBegan, Record), AppendError> {
    let next = next_term(terms, journal.tip(), now);
    let (term, record) =
        next.ok_or_else(|| AppendError::Failed("there are no more terms".into()))?;
    replay(state, &record).map_err(|error| AppendError::Failed(error.to_string()))?;
    journal.begin(&record, term)?;
    Ok((term, record))
}

fn not_begun(path: &Path, error: AppendError) -> OpenError {
    match error {
        AppendError::Full(words) => OpenError::Full(path.to_owned(), words),
        AppendError::Failed(words) => OpenError::Io(path.to_owned(), words),
    }
}
