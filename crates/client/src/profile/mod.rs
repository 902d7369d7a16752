//! A profile is one person on this machine: a key that names the author, and numbers that only
//! grow. Keeps these: a key once made is never overwritten, also a damaged one; nobody else on the
//! machine may read it; no epoch or session number is used twice, as far as the disk allows.

pub mod known_servers;
mod lock;
mod name;
mod numbers;
mod paths;

use std::path::PathBuf;

use lamparina_keys::IdentityError;
pub(crate) use lamparina_keys::files::{make_folder, sync_folder};
use lamparina_protocol::seal::IdentityKey;
use lamparina_protocol::{AuthorKey, Epoch, Nick, UnixMicros};

pub use known_servers::{KnownServers, Verdict};
pub use lamparina_keys::{IDENTITY_BYTES_MAX, Identity};
pub use lock::ProfileLock;
pub use name::{PROFILE_BYTES_MAX, ProfileName, ProfileNameError};
pub use numbers::Numbers;
pub use paths::Paths;
pub(crate) use paths::address_key;

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Neither XDG variables nor a home folder.
    #[error("no place for the profile: set HOME or {0}")]
    NoHome(&'static str),
    /// Its key cannot be used.
    #[error("{}", key_words(.0))]
    Key(#[from] IdentityError),
}

fn key_words(error: &IdentityError) -> String {
    match error {
        IdentityError::Damaged { .. } => format!(
            "{error}. It holds the key that is this profile's name, so it is left as it is: restore \
             it from a copy, or use `--profile` with another name"
        ),
        _ => error.to_string(),
    }
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
    /// [`ProfileError::Key`].
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

    /// The file of the outboxes; `None` where nothing is kept.
    pub fn outbox(&self) -> Option<PathBuf> {
        self.paths.outbox(&self.name)
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
