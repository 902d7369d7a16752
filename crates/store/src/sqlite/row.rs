//! Rows of the table as columns, whatever was done to them; and values bound without a copy of
//! ours.

use lamparina_order::LogIndex;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{ErrorCode, Row, ToSql};

use super::error::TOO_LARGE;
use crate::code::Columns;
use crate::traits::{Chain, ReadError};

/// The columns of [`read`], in its order.
pub(crate) const COLUMNS: &str =
    r#"log_index, kind, stamp, at, member, "from", "to", detail, text, chain"#;

/// A text, by reference.
pub(crate) struct Text<'a>(pub(crate) Option<&'a [u8]>);

impl ToSql for Text<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(
            self.0.map_or(ValueRef::Null, ValueRef::Text),
        ))
    }
}

/// The columns of a row of [`COLUMNS`], and its chain.
pub(crate) fn read<'a>(row: &'a Row<'_>) -> Result<(Columns<'a>, Chain), ReadError> {
    let index = integer(row, 0, LogIndex(0))?;
    let place = LogIndex(u64::try_from(index).unwrap_or(0));
    let columns = Columns {
        index,
        kind: integer(row, 1, place)?,
        stamp: integer(row, 2, place)?,
        at: integer(row, 3, place)?,
        member: match value(row, 4)? {
            ValueRef::Null => None,
            _ => Some(integer(row, 4, place)?),
        },
        from: text(row, 5, place)?,
        to: text(row, 6, place)?,
        detail: bytes(row, 7, place)?,
        text: text(row, 8, place)?,
    };
    let chain = bytes(row, 9, place)?.try_into();
    let chain =
        chain.map_err(|_length| ReadError::Damaged(place, "its chain is not 32 bytes".into()))?;
    Ok((columns, Chain(chain)))
}

fn value<'a>(row: &'a Row<'_>, at: usize) -> Result<ValueRef<'a>, ReadError> {
    row.get_ref(at).map_err(|error| failed(&error))
}

fn integer(row: &Row<'_>, at: usize, place: LogIndex) -> Result<i64, ReadError> {
    match value(row, at)? {
        ValueRef::Integer(number) => Ok(number),
        _ => Err(other_type(place, at)),
    }
}

fn text<'a>(row: &'a Row<'_>, at: usize, place: LogIndex) -> Result<Option<&'a [u8]>, ReadError> {
    match value(row, at)? {
        ValueRef::Null => Ok(None),
        ValueRef::Text(text) => Ok(Some(text)),
        _ => Err(other_type(place, at)),
    }
}

fn bytes<'a>(row: &'a Row<'_>, at: usize, place: LogIndex) -> Result<&'a [u8], ReadError> {
    match value(row, at)? {
        ValueRef::Blob(bytes) => Ok(bytes),
        _ => Err(other_type(place, at)),
    }
}

fn other_type(place: LogIndex, at: usize) -> ReadError {
    let name = COLUMNS.split(", ").nth(at).unwrap_or("?");
    ReadError::Damaged(place, format!("its column {name} has another type"))
}

/// What SQLite says while reading.
pub(crate) fn failed(error: &rusqlite::Error) -> ReadError {
    ReadError::Failed(match error.sqlite_error_code() {
        Some(ErrorCode::TooBig) => format!("it has {TOO_LARGE}: run lamparina-log verify"),
        _ => error.to_string(),
    })
}
