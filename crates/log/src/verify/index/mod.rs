//! What is derived from the journal and stands in the file beside it: the copies of texts, the words,
//! and snapshots. Each is compared with the journal on the same walk; the words with the copies, by
//! SQLite itself, on a copy of the file.

mod derived;
mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lamparina_order::{Record, Recorded};
use lamparina_protocol::LogId;
use lamparina_store::Chain;
use lamparina_store::backup::JOURNAL_FILE;
use lamparina_store::index::{INDEX_FILE, Snapshot, TABLES};
use lamparina_store::sqlite::{ReadOnly, guard};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OptionalExtension, params};

use super::walk::Walk;
use crate::finding::{Finding, Stop};

pub(super) use derived::Derived;

/// Copies read at a time, by number; a value has at most 1 MiB.
const PAGE_ROWS: i64 = 64;
/// Snapshots that a server keeps, at most.
const SNAPSHOTS_MAX: usize = 2;

/// The derived file, being compared.
#[derive(Debug)]
pub(super) struct Index {
    file: PathBuf,
    database: ReadOnly,
    upto: u64,
    upto_stamp: i64,
    upto_chain: Vec<u8>,
    snapshots: BTreeMap<u64, (Snapshot, bool)>,
    page: std::vec::IntoIter<Copied>,
    after: i64,
    next: Option<Copied>,
    totals: Totals,
}

/// A text, as the derived file has it.
#[derive(Clone, Debug)]
struct Copied {
    index: i64,
    stamp: i64,
    text: Vec<u8>,
}

/// What was compared.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Texts.
    pub texts: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// The entry up to which the file has come.
    pub upto: u64,
}

impl Index {
    /// Opens the file beside `journal`; `None` where there is none, which is no fault.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, or is another log's.
    pub(super) fn beside(journal: &Path, log: LogId) -> Result<Option<Self>, Stop> {
        let file = journal.with_file_name(INDEX_FILE);
        // A copy by another name has none of its own: what stands there is another journal's.
        let own = journal.file_name().is_some_and(|name| name == JOURNAL_FILE);
        if !own || !file.exists() {
            return Ok(None);
        }
        let opened = ReadOnly::open(&file, guard::VALUE_BYTES_MAX);
        let database = opened.map_err(|error| Stop::Failed(format!("{error}; {REMEDY}")))?;
        let failed = |error| failed(&file, &error);
        let connection = database.connection();
        let sql = "SELECT count(*) FROM sqlite_schema";
        let objects = connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        if objects.map_err(failed)? == 0 {
            // A server is just making it.
            return Ok(None);
        }
        if let Some(what) = guard::strange(connection, &[TABLES]).map_err(failed)? {
            let file = file.display();
            return Err(Stop::Failed(format!("{file} has {what}; {REMEDY}")));
        }
        let sql = "SELECT log, log_index, stamp, chain FROM meta";
        let meta = connection.query_row(sql, [], |row| {
            Ok((
                row.get::<_, Vec<u8>>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, Vec<u8>>(3)?,
            ))
        });
        let Some((of, upto, upto_stamp, upto_chain)) = meta.optional().map_err(failed)? else {
            return Ok(None);
        };
        if of != log.0 {
            let what = format!("{} is of another log; {REMEDY}", file.display());
            return Err(Finding::new("index-log", what).into());
        }
        let snapshots = snapshots(connection).map_err(failed)?;
        if snapshots.len() > SNAPSHOTS_MAX {
            let what = format!(
                "{} has more snapshots than are kept; {REMEDY}",
                file.display()
            );
            return Err(Finding::new("snapshot", what).into());
        }
        let mut index = Self {
            file: file.clone(),
            database,
            upto: u64::try_from(upto).unwrap_or_default(),
            upto_stamp,
            upto_chain,
            snapshots,
            page: Vec::new().into_iter(),
            after: i64::MIN,
            next: None,
            totals: Totals::default(),
        };
        index.totals.upto = index.upto;
        index.advance()?;
        Ok(Some(index))
    }

    /// The next entry; `walk` stands before it, its order behind it.
    ///
    /// # Errors
    ///
    /// What does not agree.
    pub(super) fn entry(&mut self, record: &Record, walk: &Walk) -> Result<(), Stop> {
        let at = record.index.0;
        if at == self.upto && self.upto_chain != walk.chain.0 {
            return Err(self.found("index-chain", "it was made from other entries", record));
        }
        if let Some((snapshot, whole)) = self.snapshots.remove(&at) {
            if snapshot.chain != walk.chain {
                return Err(self.found(
                    "snapshot",
                    "a snapshot was made from other entries",
                    record,
                ));
            }
            if !whole || snapshot.state != walk.order.to_bytes() {
                let what = "a snapshot is not the state that the journal leads to";
                return Err(self.found("snapshot", what, record));
            }
            self.totals.snapshots += 1;
        }
        if at > self.upto {
            return Ok(());
        }
        let Recorded::Message(message) = &record.event else {
            return Ok(());
        };
        let Some(copied) = self.next.take_if(|copied| copied.index == at as i64) else {
            let what = match &self.next {
                Some(copied) if copied.index < at as i64 => {
                    "it has the text of an entry that is no message"
                }
                _ => "a message's text is missing in it",
            };
            return Err(self.found("index-text", what, record));
        };
        if copied.text != message.text.as_bytes() || copied.stamp != record.stamp.get() as i64 {
            let words = String::from_utf8_lossy(&copied.text).into_owned();
            let finding = self.finding("index-text", "it has another text, or another stamp");
            let copy = format!(
                "stamp {}: {}",
                copied.stamp,
                lamparina_order::verify::journal::FirstWords(&words)
            );
            return Err(finding
                .with_entry("journal", record)
                .with("copy", copy)
                .into());
        }
        self.totals.texts += 1;
        self.advance()
    }

    /// The journal has ended, and is not known to have gone on.
    ///
    /// # Errors
    ///
    /// What is known of entries beyond it.
    pub(super) fn knows_no_more(&self, walk: &Walk) -> Result<(), Stop> {
        let last = walk.judge.judgement().entries;
        if self.upto > last {
            return Err(self.removed_end(walk, self.upto, Some(self.upto_stamp)));
        }
        let mut beyond = self.snapshots.range(last + 1..);
        match beyond.find(|(_, (_, whole))| *whole) {
            Some((at, _)) => Err(self.removed_end(walk, *at, None)),
            None => Ok(()),
        }
    }

    /// The journal has ended.
    ///
    /// # Errors
    ///
    /// What the file has beyond it, and words that are not those of its texts.
    pub(super) fn end(&self, walk: &Walk) -> Result<(), Stop> {
        let last = walk.judge.judgement().entries;
        if let Some((at, _)) = self.snapshots.first_key_value() {
            let what = format!("it has a snapshot of entry {at}, and the journal ends at {last}");
            return Err(self.finding("snapshot", &what).into());
        }
        if let Some(copied) = &self.next {
            let what = format!(
                "it has a text of entry {}, and no message is there",
                copied.index
            );
            return Err(self.finding("index-text", &what).into());
        }
        words::check(self.database.connection(), &self.file)
    }

    /// What was compared.
    pub(super) const fn totals(&self) -> Totals {
        self.totals
    }

    /// The file was not opened by a server meanwhile.
    ///
    /// # Errors
    ///
    /// Where it was.
    pub(super) fn read_in_peace(&self) -> Result<(), Stop> {
        let peace = self.database.read_in_peace();
        peace.map_err(|error| Stop::Failed(error.to_string()))
    }

    fn advance(&mut self) -> Result<(), Stop> {
        if self.page.len() == 0 {
            self.page = self
                .read_page()
                .map_err(|error| failed(&self.file, &error))?
                .into_iter();
        }
        self.next = self.page.next();
        if let Some(copied) = &self.next {
            self.after = copied.index;
        }
        Ok(())
    }

    fn read_page(&self) -> rusqlite::Result<Vec<Copied>> {
        let sql = "SELECT log_index, stamp, CAST(text AS BLOB) FROM message
            WHERE log_index > ? AND log_index <= ? ORDER BY log_index LIMIT ?";
        let upto = i64::try_from(self.upto).unwrap_or(i64::MAX);
        let mut statement = self.database.connection().prepare_cached(sql)?;
        let rows = statement.query_map(params![self.after, upto, PAGE_ROWS], |row| {
            Ok(Copied {
                index: row.get(0)?,
                stamp: row.get(1)?,
                text: row.get(2)?,
            })
        })?;
        rows.collect()
    }

    /// The file follows what is durable: what it knows of was there.
    fn removed_end(&self, walk: &Walk, known: u64, stamp: Option<i64>) -> Stop {
        let found = walk.judge.judgement();
        let stamp = stamp.map_or_else(String::new, |stamp| format!(", stamp {stamp}"));
        let what = format!(
            "the journal ends at entry {}, stamp {}, and the search file beside it ({}) knows \
             entries up to {known}{stamp}: the newest ones were removed or lost; restore a backup, \
             or start the server with --accept-shorter-log to go on without them",
            found.entries,
            found.last_stamp,
            self.file.display()
        );
        let finding = Finding::new("removed-end", what);
        match &walk.last {
            Some(last) => finding.with_entry("last", last).into(),
            None => finding.into(),
        }
    }

    fn found(&self, name: &'static str, what: &str, record: &Record) -> Stop {
        self.finding(name, what)
            .with_entry("journal", record)
            .into()
    }

    fn finding(&self, name: &'static str, what: &str) -> Finding {
        finding(&self.file, name, what)
    }
}

fn finding(file: &Path, name: &'static str, what: &str) -> Finding {
    Finding::new(name, format!("{what} ({}); {REMEDY}", file.display()))
}

/// What to do about a derived file.
const REMEDY: &str =
    "the journal is not concerned: stop the server, delete that file, and the server makes it anew";

fn failed(file: &Path, error: &rusqlite::Error) -> Stop {
    Stop::Failed(format!("cannot read {}: {error}; {REMEDY}", file.display()))
}

/// All snapshots, and whether their digest holds.
fn snapshots(connection: &Connection) -> rusqlite::Result<BTreeMap<u64, (Snapshot, bool)>> {
    let small = connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, guard::SNAPSHOT_BYTES_MAX)?;
    let found = whole_or_not(connection);
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, small)?;
    found
}

fn whole_or_not(connection: &Connection) -> rusqlite::Result<BTreeMap<u64, (Snapshot, bool)>> {
    // One more than there may be shows that there are too many.
    let sql = "SELECT log_index, chain, state, digest FROM snapshot LIMIT ?";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([SNAPSHOTS_MAX as i64 + 1], |row| {
        let (chain, digest): (Vec<u8>, Vec<u8>) = (row.get(1)?, row.get(3)?);
        let at = u64::try_from(row.get::<_, i64>(0)?).unwrap_or(u64::MAX);
        let snapshot = Snapshot {
            index: lamparina_order::LogIndex(at),
            chain: Chain(<[u8; 32]>::try_from(chain).unwrap_or_default()),
            state: row.get(2)?,
        };
        let whole = digest == snapshot.digest();
        Ok((at, (snapshot, whole)))
    })?;
    rows.collect()
}
