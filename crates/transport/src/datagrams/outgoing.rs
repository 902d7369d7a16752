//! Datagrams on their way into a socket, in order. Runs of one size go by one system call. A socket
//! that takes no more is asked again a little later, so that nobody waits for it; what is too much
//! meanwhile is dropped and counted, and the link repairs it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::socket::Socket;

/// Bytes that may wait for a socket that is full; more are dropped.
pub const OUTGOING_BYTES_MAX: usize = 512 * 1024;
/// Bytes handed to one system call, at most: what an IP packet may hold before it is cut.
const CALL_BYTES_MAX: usize = 60_000;

thread_local! {
    /// Datagrams of one call, one behind the other.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What waits.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    waiting: VecDeque<Bytes>,
    bytes: usize,
    dropped: u64,
}

/// How a socket took it.
#[derive(Debug)]
pub(crate) enum Left {
    /// All of it.
    All,
    /// It is full for now.
    Full,
    /// It cannot send, and what it was given is lost.
    Failed(io::Error),
}

impl Outgoing {
    pub(crate) fn push(&mut self, datagram: Bytes) {
        if self.bytes + datagram.len() > OUTGOING_BYTES_MAX {
            self.dropped += 1;
            return;
        }
        self.bytes += datagram.len();
        self.waiting.push_back(datagram);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Datagrams that found no room, and those that the socket refused.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Hands over as much as the socket takes.
    pub(crate) fn send(&mut self, socket: &Socket, to: SocketAddr, from: Option<IpAddr>) -> Left {
        while let Some(first) = self.waiting.front() {
            let (size, count) = (first.len(), self.run(socket.segments_max()));
            let sent = match count {
                1 => socket.try_send(to, from, first, size),
                _ => SCRATCH.with_borrow_mut(|scratch| {
                    scratch.clear();
                    let run = self.waiting.iter().take(count);
                    run.for_each(|datagram| scratch.extend_from_slice(datagram));
                    socket.try_send(to, from, scratch, size)
                }),
            };
            match sent {
                Ok(()) => self.forget(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Left::Full,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.dropped += count as u64;
                    self.forget(count);
                    return Left::Failed(error);
                }
            }
        }
        // An idle link owns no buffer.
        self.waiting = VecDeque::new();
        Left::All
    }

    /// Datagrams at the front that one call may take: all of one size, the last one maybe shorter.
    fn run(&self, segments_max: usize) -> usize {
        let size = self.waiting.front().map_or(0, Bytes::len);
        let most = segments_max.min(CALL_BYTES_MAX / size.max(1)).max(1);
        let mut count = 0;
        for datagram in self.waiting.iter().take(most) {
            if datagram.len() > size || datagram.is_empty() {
                break;
            }
            count += 1;
            if datagram.len() < size {
                break;
            }
        }
        count.max(1)
    }

    fn forget(&mut self, count: usize) {
        let sent = self.waiting.drain(..count);
        self.bytes -= sent.map(|datagram| datagram.len()).sum::<usize>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(sizes: &[usize]) -> Outgoing {
        let mut outgoing = Outgoing::default();
        for size in sizes {
            outgoing.push(vec![0; *size].into());
        }
        outgoing
    }

    #[test]
    fn a_run_is_of_one_size_with_a_shorter_end() {
        let check = |sizes: &[usize], segments, expected| {
            assert_eq!(outgoing(sizes).run(segments), expected, "{sizes:?}");
        };
        check(&[1_200, 1_200, 1_200], 64, 3);
        check(&[1_200, 1_200, 1_200], 2, 2);
        check(&[1_200, 1_200, 50, 50], 64, 3);
        check(&[50, 1_200], 64, 1);
        check(&[50], 64, 1);
        check(&[1_200, 0, 1_200], 64, 1);
        check(&[8_192; 20], 64, CALL_BYTES_MAX / 8_192);
        check(&[1_200; 100], 1, 1);
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let full = outgoing(&[1_000; 1_000]);
        let room = OUTGOING_BYTES_MAX / 1_000;
        assert_eq!(full.bytes(), room * 1_000);
        assert_eq!(full.dropped(), 1_000 - room as u64);
    }

    #[tokio::test]
    async fn everything_leaves_in_order() {
        let socket = || Socket::new(std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
        let (one, other) = (socket(), socket());
        let sizes = [700, 700, 700, 40, 40, 900, 900, 1];
        let mut outgoing = outgoing(&sizes);
        let left = outgoing.send(&one, other.local_addr().unwrap(), None);
        assert!(matches!(left, Left::All), "{left:?}");
        assert!(outgoing.is_empty() && outgoing.bytes() == 0);
        let (mut buffer, mut arrived) = (vec![0; 4 * super::super::socket::PIECE_BYTES], vec![]);
        while arrived.len() < sizes.len() {
            other.readable().await;
            let _ = other.try_receive(&mut buffer, &mut arrived);
        }
        let came: Vec<_> = arrived
            .iter()
            .map(|datagram| datagram.bytes.len())
            .collect();
        assert_eq!(came, sizes);
    }
}
