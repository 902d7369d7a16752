//! The derived file, where there is one that can be read. One that cannot is a remark: a crash may
//! leave a young one half made, a server makes it anew, and nothing of the journal depends on it.

use std::path::Path;

use lamparina_protocol::LogId;

use super::Index;
use crate::finding::Stop;

/// The derived file, as far as it can be read.
#[derive(Debug)]
pub(in crate::verify) enum Derived {
    /// There is none, or none yet.
    None,
    /// It is being compared.
    Read(Box<Index>),
    /// It cannot be read, in words.
    Unread(String),
}

impl Derived {
    /// Opens the file beside `journal`.
    ///
    /// # Errors
    ///
    /// Where it is another log's.
    pub(in crate::verify) fn beside(journal: &Path, log: LogId) -> Result<Self, Stop> {
        match Index::beside(journal, log) {
            Ok(None) => Ok(Self::None),
            Ok(Some(index)) => Ok(Self::Read(Box::new(index))),
            Err(Stop::Failed(words)) => Ok(Self::Unread(words)),
            Err(found) => Err(found),
        }
    }

    /// Goes on with the comparison, where there is one.
    ///
    /// # Errors
    ///
    /// What does not agree.
    pub(in crate::verify) fn compare(
        &mut self,
        with: impl FnOnce(&mut Index) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let Self::Read(index) = self else {
            return Ok(());
        };
        match with(index) {
            Err(Stop::Failed(words)) => {
                *self = Self::Unread(words);
                Ok(())
            }
            done => done,
        }
    }
}
