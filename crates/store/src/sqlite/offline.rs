//! What is done to a journal that no server has: a copy about to be put in place.

use lamparina_protocol::UnixMicros;
use rusqlite::Connection;

use super::reader::SqliteReader;
use super::row::failed;
use super::writer::put_term;
use crate::restart::{Tip, next_term};
use crate::traits::ReadError;

pub(crate) use super::schema::{check, version};

/// Begins `count` terms, one after the other, behind the journal's end; all or none.
pub(crate) fn begin_terms(
    connection: Connection,
    count: u32,
    now: UnixMicros,
) -> Result<(), ReadError> {
    if count == 0 {
        return Ok(());
    }
    let path = connection.path().unwrap_or_default().to_owned();
    let reader = SqliteReader::over(path.as_ref(), connection)?;
    let genesis = Tip::genesis(reader.meta()?.log);
    let (mut tip, mut terms) = (reader.tip()?.unwrap_or(genesis), reader.terms()?);
    let mut connection = reader.into_connection();
    let transaction = connection.transaction().map_err(|error| failed(&error))?;
    for _ in 0..count {
        let used_up = || ReadError::Failed("there are no more terms".into());
        let (term, record) = next_term(&terms, tip, now).ok_or_else(used_up)?;
        put_term(&transaction, &mut tip, &record, term)?;
        terms = vec![term];
    }
    transaction.commit().map_err(|error| failed(&error))
}
