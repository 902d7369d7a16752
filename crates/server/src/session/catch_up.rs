//! Deliveries from the store, until what follows is all in the tail: nothing is left out and
//! nothing comes twice, wherever the change falls.
//!
//! Answers to the client's own requests stand only in the tail, which may lose them before the
//! client has read so far. So they are parked, and sent where they belong among the deliveries.

use std::collections::VecDeque;

use bytes::Bytes;
use lamparina_protocol::control::CloseCode;
use lamparina_protocol::frame::{FrameType, SharedBody};
use lamparina_protocol::link::{Outgoing, SendError};
use lamparina_protocol::{Instant, Lamport, Prev};

use super::follow::{Outbox, is_answer};
use super::machine::{Live, OWN_WAITING_BYTES_MAX, OWN_WAITING_MAX, Place, Session, State};
use super::output::Output;
use crate::hub::{Ask, Batch, Note, What, Words};
use crate::reading::{Page, Position, Wanted};
use crate::tail::{Read, Tail};

/// Reads in a row that brought neither messages nor the tail, before the session gives up: each
/// begins behind everything that was in the tail before.
const FRUITLESS_MAX: u8 = 100;

/// Deliveries from the store.
#[derive(Debug)]
pub(super) struct CatchUp {
    position: Position,
    /// The page on its way to the client, from `sent` on.
    page: Option<Page>,
    sent: usize,
    fruitless: u8,
    /// Answers that wait for their place.
    parked: VecDeque<Parked>,
    /// Bytes of these.
    parked_bytes: usize,
}

#[derive(Debug)]
struct Parked {
    /// The last stamp before it.
    after: Lamport,
    place: Place,
    answer: Outgoing,
    /// What is logged when it is sent.
    refusal: Option<Box<Words>>,
}

impl CatchUp {
    fn after(low: Lamport) -> Self {
        Self {
            position: Position::Stamp(low),
            page: None,
            sent: 0,
            fruitless: 0,
            parked: VecDeque::new(),
            parked_bytes: 0,
        }
    }

    pub(super) fn wanted(&self) -> Wanted {
        Wanted::Deliveries(self.position)
    }

    pub(super) fn take(&mut self, page: Page) {
        self.fruitless = match page.messages.is_empty() {
            true => self.fruitless.saturating_add(1),
            false => 0,
        };
        self.position = page.next;
        (self.page, self.sent) = (Some(page), 0);
    }

    /// Whether everything that was read has been sent.
    pub(super) fn is_spent(&self) -> bool {
        self.page.is_none()
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.fruitless >= FRUITLESS_MAX
    }

    /// Sends the page, and the parked answers that belong before its end.
    pub(super) fn send(
        &mut self,
        live: &mut Live,
        outbox: &mut impl Outbox,
        out: &mut Output,
    ) -> Result<(), SendError> {
        let Some(page) = self.page.take() else {
            return Ok(());
        };
        let sent = self.send_page(&page, live, outbox, out);
        if sent.is_err() {
            self.page = Some(page);
        }
        sent
    }

    fn send_page(
        &mut self,
        page: &Page,
        live: &mut Live,
        outbox: &mut impl Outbox,
        out: &mut Output,
    ) -> Result<(), SendError> {
        while let Some((stamp, body)) = page.messages.get(self.sent) {
            self.send_parked(*stamp, live, outbox, out)?;
            take_room(outbox)?;
            let prev = Some(live.prev.to_bytes());
            outbox.send(FrameType::Data, body, prev)?;
            self.sent += 1;
            live.low = *stamp;
            live.prev = Prev(*stamp);
            live.unconsumed += 1;
        }
        live.low = live.low.max(page.upto);
        let end = Lamport::new(page.upto.get().saturating_add(1));
        self.send_parked(end, live, outbox, out)
    }

    /// Sends the parked answers that belong before the message at `stamp`.
    fn send_parked(
        &mut self,
        stamp: Lamport,
        live: &Live,
        outbox: &mut impl Outbox,
        out: &mut Output,
    ) -> Result<(), SendError> {
        while let Some(first) = self.parked.front().filter(|first| first.after < stamp) {
            take_room(outbox)?;
            outbox.send(first.answer.kind, &first.answer.body, None)?;
            if let Some(words) = &first.refusal {
                live.log_refusal(words, out);
            }
            self.parked_bytes -= first.answer.body.bytes().len();
            self.parked.pop_front();
        }
        Ok(())
    }

    fn has_parking(&self) -> bool {
        self.parked.len() < OWN_WAITING_MAX && self.parked_bytes < OWN_WAITING_BYTES_MAX
    }
}

/// Page by page, so that a client that does not read costs little.
fn take_room(outbox: &impl Outbox) -> Result<(), SendError> {
    match outbox.has_room() {
        true => Ok(()),
        false => Err(SendError::Full),
    }
}

/// What looking for answers found.
enum Found {
    End,
    Note(Note),
    NoParking,
}

impl Session {
    /// From here on deliveries come from the store, those after `low`.
    pub(super) fn catch_up_after(&mut self, low: Lamport) {
        self.reading.get_or_insert_default().catch_up = Some(CatchUp::after(low));
    }

    /// What stands at the place is no longer in the tail.
    pub(super) fn fell_off(&mut self, now: Instant, tail: &Tail, out: &mut Output) {
        let lost = self.is_answer_due() || !self.config.store;
        let State::Live(live) = &mut self.state else {
            return self.too_slow(now, out);
        };
        if lost {
            return self.too_slow(now, out);
        }
        // Answers there were none; notes may be lost, and are asked for again.
        self.place = Place {
            batch: tail.end(),
            item: 0,
        };
        (live.heed_from, live.answers_from) = (self.place, self.place);
        let (member, low) = (live.member, live.low.max(live.prev.0));
        self.caught_up = false;
        if !self.is_catching_up() {
            self.catch_up_after(low);
        }
        let ask = match self.draining {
            true => Ask::Barrier,
            false => Ask::Confirm { member },
        };
        self.ask(ask, out);
    }

    fn too_slow(&mut self, now: Instant, out: &mut Output) {
        let text = "you read too slowly and what came next is no longer kept: connect again to \
                    go on from there";
        self.abort(now, CloseCode::TooSlow, text, out);
    }

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
            if !catch_up.has_parking() {
                self.place.item = index;
                return Found::NoParking;
            }
            live.taken(&item.what);
            // A copy: the batch must not be held for it.
            let bytes = Bytes::copy_from_slice(item.body.bytes());
            catch_up.parked_bytes += bytes.len();
            catch_up.parked.push_back(Parked {
                after: stamp_before(batch, index),
                place,
                answer: Outgoing {
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
        Found::End
    }

    /// Follows the tail from here on, where it holds all that comes next.
    pub(super) fn go_over(&mut self, tail: &Tail) {
        let State::Live(live) = &mut self.state else {
            return;
        };
        let start = tail.start_after(live.low);
        if start.complete_after > live.low {
            return;
        }
        let reading = self.reading.as_mut();
        let Some(catch_up) = reading.and_then(|reading| reading.catch_up.take()) else {
            return;
        };
        // What is parked belongs behind a message that is in the tail, and so is in the tail too.
        let parked = catch_up.parked.len() as u32;
        live.answered = live.answered.wrapping_sub(parked);
        let first_parked = catch_up.parked.front().map(|parked| parked.place);
        live.answers_from = first_parked.unwrap_or(self.place);
        if tail.is_gone(live.heed_from.batch) {
            live.heed_from = live.answers_from;
        }
        let start = Place {
            batch: start.position,
            item: 0,
        };
        self.place = start.min(live.answers_from).min(live.heed_from);
        self.caught_up = false;
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
