//! Pages of what was addressed to a member, in order and complete: what its session would have
//! sent from the tail.

use lamparina_store::{ReadError, Reader};

use super::ask::{Asker, Page, Position, ReadAnswer, ReadAsk, Turn, Wanted};
use super::bodies::Bodies;
use super::{BYTES_MAX, ROWS_MAX};

/// Bytes of text looked at in one turn: encoded, short messages need half as much again, and what
/// does not fit a page is read once more.
const TEXT_BYTES_MAX: usize = BYTES_MAX / 8 * 5;

/// The next page, or how far it came where nothing was found yet.
pub(super) fn deliveries(
    reader: &mut dyn Reader,
    by: Asker,
    from: Position,
) -> Result<Turn, ReadError> {
    let after = match from {
        Position::Stamp(stamp) => reader.index_of(stamp)?,
        Position::Entry(index, _) => index,
    };
    let records = reader.entries(after, ROWS_MAX, TEXT_BYTES_MAX)?;
    // Asked after the entries, so that no coming into a room among them is missed.
    let viewer = by.viewer(reader.stays(by.member)?);
    let end = records.is_empty();
    let (mut bodies, mut next) = (Bodies::default(), from);
    for record in records {
        if bodies.bytes() >= BYTES_MAX {
            break;
        }
        next = Position::behind(&record);
        if viewer.receives(&record) {
            bodies.push(record, false);
        }
    }
    if bodies.is_empty() && !end {
        let wanted = Wanted::Deliveries(next);
        return Ok(Turn::Unfinished(ReadAsk { by, wanted }));
    }
    Ok(Turn::Done(ReadAnswer::Page(Page {
        messages: bodies.finish(),
        next,
        upto: next.stamp(),
    })))
}
