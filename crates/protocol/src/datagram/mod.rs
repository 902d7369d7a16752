//! Links carried by datagrams: what stands around the frames, and what both ends may configure. The
//! window and repair of such a link are in [`link`](crate::link).
//!
//! | module | part |
//! |---|---|
//! | `header` | connection id and packet number |
//! | `config` | what one side brings |

mod config;
mod header;

pub use config::{
    COPIES_MAX, Copies, DATAGRAM_BYTES, DATAGRAM_BYTES_MAX, DATAGRAM_BYTES_MIN, DatagramConfig,
    Profile,
};
pub use header::{
    ConnectionId, DATAGRAM_HEADER_BYTES, OUTSIDE, SYN_DATAGRAM_BYTES_MIN, peek, put_header,
};
