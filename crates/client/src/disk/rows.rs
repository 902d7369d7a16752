//! Outboxes and their messages as rows. A number of 64 bits is stored as the signed one with the
//! same bits.

use std::path::Path;

use lamparina_protocol::message::Submit;
use lamparina_protocol::{AuthorKey, Epoch, Lamport, LogId, Pseq, Term, codec};
use rusqlite::{OptionalExtension, Transaction, params};

use super::DiskError;
use super::database::{StoreError, damaged, words};
use crate::core::event::MessageName;
use crate::core::keep::{Change, Elsewhere, Kept, Place, State};
use crate::core::outbox::OUTBOX_MAX;

const MESSAGE: &str = "pseq, given_epoch, given_pseq, tried, submit";

/// The profile's key was never another one.
pub(super) fn check_author(
    path: &Path,
    transaction: &Transaction<'_>,
    author: AuthorKey,
) -> Result<(), DiskError> {
    let select = "SELECT 1 FROM outbox WHERE author <> ?1 LIMIT 1";
    let other = transaction.query_row(select, [author.0], |_row| Ok(()));
    match other.optional().map_err(|error| words(path, &error))? {
        None => Ok(()),
        Some(()) => Err(DiskError::OtherAuthor {
            path: path.to_owned(),
        }),
    }
}

/// The outbox used last at an address.
pub(super) fn at(transaction: &Transaction<'_>, address: &str) -> rusqlite::Result<Option<i64>> {
    let select = "SELECT outbox FROM address WHERE name = ?1
        AND outbox IN (SELECT id FROM outbox)";
    let used = transaction.query_row(select, [address], |row| row.get(0));
    if let Some(id) = used.optional()? {
        return Ok(Some(id));
    }
    let select = "SELECT id FROM outbox WHERE address = ?1 ORDER BY epoch DESC LIMIT 1";
    transaction
        .query_row(select, [address], |row| row.get(0))
        .optional()
}

/// The outbox for a log: of several the newest, which is the one that its server knows.
pub(super) fn of_log(transaction: &Transaction<'_>, log: LogId) -> rusqlite::Result<Option<i64>> {
    let select = "SELECT id FROM outbox WHERE log = ?1 ORDER BY epoch DESC LIMIT 1";
    transaction
        .query_row(select, [log.0], |row| row.get(0))
        .optional()
}

/// Whether an outbox was never used with any log.
pub(super) fn is_new(transaction: &Transaction<'_>, id: i64) -> rusqlite::Result<bool> {
    let select = "SELECT log FROM outbox WHERE id = ?1";
    let log: [u8; 16] = transaction.query_row(select, [id], |row| row.get(0))?;
    Ok(LogId(log) == LogId::default())
}

/// An outbox's log is known now.
pub(super) fn name_log(transaction: &Transaction<'_>, id: i64, log: LogId) -> rusqlite::Result<()> {
    transaction.execute(
        "UPDATE outbox SET log = ?2 WHERE id = ?1",
        params![id, log.0],
    )?;
    Ok(())
}

/// A new outbox.
pub(super) fn make(
    transaction: &Transaction<'_>,
    author: AuthorKey,
    address: &str,
    epoch: Epoch,
    log: LogId,
) -> rusqlite::Result<i64> {
    let insert =
        "INSERT INTO outbox (author, address, owner, epoch, last, log, term, shown, highest)
        VALUES (?1, ?2, 0, ?3, 0, ?4, 0, 0, 0)";
    transaction.execute(insert, params![author.0, address, signed(epoch.0), log.0])?;
    Ok(transaction.last_insert_rowid())
}

/// Messages of the outbox `from` that never went out go behind those of `to`, as many as there is
/// room for. An outbox without a log that is empty then is gone.
pub(super) fn move_all(
    transaction: &Transaction<'_>,
    from: i64,
    to: i64,
) -> Result<(), StoreError> {
    let select = "SELECT epoch, last, (SELECT count(*) FROM message WHERE outbox = ?1)
        FROM outbox WHERE id = ?1";
    let (epoch, mut last, count): (i64, i64, i64) = transaction.query_row(select, [to], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    let select = format!(
        "SELECT {MESSAGE} FROM message WHERE outbox = ?1 AND tried = 0 ORDER BY pseq LIMIT ?2"
    );
    let room = (OUTBOX_MAX as i64).saturating_sub(count).max(0);
    for (kept, pseq) in read_rows(transaction, &select, params![from, room])? {
        let Some(mut kept) = kept else {
            return Err(StoreError::Failed(format!("message {pseq} cannot be read")));
        };
        last += 1;
        (kept.submit.epoch, kept.submit.pseq) = (Epoch(unsigned(epoch)), Pseq(unsigned(last)));
        insert(transaction, to, &kept)?;
        remove(transaction, from, pseq)?;
    }
    transaction.execute("UPDATE outbox SET last = ?2 WHERE id = ?1", [to, last])?;
    let delete = "DELETE FROM outbox WHERE id = ?1 AND log = ?2
        AND NOT EXISTS (SELECT 1 FROM message WHERE outbox = ?1)";
    transaction.execute(delete, params![from, LogId::default().0])?;
    Ok(())
}

/// An outbox is in use at `address`, by `owner`; gives what is in it. What another outbox for the
/// same log has and never sent comes along.
pub(super) fn take_over(
    path: &Path,
    transaction: &Transaction<'_>,
    id: i64,
    address: &str,
    owner: i64,
) -> Result<State, DiskError> {
    let words = |error: rusqlite::Error| words(path, &error);
    let siblings = "SELECT id FROM outbox WHERE id <> ?1 AND log <> ?2
        AND log = (SELECT log FROM outbox WHERE id = ?1)";
    let mut select = transaction.prepare(siblings).map_err(words)?;
    let found = select.query_map(params![id, LogId::default().0], |row| row.get(0));
    let found: Result<Vec<i64>, _> = found.and_then(Iterator::collect);
    for sibling in found.map_err(words)? {
        move_all(transaction, sibling, id).map_err(|error| match error {
            StoreError::Failed(why) => damaged(path, why),
            StoreError::Taken => damaged(path, "it is another's"),
        })?;
    }
    let update = "UPDATE outbox SET owner = ?2, address = ?3 WHERE id = ?1";
    transaction
        .execute(update, params![id, owner, address])
        .map_err(words)?;
    let insert = "INSERT OR REPLACE INTO address VALUES (?1, ?2)";
    transaction
        .execute(insert, params![address, id])
        .map_err(words)?;
    read(path, transaction, id)
}

/// What is in an outbox, and what waits elsewhere for what this address, or this log, was.
fn read(path: &Path, transaction: &Transaction<'_>, id: i64) -> Result<State, DiskError> {
    let words = |error: rusqlite::Error| words(path, &error);
    let select = "SELECT epoch, last, log, term, shown, highest FROM outbox WHERE id = ?1";
    let row = transaction.query_row(select, [id], |row| {
        let place = Place {
            log: LogId(row.get(2)?),
            term: Term(row.get(3)?),
            shown: Lamport::new(unsigned(row.get(4)?)),
            highest: Lamport::new(unsigned(row.get(5)?)),
        };
        Ok((unsigned(row.get(0)?), unsigned(row.get(1)?), place))
    });
    let (epoch, last, place) = row.map_err(words)?;
    let select = format!("SELECT {MESSAGE} FROM message WHERE outbox = ?1 ORDER BY pseq");
    let rows = read_rows(transaction, &select, [id]).map_err(words)?;
    let messages = whole(path, rows, Epoch(epoch))?;
    let newest = messages.last().map_or(0, |kept| kept.submit.pseq.0);
    if newest > last {
        return Err(damaged(path, "a message has no place in it"));
    }
    Ok(State {
        epoch: Epoch(epoch),
        last: Pseq(last),
        place,
        messages,
        elsewhere: elsewhere(transaction, id).map_err(words)?,
    })
}

/// Messages of one epoch, each at its place.
pub(super) fn whole(
    path: &Path,
    rows: Vec<(Option<Kept>, Pseq)>,
    epoch: Epoch,
) -> Result<Vec<Kept>, DiskError> {
    if rows.len() > OUTBOX_MAX + 1 {
        return Err(damaged(path, "it holds more messages than any outbox does"));
    }
    let whole = rows.into_iter().map(|(kept, pseq)| {
        let kept = kept.ok_or_else(|| damaged(path, format!("message {pseq} cannot be read")))?;
        match (kept.submit.epoch, kept.submit.pseq) == (epoch, pseq) {
            true => Ok(kept),
            false => Err(damaged(
                path,
                format!("message {pseq} is not the one of its place"),
            )),
        }
    });
    whole.collect()
}

fn elsewhere(transaction: &Transaction<'_>, id: i64) -> rusqlite::Result<Vec<Elsewhere>> {
    let select = "SELECT other.id FROM outbox AS other, outbox AS own
        WHERE own.id = ?1 AND other.id <> own.id
        AND (other.address = own.address OR (other.log = own.log AND own.log <> ?2))
        ORDER BY other.epoch";
    let mut select = transaction.prepare(select)?;
    let others = select.query_map(params![id, LogId::default().0], |row| row.get(0))?;
    let mut found = Vec::new();
    for outbox in others.collect::<Result<Vec<i64>, _>>()? {
        let room = OUTBOX_MAX.saturating_sub(found.len()) as i64;
        let select =
            format!("SELECT {MESSAGE} FROM message WHERE outbox = ?1 ORDER BY pseq LIMIT ?2");
        let rows = read_rows(transaction, &select, params![outbox, room])?;
        let kept = rows.into_iter().filter_map(|(kept, _)| kept);
        found.extend(kept.map(|kept| Elsewhere { outbox, kept }));
    }
    Ok(found)
}

/// Rows of messages, each with its place; `None` where its bytes are no message. A few more than an
/// outbox holds are read, at most.
pub(super) fn read_rows(
    transaction: &rusqlite::Connection,
    select: &str,
    params: impl rusqlite::Params,
) -> rusqlite::Result<Vec<(Option<Kept>, Pseq)>> {
    let mut rows = transaction.prepare(select)?;
    let rows = rows.query_map(params, kept)?;
    rows.take(OUTBOX_MAX + 2).collect()
}

fn kept(row: &rusqlite::Row<'_>) -> rusqlite::Result<(Option<Kept>, Pseq)> {
    let pseq = Pseq(unsigned(row.get(0)?));
    let given = MessageName {
        epoch: Epoch(unsigned(row.get(1)?)),
        pseq: Pseq(unsigned(row.get(2)?)),
    };
    let tried = row.get(3)?;
    let bytes = row.get_ref(4)?.as_blob()?;
    let kept = codec::decode::<Submit>(bytes).ok().map(|submit| Kept {
        given,
        submit,
        tried,
    });
    Ok((kept, pseq))
}

/// Makes one change of the outbox in use.
pub(super) fn apply(
    transaction: &Transaction<'_>,
    id: i64,
    change: &Change,
) -> Result<(), StoreError> {
    match change {
        Change::Said(kept) => {
            insert(transaction, id, kept)?;
            let mut update =
                transaction.prepare_cached("UPDATE outbox SET last = ?2 WHERE id = ?1")?;
            update.execute([id, signed(kept.submit.pseq.0)])?;
        }
        Change::Tried => {
            let update = "UPDATE message SET tried = 1 WHERE outbox = ?1 AND tried = 0";
            transaction.execute(update, [id])?;
        }
        Change::Settled(name) => {
            let delete = "DELETE FROM message WHERE outbox = ?1 AND pseq = ?2
                AND (SELECT epoch FROM outbox WHERE id = ?1) = ?3";
            let mut delete = transaction.prepare_cached(delete)?;
            delete.execute([id, signed(name.pseq.0), signed(name.epoch.0)])?;
        }
        Change::Place(place) => store_place(transaction, id, *place)?,
        Change::Whole(state) => {
            transaction.execute("DELETE FROM message WHERE outbox = ?1", [id])?;
            for kept in &state.messages {
                insert(transaction, id, kept)?;
            }
            let update = "UPDATE outbox SET epoch = ?2, last = ?3 WHERE id = ?1";
            transaction.execute(update, [id, signed(state.epoch.0), signed(state.last.0)])?;
            store_place(transaction, id, state.place)?;
        }
        Change::Adopted { from, kept } => {
            for (outbox, pseq) in from {
                remove(transaction, *outbox, *pseq)?;
            }
            for kept in kept {
                apply(transaction, id, &Change::Said(kept.clone()))?;
            }
        }
    }
    Ok(())
}

fn remove(transaction: &Transaction<'_>, outbox: i64, pseq: Pseq) -> rusqlite::Result<()> {
    let delete = "DELETE FROM message WHERE outbox = ?1 AND pseq = ?2";
    transaction.execute(delete, [outbox, signed(pseq.0)])?;
    Ok(())
}

pub(super) fn insert(
    transaction: &Transaction<'_>,
    id: i64,
    kept: &Kept,
) -> Result<(), StoreError> {
    let bytes =
        codec::encode(&kept.submit).map_err(|error| StoreError::Failed(error.to_string()))?;
    let mut insert =
        transaction.prepare_cached("INSERT INTO message VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    insert.execute(params![
        id,
        signed(kept.submit.pseq.0),
        signed(kept.given.epoch.0),
        signed(kept.given.pseq.0),
        kept.tried,
        &bytes[..],
    ])?;
    Ok(())
}

pub(super) fn store_place(
    transaction: &Transaction<'_>,
    id: i64,
    place: Place,
) -> Result<(), StoreError> {
    let update = "UPDATE outbox SET log = ?2, term = ?3, shown = ?4, highest = ?5 WHERE id = ?1";
    let mut update = transaction.prepare_cached(update)?;
    update.execute(params![
        id,
        place.log.0,
        place.term.0,
        signed(place.shown.get()),
        signed(place.highest.get()),
    ])?;
    Ok(())
}

pub(super) const fn signed(number: u64) -> i64 {
    number.cast_signed()
}

pub(super) const fn unsigned(number: i64) -> u64 {
    number.cast_unsigned()
}
