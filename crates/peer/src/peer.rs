//! The handle of a running peer: what a program holds.

use std::net::SocketAddr;
use std::time::Duration;

use lamparina_protocol::RoomName;
use lamparina_protocol::peer::MessageName;

use crate::config::PeerConfig;
use crate::error::PeerError;
use crate::event::{
    CoordinatorLine, Event, HistoryKey, Line, LinkLine, PeerLine, Recipients, Summary, Trace, Why,
};

/// A running peer. Dropped, it ends without a word.
#[derive(Debug)]
pub struct Peer {
    listening: Vec<SocketAddr>,
}

impl Peer {
    /// Listens, opens the store, and begins to look for others.
    ///
    /// # Errors
    ///
    /// [`PeerError`], in words that say what to do.
    pub async fn start(_config: PeerConfig) -> Result<Self, PeerError> {
        Err(PeerError::Closed)
    }

    /// Where it listens.
    pub fn listening(&self) -> &[SocketAddr] {
        &self.listening
    }

    /// The next thing that happens; `None` once it has closed. Cancel-safe.
    pub async fn next_event(&mut self) -> Option<Event> {
        None
    }

    /// Says something. It is taken; [`Event::Committed`] follows once it is stored here.
    ///
    /// # Errors
    ///
    /// Where nobody is called so, or several are, or the text is empty or too long.
    pub async fn send(&self, _to: Recipients, _text: String) -> Result<MessageName, PeerError> {
        Err(PeerError::Closed)
    }

    /// Who is known, this peer first.
    pub async fn peers(&self) -> Vec<PeerLine> {
        Vec::new()
    }

    /// Links, in the order in which they opened.
    pub async fn links(&self) -> Vec<LinkLine> {
        Vec::new()
    }

    /// Who coordinates, as far as this peer knows.
    pub async fn coordinator(&self) -> Option<CoordinatorLine> {
        None
    }

    /// At most `count` lines, ascending: those before `before`, or the last ones.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub async fn history(
        &self,
        _count: u32,
        _before: Option<HistoryKey>,
    ) -> Result<Vec<Line>, PeerError> {
        Err(PeerError::Closed)
    }

    /// The newest lines that hold all the words, ascending.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub async fn find(&self, _words: String) -> Result<Vec<Line>, PeerError> {
        Err(PeerError::Closed)
    }

    /// Whether one message is a cause of another. Each is named by its stamp, where only one has it, or
    /// by the first digits of its digest.
    ///
    /// # Errors
    ///
    /// Where there is no such message, or several.
    pub async fn why(&self, _one: String, _other: String) -> Result<Why, PeerError> {
        Err(PeerError::Closed)
    }

    /// What became of a message here, named as for [`Peer::why`].
    ///
    /// # Errors
    ///
    /// Where there is no such message, or several.
    pub async fn trace(&self, _which: String) -> Result<Trace, PeerError> {
        Err(PeerError::Closed)
    }

    /// Tries all addresses anew, at once.
    pub async fn reconnect(&self) {}

    /// Takes the registration at the rendezvous back.
    ///
    /// # Errors
    ///
    /// Where there is no rendezvous, or it says no.
    pub async fn unregister(&self) -> Result<(), PeerError> {
        Err(PeerError::Closed)
    }

    /// Shows what is said in a room from now on. One's own namespace is a room that one is in.
    pub async fn join(&self, _room: RoomName) {}

    /// Shows it no more.
    pub async fn leave(&self, _room: RoomName) {}

    /// Waits until neighbours have what was said, takes leave, and ends; at most for `within`.
    pub async fn close(self, _within: Duration) -> Summary {
        Summary::default()
    }
}
