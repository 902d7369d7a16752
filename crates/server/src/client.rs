//! The task of one client: moves what happens into its [`Session`] and does what that says. It
//! decides nothing, and holds as little as it can: most clients are silent most of the time.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};

use lamparina_impair::Direction;
use lamparina_protocol::Instant;
use lamparina_protocol::control::{CloseCode, Welcome};
use lamparina_protocol::datagram::{DatagramConfig, Profile};
use lamparina_protocol::frame::{FRAME_BYTES_MAX, FrameType, HEADER_BYTES, SharedBody};
use lamparina_protocol::lamport::PREV_BYTES;
use lamparina_protocol::link::{Event, Input as LinkInput, Link, LinkConfig, SendError};
use lamparina_protocol::seal::{LinkKeys, SEED_BYTES, Transport};
use lamparina_transport::{Connection, Incoming, WAITING_BYTES_MAX};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::access::{Checked, is_private};
use crate::doorbell::Doorbell;
use crate::hub::ConnectionId;
use crate::limits::{Permit, Turn};
use crate::logger::{LogEvent, Via};
use crate::reading::ReadAnswer;
use crate::sequencer::{Boxed, NotTaken};
use crate::session::{
    Act, Admission, Check, Followed, Input, Logged, Outbox, Output, Session, SessionConfig, Verdict,
};
use crate::shared::Shared;

/// Frame bytes gathered before they go to the socket: enough to make a system call cheap, few
/// enough to stay in the cache. With one frame more they still fit the 64 KiB for which a link
/// makes room at once, so that no burst is moved while it grows.
const FLUSH_BYTES: usize = 56 * 1024;
const _: () = assert!(FLUSH_BYTES + FRAME_BYTES_MAX <= 64 * 1024);
// What waits for the socket of a client that does not read is little beside its window.
const _: () = assert!(WAITING_BYTES_MAX + FLUSH_BYTES + FRAME_BYTES_MAX <= 384 * 1024);

/// Bytes read from one client before others get their turn.
const TURN_BYTES: u64 = 64 * 1024;

/// What a client comes by.
pub(crate) enum Carried {
    /// A TCP stream.
    Stream(TcpStream),
    /// Datagrams, handed on by a listener.
    Datagrams(Incoming),
}

impl Carried {
    /// A connection by it, sealed where links are.
    fn connect(self, config: LinkConfig, shared: &Shared) -> io::Result<Connection> {
        let mut link = Link::respond(config, shared.clock.now());
        if let Some(identity) = shared.config.links.identity() {
            let mut seed = [0; SEED_BYTES];
            getrandom::fill(&mut seed).map_err(io::Error::other)?;
            link = link.sealed(LinkKeys::new(identity.clone(), seed, self.transport()));
        }
        match self {
            Self::Stream(stream) => Connection::new(stream, link, shared.clock),
            Self::Datagrams(incoming) => {
                let skips = getrandom::u64().map_err(io::Error::other)?;
                let nonces = getrandom::u64().map_err(io::Error::other)?;
                let datagrams = DatagramConfig::new(incoming.connection(), skips);
                let datagrams = match incoming.profile() {
                    Profile::Usual => datagrams,
                    Profile::Slow => datagrams.slow(),
                };
                let link = link.over_datagrams(datagrams);
                Ok(Connection::called(incoming, link, shared.clock, nonces))
            }
        }
    }

    const fn transport(&self) -> Transport {
        match self {
            Self::Stream(_) => Transport::Tcp,
            Self::Datagrams(_) => Transport::Udp,
        }
    }
}

/// Serves one client to its end. Everything is set up before the task begins, so that the task
/// reserves no room for it.
pub(crate) fn serve(
    carried: Carried,
    addr: SocketAddr,
    id: ConnectionId,
    permit: Permit,
    shared: Arc<Shared>,
) -> io::Result<impl Future<Output = ()>> {
    let config = LinkConfig {
        window_bytes: permit.window_bytes().min(shared.config.link.window_bytes),
        ..shared.config.link.clone()
    };
    let connection = carried.connect(config, &shared)?;
    let session = Session::new(SessionConfig {
        id,
        log: shared.log_id,
        term: shared.term,
        terms: Arc::clone(&shared.terms),
        store: shared.readers.is_some(),
        lab: shared.config.lab,
        admission: admission(&shared, addr),
        rates: shared
            .admission
            .counts(addr.ip())
            .then(|| Arc::clone(&shared.rates)),
    });
    let client = Box::new(Client {
        bell: shared.bells.add(id),
        connection,
        session,
        addr,
        submitting: None,
        reading: None,
        read: None,
        checking: None,
        verdict: None,
        shaking: None,
        tried: false,
        timer: None,
        id,
        shared,
        permit,
    });
    Ok(client.run())
}

fn admission(shared: &Shared, addr: SocketAddr) -> Admission {
    Admission {
        by_invite: shared.config.access.is_by_invite(),
        passwords: shared.checker.is_some(),
        private: shared.config.links.identity().is_some() || is_private(addr.ip()),
    }
}

/// Says no, in words, to a client for which there is no room.
pub(crate) async fn refuse(carried: Carried, text: String, shared: Arc<Shared>) {
    let Ok(mut connection) = carried.connect(shared.config.link.clone(), &shared) else {
        return;
    };
    let code = CloseCode::Limit;
    // An abrupt end has a place in every state.
    let _ = connection.input(LinkInput::Abort { code, text });
    connection.finish().await;
}

struct Client {
    connection: Connection,
    session: Session,
    bell: Arc<Doorbell>,
    shared: Arc<Shared>,
    addr: SocketAddr,
    id: ConnectionId,
    /// Requests for which the sequencer had no room; nothing is read meanwhile.
    submitting: Option<Boxed<'static, ()>>,
    /// The session's question to the store.
    reading: Option<Boxed<'static, Box<ReadAnswer>>>,
    /// Its answer, not yet handed over.
    read: Option<Box<ReadAnswer>>,
    /// What the client gave to be admitted is being checked.
    checking: Option<Boxed<'static, Verdict>>,
    /// What came of it, not yet handed over.
    verdict: Option<Verdict>,
    /// Something came of a handshake, and waits for its turn to be taken.
    shaking: Option<Boxed<'static, Turn>>,
    /// Its address has one try less for this.
    tried: bool,
    /// Rings at the session's deadline.
    timer: Option<(Instant, Pin<Box<Sleep>>)>,
    permit: Permit,
}

impl Client {
    async fn run(mut self: Box<Self>) {
        let mut events = Vec::new();
        let mut turn_began = 0;
        while !self.session.is_over() {
            let followed = self.advance(&mut events);
            if self.session.is_over() {
                break;
            }
            self.set_timer();
            if self.permit.is_half_open() {
                self.shake_hands(&mut events).await;
                continue;
            }
            if self.connection.received_bytes() - turn_began >= TURN_BYTES {
                turn_began = self.connection.received_bytes();
                tokio::task::yield_now().await;
            }
            tokio::select! {
                () = self.connection.step(&mut events) => {}
                () = self.bell.rung(),
                    if followed == Followed::CaughtUp || self.session.is_catching_up() => {}
                answer = answered(&mut self.reading) => {
                    self.reading = None;
                    self.read = Some(answer);
                }
                verdict = checked(&mut self.checking) => {
                    self.checking = None;
                    self.verdict = Some(verdict);
                }
                () = submitted(&mut self.submitting) => {
                    self.submitting = None;
                    self.connection.set_reading(true);
                }
                () = fired(&mut self.timer) => {}
            }
        }
        if let Some(submitting) = self.submitting.take() {
            submitting.await;
        }
        self.shared.bells.remove(self.id);
        // What follows is rare and needs room; the task of an idle client does not reserve it.
        Box::pin(self.connection.finish()).await;
    }

    /// Until the link is open: what comes is taken from the socket, and computed, in turn.
    async fn shake_hands(&mut self, events: &mut Vec<Event>) {
        self.connection.set_reading(self.shaking.is_none());
        tokio::select! {
            came = self.connection.step_unread(events) => if came {
                let turns = self.shared.turns.clone();
                self.shaking = Some(Box::pin(turns.turn(self.addr.ip())));
            },
            turn = turned(&mut self.shaking) => {
                self.shaking = None;
                self.connection.set_reading(true);
                // Whatever it is, it is there: a turn is not held while anything is waited for.
                // The second step sees who has hung up already: its handshake is not computed.
                for _ in 0..2 {
                    tokio::select! {
                        biased;
                        () = self.connection.step(events) => {}
                        () = std::future::ready(()) => {}
                    }
                }
                if events.iter().any(|event| matches!(event, Event::Closed(_))) {
                    events.retain(|event| !matches!(event, Event::Asked { .. }));
                }
                self.advance(events);
                drop(turn);
            }
            () = self.bell.rung() => {}
            () = fired(&mut self.timer) => {}
        }
    }

    /// Everything that can be done now.
    fn advance(&mut self, events: &mut Vec<Event>) -> Followed {
        let now = self.shared.clock.now();
        let mut out = Output::default();
        if self.permit.is_dropped() {
            self.session.handle(now, Input::Crowded, &mut out);
        }
        for event in std::mem::take(events) {
            if matches!(event, Event::Opened { .. }) {
                self.permit.proven();
            }
            self.session.handle(now, Input::Link(event), &mut out);
        }
        if let Some(verdict) = self.verdict.take() {
            self.session.handle(now, Input::Checked(verdict), &mut out);
        }
        if let Some(answer) = self.read.take() {
            self.session.handle(now, Input::Read(*answer), &mut out);
        }
        if self.session.deadline().is_some_and(|at| at <= now) {
            self.session.handle(now, Input::Tick, &mut out);
        }
        if self.shared.has_failed() {
            self.session.handle(now, Input::Failed, &mut out);
        } else if self.shared.is_closing() {
            self.session.handle(now, Input::Shutdown, &mut out);
        }
        if let Some(position) = self.bell.take() {
            self.session.touched(position);
        }
        let mut outbox = Flushing {
            connection: &mut self.connection,
            now,
            gathered: 0,
            full: false,
        };
        let followed = self
            .session
            .follow(now, &self.shared.tail, &mut outbox, &mut out);
        self.perform(out);
        followed
    }

    fn perform(&mut self, out: Output) {
        for act in out.acts {
            match act {
                Act::Welcome => {
                    let welcome = Welcome {
                        log: self.shared.log_id,
                        term: self.shared.term,
                        clock: self.shared.order_clock(),
                        pace: self.session.pace(),
                    };
                    let welcome = welcome.to_bytes();
                    self.link(LinkInput::Accept { welcome });
                }
                Act::Check(check) => self.check(check),
                Act::Link(input) => self.link(input),
                Act::Impair(settings) => self.connection.impair(
                    settings.for_direction(Direction::Down),
                    settings.for_direction(Direction::Up),
                ),
                Act::Log(logged) => {
                    if matches!(logged, Logged::Connected { .. }) {
                        self.admitted();
                    }
                    self.log(&logged);
                }
            }
        }
        if !out.asked.is_empty() {
            self.submit(out.asked);
        }
        if let (Some(ask), Some(readers)) = (out.read, &self.shared.readers) {
            let (readers, id) = (readers.clone(), self.id);
            self.reading = Some(Box::pin(
                async move { Box::new(readers.read(id, ask).await) },
            ));
        }
    }

    /// Checks what the client gave to be admitted, where its address may try.
    fn check(&mut self, check: Check) {
        let now = self.shared.clock.now();
        let mut guesses = self
            .shared
            .guesses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.tried = guesses.take(now, self.addr.ip());
        drop(guesses);
        let (tried, checker) = (self.tried, self.shared.checker.clone());
        self.checking = Some(Box::pin(async move {
            match (tried, check.password, checker) {
                (false, ..) => Verdict::TooMany,
                (true, Some(password), Some(checker)) => {
                    match checker.check(check.nick, password).await {
                        Checked::Right => Verdict::Right,
                        Checked::Wrong => Verdict::Wrong,
                        Checked::Busy => Verdict::Busy,
                    }
                }
                (true, ..) => Verdict::MayTry,
            }
        }));
    }

    /// What was tried was right, or was not needed.
    fn admitted(&mut self) {
        if std::mem::take(&mut self.tried) {
            let now = self.shared.clock.now();
            let mut guesses = self
                .shared
                .guesses
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            guesses.give_back(now, self.addr.ip());
        }
    }

    fn link(&mut self, input: LinkInput) {
        let taken = self.connection.input(input);
        debug_assert!(taken.is_ok(), "a session speaks in its turn: {taken:?}");
    }

    fn submit(&mut self, asked: Vec<crate::hub::Asked>) {
        let sequencer = &self.shared.sequencer;
        if let Some(before) = self.submitting.take() {
            // What waits stays before what comes.
            let sequencer = sequencer.clone();
            self.submitting = Some(Box::pin(async move {
                before.await;
                sequencer.submit(asked).await;
            }));
        } else if let Err(NotTaken(asked)) = sequencer.try_submit(asked) {
            self.connection.set_reading(false);
            self.submitting = Some(sequencer.clone().submit(asked));
        }
    }

    fn set_timer(&mut self) {
        let wanted = self.session.deadline();
        if wanted == self.timer.as_ref().map(|(at, _)| *at) {
            return;
        }
        self.timer = wanted.map(|at| {
            let when = self.shared.clock.timer_at(at);
            (at, Box::pin(tokio::time::sleep_until(when)))
        });
    }

    fn log(&self, logged: &Logged) {
        let addr = self.addr;
        self.shared.config.log.event(match logged {
            Logged::Connected { nick, session } => LogEvent::Connected {
                nick: nick.as_str(),
                addr,
                session: *session,
                via: match self.connection.is_over_datagrams() {
                    true => Via::Udp,
                    false => Via::Tcp,
                },
            },
            Logged::Refused { nick, code, reason } => LogEvent::Refused {
                addr,
                nick: nick.as_ref().map(|nick| nick.as_str()),
                code,
                reason,
            },
            Logged::Disconnected { nick, reason } => LogEvent::Disconnected {
                nick: nick.as_str(),
                reason,
            },
            Logged::Channel { nick, settings } => LogEvent::Channel {
                nick: nick.as_ref().map_or("", |nick| nick.as_str()),
                settings,
            },
        });
    }
}

/// Hands messages to the link, and the link's bytes to the socket every [`FLUSH_BYTES`].
struct Flushing<'a> {
    connection: &'a mut Connection,
    now: Instant,
    gathered: usize,
    /// After the last flush there was no room: what a client that does not read makes us hold is
    /// its window and one such gathering, not as much again.
    full: bool,
}

impl Outbox for Flushing<'_> {
    fn has_room(&self) -> bool {
        self.connection.has_room()
    }

    fn has_room_bulk(&self) -> bool {
        self.connection.has_room_bulk()
    }

    #[inline]
    fn send(
        &mut self,
        kind: FrameType,
        body: &SharedBody,
        tail: Option<[u8; 8]>,
    ) -> Result<(), SendError> {
        if self.full {
            return Err(SendError::Full);
        }
        self.connection.send_shared(self.now, kind, body, tail)?;
        if kind == FrameType::Bulk {
            // It leaves in turns, behind everything else.
            return Ok(());
        }
        self.gathered += HEADER_BYTES + body.bytes().len() + PREV_BYTES;
        if self.gathered >= FLUSH_BYTES {
            self.gathered = 0;
            self.connection.flush();
            self.full = !self.connection.has_room();
        }
        Ok(())
    }
}

async fn submitted(submitting: &mut Option<Boxed<'static, ()>>) {
    match submitting {
        Some(submitting) => submitting.await,
        None => std::future::pending().await,
    }
}

async fn answered(reading: &mut Option<Boxed<'static, Box<ReadAnswer>>>) -> Box<ReadAnswer> {
    match reading {
        Some(reading) => reading.await,
        None => std::future::pending().await,
    }
}

async fn turned(shaking: &mut Option<Boxed<'static, Turn>>) -> Turn {
    match shaking {
        Some(shaking) => shaking.await,
        None => std::future::pending().await,
    }
}

async fn checked(checking: &mut Option<Boxed<'static, Verdict>>) -> Verdict {
    match checking {
        Some(checking) => checking.await,
        None => std::future::pending().await,
    }
}

async fn fired(timer: &mut Option<(Instant, Pin<Box<Sleep>>)>) {
    match timer {
        Some((_, sleep)) if !sleep.is_elapsed() => sleep.await,
        _ => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
