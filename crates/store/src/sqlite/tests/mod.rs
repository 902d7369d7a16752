//! Real files in a temporary folder.

mod gone;
mod harm;
mod open;
mod read;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use lamparina_order::Record;
use lamparina_protocol::{LogId, UnixMicros};

use super::lock::Lock;
use super::schema::Meta;
use super::writer::{SqliteJournal, connect};
use super::{OpenError, Opened};
use crate::restart::Tip;
use crate::testing::Talk;

/// A folder that goes when the test ends.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        Self::under(&std::env::temp_dir())
    }

    pub(crate) fn under(place: &Path) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lamparina-store-{}-{next}", std::process::id());
        Self(place.join(name))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A new journal, without a term.
fn journal(folder: &Folder) -> SqliteJournal {
    let lock = Lock::take(folder.path()).unwrap();
    let meta = Meta {
        log: LogId([7; 16]),
        created_at: UnixMicros(1),
    };
    let (connection, meta) = connect(folder.path(), meta).unwrap();
    let tip = Tip::genesis(meta.log);
    SqliteJournal::new(folder.path(), lock, connection, tip).unwrap()
}

pub(super) const LOG: LogId = LogId([5; 16]);

pub(super) fn try_open(folder: &Folder) -> Result<Opened, OpenError> {
    super::open(folder.path(), UnixMicros(77), LOG, Box::new(|_| {}))
}

#[track_caller]
pub(super) fn opened(folder: &Folder) -> Opened {
    try_open(folder).unwrap()
}

pub(super) fn talk(opened: &Opened) -> Talk {
    Talk::from(opened.state.clone(), opened.last.index)
}

/// Two enter, one joins a room, and `count` messages.
pub(super) fn some(talk: &mut Talk, count: usize) -> Vec<Record> {
    let mut records: Vec<Record> = [talk.enter(1), talk.enter(2), talk.join(1)]
        .into_iter()
        .flatten()
        .collect();
    for n in 0..count {
        records.push(talk.say(1 + (n % 2) as u8, &format!("word{n} more")));
    }
    records
}
