//! The key by which clients know this server, in its data folder. Keeps these: a key once made is never
//! overwritten, also a damaged one; it is there whole or not at all; nobody else may read it.
//!
//! The file is two lines of text, as that of a profile: `lamparina-identity 1`, and the seed in
//! hexadecimal.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use lamparina_protocol::seal::{IdentityKey, PublicKey};

/// The file's name in the data folder.
pub const IDENTITY_FILE: &str = "identity";

const FIRST_LINE: &str = "lamparina-identity 1";
const SEED_BYTES: usize = 32;
/// What a good file has, at most.
const FILE_BYTES_MAX: u64 = 256;

/// Why the key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The disk says no.
    #[error("cannot {what} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What came of it.
        source: io::Error,
    },
    /// The file is not what was written there.
    #[error(
        "{path} is damaged. Clients know this server by the key in it, so it is left as it is: restore \
         it from a copy, or move it away; then a new key is made, and every client must accept it",
        path = path.display()
    )]
    Damaged {
        /// Which.
        path: PathBuf,
    },
    /// Others may read it.
    #[error(
        "{path} may be read by others (mode {mode:o}); run: chmod 600 {path}",
        path = path.display()
    )]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// No randomness for a new key.
    #[error("the system gives no randomness for a key: {0}")]
    NoRandomness(getrandom::Error),
}

/// Reads the key in `folder`, or makes one where none is.
///
/// # Errors
///
/// [`IdentityError`]; what is there stays as it is.
pub fn open(folder: &Path) -> Result<IdentityKey, IdentityError> {
    let path = folder.join(IDENTITY_FILE);
    match read(&path) {
        Ok(text) => parse(&path, &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(&path),
        Err(error) => Err(io_error("read", &path, error)),
    }
}

/// A key that is nowhere but in memory.
///
/// # Errors
///
/// [`IdentityError::NoRandomness`].
pub fn generate() -> Result<IdentityKey, IdentityError> {
    Ok(IdentityKey::from_seed(&seed()?))
}

fn seed() -> Result<[u8; SEED_BYTES], IdentityError> {
    let mut seed = [0; SEED_BYTES];
    getrandom::fill(&mut seed).map_err(IdentityError::NoRandomness)?;
    Ok(seed)
}

fn create(path: &Path) -> Result<IdentityKey, IdentityError> {
    let seed = seed()?;
    // A seed has the form of a public key: 64 hexadecimal digits.
    let text = format!("{FIRST_LINE}\n{}\n", PublicKey(seed));
    match write_fresh(path, text.as_bytes()) {
        Ok(()) => Ok(IdentityKey::from_seed(&seed)),
        // Another process was first: its key is the server's.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let text = read(path).map_err(|error| io_error("read", path, error))?;
            parse(path, &text)
        }
        Err(error) => Err(io_error("write", path, error)),
    }
}

/// Writes a file that is not there yet, so that a crash leaves all of it or nothing.
fn write_fresh(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut folders = DirBuilder::new();
    folders.recursive(true).mode(0o700).create(folder)?;
    let beside = folder.join(format!("{IDENTITY_FILE}.{}.new", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        // A rename would replace what another process has just made; a link does not.
        fs::hard_link(&beside, path)
    });
    let _ = fs::remove_file(&beside);
    written?;
    File::open(folder)?.sync_all()
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = Vec::new();
    File::open(path)?
        .take(FILE_BYTES_MAX)
        .read_to_end(&mut text)?;
    // What is not text is damaged.
    Ok(String::from_utf8(text).unwrap_or_default())
}

fn parse(path: &Path, text: &str) -> Result<IdentityKey, IdentityError> {
    let mode = fs::metadata(path).map_err(|error| io_error("read", path, error))?;
    let mode = mode.permissions().mode() & 0o777;
    let path = path.to_owned();
    if mode & 0o077 != 0 {
        return Err(IdentityError::Exposed { path, mode });
    }
    let digits = text
        .strip_prefix(FIRST_LINE)
        .and_then(|rest| rest.strip_prefix('\n'))
        .and_then(|rest| rest.strip_suffix('\n'));
    match digits.and_then(unhex) {
        Some(seed) => Ok(IdentityKey::from_seed(&seed)),
        None => Err(IdentityError::Damaged { path }),
    }
}

fn unhex(digits: &str) -> Option<[u8; SEED_BYTES]> {
    let digits = digits.as_bytes();
    if digits.len() != 2 * SEED_BYTES {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    let mut seed = [0; SEED_BYTES];
    for (byte, pair) in seed.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(seed)
}

fn io_error(what: &'static str, path: &Path, source: io::Error) -> IdentityError {
    IdentityError::Io {
        what,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let unique = format!("lamparina-server-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(unique);
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_only() {
        let folder = scratch("made").join("deep");
        let first = open(&folder).unwrap().public();
        assert_eq!(open(&folder).unwrap().public(), first);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.join(IDENTITY_FILE)), 0o600);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing beside");
        assert_ne!(open(&scratch("other")).unwrap().public(), first);
    }

    #[test]
    fn what_is_damaged_or_open_to_others_is_told_and_left_alone() {
        let folder = scratch("damaged");
        open(&folder).unwrap();
        let path = folder.join(IDENTITY_FILE);
        let whole = fs::read(&path).unwrap();
        for bytes in [&whole[..whole.len() - 1], b"", &[0xff; 9], &whole[1..]] {
            fs::write(&path, bytes).unwrap();
            let error = open(&folder).unwrap_err().to_string();
            assert!(error.contains("damaged"), "{error}");
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        fs::write(&path, &whole).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = open(&folder).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }
}
