//! QUIC by `quinn-proto`, without a runtime. Messages go over one stream, or small ones over a stream of
//! their own that goes before that of bulk. On a stream each has four bytes before it: its length,
//! with the highest bit set where it is bulk.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use lamparina_protocol::Instant;
use quinn_proto::{
    Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, Event, StreamEvent, StreamId,
    Transmit,
};

use super::quic_setup::{self, Congestion};
use crate::body::Kind;
use crate::end::{Delivered, End, Side};

/// Datagrams that one call may give, as quinn itself asks for.
const TRANSMIT_AT_ONCE: usize = 10;
/// Bytes that wait for a stream before bulk is refused.
const WAITING_BYTES_MAX: usize = 1 << 20;
const BULK_BIT: u32 = 1 << 31;
const LENGTH_BYTES: usize = 4;

/// One end.
pub(super) struct Quic {
    endpoint: Endpoint,
    connection: Option<(ConnectionHandle, Connection)>,
    /// The moment of the system's clock that stands for the beginning of the run. What that clock says
    /// later does not matter.
    base: Clock,
    two_streams: bool,
    outgoing: Vec<Outgoing>,
    /// Bytes of messages that have not come whole, by stream.
    incoming: BTreeMap<StreamId, BytesMut>,
    open: bool,
    lost: bool,
    delivered: Vec<Delivered>,
    datagrams: Vec<Bytes>,
    buffer: Vec<u8>,
}

/// A stream on which we send, and what it did not take so far.
struct Outgoing {
    stream: StreamId,
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
}

impl Quic {
    /// An end; the client calls with its first `tick`.
    pub(super) fn new(
        side: Side,
        seed: u64,
        now: Instant,
        congestion: Congestion,
        two_streams: bool,
    ) -> Self {
        let config = Arc::new(quic_setup::endpoint(side, seed));
        let base = Clock::now();
        let fixed = "fixed keys and suites fit each other";
        let (server, client) = match side {
            Side::Server => (Some(quic_setup::server(congestion).expect(fixed)), None),
            Side::Client => (
                None,
                Some(quic_setup::client(seed, congestion).expect(fixed)),
            ),
        };
        let mut endpoint = Endpoint::new(config, server.map(Arc::new), false, None);
        let at = base + Duration::from_micros(now.as_micros());
        let connection = client.map(|client| {
            endpoint
                .connect(at, client, address(Side::Server), "race")
                .expect("the address is one, and ids are not used up")
        });
        Self {
            endpoint,
            connection,
            base,
            two_streams,
            outgoing: Vec::new(),
            incoming: BTreeMap::new(),
            open: false,
            lost: false,
            delivered: Vec::new(),
            datagrams: Vec::new(),
            buffer: Vec::new(),
        }
    }

    fn clock(&self, now: Instant) -> Clock {
        self.base + Duration::from_micros(now.as_micros())
    }

    /// Hands events to and fro, until there are none.
    fn drive(&mut self) {
        while let Some((handle, connection)) = &mut self.connection {
            while let Some(event) = connection.poll_endpoint_events() {
                if let Some(answer) = self.endpoint.handle_event(*handle, event) {
                    connection.handle_event(answer);
                }
            }
            let Some(event) = connection.poll() else {
                break;
            };
            self.on_event(event);
        }
        self.write();
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Connected => self.open_streams(),
            Event::ConnectionLost { .. } => self.lost = true,
            Event::Stream(StreamEvent::Opened { dir }) => {
                while let Some(stream) = self.accept(dir) {
                    self.incoming.insert(stream, BytesMut::new());
                    self.read(stream);
                }
            }
            Event::Stream(StreamEvent::Readable { id }) => self.read(id),
            _ => {}
        }
    }

    fn accept(&mut self, dir: Dir) -> Option<StreamId> {
        let (_, connection) = self.connection.as_mut()?;
        connection.streams().accept(dir)
    }

    fn open_streams(&mut self) {
        let Some((_, connection)) = &mut self.connection else {
            return;
        };
        for number in 0..1 + i32::from(self.two_streams) {
            let Some(stream) = connection.streams().open(Dir::Uni) else {
                continue;
            };
            // Small messages have the first one. A stream just opened has a priority.
            let _ = connection.send_stream(stream).set_priority(-number);
            self.outgoing.push(Outgoing {
                stream,
                waiting: VecDeque::new(),
                waiting_bytes: 0,
            });
        }
        self.open = true;
    }

    /// Gives streams what waits, as far as they take it.
    fn write(&mut self) {
        let Some((_, connection)) = &mut self.connection else {
            return;
        };
        for outgoing in &mut self.outgoing {
            while let Some(front) = outgoing.waiting.front_mut() {
                let mut stream = connection.send_stream(outgoing.stream);
                let Ok(written) = stream.write_chunks(std::slice::from_mut(front)) else {
                    break;
                };
                outgoing.waiting_bytes -= written.bytes;
                if written.chunks == 1 {
                    outgoing.waiting.pop_front();
                }
            }
        }
    }

    fn read(&mut self, id: StreamId) {
        let Some((_, connection)) = &mut self.connection else {
            return;
        };
        let mut stream = connection.recv_stream(id);
        let (Ok(mut chunks), Some(joined)) = (stream.read(true), self.incoming.get_mut(&id)) else {
            return;
        };
        while let Ok(Some(chunk)) = chunks.next(usize::MAX) {
            joined.extend_from_slice(&chunk.bytes);
        }
        // Whether something is to be sent now is asked after every call anyway.
        let _ = chunks.finalize();
        take_messages(joined, &mut self.delivered);
    }

    /// Cuts what one call gave into its datagrams.
    fn push(&mut self, transmit: &Transmit) {
        let size = transmit.segment_size.unwrap_or(transmit.size).max(1);
        let datagrams = self.buffer[..transmit.size].chunks(size);
        self.datagrams.extend(datagrams.map(Bytes::copy_from_slice));
        self.buffer.clear();
    }
}

impl End for Quic {
    fn tick(&mut self, now: Instant) {
        let at = self.clock(now);
        if let Some((_, connection)) = &mut self.connection {
            connection.handle_timeout(at);
        }
        self.drive();
    }

    fn deadline(&mut self) -> Option<Instant> {
        let (_, connection) = self.connection.as_mut()?;
        let at = connection.poll_timeout()?;
        // Not before it.
        let micros = at
            .saturating_duration_since(self.base)
            .as_nanos()
            .div_ceil(1_000);
        Some(Instant::from_micros(
            u64::try_from(micros).unwrap_or(u64::MAX),
        ))
    }

    fn receive(&mut self, now: Instant, datagram: Bytes) {
        let at = self.clock(now);
        let datagram = BytesMut::from(datagram);
        // Whose address it is does not matter, as long as it stays.
        let from = address(Side::Client);
        let from = if self.endpoint.open_connections() > 0 {
            self.connection
                .as_ref()
                .map_or(from, |(_, it)| it.remote_address())
        } else {
            from
        };
        let event = self
            .endpoint
            .handle(at, from, None, None, datagram, &mut self.buffer);
        match event {
            Some(DatagramEvent::ConnectionEvent(_, event)) => {
                if let Some((_, connection)) = &mut self.connection {
                    connection.handle_event(event);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) if self.connection.is_none() => {
                let accepted = self.endpoint.accept(incoming, at, &mut self.buffer, None);
                self.connection = accepted.ok();
                self.buffer.clear();
            }
            Some(DatagramEvent::NewConnection(incoming)) => self.endpoint.ignore(incoming),
            Some(DatagramEvent::Response(transmit)) => self.push(&transmit),
            None => {}
        }
        self.drive();
    }

    fn send(&mut self, _now: Instant, kind: Kind, body: &Bytes) -> bool {
        let streams = self.outgoing.len();
        let Some(outgoing) = self
            .outgoing
            .get_mut((kind as usize).min(streams.max(1) - 1))
        else {
            return false;
        };
        if kind == Kind::Bulk && outgoing.waiting_bytes > WAITING_BYTES_MAX {
            return false;
        }
        let bulk = if kind == Kind::Bulk { BULK_BIT } else { 0 };
        let mut head = BytesMut::with_capacity(LENGTH_BYTES);
        head.put_u32(body.len() as u32 | bulk);
        outgoing.waiting.push_back(head.freeze());
        outgoing.waiting.push_back(body.clone());
        outgoing.waiting_bytes += LENGTH_BYTES + body.len();
        self.write();
        true
    }

    fn poll(&mut self, now: Instant, out: &mut Vec<Bytes>) {
        let at = self.clock(now);
        self.drive();
        while let Some((_, connection)) = &mut self.connection {
            let transmit = connection.poll_transmit(at, TRANSMIT_AT_ONCE, &mut self.buffer);
            let Some(transmit) = transmit else { break };
            self.push(&transmit);
        }
        out.append(&mut self.datagrams);
    }

    fn delivered(&mut self, out: &mut Vec<Delivered>) {
        out.append(&mut self.delivered);
    }

    fn is_open(&self) -> bool {
        self.open
    }

    fn is_dead(&self) -> bool {
        self.lost
    }
}

/// Cuts whole messages from what a stream has given.
fn take_messages(joined: &mut BytesMut, delivered: &mut Vec<Delivered>) {
    while let Some(head) = joined.first_chunk::<LENGTH_BYTES>() {
        let head = u32::from_be_bytes(*head);
        let length = (head & !BULK_BIT) as usize;
        if joined.len() < LENGTH_BYTES + length {
            return;
        }
        joined.advance(LENGTH_BYTES);
        delivered.push(Delivered {
            kind: if head & BULK_BIT == 0 {
                Kind::Small
            } else {
                Kind::Bulk
            },
            body: joined.split_to(length).freeze(),
        });
    }
}

fn address(side: Side) -> SocketAddr {
    let port = match side {
        Side::Client => 4_001,
        Side::Server => 4_002,
    };
    (Ipv4Addr::LOCALHOST, port).into()
}
