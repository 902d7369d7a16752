//! What is derived from the journal and can be made again: the words of messages, and snapshots of
//! the state. It stands in a file of its own, is filled behind the journal, and is never believed:
//! where it does not belong to the journal beside it, it is thrown away and made anew.

mod behind;
mod file;
mod search;
#[cfg(test)]
mod tests;

use lamparina_order::LogIndex;

use crate::traits::Chain;

pub use behind::{Alarm, Behind, Tell};
pub use file::{Evidence, TABLES, evidence, set_aside, snapshots};
pub use search::{Candidates, Search, words_query};

/// Its name, beside the journal's.
pub const INDEX_FILE: &str = "lamparina-index.db";

/// A state of the order after an entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Snapshot {
    /// The entry.
    pub index: LogIndex,
    /// The journal's chain up to it.
    pub chain: Chain,
    /// The state, as `Sequenced::to_bytes` gives it.
    pub state: Vec<u8>,
}

/// Why the derived file could not be used. The journal is as it was.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// SQLite says no.
    #[error("the search file: {0}")]
    Sql(#[from] rusqlite::Error),
    /// The file system says no.
    #[error("the search file: {0}")]
    Io(#[from] std::io::Error),
}

impl IndexError {
    /// What stands in the file is not what was written: only making it anew mends that.
    fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match self {
            Self::Sql(error) => {
                matches!(
                    error.sqlite_error_code(),
                    Some(DatabaseCorrupt | NotADatabase)
                )
            }
            Self::Io(_) => false,
        }
    }
}
