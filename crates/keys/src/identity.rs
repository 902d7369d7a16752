//! A key and its file: two lines of text, `lamparina-identity 1` and the seed in hexadecimal. Keeps these:
//! a key once made is never overwritten, also a damaged one; it is there whole or not at all; nobody
//! else may read it.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use lamparina_protocol::seal::IdentityKey;
use lamparina_protocol::{AuthorKey, Fingerprint};

use crate::files;

/// Bytes read of a key file, at most.
pub const IDENTITY_BYTES_MAX: u64 = 4_096;
const FIRST_LINE: &str = "lamparina-identity 1";
const SEED_BYTES: usize = 32;

/// Why a key cannot be used.
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
    /// The file is not what was written there. It is left as it is; who is told says what to do.
    #[error("{path} is damaged ({why})", path = path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// How.
        why: &'static str,
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
    #[error("the system gives no randomness for a new key: {0}")]
    NoRandomness(getrandom::Error),
}

/// An Ed25519 key: a profile's, or a server's. Wiped from memory when dropped; its debug form shows the public half.
#[derive(Debug)]
pub struct Identity {
    key: SigningKey,
}

impl Identity {
    /// Reads the key at `path`, or makes one where nothing is.
    ///
    /// # Errors
    ///
    /// [`IdentityError`]; what is there stays as it is.
    pub fn open(path: &Path) -> Result<Self, IdentityError> {
        if let Some(there) = Self::read(path)? {
            return Ok(there);
        }
        let made = Self::generate()?;
        match made.keep(path) {
            Ok(()) => Ok(made),
            // Another process was first: its key is the profile's.
            Err(IdentityError::Io { source, .. })
                if source.kind() == io::ErrorKind::AlreadyExists =>
            {
                let missing = || io_error("read", path, io::ErrorKind::NotFound.into());
                Self::read(path)?.ok_or_else(missing)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads the key at `path`; `None` where nothing is.
    ///
    /// # Errors
    ///
    /// [`IdentityError`].
    pub fn read(path: &Path) -> Result<Option<Self>, IdentityError> {
        let (bytes, found) = match files::read_bounded(path, IDENTITY_BYTES_MAX) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("read", path, error)),
        };
        let mode = found.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = path.to_owned();
            return Err(IdentityError::Exposed { path, mode });
        }
        Self::parse(&bytes)
            .map(Some)
            .map_err(|why| IdentityError::Damaged {
                path: path.to_owned(),
                why,
            })
    }

    /// A new key, nowhere but in memory.
    ///
    /// # Errors
    ///
    /// [`IdentityError::NoRandomness`].
    pub fn generate() -> Result<Self, IdentityError> {
        let mut seed = [0; SEED_BYTES];
        getrandom::fill(&mut seed).map_err(IdentityError::NoRandomness)?;
        Ok(Self {
            key: SigningKey::from_bytes(&seed),
        })
    }

    /// The public half: the author that a profile is.
    pub fn author(&self) -> AuthorKey {
        AuthorKey(self.key.verifying_key().to_bytes())
    }

    /// The public half, for people to compare.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.author().0)
    }

    /// The key, to sign handshakes with.
    pub fn key(&self) -> IdentityKey {
        IdentityKey::from_seed(&self.key.to_bytes())
    }

    /// The key as its file has it, both halves: whoever has this text is its author.
    pub fn to_text(&self) -> String {
        format!("{FIRST_LINE}\n{}\n", AuthorKey(self.key.to_bytes()))
    }

    /// Writes the key to `path`, for its owner only; what is there already stays, and is an error.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Io`].
    pub fn keep(&self, path: &Path) -> Result<(), IdentityError> {
        files::write_whole(path, self.to_text().as_bytes(), true)
            .map_err(|error| io_error("write", path, error))
    }

    /// Writes the key to `path`, in the place of the one that is there, which is kept beside it as
    /// `identity.replaced-STAMP`; gives where.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Io`]; the old key is in its place then.
    pub fn replace(&self, path: &Path, stamp: &str) -> Result<PathBuf, IdentityError> {
        let mut kept = path.as_os_str().to_owned();
        kept.push(format!(".replaced-{stamp}"));
        let kept = PathBuf::from(kept);
        files::keep_as(path, &kept)
            .map_err(|error| io_error("keep the old key as", &kept, error))?;
        files::write_whole(path, self.to_text().as_bytes(), false)
            .map_err(|error| io_error("write", path, error))?;
        Ok(kept)
    }

    /// Reads a key as its file has it.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        // What is not text has another first line.
        let text = str::from_utf8(bytes).unwrap_or_default();
        let rest = text
            .strip_prefix(FIRST_LINE)
            .and_then(|rest| rest.strip_prefix('\n'))
            .ok_or("its first line is not `lamparina-identity 1`")?;
        let digits = rest.strip_suffix('\n').ok_or("it ends too early")?;
        let seed = unhex(digits).ok_or("its key is not 64 hexadecimal digits")?;
        Ok(Self {
            key: SigningKey::from_bytes(&seed),
        })
    }
}

fn io_error(what: &'static str, path: &Path, source: io::Error) -> IdentityError {
    IdentityError::Io {
        what,
        path: path.to_owned(),
        source,
    }
}

/// Reads 64 hexadecimal digits.
pub fn unhex(digits: &str) -> Option<[u8; SEED_BYTES]> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn scratch(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("lamparina-keys-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder.join("profiles/ana/identity")
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_only() {
        let path = scratch("made");
        let first = Identity::open(&path).unwrap().author();
        assert_eq!(Identity::open(&path).unwrap().author(), first);
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        let names: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(names.len(), 1, "nothing is left beside the key");
        let other = scratch("another");
        assert_ne!(Identity::open(&other).unwrap().author(), first);
    }

    #[track_caller]
    fn check_damaged(name: &str, bytes: &[u8], why: &str) {
        let path = scratch(name);
        files::write_whole(&path, bytes, false).unwrap();
        let error = Identity::open(&path).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("damaged"), "{error}");
        assert_eq!(
            fs::read(&path).unwrap(),
            bytes,
            "a damaged key stays as it is"
        );
    }

    #[test]
    fn a_damaged_key_is_told_and_left_alone() {
        let hex = "0f".repeat(32);
        check_damaged("empty", b"", "first line");
        check_damaged("binary", &[0xff, 0xfe], "first line");
        check_damaged("newer", b"lamparina-identity 2\nx\n", "first line");
        check_damaged(
            "cut",
            format!("{FIRST_LINE}\n{hex}").as_bytes(),
            "too early",
        );
        check_damaged(
            "short",
            format!("{FIRST_LINE}\n{}\n", &hex[2..]).as_bytes(),
            "64",
        );
        check_damaged(
            "digits",
            format!("{FIRST_LINE}\n{}xy\n", &hex[2..]).as_bytes(),
            "64",
        );
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let path = scratch("exposed");
        Identity::open(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = Identity::open(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_replaced_key_is_kept_beside_the_new_one() {
        let path = scratch("replaced-key");
        let old = Identity::open(&path).unwrap().author();
        let new = Identity::generate().unwrap();
        assert!(new.keep(&path).is_err(), "never over another key");
        assert_eq!(Identity::read(&path).unwrap().unwrap().author(), old);
        let kept = new.replace(&path, "20261129T000000Z").unwrap();
        assert_eq!(Identity::read(&kept).unwrap().unwrap().author(), old);
        assert_eq!(
            Identity::read(&path).unwrap().unwrap().author(),
            new.author()
        );
        assert_eq!((mode(&path), mode(&kept)), (0o600, 0o600));
        assert!(
            new.replace(&path, "20261129T000000Z").is_err(),
            "nor over a kept one"
        );
    }

    #[test]
    fn a_key_is_its_text() {
        let key = Identity::generate().unwrap();
        let again = Identity::parse(key.to_text().as_bytes()).unwrap();
        assert_eq!(again.author(), key.author());
        assert!(key.fingerprint().to_string().starts_with("SHA256:"));
        assert!(Identity::read(&scratch("nothing")).unwrap().is_none());
    }
}
