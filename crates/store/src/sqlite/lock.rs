//! One server for each store: it holds this lock from before it opens the journal until after it
//! closed it, and the system takes the lock back when a server dies.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::error::OpenError;
use super::{files, guard};

/// The lock of a data folder.
#[derive(Debug)]
pub struct Lock(
    #[expect(dead_code, reason = "held: the lock lasts as long as the file is open")] File,
);

impl Lock {
    /// Takes the lock, and makes the folder where it is missing.
    ///
    /// # Errors
    ///
    /// [`OpenError::Locked`] where a server has it.
    pub fn take(folder: &Path) -> Result<Self, OpenError> {
        files::make_folder(folder)?;
        let path = folder.join(files::LOCK);
        guard::regular(&path)?;
        let file = files::private(&path).map_err(|error| OpenError::io(&path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked(folder.to_owned())),
            Err(TryLockError::Error(error)) => Err(OpenError::io(&path, &error)),
        }
    }
}
