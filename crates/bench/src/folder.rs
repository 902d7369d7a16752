//! Where a server keeps its data and logs: a folder of its own, gone when nobody needs it any more,
//! and the file system that it lies on, which decides what a sync costs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// What `statfs` calls the file systems that a server is likely to meet.
const KNOWN: [(u64, &str); 11] = [
    (TMPFS, "tmpfs"),
    (RAMFS, "ramfs"),
    (0xEF53, "ext4 or its forebears"),
    (0x5846_5342, "xfs"),
    (0x9123_683E, "btrfs"),
    (0xF2F5_2010, "f2fs"),
    (0x2FC1_2FC1, "zfs"),
    (0xCA45_1A4E, "bcachefs"),
    (0x794C_7630, "overlayfs"),
    (0x6969, "nfs"),
    (0x0102_1997, "9p"),
];
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58F6;

/// A folder that is removed when dropped.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// A new one inside `within`.
    pub(crate) fn fresh(within: &Path) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lamparina-bench-{}-{count}", std::process::id());
        // The server is started inside it, so a relative path would not do.
        let folder = within.canonicalize()?.join(name);
        std::fs::create_dir(&folder)?;
        Ok(Self(folder))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Bytes of the files in its folder `name`.
    pub(crate) fn bytes_in(&self, name: &str) -> u64 {
        let files = std::fs::read_dir(self.0.join(name));
        let sizes = files.into_iter().flatten().flatten().map(|file| {
            let data = file.metadata();
            data.map_or(0, |data| data.len())
        });
        sizes.sum()
    }

    /// Has the kernel forget what it read or wrote of the files in its folder `name`.
    pub(crate) fn forget_cached(&self, name: &str) -> io::Result<()> {
        for file in std::fs::read_dir(self.0.join(name))? {
            let file = file?;
            if file.file_type()?.is_file() {
                let file = std::fs::File::open(file.path())?;
                // What is not on the disk yet would be kept.
                file.sync_all()?;
                rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
            }
        }
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A kind of file system.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct FileSystem {
    magic: u64,
}

impl FileSystem {
    /// The one that `path` lies on.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let told = rustix::fs::statfs(path)?;
        // The type's width and sign differ between machines; the number has 32 bits.
        let magic = told.f_type as u64 & u64::from(u32::MAX);
        Ok(Self { magic })
    }

    /// What people call it.
    pub(crate) fn name(&self) -> String {
        let known = KNOWN.iter().find(|(magic, _)| *magic == self.magic);
        match known {
            Some((_, name)) => (*name).to_owned(),
            None => format!("file system {:#x}", self.magic),
        }
    }

    /// What the figures are worth here, where they are worth less.
    pub(crate) fn warning(&self) -> Option<&'static str> {
        matches!(self.magic, TMPFS | RAMFS).then_some(
            "warning: this file system lies in memory and never syncs; choose a disk with \
             --data-in DIR",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_differ_and_leave_nothing() {
        let within = std::env::temp_dir();
        let (one, other) = (
            Folder::fresh(&within).unwrap(),
            Folder::fresh(&within).unwrap(),
        );
        assert_ne!(one.path(), other.path());
        std::fs::create_dir(one.path().join("data")).unwrap();
        std::fs::write(one.path().join("data/file"), [7; 123]).unwrap();
        assert_eq!((one.bytes_in("data"), one.bytes_in("none")), (123, 0));
        one.forget_cached("data").unwrap();
        assert!(one.forget_cached("none").is_err());
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists() && other.path().is_dir());
        assert!(Folder::fresh(Path::new("/nowhere at all")).is_err());
    }

    #[test]
    fn file_systems_have_names_and_memory_is_warned_of() {
        let names = [(TMPFS, "tmpfs", true), (0x5846_5342, "xfs", false)];
        for (magic, name, warned) in names {
            let found = FileSystem { magic };
            assert_eq!(
                (found.name().as_str(), found.warning().is_some()),
                (name, warned)
            );
        }
        assert_eq!(FileSystem { magic: 0xAB }.name(), "file system 0xab");
        let own = FileSystem::of(&std::env::temp_dir()).unwrap();
        assert_ne!(own.magic, 0);
    }
}
