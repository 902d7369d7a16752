//! The key by which clients know this server, in its data folder: as a profile's key is kept, so is
//! this one.

use std::path::Path;

use lamparina_keys::Identity;
pub use lamparina_keys::IdentityError;
use lamparina_protocol::seal::IdentityKey;

/// The file's name in the data folder.
pub const IDENTITY_FILE: &str = "identity";

/// Why the key in a data folder cannot be used: what to do is in its words.
#[derive(Debug, thiserror::Error)]
#[error("{}", words(.0))]
pub struct KeyError(#[from] IdentityError);

/// Reads the key in `folder`, or makes one where none is.
///
/// # Errors
///
/// [`KeyError`]; what is there stays as it is.
pub fn open(folder: &Path) -> Result<IdentityKey, KeyError> {
    Ok(Identity::open(&folder.join(IDENTITY_FILE))?.key())
}

/// A key that is nowhere but in memory.
///
/// # Errors
///
/// [`KeyError`]: the system gives no randomness.
pub fn generate() -> Result<IdentityKey, KeyError> {
    Ok(Identity::generate()?.key())
}

fn words(error: &IdentityError) -> String {
    match error {
        IdentityError::Damaged { .. } => format!(
            "{error}. Clients know this server by the key in it, so it is left as it is: restore it \
             from a copy, or move it away; then a new key is made, and every client must accept it"
        ),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_key_is_made_once_and_a_damaged_one_is_told_and_left_alone() {
        let unique = format!("lamparina-server-{}-identity", std::process::id());
        let folder = std::env::temp_dir().join(unique);
        let _ = fs::remove_dir_all(&folder);
        let first = open(&folder).unwrap().public();
        assert_eq!(open(&folder).unwrap().public(), first);
        assert_ne!(generate().unwrap().public(), first);
        let path = folder.join(IDENTITY_FILE);
        fs::write(&path, b"").unwrap();
        let error = open(&folder).unwrap_err().to_string();
        assert!(
            error.contains("damaged") && error.contains("every client"),
            "{error}"
        );
        assert_eq!(fs::read(&path).unwrap(), b"");
    }
}
