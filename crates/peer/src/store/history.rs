//! What people ask of the messages: pages of history, words, one message. Of a foreign message that
//! several peers entered, only the first in history is told; a copy says the same, as anybody can give a
//! message the number of another.

use lamparina_protocol::peer::message::Digest;
use lamparina_store::index::words_query;
use rusqlite::{OptionalExtension, Params, params};

use super::row::{COLUMNS, StoredLine, key_bytes, read_line};
use super::schema::damaged;
use super::{Store, StoreError, words};
use crate::event::HistoryKey;

/// Lines of one answer, at most.
pub const LINES_MAX: u32 = 10_000;

/// Told to whoever may read it: it has a text, is for all or for one of `?2`, the rooms, and is not a
/// second copy of a foreign one.
const TOLD: &str = "text IS NOT NULL
    AND (room IS NULL OR own OR instr(?2, ',' || room || ',') > 0)
    AND NOT EXISTS (SELECT 1 FROM messages AS other
        WHERE other.foreign_peer = messages.foreign_peer
        AND other.foreign_id = messages.foreign_id AND other.key < messages.key
        AND other.text = messages.text AND other.kind = messages.kind
        AND other.room IS messages.room)";

/// A line, its position in the order of delivery, and whether it is late.
pub type Found = (u64, bool, StoredLine);

impl Store {
    /// At most `count` lines before `before`, or the last ones, ascending. Of lines for a room only
    /// those of `rooms`, folded, and one's own.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn history(
        &self,
        before: Option<HistoryKey>,
        rooms: &[String],
        count: u32,
    ) -> Result<Vec<Found>, StoreError> {
        // Greater than any key: no stamp is the greatest number.
        let before = before.map_or_else(|| vec![0xff; 89], |key| key_bytes(&key).to_vec());
        let select = format!(
            "SELECT {COLUMNS} FROM messages WHERE key < ?1 AND {TOLD} ORDER BY key DESC LIMIT ?3"
        );
        let count = count.min(LINES_MAX);
        self.lines(&select, params![before, room_list(rooms), count])
    }

    /// The newest lines that hold all of `words`, ascending; otherwise as [`Store::history`].
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn find(
        &self,
        words: &str,
        rooms: &[String],
        count: u32,
    ) -> Result<Vec<Found>, StoreError> {
        let Some(query) = words_query(words) else {
            return Ok(Vec::new());
        };
        let select = format!(
            "SELECT {COLUMNS} FROM messages
             WHERE position IN (SELECT rowid FROM words WHERE words MATCH ?1) AND {TOLD}
             ORDER BY key DESC LIMIT ?3"
        );
        let count = count.min(LINES_MAX);
        self.lines(&select, params![query, room_list(rooms), count])
    }

    /// Lines of this stamp, told or not: `text` is missing in what is not for us.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn of_stamp(&self, stamp: u64, count: u32) -> Result<Vec<Found>, StoreError> {
        let select =
            format!("SELECT {COLUMNS} FROM messages WHERE stamp = ?1 ORDER BY key DESC LIMIT ?2");
        let count = count.min(LINES_MAX);
        self.lines(&select, params![stamp.cast_signed(), count])
    }

    /// Lines whose digest begins with `digits`, hexadecimal in lower case.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn of_digest(&self, digits: &str, count: u32) -> Result<Vec<Found>, StoreError> {
        let select = format!(
            "SELECT {COLUMNS} FROM messages WHERE substr(lower(hex(digest)), 1, length(?1)) = ?1
             ORDER BY key DESC LIMIT ?2"
        );
        self.lines(&select, params![digits, count.min(LINES_MAX)])
    }

    /// The line of this digest.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn line(&self, digest: Digest) -> Result<Option<Found>, StoreError> {
        let select = format!("SELECT {COLUMNS} FROM messages WHERE digest = ?1");
        Ok(self.lines(&select, [digest.0])?.pop())
    }

    /// Whether a foreign message is here that says the same as this one, whoever entered it. What has no
    /// text is no copy of anything.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn has_copy(&self, line: &StoredLine) -> Result<bool, StoreError> {
        let Some(via) = &line.via else {
            return Ok(false);
        };
        let select = "SELECT 1 FROM messages WHERE foreign_peer = ?1 AND foreign_id = ?2
            AND text = ?3 AND kind = ?4 AND room IS ?5 LIMIT 1";
        let (kind, room) = (line.kind.word(), &line.room);
        let same = params![via.peer_id, via.msg_id, line.text, kind, room];
        let asked = self
            .connection
            .query_row(select, same, |_| Ok(()))
            .optional();
        Ok(asked.map_err(|error| words(&self.path, &error))?.is_some())
    }

    /// Rows that come in descending order, ascending.
    fn lines(&self, select: &str, params: impl Params) -> Result<Vec<Found>, StoreError> {
        let read = || {
            let mut select = self.connection.prepare_cached(select)?;
            select
                .query_map(params, read_line)?
                .collect::<rusqlite::Result<Vec<Option<Found>>>>()
        };
        let read = read().map_err(|error| words(&self.path, &error))?;
        let lines: Option<Vec<Found>> = read.into_iter().rev().collect();
        lines.ok_or_else(|| damaged(&self.path, "a row is no message"))
    }
}

/// Names have no commas.
fn room_list(rooms: &[String]) -> String {
    format!(",{},", rooms.join(","))
}
