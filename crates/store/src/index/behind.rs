//! The thread that fills the derived file: wakes when something was appended, takes a bounded part,
//! and gives way while the server is busy. What it cannot do it says once, and tries again later;
//! nothing of the journal depends on it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lamparina_order::LogIndex;
use lamparina_protocol::LogId;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::file::{self, Upto};
use super::{INDEX_FILE, IndexError, Snapshot};
use crate::sqlite::guard;
use crate::sqlite::watch::FileId;
use crate::traits::Chain;

/// Entries indexed in one transaction.
const ENTRIES_AT_ONCE: i64 = 4_096;
/// Bytes of text in one transaction, about.
const BYTES_AT_ONCE: usize = 4 * 1024 * 1024;
/// How long the first of a few new entries waits for company: a transaction for each message would
/// cost more than the message.
const COMPANY_WAIT: Duration = Duration::from_millis(150);
/// Pause after an error.
const ERROR_PAUSE: Duration = Duration::from_secs(1);
/// Bytes of a file whose words are looked through when it is opened, which takes a second or two.
const CHECKED_BYTES_MAX: u64 = 64 << 20;
/// How much less than others this thread gets of a busy processor.
const NICE: i32 = 10;
/// After a part the thread rests so many times as long as the part took, so that serving goes first.
const REST_FACTOR: u32 = 3;

/// What it is asked.
#[derive(Debug, Default)]
struct Asked {
    last: LogIndex,
    snapshot: Option<Snapshot>,
    /// A reader found the file damaged.
    damaged: bool,
    stop: bool,
}

#[derive(Debug, Default)]
pub(super) struct Bell {
    asked: Mutex<Asked>,
    rung: Condvar,
}

/// Tells the thread that the file is damaged, as far as a reader can see.
#[derive(Clone, Debug)]
pub struct Alarm(Arc<Bell>);

impl Alarm {
    /// The file is not what was written there: it is looked at, and made anew where that is so.
    pub fn damaged(&self) {
        lock(&self.0).damaged = true;
        self.0.rung.notify_one();
    }
}

/// Where it says what it cannot do, once for each time it begins to fail.
pub type Tell = Box<dyn Fn(String) + Send>;

/// The thread. Dropped, it stores a snapshot that waits, and ends.
#[derive(Debug)]
pub struct Behind {
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl Behind {
    /// Starts it for the journal `journal` (a file) of `log`, whose last entry is `last`.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn start(journal: &Path, log: LogId, last: LogIndex, tell: Tell) -> std::io::Result<Self> {
        let bell = Arc::new(Bell::default());
        lock(&bell).last = last;
        let work = Work {
            folder: journal
                .parent()
                .unwrap_or_else(|| Path::new("."))
                .to_owned(),
            journal: journal.to_owned(),
            log,
            bell: bell.clone(),
            tell,
        };
        let thread = std::thread::Builder::new().name("index".to_owned());
        let thread = thread.spawn(move || work.run())?;
        Ok(Self {
            bell,
            thread: Some(thread),
        })
    }

    /// What rings it when a reader finds the file damaged.
    pub fn alarm(&self) -> Alarm {
        Alarm(self.bell.clone())
    }

    /// The journal has entries up to `last`.
    pub fn appended(&self, last: LogIndex) {
        lock(&self.bell).last = last;
        self.bell.rung.notify_one();
    }

    /// A snapshot to keep; one that still waits is replaced.
    pub fn keep_snapshot(&self, snapshot: Snapshot) {
        lock(&self.bell).snapshot = Some(snapshot);
        self.bell.rung.notify_one();
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        lock(&self.bell).stop = true;
        self.bell.rung.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed, and loses only what can be made again.
            let _ = thread.join();
        }
    }
}

fn lock(bell: &Bell) -> MutexGuard<'_, Asked> {
    bell.asked.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Work {
    folder: PathBuf,
    journal: PathBuf,
    log: LogId,
    bell: Arc<Bell>,
    tell: Tell,
}

/// What it has to do.
struct Todo {
    snapshot: Option<Snapshot>,
    damaged: bool,
    stop: bool,
}

/// Both files, open.
struct Files {
    journal: Connection,
    index: Connection,
    /// Which file the index is: somebody may remove it at any time.
    id: FileId,
    upto: Upto,
}

impl Work {
    fn run(self) {
        // Serving goes first. Where the system does not allow it, the rests below still do.
        let _ = rustix::process::nice(NICE);
        let mut files = None;
        let mut failing = false;
        loop {
            let todo = self.wait(files.as_ref(), failing);
            let stop = todo.stop;
            let mut done = self.part(&mut files, todo);
            if let Err(error) = &done
                && error.is_damage()
            {
                files = None;
                (self.tell)(format!("{error}; it is made anew"));
                done = file::remove(&self.folder).map_err(IndexError::from);
            }
            if let Err(error) = &done {
                if !std::mem::replace(&mut failing, true) {
                    (self.tell)(format!(
                        "{error}; searching stays behind until that is mended"
                    ));
                }
                files = None;
            } else {
                failing = false;
            }
            if stop {
                return;
            }
        }
    }

    /// Waits for something to do.
    fn wait(&self, files: Option<&Files>, failing: bool) -> Todo {
        let mut asked = lock(&self.bell);
        if failing {
            let waited = self
                .bell
                .rung
                .wait_timeout_while(asked, ERROR_PAUSE, |asked| !asked.stop);
            asked = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let done = files.map(|files| files.upto.index);
        let waited = self.bell.rung.wait_while(asked, |asked| {
            let behind = done.is_none_or(|done| done < asked.last);
            !asked.stop && asked.snapshot.is_none() && !asked.damaged && !behind
        });
        let asked = waited.unwrap_or_else(PoisonError::into_inner);
        let few = |asked: &mut Asked| {
            let many = done.is_none_or(|done| done.0 + ENTRIES_AT_ONCE as u64 <= asked.last.0);
            !asked.stop && asked.snapshot.is_none() && !asked.damaged && !many
        };
        let waited = self.bell.rung.wait_timeout_while(asked, COMPANY_WAIT, few);
        let mut asked = waited.unwrap_or_else(PoisonError::into_inner).0;
        Todo {
            snapshot: asked.snapshot.take(),
            damaged: std::mem::take(&mut asked.damaged),
            stop: asked.stop,
        }
    }

    /// Does a bounded part of what there is to do.
    fn part(&self, files: &mut Option<Files>, todo: Todo) -> Result<(), IndexError> {
        let stands = FileId::of(&self.folder.join(INDEX_FILE)).ok();
        // Removed or replaced: what stands there now goes on, or a new one.
        *files = files.take().filter(|files| stands == Some(files.id));
        let files = match files {
            Some(files) => files,
            None => files.insert(self.open()?),
        };
        if todo.damaged {
            file::check_words(&files.index)?;
        }
        if let Some(snapshot) = todo.snapshot {
            file::keep(&files.index, &snapshot)?;
        }
        if todo.stop {
            return Ok(());
        }
        let began = Instant::now();
        let more = files.index_part()?;
        if more {
            let asked = lock(&self.bell);
            let rest = began.elapsed() * REST_FACTOR;
            let _rested = self
                .bell
                .rung
                .wait_timeout_while(asked, rest, |asked| !asked.stop && asked.snapshot.is_none());
        }
        Ok(())
    }

    fn open(&self) -> Result<Files, IndexError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let journal = Connection::open_with_flags(&self.journal, flags)?;
        guard::harden(&journal, guard::VALUE_BYTES_MAX)?;
        journal.busy_timeout(Duration::from_secs(5))?;
        let (mut index, mut upto) = file::open(&self.folder, self.log)?;
        if upto.index.0 > 0 && chain_at(&journal, upto.index)? != upto.chain {
            (self.tell)(
                "the search file is not of this journal's present entries and is made anew"
                    .to_owned(),
            );
            drop(index);
            file::remove(&self.folder)?;
            (index, upto) = file::open(&self.folder, self.log)?;
        }
        if is_small(&self.folder) {
            file::check_words(&index)?;
        }
        Ok(Files {
            journal,
            id: FileId::of(&self.folder.join(INDEX_FILE))?,
            index,
            upto,
        })
    }
}

/// Whether the words are looked through when the file is opened. Those of a larger one are when a
/// search finds them damaged.
fn is_small(folder: &Path) -> bool {
    let found = std::fs::metadata(folder.join(INDEX_FILE));
    found.is_ok_and(|found| found.len() <= CHECKED_BYTES_MAX)
}

fn chain_at(journal: &Connection, index: LogIndex) -> rusqlite::Result<Option<Chain>> {
    let sql = "SELECT chain FROM entry WHERE log_index = ?";
    let chain: Option<Vec<u8>> = journal
        .query_row(sql, [index.0 as i64], |row| row.get(0))
        .optional()?;
    Ok(chain.and_then(|chain| <[u8; 32]>::try_from(chain).ok().map(Chain)))
}

impl Files {
    /// Indexes the next entries. Whether there may be more.
    fn index_part(&mut self) -> Result<bool, IndexError> {
        let mut upto = self.upto;
        let transaction = self.index.transaction()?;
        let mut count = 0;
        {
            let mut entries = self.journal.prepare_cached(
                "SELECT log_index, stamp, text, chain FROM entry WHERE log_index > ?
                 ORDER BY log_index LIMIT ?",
            )?;
            let mut copy =
                transaction.prepare_cached("INSERT OR REPLACE INTO message VALUES (?, ?, ?)")?;
            let mut words =
                transaction.prepare_cached("INSERT INTO words(rowid, text) VALUES (?, ?)")?;
            let mut rows = entries.query(params![upto.index.0 as i64, ENTRIES_AT_ONCE])?;
            let mut bytes = 0;
            while bytes < BYTES_AT_ONCE
                && let Some(row) = rows.next()?
            {
                let (index, stamp): (i64, i64) = (row.get(0)?, row.get(1)?);
                if let Ok(Some(text)) = row.get_ref(2)?.as_str_or_null() {
                    copy.execute(params![index, stamp, text])?;
                    words.execute(params![index, text])?;
                    bytes += text.len();
                }
                let chain: Vec<u8> = row.get(3)?;
                upto = Upto {
                    index: LogIndex(index as u64),
                    stamp,
                    chain: <[u8; 32]>::try_from(chain).ok().map(Chain),
                };
                count += 1;
            }
        }
        if count > 0 {
            let chain = upto.chain.map_or_else(Vec::new, |chain| chain.0.to_vec());
            transaction.execute(
                "UPDATE meta SET log_index = ?, stamp = ?, chain = ?",
                params![upto.index.0 as i64, upto.stamp, chain],
            )?;
        }
        transaction.commit()?;
        self.upto = upto;
        Ok(count > 0)
    }
}
