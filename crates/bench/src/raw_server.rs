//! The baseline: what any server must at least do. Length-prefixed frames of one connection are
//! copied, whole and in order, to all others. No order beyond arrival, no names, no checks, no
//! acknowledgements; the slowest reader slows everybody. One thread, large reads, one write of
//! everything that waits.

use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::tail::{Cursor, Tail};

/// Bytes of a frame's length, big-endian.
pub(crate) const LENGTH_BYTES: usize = 4;
/// Bytes of a frame, at most; less than a read takes, so that a read always finishes one.
pub(crate) const RAW_FRAME_BYTES_MAX: usize = 16 * 1024;
const LISTENER: Token = Token(usize::MAX);
/// Pieces handed to one system call, at most.
const PIECES_PER_WRITE: usize = 64;
const EVENTS_PER_TURN: usize = 1_024;

struct Reader {
    stream: TcpStream,
    cursor: Cursor,
    /// The beginning of a frame whose end has not come.
    carry: Vec<u8>,
    /// The socket may have more than was read.
    readable: bool,
    /// The socket may take more.
    writable: bool,
}

/// The server's whole state.
pub(crate) struct RawServer {
    poll: Poll,
    listener: TcpListener,
    readers: Vec<Option<Reader>>,
    tail: Tail,
    /// Connections whose `readable` is set.
    ready: Vec<usize>,
    moved: bool,
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
        })
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
            self.poll.registry().register(
                &mut stream,
                Token(self.readers.len()),
                Interest::READABLE | Interest::WRITABLE,
            )?;
            self.readers.push(Some(Reader {
                stream,
                cursor: self.tail.end(),
                carry: Vec::new(),
                readable: false,
                writable: true,
            }));
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
            match read_frames(reader, index, &mut self.tail) {
                Ok(more) => {
                    self.moved = true;
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

    fn write_all(&mut self) {
        if !std::mem::take(&mut self.moved) {
            return;
        }
        let mut slowest = self.tail.end();
        for (index, slot) in self.readers.iter_mut().enumerate() {
            let Some(reader) = slot else { continue };
            match write_tail(reader, index, &self.tail) {
                Ok(()) => slowest = slowest.min(reader.cursor),
                Err(_) => *slot = None,
            }
        }
        self.tail.trim(slowest);
    }
}

/// Reads once; whole frames go to the tail. Gives whether the socket may have more.
fn read_frames(reader: &mut Reader, index: usize, tail: &mut Tail) -> io::Result<bool> {
    let room = tail.room();
    let kept = reader.carry.len();
    room[..kept].copy_from_slice(&reader.carry);
    let got = match reader.stream.read(&mut room[kept..]) {
        Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(got) => got,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
        Err(error) => return Err(error),
    };
    let filled = kept + got == room.len();
    let whole = whole_frames(&room[..kept + got])?;
    reader.carry.clear();
    reader.carry.extend_from_slice(&room[whole..kept + got]);
    if reader.carry.is_empty() {
        // An idle connection owns no buffer.
        reader.carry = Vec::new();
    }
    if whole > 0 {
        tail.commit(index, whole);
    }
    Ok(filled)
}

/// Bytes of whole frames at the beginning of `bytes`.
fn whole_frames(bytes: &[u8]) -> io::Result<usize> {
    let mut whole = 0;
    while let Some(length) = bytes[whole..].first_chunk::<LENGTH_BYTES>() {
        let frame = LENGTH_BYTES + u32::from_be_bytes(*length) as usize;
        if frame > RAW_FRAME_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if bytes.len() - whole < frame {
            break;
        }
        whole += frame;
    }
    Ok(whole)
}

/// Writes what `reader` has not got, until nothing is left or the socket is full.
fn write_tail(reader: &mut Reader, index: usize, tail: &Tail) -> io::Result<()> {
    while reader.writable {
        let mut slices = [IoSlice::new(&[]); PIECES_PER_WRITE];
        let filled = tail.fill(index, reader.cursor, &mut slices);
        if filled == 0 {
            reader.cursor = tail.advance(index, reader.cursor, 0);
            return Ok(());
        }
        let offered: usize = slices[..filled].iter().map(|slice| slice.len()).sum();
        match reader.stream.write_vectored(&slices[..filled]) {
            Ok(written) => {
                reader.cursor = tail.advance(index, reader.cursor, written);
                // A short write means a full socket: its next event says when to go on.
                reader.writable = written == offered;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => reader.writable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_frames_pass() {
        let bytes = [0, 0, 0, 2, b'a', b'b', 0, 0, 0, 0, 0, 0, 0, 9, b'c'];
        assert_eq!(whole_frames(&bytes[..3]).unwrap(), 0);
        assert_eq!(whole_frames(&bytes[..6]).unwrap(), 6);
        assert_eq!(whole_frames(&bytes).unwrap(), 10);
        assert!(whole_frames(&[1, 0, 0, 0]).is_err());
    }
}
