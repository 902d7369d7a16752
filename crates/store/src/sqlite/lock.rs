//! One server for each store: it holds this lock from before it opens the journal until after it
//! closed it, and the system takes the lock back when a server dies.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::error::OpenError;
use super::{files, guard};

/// The lock of a data folder.
#[derive(Debug)]
pub struct Lock(File);

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

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would not do while a program that is just being started holds a copy of the file.
        // What fails here is mended by the system at this process's end.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::tests::Folder;

    #[test]
    fn a_copy_of_the_file_held_elsewhere_does_not_keep_the_lock() {
        let folder = Folder::new();
        let first = Lock::take(folder.path()).unwrap();
        assert!(matches!(
            Lock::take(folder.path()),
            Err(OpenError::Locked(_))
        ));
        let copy = first.0.try_clone().unwrap();
        drop(first);
        Lock::take(folder.path()).unwrap();
        drop(copy);
    }
}
