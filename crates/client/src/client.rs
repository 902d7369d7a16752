//! The library's handle: asks the driver, hands over its events. Everything between the two is
//! bounded: requests wait, and events that nobody takes stop the reading from the server.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lamparina_impair::Settings;
use lamparina_protocol::link::{LinkConfig, Repair};
use lamparina_protocol::{Audience, AuthorKey, Lamport, LogId, Nick, RoomName};
use lamparina_transport::Clock;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::core::conversation::{CancelError, CancelReport, Config, Conversation, SayError};
use crate::core::event::{Ending, Event, MessageName, Summary};
use crate::core::outbox::{Ask, Cancel};
use crate::disk::{DiskError, Keeper};
use crate::net::{Driver, Ends, Handed, LinkPlan, NetStatus, Request, wall_clock};
use crate::profile::Profile;

/// Events that wait for the program before reading from the server stops.
pub const EVENTS_WAITING_MAX: usize = 1_024;
/// Events kept aside while [`Client::send`] waits for room.
pub const EVENTS_ASIDE_MAX: usize = 65_536;
/// Requests that wait for the driver.
const REQUESTS_WAITING_MAX: usize = 64;
/// How long [`Client::ended`] waits for the disk and the last words to the server.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
/// How long [`Client::close`] waits for what is unsettled.
pub const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// Where, as whom, and how.
#[derive(Debug)]
pub struct ClientConfig {
    /// The server, `HOST:PORT`.
    pub server: String,
    /// The name wanted.
    pub nick: Nick,
    /// The author.
    pub profile: Profile,
    /// How the link repairs what the channel breaks.
    pub repair: Repair,
    /// Frames in flight, at most; the protocol's default for `None`.
    pub window_frames: Option<u16>,
    /// Payload bytes of a frame, at most; the protocol's default for `None`.
    pub fragment_bytes: Option<u16>,
    /// A bad channel on purpose, both ways.
    pub impair: Option<Settings>,
    /// Whether to come back after the connection is lost.
    pub reconnect: bool,
    /// Whether to go on trying when the first attempt finds no server.
    pub retry_first: bool,
    /// How long to go on trying, at most; for ever for `None`.
    pub give_up_after: Option<Duration>,
}

impl ClientConfig {
    /// The usual: comes back for ever once it was in, and says so when no server is there at first.
    pub fn new(server: impl Into<String>, nick: Nick, profile: Profile) -> Self {
        Self {
            server: server.into(),
            nick,
            profile,
            repair: Repair::default(),
            window_frames: None,
            fragment_bytes: None,
            impair: None,
            reconnect: true,
            retry_first: false,
            give_up_after: None,
        }
    }
}

/// Why a client could not do what it was asked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ClientError {
    /// The conversation did not begin.
    #[error("{}", ending_words(.0))]
    NotConnected(Ending),
    /// The request was not taken.
    #[error(transparent)]
    Refused(#[from] SayError),
    /// Too many events wait to be taken: call [`Client::next_event`].
    #[error("{EVENTS_ASIDE_MAX} events wait to be taken; take them and send again")]
    EventsUnread,
    /// The outbox of this profile for this server cannot be used.
    #[error(transparent)]
    Outbox(#[from] DiskError),
    /// Nothing of that kind can be cancelled.
    #[error(transparent)]
    NotCancelled(#[from] CancelError),
    /// No randomness for the back-off.
    #[error("the system gives no randomness: {0}")]
    NoRandomness(String),
}

fn ending_words(ending: &Ending) -> String {
    let words = ending
        .error()
        .map_or("the conversation is over", |error| error.1);
    words.to_owned()
}

/// A conversation with a server, across reconnects. Dropped, it leaves at once; [`Client::close`]
/// waits until everything is settled.
#[derive(Debug)]
pub struct Client {
    author: AuthorKey,
    requests: mpsc::Sender<Request>,
    events: mpsc::Receiver<Event>,
    aside: VecDeque<Event>,
    handed: watch::Sender<Handed>,
    written: watch::Sender<Handed>,
    reads: Reads,
    room: Arc<AtomicBool>,
    driver: JoinHandle<()>,
}

/// When a message counts as read by the person. From there the next client of the profile goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reads {
    /// Once it has been given out by [`Client::next_event`].
    Given,
    /// Once [`Mark::written`] says so of it.
    Written,
    /// Never: nobody is there who reads.
    Nothing,
}

/// Where a message stands, to be said once it has been written where it stays shown.
#[derive(Clone, Debug)]
pub struct Mark {
    written: watch::Sender<Handed>,
    log: LogId,
    upto: Lamport,
}

impl Mark {
    /// Everything up to this message has been written: there the next client of the profile goes
    /// on.
    pub fn written(self) {
        let Self { written, log, upto } = self;
        written.send_modify(|written| {
            let count = written.count + 1;
            *written = Handed { log, upto, count };
        });
    }
}

impl Client {
    /// Connects, and comes back once the server has let us in. [`Event::Connected`] is the first
    /// event then.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotConnected`] when the server cannot be reached or does not want us.
    pub async fn connect(config: ClientConfig) -> Result<Self, ClientError> {
        let mut client = Self::start(config)?;
        while let Some(event) = client.events.recv().await {
            match event {
                Event::Closed { ending, .. } => return Err(ClientError::NotConnected(ending)),
                event => {
                    let connected = matches!(event, Event::Connected { .. });
                    client.aside.push_back(event);
                    if connected {
                        return Ok(client);
                    }
                }
            }
        }
        Err(ClientError::Refused(SayError::Over))
    }

    /// Begins without waiting: what becomes of it is told by events.
    ///
    /// # Errors
    ///
    /// [`ClientError::NoRandomness`], and [`ClientError::Outbox`] where the profile's outbox for this
    /// server cannot be used. Opening it takes a few milliseconds, in which the caller waits.
    pub fn start(config: ClientConfig) -> Result<Self, ClientError> {
        let no_randomness = |error: getrandom::Error| ClientError::NoRandomness(error.to_string());
        let seed = getrandom::u64().map_err(no_randomness)?;
        let token = getrandom::u32().map_err(no_randomness)?;
        let clock = Clock::start();
        let plan = plan(&config, token);
        let mut profile = config.profile;
        let author = profile.author();
        let epoch = profile.next_epoch(wall_clock());
        let kept = profile.outbox(&config.server);
        let core = Config {
            server: config.server,
            author,
            nick: config.nick,
            epoch,
            unix_at_zero: wall_clock(),
            seed,
            reconnect: config.reconnect,
            retry_first: config.retry_first,
            give_up_after: config.give_up_after,
        };
        let (conversation, disk) = match kept {
            None => (Conversation::new(core), None),
            Some(path) => {
                let owner = getrandom::u64().map_err(no_randomness)?;
                let (disk, state) = Keeper::open(&path, author, epoch, owner)?;
                (Conversation::resume(core, state), Some(disk))
            }
        };
        let (requests, requests_in) = mpsc::channel(REQUESTS_WAITING_MAX);
        let (events_out, events) = mpsc::channel(EVENTS_WAITING_MAX);
        let (handed, handed_in) = watch::channel(Handed::default());
        let (written, written_in) = watch::channel(Handed::default());
        let room = Arc::new(AtomicBool::new(true));
        let ends = Ends {
            requests: requests_in,
            events: events_out,
            handed: handed_in,
            written: written_in,
            room: Arc::clone(&room),
        };
        let session_used = note_sessions(profile);
        let driver = Driver::new(conversation, clock, plan, ends, session_used, disk);
        Ok(Self {
            author,
            requests,
            events,
            aside: VecDeque::new(),
            handed,
            written,
            reads: Reads::Given,
            room,
            driver: tokio::spawn(driver.run()),
        })
    }

    /// One's own public key.
    pub const fn author(&self) -> AuthorKey {
        self.author
    }

    /// Says when messages count as read from now on; [`Reads::Given`] before.
    pub const fn set_reads(&mut self, reads: Reads) {
        self.reads = reads;
    }

    /// Where the message of this event stands, which was the last one given out; `None` for what
    /// is no new message.
    pub fn mark(&self, event: &Event) -> Option<Mark> {
        match event {
            Event::Message(delivery) if !delivery.history => Some(Mark {
                written: self.written.clone(),
                log: self.handed.borrow().log,
                upto: delivery.stamp,
            }),
            _ => None,
        }
    }

    /// The next event; `None` after [`Event::Closed`]. Cancel-safe. A message counts as read once
    /// it has been given out here, but see [`Client::set_reads`].
    pub async fn next_event(&mut self) -> Option<Event> {
        let event = match self.aside.pop_front() {
            Some(event) => event,
            None => self.events.recv().await?,
        };
        match &event {
            // History moves nothing: one may have been shown what lies behind it, or not.
            Event::Message(delivery) if delivery.history || self.reads == Reads::Nothing => {}
            Event::Message(delivery) => self.handed.send_modify(|handed| {
                handed.upto = handed.upto.max(delivery.stamp);
                handed.count += 1;
            }),
            // Stamps behind it are given anew.
            Event::Rewound { to, .. } => {
                self.handed
                    .send_modify(|handed| handed.upto = handed.upto.min(*to));
            }
            // Stamps of another log say nothing about this one.
            Event::Connected { log, .. } | Event::NewLog { log, .. } => {
                self.handed.send_if_modified(|handed| {
                    let other = handed.log != *log;
                    if other {
                        (handed.log, handed.upto) = (*log, Lamport::ZERO);
                    }
                    other
                });
            }
            _ => {}
        }
        if self.reads == Reads::Given
            && let Some(mark) = self.mark(&event)
        {
            mark.written();
        }
        Some(event)
    }

    /// Whether [`Client::send`] would be taken without waiting.
    pub fn has_room(&self) -> bool {
        self.room.load(Ordering::Acquire)
    }

    /// Says something; gives the message's name once it is in the outbox. That it is on disk, and
    /// goes out, is told by [`Event::Queued`]; that it has its place, by [`Event::Committed`]; that it was refused, by [`Event::Error`]. While the outbox is
    /// full this waits, and keeps events aside for [`Client::next_event`].
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] for what could never be taken, [`ClientError::EventsUnread`].
    pub async fn send(
        &mut self,
        audience: Audience,
        text: impl Into<String>,
    ) -> Result<MessageName, ClientError> {
        let (mut audience, mut text) = (audience, text.into());
        loop {
            let (reply, answer) = oneshot::channel();
            let request = Request::Say {
                audience,
                text,
                reply,
            };
            match self.request(request, answer).await? {
                Ok(name) => return Ok(name),
                Err((_, Some(back))) => (audience, text) = back,
                Err((error, None)) => return Err(error.into()),
            }
            self.wait_for_room().await?;
        }
    }

    /// Joins a room. Answered by [`Event::RoomJoined`] or [`Event::Error`].
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn join(&mut self, room: RoomName) -> Result<(), ClientError> {
        self.ask(Ask::Join(room)).await
    }

    /// Leaves a room. Answered by [`Event::RoomLeft`] or [`Event::Error`].
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn leave(&mut self, room: RoomName) -> Result<(), ClientError> {
        self.ask(Ask::Leave(room)).await
    }

    /// Takes another name. Answered by [`Event::Renamed`] or [`Event::Error`].
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn rename(&mut self, nick: Nick) -> Result<(), ClientError> {
        self.ask(Ask::Rename(nick)).await
    }

    /// Asks who is connected. Answered by [`Event::Users`].
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn users(&mut self) -> Result<(), ClientError> {
        self.ask(Ask::Who).await
    }

    /// Sets the server's own bad channel, where the server allows it. Answered by
    /// [`Event::Channel`] or [`Event::Error`].
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn channel(&mut self, spec: impl Into<String>) -> Result<(), ClientError> {
        self.ask(Ask::Channel(spec.into())).await
    }

    /// Asks for at most `count` messages from before the stamp `before`; zero for the newest.
    /// Answered by messages with `history`, and then by [`Event::History`].
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn history(&mut self, before: Lamport, count: u32) -> Result<(), ClientError> {
        self.ask(Ask::History { before, count }).await
    }

    /// Asks for at most `count` messages that hold all these words, from before the stamp
    /// `before`; zero for the newest. Answered by [`Event::Found`].
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn find(
        &mut self,
        words: impl Into<String>,
        before: Lamport,
        count: u32,
    ) -> Result<(), ClientError> {
        let words = words.into();
        let find = Ask::Find {
            words,
            before,
            count,
        };
        self.ask(find).await
    }

    /// Asks what is known of a message's way. Answered by [`Event::Trace`] or [`Event::Error`].
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn trace(&mut self, stamp: Lamport) -> Result<(), ClientError> {
        self.ask(Ask::Trace(stamp)).await
    }

    /// Asks why two messages stand in their order. Answered by [`Event::Why`] or [`Event::Error`].
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn why(&mut self, a: Lamport, b: Lamport) -> Result<(), ClientError> {
        self.ask(Ask::Why(a, b)).await
    }

    /// Takes back messages that never went out; each is told by [`Event::Cancelled`] then.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotCancelled`] where one was meant that is not there or has gone out.
    pub async fn cancel(&mut self, which: Cancel) -> Result<CancelReport, ClientError> {
        let (reply, answer) = oneshot::channel();
        let cancelled = self
            .request(Request::Cancel { which, reply }, answer)
            .await?;
        Ok(cancelled?)
    }

    /// Makes a new connection now.
    ///
    /// # Errors
    ///
    /// When the conversation is over.
    pub async fn reconnect(&mut self) -> Result<(), ClientError> {
        let sent = self.requests.send(Request::Reconnect).await;
        sent.map_err(|_gone| SayError::Over.into())
    }

    /// How things are now: the conversation, the link, the bad channel.
    ///
    /// # Errors
    ///
    /// When the conversation is over.
    pub async fn stats(&self) -> Result<NetStatus, ClientError> {
        let (reply, answer) = oneshot::channel();
        self.request(Request::Status { reply }, answer).await
    }

    /// Begins to leave: nothing more is taken, and once everything is settled, or `within` is over,
    /// [`Event::Closed`] comes.
    pub async fn finish(&mut self, within: Option<Duration>) {
        // A driver that is gone has said that it is.
        let _ = self.requests.send(Request::Close { within }).await;
    }

    /// Leaves once everything is settled, or after [`CLOSE_WITHIN`], and says what became of it.
    /// Events that come meanwhile are dropped; messages among them come again next time.
    pub async fn close(mut self) -> Summary {
        self.reads = Reads::Nothing;
        self.finish(Some(CLOSE_WITHIN)).await;
        let mut last = Summary::default();
        while let Some(event) = self.next_event().await {
            if let Event::Closed { summary, .. } = event {
                last = summary;
            }
        }
        self.ended().await;
        last
    }

    /// Drops the client, and waits (not for ever) until what it keeps on disk is there.
    pub async fn ended(self) {
        let driver = self.driver;
        drop((self.requests, self.events, self.handed, self.written));
        if timeout(ENDS_WITHIN, driver).await.is_err() {
            tracing::warn!("the disk takes too long; what was read last may be shown again");
        }
    }

    async fn ask(&mut self, mut ask: Ask) -> Result<(), ClientError> {
        loop {
            let (reply, answer) = oneshot::channel();
            match self.request(Request::Ask { ask, reply }, answer).await? {
                Ok(()) => return Ok(()),
                Err((_, Some(back))) => ask = back,
                Err((error, None)) => return Err(error.into()),
            }
            self.wait_for_room().await?;
        }
    }

    async fn request<T>(
        &self,
        request: Request,
        answer: oneshot::Receiver<T>,
    ) -> Result<T, ClientError> {
        let sent = self.requests.send(request).await;
        sent.map_err(|_gone| ClientError::Refused(SayError::Over))?;
        answer
            .await
            .map_err(|_gone| ClientError::Refused(SayError::Over))
    }

    async fn wait_for_room(&mut self) -> Result<(), ClientError> {
        while !self.has_room() {
            if self.aside.len() >= EVENTS_ASIDE_MAX {
                return Err(ClientError::EventsUnread);
            }
            match self.events.recv().await {
                Some(event) => self.aside.push_back(event),
                None => return Err(SayError::Over.into()),
            }
        }
        Ok(())
    }
}

fn plan(config: &ClientConfig, token: u32) -> LinkPlan {
    let defaults = LinkConfig::new(token);
    LinkPlan {
        server: config.server.clone(),
        config: LinkConfig {
            repair: config.repair,
            window_frames: config.window_frames.unwrap_or(defaults.window_frames),
            fragment_bytes: config.fragment_bytes.unwrap_or(defaults.fragment_bytes),
            ..defaults
        },
        impair: config.impair.clone(),
    }
}

/// Keeps session numbers on disk, beside the driver: a slow disk holds up nobody.
fn note_sessions(profile: Profile) -> Box<dyn FnMut(u64) + Send> {
    let profile = Arc::new(Mutex::new(profile));
    Box::new(move |session| {
        let profile = Arc::clone(&profile);
        tokio::task::spawn_blocking(move || {
            let mut profile = profile.lock().unwrap_or_else(PoisonError::into_inner);
            profile.used(session);
        });
    })
}
