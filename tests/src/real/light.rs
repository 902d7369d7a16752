//! A bare link with a nick: the client's protocol without its process, so that a test can hold a
//! thousand of them, or one that never says what it consumed.

use std::net::SocketAddr;

use lamparina_protocol::frame::FrameType;
use lamparina_protocol::link::{CloseReason, Event, Input, Link, LinkConfig, Outgoing};
use lamparina_protocol::message::{Delivery, RefusalCode, SetNick, Submit, ToClient, ToServer};
use lamparina_protocol::seal::{IdentityKey, LinkKeys, SEED_BYTES, Transport};
use lamparina_protocol::{
    Audience, AuthorKey, Lamport, Nick, Pseq, SessionNumber, UnixMicros, codec,
};
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
    /// The stamp of the last of these.
    pub last_stamp: Lamport,
    /// What of its own was refused, where it expects that.
    pub refused: Vec<(RefusalCode, String)>,
    /// It says what it expects to be refused.
    pub hostile: bool,
    /// How the link ended, where it was not let in.
    pub ended: Option<CloseReason>,
    /// It has a nick.
    pub entered: bool,
    first: Vec<(FrameType, Vec<u8>)>,
}

/// Who a light link is, and how it comes.
#[derive(Clone, Debug)]
pub struct As {
    /// The seed of its identity, for a sealed link; in clear it is somebody new each time.
    pub seed: Option<[u8; 32]>,
    /// The nick that it claims.
    pub nick: String,
    /// Its session's number.
    pub session: u64,
    /// What it says before its nick.
    pub first: Vec<ToServer>,
}

impl As {
    /// Somebody new, sealed.
    pub fn sealed(nick: &str) -> Self {
        Self {
            seed: Some(new_seed()),
            nick: nick.to_owned(),
            session: 1,
            first: Vec::new(),
        }
    }

    /// Somebody new, in clear.
    pub fn clear(nick: &str) -> Self {
        let seed = None;
        Self {
            seed,
            ..Self::sealed(nick)
        }
    }
}

/// Bytes that nobody else in this process has. Secret from nobody: these are tests.
pub fn new_seed() -> [u8; 32] {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let mut seed = [0x5E; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    seed
}

impl Light {
    /// Connects and enters under `nick`.
    pub async fn enter(addr: SocketAddr, nick: &str) -> Self {
        let stream = TcpStream::connect(addr).await.expect("the server accepts");
        let light = Self::enter_as(stream, &As::clear(nick)).await;
        assert!(light.entered, "{nick} was to be let in: {:?}", light.ended);
        light
    }

    /// Enters over a stream as somebody, or is refused: then [`Light::ended`] says how.
    pub async fn enter_as(stream: TcpStream, who: &As) -> Self {
        let mut light = Self::begin(stream, who);
        while !light.entered && light.ended.is_none() {
            light.step().await;
        }
        light
    }

    fn begin(stream: TcpStream, who: &As) -> Self {
        let clock = Clock::start();
        let mut hello = new_hello();
        hello.session = SessionNumber(who.session);
        let identity = who.seed.map(|seed| IdentityKey::from_seed(&seed));
        if let Some(identity) = &identity {
            hello.author = AuthorKey(identity.public().0);
        }
        // It reads messages in one part only.
        let config = LinkConfig {
            bulk: false,
            ..LinkConfig::new(1)
        };
        let mut link = Link::initiate(config, hello.to_bytes(), clock.now());
        if let Some(identity) = identity {
            let mut seed = [0; SEED_BYTES];
            let (fixed, ephemeral) = seed.split_at_mut(SEED_BYTES / 2);
            fixed.copy_from_slice(&new_seed());
            ephemeral.copy_from_slice(&new_seed());
            link = link.sealed(LinkKeys::new(identity, seed, Transport::Tcp));
        }
        let first = who.first.iter().map(|message| {
            let body = codec::encode(message).expect("it is short");
            (FrameType::Data, body.to_vec())
        });
        Self {
            connection: Connection::new(stream, link, clock).expect("a TCP socket"),
            events: Vec::new(),
            nick: who.nick.clone(),
            clock: Lamport::ZERO,
            next: Pseq(1),
            delivered: Vec::new(),
            committed: 0,
            last_stamp: Lamport::ZERO,
            refused: Vec::new(),
            hostile: false,
            ended: None,
            entered: false,
            first: first.collect(),
        }
    }

    /// Says `text` to `audience`; it leaves with the next step. Waits for room in the window.
    pub async fn say(&mut self, audience: Audience, text: &str) {
        let clock = self.clock.tick().expect("time has not ended");
        self.say_at(audience, text, clock, Lamport::ZERO).await;
    }

    /// The same, with a clock and a last stamp seen that need not be true.
    pub async fn say_at(&mut self, audience: Audience, text: &str, clock: Lamport, seen: Lamport) {
        while !self.connection.has_room() {
            self.step().await;
        }
        let submit = Submit {
            epoch: new_epoch(),
            pseq: self.next,
            clock,
            seen,
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
            Event::Proven { .. } => {
                let trusted = self.connection.input(Input::Trust);
                trusted.expect("it was asked for");
            }
            Event::Opened { .. } => {
                for (kind, body) in std::mem::take(&mut self.first) {
                    let now = self.connection.clock().now();
                    let sent = self.connection.send(now, &Outgoing::own(kind, body.into()));
                    sent.expect("there is room for the first words");
                }
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
            Event::Received { .. } | Event::PeerClosing { .. } => {}
            Event::Closed(reason) if !self.entered || self.hostile => self.ended = Some(reason),
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
                self.last_stamp = stamp;
                self.committed += 1;
            }
            ToClient::Refused { code, text, .. } | ToClient::Error { code, text } => {
                if self.hostile {
                    return self.refused.push((code, text));
                }
                panic!("{} was refused: {code:?}, {text}", self.nick)
            }
            _ => {}
        }
    }

    /// Sends a message of a client; it leaves with the next step.
    pub fn send<T: serde::Serialize>(&mut self, kind: FrameType, message: &T) {
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
