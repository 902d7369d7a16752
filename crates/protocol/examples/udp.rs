//! Two ends over `std::net::UdpSocket`, each in a thread of its own on loopback, sealed: blocking reads
//! with the link's deadline as their time-out, and nothing else.
//!
//! `cargo run -p lamparina-protocol --example udp`

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "an example of a shell: sockets, clocks and threads are its part"
)]

use std::error::Error;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::Instant;
use lamparina_protocol::control::CloseCode;
use lamparina_protocol::datagram::{ConnectionId, DATAGRAM_BYTES_MAX, DatagramConfig, peek};
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::link::{Event, Input, Link, LinkConfig, Outgoing, Output};
use lamparina_protocol::seal::{IdentityKey, LinkKeys, Transport};

type Failed = Box<dyn Error + Send + Sync>;

/// One end, and the socket under it.
struct Shell {
    name: &'static str,
    socket: UdpSocket,
    peer: Option<SocketAddr>,
    link: Link,
    began: std::time::Instant,
    lines: Sender<String>,
}

impl Shell {
    fn now(&self) -> Instant {
        Instant::from_micros(self.began.elapsed().as_micros() as u64)
    }

    /// One input, its events, and what is to be sent.
    fn give(&mut self, input: Input) -> Result<(), Failed> {
        let mut out = Output::default();
        self.link.handle(self.now(), input, &mut out)?;
        while !out.events.is_empty() {
            for event in std::mem::take(&mut out.events) {
                if let Some(answer) = self.on(event)? {
                    self.link.handle(self.now(), answer, &mut out)?;
                }
            }
        }
        self.link.flush(self.now(), &mut out);
        for datagram in out.wire {
            // A datagram that the system does not take is one that is lost.
            if let Some(peer) = self.peer {
                let _ = self.socket.send_to(&datagram, peer);
            }
        }
        Ok(())
    }

    fn on(&mut self, event: Event) -> Result<Option<Input>, Failed> {
        let line = match event {
            // Who keeps the keys of those it knows compares this one with them.
            Event::Proven { .. } => return Ok(Some(Input::Trust)),
            Event::Asked { .. } => {
                let welcome = Bytes::from_static(b"welcome");
                return Ok(Some(Input::Accept { welcome }));
            }
            Event::Opened { .. } => {
                for number in 1..=5 {
                    let text = format!("{} says {number}", self.name);
                    let message = Outgoing::own(FrameType::Data, text.into());
                    self.link.send(self.now(), &message)?;
                }
                return Ok((self.name == "ana").then(|| Input::Close {
                    code: CloseCode::Goodbye,
                    text: "done".to_owned(),
                }));
            }
            Event::Received { body, .. } => {
                format!("{} hears {:?}", self.name, String::from_utf8_lossy(&body))
            }
            Event::PeerClosing { text, .. } => format!("{} is told {text:?}", self.name),
            Event::Closed(reason) => format!("{} has ended: {reason:?}", self.name),
        };
        self.lines.send(line)?;
        Ok(None)
    }

    /// Reads and ticks until the link is closed.
    fn run(&mut self) -> Result<(), Failed> {
        self.give(Input::Tick)?;
        let mut buffer = vec![0; usize::from(DATAGRAM_BYTES_MAX)];
        while let Some(deadline) = self.link.deadline() {
            let wait = deadline.saturating_since(self.now());
            // A time-out of zero would mean none.
            self.socket
                .set_read_timeout(Some(wait.max(Duration::from_micros(100))))?;
            match self.socket.recv_from(&mut buffer) {
                Ok((bytes, from)) => {
                    let datagram = Bytes::copy_from_slice(&buffer[..bytes]);
                    self.give(Input::Datagram(datagram))?;
                    // Data goes where the newest authentic datagram came from. A server on the
                    // Internet challenges a new address first: see `datagram::Paths`.
                    let outcome = self.link.datagram_outcome();
                    if outcome.authentic && outcome.newest {
                        self.peer = Some(from);
                    }
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    self.give(Input::Tick)?;
                }
                // Nobody listens there yet, or any more: the link's own timers judge that.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn random<const N: usize>() -> Result<[u8; N], Failed> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// The same link, sealed, over datagrams.
fn dressed(link: Link, connection: ConnectionId) -> Result<Link, Failed> {
    let identity = IdentityKey::from_seed(&random()?);
    let seed = u64::from_be_bytes(random()?);
    Ok(link
        .sealed(LinkKeys::new(identity, random()?, Transport::Udp))
        .over_datagrams(DatagramConfig::new(connection, seed)))
}

/// Waits for a datagram and answers whoever asks for a link with it.
fn answer(socket: UdpSocket, lines: Sender<String>) -> Result<(), Failed> {
    let began = std::time::Instant::now();
    let mut first = vec![0; usize::from(DATAGRAM_BYTES_MAX)];
    let (bytes, from) = socket.recv_from(&mut first)?;
    first.truncate(bytes);
    let (connection, _) = peek(&first).ok_or("that is no datagram of ours")?;
    let link = Link::respond(LinkConfig::default(), Instant::ZERO);
    let mut shell = Shell {
        name: "bob",
        socket,
        peer: Some(from),
        link: dressed(link, connection)?,
        began,
        lines,
    };
    shell.give(Input::Datagram(first.into()))?;
    shell.run()
}

fn call(server: SocketAddr, lines: Sender<String>) -> Result<(), Failed> {
    let connection = ConnectionId(u64::from_be_bytes(random()?));
    let link = Link::initiate(
        LinkConfig::default(),
        Bytes::from_static(b"hello"),
        Instant::ZERO,
    );
    let mut shell = Shell {
        name: "ana",
        socket: UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?,
        peer: Some(server),
        link: dressed(link, connection)?,
        began: std::time::Instant::now(),
        lines,
    };
    shell.run()
}

/// Two ends talk over loopback until both have ended; `say` is told what happens.
///
/// # Errors
///
/// The system's, or a thread's.
pub(crate) fn run(say: &mut dyn FnMut(String)) -> Result<(), Failed> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let server = socket.local_addr()?;
    say(format!("bob listens on {server}"));
    let (lines, told) = channel();
    let answering = thread::spawn({
        let lines = lines.clone();
        move || answer(socket, lines)
    });
    let calling = thread::spawn(move || call(server, lines));
    told.iter().for_each(say);
    for thread in [answering, calling] {
        thread
            .join()
            .map_err(|panic| format!("a thread has panicked: {panic:?}"))??;
    }
    Ok(())
}

#[allow(dead_code, reason = "a test runs it by `run`")]
fn main() -> Result<(), Failed> {
    run(&mut |line| println!("{line}"))
}
