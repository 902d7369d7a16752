//! Clients over real sockets, and a store: what a stalled client makes up for, and an answer.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use lamparina_order::Sequenced;
use lamparina_protocol::control::Hello;
use lamparina_protocol::link::{LinkConfig, Outgoing};
use lamparina_protocol::message::{SetNick, ToClient, ToServer};
use lamparina_protocol::{Audience, LogId, Term, codec};
use lamparina_transport::Clock;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::*;
use crate::config::{Links, ServerConfig};
use crate::hub::{Ask, Hub};
use crate::reading::testing::Stored;
use crate::reading::{Directory, Readers};
use crate::shared::Log;
use crate::testing::{hello, nick, submit};

const WITHIN: Duration = Duration::from_secs(60);
const MESSAGES: u64 = 20_000;
const TEXT_BYTES: usize = 300;

/// A server with a store and a short tail.
async fn server() -> (SocketAddr, watch::Sender<bool>) {
    let stored = Stored::of_readers();
    let config = ServerConfig {
        tail_items: 2_000,
        ..ServerConfig::new(Links::Clear)
    };
    let directory: Arc<dyn Directory> = Arc::new(stored.clone());
    let readers = vec![Box::new(stored.clone()) as Box<dyn lamparina_store::Reader>];
    let log = Log {
        id: LogId([7; 16]),
        term: Term(1),
        terms: Arc::default(),
        members: Arc::default(),
        readers: Some(Readers::start(readers, &directory).unwrap().0),
    };
    let shared = Arc::new(Shared::new(config, log, None));
    tokio::spawn(order(shared.clone(), stored));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (closing, closed) = watch::channel(false);
    tokio::spawn(crate::listen::accept(listener, shared, closed));
    (addr, closing)
}

/// Orders as the server does; what lasts is durable before anybody is told.
async fn order(shared: Arc<Shared>, stored: Stored) {
    let (mut hub, mut order) = (Hub::default(), Sequenced::default());
    let (mut asked, mut effects) = (Vec::new(), Vec::new());
    while shared.sequencer.next(&mut asked).await {
        for asked in &asked {
            if let Ask::Entry(entry) = &asked.ask
                && let Some(event) = order.apply_recorded(entry.clone(), &mut effects)
            {
                stored.push(order.last_stamp().get(), event);
            }
        }
        while !asked.is_empty() {
            if let Some((batch, rings)) = hub.apply_now(&mut asked) {
                let position = shared.tail.push(batch);
                shared.bells.ring(rings, position);
            }
        }
    }
}

struct Caller {
    connection: Connection,
    events: VecDeque<Event>,
}

impl Caller {
    async fn enter(addr: SocketAddr, hello: Hello, name: &str) -> Self {
        let clock = Clock::start();
        let link = Link::initiate(LinkConfig::new(7), hello.to_bytes(), clock.now());
        let stream = TcpStream::connect(addr).await.unwrap();
        let connection = Connection::new(stream, link, clock).unwrap();
        let events = VecDeque::new();
        let mut caller = Self { connection, events };
        assert!(matches!(caller.event().await, Event::Opened { .. }));
        caller.send(FrameType::SetNick, &SetNick { nick: nick(name) });
        caller
    }

    fn send(&mut self, kind: FrameType, message: &impl serde::Serialize) {
        let now = self.connection.clock().now();
        let message = Outgoing::own(kind, codec::encode(message).unwrap());
        self.connection.send(now, &message).unwrap();
    }

    async fn event(&mut self) -> Event {
        let mut events = Vec::new();
        while self.events.is_empty() {
            let step = self.connection.step(&mut events);
            tokio::time::timeout(WITHIN, step).await.unwrap();
            self.events.extend(events.drain(..));
        }
        self.events.pop_front().unwrap()
    }

    async fn hears(&mut self) -> ToClient {
        match self.event().await {
            Event::Received { body, .. } => codec::decode(&body).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Says so much to all, and hears that it was committed.
    async fn says(&mut self, count: u64) {
        let (mut said, mut committed) = (0, 0);
        let text = "x".repeat(TEXT_BYTES);
        while committed < count {
            while said < count && said < committed + 200 {
                said += 1;
                let message = submit(said, Audience::All, &text);
                self.send(FrameType::Data, &ToServer::Submit(message));
            }
            if let ToClient::Committed { pseq, .. } = self.hears().await {
                committed = pseq.0;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_client_makes_up_for_all_that_the_tail_lost() {
    let (addr, _closing) = server().await;
    let mut ana = Caller::enter(addr, hello(1, 1), "ana").await;
    assert!(matches!(ana.hears().await, ToClient::Entered { .. }));
    let mut bob = Caller::enter(addr, hello(2, 1), "bob").await;
    bob.says(MESSAGES).await;
    let mut last = 0;
    while last < MESSAGES {
        if let ToClient::Message(message) = ana.hears().await {
            assert_eq!(message.prev.0.get(), last);
            last = message.stamp.get();
        }
    }
    assert_eq!(last, MESSAGES);

    // A newcomer is shown the end of it, and ana may ask for what came before.
    let mut eva = Caller::enter(addr, hello(3, 1), "eva").await;
    assert!(matches!(eva.hears().await, ToClient::Entered { .. }));
    let mut shown = Vec::new();
    let more = loop {
        match eva.hears().await {
            ToClient::Message(message) if message.history => shown.push(message.stamp.get()),
            ToClient::History { count, more } => {
                assert_eq!(count as usize, shown.len());
                break more;
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        (shown.last(), shown.len(), more),
        (Some(&MESSAGES), 50, true)
    );
    ana.send(
        FrameType::Data,
        &ToServer::Trace {
            stamp: message_in_the_middle(),
        },
    );
    loop {
        match ana.hears().await {
            ToClient::Trace(trace) => {
                assert_eq!((trace.of, trace.from), (1, nick("bob")));
                return;
            }
            ToClient::Joined { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

fn message_in_the_middle() -> lamparina_protocol::Lamport {
    lamparina_protocol::Lamport::new(MESSAGES / 2)
}
