//! The handle of a running peer: what a program holds.

use std::net::SocketAddr;
use std::time::Duration;

use lamparina_protocol::RoomName;
use lamparina_protocol::peer::MessageName;
use tokio::sync::{mpsc, oneshot};

use crate::config::PeerConfig;
use crate::error::PeerError;
use crate::event::{
    CoordinatorLine, Event, HistoryKey, Line, LinkLine, PeerLine, Recipients, Summary, Trace, Why,
};
use crate::node::{self, Request, Started};

/// Says things for a [`Peer`] while somebody else waits for its events. Copies may be given to any task; none of them keeps the
/// peer running.
#[derive(Clone, Debug)]
pub struct Speaker(mpsc::WeakSender<Request>);

impl Speaker {
    /// As [`Peer::send`].
    ///
    /// # Errors
    ///
    /// As there, and [`PeerError::Closed`] once the peer is gone.
    pub async fn send(&self, to: Recipients, text: String) -> Result<MessageName, PeerError> {
        let requests = self.0.upgrade().ok_or(PeerError::Closed)?;
        let (reply, answer) = oneshot::channel();
        let request = Request::Say { to, text, reply };
        let closed = |_gone| PeerError::Closed;
        requests.send(request).await.map_err(closed)?;
        drop(requests);
        answer.await.unwrap_or(Err(PeerError::Closed))
    }
}

/// A running peer. Dropped, it takes leave and ends, and waits for nobody.
#[derive(Debug)]
pub struct Peer(Started);

impl Peer {
    /// Listens, opens the store, and begins to look for others. Within a tokio runtime, which must live as
    /// long as the peer.
    ///
    /// # Errors
    ///
    /// [`PeerError`], in words that say what to do.
    pub async fn start(config: PeerConfig) -> Result<Self, PeerError> {
        node::start(config).await.map(Self)
    }

    /// Where it listens.
    pub fn listening(&self) -> &[SocketAddr] {
        &self.0.listening
    }

    /// The next thing that happens; `None` once it has closed. Cancel-safe. A program that does not ask for
    /// long makes its peer stand still.
    pub async fn next_event(&mut self) -> Option<Event> {
        self.0.events.recv().await
    }

    /// Says something. It is taken; [`Event::Committed`] follows once it is stored here. Waits while this
    /// peer says more than others take.
    ///
    /// # Errors
    ///
    /// Where nobody is called so, or several are, or the text is empty or too long.
    pub async fn send(&self, to: Recipients, text: String) -> Result<MessageName, PeerError> {
        self.try_ask(|reply| Request::Say { to, text, reply }).await
    }

    /// Says things for this peer from elsewhere.
    pub fn speaker(&self) -> Speaker {
        Speaker(self.0.requests.downgrade())
    }

    /// Who is known, this peer first.
    pub async fn peers(&self) -> Vec<PeerLine> {
        self.ask(Request::Peers).await.unwrap_or_default()
    }

    /// Links, in the order in which they opened.
    pub async fn links(&self) -> Vec<LinkLine> {
        self.ask(Request::Links).await.unwrap_or_default()
    }

    /// Who coordinates, as far as this peer knows.
    pub async fn coordinator(&self) -> Option<CoordinatorLine> {
        self.ask(Request::Coordinator).await.flatten()
    }

    /// At most `count` lines, ascending: those before `before`, or the last ones.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub async fn history(
        &self,
        count: u32,
        before: Option<HistoryKey>,
    ) -> Result<Vec<Line>, PeerError> {
        let ask = |reply| Request::History {
            count,
            before,
            reply,
        };
        self.try_ask(ask).await
    }

    /// The newest lines that hold all the words, ascending.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub async fn find(&self, words: String) -> Result<Vec<Line>, PeerError> {
        self.try_ask(|reply| Request::Find { words, reply }).await
    }

    /// Whether one message is a cause of another. Each is named by its stamp, where only one has it, or
    /// by the first digits of its digest.
    ///
    /// # Errors
    ///
    /// Where there is no such message, or several.
    pub async fn why(&self, one: String, other: String) -> Result<Why, PeerError> {
        self.try_ask(|reply| Request::Why { one, other, reply })
            .await
    }

    /// What became of a message here, named as for [`Peer::why`].
    ///
    /// # Errors
    ///
    /// Where there is no such message, or several.
    pub async fn trace(&self, which: String) -> Result<Trace, PeerError> {
        self.try_ask(|reply| Request::Trace { which, reply }).await
    }

    /// Tries all addresses anew, at once.
    pub async fn reconnect(&self) {
        self.tell(Request::Reconnect).await;
    }

    /// Dials a peer at `HOST:PORT`, and again whenever its link breaks, as one that was given at the start. What
    /// comes of it is told by events.
    pub async fn dial(&self, host: String) {
        self.tell(Request::Dial(host)).await;
    }

    /// Takes the registration at the rendezvous back.
    ///
    /// # Errors
    ///
    /// Where there is no rendezvous, or it says no.
    pub async fn unregister(&self) -> Result<(), PeerError> {
        self.try_ask(Request::Unregister).await
    }

    /// Shows what is said in a room from now on. One's own namespace is a room that one is in.
    pub async fn join(&self, room: RoomName) {
        self.tell(Request::Join(room)).await;
    }

    /// Shows it no more.
    pub async fn leave(&self, room: RoomName) {
        self.tell(Request::Leave(room)).await;
    }

    /// Waits until neighbours have what was said, takes leave, and ends; at most for `within`, and little
    /// more for the leave. What happens meanwhile is not told any more.
    pub async fn close(self, within: Duration) -> Summary {
        let Started {
            listening: _,
            mut events,
            requests,
            accepting,
            thread,
        } = self.0;
        let (reply, mut answer) = oneshot::channel();
        let asked = requests.send(Request::Close { within, reply }).await;
        let mut summary = Summary::default();
        if asked.is_ok() {
            // Its node waits for nobody who reads, but to end it must be rid of its events.
            loop {
                tokio::select! {
                    answered = &mut answer => {
                        summary = answered.unwrap_or_default();
                        break;
                    }
                    Some(_) = events.recv() => {}
                }
            }
        }
        drop((events, requests, accepting));
        // A thread that panicked has said so itself.
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        summary
    }

    async fn tell(&self, request: Request) {
        // A node that has ended tells so by its events.
        let _ = self.0.requests.send(request).await;
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.0.requests.send(ask(reply)).await.ok()?;
        answer.await.ok()
    }

    async fn try_ask<T>(
        &self,
        ask: impl FnOnce(oneshot::Sender<Result<T, PeerError>>) -> Request,
    ) -> Result<T, PeerError> {
        self.ask(ask).await.unwrap_or(Err(PeerError::Closed))
    }
}
