//! One turn of reading: bounded work for one asker, who sees only what it may.

use lamparina_order::{Record, Recorded};
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::link::Outgoing;
use lamparina_protocol::message::{Hit, MESSAGE_BYTES_MAX, RefusalCode, ToClient};
use lamparina_protocol::{Lamport, codec};
use lamparina_store::{ReadError, Reader};

use super::ask::{Asker, ReadAnswer, ReadAsk, Turn, Wanted};
use super::directory::Directory;
use super::{BYTES_MAX, deliveries::deliveries, history::history, trace::trace, why::why};

/// Bytes of an answer to a search beside its hits.
const FOUND_BYTES: usize = 32;

/// Reads a bounded piece of what is asked for. A store that cannot be read is said in words.
pub fn answer(reader: &mut dyn Reader, directory: &dyn Directory, ask: ReadAsk) -> Turn {
    let by = ask.by;
    let turn = match ask.wanted {
        Wanted::Deliveries(from) => deliveries(reader, by, from),
        Wanted::History(wanted) => history(reader, by, wanted),
        Wanted::Find {
            words,
            before,
            count,
        } => find(reader, by, &words, before, count),
        Wanted::Trace(wanted) => trace(reader, directory, by, wanted),
        Wanted::Why(wanted) => why(reader, directory, by, wanted),
    };
    turn.unwrap_or_else(|error| Turn::Done(ReadAnswer::Failed(error.to_string())))
}

fn find(
    reader: &mut dyn Reader,
    by: Asker,
    words: &str,
    before: Lamport,
    count: u32,
) -> Result<Turn, ReadError> {
    let viewer = by.viewer(reader.stays(by.member)?);
    let may_see = |record: &Record| viewer.may_see(record);
    let mut found = reader.find(words, before, count as usize, BYTES_MAX, &may_see)?;
    let (mut hits, mut bytes) = (Vec::new(), FOUND_BYTES);
    for record in found.messages {
        let Some(hit) = hit(record) else { continue };
        // Long lists of recipients may take more room than the texts.
        bytes += codec::encode(&hit).map_or(MESSAGE_BYTES_MAX, |hit| hit.len());
        if bytes > MESSAGE_BYTES_MAX {
            found.more = true;
            break;
        }
        hits.push(hit);
    }
    let (more, upto) = (found.more, found.upto);
    Ok(Turn::Done(whole(&ToClient::Found { hits, more, upto })))
}

fn hit(record: Record) -> Option<Hit> {
    let Recorded::Message(message) = record.event else {
        return None;
    };
    Some(Hit {
        stamp: record.stamp,
        from: message.from,
        sent_at: message.sent_at,
        audience: message.audience,
        text: message.text,
    })
}

/// An answer that is one message.
pub(super) fn whole(answer: &ToClient) -> ReadAnswer {
    match codec::encode(answer) {
        Ok(body) => ReadAnswer::Parts(vec![Outgoing::own(FrameType::Data, body)]),
        Err(error) => ReadAnswer::Failed(error.to_string()),
    }
}

/// The same words whether there is no such message or one that the asker may not see.
pub(super) fn not_found(stamp: Lamport) -> ReadAnswer {
    ReadAnswer::Refused {
        code: RefusalCode::NotFound,
        text: format!("there is no message {stamp} of yours or for you"),
    }
}
