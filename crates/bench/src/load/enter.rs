//! Connections that are ready to speak. To a Lamparina server the real `Link` shakes hands; it is
//! given one frame at a time, so that nothing sequenced passes through it before the light end
//! takes over.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};

use bytes::Bytes;
use lamparina_protocol::control::Hello;
use lamparina_protocol::frame::HEADER_BYTES;
use lamparina_protocol::link::{Event, Input, Link, LinkConfig, Output, Terms};
use lamparina_protocol::seal::{IdentityKey, LinkKeys, SEED_BYTES, Transport};
use lamparina_protocol::{AuthorKey, Epoch, Instant, Lamport, LogId, Nick, SessionNumber, Term};
use socket2::{Domain, Socket, Type};

use super::until;
use crate::flock::Flock;
use crate::mark::Clock;
use crate::wire::{Fault, Ours, Raw, RawDurable, SealedOurs, Wire};

/// Connections from one loopback address, so that its ports suffice.
const CONNECTIONS_PER_SOURCE: usize = 20_000;
/// Connections opened before the load looks at those it has.
const OPENED_AT_ONCE: usize = 32;
/// Frame bytes in flight that the load offers: as much as a server may grow to.
const WINDOW_BYTES: u32 = 8 * 1024 * 1024;
/// The epoch of every load's outbox.
const EPOCH: u64 = 1;

/// A wire that knows how to get into its server.
pub(crate) trait Enter: Wire + Sized {
    /// Opens connection `index` on `stream`; also gives bytes that came early.
    fn open(
        index: usize,
        stream: &mut TcpStream,
        text_bytes: usize,
    ) -> Result<(Self, Vec<u8>), Fault>;

    /// Queues what makes the connection a member.
    fn claim(flock: &mut Flock<Self>, index: usize) -> Result<(), Fault>;

    /// Whether it is one.
    fn is_in(&self) -> bool;
}

/// Adds connections until there are `count`, all of them entered.
pub(crate) fn fill<W: Enter>(
    flock: &mut Flock<W>,
    server: SocketAddr,
    count: usize,
) -> Result<(), Fault> {
    while flock.endpoints.len() < count {
        for _ in 0..OPENED_AT_ONCE.min(count - flock.endpoints.len()) {
            let index = flock.endpoints.len();
            let mut stream = connect(server, index).map_err(Fault::io("connecting"))?;
            let (wire, early) = W::open(index, &mut stream, flock.tally.text_bytes)?;
            flock.add(stream, wire, early)?;
            W::claim(flock, index)?;
        }
        until(flock, "entering", |flock| {
            flock
                .endpoints
                .iter()
                .rev()
                .take(OPENED_AT_ONCE)
                .all(|end| end.wire.is_in())
        })?;
    }
    Ok(())
}

/// The nick of connection `index`.
pub(crate) fn nick(index: usize) -> String {
    format!("u{index}")
}

fn connect(server: SocketAddr, index: usize) -> std::io::Result<TcpStream> {
    let source = 1 + (index / CONNECTIONS_PER_SOURCE) as u32;
    let loopback = IpAddr::V4(Ipv4Addr::from(
        u32::from(Ipv4Addr::new(127, 0, 0, 0)) + source,
    ));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    if source > 1 {
        socket.bind(&SocketAddr::new(loopback, 0).into())?;
    }
    socket.connect(&server.into())?;
    Ok(socket.into())
}

impl Enter for Raw {
    fn open(index: usize, _: &mut TcpStream, _: usize) -> Result<(Self, Vec<u8>), Fault> {
        Ok((Self::new(index), Vec::new()))
    }

    fn claim(_: &mut Flock<Self>, _: usize) -> Result<(), Fault> {
        Ok(())
    }

    fn is_in(&self) -> bool {
        true
    }
}

impl Enter for RawDurable {
    fn open(index: usize, _: &mut TcpStream, _: usize) -> Result<(Self, Vec<u8>), Fault> {
        Ok((Self::new(index), Vec::new()))
    }

    fn claim(_: &mut Flock<Self>, _: usize) -> Result<(), Fault> {
        Ok(())
    }

    fn is_in(&self) -> bool {
        true
    }
}

impl Enter for Ours {
    fn open(
        index: usize,
        stream: &mut TcpStream,
        text_bytes: usize,
    ) -> Result<(Self, Vec<u8>), Fault> {
        let (_, terms, early) = shake_hands(index, stream, false)?;
        Ok((Self::new(index, terms, EPOCH, text_bytes), early))
    }

    fn claim(flock: &mut Flock<Self>, index: usize) -> Result<(), Fault> {
        let nick = own_nick(index)?;
        let endpoint = &mut flock.endpoints[index];
        let mut put = Ok(());
        endpoint.queue(|wire, out| put = wire.put_nick(out, nick));
        put?;
        endpoint.write()
    }

    fn is_in(&self) -> bool {
        self.entered()
    }
}

impl Enter for SealedOurs {
    fn open(
        index: usize,
        stream: &mut TcpStream,
        text_bytes: usize,
    ) -> Result<(Self, Vec<u8>), Fault> {
        let (link, terms, early) = shake_hands(index, stream, true)?;
        let records = link.into_records();
        let records = records.ok_or_else(|| Fault::Broken("the link is not sealed".to_owned()))?;
        let inner = Ours::new(index, terms, EPOCH, text_bytes);
        Ok((Self::new(inner, records), early))
    }

    fn claim(flock: &mut Flock<Self>, index: usize) -> Result<(), Fault> {
        let nick = own_nick(index)?;
        let endpoint = &mut flock.endpoints[index];
        let mut put = Ok(());
        endpoint.queue(|wire, out| put = wire.put_nick(out, nick));
        put?;
        endpoint.write()
    }

    fn is_in(&self) -> bool {
        self.entered()
    }
}

fn own_nick(index: usize) -> Result<Nick, Fault> {
    Nick::try_from(nick(index).as_str()).map_err(|error| Fault::Broken(error.to_string()))
}

/// Connects and shakes hands as connection `index`, and no more.
pub(crate) fn handshake(server: SocketAddr, index: usize, sealed: bool) -> Result<(), Fault> {
    let mut stream = connect(server, index).map_err(Fault::io("connecting"))?;
    shake_hands(index, &mut stream, sealed).map(|_| ())
}

fn own_seed(index: usize) -> [u8; 32] {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&(index as u64 + 1).to_be_bytes());
    seed
}

fn hello(author: [u8; 32]) -> Bytes {
    let hello = Hello {
        author: AuthorKey(author),
        epoch: Epoch(EPOCH),
        session: SessionNumber(1),
        log: LogId::default(),
        term: Term(0),
        cursor: Lamport::ZERO,
    };
    hello.to_bytes()
}

/// The handshake over a blocking stream; gives the link, the terms and what came after it.
fn shake_hands(
    index: usize,
    stream: &mut TcpStream,
    sealed: bool,
) -> Result<(Link, Terms, Vec<u8>), Fault> {
    let wrap = || Fault::io("shaking hands");
    stream
        .set_read_timeout(Some(super::WITHIN))
        .map_err(wrap())?;
    let clock = Clock::start();
    let now = || Instant::from_micros(clock.ns() / 1_000);
    let config = LinkConfig {
        window_bytes: WINDOW_BYTES,
        // This load reads messages in one part only.
        bulk: false,
        ..LinkConfig::default()
    };
    let mut link = if sealed {
        let identity = IdentityKey::from_seed(&own_seed(index));
        // A load has no secrets; what counts is what it costs the server.
        let mut seed = [7; SEED_BYTES];
        seed[..8].copy_from_slice(&clock.ns().to_be_bytes());
        seed[32..40].copy_from_slice(&(index as u64).to_be_bytes());
        let hello = hello(identity.public().0);
        let keys = LinkKeys::new(identity, seed, Transport::Tcp);
        Link::initiate(config, hello, now()).sealed(keys)
    } else {
        Link::initiate(config, hello(own_seed(index)), now())
    };
    let (mut output, mut came, mut input) = (Output::default(), Vec::new(), Input::Tick);
    loop {
        link.handle(now(), input, &mut output)
            .map_err(|error| Fault::Broken(error.to_string()))?;
        for piece in output.wire.drain(..) {
            stream.write_all(&piece).map_err(wrap())?;
        }
        let mut next = None;
        for event in output.events.drain(..) {
            match event {
                Event::Proven { .. } => next = Some(Input::Trust),
                Event::Opened { terms, .. } => return Ok((link, terms, came)),
                Event::Closed(reason) => {
                    return Err(Fault::Broken(format!("the server refused: {reason:?}")));
                }
                _ => {}
            }
        }
        input = match next {
            Some(next) => next,
            None => Input::Bytes(next_frame(stream, &mut came).map_err(wrap())?),
        };
    }
}

/// Takes one whole frame off `came`, reading as needed.
fn next_frame(stream: &mut TcpStream, came: &mut Vec<u8>) -> std::io::Result<Bytes> {
    let mut chunk = [0; 4_096];
    loop {
        if let Some(length) = came.first_chunk::<4>() {
            let whole = HEADER_BYTES.saturating_add(u32::from_be_bytes(*length) as usize);
            if came.len() >= whole {
                return Ok(came.drain(..whole).collect::<Vec<u8>>().into());
            }
        }
        match stream.read(&mut chunk)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            got => came.extend_from_slice(&chunk[..got]),
        }
    }
}
