//! Files that are there whole or not at all, for their owner's eyes only.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::OFlags;

/// Makes `folder`, and those above it, for their owner only.
///
/// # Errors
///
/// The system's.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Reads at most `bytes_max` bytes of a file. What is no file (a pipe would never end) is an error.
///
/// # Errors
///
/// The system's, and that what is there is no file.
pub fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<(Vec<u8>, fs::Metadata)> {
    let mut options = OpenOptions::new();
    // Opening a pipe that nobody writes to would wait for ever.
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = options.read(true).custom_flags(flags).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok((bytes, found))
}

/// Writes `bytes` to `path` so that a crash leaves the old file or the new one, never a part. With
/// `fresh`, a file that is there already stays, and is an error.
///
/// # Errors
///
/// The system's; the old file is in its place then, or nothing.
pub fn write_whole(path: &Path, bytes: &[u8], fresh: bool) -> io::Result<()> {
    let folder = folder_of(path)?;
    let made = missing(folder);
    make_folder(folder)?;
    let beside = beside(path).ok_or(io::ErrorKind::InvalidInput)?;
    let written = write_beside(&beside, bytes).and_then(|()| match fresh {
        // A rename would replace what another process has just made; a link does not.
        true => fs::hard_link(&beside, path),
        false => fs::rename(&beside, path),
    });
    if fresh || written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written?;
    sync_folder(folder)?;
    // A folder that was just made is a name in the one above it.
    made.iter()
        .filter_map(|made| made.parent())
        .try_for_each(sync_folder)
}

/// Gives `path` a second name that was free, so that what follows cannot take it away.
///
/// # Errors
///
/// The system's; what has that name stays.
pub fn keep_as(path: &Path, other: &Path) -> io::Result<()> {
    fs::hard_link(path, other)?;
    sync_folder(folder_of(path)?)
}

/// Makes the names in a folder durable.
///
/// # Errors
///
/// The system's.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    // What is above a relative path of one part has no name: it is the present folder.
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    File::open(folder)?.sync_all()
}

/// The folder that a file is in: the present one, where the path is a bare name.
fn folder_of(path: &Path) -> io::Result<&Path> {
    match path.parent() {
        None => Err(io::ErrorKind::InvalidInput.into()),
        Some(folder) if folder.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(folder) => Ok(folder),
    }
}

/// Of this folder and those above it the ones that are not there.
fn missing(folder: &Path) -> Vec<PathBuf> {
    let above = folder.ancestors().take_while(|folder| !folder.exists());
    above.map(Path::to_owned).collect()
}

/// A name that no other writer of this file uses, in this process or another.
fn beside(path: &Path) -> Option<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name()?.to_owned();
    name.push(format!(".{}-{next}.new", std::process::id()));
    Some(path.parent()?.join(name))
}

fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Left by a process of the same number that was killed: its permissions are not ours.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn scratch(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("lamparina-keys-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder.join("one/two/file")
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_replaced_and_never_written_into() {
        let path = scratch("replaced");
        write_whole(&path, b"old", false).unwrap();
        let old = path.with_extension("old");
        keep_as(&path, &old).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write_whole(&path, b"new, and longer", false).unwrap();
        assert_eq!(
            fs::read(&old).unwrap(),
            b"old",
            "the old file is whole until it is gone"
        );
        assert_eq!(fs::read(&path).unwrap(), b"new, and longer");
        assert_eq!(
            mode(&path),
            0o600,
            "also where the file before was open to others"
        );
        let names = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(names, 2, "nothing is left beside them");
        assert_eq!(
            keep_as(&path, &old).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
    }

    #[test]
    fn a_folder_of_one_relative_part_is_made() {
        let name = format!("lamparina-keys-{}-relative", std::process::id());
        let folder = Path::new(&name);
        let _ = fs::remove_dir_all(folder);
        let written = write_whole(&folder.join("file"), b"x", true);
        let read = fs::read(folder.join("file"));
        let _ = fs::remove_dir_all(folder);
        written.unwrap();
        assert_eq!(read.unwrap(), b"x");
        sync_folder(Path::new("")).unwrap();
    }

    #[test]
    fn a_fresh_file_replaces_nothing() {
        let path = scratch("fresh");
        write_whole(&path, b"first", true).unwrap();
        let error = write_whole(&path, b"second", true).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_process_left_is_not_written_into() {
        let path = scratch("left");
        write_whole(&path, b"x", false).unwrap();
        let left = path.with_extension("left");
        fs::write(&left, "open to all").unwrap();
        fs::set_permissions(&left, fs::Permissions::from_mode(0o666)).unwrap();
        write_beside(&left, b"secret").unwrap();
        assert_eq!(mode(&left), 0o600);
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let path = scratch("pipe");
        make_folder(path.parent().unwrap()).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        assert!(read_bounded(&path, 10).is_err());
        assert!(read_bounded(path.parent().unwrap(), 10).is_err());
        let file = path.with_extension("long");
        fs::write(&file, "0123456789abc").unwrap();
        assert_eq!(read_bounded(&file, 10).unwrap().0, b"0123456789");
    }
}
