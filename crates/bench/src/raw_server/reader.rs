//! One connection of the raw server. What is written to it is whole frames of others and, where a
//! file is kept, commits; a commit never stands inside a frame.

use std::io::{self, IoSlice, Read, Write};

use mio::net::TcpStream;

use super::tail::{Cursor, Tail};
use super::{COMMIT_BYTES, COMMIT_MARK, LENGTH_BYTES, RAW_FRAME_BYTES_MAX};

/// Pieces handed to one system call, at most.
const PIECES_PER_WRITE: usize = 64;

/// A connection.
#[derive(Debug)]
pub(super) struct Reader {
    stream: TcpStream,
    /// Its place among the connections.
    index: usize,
    /// How far it has what others wrote.
    pub(super) cursor: Cursor,
    /// The beginning of a frame whose end has not come.
    carry: Vec<u8>,
    /// The socket may have more than was read.
    pub(super) readable: bool,
    /// The socket may take more.
    pub(super) writable: bool,
    /// Commits that wait to be written; a part of one only once its beginning was.
    commits: Vec<u8>,
}

impl Reader {
    /// A connection that gets what comes after `cursor`.
    pub(super) fn new(stream: TcpStream, index: usize, cursor: Cursor) -> Self {
        Self {
            stream,
            index,
            cursor,
            carry: Vec::new(),
            readable: false,
            writable: true,
            commits: Vec::new(),
        }
    }

    /// Reads once; whole frames go to the tail. Gives how many, and whether there may be more.
    pub(super) fn read(&mut self, tail: &mut Tail) -> io::Result<(u64, bool)> {
        let room = tail.room();
        let kept = self.carry.len();
        room[..kept].copy_from_slice(&self.carry);
        let got = match self.stream.read(&mut room[kept..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(got) => got,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok((0, false)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok((0, true)),
            Err(error) => return Err(error),
        };
        let filled = kept + got == room.len();
        let (whole, frames) = whole_frames(&room[..kept + got])?;
        self.carry.clear();
        self.carry.extend_from_slice(&room[whole..kept + got]);
        if self.carry.is_empty() {
            // An idle connection owns no buffer.
            self.carry = Vec::new();
        }
        if whole > 0 {
            tail.commit(self.index, whole);
        }
        Ok((frames, filled))
    }

    /// Queues the commits of `frames` frames, the first of which has place `first` in the file.
    pub(super) fn queue_commits(&mut self, first: u64, frames: u64) {
        for place in first..first + frames {
            let commit = (COMMIT_MARK | place).to_be_bytes();
            self.commits.extend_from_slice(&commit);
        }
    }

    /// Writes what it has not got of the tail, then its commits, until nothing is left or the
    /// socket is full.
    pub(super) fn write(&mut self, tail: &Tail) -> io::Result<()> {
        if !self.commits.len().is_multiple_of(COMMIT_BYTES) {
            self.write_commits()?;
        }
        self.write_tail(tail)?;
        if self.writable {
            self.write_commits()?;
        }
        Ok(())
    }

    /// Writes its commits alone.
    pub(super) fn write_commits(&mut self) -> io::Result<()> {
        while self.writable && !self.commits.is_empty() {
            let written = self.stream.write(&self.commits);
            if let Some(written) = self.taken(written, self.commits.len())? {
                self.commits.drain(..written);
            }
        }
        Ok(())
    }

    fn write_tail(&mut self, tail: &Tail) -> io::Result<()> {
        while self.writable {
            let mut slices = [IoSlice::new(&[]); PIECES_PER_WRITE];
            let filled = tail.fill(self.index, self.cursor, &mut slices);
            if filled == 0 {
                self.cursor = tail.advance(self.index, self.cursor, 0);
                return Ok(());
            }
            let offered = slices[..filled].iter().map(|slice| slice.len()).sum();
            let written = self.stream.write_vectored(&slices[..filled]);
            if let Some(written) = self.taken(written, offered)? {
                self.cursor = tail.advance(self.index, self.cursor, written);
            }
        }
        Ok(())
    }

    /// What a write of `offered` bytes did. A short one means a full socket: its next event says
    /// when to go on.
    fn taken(&mut self, written: io::Result<usize>, offered: usize) -> io::Result<Option<usize>> {
        match written {
            Ok(written) => {
                self.writable = written == offered;
                Ok(Some(written))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.writable = false;
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Bytes of whole frames at the beginning of `bytes`, and how many they are.
fn whole_frames(bytes: &[u8]) -> io::Result<(usize, u64)> {
    let (mut whole, mut frames) = (0, 0);
    while let Some(length) = bytes[whole..].first_chunk::<LENGTH_BYTES>() {
        let frame = LENGTH_BYTES + u32::from_be_bytes(*length) as usize;
        if frame > RAW_FRAME_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if bytes.len() - whole < frame {
            break;
        }
        whole += frame;
        frames += 1;
    }
    Ok((whole, frames))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_frames_pass() {
        let bytes = [0, 0, 0, 2, b'a', b'b', 0, 0, 0, 0, 0, 0, 0, 9, b'c'];
        assert_eq!(whole_frames(&bytes[..3]).unwrap(), (0, 0));
        assert_eq!(whole_frames(&bytes[..6]).unwrap(), (6, 1));
        assert_eq!(whole_frames(&bytes).unwrap(), (10, 2));
        assert!(whole_frames(&[1, 0, 0, 0]).is_err());
    }
}
