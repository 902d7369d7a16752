//! Drives a [`lamparina_protocol::link::Link`] over TCP or UDP: moves bytes and time, decides nothing.
//!
//! [`Connection`] is the whole of it; [`DatagramListener`] hands on what comes to one UDP socket. [`FrameCodec`] is the frame layer alone, for programs that
//! use `tokio_util`'s `Framed`. A bad channel on purpose sits between frames and socket.

mod channel;
mod clock;
mod codec;
mod connection;
mod datagrams;
mod frames;
mod socket;
mod stream;
mod write_queue;

pub use clock::Clock;
pub use codec::{CodecError, FrameCodec};
pub use connection::{Connection, WAITING_BYTES_MAX};
pub use datagrams::{
    ACCEPTING_MAX, AskLoad, DatagramListener, INBOX_BYTES_EARLY, INBOX_BYTES_MAX, Incoming,
    OUTGOING_BYTES_MAX, Receiving, SOCKET_BYTES,
};
pub use socket::SocketOptions;
