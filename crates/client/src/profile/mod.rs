//! A profile is one person on this machine: a key that names the author, and numbers that only
//! grow. Keeps these: a key once made is never overwritten, also a damaged one; nobody else on the
//! machine may read it; no epoch or session number is used twice, as far as the disk allows.

mod files;
mod identity;
mod lock;
mod name;
mod numbers;
mod paths;

use std::path::{Path, PathBuf};

use lamparina_protocol::seal::IdentityKey;
use lamparina_protocol::{AuthorKey, Epoch, Nick, UnixMicros};

pub use identity::{IDENTITY_BYTES_MAX, Identity};
pub use lock::ProfileLock;
pub use name::{PROFILE_BYTES_MAX, ProfileName, ProfileNameError};
pub use numbers::Numbers;
pub use paths::Paths;

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Neither XDG variables nor a home folder.
    #[error("no place for the profile: set HOME or {0}")]
    NoHome(&'static str),
    /// The disk says no.
    #[error("cannot {what} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What came of it.
        source: std::io::Error,
    },
    /// The key's file is not what was written there.
    #[error(
        "{path} is damaged ({why}). It holds the key that is this profile's name, so it is left as \
         it is: restore it from a copy, or use `--profile` with another name",
        path = path.display()
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// How.
        why: &'static str,
    },
    /// Others may read the key.
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

/// A profile in use.
#[derive(Debug)]
pub struct Profile {
    name: ProfileName,
    identity: Identity,
    numbers: Numbers,
    paths: Paths,
}

impl Profile {
    /// Opens a profile, or makes it at first use.
    ///
    /// # Errors
    ///
    /// [`ProfileError`], in words that say what to do.
    pub fn open(paths: Paths, name: ProfileName) -> Result<Self, ProfileError> {
        let identity = Identity::open(&paths.identity(&name))?;
        let numbers = Numbers::open(paths.numbers(&name));
        Ok(Self {
            name,
            identity,
            numbers,
            paths,
        })
    }

    /// A profile that leaves no trace: a fresh key, in memory only.
    ///
    /// # Errors
    ///
    /// [`ProfileError::NoRandomness`].
    pub fn ephemeral(nick: &Nick) -> Result<Self, ProfileError> {
        Ok(Self {
            name: ProfileName::of(nick),
            identity: Identity::generate()?,
            numbers: Numbers::in_memory(),
            paths: Paths::nowhere(),
        })
    }

    /// Its name.
    pub const fn name(&self) -> &ProfileName {
        &self.name
    }

    /// Its public key.
    pub fn author(&self) -> AuthorKey {
        self.identity.author()
    }

    /// Its key, to sign handshakes with.
    pub fn key(&self) -> IdentityKey {
        self.identity.key()
    }

    /// Where the running client of this profile listens for `send` and `tail`.
    pub fn socket(&self) -> Option<PathBuf> {
        self.paths.socket(&self.name)
    }

    /// The file of the outbox for `server`; `None` where nothing is kept.
    pub fn outbox(&self, server: &str) -> Option<PathBuf> {
        self.paths.outbox(&self.name, server)
    }

    /// A number greater than all that this profile has used, from the wall clock where it allows.
    pub fn next_epoch(&mut self, now: UnixMicros) -> Epoch {
        Epoch(self.numbers.next(now.0))
    }

    /// Notes a number in use, so that the next start begins above it.
    pub fn used(&mut self, number: u64) {
        self.numbers.used(number);
    }
}

pub(crate) use files::make_folder;

fn io_error(what: &'static str, path: &Path, source: std::io::Error) -> ProfileError {
    ProfileError::Io {
        what,
        path: path.to_owned(),
        source,
    }
}
