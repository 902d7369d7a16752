//! A store as a server starts from it: locked, its rows chained and replayed from the newest
//! snapshot that belongs to them, and in a new term.

use std::path::{Path, PathBuf};

use lamparina_order::{LogIndex, Record, Sequenced};
use lamparina_protocol::{LogId, Term, UnixMicros};

use super::error::OpenError;
use super::lock::Lock;
use super::reader::SqliteReader;
use super::schema::Meta;
use super::writer::{SqliteJournal, connect};
use super::{files, guard};
use crate::index::{self, Alarm, Behind, Evidence, Tell};
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
    alarm: Alarm,
}

impl Readers {
    /// One more.
    ///
    /// # Errors
    ///
    /// [`ReadError::Failed`].
    pub fn reader(&self) -> Result<SqliteReader, ReadError> {
        let reader = SqliteReader::open(&self.folder)?;
        Ok(reader.searching(&self.folder, self.alarm.clone()))
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
    let path = folder.join(files::DATABASE);
    guard::regular_database(&path)?;
    guard::regular_database(&folder.join(files::INDEX))?;
    if is_empty(&path)? {
        whole(folder, Tip::genesis(new), index::evidence(folder, None))?;
    }
    let new = Meta {
        log: new,
        created_at: now,
    };
    let (connection, meta) = connect(folder, new)?;
    let reader = SqliteReader::open(folder);
    let mut reader = reader.map_err(|error| OpenError::reading(&path, error))?;
    let tip = end(&reader, meta.log).map_err(|error| OpenError::reading(&path, error))?;
    whole(folder, tip, index::evidence(folder, Some(meta.log)))?;
    let kept = Kept::read(&mut reader, folder, meta.log, tip);
    let kept = kept.map_err(|error| OpenError::reading(&path, error))?;
    drop(reader);
    let mut journal = SqliteJournal::new(folder, lock, connection, kept.tip)?;
    let mut state = kept.state;
    let (mut terms, mut recent) = (kept.terms, kept.recent);
    let (term, began) =
        begin(&mut journal, &mut state, &terms, now).map_err(|error| not_begun(&path, error))?;
    terms.push(term);
    recent.push(began);
    let last = journal.tip();
    let behind = Behind::start(&path, meta.log, last.index, tell);
    let behind = behind.map_err(|error| OpenError::io(&path, &error))?;
    let readers = Readers {
        folder: folder.to_owned(),
        alarm: behind.alarm(),
    };
    journal.follow(behind);
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

/// Nothing was ever stored in this file.
///
/// # Errors
///
/// [`OpenError::Orphaned`] where something was, and the file is not there any more.
fn is_empty(path: &Path) -> Result<bool, OpenError> {
    let bytes = |path: &Path| match std::fs::metadata(path) {
        Ok(found) => Ok(found.len()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(OpenError::io(path, &error)),
    };
    let log = guard::beside(path, "-wal");
    match (bytes(path)?, bytes(&log)?) {
        // SQLite writes into the file before it has a log beside it.
        (0, 1..) => Err(OpenError::Orphaned {
            missing: path.to_owned(),
            left: log,
        }),
        (bytes, _) => Ok(bytes == 0),
    }
}

/// The last entry of the log.
fn end(reader: &SqliteReader, log: LogId) -> Result<Tip, ReadError> {
    Ok(reader.tip()?.unwrap_or_else(|| Tip::genesis(log)))
}

/// Nothing is missing at the end, as far as the derived file knows: that follows what is durable.
fn whole(folder: &Path, tip: Tip, known: Option<Evidence>) -> Result<(), OpenError> {
    match known {
        Some(known) if known.index > tip.index => Err(OpenError::Shorter {
            folder: folder.to_owned(),
            ends: tip.index,
            stamp: tip.stamp,
            known: known.index,
            known_stamp: known.stamp,
        }),
        _ => Ok(()),
    }
}

/// Goes on without the newest entries, which the derived file in `folder` knows of and the journal
/// has not: that file gets other names, which end with `name`. The next [`open`] begins a term
/// where the journal ends. `None` where nothing is missing; nothing is done then.
///
/// # Errors
///
/// [`OpenError`]; everything is as it was then, or the derived file is aside.
pub fn accept_shorter(folder: &Path, name: &str) -> Result<Option<PathBuf>, OpenError> {
    let _lock = Lock::take(folder)?;
    let path = folder.join(files::DATABASE);
    guard::regular_database(&path)?;
    guard::regular_database(&folder.join(files::INDEX))?;
    let (log, tip) = match is_empty(&path)? {
        true => (None, Tip::genesis(LogId([0; 16]))),
        false => {
            let words = |error| OpenError::reading(&path, error);
            let reader = SqliteReader::open(folder).map_err(words)?;
            let log = reader.meta().map_err(words)?.log;
            (Some(log), end(&reader, log).map_err(words)?)
        }
    };
    match whole(folder, tip, index::evidence(folder, log)) {
        Ok(()) => Ok(None),
        Err(_) => {
            let aside = index::set_aside(folder, name);
            Ok(Some(aside.map_err(|error| OpenError::io(folder, &error))?))
        }
    }
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
    fn read(
        reader: &mut SqliteReader,
        folder: &Path,
        log: LogId,
        tip: Tip,
    ) -> Result<Self, ReadError> {
        let genesis = Tip::genesis(log);
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

/// The newest snapshot that belongs to the journal: the row that it was made after is the one that
/// was written, and no row before it is believed.
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
            last_row(reader, log, snapshot.index)?;
            return Ok(Some(Start { state, from }));
        }
    }
    Ok(None)
}

/// Chains one row again, from the chain that stands with the one before it.
fn last_row(reader: &SqliteReader, log: LogId, at: LogIndex) -> Result<(), ReadError> {
    let before = LogIndex(at.0.saturating_sub(1));
    let chain = match before {
        LogIndex(0) => Some(Chain::genesis(log)),
        before => reader.stored_chain(before)?,
    };
    let chain = chain.ok_or_else(|| ReadError::Damaged(before, "it is missing".into()))?;
    let chained = reader.verify((before, chain), at, |_, _| Ok(()))?;
    debug_assert_eq!(chained.0, at, "its chain was read, so the row is there");
    Ok(())
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
        AppendError::Held(_) => OpenError::Held(path.to_owned()),
        AppendError::Failed(words) => OpenError::Io(path.to_owned(), words),
        AppendError::Removed(gone) => {
            OpenError::Io(gone, "it was removed or replaced meanwhile".into())
        }
    }
}
