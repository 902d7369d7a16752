//! Drives a [`lamparina_protocol::link::Link`] over TCP: moves bytes and time, decides nothing.
//!
//! [`Connection`] is the whole of it. [`FrameCodec`] is the frame layer alone, for programs that
//! use `tokio_util`'s `Framed`. A bad channel on purpose sits between frames and socket.

mod channel;
mod clock;
mod codec;
mod connection;
mod frames;
mod socket;
mod write_queue;

pub use clock::Clock;
pub use codec::{CodecError, FrameCodec};
pub use connection::{Connection, WAITING_BYTES_MAX};
pub use socket::SocketOptions;
