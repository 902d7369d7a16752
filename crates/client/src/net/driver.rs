//! One task that moves bytes and time between a [`Conversation`], its connection and the library's
//! handle. Cannot be held up: events that nobody takes stop the reading from the server, and with
//! that the server's sending, but not the timers.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lamparina_impair::Direction;
use lamparina_protocol::control::{CloseCode, Hello, Welcome};
use lamparina_protocol::link::{self, Link, Outgoing};
use lamparina_protocol::seal::{PublicKey, Transport};
use lamparina_protocol::{Lamport, LogId, UnixMicros};
use lamparina_transport::{Clock, Connection};
use tokio::sync::{mpsc, oneshot, watch};

use super::dial::{Dialed, dial};
use super::over_udp::Trying;
use super::plan::{LinkPlan, of_link};
use super::request::Request;
use super::waits::{Dialing, dialed, hand_over, news, sleep_until, step};
use crate::core::carrier::Carriers;
use crate::core::conversation::{Conversation, Input, Output};
use crate::core::event::Event;
use crate::core::keep::State;
use crate::disk::{Keeper, Progress};

/// A timer that is due and cannot be served yet (the link has no room) is looked at this often.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What has been handed to the program, or written by it: of which log, the last stamp there, and how many in all.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Handed {
    pub(crate) log: LogId,
    pub(crate) upto: Lamport,
    pub(crate) count: u64,
}

/// The driver's ends of everything between it and the library's handle.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) handed: watch::Receiver<Handed>,
    pub(crate) written: watch::Receiver<Handed>,
    pub(crate) room: Arc<AtomicBool>,
}

/// Why a password stays here.
const EXPOSED: &str =
    "a password is not sent over a link that others can read: leave --cleartext away";

/// The one thing that happened.
enum Turn {
    Link,
    Dialed(Result<Dialed, String>, Hello),
    Request(Option<Request>),
    Taken(bool),
    Handed(bool),
    Written(bool),
    Disk(Progress),
    Tick,
}

/// The task.
pub(crate) struct Driver {
    pub(super) conversation: Conversation,
    pub(super) clock: Clock,
    pub(super) plan: LinkPlan,
    pub(super) ends: Ends,
    /// Told of every session number in use.
    session_used: Box<dyn FnMut(u64) + Send>,
    /// Where the outbox is kept, if it is.
    disk: Option<Keeper>,
    /// The disk looks for the outbox of another log; nothing else is done meanwhile.
    switching: Option<oneshot::Receiver<Result<State, String>>>,
    /// The newest failure of the disk that the conversation knows of.
    pub(super) failed: u64,
    pub(super) dialing: Option<(Dialing, Hello)>,
    pub(super) carriers: Carriers,
    /// A connection over UDP that has not opened yet.
    pub(super) trying: Option<Trying>,
    pub(super) connection: Option<Connection>,
    /// Links made so far.
    links: u64,
    /// A message that the link did not take; it goes before all others.
    pub(super) held: Option<Outgoing>,
    pub(super) backlog: VecDeque<Event>,
    pub(super) link_events: Vec<link::Event>,
    pub(super) handed: u64,
    over: bool,
}

impl Driver {
    pub(crate) fn new(
        conversation: Conversation,
        clock: Clock,
        plan: LinkPlan,
        ends: Ends,
        session_used: Box<dyn FnMut(u64) + Send>,
        disk: Option<Keeper>,
    ) -> Self {
        Self {
            carriers: Carriers::new(plan.carrier, plan.line),
            trying: None,
            conversation,
            clock,
            plan,
            ends,
            session_used,
            disk,
            switching: None,
            failed: 0,
            dialing: None,
            connection: None,
            links: 0,
            held: None,
            backlog: VecDeque::new(),
            link_events: Vec::new(),
            handed: 0,
            over: false,
        }
    }

    /// Drives until the conversation is over and its last event taken.
    pub(crate) async fn run(mut self) {
        self.apply(Input::Start);
        while !self.over {
            self.pump();
            self.turn().await;
        }
        self.dialing = None;
        if let Some(connection) = self.connection.take() {
            connection.finish().await;
        }
        for event in mem::take(&mut self.backlog) {
            if self.ends.events.send(event).await.is_err() {
                break;
            }
        }
        self.end().await;
    }

    /// Nothing is told or taken any more; what is written until the handle is dropped is still a
    /// place to come back to.
    async fn end(self) {
        let Self {
            mut conversation,
            ends,
            disk,
            clock,
            ..
        } = self;
        let Ends {
            requests,
            events,
            handed,
            mut written,
            room: _,
        } = ends;
        // Whoever waits for more is told that nothing follows.
        drop((requests, events, handed));
        let Some(disk) = disk else {
            return;
        };
        loop {
            let on = written.changed().await.is_ok();
            let (log, upto) = {
                let written = written.borrow_and_update();
                (written.log, written.upto)
            };
            let (now, mut out) = (clock.now(), Vec::new());
            conversation.handle(now, Input::Written { log, upto }, &mut out);
            conversation.last_place(now, &mut out);
            for output in out {
                if let Output::Store { ticket, change } = output {
                    disk.store(ticket, change);
                }
            }
            if !on {
                return disk.finish().await;
            }
        }
    }

    /// Waits for one thing and does it.
    async fn turn(&mut self) {
        if let Some(answer) = self.switching.take() {
            // A thread that ended has told why, or has lost the file.
            let ended = || Err("the outbox's file is no longer in use".to_owned());
            let read = answer.await.unwrap_or_else(|_gone| ended());
            return self.apply(Input::Switched(read));
        }
        let wake = self.wake();
        if let Some(connection) = &mut self.connection {
            connection.set_reading(self.backlog.is_empty());
        }
        let turn = tokio::select! {
            () = step(&mut self.connection, &mut self.link_events) => Turn::Link,
            (dialed, hello) = dialed(&mut self.dialing) => Turn::Dialed(dialed, hello),
            request = self.ends.requests.recv() => Turn::Request(request),
            taken = hand_over(&self.ends.events, &mut self.backlog) => Turn::Taken(taken),
            handed = self.ends.handed.changed() => Turn::Handed(handed.is_ok()),
            written = self.ends.written.changed() => Turn::Written(written.is_ok()),
            progress = news(&mut self.disk) => Turn::Disk(progress),
            () = sleep_until(wake) => Turn::Tick,
        };
        match turn {
            Turn::Link => {
                self.look_at_trying();
                self.link_moved();
            }
            Turn::Dialed(dialed, hello) => self.dialed(dialed, hello),
            Turn::Request(request) => self.asked(request),
            Turn::Handed(true) => self.note_handed(),
            Turn::Written(true) => self.note_written(),
            Turn::Disk(progress) => self.disk_has(progress),
            // The program has dropped its handle: leave, without waiting for anything.
            Turn::Taken(false) | Turn::Handed(false) | Turn::Written(false) => self.gone(),
            Turn::Taken(true) => {}
            Turn::Tick => {
                self.look_at_trying();
                self.apply(Input::Tick);
            }
        }
    }

    fn wake(&self) -> Option<tokio::time::Instant> {
        let trying = self.trying.as_ref().and_then(|trying| trying.silent_at);
        let deadline = [self.conversation.deadline(), trying]
            .into_iter()
            .flatten()
            .min()?;
        Some(
            self.clock
                .timer_at(deadline.max(self.clock.now() + LOOK_AGAIN)),
        )
    }

    pub(super) fn apply(&mut self, input: Input) {
        let mut out = Vec::new();
        let now = self.clock.now();
        self.conversation.handle(now, input, &mut out);
        let room = self.conversation.has_room();
        self.ends.room.store(room, Ordering::Release);
        for output in out {
            match output {
                Output::Connect(hello) => self.connect(hello),
                Output::Drop => self.drop_connection(),
                Output::Store { ticket, change } => {
                    if let Some(disk) = &self.disk {
                        disk.store(ticket, change);
                    }
                }
                Output::Switch { log, epoch } => {
                    self.switching = self.disk.as_ref().map(|disk| disk.switch(log, epoch));
                }
                Output::Event(event) => {
                    self.over |= matches!(event, Event::Closed { .. });
                    self.backlog.push_back(event);
                }
            }
        }
    }

    fn connect(&mut self, hello: Hello) {
        (self.session_used)(hello.session.0);
        let server = self.plan.server.clone();
        let carrier = self.carriers.first(self.clock.now());
        // Whoever has lost the outbox to a newer client must not take over its session.
        let ours = self.disk.as_ref().map(Keeper::check);
        let dialing: Dialing = Box::pin(async move {
            if let Some(ours) = ours
                && ours.await.is_err()
            {
                // That it is not ours is told by the disk, and ends the conversation.
                return pending().await;
            }
            dial(server, carrier).await
        });
        self.dialing = Some((dialing, hello));
    }

    fn dialed(&mut self, dialed: Result<Dialed, String>, hello: Hello) {
        match dialed {
            Ok(Dialed::Stream(stream)) => {
                let peer = stream.peer_addr().ok();
                let opened = self
                    .new_link(&hello, Transport::Tcp)
                    .and_then(|link| Connection::new(stream, link, self.clock));
                self.connected(opened, peer);
            }
            Ok(Dialed::Peers(peers)) => self.try_peers(peers, hello),
            Err(text) => self.apply(Input::ConnectFailed { text }),
        }
    }

    pub(super) fn new_link(&self, hello: &Hello, transport: Transport) -> io::Result<Link> {
        let (config, now) = (self.plan.config.clone(), self.clock.now());
        let link = Link::initiate(config, hello.to_bytes(), now);
        Ok(match &self.plan.seal {
            Some(seal) => link.sealed(seal.keys(transport).map_err(io::Error::other)?),
            None => link,
        })
    }

    /// A connection begins, unless it goes where what is said must not go.
    pub(super) fn connected(&mut self, opened: io::Result<Connection>, peer: Option<SocketAddr>) {
        let near = peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback());
        let exposed = self.plan.seal.is_none() && !near;
        match opened {
            Ok(_) if exposed && !self.plan.clear_anywhere => {
                let text = format!(
                    "{} is another machine, and with --cleartext anybody on the way could read and change \
                     what is said: leave --cleartext away; who knows what that means adds \
                     --cleartext-anywhere",
                    self.plan.server
                );
                let code = "cleartext";
                self.apply(Input::Unwanted { code, text });
            }
            Ok(_) if exposed && self.plan.private_only => {
                self.apply(Input::Closed(link::CloseReason::ByUs {
                    code: CloseCode::NotAdmitted,
                    text: EXPOSED.to_owned(),
                }));
            }
            Ok(mut connection) => {
                self.links += 1;
                if let Some(settings) = &self.plan.impair {
                    let settings = of_link(settings, self.links);
                    connection.impair(
                        settings.for_direction(Direction::Up),
                        settings.for_direction(Direction::Down),
                    );
                }
                self.connection = Some(connection);
            }
            Err(error) => {
                let text = error.to_string();
                self.apply(Input::ConnectFailed { text });
            }
        }
    }

    fn drop_connection(&mut self) {
        (self.dialing, self.held, self.trying) = (None, None, None);
        if let Some(mut connection) = self.connection.take() {
            let (code, text) = (CloseCode::Goodbye, "a new connection follows".to_owned());
            // A link has no state in which its end would be misplaced.
            let _ = connection.input(link::Input::Abort { code, text });
            tokio::spawn(connection.finish());
        }
    }

    /// The link has spoken.
    fn link_moved(&mut self) {
        for event in mem::take(&mut self.link_events) {
            match event {
                link::Event::Proven { server } => self.proven(server),
                link::Event::Opened { words, terms, .. } => {
                    self.note_carrier();
                    match Welcome::from_bytes(&words) {
                        Some(welcome) => {
                            if terms.bulk {
                                self.apply(Input::BulkSpoken);
                            }
                            self.apply(Input::Opened(welcome));
                        }
                        None => return self.unreadable_welcome(),
                    }
                }
                link::Event::Received { kind, body } => self.apply(Input::Received { kind, body }),
                link::Event::PeerClosing { code, text } => {
                    self.apply(Input::PeerClosing { code, text });
                }
                link::Event::Closed(reason) if self.goes_elsewhere(&reason) => return,
                link::Event::Closed(reason) => {
                    self.held = None;
                    self.apply(Input::Closed(reason));
                    // The last bytes are written beside the next attempt; the end waits for them.
                    if !self.over
                        && let Some(connection) = self.connection.take()
                    {
                        tokio::spawn(connection.finish());
                    }
                    return;
                }
                link::Event::Asked { .. } => {}
            }
            if self.connection.is_none() {
                // What a dropped link said behind this is no longer our talk.
                return;
            }
        }
    }

    /// The server has proved who it is, and does not know yet who we are.
    fn proven(&mut self, key: PublicKey) {
        let server = &self.plan.server;
        let checked = match &self.plan.seal {
            Some(seal) => seal.check.check(server, &key),
            // A link in clear proves nothing.
            None => return,
        };
        let (input, refused) = match checked {
            Ok(()) => (link::Input::Trust, None),
            Err(text) => {
                let (code, word) = (CloseCode::Unproven, "not the server meant".to_owned());
                (link::Input::Abort { code, text: word }, Some(text))
            }
        };
        if let Some(connection) = &mut self.connection {
            // Both have their place behind a proof.
            let _ = connection.input(input);
        }
        if let Some(text) = refused {
            let code = "server-key";
            self.apply(Input::Unwanted { code, text });
        }
    }

    fn unreadable_welcome(&mut self) {
        self.drop_connection();
        self.apply(Input::Closed(link::CloseReason::ByUs {
            code: CloseCode::BadControl,
            text: "its first words cannot be read".to_owned(),
        }));
    }

    /// Nobody is there to talk for any more.
    pub(super) fn gone(&mut self) {
        self.over = true;
        if let Some(connection) = &mut self.connection {
            let (code, text) = (CloseCode::Goodbye, String::new());
            let _ = connection.input(link::Input::Abort { code, text });
        }
    }
}

/// What the wall clock shows.
pub(crate) fn wall_clock() -> UnixMicros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let micros = since.map_or(0, |since| since.as_micros());
    UnixMicros(u64::try_from(micros).unwrap_or(u64::MAX))
}
