//! The folder and the files in it: their owner's only, and there after a crash.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

use super::error::OpenError;

/// The journal's file in a data folder.
pub const DATABASE: &str = "lamparina.db";
/// What is derived from it.
pub const INDEX: &str = "lamparina-index.db";
/// Whoever has this file locked has the store.
pub const LOCK: &str = "lamparina.lock";

/// Makes the folder where it is missing.
pub(crate) fn make_folder(folder: &Path) -> Result<(), OpenError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let made = builder.create(folder);
    made.map_err(|error| OpenError::io(folder, &error))
}

/// Opens a file for its owner only, and makes it where it is missing.
pub(crate) fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Makes a database's file, empty, where there is none: SQLite gives its other files the same mode.
pub(crate) fn make_file(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    private(path)?.sync_all()?;
    path.parent().map_or(Ok(()), sync_folder)
}
