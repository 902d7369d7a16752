//! A server in this process and raw clients that speak to it over real sockets.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::control::{Hello, Welcome};
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::link::{CloseReason, Event, Input, Link, LinkConfig, Outgoing};
use lamparina_protocol::message::{SetNick, Submit, ToClient, ToServer};
use lamparina_protocol::{
    Audience, AuthorKey, Epoch, Lamport, LogId, Nick, Pseq, SessionNumber, Term, UnixMicros, codec,
};
use lamparina_server::{Server, ServerConfig, Summary};
use lamparina_transport::{Clock, Connection};
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Everything awaited comes within this, or the test fails.
const WITHIN: Duration = Duration::from_secs(20);

pub(crate) struct TestServer {
    pub(crate) addr: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<Summary>>,
}

impl TestServer {
    pub(crate) fn start(config: ServerConfig) -> Self {
        let server = Server::bind(&["127.0.0.1:0".parse().unwrap()], config).unwrap();
        let addr = server.local_addrs().unwrap()[0];
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { addr, stop, task }
    }

    pub(crate) fn ask_to_stop(self) -> JoinHandle<std::io::Result<Summary>> {
        self.stop.send(()).unwrap();
        self.task
    }

    /// Stops it; the clients are gone then, and nobody is waited for.
    pub(crate) async fn stop<T>(self, clients: T) -> Summary {
        drop(clients);
        self.ask_to_stop().await.unwrap().unwrap()
    }
}

pub(crate) fn nick(name: &str) -> Nick {
    Nick::try_from(name).unwrap()
}

pub(crate) fn hello(author: u8, session: u64) -> Hello {
    Hello {
        author: AuthorKey([author; 32]),
        epoch: Epoch(1),
        session: SessionNumber(session),
        log: LogId::default(),
        term: Term(0),
        cursor: Lamport::ZERO,
    }
}

pub(crate) fn submit(pseq: u64, audience: Audience, text: &str) -> ToServer {
    ToServer::Submit(Submit {
        epoch: Epoch(1),
        pseq: Pseq(pseq),
        clock: Lamport::new(1),
        seen: Lamport::ZERO,
        sent_at: UnixMicros(0),
        audience,
        text: text.to_owned(),
    })
}

/// A client without a mind.
pub(crate) struct Raw {
    pub(crate) connection: Connection,
    pub(crate) welcome: Option<Welcome>,
    events: VecDeque<Event>,
}

impl Raw {
    /// Says SYN; the answer has not come.
    pub(crate) async fn dial(addr: SocketAddr, hello: Bytes) -> Self {
        let clock = Clock::start();
        // It reads messages in one part only.
        let config = LinkConfig {
            bulk: false,
            ..LinkConfig::new(7)
        };
        let link = Link::initiate(config, hello, clock.now());
        let stream = TcpStream::connect(addr).await.unwrap();
        Self {
            connection: Connection::new(stream, link, clock).unwrap(),
            welcome: None,
            events: VecDeque::new(),
        }
    }

    /// An open link.
    pub(crate) async fn open(addr: SocketAddr, hello: Hello) -> Self {
        let mut raw = Self::dial(addr, hello.to_bytes()).await;
        match raw.event().await {
            Event::Opened { words, .. } => raw.welcome = Welcome::from_bytes(&words),
            other => panic!("{other:?}"),
        }
        raw
    }

    /// A session that has claimed `name`, and the answer.
    pub(crate) async fn enter(addr: SocketAddr, hello: Hello, name: &str) -> (Self, ToClient) {
        let mut raw = Self::open(addr, hello).await;
        raw.claim(name);
        let entered = raw.heard().await;
        assert!(matches!(entered, ToClient::Entered { .. }), "{entered:?}");
        (raw, entered)
    }

    pub(crate) fn claim(&mut self, name: &str) {
        let nick = nick(name);
        self.send(FrameType::SetNick, &SetNick { nick });
    }

    pub(crate) fn send(&mut self, kind: FrameType, message: &impl Serialize) {
        self.send_bytes(kind, codec::encode(message).unwrap());
    }

    pub(crate) fn say(&mut self, pseq: u64, audience: Audience, text: &str) {
        self.send(FrameType::Data, &submit(pseq, audience, text));
    }

    pub(crate) fn send_bytes(&mut self, kind: FrameType, body: Bytes) {
        let now = self.connection.clock().now();
        self.connection
            .send(now, &Outgoing::own(kind, body))
            .unwrap();
        self.connection.flush();
    }

    pub(crate) async fn event(&mut self) -> Event {
        let wait = async {
            while self.events.is_empty() {
                let mut events = Vec::new();
                self.connection.step(&mut events).await;
                self.events.extend(events);
            }
        };
        tokio::time::timeout(WITHIN, wait).await.unwrap();
        self.events.pop_front().unwrap()
    }

    /// The next message.
    pub(crate) async fn received(&mut self) -> (FrameType, Bytes) {
        match self.event().await {
            Event::Received { kind, body } => (kind, body),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn heard(&mut self) -> ToClient {
        let (kind, body) = self.received().await;
        assert_eq!(kind, FrameType::Data);
        codec::decode(&body).unwrap()
    }

    /// The next delivery as stamp, author, text, prev; events in between are dropped.
    pub(crate) async fn delivered(&mut self) -> (u64, String, String, u64) {
        loop {
            if let ToClient::Message(message) = self.heard().await {
                let (stamp, prev) = (message.stamp.get(), message.prev.0.get());
                return (stamp, message.from.to_string(), message.text, prev);
            }
        }
    }

    /// The next commit's stamp; what comes before is dropped.
    pub(crate) async fn committed(&mut self) -> u64 {
        loop {
            if let ToClient::Committed { stamp, .. } = self.heard().await {
                return stamp.get();
            }
        }
    }

    /// How it ends: code and words; what comes before is dropped.
    pub(crate) async fn ended(&mut self) -> (u16, String) {
        loop {
            match self.event().await {
                Event::Closed(CloseReason::ByPeer { code, text })
                | Event::PeerClosing { code, text } => return (code, text),
                Event::Closed(other) => panic!("{other:?}"),
                _ => {}
            }
        }
    }

    pub(crate) async fn leave(mut self) {
        let code = lamparina_protocol::control::CloseCode::Goodbye;
        let text = String::new();
        self.connection.input(Input::Close { code, text }).unwrap();
        while !matches!(self.event().await, Event::Closed(_)) {}
        self.connection.finish().await;
    }
}
