//! A UDP socket: as many datagrams to a system call as the system takes (GSO, GRO, recvmmsg), each
//! with the address at which it came, so that an answer leaves from there.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tracing::debug;

/// Bytes that the system may hold in each direction, asked for; it may give less.
pub const SOCKET_BYTES: usize = 4 << 20;
/// Bytes that one received piece takes, at most: many datagrams of one peer (GRO).
pub(crate) const PIECE_BYTES: usize = 64 * 1024;
/// Pieces taken by one system call, at most.
const PIECES_MAX: usize = 16;

/// The system has something to say of what was sent. Not all tell of that apart.
#[cfg(any(target_os = "linux", target_os = "android"))]
const SAID: Interest = Interest::ERROR;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const SAID: Interest = Interest::READABLE;

/// A datagram that came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Arrived {
    pub(crate) from: SocketAddr,
    /// The address of ours that it was sent to.
    pub(crate) to: Option<IpAddr>,
    pub(crate) bytes: Bytes,
}

/// A socket.
pub(crate) struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("io", &self.io).finish()
    }
}

impl Socket {
    /// Takes a bound socket into the runtime.
    pub(crate) fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        let raw = socket2::SockRef::from(&socket);
        // What the system does not give is done without.
        let _ = raw.set_recv_buffer_size(SOCKET_BYTES);
        let _ = raw.set_send_buffer_size(SOCKET_BYTES);
        let state = UdpSocketState::new((&socket).into())?;
        debug!(
            receive = raw.recv_buffer_size().ok(),
            send = raw.send_buffer_size().ok(),
            segments = state.max_gso_segments(),
            "bytes and segments that the system holds for a UDP socket"
        );
        let io = UdpSocket::from_std(socket)?;
        Ok(Self { io, state })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// Datagrams of one size that one system call sends, at most.
    pub(crate) fn segments_max(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// Sends `contents`, cut into datagrams of `segment` bytes.
    pub(crate) fn try_send(
        &self,
        to: SocketAddr,
        from: Option<IpAddr>,
        contents: &[u8],
        segment: usize,
    ) -> io::Result<()> {
        let transmit = Transmit {
            destination: to,
            ecn: None,
            contents,
            segment_size: (segment < contents.len()).then_some(segment),
            src_ip: from,
        };
        // Nobody waits until it can be written to, so the runtime need not know.
        self.state.try_send((&self.io).into(), &transmit)
    }

    /// Waits until something is there, or the system has something to say of what was sent.
    pub(crate) async fn readable(&self) {
        // It fails when the runtime ends, and nobody waits then.
        let _ = self.io.ready(Interest::READABLE.add(SAID)).await;
    }

    /// Takes what is there by one system call, into `buffer` and from there into `arrived`. A buffer
    /// of `n` times [`PIECE_BYTES`] takes up to `n` pieces.
    pub(crate) fn try_receive(
        &self,
        buffer: &mut [u8],
        arrived: &mut Vec<Arrived>,
    ) -> io::Result<()> {
        let mut slices: [IoSliceMut<'_>; PIECES_MAX] =
            std::array::from_fn(|_| IoSliceMut::new(&mut []));
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(buffer.chunks_exact_mut(PIECE_BYTES)) {
            *slice = IoSliceMut::new(piece);
            count += 1;
        }
        let mut metas = [RecvMeta::default(); PIECES_MAX];
        let mut receive = |interest| {
            self.io.try_io(interest, || {
                self.state
                    .recv((&self.io).into(), &mut slices[..count], &mut metas[..count])
            })
        };
        let came = match receive(Interest::READABLE) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => receive(SAID),
            came => came,
        }?;
        for (slice, meta) in slices.iter().zip(&metas).take(came) {
            let piece = &slice[..meta.len.min(slice.len())];
            // Each is a piece of memory of its own, or one would keep all of them.
            arrived.extend(piece.chunks(meta.stride.max(1)).map(|datagram| Arrived {
                from: meta.addr,
                to: meta.dst_ip,
                bytes: Bytes::copy_from_slice(datagram),
            }));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound() -> Socket {
        Socket::new(std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap()
    }

    #[tokio::test]
    async fn what_one_call_sends_comes_as_single_datagrams() {
        let (one, other) = (bound(), bound());
        let segments = one.segments_max().min(5);
        let contents: Vec<u8> = (0..segments * 700 - 100).map(|at| at as u8).collect();
        one.try_send(other.local_addr().unwrap(), None, &contents, 700)
            .unwrap();
        let (mut buffer, mut arrived) = (vec![0; 2 * PIECE_BYTES], Vec::new());
        while arrived.len() < segments {
            other.readable().await;
            match other.try_receive(&mut buffer, &mut arrived) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => panic!("{error}"),
                _ => {}
            }
        }
        let expected: Vec<_> = contents.chunks(700).map(Bytes::copy_from_slice).collect();
        let came: Vec<_> = arrived
            .iter()
            .map(|datagram| datagram.bytes.clone())
            .collect();
        assert_eq!(came, expected);
        let from = one.local_addr().unwrap();
        assert!(arrived.iter().all(|datagram| datagram.from == from));
    }
}
