//! The outbox belongs to the log, not to the address: once a server has said which log it orders,
//! that log's outbox is in use, and what waits for another log stays where it is until its author
//! says what shall become of it.

use lamparina_protocol::control::Welcome;
use lamparina_protocol::{Epoch, Instant, LogId, Pseq};

use super::{Conversation, Output, Phase, SayError};
use crate::core::consumed::Consumed;
use crate::core::cursor::Cursor;
use crate::core::event::Event;
use crate::core::keep::{Change, Elsewhere, Kept, Place, State};
use crate::core::outbox::OUTBOX_MAX;

impl Conversation {
    /// The server orders another log than the outbox in use is for, or that is not known yet.
    pub(super) fn switch(&mut self, now: Instant, welcome: Welcome, out: &mut Vec<Output>) {
        self.welcome = Some(welcome);
        let next = (self.outbox.epoch().0 + 1).max(self.unix(now));
        let epoch = Epoch(next.max(self.config.epoch.0.saturating_add(1)));
        // What was given to the disk before goes into the outbox before.
        self.keep(now, out);
        out.push(Output::Switch {
            log: welcome.log,
            epoch,
        });
    }

    /// The disk has the log's outbox in use. The first words named another one, unless it is the
    /// same: then they are said again.
    pub(super) fn switched(
        &mut self,
        now: Instant,
        read: Result<State, String>,
        out: &mut Vec<Output>,
    ) {
        let Some(welcome) = self.welcome.take() else {
            return;
        };
        let state = match read {
            Ok(state) => state,
            Err(text) => {
                out.push(Output::Drop);
                return self.lost(now, text, out);
            }
        };
        let was_new = self.cursor.log() == LogId::default();
        let same = state.epoch == self.outbox.epoch();
        self.count(was_new || same, state.messages.len());
        self.take_outbox(&state, out);
        self.elsewhere = state.elsewhere;
        let place = Place {
            log: welcome.log,
            ..state.place
        };
        self.keeper.switched(place);
        // The link may be over by now; what the disk has in use holds all the same.
        let connecting = self.phase == Phase::Connecting;
        if same {
            self.cursor.enter_log(welcome.log);
            if connecting {
                self.let_in(now, welcome);
            }
            return;
        }
        self.cursor = Cursor::at(place);
        self.consumed = Consumed::default();
        self.consumed.note(place.shown, 0);
        self.head = welcome.clock;
        self.clock = self
            .outbox
            .set_clocks(welcome.clock, false)
            .max(place.shown);
        if !was_new {
            self.join_again();
            out.push(Output::Event(Event::NewLog {
                log: welcome.log,
                epoch: self.outbox.epoch(),
                again: self.outbox.messages() as u64,
                kept: self.elsewhere.len() as u64,
            }));
        }
        if connecting {
            out.push(Output::Drop);
            self.connect(now, out);
        }
    }

    /// Keeps the sum right: what was said here is in `found` too, or is left behind.
    fn count(&mut self, along: bool, found: usize) {
        let (here, found) = (self.outbox.messages() as u64, found as u64);
        if along {
            self.summary.sent += found.saturating_sub(here);
            return;
        }
        let back = found.min(self.left_behind);
        self.left_behind = self.left_behind - back + here;
        self.summary.sent += found - back;
    }

    /// What was given to the disk before the switch is stored now.
    fn take_outbox(&mut self, state: &State, out: &mut Vec<Output>) {
        for said in self.outbox.said_mut().filter(|said| !said.queued) {
            let (name, number) = (said.given, said.number);
            out.push(Output::Event(Event::Queued { name, number }));
        }
        let (epoch, last) = (state.epoch, state.last);
        self.outbox.replace(epoch, last, state.messages.clone());
    }

    /// Sends here what waits for another log, as far as there is room. Gives how many, and how many
    /// are left.
    ///
    /// # Errors
    ///
    /// [`SayError::Over`]; [`SayError::Full`] also while the disk says no.
    pub fn adopt(&mut self) -> Result<(usize, usize), SayError> {
        self.may_take()?;
        if self.keeper.is_broken() {
            return Err(SayError::Full);
        }
        let room = OUTBOX_MAX.saturating_sub(self.outbox.len());
        let room = room.min(self.elsewhere.len());
        let taken: Vec<_> = self.elsewhere.drain(..room).collect();
        let from = Self::places(&taken);
        for Elsewhere { kept, .. } in taken {
            self.clock = self.clock.tick().unwrap_or(self.clock);
            let mut submit = kept.submit;
            (submit.clock, submit.seen) = (self.clock, self.consumed.upto());
            self.outbox.adopt(kept.given, submit);
        }
        // Those of this run are counted already.
        let counted = self.left_behind.min(room as u64);
        self.left_behind -= counted;
        self.summary.sent += room as u64 - counted;
        self.keep_adopted(from);
        Ok((room, self.elsewhere.len()))
    }

    /// Forgets what waits for another log. Gives how many that were.
    ///
    /// # Errors
    ///
    /// As [`Self::adopt`].
    pub fn forget_elsewhere(&mut self) -> Result<usize, SayError> {
        self.may_take()?;
        if self.keeper.is_broken() {
            return Err(SayError::Full);
        }
        let taken = std::mem::take(&mut self.elsewhere);
        let from = Self::places(&taken);
        let count = taken.len();
        let counted = self.left_behind.min(count as u64);
        self.left_behind -= counted;
        self.summary.sent -= counted;
        let kept = Vec::new();
        self.keeper.give(Change::Adopted { from, kept });
        Ok(count)
    }

    fn places(taken: &[Elsewhere]) -> Vec<(i64, Pseq)> {
        let place = |one: &Elsewhere| (one.outbox, one.kept.submit.pseq);
        taken.iter().map(place).collect()
    }

    /// The newest messages are to be stored, in place of those that they were.
    fn keep_adopted(&mut self, from: Vec<(i64, Pseq)>) {
        let live = self.is_live();
        let before = self.outbox.messages().saturating_sub(from.len());
        let kept: Vec<Kept> = self
            .outbox
            .said_mut()
            .skip(before)
            .map(|said| {
                said.marked = live;
                super::keeping::kept(said)
            })
            .collect();
        if kept.is_empty() {
            return;
        }
        let ticket = self.keeper.give(Change::Adopted { from, kept });
        for said in self.outbox.said_mut().skip(before) {
            (said.said, said.ready) = (ticket, ticket);
        }
    }
}
