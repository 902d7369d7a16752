//! The key file: two lines of text, `lamparina-identity 1` and the seed in hexadecimal.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ed25519_dalek::SigningKey;
use lamparina_protocol::AuthorKey;
use lamparina_protocol::seal::IdentityKey;

use super::{ProfileError, files, io_error};

/// Bytes read of a key file, at most.
pub const IDENTITY_BYTES_MAX: u64 = 4_096;
const FIRST_LINE: &str = "lamparina-identity 1";
const SEED_BYTES: usize = 32;

/// A profile's Ed25519 key. Wiped from memory when dropped; its debug form shows the public half.
#[derive(Debug)]
pub struct Identity {
    key: SigningKey,
}

impl Identity {
    /// Reads the key at `path`, or makes one where nothing is.
    ///
    /// # Errors
    ///
    /// [`ProfileError`]; what is there stays as it is.
    pub fn open(path: &Path) -> Result<Self, ProfileError> {
        match read(path) {
            Ok(text) => Self::parse(path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(error) => Err(io_error("read", path, error)),
        }
    }

    /// A new key, nowhere but in memory.
    ///
    /// # Errors
    ///
    /// [`ProfileError::NoRandomness`].
    pub fn generate() -> Result<Self, ProfileError> {
        let mut seed = [0; SEED_BYTES];
        getrandom::fill(&mut seed).map_err(ProfileError::NoRandomness)?;
        Ok(Self {
            key: SigningKey::from_bytes(&seed),
        })
    }

    /// The public half: the author.
    pub fn author(&self) -> AuthorKey {
        AuthorKey(self.key.verifying_key().to_bytes())
    }

    /// The key, to sign handshakes with.
    pub fn key(&self) -> IdentityKey {
        IdentityKey::from_seed(&self.key.to_bytes())
    }

    fn create(path: &Path) -> Result<Self, ProfileError> {
        let made = Self::generate()?;
        let text = format!("{FIRST_LINE}\n{}\n", AuthorKey(made.key.to_bytes()));
        match files::write_whole(path, text.as_bytes(), true) {
            Ok(()) => Ok(made),
            // Another process was first: its key is the profile's.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let text = read(path).map_err(|error| io_error("read", path, error))?;
                Self::parse(path, &text)
            }
            Err(error) => Err(io_error("write", path, error)),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ProfileError> {
        let damaged = |why| ProfileError::Damaged {
            path: path.to_owned(),
            why,
        };
        let mode = fs::metadata(path).map_err(|error| io_error("read", path, error))?;
        let mode = mode.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = path.to_owned();
            return Err(ProfileError::Exposed { path, mode });
        }
        let rest = text
            .strip_prefix(FIRST_LINE)
            .and_then(|rest| rest.strip_prefix('\n'))
            .ok_or_else(|| damaged("its first line is not `lamparina-identity 1`"))?;
        let digits = rest
            .strip_suffix('\n')
            .ok_or_else(|| damaged("it ends too early"))?;
        let seed = unhex(digits).ok_or_else(|| damaged("its key is not 64 hexadecimal digits"))?;
        Ok(Self {
            key: SigningKey::from_bytes(&seed),
        })
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = Vec::new();
    fs::File::open(path)?
        .take(IDENTITY_BYTES_MAX)
        .read_to_end(&mut text)?;
    // What is not text is damaged, and said so by the parser.
    Ok(String::from_utf8(text).unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("lamparina-{}-{name}", std::process::id()));
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
        assert!(
            error.contains(why) && error.contains("--profile"),
            "{error}"
        );
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
}
