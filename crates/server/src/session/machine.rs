//! The states of a session. A connection is somebody only after its claim has its place in the
//! order; its deliveries begin there, and nothing it asks takes effect after its end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lamparina_order::{Action, Entry};
use lamparina_protocol::control::{CloseCode, Hello, Pace};
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::link::{CloseReason, Event, Input as LinkInput, Outgoing, Terms};
use lamparina_protocol::message::MESSAGE_BYTES_MAX;
use lamparina_protocol::seal::PublicKey;
use lamparina_protocol::{Instant, Lamport, LogId, MemberId, Nick, Prev, Term};
use lamparina_store::TermBegan;

use super::admission::{Admission, Pass, Verdict};
use super::bulk::{Texts, Upload};
use super::output::{Act, Logged, Output};
use super::reading::Reading;
use super::reason;
use crate::hub::{Ask, Asked, ConnectionId};
use crate::limits::{AuthorRates, Rates, TooMuch, What};
use crate::reading::ReadAnswer;

/// Time to claim a nick, from the opening of the link.
pub const NAME_WITHIN: Duration = Duration::from_secs(10);
/// Time for an orderly end, until it becomes an abrupt one.
pub const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// Answers of the session itself that may wait for a peer that does not read. With more it ends.
/// As many may come of what is read at once from a client that does read.
pub const OWN_WAITING_MAX: usize = 1_024;
/// Bytes of those answers.
pub const OWN_WAITING_BYTES_MAX: usize = 256 * 1024;

/// What a session is told at its beginning.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// The connection.
    pub id: ConnectionId,
    /// The log that this server orders.
    pub log: LogId,
    /// Its term.
    pub term: Term,
    /// All of its terms.
    pub terms: Arc<[TermBegan]>,
    /// There is a store to read from: [`Output::read`] is answered.
    pub store: bool,
    /// Clients may make their channel bad.
    pub lab: bool,
    /// Who may become a member.
    pub admission: Admission,
    /// Counts what its author asks; none where nothing is counted.
    pub rates: Option<Arc<Rates>>,
}

impl SessionConfig {
    /// A session of a server that keeps its order in memory alone, and leaves channels as they are.
    pub fn without_store(id: ConnectionId, log: LogId) -> Self {
        Self {
            id,
            log,
            term: Term(1),
            terms: Arc::default(),
            store: false,
            lab: false,
            admission: Admission::default(),
            rates: None,
        }
    }
}

/// What happens to a session.
#[derive(Clone, Debug)]
pub enum Input {
    /// The link says something.
    Link(Event),
    /// What was read.
    Read(ReadAnswer),
    /// What a client gave to be admitted was checked: the answer to [`Act::Check`].
    Checked(Verdict),
    /// Time has passed.
    Tick,
    /// Too many shake hands, and this one has taken longest.
    Crowded,
    /// The server is closing.
    Shutdown,
    /// The server's disk failed: nothing that was asked will be answered.
    Failed,
}

/// A place in the tail.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// Position of the batch.
    pub batch: u64,
    /// Index of the item in it.
    pub item: u32,
}

#[derive(Debug)]
pub(super) enum State {
    AwaitingHello,
    AwaitingNick(Hello),
    /// What it gave to be admitted is being checked.
    Checking(Hello),
    Entering(Hello),
    Live(Box<Live>),
    /// Saying goodbye.
    Closing {
        nick: Option<Nick>,
        reason: &'static str,
    },
    Over,
}

/// A session that has entered.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) hello: Hello,
    pub(super) nick: Nick,
    pub(super) member: MemberId,
    /// The message delivered last.
    pub(super) prev: Prev,
    /// No message up to this stamp is delivered.
    pub(super) low: Lamport,
    /// Before this place only messages concern it, and answers.
    pub(super) heed_from: Place,
    /// Before this place answers do not concern it either: it has had them.
    pub(super) answers_from: Place,
    /// Before this place events may follow a stamp before the one delivered last: it came from
    /// the store.
    pub(super) late_until: Place,
    /// The last stamp given before its member became one.
    pub(super) since: Lamport,
    /// Up to this stamp the tail may hold what is not for it: the end of its last ban.
    pub(super) back_since: Lamport,
    /// Deliveries not yet consumed.
    pub(super) unconsumed: u64,
    /// The last stamp consumed.
    pub(super) consumed: Lamport,
    /// Requests whose answers were taken from the tail.
    pub(super) answered: u32,
    /// Long texts on their way to the client.
    pub(super) texts: Texts,
}

/// One client's session.
#[derive(Debug)]
pub struct Session {
    pub(super) config: SessionConfig,
    pub(super) state: State,
    /// The next item to read.
    pub(super) place: Place,
    /// Nothing before the next ring concerns it.
    pub(super) caught_up: bool,
    /// Requests asked that are answered by an item each. Wraps, as does [`Live::answered`].
    asked: u32,
    /// What comes from the store, while anything does.
    pub(super) reading: Option<Box<Reading>>,
    /// The server is closing: nothing more is asked, what was asked is answered.
    pub(super) draining: bool,
    deadline: Option<Instant>,
    /// Counts what the author asks, from its first words on.
    rates: Option<AuthorRates>,
    /// The author has proved that it holds its key.
    proven: bool,
    /// The link speaks the BULK lane.
    pub(super) bulk: bool,
    /// What came of a message in two parts.
    pub(super) upload: Option<Box<Upload>>,
    /// Answers of the session itself; at most [`OWN_WAITING_MAX`].
    pub(super) own: VecDeque<Outgoing>,
    /// Bytes of these; at most [`OWN_WAITING_BYTES_MAX`].
    pub(super) own_bytes: usize,
    /// The bad channel in force.
    pub(super) channel: Option<Box<str>>,
    /// What its client gave to be admitted.
    pub(super) pass: Option<Box<Pass>>,
}

impl Session {
    /// A session whose client has not spoken. Until the link is open, the link keeps the time.
    pub fn new(config: SessionConfig) -> Self {
        Self {
            config,
            state: State::AwaitingHello,
            place: Place::default(),
            caught_up: true,
            asked: 0,
            reading: None,
            draining: false,
            deadline: None,
            rates: None,
            proven: false,
            bulk: false,
            upload: None,
            own: VecDeque::new(),
            own_bytes: 0,
            channel: None,
            pass: None,
        }
    }

    /// Applies one input. What is to be done is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Output) {
        match input {
            Input::Link(Event::Asked { terms }) => self.asked(now, terms, out),
            Input::Link(Event::Opened { words, peer, terms }) => {
                self.bulk = terms.bulk;
                self.opened(now, &words, peer, out);
            }
            // Only a client asks itself whom to trust.
            Input::Link(Event::Proven { .. }) => {}
            Input::Link(Event::Received { kind, body }) if !self.draining => {
                self.received(now, kind, body, out);
            }
            Input::Link(Event::Received { .. }) => {}
            Input::Link(Event::PeerClosing { .. }) => self.leave(now, "closed", out),
            Input::Link(Event::Closed(reason)) => self.closed(&reason, out),
            Input::Read(answer) => self.was_read(now, answer, out),
            Input::Checked(verdict) => self.checked(now, verdict, out),
            Input::Tick => self.tick(now, out),
            Input::Crowded => self.crowded(now, out),
            Input::Shutdown => self.shut_down(now, out),
            Input::Failed => self.failed(now, out),
        }
    }

    /// When to call again with [`Input::Tick`].
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// How fast an author may send: for the welcome.
    pub fn pace(&self) -> Pace {
        let rates = self.config.rates.as_ref();
        rates.map_or_else(Pace::default, |rates| rates.pace())
    }

    /// What is left of the burst now.
    pub(super) fn left(&self, now: Instant) -> u32 {
        self.rates.as_ref().map_or(0, |rates| rates.left(now))
    }

    /// Whether nothing follows.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// The batch at `position` is the first to concern it since the last call.
    pub fn touched(&mut self, position: u64) {
        // Before its claim nothing does.
        if self.caught_up && matches!(self.state, State::Entering(_) | State::Live(_)) {
            self.place = self.place.max(Place {
                batch: position,
                item: 0,
            });
            self.caught_up = false;
        }
    }

    fn asked(&mut self, now: Instant, terms: Terms, out: &mut Output) {
        if !matches!(self.state, State::AwaitingHello) {
            return; // A link asks once.
        }
        if (terms.message_bytes_max as usize) < MESSAGE_BYTES_MAX {
            let text = format!(
                "messages here have up to {MESSAGE_BYTES_MAX} bytes: offer at least as many"
            );
            return self.abort(now, CloseCode::BadTerms, &text, out);
        }
        if self.draining {
            return self.abort(now, CloseCode::ShuttingDown, SHUTTING_DOWN, out);
        }
        out.acts.push(Act::Welcome);
    }

    /// The link is open, and `peer` proved where it is a sealed one: only that key may be the author.
    fn opened(&mut self, now: Instant, hello: &[u8], peer: Option<PublicKey>, out: &mut Output) {
        if !matches!(self.state, State::AwaitingHello) {
            return; // A link opens once.
        }
        let Some(hello) = Hello::from_bytes(hello) else {
            let text =
                "the first words are not a client's: use lamparina-client, or see docs/protocol.md";
            return self.abort(now, CloseCode::BadControl, text, out);
        };
        if peer.is_some_and(|peer| peer.0 != hello.author.0) {
            let text = "the author in the first words is not the key that signed this handshake: \
                        say the key that you hold";
            return self.abort(now, CloseCode::Unproven, text, out);
        }
        self.proven = peer.is_some();
        if let Some(rates) = &self.config.rates {
            match rates.enter(hello.author, hello.epoch, now) {
                Ok(rates) => self.rates = Some(rates),
                Err(over) => {
                    return self.abort(now, CloseCode::Limit, &over.to_string(), out);
                }
            }
        }
        self.state = State::AwaitingNick(hello);
        self.deadline = Some(now + NAME_WITHIN);
    }

    /// Whether the author has proved that it holds its key: always on a sealed link.
    pub fn is_proven(&self) -> bool {
        self.proven
    }

    /// Counts something that the author asks.
    pub(super) fn count(&self, what: What, now: Instant) -> Result<(), TooMuch> {
        match &self.rates {
            Some(rates) => rates.take(what, now),
            None => Ok(()),
        }
    }

    fn crowded(&mut self, now: Instant, out: &mut Output) {
        if matches!(self.state, State::AwaitingHello | State::AwaitingNick(_)) {
            let text =
                "too many handshakes are under way, and this one has taken longest: connect again";
            self.abort(now, CloseCode::Limit, text, out);
        }
    }

    fn tick(&mut self, now: Instant, out: &mut Output) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        self.deadline = None;
        match self.state {
            State::Checking(_) => {
                let text = "what you gave could not be checked in 10 s: connect again in a while";
                self.abort(now, CloseCode::Limit, text, out);
            }
            State::AwaitingNick(_) => {
                let text = "no name was claimed in 10 s: connect again and claim one";
                self.abort(now, CloseCode::Timeout, text, out);
            }
            State::Closing { .. } => out.acts.push(Act::Link(LinkInput::Abort {
                code: CloseCode::Timeout,
                text: "goodbye was not answered".to_owned(),
            })),
            State::AwaitingHello | State::Entering(_) | State::Live(_) | State::Over => {}
        }
    }

    fn shut_down(&mut self, now: Instant, out: &mut Output) {
        if std::mem::replace(&mut self.draining, true) {
            return;
        }
        match self.state {
            State::AwaitingHello | State::AwaitingNick(_) | State::Checking(_) => {
                self.abort(now, CloseCode::ShuttingDown, SHUTTING_DOWN, out);
            }
            State::Entering(_) | State::Live(_) => self.ask(Ask::Barrier, out),
            State::Closing { .. } | State::Over => {}
        }
    }

    fn failed(&mut self, now: Instant, out: &mut Output) {
        if !matches!(self.state, State::Closing { .. } | State::Over) {
            let text = "the server's disk or a file on it failed it and it ends: what was not \
                        committed is sent again when it is back";
            self.abort(now, CloseCode::ShuttingDown, text, out);
        }
    }

    /// Everything asked before the server's end has been answered.
    pub(super) fn drained(&mut self, now: Instant, out: &mut Output) {
        let input = LinkInput::Close {
            code: CloseCode::ShuttingDown,
            text: SHUTTING_DOWN.to_owned(),
        };
        self.leave(now, reason::name(CloseCode::ShuttingDown), out);
        out.acts.push(Act::Link(input));
    }

    /// The peer, or its time, is at fault: ends at once, in words.
    pub(super) fn abort(&mut self, now: Instant, code: CloseCode, text: &str, out: &mut Output) {
        self.leave(now, reason::name(code), out);
        out.acts.push(Act::Link(LinkInput::Abort {
            code,
            text: text.to_owned(),
        }));
    }

    /// Ends the session in the order, if it had begun, and begins the end of the connection.
    pub(super) fn leave(&mut self, now: Instant, reason: &'static str, out: &mut Output) {
        let nick = match std::mem::replace(&mut self.state, State::Over) {
            State::AwaitingHello | State::AwaitingNick(_) | State::Checking(_) => None,
            State::Entering(hello) => {
                self.exit(&hello, out);
                None
            }
            State::Live(live) => {
                self.exit(&live.hello, out);
                Some(live.nick)
            }
            ended @ (State::Closing { .. } | State::Over) => {
                self.state = ended;
                return;
            }
        };
        self.state = State::Closing { nick, reason };
        (self.reading, self.rates, self.upload) = (None, None, None);
        self.deadline = Some(now + CLOSE_WITHIN);
    }

    fn closed(&mut self, why: &CloseReason, out: &mut Output) {
        // What the session itself decided names the reason; else the link does.
        self.leave(Instant::ZERO, reason::of(why), out);
        let State::Closing { nick, reason } = std::mem::replace(&mut self.state, State::Over)
        else {
            return;
        };
        self.deadline = None;
        (self.own, self.own_bytes) = (VecDeque::new(), 0);
        match (nick, why) {
            (Some(nick), _) => out
                .acts
                .push(Act::Log(Logged::Disconnected { nick, reason })),
            (None, CloseReason::ByUs { code, text }) => out.acts.push(Act::Log(Logged::Refused {
                nick: None,
                code: reason::name(*code),
                reason: text.clone(),
            })),
            // Nobody came and went.
            (None, _) => {}
        }
    }

    fn exit(&mut self, hello: &Hello, out: &mut Output) {
        // Nobody is told who goes when all go.
        if self.draining {
            return;
        }
        self.ask(self.entry(hello, Action::Exit), out);
    }

    pub(super) fn entry(&self, hello: &Hello, action: Action) -> Ask {
        Ask::Entry(Entry {
            author: hello.author,
            session: hello.session,
            action,
        })
    }

    pub(super) fn ask(&mut self, ask: Ask, out: &mut Output) {
        self.asked = self.asked.wrapping_add(u32::from(is_answered(&ask)));
        out.asked.push(Asked {
            by: self.config.id,
            ask,
        });
    }

    /// Queues an answer of the session itself.
    pub(super) fn answer(&mut self, now: Instant, kind: FrameType, body: Bytes, out: &mut Output) {
        let bytes = self.own_bytes + body.len();
        if self.own.len() >= OWN_WAITING_MAX || bytes > OWN_WAITING_BYTES_MAX {
            let text = "answers are not read: read what comes before asking more";
            return self.abort(now, CloseCode::TooSlow, text, out);
        }
        self.own_bytes = bytes;
        self.own.push_back(Outgoing::own(kind, body));
    }

    /// Whether an answer is still to come from the tail.
    pub(super) fn is_answer_due(&self) -> bool {
        let State::Live(live) = &self.state else {
            return true;
        };
        // Both wrap, and fewer than half of all numbers wait anywhere.
        self.asked.wrapping_sub(live.answered).cast_signed() > 0
    }

    /// The name held, once there is one.
    pub(super) fn nick(&self) -> Option<&Nick> {
        match &self.state {
            State::Live(live) => Some(&live.nick),
            State::Closing { nick, .. } => nick.as_ref(),
            _ => None,
        }
    }

    /// The claim is on its way into the order.
    pub(super) fn claiming(&mut self, hello: Hello) {
        self.state = State::Entering(hello);
        self.deadline = None;
    }
}

/// Whether a request is answered to its client, by exactly one item.
fn is_answered(ask: &Ask) -> bool {
    match ask {
        Ask::Entry(entry) => !entry.action.claims() && entry.action != Action::Exit,
        Ask::List => true,
        Ask::Consumed { .. } | Ask::Barrier | Ask::Confirm { .. } | Ask::Operate { .. } => false,
    }
}

const SHUTTING_DOWN: &str = "the server is closing: connect again in a while; what was not \
                             committed is sent again then";
