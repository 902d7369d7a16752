//! What comes from the store: deliveries that were missed, and answers to questions about earlier
//! messages. One bounded read at a time, the next only when the client has taken the former.

use std::collections::VecDeque;

use lamparina_protocol::control::CloseCode;
use lamparina_protocol::link::{Outgoing, SendError};
use lamparina_protocol::message::{QUESTIONS_MAX, RefusalCode};
use lamparina_protocol::{Instant, Lamport};

use super::bulk::Texts;
use super::catch_up::CatchUp;
use super::follow::{Followed, Outbox};
use super::machine::{Session, State};
use super::output::Output;
use crate::limits::What;
use crate::reading::{Asker, History, ReadAnswer, ReadAsk, Wanted};
use crate::tail::Tail;

/// What a session has to do with the store, while it has.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Deliveries come from the store.
    pub(super) catch_up: Option<CatchUp>,
    /// In order; at most [`QUESTIONS_MAX`], and what a newcomer is shown.
    questions: VecDeque<Wanted>,
    /// The first of them is what a newcomer is shown, which it did not ask for.
    newcomer: bool,
    /// An answer on its way to the client.
    ready: VecDeque<Outgoing>,
    in_flight: Option<InFlight>,
    /// The last read was for deliveries: with both to do, each has its turn.
    page_was_last: bool,
}

/// What is being read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum InFlight {
    Page,
    Answer,
}

impl Reading {
    fn is_done(&self) -> bool {
        self.catch_up.is_none()
            && self.questions.is_empty()
            && self.ready.is_empty()
            && self.in_flight.is_none()
    }

    fn send_answer(
        &mut self,
        texts: &mut Texts,
        outbox: &mut impl Outbox,
    ) -> Result<(), SendError> {
        while let Some(part) = self.ready.front() {
            if !outbox.has_room() {
                return Err(SendError::Full);
            }
            match part.tail {
                Some(tail) => texts.send_stored(&part.body, tail, outbox)?,
                None => outbox.send(part.kind, &part.body, None)?,
            }
            self.ready.pop_front();
        }
        Ok(())
    }

    /// What to read next.
    fn next(&mut self, by: Asker) -> Option<ReadAsk> {
        if self.in_flight.is_some() {
            return None;
        }
        let page = self.catch_up.as_ref().map(CatchUp::wanted);
        let asks = !self.questions.is_empty();
        let wanted = match page {
            Some(page) if !(asks && self.page_was_last) => {
                self.in_flight = Some(InFlight::Page);
                page
            }
            _ => {
                let question = self.questions.pop_front()?;
                self.newcomer = false;
                self.in_flight = Some(InFlight::Answer);
                question
            }
        };
        self.page_was_last = self.in_flight == Some(InFlight::Page);
        Some(ReadAsk { by, wanted })
    }
}

impl Session {
    /// Whether deliveries come from the store now. Then answers that reach the tail are looked for
    /// at each ring, also while the client does not read.
    pub fn is_catching_up(&self) -> bool {
        self.reading
            .as_ref()
            .is_some_and(|reading| reading.catch_up.is_some())
    }

    /// A client wants to know something of earlier messages.
    pub(super) fn question(&mut self, now: Instant, wanted: Wanted, out: &mut Output) {
        if !self.config.store {
            let text = "this server keeps no history: ask one that has a store".to_owned();
            return self.refuse(now, RefusalCode::NotAllowed, text, out);
        }
        if let Err(over) = self.count(What::Question, now) {
            return self.refuse(now, RefusalCode::Limit, over.to_string(), out);
        }
        let reading = self.reading.get_or_insert_default();
        let asked = reading.questions.len() - usize::from(reading.newcomer);
        if asked >= QUESTIONS_MAX {
            let text =
                format!("{QUESTIONS_MAX} questions wait already: ask again when they are answered");
            return self.refuse(now, RefusalCode::Limit, text, out);
        }
        reading.questions.push_back(wanted);
    }

    /// A new member is shown what was said to all before it came.
    pub(super) fn show_newcomer(&mut self, since: Lamport) {
        if self.config.store && since > Lamport::ZERO {
            let wanted = Wanted::History(Box::new(History::for_newcomer(since)));
            let reading = self.reading.get_or_insert_default();
            reading.questions.push_front(wanted);
            reading.newcomer = true;
        }
    }

    /// The answer to what was read last.
    pub(super) fn was_read(&mut self, now: Instant, answer: ReadAnswer, out: &mut Output) {
        let Some(reading) = &mut self.reading else {
            return; // It has ended meanwhile.
        };
        match (answer, reading.in_flight.take()) {
            (ReadAnswer::Page(page), _) => {
                if let Some(catch_up) = &mut reading.catch_up {
                    catch_up.take(page);
                }
            }
            (ReadAnswer::Parts(parts), _) => reading.ready.extend(parts),
            (ReadAnswer::Refused { code, text }, _) => self.refuse(now, code, text, out),
            (ReadAnswer::Failed(why), Some(InFlight::Page)) => {
                let text = format!("what you missed cannot be read now ({why}): connect again");
                self.abort(now, CloseCode::Damaged, &text, out);
            }
            (ReadAnswer::Failed(why), _) => {
                let text = format!("not answered, {why}: ask again in a while");
                self.refuse(now, RefusalCode::NotAllowed, text, out);
            }
        }
    }

    /// Sends what was read, and says what to read next. `None` when the tail is to be followed.
    pub(super) fn serve(
        &mut self,
        now: Instant,
        tail: &Tail,
        outbox: &mut impl Outbox,
        out: &mut Output,
    ) -> Option<Followed> {
        if self.is_catching_up() {
            self.park(now, tail, out);
        }
        let State::Live(live) = &mut self.state else {
            return None; // Its client claims; what it asked meanwhile waits.
        };
        let reading = self.reading.as_mut()?;
        if let Err(error) = reading.send_answer(&mut live.texts, outbox) {
            return Some(self.not_taken(now, error, out));
        }
        if let Some(catch_up) = &mut reading.catch_up {
            if let Err(error) = catch_up.send(live, outbox, out) {
                return Some(self.not_taken(now, error, out));
            }
            // A page on its way would come for nothing, or for another catch-up.
            if catch_up.is_spent() && reading.in_flight != Some(InFlight::Page) {
                self.go_over(tail);
            }
        }
        self.read_next(now, outbox.has_room(), out)
    }

    fn read_next(&mut self, now: Instant, room: bool, out: &mut Output) -> Option<Followed> {
        let State::Live(live) = &self.state else {
            return None;
        };
        let reading = self.reading.as_mut()?;
        if reading.is_done() {
            self.reading = None;
            return None;
        }
        if reading.catch_up.as_ref().is_some_and(CatchUp::is_stuck) {
            let text = "the store does not hold what the order has said: connect again";
            self.abort(now, CloseCode::Damaged, text, out);
            return Some(Followed::CaughtUp);
        }
        if room && out.read.is_none() {
            out.read = reading.next(Asker {
                member: live.member,
                since: live.since,
            });
        }
        match (&reading.catch_up, room) {
            (None, _) => None,
            (Some(_), true) => Some(Followed::CaughtUp),
            (Some(_), false) => Some(Followed::Full),
        }
    }
}
