//! What the driver hands on: messages to the link while it has room, what the program took or wrote
//! and what the disk has to the conversation, requests and their answers.

use lamparina_protocol::control::CloseCode;
use lamparina_protocol::link::{self, Outgoing, SendError};
use lamparina_transport::Connection;

use super::driver::{Driver, wall_clock};
use super::request::{ChannelStatus, NetStatus, Request};
use crate::core::carrier::Carrier;
use crate::core::conversation::{Input, Outward, SayError};
use crate::core::meter::Reading;
use crate::disk::Progress;

impl Driver {
    /// Gives the link what it has room for.
    pub(super) fn pump(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let now = self.clock.now();
        while connection.has_room() {
            let message = match self.held.take() {
                Some(message) => message,
                None => match self.conversation.pull(now) {
                    Some(Outward::Message { kind, body }) => Outgoing::own(kind, body),
                    Some(Outward::Goodbye) => {
                        let (code, text) = (CloseCode::Goodbye, String::new());
                        let _ = connection.input(link::Input::Close { code, text });
                        break;
                    }
                    None => break,
                },
            };
            match connection.send(now, &message) {
                Ok(()) => self.meter.moved(),
                Err(SendError::Full) => {
                    self.held = Some(message);
                    break;
                }
                // It goes again with the next connection: nothing has settled it.
                Err(error) => tracing::debug!(%error, "a message waits for the next connection"),
            }
        }
        connection.flush();
    }

    pub(super) fn note_handed(&mut self) {
        let handed = *self.ends.handed.borrow_and_update();
        let count = handed.count - self.handed;
        if count > 0 {
            self.handed = handed.count;
            let (log, upto) = (handed.log, handed.upto);
            self.apply(Input::HandedOver { log, upto, count });
        }
    }

    pub(super) fn note_written(&mut self) {
        let written = *self.ends.written.borrow_and_update();
        let (log, upto) = (written.log, written.upto);
        self.apply(Input::Written { log, upto });
    }

    pub(super) fn disk_has(&mut self, progress: Progress) {
        let Progress {
            stored,
            failed,
            taken,
        } = progress;
        if let Some((ticket, text)) = failed
            && ticket > self.failed
        {
            self.failed = ticket;
            self.apply(Input::StoreFailed { ticket, text });
        }
        self.apply(Input::Stored { upto: stored });
        if taken {
            self.apply(Input::StoreTaken);
        }
    }

    pub(super) fn asked(&mut self, request: Option<Request>) {
        // What a message has seen is what was in its author's hands before it was said.
        self.note_handed();
        match request {
            Some(Request::Say {
                audience,
                text,
                reply,
            }) => {
                let room = self.conversation.has_room();
                let said = if room {
                    let said = self.conversation.say(wall_clock(), audience, text);
                    said.map_err(|error| (error, None))
                } else {
                    Err((SayError::Full, Some((audience, text))))
                };
                let _ = reply.send(said);
                self.apply(Input::Tick);
            }
            Some(Request::Ask { ask, reply }) => {
                let asked = match self.conversation.has_room() {
                    true => self.conversation.ask(ask).map_err(|error| (error, None)),
                    false => Err((SayError::Full, Some(ask))),
                };
                let _ = reply.send(asked);
                self.apply(Input::Tick);
            }
            Some(Request::Cancel { which, reply }) => {
                let _ = reply.send(self.conversation.cancel(which));
                self.apply(Input::Tick);
            }
            Some(Request::Adopt { reply }) => {
                let _ = reply.send(self.conversation.adopt());
                self.apply(Input::Tick);
            }
            Some(Request::Forget { reply }) => {
                let _ = reply.send(self.conversation.forget_elsewhere());
                self.apply(Input::Tick);
            }
            Some(Request::Status { reply }) => {
                let _ = reply.send(self.status());
            }
            Some(Request::Reconnect) => self.apply(Input::Reconnect),
            Some(Request::Close { within }) => self.apply(Input::Close { within }),
            None => self.gone(),
        }
    }

    pub(super) fn status(&mut self) -> NetStatus {
        let reading = self.read_meter();
        let connection = self.connection.as_ref();
        let ends = connection.and_then(|connection| {
            let ends = (connection.local_addr().ok()?, connection.peer_addr().ok()?);
            let over = match connection.is_over_datagrams() {
                true => "udp://",
                false => "",
            };
            Some((format!("{over}{}", ends.0), format!("{over}{}", ends.1)))
        });
        NetStatus {
            conversation: self.conversation.status(self.clock.now()),
            link: connection.map(|connection| connection.link().stats()),
            reading,
            carrier: connection.map(carrier_of),
            sealed: self.plan.seal.is_some(),
            terms: connection.and_then(|connection| connection.link().terms()),
            ends,
            socket: connection.and_then(Connection::socket_options),
            channel: self.channel_status(),
        }
    }

    /// What the link is like, once it is open.
    fn read_meter(&mut self) -> Option<Reading> {
        let link = self.connection.as_ref()?.link();
        link.terms()?;
        Some(self.meter.read(self.clock.now(), link.stats()))
    }

    /// Looks at the link's counters, where it is time.
    pub(super) fn look_at_meter(&mut self) {
        if let Some(connection) = &self.connection {
            let now = self.clock.now();
            self.meter.look(now, || connection.link().stats());
        }
    }

    fn channel_status(&self) -> Option<ChannelStatus> {
        let settings = self.plan.impair.clone()?;
        let (outward, inward) = self.connection.as_ref()?.impairment()?;
        Some(ChannelStatus {
            outward: outward.stats(),
            inward: inward.stats(),
            settings,
        })
    }
}

/// What carries a connection.
pub(super) const fn carrier_of(connection: &Connection) -> Carrier {
    match connection.is_over_datagrams() {
        true => Carrier::Udp,
        false => Carrier::Tcp,
    }
}
