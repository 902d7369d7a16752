//! The baseline: what any server must at least do. Length-prefixed frames of one connection are
//! copied, whole and in order, to all others. No order beyond arrival, no names, no checks, no
//! acknowledgements; the slowest reader slows everybody. One thread, large reads, one write of
//! everything that waits.
//!
//! With a file ([`RawServer::keep`]) the frames of each turn are appended and synced once, and only
//! then copied, where that is asked for, and answered by a commit each.

mod journal;
mod reader;
mod tail;

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use self::journal::Journal;
use self::reader::Reader;
use self::tail::Tail;

/// Bytes of a frame's length, big-endian.
pub(crate) const LENGTH_BYTES: usize = 4;
/// Bytes of a frame, at most; less than a read takes, so that a read always finishes one.
pub(crate) const RAW_FRAME_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a commit: the frame's place in the file, from 1, big-endian, with [`COMMIT_MARK`].
pub(crate) const COMMIT_BYTES: usize = 8;
/// What tells a commit from a frame, whose length never has this bit.
pub(crate) const COMMIT_MARK: u64 = 1 << 63;
const LISTENER: Token = Token(usize::MAX);
const EVENTS_PER_TURN: usize = 1_024;

/// The server's whole state.
pub(crate) struct RawServer {
    poll: Poll,
    listener: TcpListener,
    readers: Vec<Option<Reader>>,
    tail: Tail,
    /// Connections whose `readable` is set.
    ready: Vec<usize>,
    moved: bool,
    journal: Option<Journal>,
    /// Whether frames are copied to the others.
    copies: bool,
    /// Frames that came, and of which connections in this turn: first place and count.
    frames: u64,
    came: Vec<(usize, u64, u64)>,
}

impl RawServer {
    /// Listens on `addr`.
    pub(crate) fn bind(addr: SocketAddr) -> io::Result<Self> {
        let mut listener = TcpListener::bind(addr)?;
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            readers: Vec::new(),
            tail: Tail::new(),
            ready: Vec::new(),
            moved: false,
            journal: None,
            copies: true,
            frames: 0,
            came: Vec::new(),
        })
    }

    /// Keeps every frame in a new file at `path` and answers it once it is synced; `copies` says
    /// whether the others get it as well.
    pub(crate) fn keep(&mut self, path: &Path, copies: bool) -> io::Result<()> {
        self.journal = Some(Journal::create(path, &self.tail)?);
        self.copies = copies;
        Ok(())
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the process ends.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        loop {
            let busy = !self.ready.is_empty() && self.tail.has_room();
            let timeout = busy.then_some(std::time::Duration::ZERO);
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                if event.token() == LISTENER {
                    self.accept()?;
                } else {
                    self.note(event);
                }
            }
            self.read_ready();
            self.store()?;
            self.write_all();
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let index = self.readers.len();
            self.poll.registry().register(
                &mut stream,
                Token(index),
                Interest::READABLE | Interest::WRITABLE,
            )?;
            let reader = Reader::new(stream, index, self.tail.end());
            self.readers.push(Some(reader));
        }
    }

    fn note(&mut self, event: &mio::event::Event) {
        let Token(index) = event.token();
        if let Some(Some(reader)) = self.readers.get_mut(index) {
            if event.is_writable() && !reader.writable {
                reader.writable = true;
                self.moved = true;
            }
            if (event.is_readable() || event.is_read_closed()) && !reader.readable {
                reader.readable = true;
                self.ready.push(index);
            }
        }
    }

    /// One read of every connection that has something, while the tail has room.
    fn read_ready(&mut self) {
        let mut still = Vec::new();
        for index in std::mem::take(&mut self.ready) {
            let Some(Some(reader)) = self.readers.get_mut(index) else {
                continue;
            };
            if !self.tail.has_room() {
                still.push(index);
                continue;
            }
            match reader.read(&mut self.tail) {
                Ok((frames, more)) => {
                    self.moved = true;
                    if frames > 0 {
                        self.came.push((index, self.frames + 1, frames));
                        self.frames += frames;
                    }
                    reader.readable = more;
                    if more {
                        still.push(index);
                    }
                }
                Err(_) => self.readers[index] = None,
            }
        }
        self.ready = still;
    }

    /// Syncs what came in this turn, once, and only then queues its commits.
    fn store(&mut self) -> io::Result<()> {
        let Some(journal) = &mut self.journal else {
            self.came.clear();
            return Ok(());
        };
        journal.store(&self.tail)?;
        for (index, first, frames) in self.came.drain(..) {
            if let Some(Some(reader)) = self.readers.get_mut(index) {
                reader.queue_commits(first, frames);
            }
        }
        Ok(())
    }

    fn write_all(&mut self) {
        if !std::mem::take(&mut self.moved) {
            return;
        }
        let mut slowest = self.tail.end();
        for slot in &mut self.readers {
            let Some(reader) = slot else { continue };
            let written = if self.copies {
                reader.write(&self.tail)
            } else {
                reader.write_commits()
            };
            match written {
                Ok(()) if self.copies => slowest = slowest.min(reader.cursor),
                Ok(()) => {}
                Err(_) => *slot = None,
            }
        }
        if let Some(journal) = &self.journal {
            slowest = slowest.min(journal.cursor());
        }
        self.tail.trim(slowest);
    }
}
