//! Deliveries from the store, until what follows is all in the tail: nothing is left out and
//! nothing comes twice, wherever the change falls.

use lamparina_protocol::control::CloseCode;
use lamparina_protocol::link::SendError;
use lamparina_protocol::{Instant, Lamport, Prev};

use super::follow::Outbox;
use super::machine::{Live, Place, Session, State};
use super::output::Output;
use super::parked::Parked;
use crate::hub::Ask;
use crate::reading::{Page, Position, Wanted};
use crate::tail::Tail;

/// Reads in a row that brought nothing, neither messages nor the tail, before the session gives up.
const FRUITLESS_MAX: u8 = 100;

/// Deliveries from the store.
#[derive(Debug)]
pub(super) struct CatchUp {
    position: Position,
    /// The page on its way to the client, from `sent` on.
    page: Option<Page>,
    sent: usize,
    fruitless: u8,
    pub(super) parked: Parked,
}

impl CatchUp {
    fn after(low: Lamport) -> Self {
        Self {
            position: Position::Stamp(low),
            page: None,
            sent: 0,
            fruitless: 0,
            parked: Parked::default(),
        }
    }

    pub(super) fn wanted(&self) -> Wanted {
        Wanted::Deliveries(self.position)
    }

    pub(super) fn take(&mut self, page: Page) {
        self.fruitless = match page.next == self.position {
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
            self.parked.send_before(*stamp, live, outbox, out)?;
            take_room(outbox)?;
            let prev = live.prev.to_bytes();
            live.texts.send_stored(body, prev, outbox)?;
            self.sent += 1;
            live.low = *stamp;
            live.prev = Prev(*stamp);
            live.unconsumed += 1;
        }
        live.low = live.low.max(page.upto);
        let end = Lamport::new(page.upto.get().saturating_add(1));
        self.parked.send_before(end, live, outbox, out)
    }
}

/// Page by page, so that a client that does not read costs little.
pub(super) fn take_room(outbox: &impl Outbox) -> Result<(), SendError> {
    match outbox.has_room() {
        true => Ok(()),
        false => Err(SendError::Full),
    }
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

    /// Follows the tail from here on, where it holds all that comes next.
    pub(super) fn go_over(&mut self, tail: &Tail) {
        let State::Live(live) = &mut self.state else {
            return;
        };
        let start = tail.start_after(live.low);
        if start.complete_after > live.low || live.low < live.back_since {
            return;
        }
        let reading = self.reading.as_mut();
        let Some(catch_up) = reading.and_then(|reading| reading.catch_up.take()) else {
            return;
        };
        // What is parked belongs behind a message that is in the tail, and so is in the tail too.
        let parked = catch_up.parked.len();
        live.answered = live.answered.wrapping_sub(parked);
        live.answers_from = catch_up.parked.first().unwrap_or(self.place);
        if tail.is_gone(live.heed_from.batch) {
            live.heed_from = live.answers_from;
        }
        let start = Place {
            batch: start.position,
            item: 0,
        };
        // The first batch may begin before what was delivered last, those behind it do not.
        live.late_until = Place {
            batch: start.batch + 1,
            item: 0,
        };
        self.place = start.min(live.answers_from).min(live.heed_from);
        self.caught_up = false;
    }
}
