//! The library's handle: asks the driver, hands over its events. Everything between the two is
//! bounded: requests wait, and events that nobody takes stop the reading from the server.

mod asking;
mod config;
mod reading;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lamparina_protocol::{Audience, AuthorKey, Lamport};
use lamparina_transport::Clock;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::core::conversation::{CancelReport, Config, Conversation, SayError};
use crate::core::event::{Event, MessageName, Summary};
use crate::core::outbox::{Ask, Cancel};
use crate::disk::Keeper;
use crate::net::{Driver, Ends, Handed, NetStatus, Request, wall_clock};
use crate::profile::address_key;
pub use config::{ClientConfig, ClientError};
use config::{note_sessions, plan};
pub use reading::{Mark, Reads};

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
        let (kept, address) = (profile.outbox(), address_key(&config.server));
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
            pass: config.pass,
        };
        let (conversation, disk) = match kept {
            None => (Conversation::new(core), None),
            Some(path) => {
                let owner = getrandom::u64().map_err(no_randomness)?;
                let (disk, state) = Keeper::open(&path, &address, author, epoch, owner)?;
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

    /// Sends here what waits for another log (one that this address had before). Gives how many
    /// messages that are, and how many stay because there is no room.
    ///
    /// # Errors
    ///
    /// When the conversation is over, or the disk says no.
    pub async fn adopt(&mut self) -> Result<(usize, usize), ClientError> {
        let (reply, answer) = oneshot::channel();
        let adopted = self.request(Request::Adopt { reply }, answer).await?;
        Ok(adopted?)
    }

    /// Forgets what waits for another log. Gives how many messages that were.
    ///
    /// # Errors
    ///
    /// As [`Client::adopt`].
    pub async fn forget(&mut self) -> Result<usize, ClientError> {
        let (reply, answer) = oneshot::channel();
        let forgotten = self.request(Request::Forget { reply }, answer).await?;
        Ok(forgotten?)
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
