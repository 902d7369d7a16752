//! Connections begin and end, and so does the conversation: what is tried again, when, and what
//! is final.

use std::collections::VecDeque;

use lamparina_protocol::control::{CloseCode, Hello, Welcome};
use lamparina_protocol::link::CloseReason;
use lamparina_protocol::{Instant, SessionNumber};

use super::{
    ANSWERS_WITHIN, Closing, Conversation, ENTER_WITHIN, FAULTS_MAX, FIRST_ATTEMPTS_MAX,
    LEAVE_WITHIN, Output, Outward, Phase, STEADY_AFTER,
};
use crate::core::event::{Ending, Event, Summary};
use crate::core::keep::Place;
use crate::core::outbox::Ask;
use crate::core::verdict::{self, Verdict};

impl Conversation {
    /// Asks for a connection.
    pub(super) fn connect(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.phase = Phase::Connecting;
        self.parting = None;
        self.behind_text = None;
        self.forget_parted();
        self.attempts = self.attempts.saturating_add(1);
        self.away_since.get_or_insert(now);
        self.session = SessionNumber((self.session.0 + 1).max(self.unix(now)));
        out.push(Output::Connect(Hello {
            author: self.config.author,
            epoch: self.outbox.epoch(),
            session: self.session,
            log: self.cursor.log(),
            term: self.cursor.term(),
            cursor: self.cursor.shown(),
        }));
    }

    pub(super) fn connect_failed(&mut self, now: Instant, text: String, out: &mut Vec<Output>) {
        if self.phase != Phase::Connecting {
            return;
        }
        if self.ever_entered || self.config.retry_first {
            self.lost(now, text, out);
        } else {
            self.over(Ending::CannotReach { text }, out);
        }
    }

    /// The link is open: asks to be let in, unless this is another log than before.
    pub(super) fn opened(&mut self, now: Instant, welcome: Welcome, out: &mut Vec<Output>) {
        if self.phase != Phase::Connecting {
            return;
        }
        if self.keeper.is_durable() && self.cursor.log() != welcome.log {
            return self.switch(now, welcome, out);
        }
        if self.cursor.enter_log(welcome.log) {
            // The first words named an epoch of the other log; the order takes it from them.
            self.begin_again(now, welcome, out);
            return;
        }
        self.let_in(now, welcome);
    }

    /// This is the log that the first words named: asks to be let in.
    pub(super) fn let_in(&mut self, now: Instant, welcome: Welcome) {
        self.pace.begin(welcome.pace);
        (self.term, self.head) = (welcome.term, welcome.clock);
        self.clock = self.clock.max(welcome.clock);
        self.entering_as = self.outbox.rename_under_way().unwrap_or(&self.nick).clone();
        self.giving = match self.ever_entered {
            true => VecDeque::new(),
            false => self.config.pass.messages().collect(),
        };
        self.rewind(now);
        self.phase = Phase::Entering {
            asked: false,
            by: now + ENTER_WITHIN,
        };
    }

    fn begin_again(&mut self, now: Instant, welcome: Welcome, out: &mut Vec<Output>) {
        self.consumed.forget();
        self.outbox.rewind();
        self.head = welcome.clock;
        self.keeper.set_place(Place {
            log: welcome.log,
            ..Place::default()
        });
        self.join_again();
        self.clock = self.outbox.set_clocks(welcome.clock, true);
        self.renew_epoch(now);
        out.push(Output::Event(Event::NewLog {
            log: welcome.log,
            epoch: self.outbox.epoch(),
            again: self.outbox.messages() as u64,
            kept: 0,
        }));
        out.push(Output::Drop);
        self.connect(now, out);
    }

    /// Another order knows nothing of the rooms; what is said there goes behind the way in.
    pub(super) fn join_again(&mut self) {
        for room in self.rooms.iter().rev() {
            self.outbox.ask_first(Ask::Join(room.clone()));
        }
    }

    /// The link is over.
    pub(super) fn closed(&mut self, now: Instant, reason: CloseReason, out: &mut Vec<Output>) {
        match self.phase {
            Phase::Leaving { .. } => return self.left(out),
            Phase::Connecting | Phase::Entering { .. } | Phase::Live { .. } => {}
            Phase::Idle | Phase::Waiting { .. } | Phase::Over => return,
        }
        let damaged =
            matches!(&reason, CloseReason::ByUs { code, .. } if *code == CloseCode::Damaged);
        let parting = self.parting.take();
        if let CloseReason::Unproven { code, text } = reason {
            return self.not_proved(now, code, text, out);
        }
        match verdict::judge(reason, parting) {
            Verdict::Retry(text) => {
                let may_retry = damaged && self.attempts < FIRST_ATTEMPTS_MAX;
                if self.ever_entered || self.config.retry_first || may_retry {
                    self.lost(now, text, out);
                } else {
                    self.over(Ending::CannotReach { text }, out);
                }
            }
            Verdict::Later(_, text) if self.ever_entered || self.config.retry_first => {
                self.lost(now, text, out);
            }
            Verdict::Later(code, text) => {
                let code = code.to_owned();
                self.over(Ending::Refused { code, text }, out);
            }
            Verdict::Fault(text) => self.fault(now, text, out),
            Verdict::Nick(text) => self.nick_refused(now, text, out),
            Verdict::Refused(code, text) => {
                let code = code.to_owned();
                self.over(Ending::Refused { code, text }, out);
            }
        }
    }

    /// An attempt failed before anybody had proved anything. Whoever has been let in before comes
    /// again, whatever was said: it may be somebody on the way who said it.
    fn not_proved(&mut self, now: Instant, code: u16, text: String, out: &mut Vec<Output>) {
        let damaged = code == CloseCode::Damaged.number() && self.attempts < FIRST_ATTEMPTS_MAX;
        if self.ever_entered || self.config.retry_first || damaged {
            let text = format!("no sealed link came about: {text}");
            return self.lost(now, text, out);
        }
        match verdict::of_unproven(code, text) {
            Verdict::Refused(code, text) => {
                let code = code.to_owned();
                self.over(Ending::Refused { code, text }, out);
            }
            Verdict::Retry(text)
            | Verdict::Later(_, text)
            | Verdict::Fault(text)
            | Verdict::Nick(text) => {
                self.over(Ending::CannotReach { text }, out);
            }
        }
    }

    /// The name with which we came in cannot be had: back to the one held, where there is one.
    pub(super) fn nick_refused(&mut self, now: Instant, text: String, out: &mut Vec<Output>) {
        if self.entering_as == self.nick {
            let code = "nick-taken".to_owned();
            // Nobody is left to type the order's first advice.
            let text = text.replace("/nick NAME or --name", "--name");
            return self.over(Ending::Refused { code, text }, out);
        }
        let wanted = self.entering_as.clone();
        self.outbox
            .forget(|ask| *ask == Ask::Rename(wanted.clone()));
        out.push(super::receiving::error("nick-taken", text.clone(), None));
        self.lost(now, text, out);
    }

    /// Somebody's bug; a new connection may cure it, but not for ever.
    pub(super) fn fault(&mut self, now: Instant, text: String, out: &mut Vec<Output>) {
        self.faults += 1;
        if self.faults > FAULTS_MAX {
            self.over(Ending::Failed { text }, out);
        } else {
            self.lost(now, text, out);
        }
    }

    /// No connection for now. Everything unsettled goes again with the next one.
    pub(super) fn lost(&mut self, now: Instant, reason: String, out: &mut Vec<Output>) {
        if let Phase::Live { since } = self.phase
            && now.saturating_since(since) >= STEADY_AFTER
        {
            self.backoff.reset();
            self.faults = 0;
        }
        self.present.clear();
        self.catching_up = None;
        self.away_since.get_or_insert(now);
        if !self.config.reconnect {
            // The server's advice is for those who come back.
            let what = reason.split_once(": connect again");
            let what = what.map_or(reason.as_str(), |(what, _)| what);
            let text = format!("{what}; this client was asked not to connect again");
            return self.over(Ending::GaveUp { text }, out);
        }
        let retry = self.backoff.next_wait();
        self.phase = Phase::Waiting { until: now + retry };
        let retry = Some(retry);
        out.push(Output::Event(Event::Disconnected { reason, retry }));
    }

    /// A new connection now, whatever there is.
    pub(super) fn reconnect(&mut self, now: Instant, out: &mut Vec<Output>) {
        match self.phase {
            Phase::Waiting { .. } => {}
            Phase::Entering { .. } | Phase::Live { .. } => out.push(Output::Drop),
            Phase::Idle | Phase::Connecting | Phase::Leaving { .. } | Phase::Over => return,
        }
        self.reconnects += 1;
        self.connect(now, out);
    }

    pub(super) fn close(&mut self, now: Instant, within: Option<std::time::Duration>) {
        let by = within.map(|within| now + within);
        let closing = self.closing.unwrap_or_default();
        self.closing = Some(Closing { by, ..closing });
    }

    /// Whether it is time to say goodbye: asked for, and everything settled or given up.
    pub(super) fn may_leave(&self, now: Instant) -> bool {
        let Some(closing) = self.closing else {
            return false;
        };
        let over = |by: Option<Instant>| by.is_some_and(|by| now >= by);
        let settled = self.outbox.is_empty() && self.cancelled.is_empty();
        settled || over(closing.by) || over(closing.answers_by)
    }

    pub(super) fn leave(&mut self, now: Instant) -> Outward {
        self.phase = Phase::Leaving {
            by: now + LEAVE_WITHIN,
        };
        Outward::Goodbye
    }

    pub(super) fn tick_closing(&mut self, now: Instant, out: &mut Vec<Output>) {
        let (messages, left) = (self.outbox.messages(), self.outbox.len());
        if let Some(closing) = &mut self.closing
            && messages == 0
            && (closing.answers_by.is_none() || closing.left != left)
        {
            (closing.answers_by, closing.left) = (Some(now + ANSWERS_WITHIN), left);
        }
        if !self.may_leave(now) {
            return;
        }
        match self.phase {
            // The goodbye is pulled, behind what is still to be sent.
            Phase::Live { .. } | Phase::Leaving { .. } | Phase::Over => {}
            Phase::Idle | Phase::Waiting { .. } => self.left(out),
            Phase::Connecting | Phase::Entering { .. } => {
                out.push(Output::Drop);
                self.left(out);
            }
        }
    }

    pub(super) fn tick_away(&mut self, now: Instant, out: &mut Vec<Output>) {
        let Some(at) = self.gives_up_at() else {
            return;
        };
        if now < at {
            return;
        }
        if !matches!(self.phase, Phase::Waiting { .. }) {
            out.push(Output::Drop);
        }
        let seconds = self.config.give_up_after.unwrap_or_default().as_secs();
        let text = format!("no connection to {} for {seconds} s", self.config.server);
        self.over(Ending::GaveUp { text }, out);
    }

    pub(super) fn gives_up_at(&self) -> Option<Instant> {
        match self.phase {
            Phase::Connecting | Phase::Entering { .. } | Phase::Waiting { .. } => {
                Some(self.away_since? + self.config.give_up_after?)
            }
            Phase::Idle | Phase::Live { .. } | Phase::Leaving { .. } | Phase::Over => None,
        }
    }

    pub(super) fn left(&mut self, out: &mut Vec<Output>) {
        let unanswered = self.outbox.len() - self.outbox.messages();
        if unanswered > 0 {
            let text = format!(
                "{unanswered} of what was asked got no answer in time; ask again when the \
                 server is there"
            );
            out.push(super::receiving::error("unanswered", text, None));
        }
        self.over(Ending::Left, out);
    }

    /// The end. What is unsettled stays counted as pending.
    pub(super) fn over(&mut self, ending: Ending, out: &mut Vec<Output>) {
        let was_live = matches!(self.phase, Phase::Live { .. });
        self.phase = Phase::Over;
        if let Some((code, text)) = ending.error() {
            if was_live {
                let (reason, retry) = (text.to_owned(), None);
                out.push(Output::Event(Event::Disconnected { reason, retry }));
            }
            out.push(super::receiving::error(code, text.to_owned(), None));
        }
        out.push(Output::Event(Event::Closed {
            summary: self.summary(),
            ending,
        }));
    }

    /// What became of the messages so far.
    pub fn summary(&self) -> Summary {
        Summary {
            pending: self.outbox.messages() as u64 + self.left_behind,
            ..self.summary
        }
    }
}
