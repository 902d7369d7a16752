//! A store for a server: locked, read to its end, in a new term. What the newest snapshot says is
//! used where the journal has the very entry that it was made after; everything later is read,
//! chained and judged again, so that a server never goes on from what was not written.

use std::path::Path;

use lamparina_order::{LogIndex, Record, Recorded, Sequenced};
use lamparina_protocol::{Lamport, LogId, Term, UnixMicros};

use super::error::OpenError;
use super::files;
use super::lock::Lock;
use super::reader::SqliteReader;
use super::schema::Meta;
use super::writer::{self, SqliteJournal, Tip};
use crate::chain::Chainer;
use crate::code::Encoder;
use crate::index::{self, Behind, Tell};
use crate::traits::{AppendError, Chain, Position, ReadError, TermBegan};

/// Entries read at a time.
const ENTRIES_AT_ONCE: usize = 4_096;
/// The newest entries that a start hands over.
pub const RECENT_MAX: usize = 16_384;

/// A store that was opened.
#[derive(Debug)]
pub struct Opened {
    /// Its journal, for the thread that orders.
    pub journal: SqliteJournal,
    /// The state after its last entry.
    pub state: Sequenced,
    /// Its last entry: the beginning of this term.
    pub last_index: LogIndex,
    /// The log's name.
    pub log: LogId,
    /// The term that begins.
    pub term: Term,
    /// All terms, ascending, this one included.
    pub terms: Vec<TermBegan>,
    /// How far members' clients handed over.
    pub positions: Vec<Position>,
    /// The newest entries, ascending, at most [`RECENT_MAX`].
    pub recent: Vec<Record>,
    /// Entries that were read and judged again.
    pub replayed: u64,
}

/// Opens the store in `folder`, made where it is missing, and begins a term. `new_log` names a log
/// that is made; `tell` is told, in words, what the search file cannot do.
///
/// # Errors
///
/// [`OpenError`], in words that say what to do.
pub fn open(
    folder: &Path,
    now: UnixMicros,
    new_log: LogId,
    tell: Tell,
) -> Result<Opened, OpenError> {
    let lock = Lock::take(folder)?;
    let new = Meta {
        log: new_log,
        created_at: now,
    };
    let (connection, meta) = writer::connect(folder, new)?;
    let mut reader = SqliteReader::open(folder)?;
    let path = folder.join(files::DATABASE);
    let reading = |error: ReadError| OpenError::reading(&path, error);
    let read = read(folder, &mut reader, meta.log).map_err(reading)?;
    let mut terms = reader.terms().map_err(reading)?;
    let positions = reader.all_positions().map_err(reading)?;
    let mut journal = SqliteJournal::new(folder, lock, connection, read.tip)?;
    let (term, began) = next_term(&terms, read.tip, now);
    let mut state = read.state;
    state
        .replay(&began)
        .map_err(|error| OpenError::Damaged(began.index, error.to_string()))?;
    journal
        .begin(&began, term)
        .map_err(|error| not_begun(&path, error))?;
    terms.push(term);
    let last_index = began.index;
    let mut recent = read.recent;
    recent.push(began);
    let behind = Behind::start(&path, meta.log, last_index, tell);
    journal.follow(behind.map_err(|error| OpenError::io(&path, &error))?);
    Ok(Opened {
        journal,
        state,
        last_index,
        log: meta.log,
        term: term.term,
        terms,
        positions,
        recent,
        replayed: read.replayed,
    })
}

/// What the journal holds.
struct Read {
    state: Sequenced,
    tip: Tip,
    recent: Vec<Record>,
    replayed: u64,
}

fn read(folder: &Path, reader: &mut SqliteReader, log: LogId) -> Result<Read, ReadError> {
    let mut read = from_snapshot(folder, reader, log)?;
    let (mut encoder, mut chainer) = (Encoder::default(), Chainer::default());
    loop {
        let entries = reader.chained(read.tip.index, ENTRIES_AT_ONCE)?;
        if entries.is_empty() {
            break;
        }
        for (record, chain) in entries {
            let index = record.index;
            let damaged = |why: String| ReadError::Damaged(index, why);
            if index.0 != read.tip.index.0 + 1 {
                return Err(damaged(format!(
                    "entry {} is missing",
                    read.tip.index.0 + 1
                )));
            }
            let columns = encoder
                .encode(&record)
                .map_err(|error| damaged(error.to_string()))?;
            if chainer.next(read.tip.chain, &columns) != chain {
                return Err(damaged("its chain does not follow".to_owned()));
            }
            read.state
                .replay(&record)
                .map_err(|error| damaged(error.to_string()))?;
            read.tip = Tip {
                index,
                stamp: record.stamp,
                chain,
            };
            read.replayed += 1;
            read.recent.push(record);
        }
        let surplus = read.recent.len().saturating_sub(RECENT_MAX - 1);
        read.recent.drain(..surplus);
    }
    Ok(read)
}

/// The newest snapshot that belongs to the journal, or the beginning of the log.
fn from_snapshot(folder: &Path, reader: &mut SqliteReader, log: LogId) -> Result<Read, ReadError> {
    for snapshot in index::snapshots(folder, log) {
        if reader.chain(snapshot.index)? != Some(snapshot.chain) {
            continue;
        }
        let Ok(state) = Sequenced::from_bytes(&snapshot.state) else {
            continue;
        };
        let tip = Tip {
            index: snapshot.index,
            stamp: state.last_stamp(),
            chain: snapshot.chain,
        };
        return Ok(Read {
            recent: recent(reader, snapshot.index)?,
            state,
            tip,
            replayed: 0,
        });
    }
    Ok(Read {
        state: Sequenced::default(),
        tip: Tip {
            index: LogIndex(0),
            stamp: Lamport::ZERO,
            chain: Chain::genesis(log),
        },
        recent: Vec::new(),
        replayed: 0,
    })
}

/// The newest entries up to `upto`, ascending.
fn recent(reader: &mut SqliteReader, upto: LogIndex) -> Result<Vec<Record>, ReadError> {
    let from = LogIndex(upto.0.saturating_sub(RECENT_MAX as u64));
    let entries = reader.chained(from, (upto.0 - from.0) as usize)?;
    Ok(entries.into_iter().map(|(record, _)| record).collect())
}

fn next_term(terms: &[TermBegan], tip: Tip, now: UnixMicros) -> (TermBegan, Record) {
    let last = terms.last().map_or(0, |last| last.term.0);
    let term = Term(last.saturating_add(1));
    let began = TermBegan {
        term,
        after: tip.stamp,
        at: now,
    };
    let record = Record {
        index: LogIndex(tip.index.0 + 1),
        at: now,
        stamp: tip.stamp,
        event: Recorded::Began { term },
    };
    (began, record)
}

fn not_begun(path: &Path, error: AppendError) -> OpenError {
    match error {
        AppendError::Full(why) => OpenError::Full(path.to_owned(), why),
        AppendError::Failed(why) => OpenError::Io(path.to_owned(), why),
    }
}
