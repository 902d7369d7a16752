//! What is known of a message's way: its entry, and how far each recipient's client said that it
//! handed over. Only for its author and those whom it reached.

use std::sync::Arc;

use lamparina_order::{LogIndex, Recorded, RoomId, To};
use lamparina_protocol::message::{MARKS_MAX, MESSAGE_BYTES_MAX, Mark, ToClient, Trace};
use lamparina_protocol::nick::NICK_BYTES_MAX;
use lamparina_protocol::{Lamport, MemberId, UnixMicros};
use lamparina_store::{Position, ReadError, Reader};

use super::answer::{not_found, whole};
use super::ask::{Asker, ReadAsk, Turn, Wanted};
use super::directory::Directory;

/// Recipients looked up in one turn.
const TURN_RECIPIENTS: usize = 512;
/// Bytes of a mark: number, nick and its length, stamp, time.
const MARK_BYTES_MAX: usize = 5 + 1 + NICK_BYTES_MAX + 9 + 9;
// An answer fits a message, beside the names of its audience.
const _: () = assert!(MARKS_MAX * MARK_BYTES_MAX + 32 * 1024 <= MESSAGE_BYTES_MAX);

/// A trace that is wanted, as far as it is known.
#[derive(Clone, Debug)]
pub struct Tracing {
    stamp: Lamport,
    known: Option<Known>,
}

#[derive(Clone, Debug)]
struct Known {
    trace: Trace,
    author: MemberId,
    index: LogIndex,
    candidates: Candidates,
    /// Candidates that have been looked at.
    done: usize,
}

/// Who may have received it.
#[derive(Clone, Debug)]
enum Candidates {
    /// Members with lower numbers than this.
    Below(u32),
    These(Arc<[MemberId]>),
    Room(RoomId, Arc<[MemberId]>),
}

impl Tracing {
    /// The way of the message at `stamp`.
    pub fn new(stamp: Lamport) -> Self {
        let known = None;
        Self { stamp, known }
    }
}

impl Candidates {
    fn some(&self, from: usize) -> Vec<MemberId> {
        let of = |members: &[MemberId]| {
            let some = members.iter().skip(from).take(TURN_RECIPIENTS);
            some.copied().collect()
        };
        match self {
            Self::Below(count) => {
                let from = u32::try_from(from).unwrap_or(u32::MAX);
                let to = from.saturating_add(TURN_RECIPIENTS as u32).min(*count);
                (from..to).map(MemberId).collect()
            }
            Self::These(members) | Self::Room(_, members) => of(members),
        }
    }
}

/// Looks up the message, then some recipients in each turn.
pub(super) fn trace(
    reader: &mut dyn Reader,
    directory: &dyn Directory,
    by: Asker,
    mut tracing: Box<Tracing>,
) -> Result<Turn, ReadError> {
    let Some(known) = &mut tracing.known else {
        let Some(known) = look_up(reader, directory, by, tracing.stamp)? else {
            return Ok(Turn::Done(not_found(tracing.stamp)));
        };
        tracing.known = Some(known);
        let wanted = Wanted::Trace(tracing);
        return Ok(Turn::Unfinished(ReadAsk { by, wanted }));
    };
    let some = known.candidates.some(known.done);
    if some.is_empty() {
        let trace = Box::new(known.trace.clone());
        return Ok(Turn::Done(whole(&ToClient::Trace(trace))));
    }
    known.done += some.len();
    let recipients = known.recipients(reader, directory, some)?;
    let positions = reader.positions(&recipients)?;
    known.mark(directory, &recipients, &positions);
    let wanted = Wanted::Trace(tracing);
    Ok(Turn::Unfinished(ReadAsk { by, wanted }))
}

/// The message, where the asker wrote it or received it.
fn look_up(
    reader: &mut dyn Reader,
    directory: &dyn Directory,
    by: Asker,
    stamp: Lamport,
) -> Result<Option<Known>, ReadError> {
    let Some((record, chain)) = reader.message(stamp)? else {
        return Ok(None);
    };
    let viewer = by.viewer(reader.stays(by.member)?);
    let received = viewer.receives(&record);
    let (index, stored_at) = (record.index, record.at);
    let Recorded::Message(message) = record.event else {
        return Ok(None);
    };
    if message.member != by.member && !received {
        return Ok(None);
    }
    let candidates = match message.to {
        To::All => Candidates::Below(directory.members_before(stamp)),
        To::Members(members) => Candidates::These(members),
        To::Room(room) => Candidates::Room(room, directory.room_members(room)),
    };
    Ok(Some(Known {
        trace: Trace {
            stamp,
            from: message.from,
            epoch: message.epoch,
            pseq: message.pseq,
            audience: message.audience,
            sent_at: message.sent_at,
            stored_at,
            entry: index.0,
            chain: chain.0,
            of: 0,
            delivered: 0,
            marks: Vec::new(),
        },
        author: message.member,
        index,
        candidates,
        done: 0,
    }))
}

impl Known {
    /// Those of `some` that received it.
    fn recipients(
        &self,
        reader: &mut dyn Reader,
        directory: &dyn Directory,
        some: Vec<MemberId>,
    ) -> Result<Vec<MemberId>, ReadError> {
        let mut recipients = Vec::with_capacity(some.len());
        for member in some {
            if member == self.author {
                continue;
            }
            if let Candidates::Room(room, _) = self.candidates
                && !reader.stays(member)?.was_in(room, self.index)
            {
                continue;
            }
            let to_all = matches!(self.candidates, Candidates::Below(_));
            if to_all
                && directory.was_ever_banned(member)
                && reader.stays(member)?.was_banned(self.index)
            {
                continue;
            }
            recipients.push(member);
        }
        Ok(recipients)
    }

    fn mark(&mut self, directory: &dyn Directory, recipients: &[MemberId], positions: &[Position]) {
        let mut positions = positions.iter().peekable();
        for member in recipients {
            let position = positions.next_if(|position| position.member == *member);
            let consumed = position.map_or(Lamport::ZERO, |position| position.consumed);
            self.trace.of += 1;
            self.trace.delivered += u32::from(consumed >= self.trace.stamp);
            let nick = directory.nick(*member);
            if let Some(nick) = nick.filter(|_| self.trace.marks.len() < MARKS_MAX) {
                self.trace.marks.push(Mark {
                    member: *member,
                    nick,
                    consumed,
                    at: position.map_or(UnixMicros(0), |position| position.at),
                });
            }
        }
    }
}
