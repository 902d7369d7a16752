//! A row as it stands in the table, whatever was done to it.

use lamparina_store::code::Columns;
use rusqlite::Row as SqlRow;
use rusqlite::types::ValueRef;

use crate::finding::Finding;

/// The columns of [`read`], in its order.
pub(super) const COLUMNS: &str =
    "log_index, kind, stamp, at, member, \"from\", \"to\", detail, text, chain";

/// A row as it stands in the file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Row {
    numbers: [i64; 4],
    member: Option<i64>,
    from: Option<Vec<u8>>,
    to: Option<Vec<u8>>,
    detail: Vec<u8>,
    text: Option<Vec<u8>>,
    /// The chain that stands with it; 32 bytes if nobody changed it.
    pub chain: Vec<u8>,
}

impl Row {
    /// The number that it has in the table.
    pub const fn index(&self) -> i64 {
        self.numbers[0]
    }

    /// Its stamp.
    pub const fn stamp(&self) -> i64 {
        self.numbers[2]
    }

    /// Bytes that it holds, about.
    pub(super) fn bytes(&self) -> usize {
        self.detail.len() + self.text.as_ref().map_or(0, Vec::len)
    }

    /// Whether it has a text, as only messages have.
    pub const fn has_text(&self) -> bool {
        self.text.is_some()
    }

    /// The row in the terms of the store.
    pub fn columns(&self) -> Columns<'_> {
        let [index, kind, stamp, at] = self.numbers;
        Columns {
            index,
            kind,
            stamp,
            at,
            member: self.member,
            from: self.from.as_deref(),
            to: self.to.as_deref(),
            detail: &self.detail,
            text: self.text.as_deref(),
        }
    }

    /// The row in words, for one that is no record.
    pub fn words(&self) -> String {
        let [index, kind, stamp, _] = self.numbers;
        format!("row {index}, kind {kind}, stamp {stamp}")
    }
}

pub(super) fn read(row: &SqlRow<'_>) -> Result<Row, Finding> {
    let mut read = Row::default();
    let index = number(row, 0)?.unwrap_or(i64::MIN);
    let wrong = |column: &str| {
        let what = format!("the column `{column}` of row {index} has a type that no journal has");
        Finding::new("row", what)
    };
    for (place, column) in ["log_index", "kind", "stamp", "at"].into_iter().enumerate() {
        read.numbers[place] = number(row, place)?.ok_or_else(|| wrong(column))?;
    }
    read.member = number(row, 4)?;
    read.from = bytes(row, 5)?;
    read.to = bytes(row, 6)?;
    read.detail = bytes(row, 7)?.ok_or_else(|| wrong("detail"))?;
    read.text = bytes(row, 8)?;
    read.chain = bytes(row, 9)?.unwrap_or_default();
    Ok(read)
}

fn number(row: &SqlRow<'_>, place: usize) -> Result<Option<i64>, Finding> {
    match row.get_ref(place) {
        Ok(ValueRef::Integer(number)) => Ok(Some(number)),
        Ok(ValueRef::Null) => Ok(None),
        _ => Err(strange(place)),
    }
}

fn bytes(row: &SqlRow<'_>, place: usize) -> Result<Option<Vec<u8>>, Finding> {
    match row.get_ref(place) {
        Ok(ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => Ok(Some(bytes.to_owned())),
        Ok(ValueRef::Null) => Ok(None),
        _ => Err(strange(place)),
    }
}

fn strange(place: usize) -> Finding {
    let column = COLUMNS.split(", ").nth(place).unwrap_or("?");
    Finding::new(
        "row",
        format!("the column {column} of a row has a type that no journal has"),
    )
}
