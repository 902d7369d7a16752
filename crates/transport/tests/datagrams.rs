//! Links over UDP on loopback, each with a listener that judges what comes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::datagram::{ConnectionId, DatagramConfig, Load, Profile, peek, read_retry};
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::link::{CloseReason, Event, Input, Link, LinkConfig, Outgoing};
use lamparina_protocol::seal::{IdentityKey, LinkKeys, SEED_BYTES, Transport};
use lamparina_transport::{Clock, Connection, DatagramListener};
use tokio::time::timeout;

/// Everything awaited comes within this, or the test fails.
const WITHIN: Duration = Duration::from_secs(30);

fn bound() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(WITHIN)).unwrap();
    socket
}

fn number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn keys(who: u8) -> LinkKeys {
    let mut seed = [who; SEED_BYTES];
    seed[..8].copy_from_slice(&number().to_be_bytes());
    seed[40..48].copy_from_slice(&number().to_be_bytes());
    LinkKeys::new(IdentityKey::from_seed(&[who; 32]), seed, Transport::Udp)
}

/// A server of one kind of link.
struct Server {
    listener: DatagramListener,
    clock: Clock,
    under_way: Arc<AtomicU64>,
}

impl Server {
    fn start() -> Self {
        let (clock, under_way) = (Clock::start(), Arc::new(AtomicU64::new(0)));
        let asked = under_way.clone();
        let load = Box::new(move || Load {
            under_way: asked.load(Ordering::Relaxed),
            unproven_max: 4,
        });
        let listener = DatagramListener::start(bound(), clock, [7; 32], load).unwrap();
        Self {
            listener,
            clock,
            under_way,
        }
    }

    fn addr(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    async fn accept(&mut self) -> End {
        let incoming = timeout(WITHIN, self.listener.next())
            .await
            .unwrap()
            .unwrap();
        let config = DatagramConfig::new(incoming.connection(), number());
        let link = Link::respond(LinkConfig::default(), self.clock.now());
        let link = link.sealed(keys(2)).over_datagrams(config);
        End::new(Connection::called(incoming, link, self.clock, number()))
    }
}

struct End {
    connection: Connection,
    events: Vec<Event>,
    received: Vec<Bytes>,
    opened: bool,
    closed: Option<CloseReason>,
}

impl End {
    fn new(connection: Connection) -> Self {
        Self {
            connection,
            events: Vec::new(),
            received: Vec::new(),
            opened: false,
            closed: None,
        }
    }

    fn call(server: SocketAddr) -> Self {
        let clock = Clock::start();
        let link = Link::initiate(
            LinkConfig::default(),
            Bytes::from_static(b"hello"),
            clock.now(),
        );
        let config = DatagramConfig::new(ConnectionId(0xC0DE << 32 | number()), number());
        let link = link.sealed(keys(1)).over_datagrams(config);
        Self::new(Connection::call(server, link, clock, Profile::Usual).unwrap())
    }

    async fn step(&mut self) {
        let mut events = std::mem::take(&mut self.events);
        self.connection.step(&mut events).await;
        for event in events.drain(..) {
            match event {
                Event::Asked { .. } => {
                    let welcome = Bytes::from_static(b"welcome");
                    self.connection.input(Input::Accept { welcome }).unwrap();
                }
                Event::Proven { .. } => self.connection.input(Input::Trust).unwrap(),
                Event::Opened { .. } => self.opened = true,
                Event::Received { body, .. } => self.received.push(body),
                Event::Closed(reason) => self.closed = Some(reason),
                Event::PeerClosing { .. } => {}
            }
        }
        self.events = events;
    }

    fn say(&mut self, text: String) {
        let now = self.connection.clock().now();
        let message = Outgoing::own(FrameType::Data, text.into());
        self.connection.send(now, &message).unwrap();
        self.connection.flush();
    }
}

/// Drives both until `done` says so.
async fn both(one: &mut End, other: &mut End, done: impl Fn(&End, &End) -> bool) {
    let driving = async {
        while !done(one, other) {
            tokio::select! {
                () = one.step(), if one.closed.is_none() => {}
                () = other.step(), if other.closed.is_none() => {}
            }
        }
    };
    timeout(WITHIN, driving).await.expect("it is done in time");
}

fn open(one: &End, other: &End) -> bool {
    one.opened && other.opened
}

async fn pair(server: &mut Server, to: SocketAddr) -> (End, End) {
    let mut client = End::call(to);
    let mut called = {
        let accepting = server.accept();
        tokio::pin!(accepting);
        loop {
            tokio::select! {
                called = &mut accepting => break called,
                () = client.step() => {}
            }
        }
    };
    both(&mut client, &mut called, open).await;
    (client, called)
}

/// Says some both ways and compares what came.
async fn talk(one: &mut End, other: &mut End, words: &str) {
    let (mut said, mut heard) = (Vec::new(), Vec::new());
    one.received.clear();
    other.received.clear();
    for turn in 0..50 {
        one.say(format!("{words} {turn} there"));
        other.say(format!("{words} {turn} back"));
        said.push(Bytes::from(format!("{words} {turn} there")));
        heard.push(Bytes::from(format!("{words} {turn} back")));
        let come = turn + 1;
        both(one, other, |one, other| {
            one.received.len() >= come && other.received.len() >= come
        })
        .await;
    }
    assert_eq!(other.received, said);
    assert_eq!(one.received, heard);
}

async fn goodbye(mut one: End, mut other: End) {
    let (code, text) = (
        lamparina_protocol::control::CloseCode::Goodbye,
        String::new(),
    );
    one.connection.input(Input::Close { code, text }).unwrap();
    both(&mut one, &mut other, |one, other| {
        one.closed.is_some() && other.closed.is_some()
    })
    .await;
    assert_eq!(one.closed, Some(CloseReason::Orderly));
    assert_eq!(other.closed, Some(CloseReason::Orderly));
    timeout(WITHIN, async {
        tokio::join!(one.connection.finish(), other.connection.finish())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn messages_go_both_ways_and_both_say_goodbye() {
    let mut server = Server::start();
    let addr = server.addr();
    let (mut client, mut called) = pair(&mut server, addr).await;
    assert!(client.connection.is_over_datagrams());
    assert_eq!(client.connection.peer_addr().unwrap(), addr);
    let port = client.connection.local_addr().unwrap().port();
    assert_eq!(called.connection.peer_addr().unwrap().port(), port);
    talk(&mut client, &mut called, "hello").await;
    let big = "x".repeat(200_000);
    client.say(big.clone());
    called.received.clear();
    both(&mut client, &mut called, |_, called| {
        !called.received.is_empty()
    })
    .await;
    assert!(called.received[0] == big);
    goodbye(client, called).await;
}

#[tokio::test]
async fn many_links_share_one_socket() {
    let mut server = Server::start();
    let addr = server.addr();
    let mut pairs = Vec::new();
    for _ in 0..20 {
        pairs.push(pair(&mut server, addr).await);
    }
    for (client, called) in &mut pairs {
        talk(client, called, "one of many").await;
    }
    for (client, called) in pairs {
        goodbye(client, called).await;
    }
    assert!(
        format!("{:?}", server.listener).contains("links: 0"),
        "{:?}",
        server.listener
    );
}

#[tokio::test]
async fn under_load_a_cookie_is_asked_for_and_the_caller_brings_it() {
    let mut server = Server::start();
    server.under_way.store(4, Ordering::Relaxed);
    let addr = server.addr();
    let (mut client, mut called) = pair(&mut server, addr).await;
    talk(&mut client, &mut called, "with a cookie").await;
}

/// A relay that one client's datagrams pass, as a NAT would let them, with ports of its own.
struct Relay {
    front: tokio::net::UdpSocket,
    back: tokio::net::UdpSocket,
    server: SocketAddr,
    client: Option<SocketAddr>,
    /// Everything that the client sent.
    recorded: Vec<Bytes>,
}

impl Relay {
    fn to(server: SocketAddr) -> Self {
        Self {
            front: own_socket(),
            back: own_socket(),
            server,
            client: None,
            recorded: Vec::new(),
        }
    }

    fn addr(&self) -> SocketAddr {
        self.front.local_addr().unwrap()
    }

    /// The client has another address from now on.
    fn rebind(&mut self) {
        self.back = own_socket();
    }

    async fn carry(&mut self) {
        let (mut forth, mut back) = ([0; 2_048], [0; 2_048]);
        loop {
            tokio::select! {
                came = self.front.recv_from(&mut forth) => {
                    let Ok((size, from)) = came else { continue };
                    self.client = Some(from);
                    self.recorded.push(Bytes::copy_from_slice(&forth[..size]));
                    let _ = self.back.send_to(&forth[..size], self.server).await;
                }
                came = self.back.recv_from(&mut back) => {
                    let (Ok((size, _)), Some(client)) = (came, self.client) else { continue };
                    let _ = self.front.send_to(&back[..size], client).await;
                }
            }
        }
    }
}

fn own_socket() -> tokio::net::UdpSocket {
    let socket = bound();
    socket.set_nonblocking(true).unwrap();
    tokio::net::UdpSocket::from_std(socket).unwrap()
}

/// As `both`, while the relay carries.
async fn relayed<T>(relay: &mut Relay, work: impl Future<Output = T>) -> T {
    tokio::select! {
        done = work => done,
        () = relay.carry() => unreachable!("it carries for ever"),
    }
}

#[tokio::test]
async fn a_link_follows_its_client_to_another_address() {
    let mut server = Server::start();
    let mut relay = Relay::to(server.addr());
    let to = relay.addr();
    let (mut client, mut called) = relayed(&mut relay, pair(&mut server, to)).await;
    for turn in 0..4 {
        let before = called.connection.peer_addr().unwrap();
        assert_eq!(before, relay.back.local_addr().unwrap());
        relayed(&mut relay, talk(&mut client, &mut called, "here")).await;
        relay.rebind();
        // Both speak at once; what the server says to the old address is lost and repaired.
        relayed(
            &mut relay,
            talk(&mut client, &mut called, &format!("moved {turn}")),
        )
        .await;
        let now = relay.back.local_addr().unwrap();
        assert_eq!(called.connection.peer_addr().unwrap(), now);
    }
    relayed(&mut relay, goodbye(client, called)).await;
}

#[tokio::test]
async fn what_is_recorded_and_sent_again_from_elsewhere_moves_nothing() {
    let mut server = Server::start();
    let mut relay = Relay::to(server.addr());
    let to = relay.addr();
    let (mut client, mut called) = relayed(&mut relay, pair(&mut server, to)).await;
    relayed(&mut relay, talk(&mut client, &mut called, "recorded")).await;
    let at = called.connection.peer_addr().unwrap();
    let thief = bound();
    thief.set_nonblocking(true).unwrap();
    for datagram in &relay.recorded {
        thief.send_to(datagram, server.addr()).unwrap();
    }
    relayed(&mut relay, talk(&mut client, &mut called, "then")).await;
    assert_eq!(called.connection.peer_addr().unwrap(), at);
    let mut buffer = [0; 2_048];
    assert!(
        thief.recv_from(&mut buffer).is_err(),
        "nothing goes to the thief"
    );
    relayed(&mut relay, goodbye(client, called)).await;
}

#[tokio::test]
async fn what_belongs_to_no_link_meets_silence() {
    let mut server = Server::start();
    let (addr, stranger) = (server.addr(), bound());
    let mut sealed = vec![0x5A; 600];
    sealed[8..16].copy_from_slice(&9_u64.to_be_bytes());
    for datagram in [&b"hello"[..], &[], &[0xFF; 16], &[0xFF; 600], &sealed] {
        stranger.send_to(datagram, addr).unwrap();
    }
    // Whoever comes behind all that is served.
    let (mut client, mut called) = pair(&mut server, addr).await;
    talk(&mut client, &mut called, "behind").await;
    stranger.set_nonblocking(true).unwrap();
    assert!(stranger.recv_from(&mut [0; 2_048]).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_proved_nothing_gets_no_more_than_it_sent() {
    let mut server = Server::start();
    let (addr, front) = (server.addr(), bound());
    // Somebody's SYN, taken from the wire, comes from an address that never answers.
    let mut caller = End::call(front.local_addr().unwrap());
    let _ = timeout(Duration::from_millis(20), caller.step()).await;
    let mut buffer = [0; 2_048];
    let (size, _) = front.recv_from(&mut buffer).unwrap();
    let syn = buffer[..size].to_vec();
    let spoofed = bound();
    spoofed.send_to(&syn, addr).unwrap();
    let mut called = server.accept().await;
    let stopped = timeout(Duration::from_millis(2_500), async {
        loop {
            called.step().await;
        }
    });
    assert!(stopped.await.is_err());
    spoofed.set_nonblocking(true).unwrap();
    let mut got = 0;
    while let Ok((size, _)) = spoofed.recv_from(&mut buffer) {
        got += size;
    }
    assert!(got > 0 && got <= syn.len(), "{got} of {}", syn.len());
    // Under load it is even less, and nothing is kept.
    server.under_way.store(4, Ordering::Relaxed);
    let other = bound();
    let mut another = syn;
    another[0] ^= 1;
    other.send_to(&another, addr).unwrap();
    let (size, _) = other.recv_from(&mut buffer).unwrap();
    let (connection, _) = read_retry(&buffer[..size]).expect("a cookie");
    assert_eq!(
        Some(connection),
        peek(&another).map(|(connection, _)| connection)
    );
    assert!(size <= another.len());
}

#[tokio::test]
async fn that_nothing_listens_is_seen_at_once() {
    let nowhere = bound().local_addr().unwrap();
    let mut client = End::call(nowhere);
    let seen = timeout(WITHIN, async {
        while !client.connection.is_refused() {
            client.step().await;
        }
    });
    seen.await.expect("the system says so");
    timeout(WITHIN, async {
        while client.closed.is_none() {
            client.step().await;
        }
    })
    .await
    .expect("and the link is given up");
    assert_eq!(client.closed, Some(CloseReason::Eof));
}
