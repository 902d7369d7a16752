//! Many connections, one thread: reads what came, walks it in place, answers each read at most
//! once; a small answer waits a moment for company. The frames of a read lie in one scratch
//! buffer; a connection keeps only a frame's beginning.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::mark::{Clock, Mark};
use crate::wire::{Fault, Tally, To, Wire};

/// Bytes taken by one system call, at most.
const READ_BYTES: usize = 256 * 1024;
/// Bytes of messages put before they are handed to the socket.
const WRITE_BYTES: usize = 64 * 1024;
/// How long an acknowledgement may wait for company: less than the few ms that the protocol allows.
const ANSWER_WITHIN: Duration = Duration::from_millis(2);
const EVENTS_PER_TURN: usize = 1_024;

/// One connection of a load.
#[derive(Debug)]
pub(crate) struct Endpoint<W> {
    stream: TcpStream,
    /// How it speaks.
    pub(crate) wire: W,
    carry: Vec<u8>,
    out: BytesMut,
    sent: u64,
    ready: bool,
    /// An answer waits for company.
    owes: bool,
}

/// All connections of a load.
#[derive(Debug)]
pub(crate) struct Flock<W> {
    poll: Poll,
    events: Events,
    /// In the order in which they were added.
    pub(crate) endpoints: Vec<Endpoint<W>>,
    scratch: Vec<u8>,
    /// What reads are measured against.
    pub(crate) tally: Tally,
    /// The load's clock.
    pub(crate) clock: Clock,
    ready: Vec<usize>,
    /// Connections whose answers wait, and when the first of them began to.
    owing: Vec<usize>,
    owing_since_ns: u64,
}

impl<W: Wire> Flock<W> {
    /// No connection yet; texts will have `text_bytes` bytes.
    pub(crate) fn new(text_bytes: usize) -> Result<Self, Fault> {
        Ok(Self {
            poll: Poll::new().map_err(Fault::io("opening epoll"))?,
            events: Events::with_capacity(EVENTS_PER_TURN),
            endpoints: Vec::new(),
            scratch: vec![0; READ_BYTES],
            tally: Tally {
                now_ns: 0,
                text_bytes,
                latency: None,
                commits: None,
            },
            clock: Clock::start(),
            ready: Vec::new(),
            owing: Vec::new(),
            owing_since_ns: 0,
        })
    }

    /// Adds a connection; `early` came on it before.
    pub(crate) fn add(
        &mut self,
        stream: std::net::TcpStream,
        wire: W,
        early: Vec<u8>,
    ) -> Result<(), Fault> {
        let wrap = || Fault::io("preparing a socket");
        stream.set_nodelay(true).map_err(wrap())?;
        stream.set_nonblocking(true).map_err(wrap())?;
        let mut stream = TcpStream::from_std(stream);
        let token = Token(self.endpoints.len());
        let both = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        registry
            .register(&mut stream, token, both)
            .map_err(wrap())?;
        self.endpoints.push(Endpoint {
            stream,
            wire,
            carry: early,
            out: BytesMut::new(),
            sent: 0,
            ready: true,
            owes: false,
        });
        self.ready.push(token.0);
        Ok(())
    }

    /// Closes the connection that was added last, without a word.
    pub(crate) fn close_last(&mut self) {
        self.endpoints.pop();
        let left = self.endpoints.len();
        self.ready.retain(|index| *index < left);
        self.owing.retain(|index| *index < left);
    }

    /// Waits for something at most `timeout`, then reads and answers everything that came.
    pub(crate) fn turn(&mut self, timeout: Duration) -> Result<(), Fault> {
        let timeout = match (self.ready.is_empty(), self.owing.is_empty()) {
            (false, _) => Duration::ZERO,
            (true, false) => timeout.min(ANSWER_WITHIN),
            (true, true) => timeout,
        };
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other.map_err(Fault::io("waiting for sockets"))?,
        }
        for event in &self.events {
            let Token(index) = event.token();
            let endpoint = &mut self.endpoints[index];
            if (event.is_readable() || event.is_read_closed()) && !endpoint.ready {
                endpoint.ready = true;
                self.ready.push(index);
            }
            if event.is_writable() {
                endpoint.write()?;
            }
        }
        self.read_ready()?;
        self.answer_due()
    }

    fn read_ready(&mut self) -> Result<(), Fault> {
        for index in std::mem::take(&mut self.ready) {
            let endpoint = &mut self.endpoints[index];
            endpoint.ready = endpoint.read(&mut self.scratch, &mut self.tally, self.clock)?;
            if endpoint.ready {
                self.ready.push(index);
            }
            let owes = endpoint.wire.answer(&mut endpoint.out, false);
            endpoint.write()?;
            if owes && !endpoint.owes {
                endpoint.owes = true;
                if self.owing.is_empty() {
                    self.owing_since_ns = self.tally.now_ns;
                }
                self.owing.push(index);
            }
        }
        Ok(())
    }

    /// Sends the answers that have waited long enough.
    fn answer_due(&mut self) -> Result<(), Fault> {
        let waited = self.clock.ns().saturating_sub(self.owing_since_ns);
        if self.owing.is_empty() || u128::from(waited) < ANSWER_WITHIN.as_nanos() {
            return Ok(());
        }
        for index in self.owing.drain(..) {
            let endpoint = &mut self.endpoints[index];
            endpoint.owes = false;
            endpoint.wire.answer(&mut endpoint.out, true);
            endpoint.write()?;
        }
        Ok(())
    }

    /// Sends up to `count` messages from connection `author`, as far as its window and its socket
    /// allow; gives how many.
    pub(crate) fn send(&mut self, author: usize, to: &To, count: u64) -> Result<u64, Fault> {
        let size = self.tally.text_bytes;
        let sent_ns = self.clock.ns();
        let endpoint = &mut self.endpoints[author];
        endpoint.wire.answer(&mut endpoint.out, true);
        let mut put = 0;
        while endpoint.out.len() < WRITE_BYTES && put < count && endpoint.wire.room() > 0 {
            put += 1;
            endpoint.sent += 1;
            let mark = Mark {
                sent_ns,
                author: author as u16,
                counter: endpoint.sent,
            };
            endpoint.wire.put(&mut endpoint.out, to, mark, size);
        }
        endpoint.write()?;
        Ok(put)
    }

    /// Messages sent by all.
    pub(crate) fn sent(&self) -> u64 {
        self.endpoints.iter().map(|endpoint| endpoint.sent).sum()
    }

    /// Messages received by all.
    pub(crate) fn received(&self) -> u64 {
        let received = self.endpoints.iter().map(|end| end.wire.received());
        received.sum()
    }

    /// Messages sent by others that the slowest connection has not got, `sent` being [`Self::sent`].
    pub(crate) fn lag(&self, sent: u64) -> u64 {
        let lags = self
            .endpoints
            .iter()
            .map(|endpoint| (sent - endpoint.sent).saturating_sub(endpoint.wire.received()));
        lags.max().unwrap_or(0)
    }
}

impl<W: Wire> Endpoint<W> {
    /// Appends to what is sent with the next write.
    pub(crate) fn queue(&mut self, put: impl FnOnce(&mut W, &mut BytesMut)) {
        put(&mut self.wire, &mut self.out);
    }

    /// Writes until nothing is left or the socket is full.
    pub(crate) fn write(&mut self) -> Result<(), Fault> {
        self.wire.finish(&mut self.out)?;
        while !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(written) => self.out.advance(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::io("writing to the server")(error)),
            }
        }
        Ok(())
    }

    /// Reads once; gives whether the socket may have more.
    fn read(&mut self, scratch: &mut [u8], tally: &mut Tally, clock: Clock) -> Result<bool, Fault> {
        let kept = self.carry.len();
        scratch[..kept].copy_from_slice(&self.carry);
        let (got, more) = match self.stream.read(&mut scratch[kept..]) {
            Ok(0) => {
                return Err(Fault::Broken(
                    "the server hung up without a word".to_owned(),
                ));
            }
            Ok(got) => (got, kept + got == scratch.len()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => (0, false),
            Err(error) if error.kind() == ErrorKind::Interrupted => (0, true),
            Err(error) => return Err(Fault::io("reading from the server")(error)),
        };
        tally.now_ns = clock.ns();
        let used = self.wire.walk(&scratch[..kept + got], tally)?;
        self.carry.clear();
        self.carry.extend_from_slice(&scratch[used..kept + got]);
        Ok(more)
    }
}
