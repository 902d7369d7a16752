//! Why one message stands before another, for one who may see both. Of a chain of causes it is
//! shown the messages that it may see, and of the others their stamps: no link is left out unsaid.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use lamparina_order::why::{Answer, Progress, Said, Search, There};
use lamparina_order::{LogIndex, Record, RoomId};
use lamparina_protocol::message::{RefusalCode, ToClient};
use lamparina_protocol::{Lamport, MemberId};
use lamparina_store::{ReadError, Reader, Stays};

use super::answer::{not_found, whole};
use super::ask::{Asker, ReadAnswer, ReadAsk, Turn, Wanted};
use super::directory::Directory;
use super::{BYTES_MAX, ROWS_MAX};

/// Entries between the two that are looked at.
pub const WHY_ROWS_MAX: u64 = 1_000_000;

/// A question about two messages, as far as it is answered.
#[derive(Clone, Debug)]
pub struct Asking {
    a: Lamport,
    b: Lamport,
    walk: Option<Walk>,
}

/// The way down from the later one.
#[derive(Clone, Debug)]
struct Walk {
    search: Search,
    earlier: (LogIndex, Lamport),
    before: LogIndex,
    /// Entries that may still be looked at.
    rows: u64,
}

impl Asking {
    /// About the messages at `a` and `b`.
    pub fn new(a: Lamport, b: Lamport) -> Self {
        Self { a, b, walk: None }
    }
}

/// Looks up both messages, then some of those between them in each turn.
pub(super) fn why(
    reader: &mut dyn Reader,
    directory: &dyn Directory,
    by: Asker,
    mut asking: Box<Asking>,
) -> Result<Turn, ReadError> {
    let progress = match &mut asking.walk {
        None => match begin(reader, directory, by, &mut asking)? {
            Ok(progress) => progress,
            Err(refused) => return Ok(Turn::Done(refused)),
        },
        Some(walk) => walk.go_on(reader, directory)?,
    };
    Ok(match progress {
        Progress::More => Turn::Unfinished(ReadAsk {
            by,
            wanted: Wanted::Why(asking),
        }),
        Progress::Done(answer) => Turn::Done(shown(reader, by, answer)?),
        Progress::TooMuch => Turn::Done(ReadAnswer::Refused {
            code: RefusalCode::Limit,
            text:
                "too much was said between them to follow it here: ask about messages that stand \
                   nearer, or run lamparina-log why"
                    .to_owned(),
        }),
    })
}

/// Looks up both messages, if the asker may see them.
fn begin(
    reader: &mut dyn Reader,
    directory: &dyn Directory,
    by: Asker,
    asking: &mut Asking,
) -> Result<Result<Progress, ReadAnswer>, ReadError> {
    if asking.a == asking.b {
        return Ok(Err(ReadAnswer::Refused {
            code: RefusalCode::Malformed,
            text: "name two different messages".to_owned(),
        }));
    }
    let (earlier, later) = (asking.a.min(asking.b), asking.a.max(asking.b));
    let Some(earlier) = visible(reader, by, earlier)? else {
        return Ok(Err(not_found(earlier)));
    };
    let Some(later) = visible(reader, by, later)? else {
        return Ok(Err(not_found(later)));
    };
    let place = (earlier.index, earlier.stamp);
    let then = Then::new(reader, directory, place);
    then.here.set((later.index, later.stamp));
    let (search, progress) = Search::new(&earlier, &later, &then);
    then.finish()?;
    asking.walk = Some(Walk {
        search,
        earlier: place,
        before: later.index,
        rows: WHY_ROWS_MAX,
    });
    Ok(Ok(progress))
}

fn visible(reader: &mut dyn Reader, by: Asker, stamp: Lamport) -> Result<Option<Said>, ReadError> {
    let Some((record, _)) = reader.message(stamp)? else {
        return Ok(None);
    };
    let viewer = by.viewer(reader.stays(by.member)?);
    Ok(Said::of(&record).filter(|_| viewer.may_see(&record)))
}

impl Walk {
    fn go_on(
        &mut self,
        reader: &mut dyn Reader,
        directory: &dyn Directory,
    ) -> Result<Progress, ReadError> {
        let records = reader.entries_before(self.before, ROWS_MAX, BYTES_MAX)?;
        if records.is_empty() {
            let (_, stamp) = self.earlier;
            let why = "the earlier message is not where it was".to_owned();
            return Err(ReadError::Damaged(
                self.search.end(),
                format!("{stamp}: {why}"),
            ));
        }
        let then = Then::new(reader, directory, self.earlier);
        let mut progress = Progress::More;
        for record in &records {
            self.before = record.index;
            self.rows = self.rows.saturating_sub(1);
            then.here.set((record.index, record.stamp));
            progress = self.search.step_record(record, &then);
            if progress != Progress::More {
                break;
            }
        }
        then.finish()?;
        if self.rows == 0 && progress == Progress::More {
            progress = Progress::TooMuch;
        }
        Ok(progress)
    }
}

/// The answer, with those messages of the chain that the asker may see; the others by stamp alone.
fn shown(reader: &mut dyn Reader, by: Asker, answer: Answer) -> Result<ReadAnswer, ReadError> {
    let viewer = by.viewer(reader.stays(by.member)?);
    let (mut chain, mut hidden) = (Vec::with_capacity(answer.chain.len()), Vec::new());
    for link in answer.chain {
        let found = reader.message(link.stamp)?;
        let may_see = |(record, _): &(Record, _)| viewer.may_see(record);
        match found.as_ref().is_some_and(may_see) {
            true => chain.push(link),
            false => hidden.push(link.stamp),
        }
    }
    Ok(whole(&ToClient::Why {
        earlier: answer.earlier,
        later: answer.later,
        reason: answer.reason,
        chain,
        hidden,
        left_out: answer.left_out as u64,
    }))
}

/// Who there was when the messages of one turn were written: at the earlier one of the two, and at
/// the one being looked at.
struct Then<'a> {
    reader: RefCell<&'a mut dyn Reader>,
    directory: &'a dyn Directory,
    earlier: (LogIndex, Lamport),
    here: Cell<(LogIndex, Lamport)>,
    stays: RefCell<BTreeMap<MemberId, Stays>>,
    failed: RefCell<Option<ReadError>>,
}

impl<'a> Then<'a> {
    fn new(
        reader: &'a mut dyn Reader,
        directory: &'a dyn Directory,
        earlier: (LogIndex, Lamport),
    ) -> Self {
        Self {
            reader: RefCell::new(reader),
            directory,
            earlier,
            here: Cell::new(earlier),
            stays: RefCell::default(),
            failed: RefCell::default(),
        }
    }

    fn finish(self) -> Result<(), ReadError> {
        self.failed.into_inner().map_or(Ok(()), Err)
    }

    fn look(&self, member: MemberId, question: impl FnOnce(&Stays) -> bool) -> bool {
        let mut known = self.stays.borrow_mut();
        let stays = known.entry(member).or_insert_with(|| {
            let stays = self.reader.borrow_mut().stays(member);
            stays.unwrap_or_else(|error| {
                *self.failed.borrow_mut() = Some(error);
                Stays::default()
            })
        });
        question(stays)
    }
}

impl There for Then<'_> {
    fn was_there(&self, member: MemberId, room: Option<RoomId>, at: LogIndex) -> bool {
        let Some(room) = room else {
            let (index, stamp) = self.here.get();
            let stamp = if at == index { stamp } else { self.earlier.1 };
            return member.0 < self.directory.members_before(stamp)
                && !(self.directory.was_ever_banned(member)
                    && self.look(member, |stays| stays.was_banned(at)));
        };
        self.look(member, |stays| stays.was_in(room, at))
    }
}
