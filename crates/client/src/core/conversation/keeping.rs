//! What is kept on disk follows the outbox: messages before they go out, other names before they
//! are used, and how far was read, soon.

use lamparina_protocol::{Epoch, Instant, Lamport, LogId};

use super::receiving::error;
use super::{Conversation, MessageName, Output, Phase};
use crate::core::event::{Ending, Event};
use crate::core::keep::{Change, Kept, Place, State};
use crate::core::outbox::{Cancel, Said};

/// What came of a wish to cancel.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CancelReport {
    /// Messages taken back; each is told by [`Event::Cancelled`] once that is stored.
    pub cancelled: usize,
    /// Messages that stay, because they may have reached a server.
    pub too_late: usize,
}

/// Why a message is not cancelled.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CancelError {
    /// None is there.
    #[error("no message without a place has this number; /queue lists them")]
    NotThere,
    /// It has gone out.
    #[error(
        "it has been sent and may have its place already, so it cannot be cancelled; it is \
         committed or refused as soon as the server answers"
    )]
    TooLate,
}

impl CancelError {
    /// A short word for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotThere => "not-found",
            Self::TooLate => "too-late",
        }
    }
}

impl Conversation {
    /// Takes back messages that never went out.
    ///
    /// # Errors
    ///
    /// [`CancelError`], where one was meant that is not there or has gone out.
    pub fn cancel(&mut self, which: Cancel) -> Result<CancelReport, CancelError> {
        let done = self.outbox.cancel(which).ok_or(CancelError::NotThere)?;
        let report = CancelReport {
            cancelled: done.cancelled.len(),
            too_late: done.too_late,
        };
        if report.cancelled == 0 {
            return match which {
                Cancel::One(_) => Err(CancelError::TooLate),
                Cancel::All => Ok(report),
            };
        }
        self.summary.sent -= report.cancelled as u64;
        if self.is_live() {
            // The order has not seen the clocks of those taken back. Without a connection its clock
            // is not known, and the way in sets these.
            self.clock = self.outbox.set_clocks(self.head, false);
        }
        let cancelled = done.cancelled.into_iter();
        let cancelled =
            cancelled.map(|(name, number)| (u64::MAX, Event::Cancelled { name, number }));
        self.cancelled.extend(cancelled);
        self.requeue(done.moved);
        Ok(report)
    }

    /// Messages go by other names, which is told once it is stored.
    pub(super) fn requeue(&mut self, moved: Vec<(MessageName, MessageName)>) {
        let moved = moved.into_iter();
        let moved = moved.map(|(was, name)| (u64::MAX, Event::Requeued { was, name }));
        self.cancelled.extend(moved);
        self.keep_whole();
    }

    /// The newest message is to be stored.
    pub(super) fn keep_said(&mut self) {
        if self.keeper.is_broken() {
            self.keep_whole();
            return;
        }
        let live = self.is_live();
        let durable = self.keeper.is_durable();
        let Some(said) = self.outbox.newest_mut() else {
            return;
        };
        if !durable {
            said.queued = true;
            return;
        }
        said.marked = live;
        let ticket = self.keeper.give(Change::Said(kept(said)));
        (said.said, said.ready) = (ticket, ticket);
    }

    /// All is to be stored, in place of what was. Gives the number of that.
    pub(super) fn keep_whole(&mut self) -> u64 {
        if !self.keeper.is_durable() {
            self.tell_after(0);
            return 0;
        }
        let live = self.is_live();
        for said in self.outbox.said_mut() {
            said.marked = said.sent || live;
        }
        let ticket = self.keeper.give(Change::Whole(State {
            epoch: self.outbox.epoch(),
            last: self.outbox.last(),
            place: self.keeper.place(),
            messages: self.outbox.said().map(kept).collect(),
            elsewhere: Vec::new(),
        }));
        for said in self.outbox.said_mut() {
            said.ready = ticket;
            if !said.queued {
                said.said = ticket;
            }
        }
        self.tell_after(ticket);
        ticket
    }

    /// What was taken back or named otherwise is stored under this number.
    fn tell_after(&mut self, ticket: u64) {
        for (waits_for, _) in &mut self.cancelled {
            *waits_for = ticket;
        }
    }

    /// Messages go out from now on: that is stored first, for what may have reached a server
    /// cannot be cancelled.
    pub(super) fn mark_tried(&mut self) {
        if !self.keeper.is_durable() || self.outbox.said().all(|said| said.marked) {
            return;
        }
        if self.keeper.is_broken() {
            self.keep_whole();
            return;
        }
        let ticket = self.keeper.give(Change::Tried);
        for said in self.outbox.said_mut().filter(|said| !said.marked) {
            (said.marked, said.ready) = (true, ticket);
        }
    }

    /// Everything up to `upto` is on disk.
    pub(super) fn stored(&mut self, upto: u64, out: &mut Vec<Output>) {
        self.keeper.note_stored(upto);
        if self.phase == Phase::Over {
            return;
        }
        let stored = self.keeper.stored();
        for said in self.outbox.said_mut() {
            if !said.queued && said.said <= stored {
                said.queued = true;
                let (name, number) = (said.given, said.number);
                out.push(Output::Event(Event::Queued { name, number }));
            }
        }
        self.tell_cancelled(out);
    }

    fn tell_cancelled(&mut self, out: &mut Vec<Output>) {
        let stored = self.keeper.stored();
        let told = self
            .cancelled
            .extract_if(.., |(ticket, _)| *ticket <= stored);
        out.extend(told.map(|(_, event)| Output::Event(event)));
    }

    /// The disk said no: what its author does not know to be stored is refused, in words.
    pub(super) fn store_failed(
        &mut self,
        now: Instant,
        ticket: u64,
        text: String,
        out: &mut Vec<Output>,
    ) {
        if !self.keeper.note_failed(now, ticket) {
            return;
        }
        let told = !self.keeper.tell();
        let dropped = self.drop_unstored(&format!("{text}; this was not sent, say it again"), out);
        if dropped == 0 && !told {
            out.push(error("outbox", text, None));
        }
    }

    /// The file belongs to a newer client of the profile, and so does what is in it.
    pub(super) fn store_taken(&mut self, out: &mut Vec<Output>) {
        const TEXT: &str = "a newer client of the same profile has taken over the outbox, and sends what \
             is in it; close it, or use `--profile` to be somebody else";
        out.push(Output::Drop);
        self.drop_unstored(TEXT, out);
        let code = "taken-over".to_owned();
        let text = TEXT.to_owned();
        self.over(Ending::Refused { code, text }, out);
    }

    fn drop_unstored(&mut self, text: &str, out: &mut Vec<Output>) -> usize {
        let dropped = self.outbox.drop_unstored();
        self.summary.refused += dropped.len() as u64;
        let refused = |name: &MessageName| error("outbox", text.to_owned(), Some(*name));
        out.extend(dropped.iter().map(refused));
        self.clock = self.outbox.set_clocks(self.head, false).max(self.head);
        dropped.len()
    }

    /// The reader has this before his eyes.
    pub(super) fn written(&mut self, log: LogId, upto: Lamport) {
        let place = self.keeper.place();
        if log == place.log {
            let upto = upto.min(self.cursor.shown());
            let shown = place.shown.max(upto);
            self.keeper.set_place(Place { shown, ..place });
        }
    }

    /// The last word, when nothing follows: where the reader is.
    pub fn last_place(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.keeper.keep_place(now, true);
        let changes = self.keeper.take().into_iter();
        out.extend(changes.map(|(ticket, change)| Output::Store { ticket, change }));
    }

    /// What is to be stored now goes out.
    pub(super) fn keep(&mut self, now: Instant, out: &mut Vec<Output>) {
        let over = self.phase == Phase::Over;
        if !over && self.keeper.retry_at().is_some_and(|at| now >= at) {
            self.keep_whole();
        }
        self.keeper.keep_place(now, over);
        if !self.keeper.is_durable() {
            self.tell_cancelled(out);
        }
        let changes = self.keeper.take().into_iter();
        out.extend(changes.map(|(ticket, change)| Output::Store { ticket, change }));
    }

    /// Another life of the outbox: what is unsettled goes again, by other names.
    pub(super) fn renew_epoch(&mut self, now: Instant) {
        let next = (self.outbox.epoch().0 + 1).max(self.unix(now));
        let next = next.max(self.config.epoch.0.saturating_add(1));
        self.outbox.renew(Epoch(next));
        self.passing_over = false;
        self.keep_whole();
    }

    /// The server did not judge this message, because its disk was full for one before it.
    pub(super) fn pass_over(&mut self, now: Instant, name: MessageName) {
        self.outbox.pass_over(name);
        self.passed_over(now);
    }

    /// Once everything on its way has been answered, what was passed over goes again.
    pub(super) fn passed_over(&mut self, now: Instant) {
        if self.passing_over && self.outbox.is_passed_over() {
            self.clock = self.outbox.set_clocks(self.head, false);
            self.renew_epoch(now);
        }
    }

    /// The connection is another one: everything goes again.
    pub(super) fn rewind(&mut self, now: Instant) {
        self.outbox.rewind();
        if self.passing_over {
            self.renew_epoch(now);
        }
    }

    pub(super) const fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live { .. })
    }
}

pub(super) fn kept(said: &Said) -> Kept {
    Kept {
        given: said.given,
        submit: said.submit.clone(),
        tried: said.marked,
    }
}
