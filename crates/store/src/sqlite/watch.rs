//! The files that a server writes are those that stand at their paths. A file that was removed or
//! replaced goes on being written by whoever has it open, and is gone when they end: nothing that
//! is in such a file only may be told.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::guard::beside;

/// Which file stands at a path: its device, and its number there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct FileId(u64, u64);

impl FileId {
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let found = std::fs::metadata(path)?;
        Ok(Self(found.dev(), found.ino()))
    }
}

/// A database that is open, and the files that SQLite has open with it.
#[derive(Debug)]
pub(crate) struct Watch([(PathBuf, FileId); 3]);

impl Watch {
    /// Of the database `file`, which is open and has its log.
    pub(crate) fn over(file: &Path) -> io::Result<Self> {
        let one = |end| {
            let path = beside(file, end);
            FileId::of(&path).map(|id| (path, id))
        };
        Ok(Self([one("")?, one("-wal")?, one("-shm")?]))
    }

    /// Which file is not the one any more that is open. Costs three questions to the system.
    pub(crate) fn gone(&self) -> Option<&Path> {
        let gone = |(path, id): &&(PathBuf, FileId)| FileId::of(path).ok() != Some(*id);
        self.0.iter().find(gone).map(|(path, _)| path.as_path())
    }
}
