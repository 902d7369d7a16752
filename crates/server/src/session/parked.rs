//! Answers to a client that catches up. They stand only in the tail, which may lose them before the
//! client has read so far: so they are taken from there at each ring, and sent where they belong
//! among the deliveries.

use std::collections::VecDeque;

use bytes::Bytes;
use lamparina_protocol::frame::SharedBody;
use lamparina_protocol::link::{Outgoing, SendError};
use lamparina_protocol::{Instant, Lamport};

use super::catch_up::take_room;
use super::follow::{Outbox, is_answer};
use super::machine::{Live, OWN_WAITING_BYTES_MAX, OWN_WAITING_MAX, Place, Session, State};
use super::output::Output;
use crate::hub::{Batch, Item, Note, What, Words};
use crate::tail::{Read, Tail};

/// Answers that wait for their place; at most [`OWN_WAITING_MAX`].
#[derive(Debug, Default)]
pub(super) struct Parked {
    answers: VecDeque<Answer>,
    /// Bytes of these; more than [`OWN_WAITING_BYTES_MAX`] only by the last one.
    bytes: usize,
}

#[derive(Debug)]
struct Answer {
    /// The last stamp before it.
    after: Lamport,
    place: Place,
    what: Outgoing,
    /// What is logged when it is sent.
    refusal: Option<Box<Words>>,
}

impl Parked {
    pub(super) fn len(&self) -> u32 {
        self.answers.len() as u32
    }

    /// Where the first one stands.
    pub(super) fn first(&self) -> Option<Place> {
        self.answers.front().map(|first| first.place)
    }

    /// Sends those that belong before the message at `stamp`.
    pub(super) fn send_before(
        &mut self,
        stamp: Lamport,
        live: &Live,
        outbox: &mut impl Outbox,
        out: &mut Output,
    ) -> Result<(), SendError> {
        while let Some(first) = self.answers.front().filter(|first| first.after < stamp) {
            take_room(outbox)?;
            outbox.send(first.what.kind, &first.what.body, None)?;
            if let Some(words) = &first.refusal {
                live.log_refusal(words, out);
            }
            self.bytes -= first.what.body.bytes().len();
            self.answers.pop_front();
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.answers.len() >= OWN_WAITING_MAX || self.bytes >= OWN_WAITING_BYTES_MAX
    }

    fn push(&mut self, item: &Item, place: Place, after: Lamport) {
        // A copy: the batch must not be held for it.
        let bytes = Bytes::copy_from_slice(item.body.bytes());
        self.bytes += bytes.len();
        self.answers.push_back(Answer {
            after,
            place,
            what: Outgoing {
                kind: item.kind,
                body: SharedBody::new(bytes),
                tail: None,
            },
            refusal: match &item.what {
                What::Refusal(words) => Some(words.clone()),
                _ => None,
            },
        });
    }
}

/// What looking for answers found.
enum Found {
    End,
    Note(Note),
    NoParking,
}

impl Session {
    /// Takes answers and notes from the tail, which may lose them before their turn comes.
    pub(super) fn park(&mut self, now: Instant, tail: &Tail, out: &mut Output) {
        while !self.caught_up && self.is_catching_up() {
            let batch = match tail.at(self.place.batch) {
                Read::Batch(batch) => batch,
                Read::NotYet => {
                    self.caught_up = true;
                    return;
                }
                Read::Gone => {
                    self.fell_off(now, tail, out);
                    continue;
                }
            };
            match self.park_from(&batch) {
                Found::End => {
                    self.place = Place {
                        batch: self.place.batch + 1,
                        item: 0,
                    };
                }
                Found::Note(note) => self.note(now, note, tail, out),
                // They stay in the tail as long as it keeps them.
                Found::NoParking => return,
            }
        }
    }

    fn park_from(&mut self, batch: &Batch) -> Found {
        // Where no answer is due only notes are looked for, which is cheap.
        let due = self.is_answer_due();
        let State::Live(live) = &mut self.state else {
            return Found::End;
        };
        let catch_up = self.reading.as_mut();
        let Some(catch_up) = catch_up.and_then(|reading| reading.catch_up.as_mut()) else {
            return Found::End;
        };
        let mut own = Vec::new();
        let member = Some(live.member).filter(|_| due);
        for index in batch.reaching(self.config.id, member, self.place.item, &mut own) {
            let Some(item) = batch.items.get(index as usize) else {
                continue;
            };
            let place = Place {
                batch: self.place.batch,
                item: index,
            };
            if place < live.answers_from || !is_answer(&item.what, live.member) {
                continue;
            }
            if let What::Note(note) = &item.what {
                self.place.item = index + 1;
                return Found::Note((**note).clone());
            }
            if catch_up.parked.is_full() {
                self.place.item = index;
                return Found::NoParking;
            }
            live.taken(&item.what);
            catch_up
                .parked
                .push(item, place, stamp_before(batch, index));
        }
        Found::End
    }
}

/// The stamp of the last message before an item.
fn stamp_before(batch: &Batch, index: u32) -> Lamport {
    let before = batch.items.iter().take(index as usize).rev();
    let stamps = before.filter_map(|item| match &item.what {
        What::Message { stamp, .. } => Some(*stamp),
        _ => None,
    });
    stamps.take(1).next().unwrap_or(batch.after)
}
