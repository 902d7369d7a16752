//! A store for reading, whatever became of its server: one that runs, one that ended, one that was
//! killed, or a copied file. Never writes in the store.
//!
//! | beside the file | read |
//! |---|---|
//! | nothing: nobody has it open | the file, as one that nobody changes |
//! | a log and its shared memory | both in place, without writing to either |
//! | a log alone, or shared memory that a killed server left unusable | a private copy of file and log, removed afterwards |

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, OpenFlags};

use super::error::OpenError;
use super::reader::SqliteReader;
use super::{files, schema};

/// A journal for reading only. Does what a [`SqliteReader`] does.
#[derive(Debug)]
pub struct ReadOnly {
    // Closed before its copy is removed.
    reader: SqliteReader,
    copy: Option<Copy>,
}

impl ReadOnly {
    /// Opens the journal at `path`: its file, or the folder that it is in.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let path = match path.is_dir() {
            true => path.join(files::DATABASE),
            false => path.to_owned(),
        };
        fs::metadata(&path).map_err(|error| OpenError::io(&path, &error))?;
        if holds_something(&beside(&path, "-wal")) {
            return match in_place(&path) {
                Ok(connection) => Self::over(&path, connection, None),
                Err(_) => Self::copied(&path),
            };
        }
        let connection = connect(&path, "mode=ro&immutable=1");
        let connection = connection.map_err(|error| OpenError::sqlite(&path, &error))?;
        Self::over(&path, connection, None)
    }

    /// The reader.
    pub fn reader(&mut self) -> &mut SqliteReader {
        &mut self.reader
    }

    /// Whether this reads a private copy, which does not follow what a server writes.
    pub fn is_copy(&self) -> bool {
        self.copy.is_some()
    }

    fn copied(path: &Path) -> Result<Self, OpenError> {
        let copy = Copy::of(path).map_err(|error| OpenError::io(path, &error))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(copy.database(), flags);
        let connection = connection.map_err(|error| OpenError::sqlite(path, &error))?;
        Self::over(path, connection, Some(copy))
    }

    fn over(path: &Path, connection: Connection, copy: Option<Copy>) -> Result<Self, OpenError> {
        if schema::version(&connection, path)?.is_none() {
            return Err(OpenError::Missing(path.to_owned()));
        }
        let reader = SqliteReader::over(path, connection);
        let reader = reader.map_err(|error| OpenError::reading(path, error))?;
        Ok(Self { reader, copy })
    }
}

/// Reads file, log and shared memory where they are; fails where that cannot be done unwritten.
fn in_place(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = connect(path, "mode=ro&readonly_shm=1")?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()))?;
    Ok(connection)
}

fn connect(path: &Path, how: &str) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(uri(path, how), flags)
}

/// A path as SQLite reads it in a URI.
fn uri(path: &Path, how: &str) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut uri = String::from("file:");
    for &byte in absolute.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri + "?" + how
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn holds_something(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.len() > 0)
}

/// A private copy of file and log.
#[derive(Debug)]
struct Copy(PathBuf);

impl Copy {
    fn of(path: &Path) -> std::io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lamparina-read-{}-{next}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder)?;
        let copy = Self(folder);
        // The log first: what is copied into the file in between is then there twice, not lost.
        fs::copy(beside(path, "-wal"), beside(&copy.database(), "-wal"))?;
        fs::copy(path, copy.database())?;
        Ok(copy)
    }

    fn database(&self) -> PathBuf {
        self.0.join(files::DATABASE)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // Left over, it is a private folder in a place for such.
        let _ = fs::remove_dir_all(&self.0);
    }
}
