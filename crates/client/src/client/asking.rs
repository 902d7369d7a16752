//! Requests other than messages; each is answered by an event.

use lamparina_protocol::{Lamport, Nick, RoomName};

#[cfg(doc)]
use super::Event;
use super::{Client, ClientError};
use crate::core::outbox::Ask;

impl Client {
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
}
