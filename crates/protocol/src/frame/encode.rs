//! Writes frames. What all recipients share (body and its CRC) is computed once; what differs
//! (`tail`, `seq`) stands last and costs a few table look-ups.

use bytes::{BufMut, Bytes, BytesMut};

use super::checksum;
use super::header::{FrameType, Header, Seq};

/// The part of a message that every recipient gets alike, with its CRC-32.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SharedBody {
    bytes: Bytes,
    crc: u32,
}

impl SharedBody {
    /// Takes `bytes` and computes their CRC-32.
    pub fn new(bytes: Bytes) -> Self {
        let crc = checksum::of(&bytes);
        Self { bytes, crc }
    }

    /// The bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Their CRC-32.
    pub fn crc(&self) -> u32 {
        self.crc
    }
}

/// Appends a frame to `out`. `payload` is at most [`super::PAYLOAD_BYTES_MAX`] bytes.
pub fn put_frame(out: &mut BytesMut, kind: FrameType, seq: Seq, last: bool, payload: &[u8]) {
    put(out, kind, seq, last, payload, checksum::of(payload), &[]);
}

/// Appends a frame whose payload is `body` and then `tail`, together at most
/// [`super::PAYLOAD_BYTES_MAX`] bytes; `body_crc` is the CRC-32 of `body`.
#[inline]
pub fn put_frame_shared(
    out: &mut BytesMut,
    kind: FrameType,
    seq: Seq,
    last: bool,
    (body, body_crc): (&[u8], u32),
    tail: &[u8],
) {
    put(out, kind, seq, last, body, body_crc, tail);
}

#[inline]
fn put(
    out: &mut BytesMut,
    kind: FrameType,
    seq: Seq,
    last: bool,
    body: &[u8],
    body_crc: u32,
    tail: &[u8],
) {
    debug_assert!(body.len() + tail.len() <= super::PAYLOAD_BYTES_MAX);
    let mut header = Header {
        length: (body.len() + tail.len()) as u32,
        kind: kind.number(),
        seq,
        checksum: 0,
        last: u8::from(last),
    };
    header.checksum = header.checksum_after(checksum::extend(body_crc, tail));
    out.reserve(super::HEADER_BYTES + body.len() + tail.len());
    out.put_slice(&header.to_bytes());
    out.put_slice(body);
    out.put_slice(tail);
}
