//! A bare link with a nick: the client's protocol without its process, so that a test can hold a
//! thousand of them, or one that never says what it consumed.

use std::net::SocketAddr;

use lamparina_protocol::frame::FrameType;
use lamparina_protocol::link::{Event, Link, LinkConfig, Outgoing};
use lamparina_protocol::message::{Delivery, SetNick, Submit, ToClient, ToServer};
use lamparina_protocol::{Audience, Lamport, Nick, Pseq, UnixMicros, codec};
use lamparina_transport::{Clock, Connection};
use tokio::net::TcpStream;

use super::raw::new_hello;

/// A link that has entered.
#[derive(Debug)]
pub struct Light {
    connection: Connection,
    events: Vec<Event>,
    nick: String,
    clock: Lamport,
    next: Pseq,
    /// What it was delivered, in order.
    pub delivered: Vec<Delivery>,
    /// How many of its own messages were committed.
    pub committed: u64,
    entered: bool,
}

impl Light {
    /// Connects and enters under `nick`.
    pub async fn enter(addr: SocketAddr, nick: &str) -> Self {
        let stream = TcpStream::connect(addr).await.expect("the server accepts");
        let clock = Clock::start();
        let hello = new_hello().to_bytes();
        let link = Link::initiate(LinkConfig::new(1), hello, clock.now());
        let mut light = Self {
            connection: Connection::new(stream, link, clock).expect("a TCP socket"),
            events: Vec::new(),
            nick: nick.to_owned(),
            clock: Lamport::ZERO,
            next: Pseq(1),
            delivered: Vec::new(),
            committed: 0,
            entered: false,
        };
        while !light.entered {
            light.step().await;
        }
        light
    }

    /// Says `text` to `audience`; it leaves with the next step. Waits for room in the window.
    pub async fn say(&mut self, audience: Audience, text: &str) {
        while !self.connection.has_room() {
            self.step().await;
        }
        let submit = Submit {
            epoch: new_epoch(),
            pseq: self.next,
            clock: self.clock.tick().expect("time has not ended"),
            seen: Lamport::ZERO,
            sent_at: UnixMicros(0),
            audience,
            text: text.to_owned(),
        };
        self.next = Pseq(self.next.0 + 1);
        self.send(FrameType::Data, &ToServer::Submit(submit));
    }

    /// Waits until something has happened, and takes it in.
    pub async fn step(&mut self) {
        let mut events = std::mem::take(&mut self.events);
        self.connection.step(&mut events).await;
        for event in events.drain(..) {
            self.take_in(event);
        }
        self.events = events;
    }

    fn take_in(&mut self, event: Event) {
        match event {
            Event::Opened { .. } => {
                let nick = Nick::try_from(self.nick.as_str()).expect("a well-formed nick");
                self.send(FrameType::SetNick, &SetNick { nick });
            }
            Event::Received {
                kind: FrameType::Data,
                body,
            } => {
                let message = codec::decode(&body).expect("a server's message can be read");
                self.receive(message);
            }
            Event::Received { .. } => {}
            other => panic!("{} was not to be left: {other:?}", self.nick),
        }
    }

    fn receive(&mut self, message: ToClient) {
        match message {
            ToClient::Entered { clock, .. } => {
                self.clock = clock;
                self.entered = true;
            }
            ToClient::Message(delivery) => {
                self.clock = self.clock.max(delivery.stamp);
                self.delivered.push(delivery);
            }
            ToClient::Committed { stamp, .. } => {
                self.clock = self.clock.max(stamp);
                self.committed += 1;
            }
            ToClient::Refused { code, text, .. } | ToClient::Error { code, text } => {
                panic!("{} was refused: {code:?}, {text}", self.nick)
            }
            _ => {}
        }
    }

    fn send<T: serde::Serialize>(&mut self, kind: FrameType, message: &T) {
        let body = codec::encode(message).expect("it is short");
        let now = self.connection.clock().now();
        let sent = self.connection.send(now, &Outgoing::own(kind, body));
        sent.expect("there was room");
    }
}

/// The epoch that [`new_hello`] names.
fn new_epoch() -> lamparina_protocol::Epoch {
    new_hello().epoch
}
