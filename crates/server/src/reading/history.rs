//! Earlier messages, as far as the asker may see them: newest first to find them, ascending to
//! show them. They say nothing about what was delivered: `prev` is 0.

use lamparina_order::LogIndex;
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::lamport::PREV_BYTES;
use lamparina_protocol::link::Outgoing;
use lamparina_protocol::message::ToClient;
use lamparina_protocol::{Lamport, codec};
use lamparina_store::{ReadError, Reader};

use super::ask::{Asker, ReadAnswer, ReadAsk, Turn, Wanted};
use super::bodies::Bodies;
use super::{BYTES_MAX, ROWS_MAX};

/// Messages that a newcomer is shown unasked, at most.
pub const NEWCOMER_MESSAGES_MAX: u32 = 50;
/// Bytes of these; more only where the newest alone has more.
pub const NEWCOMER_BYTES_MAX: usize = 64 * 1024;
/// Entries looked at for these.
const NEWCOMER_ROWS_MAX: u64 = 64 * 1024;
/// Before every entry that a journal can hold.
const END: LogIndex = LogIndex(i64::MAX as u64);

/// Earlier messages that are wanted, and those found so far.
#[derive(Clone, Debug)]
pub struct History {
    before: Before,
    count: u32,
    bytes_max: usize,
    /// Entries that may still be looked at.
    rows: u64,
    found: Bodies,
    /// Nothing is said where nothing is found.
    unasked: bool,
}

#[derive(Clone, Copy, Debug)]
enum Before {
    Stamp(Lamport),
    Entry(LogIndex),
}

impl History {
    /// Up to `count` messages before `before` (0 for the newest).
    pub fn asked(before: Lamport, count: u32) -> Self {
        Self {
            before: Before::Stamp(before),
            count,
            bytes_max: BYTES_MAX,
            rows: u64::MAX,
            found: Bodies::default(),
            unasked: false,
        }
    }

    /// What a member is shown of the time before it became one, after `since`.
    pub fn for_newcomer(since: Lamport) -> Self {
        Self {
            before: Before::Stamp(since.tick().unwrap_or(since)),
            count: NEWCOMER_MESSAGES_MAX,
            bytes_max: NEWCOMER_BYTES_MAX,
            rows: NEWCOMER_ROWS_MAX,
            found: Bodies::default(),
            unasked: true,
        }
    }

    /// Takes a message, unless there are enough.
    fn take(&mut self, record: lamparina_order::Record) -> bool {
        if self.found.len() >= self.count as usize {
            return false;
        }
        self.found.push(record, true);
        let enough = self.found.len() > 1 && self.found.bytes() > self.bytes_max;
        if enough {
            self.found.pop();
        }
        !enough
    }

    fn finish(self, more: bool) -> Turn {
        let count = self.found.len() as u32;
        if count == 0 && self.unasked {
            return Turn::Done(ReadAnswer::Parts(Vec::new()));
        }
        let found = self.found.finish().into_iter().rev();
        let mut parts: Vec<Outgoing> = found
            .map(|(_, body)| Outgoing {
                kind: FrameType::Data,
                body,
                tail: Some([0; PREV_BYTES]),
            })
            .collect();
        if let Ok(end) = codec::encode(&ToClient::History { count, more }) {
            parts.push(Outgoing::own(FrameType::Data, end));
        }
        Turn::Done(ReadAnswer::Parts(parts))
    }
}

/// Looks further back.
pub(super) fn history(
    reader: &mut dyn Reader,
    by: Asker,
    mut history: Box<History>,
) -> Result<Turn, ReadError> {
    let before = match history.before {
        Before::Stamp(Lamport::ZERO) => END,
        Before::Stamp(stamp) => {
            let last = reader.index_of(Lamport::new(stamp.get() - 1))?;
            LogIndex(last.0 + 1)
        }
        Before::Entry(index) => index,
    };
    let records = reader.entries_before(before, ROWS_MAX, BYTES_MAX)?;
    let viewer = by.viewer(reader.stays(by.member)?);
    if records.is_empty() {
        return Ok(history.finish(false));
    }
    for record in records {
        history.before = Before::Entry(record.index);
        history.rows = history.rows.saturating_sub(1);
        if viewer.may_see(&record) && !history.take(record) {
            return Ok(history.finish(true));
        }
    }
    if history.rows == 0 {
        return Ok(history.finish(true));
    }
    let wanted = Wanted::History(history);
    Ok(Turn::Unfinished(ReadAsk { by, wanted }))
}
