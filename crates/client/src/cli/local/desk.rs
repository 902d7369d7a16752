//! Serves `send` and `tail` beside a conversation: what is asked for goes to the client, what becomes
//! of it to whoever asked, every event to whoever follows.

use std::collections::HashMap;
use std::path::PathBuf;

use tokio::sync::oneshot;

use super::{Asked, Local};
use crate::client::{Client, ClientError};
use crate::core::conversation::SayError;
use crate::core::event::{Event, MessageName};
use crate::show::json;

/// A socket and those who wait behind it.
#[derive(Debug)]
pub(crate) struct Desk {
    local: Local,
    /// Those who wait for what becomes of a message.
    waiting: HashMap<MessageName, oneshot::Sender<String>>,
}

impl Desk {
    /// Listens at `path`, soon; at none, never.
    pub(crate) fn open(path: Option<PathBuf>, server: String) -> Self {
        Self {
            local: Local::start(path, server),
            waiting: HashMap::new(),
        }
    }

    /// The next message asked for. Cancel-safe; never ends.
    pub(crate) async fn asked(&mut self) -> Asked {
        self.local.asked().await
    }

    /// Resolves once it is known whether `send` and `tail` can come here. Cancel-safe.
    pub(crate) async fn settled(&mut self) {
        self.local.settled().await;
    }

    /// Sends what was asked for.
    pub(crate) async fn serve(&mut self, client: &mut Client, asked: Asked) {
        match client.send(asked.audience, asked.text).await {
            Ok(name) => {
                self.waiting.insert(name, asked.reply);
            }
            Err(error) => {
                // Who asked may have gone.
                let _ = asked
                    .reply
                    .send(json::error(code(&error), &error.to_string()));
            }
        }
    }

    /// Whether somebody wants every event.
    pub(crate) fn is_followed(&self) -> bool {
        self.local.is_followed()
    }

    /// Tells an event to those whom it concerns.
    pub(crate) fn tell(&mut self, event: &Event) {
        match event {
            Event::Committed(commit) => self.reply(commit.was.unwrap_or(commit.name), event),
            Event::Error {
                message: Some(name),
                ..
            } => self.reply(*name, event),
            Event::Requeued { was, name } => {
                if let Some(reply) = self.waiting.remove(was) {
                    self.waiting.insert(*name, reply);
                }
            }
            Event::Cancelled { name, .. } => {
                if let Some(reply) = self.waiting.remove(name) {
                    let text = "it was cancelled in the running client before it was sent";
                    // Who asked may have gone.
                    let _ = reply.send(json::error("cancelled", text));
                }
            }
            _ => {}
        }
        if self.is_followed() {
            self.local.tell(&json::event(event));
        }
    }

    fn reply(&mut self, name: MessageName, event: &Event) {
        if let Some(reply) = self.waiting.remove(&name) {
            // Who asked may have gone.
            let _ = reply.send(json::event(event));
        }
    }
}

/// A short word for programs.
pub(crate) fn code(error: &ClientError) -> &'static str {
    match error {
        ClientError::Refused(error) => error.code(),
        ClientError::EventsUnread => SayError::Full.code(),
        ClientError::NotCancelled(error) => error.code(),
        ClientError::Outbox(_) => "outbox",
        ClientError::NotConnected(_) | ClientError::NoRandomness(_) => SayError::Over.code(),
    }
}
