//! One connection of a profile at a time: a newer one takes over the older, and what that one had
//! under way is lost to it. The lock ends with its process, also when that is killed.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use lamparina_keys::files;

/// A profile, held by this process alone until dropped.
#[derive(Debug)]
pub struct ProfileLock(File);

impl ProfileLock {
    /// Takes the lock at `path`; `None` while another process holds it.
    ///
    /// # Errors
    ///
    /// Where the file cannot be made or locked.
    pub fn try_take(path: &Path) -> io::Result<Option<Self>> {
        files::make_folder(path.parent().ok_or(io::ErrorKind::InvalidInput)?)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self(file))),
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for ProfileLock {
    fn drop(&mut self) {
        // Closing would not do while a program that is just being started holds a copy of the file.
        // What fails here is mended by the system at this process's end.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_at_a_time() {
        let folder = std::env::temp_dir().join(format!("lamparina-{}-lock", std::process::id()));
        let path = folder.join("profiles/ana/lock");
        let held = ProfileLock::try_take(&path).unwrap();
        assert!(held.is_some());
        assert!(ProfileLock::try_take(&path).unwrap().is_none());
        drop(held);
        assert!(ProfileLock::try_take(&path).unwrap().is_some());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
