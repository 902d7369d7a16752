//! Finding words. What people type is words, never a query: nothing in it can be an error.

use std::path::{Path, PathBuf};

use lamparina_order::LogIndex;
use lamparina_protocol::Lamport;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::behind::Alarm;
use super::file::INDEX_VERSION;
use super::{INDEX_FILE, IndexError};
use crate::sqlite::guard;
use crate::sqlite::watch::FileId;

/// Words of a search that count; more narrow nothing down that matters.
const WORDS_MAX: usize = 32;

/// Reads the words of one folder's index.
#[derive(Debug)]
pub struct Search {
    file: PathBuf,
    /// Open, and which file that is: it may be made anew at any time.
    connection: Option<(Connection, FileId)>,
    /// Rung where the file turns out to be damaged.
    alarm: Option<Alarm>,
}

/// Messages that hold the words, newest first.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Candidates {
    /// Their entries.
    pub entries: Vec<LogIndex>,
    /// Every message up to this stamp has been looked at.
    pub upto: Lamport,
}

impl Search {
    /// Nothing is opened before it is needed.
    pub fn new(folder: &Path) -> Self {
        Self {
            file: folder.join(INDEX_FILE),
            connection: None,
            alarm: None,
        }
    }

    /// The same; `alarm` is rung where the file turns out to be damaged.
    #[must_use]
    pub fn ringing(mut self, alarm: Alarm) -> Self {
        self.alarm = Some(alarm);
        self
    }

    /// At most `count_max` messages before the entry `before` that hold all `words`.
    ///
    /// # Errors
    ///
    /// [`IndexError`]; the next call tries anew.
    pub fn candidates(
        &mut self,
        words: &str,
        before: LogIndex,
        count_max: usize,
    ) -> Result<Candidates, IndexError> {
        let found = self.try_candidates(words, before, count_max);
        if let Err(error) = &found {
            self.connection = None;
            if error.is_damage()
                && let Some(alarm) = &self.alarm
            {
                alarm.damaged();
            }
        }
        found
    }

    fn try_candidates(
        &mut self,
        words: &str,
        before: LogIndex,
        count_max: usize,
    ) -> Result<Candidates, IndexError> {
        let Some(connection) = self.connection()? else {
            return Ok(Candidates::default());
        };
        let upto: Option<i64> = connection
            .query_row("SELECT stamp FROM meta", [], |row| row.get(0))
            .optional()?;
        let mut found = Candidates {
            entries: Vec::new(),
            upto: Lamport::new(upto.unwrap_or(0) as u64),
        };
        let Some(query) = words_query(words) else {
            return Ok(found);
        };
        let mut statement = connection.prepare_cached(
            "SELECT rowid FROM words WHERE words MATCH ? AND rowid < ?
             ORDER BY rowid DESC LIMIT ?",
        )?;
        let before = i64::try_from(before.0).unwrap_or(i64::MAX);
        let count = i64::try_from(count_max).unwrap_or(i64::MAX);
        let rows = statement.query_map(rusqlite::params![query, before, count], |row| {
            Ok(LogIndex(row.get::<_, i64>(0)? as u64))
        })?;
        found.entries = rows.collect::<rusqlite::Result<_>>()?;
        Ok(found)
    }

    /// `None` while there is no index yet.
    fn connection(&mut self) -> Result<Option<&Connection>, IndexError> {
        let stands = match FileId::of(&self.file) {
            Ok(stands) => stands,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.connection = None;
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        if self.connection.as_ref().is_none_or(|(_, id)| *id != stands) {
            self.connection = None;
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(&self.file, flags)?;
            guard::harden(&connection, guard::SNAPSHOT_BYTES_MAX)?;
            connection.busy_timeout(std::time::Duration::from_secs(5))?;
            let version: i32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            if version != INDEX_VERSION {
                return Ok(None);
            }
            self.connection = Some((connection, stands));
        }
        Ok(self.connection.as_ref().map(|(connection, _)| connection))
    }
}

/// The words as FTS5 reads them: each one quoted, all of them wanted, the last one also as the
/// beginning of a longer word. `None` when there is no word.
pub fn words_query(words: &str) -> Option<String> {
    let quoted: Vec<String> = words
        .split_whitespace()
        // What holds no letter or digit is no token, and as a phrase would match nothing.
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .take(WORDS_MAX)
        .map(|word| format!("\"{}\"", word.replace('"', "\"\"").replace('\0', " ")))
        .collect();
    (!quoted.is_empty()).then(|| format!("{} *", quoted.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(words: &str, expected: Option<&str>) {
        assert_eq!(words_query(words).as_deref(), expected);
    }

    #[test]
    fn words_are_words_and_never_a_query() {
        check("engine room", Some("\"engine\" \"room\" *"));
        check("  ", None);
        check("!? ...", None);
        check(
            "a\"b OR NEAR( x:y* -",
            Some("\"a\"\"b\" \"OR\" \"NEAR(\" \"x:y*\" *"),
        );
        check("Bär", Some("\"Bär\" *"));
    }
}
