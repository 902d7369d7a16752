//! Bytes on their way into a socket: whole frames in order, written many to a system call.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};
use tokio::net::TcpStream;

/// Pieces handed to one system call, at most.
const PIECES_PER_WRITE: usize = 32;

/// What waits to be written. Pieces share their memory with the link's window.
#[derive(Debug, Default)]
pub(crate) struct WriteQueue {
    pieces: VecDeque<Bytes>,
    bytes: usize,
}

impl WriteQueue {
    pub(crate) fn push(&mut self, piece: Bytes) {
        self.bytes += piece.len();
        self.pieces.push_back(piece);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes until nothing is left (`true`) or the socket is full (`false`).
    pub(crate) fn write_to(&mut self, stream: &TcpStream) -> io::Result<bool> {
        while !self.pieces.is_empty() {
            let mut slices = [IoSlice::new(&[]); PIECES_PER_WRITE];
            for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
                *slice = IoSlice::new(piece);
            }
            let count = self.pieces.len().min(PIECES_PER_WRITE);
            match stream.try_write_vectored(&slices[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // An idle connection owns no buffer.
        self.pieces = VecDeque::new();
        Ok(true)
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(front) = self.pieces.front_mut() {
            if front.len() > written {
                front.advance(written);
                return;
            }
            written -= front.len();
            self.pieces.pop_front();
        }
    }
}
