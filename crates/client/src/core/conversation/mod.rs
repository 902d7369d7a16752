//! One author's talk with a server, across any number of connections. Keeps these:
//!
//! - every message said is settled once: committed, refused in words, or counted as pending;
//! - messages go out in the order in which they were said, also when they go again, and none
//!   before it is stored;
//! - the clock takes the maximum on every delivery and commit, and ticks only for a message;
//! - what is shown is one order: no stamp twice, none out of turn, no silent gap.
//!
//! In: the connection's events, a person's requests, time. Out: when to connect, what to send
//! (pulled by the shell while the link has room), what to tell.

mod answers;
mod catching_up;
mod ending;
mod keeping;
mod parted;
mod presence;
mod receiving;
mod sending;
mod status;
mod switching;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::control::{Hello, Welcome};
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::link::CloseReason;
use lamparina_protocol::message::ToServer;
use lamparina_protocol::{
    AuthorKey, Epoch, Instant, Lamport, LogId, MemberId, Nick, RoomName, SessionNumber, Term,
    UnixMicros,
};

use super::backoff::Backoff;
use super::consumed::Consumed;
use super::cursor::Cursor;
use super::event::{Ending, Event, MessageName, Summary};
use super::keep::{Change, Elsewhere, Keeper, State};
use super::outbox::Outbox;
use super::pace::Pace;
use super::pass::Pass;
use catching_up::CatchingUp;
pub use keeping::{CancelError, CancelReport};
pub use parted::PARTED_WAITING_BYTES_MAX;
use parted::Parted;
pub use sending::SayError;
pub use status::{QUEUE_SHOWN_MAX, QUEUE_TEXT_MAX, QueueLine, Status};

/// The server has this long to let us in once the link is open.
pub const ENTER_WITHIN: Duration = Duration::from_secs(10);
/// A connection that held this long makes back-off and faults begin anew.
pub const STEADY_AFTER: Duration = Duration::from_secs(5);
/// Goodbye takes this long, at most.
pub const LEAVE_WITHIN: Duration = Duration::from_secs(5);
/// On leaving, the next answer to requests other than messages is waited for this long.
pub const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// Faults in a row (ours, the server's) after which trying again is no use.
pub const FAULTS_MAX: u32 = 3;
/// Attempts at a first connection that the channel damages.
pub const FIRST_ATTEMPTS_MAX: u32 = 4;
/// Names kept of those present, at most; more are counted by the server only.
pub const PRESENT_MAX: usize = 10_000;
/// Rooms joined again when the server begins a new log, at most; no order has us in more.
pub const ROOMS_KEPT_MAX: usize = 256;

/// Who talks, where, and how persistently.
#[derive(Clone, Debug)]
pub struct Config {
    /// The server's address, for people.
    pub server: String,
    /// The profile's public key.
    pub author: AuthorKey,
    /// The name wanted.
    pub nick: Nick,
    /// Greater than every epoch and session number used before by this profile.
    pub epoch: Epoch,
    /// What the wall clock showed when the run's clock showed zero.
    pub unix_at_zero: UnixMicros,
    /// Decides the jitter of waiting times.
    pub seed: u64,
    /// Whether to come back after the connection is lost.
    pub reconnect: bool,
    /// Whether to go on trying when the first attempt finds no server.
    pub retry_first: bool,
    /// How long to go on trying, at most.
    pub give_up_after: Option<Duration>,
    /// What to give before the name, until we were let in once.
    pub pass: Pass,
}

/// What happens to a conversation.
#[derive(Clone, Debug)]
pub enum Input {
    /// It begins.
    Start,
    /// No connection came about.
    ConnectFailed {
        /// Why, in words.
        text: String,
    },
    /// The link that is about to open speaks the BULK lane.
    BulkSpoken,
    /// The link is open.
    Opened(Welcome),
    /// A message came.
    Received {
        /// Its type.
        kind: FrameType,
        /// Its bytes.
        body: Bytes,
    },
    /// The server says why it is about to close.
    PeerClosing {
        /// Its code.
        code: u16,
        /// Its words.
        text: String,
    },
    /// This side does not want the link: the server is not the one that is meant, or anybody could
    /// read what is said.
    Unwanted {
        /// A short word for programs.
        code: &'static str,
        /// Why, and what to do.
        text: String,
    },
    /// The link is over.
    Closed(CloseReason),
    /// Messages are in the hands of the person or program.
    HandedOver {
        /// The log that they are of; those of another one say nothing.
        log: LogId,
        /// The last one.
        upto: Lamport,
        /// How many since the last time.
        count: u64,
    },
    /// Messages have been written where they stay shown: a place to come back to.
    Written {
        /// The log that they are of.
        log: LogId,
        /// The last one.
        upto: Lamport,
    },
    /// Everything given to the disk up to this number is stored.
    Stored {
        /// The number.
        upto: u64,
    },
    /// The disk said no, and takes nothing before the whole state.
    StoreFailed {
        /// The number of what could not be stored.
        ticket: u64,
        /// Why, and what to do.
        text: String,
    },
    /// What is kept belongs to a newer client now; ours must not touch it any more.
    StoreTaken,
    /// What [`Output::Switch`] found, or why it could not.
    Switched(Result<State, String>),
    /// Drop the connection, if there is one, and make a new one now.
    Reconnect,
    /// Leave once everything is settled, or when `within` is over.
    Close {
        /// How long to wait.
        within: Option<Duration>,
    },
    /// Time has passed.
    Tick,
}

/// What must happen now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Output {
    /// Make a connection with these first words.
    Connect(Hello),
    /// Forget the connection, or the attempt at one, with a word; nothing of it counts any more.
    Drop,
    /// Tell this.
    Event(Event),
    /// Have the disk use the outbox of this log from now on, after everything given before; say
    /// what is in it by [`Input::Switched`], and until then nothing else.
    Switch {
        /// The log.
        log: LogId,
        /// For a new outbox.
        epoch: Epoch,
    },
    /// Keep this on disk, in the order of the numbers, and say so by [`Input::Stored`].
    Store {
        /// Its number.
        ticket: u64,
        /// What.
        change: Change,
    },
}

/// What is to go out over the link next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outward {
    /// A message.
    Message {
        /// Its type.
        kind: FrameType,
        /// Its bytes.
        body: Bytes,
    },
    /// An orderly end of the link.
    Goodbye,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// Before the start, and between `Drop` and `Connect`.
    Idle,
    /// The shell makes a connection.
    Connecting,
    /// The link is open; the server has yet to let us in.
    Entering { asked: bool, by: Instant },
    /// Messages flow.
    Live { since: Instant },
    /// No connection until then.
    Waiting { until: Instant },
    /// Goodbye is said.
    Leaving { by: Instant },
    /// Nothing follows.
    Over,
}

#[derive(Clone, Copy, Debug, Default)]
struct Closing {
    by: Option<Instant>,
    answers_by: Option<Instant>,
    /// What was unsettled when that was set.
    left: usize,
}

/// The machine.
#[derive(Debug)]
pub struct Conversation {
    config: Config,
    phase: Phase,
    /// The nick held, or wanted at first.
    nick: Nick,
    /// What the present connection has yet to give before the name.
    giving: VecDeque<ToServer>,
    /// The nick with which the present connection asks to be let in.
    entering_as: Nick,
    member: Option<MemberId>,
    session: SessionNumber,
    outbox: Outbox,
    keeper: Keeper,
    /// Taken back or named otherwise, and to be told once that is stored under this number.
    cancelled: Vec<(u64, Event)>,
    cursor: Cursor,
    /// The server's term, as it said before letting us in.
    term: Term,
    /// What the server said, while the disk looks for the outbox of its log.
    welcome: Option<Welcome>,
    /// What waits in other outboxes.
    elsewhere: Vec<Elsewhere>,
    /// Messages of this run that were left in the outbox of another log.
    left_behind: u64,
    catching_up: Option<CatchingUp>,
    /// Messages whose texts come beside them.
    parted: Parted,
    /// What goes out behind a text.
    behind_text: Option<Outward>,
    consumed: Consumed,
    clock: Lamport,
    /// The order's clock, as far as it was told.
    head: Lamport,
    /// The server's disk is full: messages wait until what is on its way has been answered, and
    /// then go by other names.
    passing_over: bool,
    pace: Pace,
    /// Until then the next message waits for its turn.
    paced_until: Option<Instant>,
    backoff: Backoff,
    closing: Option<Closing>,
    /// What the server said before closing.
    parting: Option<(u16, String)>,
    /// Since when there is no connection; `None` while there is one.
    away_since: Option<Instant>,
    ever_entered: bool,
    attempts: u32,
    faults: u32,
    /// Errors that may have been taken for the answer to another request than theirs.
    guessed: u64,
    present: BTreeMap<MemberId, Nick>,
    /// The rooms that the order has us in, at most [`ROOMS_KEPT_MAX`].
    rooms: Vec<RoomName>,
    summary: Summary,
    shown: u64,
    shown_before: u64,
    gaps: u64,
    reconnects: u64,
}

impl Conversation {
    /// A conversation that begins with [`Input::Start`] and keeps nothing on disk.
    pub fn new(config: Config) -> Self {
        let state = State::new(config.epoch);
        Self::with(config, state, false)
    }

    /// One that goes on from what was kept, and keeps on disk what [`Output::Store`] says.
    pub fn resume(config: Config, state: State) -> Self {
        Self::with(config, state, true)
    }

    fn with(config: Config, state: State, durable: bool) -> Self {
        let place = state.place;
        let clocks = state.messages.iter().map(|kept| kept.submit.clock);
        let clock = clocks.fold(place.shown, Lamport::max);
        let summary = Summary {
            sent: state.messages.len() as u64,
            ..Summary::default()
        };
        let mut consumed = Consumed::default();
        consumed.note(place.shown, 0);
        Self {
            phase: Phase::Idle,
            nick: config.nick.clone(),
            giving: VecDeque::new(),
            entering_as: config.nick.clone(),
            member: None,
            session: SessionNumber(config.epoch.0),
            outbox: Outbox::of(state.epoch, state.last, state.messages),
            keeper: Keeper::new(durable, place),
            cancelled: Vec::new(),
            cursor: Cursor::at(place),
            term: Term(0),
            welcome: None,
            elsewhere: state.elsewhere,
            left_behind: 0,
            catching_up: None,
            parted: Parted::default(),
            behind_text: None,
            consumed,
            clock,
            head: place.shown,
            passing_over: false,
            pace: Pace::default(),
            paced_until: None,
            backoff: Backoff::new(config.seed),
            closing: None,
            parting: None,
            away_since: None,
            ever_entered: false,
            attempts: 0,
            faults: 0,
            present: BTreeMap::new(),
            rooms: Vec::new(),
            summary,
            shown: 0,
            shown_before: 0,
            gaps: 0,
            guessed: 0,
            reconnects: 0,
            config,
        }
    }

    /// Applies one input; what follows is appended to `out`, in order. Nothing has a place after
    /// [`Event::Closed`], and then nothing happens.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) {
        match input {
            // The last words are written after the end, and are a place to come back to.
            Input::Written { log, upto } => self.written(log, upto),
            Input::Stored { upto } => self.stored(upto, out),
            _ if self.phase == Phase::Over => {}
            Input::Start => self.connect(now, out),
            Input::ConnectFailed { text } => self.connect_failed(now, text, out),
            Input::BulkSpoken => self.parted.spoken = self.phase == Phase::Connecting,
            Input::Opened(welcome) => self.opened(now, welcome, out),
            Input::Received { kind, body } => self.received(now, kind, body, out),
            Input::PeerClosing { code, text } => self.parting = Some((code, text)),
            Input::Unwanted { code, text } => {
                let code = code.to_owned();
                self.over(Ending::Refused { code, text }, out);
            }
            Input::Closed(reason) => self.closed(now, reason, out),
            Input::HandedOver { log, upto, count } => {
                if log == self.cursor.log() {
                    // Of a log that was rewound since, later stamps say nothing.
                    self.consumed.note(upto.min(self.cursor.shown()), count);
                }
            }
            Input::StoreFailed { ticket, text } => self.store_failed(now, ticket, text, out),
            Input::StoreTaken => self.store_taken(out),
            Input::Switched(read) => self.switched(now, read, out),
            Input::Reconnect => self.reconnect(now, out),
            Input::Close { within } => self.close(now, within),
            Input::Tick => {}
        }
        if self.phase != Phase::Over {
            self.tick(now, out);
        }
        self.keep(now, out);
    }

    /// When to call again with [`Input::Tick`]; `None` while nothing is pending.
    pub fn deadline(&self) -> Option<Instant> {
        let paced = self.is_live().then_some(self.paced_until).flatten();
        let phase = match self.phase {
            Phase::Entering { by, .. } | Phase::Leaving { by } => Some(by),
            Phase::Waiting { until } => Some(until),
            Phase::Live { .. } => self.consumed.due(),
            Phase::Idle | Phase::Connecting => None,
            Phase::Over => return None,
        };
        let closing = self.closing.as_ref();
        [
            phase,
            closing.and_then(|closing| closing.by),
            closing.and_then(|closing| closing.answers_by),
            self.gives_up_at(),
            paced,
            self.keeper.retry_at(),
            self.keeper.place_due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Output>) {
        match self.phase {
            Phase::Waiting { until } if now >= until => self.connect(now, out),
            Phase::Entering { by, .. } if now >= by => {
                out.push(Output::Drop);
                self.lost(now, "the server did not let us in in time".to_owned(), out);
            }
            Phase::Leaving { by } if now >= by => {
                out.push(Output::Drop);
                self.left(out);
            }
            _ => {}
        }
        self.tick_away(now, out);
        self.tick_closing(now, out);
    }

    fn unix(&self, now: Instant) -> u64 {
        self.config.unix_at_zero.0.saturating_add(now.as_micros())
    }
}
