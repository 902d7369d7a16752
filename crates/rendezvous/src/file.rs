//! The records on disk: one file, always whole, written behind the replies and at the end.

use std::io;
use std::path::{Path, PathBuf};

use lamparina_keys::files::{read_bounded, write_whole};
use lamparina_protocol::Instant;
use lamparina_pyp2p::directory::{Directory, Restored, StoredError};

/// Bytes of the file, at most: more than the records that there may be.
const FILE_BYTES_MAX: u64 = 1 << 28;

/// The records cannot be taken over: why, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be read.
    #[error("cannot read the records in {}: {source}; name another file with --data FILE", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is damaged, or of another program.
    #[error(
        "{} holds no records of a rendezvous: {source}; move it away to begin with nobody registered, \
         or name another file with --data FILE", path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Where it is wrong.
        source: StoredError,
    },
}

/// Takes over what the file has; nothing where there is none.
pub(crate) fn load(
    path: &Path,
    directory: &mut Directory,
    now: Instant,
) -> Result<Restored, OpenError> {
    let bytes = match read_bounded(path, FILE_BYTES_MAX) {
        Ok((bytes, _)) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Restored::default()),
        Err(source) => {
            let path = path.to_owned();
            return Err(OpenError::Unreadable { path, source });
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    directory.restore(now, &text).map_err(|source| {
        let path = path.to_owned();
        OpenError::Foreign { path, source }
    })
}

/// Replaces the file.
pub(crate) fn save(path: &Path, text: &str) -> io::Result<()> {
    write_whole(path, text.as_bytes(), false)
}
