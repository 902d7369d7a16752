//! The tail becomes frames to one client: each message that reaches its member, once, in order,
//! with the stamp of the one before. The inner loop is what a server spends its time in.

use lamparina_protocol::control::CloseCode;
use lamparina_protocol::frame::{FrameType, SharedBody};
use lamparina_protocol::link::{Input as LinkInput, SendError};
use lamparina_protocol::message::{RefusalCode, ToClient};
use lamparina_protocol::{Instant, Lamport, MemberId, Prev, codec};

use super::bulk::Texts;
use super::machine::{Live, Place, Session, State};
use super::output::{Act, Logged, Output};
use super::reason;
use super::resume::{Source, resume};
use crate::hub::{Batch, Entered, Item, Note, Reaching, What, Words};
use crate::tail::{Read, Tail};

/// Takes messages for the client.
pub trait Outbox {
    /// Whether the client keeps up. Asked before each batch.
    fn has_room(&self) -> bool;

    /// Whether the BULK lane is spoken and takes a text.
    fn has_room_bulk(&self) -> bool;

    /// Takes one message; `tail` is its last eight bytes, where it is a delivery.
    ///
    /// # Errors
    ///
    /// As [`lamparina_protocol::link::Link::send`].
    fn send(
        &mut self,
        kind: FrameType,
        body: &SharedBody,
        tail: Option<[u8; 8]>,
    ) -> Result<(), SendError>;
}

/// How far a session came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Followed {
    /// Nothing more before the next ring.
    CaughtUp,
    /// The client must read first.
    Full,
}

/// How reading a batch ended.
enum Step {
    /// At its end.
    End,
    /// At a note; the place is behind it.
    Note(Note),
    /// The message at the place was not taken.
    NotTaken(SendError),
}

impl Session {
    /// Sends what there is for this client, as far as it takes it.
    pub fn follow(
        &mut self,
        now: Instant,
        tail: &Tail,
        outbox: &mut impl Outbox,
        out: &mut Output,
    ) -> Followed {
        loop {
            if let Err(error) = self.send_own(outbox) {
                return self.not_taken(now, error, out);
            }
            if let State::Live(live) = &mut self.state
                && let Err(error) = live.texts.flush(outbox)
            {
                return self.not_taken(now, error, out);
            }
            if self.reading.is_some()
                && let Some(followed) = self.serve(now, tail, outbox, out)
            {
                return followed;
            }
            if self.caught_up || !matches!(self.state, State::Entering(_) | State::Live(_)) {
                return Followed::CaughtUp;
            }
            if !outbox.has_room() {
                return self.full(now, tail, out);
            }
            let batch = match tail.at(self.place.batch) {
                Read::Batch(batch) => batch,
                Read::NotYet => {
                    self.caught_up = true;
                    return Followed::CaughtUp;
                }
                Read::Gone => {
                    self.fell_off(now, tail, out);
                    continue;
                }
            };
            let read = self.read(&batch, outbox, out);
            match read {
                Step::End => {
                    self.place = Place {
                        batch: self.place.batch + 1,
                        item: 0,
                    };
                }
                Step::Note(note) => self.note(now, note, tail, out),
                Step::NotTaken(SendError::Full) => return self.full(now, tail, out),
                Step::NotTaken(error) => return self.not_taken(now, error, out),
            }
        }
    }

    fn send_own(&mut self, outbox: &mut impl Outbox) -> Result<(), SendError> {
        while let Some(first) = self.own.front() {
            outbox.send(first.kind, &first.body, first.tail)?;
            self.own_bytes -= first.body.bytes().len();
            self.own.pop_front();
            if self.own.is_empty() {
                self.own = std::collections::VecDeque::new();
            }
        }
        Ok(())
    }

    /// The client does not keep up. Its place may be lost meanwhile.
    pub(super) fn full(&mut self, now: Instant, tail: &Tail, out: &mut Output) -> Followed {
        if tail.is_gone(self.place.batch) {
            self.fell_off(now, tail, out);
        }
        Followed::Full
    }

    pub(super) fn not_taken(
        &mut self,
        now: Instant,
        error: SendError,
        out: &mut Output,
    ) -> Followed {
        match error {
            // A link that is not open says itself why.
            SendError::Full | SendError::NotOpen => {}
            SendError::TooLong | SendError::NotSequenced | SendError::NotSpoken => {
                let text = "a message is longer than this client accepts: offer longer messages";
                self.abort(now, CloseCode::BadTerms, text, out);
            }
        }
        Followed::Full
    }

    /// Sends the items of `batch` from the place on.
    fn read(&mut self, batch: &Batch, outbox: &mut impl Outbox, out: &mut Output) -> Step {
        let mut own = Vec::new();
        let member = match &self.state {
            State::Live(live) => Some(live.member),
            _ => None,
        };
        let reaching = batch.reaching(self.config.id, member, self.place.item, &mut own);
        match &mut self.state {
            State::Live(live) => live.read(batch, reaching, &mut self.place, outbox, out),
            // Before the entry there are only answers to the claim.
            _ => {
                for index in reaching {
                    if let Some(What::Note(note)) = batch.items.get(index as usize).map(what) {
                        self.place.item = index + 1;
                        return Step::Note((**note).clone());
                    }
                }
                Step::End
            }
        }
    }

    pub(super) fn note(&mut self, now: Instant, note: Note, tail: &Tail, out: &mut Output) {
        match note {
            Note::Entered(entered) => self.entered(now, entered, tail, out),
            Note::ClaimRefused(words) => self.claim_refused(now, &words, out),
            Note::TakenOver => {
                let text = "a newer session of this profile has taken over: go on there";
                self.leave(now, reason::name(CloseCode::TakenOver), out);
                out.acts.push(Act::Link(LinkInput::Close {
                    code: CloseCode::TakenOver,
                    text: text.to_owned(),
                }));
            }
            Note::Ended(why) => {
                let (code, text) = *why;
                self.abort(now, code, &text, out);
            }
            Note::Confirmed => {}
            Note::Barrier => self.drained(now, out),
        }
    }

    fn claim_refused(&mut self, now: Instant, words: &Words, out: &mut Output) {
        let code = match words.code {
            // A newer outbox is the trace of a newer session.
            RefusalCode::TakenOver | RefusalCode::StaleEpoch => CloseCode::TakenOver,
            RefusalCode::Limit => CloseCode::Limit,
            RefusalCode::Banned => CloseCode::Banned,
            RefusalCode::NotAdmitted => CloseCode::NotAdmitted,
            // Not for ever: the client tries again by itself.
            RefusalCode::StorageFull => CloseCode::StorageFull,
            _ => CloseCode::Nick,
        };
        let text = match words.code {
            RefusalCode::NotAdmitted => self.why_not_admitted(&words.text),
            _ => words.text.clone(),
        };
        self.abort(now, code, &text, out);
    }

    fn entered(&mut self, now: Instant, entered: Entered, tail: &Tail, out: &mut Output) {
        let State::Entering(hello) = &self.state else {
            return;
        };
        let hello = *hello;
        self.pass = None;
        let resume = resume(&entered, &hello, &self.config, |low| tail.start_after(low));
        let here = self.place;
        match resume.source {
            Some(Source::Tail(batch)) => self.place = Place { batch, item: 0 }.min(here),
            Some(Source::Store) => self.catch_up_after(resume.low),
            None => {}
        }
        out.acts.push(Act::Log(Logged::Connected {
            nick: entered.nick.clone(),
            session: hello.session,
        }));
        self.state = State::Live(Box::new(Live {
            hello,
            nick: entered.nick.clone(),
            member: entered.member,
            prev: Prev(resume.resumed),
            low: resume.low,
            heed_from: here,
            answers_from: here,
            late_until: Place::default(),
            since: entered.since,
            back_since: entered.back_since,
            unconsumed: 0,
            consumed: resume.resumed,
            answered: 0,
            texts: Texts::new(self.bulk),
        }));
        let answer = ToClient::Entered {
            nick: entered.nick,
            member: entered.member,
            clock: entered.clock,
            settled: entered.settled,
            resumed: resume.resumed,
            gap: resume.gap,
            newest: entered.last_addressed,
            rewound: resume.rewound,
            same: resume.same,
            left: self.left(now),
        };
        if let Ok(body) = codec::encode(&answer) {
            self.answer(now, FrameType::Data, body, out);
        }
        if entered.new_member {
            self.show_newcomer(entered.since);
        }
    }
}

impl Live {
    /// Sends the items at `reaching`; stops at a note and at what is not taken.
    fn read(
        &mut self,
        batch: &Batch,
        reaching: Reaching<'_>,
        place: &mut Place,
        outbox: &mut impl Outbox,
        out: &mut Output,
    ) -> Step {
        for index in reaching {
            let Some(item) = batch.items.get(index as usize) else {
                continue;
            };
            let sent = match &item.what {
                What::Message { stamp, author } => {
                    if *author == self.member || *stamp <= self.low {
                        continue;
                    }
                    let (tail, parted) = (self.prev.to_bytes(), item.parted.as_deref());
                    let texts = &mut self.texts;
                    let sent = texts.send(item.kind, &item.body, parted, tail, outbox);
                    sent.map(|()| {
                        self.prev = Prev(*stamp);
                        self.unconsumed += 1;
                    })
                }
                other => {
                    let here = Place {
                        batch: place.batch,
                        item: index,
                    };
                    if !self.heeds(here, other) {
                        continue;
                    }
                    if let What::Note(note) = other {
                        place.item = index + 1;
                        return Step::Note((**note).clone());
                    }
                    let late = here < self.late_until;
                    self.send_other(item, late, outbox, out)
                }
            };
            if let Err(error) = sent {
                place.item = index;
                return Step::NotTaken(error);
            }
        }
        Step::End
    }

    fn heeds(&self, here: Place, what: &What) -> bool {
        if is_answer(what, self.member) {
            return here >= self.answers_from;
        }
        let excepted = matches!(what, What::Event { except } if *except == Some(self.member));
        here >= self.heed_from && !excepted
    }

    /// Events and answers.
    fn send_other(
        &mut self,
        item: &Item,
        late: bool,
        outbox: &mut impl Outbox,
        out: &mut Output,
    ) -> Result<(), SendError> {
        let raised = late.then(|| not_before(item, self.prev.0)).flatten();
        outbox.send(item.kind, raised.as_ref().unwrap_or(&item.body), None)?;
        self.taken(&item.what);
        if let What::Refusal(words) = &item.what {
            self.log_refusal(words, out);
        }
        Ok(())
    }

    /// An event or answer for the client has been taken from the tail.
    pub(super) fn taken(&mut self, what: &What) {
        if is_answer(what, self.member) {
            self.answered = self.answered.wrapping_add(1);
        }
        if let What::Renamed(renamed) = what
            && renamed.0 == self.member
        {
            self.nick = renamed.1.clone();
        }
    }

    pub(super) fn log_refusal(&self, words: &Words, out: &mut Output) {
        let act = Logged::refused(Some(&self.nick), words.code, &words.text);
        out.acts.push(act);
    }
}

/// Whether an item that reaches a member's connection is for the session alone, or answers it.
pub(super) fn is_answer(what: &What, member: MemberId) -> bool {
    match what {
        What::Reply | What::Refusal(_) | What::Note(_) => true,
        What::Done { by } => *by == member,
        What::Renamed(renamed) => renamed.0 == member,
        What::Message { .. } | What::Event { .. } => false,
    }
}

/// An event told late, behind messages that came from the store: what it follows is the last of
/// them. `None` where it follows a later one anyway.
fn not_before(item: &Item, delivered: Lamport) -> Option<SharedBody> {
    let mut event: ToClient = codec::decode(item.body.bytes()).ok()?;
    let (ToClient::Joined { after, .. }
    | ToClient::Left { after, .. }
    | ToClient::Renamed { after, .. }
    | ToClient::RoomJoined { after, .. }
    | ToClient::RoomLeft { after, .. }) = &mut event
    else {
        return None;
    };
    if *after >= delivered {
        return None;
    }
    *after = delivered;
    codec::encode(&event).ok().map(SharedBody::new)
}

fn what(item: &Item) -> &What {
    &item.what
}
