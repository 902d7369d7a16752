//! The sixteen bytes before the frames of a datagram: connection id and packet number, both
//! big-endian. They are readable by everybody; on a sealed link nobody on the way can change them.

use std::fmt;

use bytes::{BufMut, BytesMut};

/// Bytes before the frames of a datagram.
pub const DATAGRAM_HEADER_BYTES: usize = 16;
/// The packet number of datagrams that belong to the handshake: not sealed, not acknowledged.
pub const OUTSIDE: u64 = u64::MAX;
/// A datagram that holds SYN is padded to this, so that no answer to it is longer.
pub const SYN_DATAGRAM_BYTES_MIN: usize = 512;

/// What a link is found by, whatever address its datagrams come from. Its initiator chooses it at
/// random; it is the same in both directions.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    /// Sixteen hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Connection id and packet number of a datagram; `None` where it is too short for them.
pub fn peek(datagram: &[u8]) -> Option<(ConnectionId, u64)> {
    let (connection, rest) = datagram.split_first_chunk::<8>()?;
    let number = rest.first_chunk::<8>()?;
    Some((
        ConnectionId(u64::from_be_bytes(*connection)),
        u64::from_be_bytes(*number),
    ))
}

/// Appends the header.
pub fn put_header(out: &mut BytesMut, connection: ConnectionId, number: u64) {
    out.put_u64(connection.0);
    out.put_u64(number);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let mut out = BytesMut::new();
        put_header(&mut out, ConnectionId(0x0102_0304_0506_0708), 9);
        assert_eq!(out.len(), DATAGRAM_HEADER_BYTES);
        assert_eq!(peek(&out), Some((ConnectionId(0x0102_0304_0506_0708), 9)));
        assert_eq!(peek(&out[..15]), None);
        assert_eq!(ConnectionId(0xab).to_string(), "00000000000000ab");
    }
}
