//! Writes frames. What all recipients share (body and its CRC) is computed once; what differs
//! (`tail`, `seq`) stands last and costs a few table look-ups.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::checksum;
use super::header::{FrameType, Header, Seq};

/// The part of a message that every recipient gets alike, with its CRC-32: a stretch of a buffer
/// that may hold many such parts, so that a window keeps the buffer once for all of them.
#[derive(Clone, Debug)]
pub struct SharedBody {
    buffer: Bytes,
    start: u32,
    end: u32,
    crc: u32,
}

impl SharedBody {
    /// Takes all of `bytes`, at most 4 GiB, and computes their CRC-32.
    pub fn new(bytes: Bytes) -> Self {
        let all = 0..bytes.len();
        Self::within(&bytes, all)
    }

    /// Takes the stretch `range` of `buffer`, cut at its end, and computes its CRC-32.
    pub fn within(buffer: &Bytes, range: Range<usize>) -> Self {
        // No buffer of ours comes near 4 GiB; a longer one is cut there.
        let bound = |at: usize| u32::try_from(at.min(buffer.len())).unwrap_or(u32::MAX);
        let (start, end) = (bound(range.start), bound(range.end.max(range.start)));
        let crc = checksum::of(&buffer[start as usize..end as usize]);
        Self {
            buffer: buffer.clone(),
            start,
            end,
            crc,
        }
    }

    /// The bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start as usize..self.end as usize]
    }

    /// Their CRC-32.
    #[inline]
    pub fn crc(&self) -> u32 {
        self.crc
    }

    /// The buffer they are a stretch of.
    #[inline]
    pub(crate) fn buffer(&self) -> &Bytes {
        &self.buffer
    }

    /// Where they begin in it.
    #[inline]
    pub(crate) fn start(&self) -> u32 {
        self.start
    }
}

impl PartialEq for SharedBody {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for SharedBody {}

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
    out.reserve(super::HEADER_BYTES + body.len() + tail.len());
    // Of a delivery there are eight, which the compiler then need not ask for.
    if let Ok(eight) = <[u8; 8]>::try_from(tail) {
        let payload_crc = checksum::extend_by_eight(body_crc, u64::from_le_bytes(eight));
        header.checksum = header.checksum_after(payload_crc);
        out.put_slice(&header.to_bytes());
        out.put_slice(body);
        out.put_slice(&eight);
    } else {
        let payload_crc = checksum::extend(body_crc, tail);
        header.checksum = header.checksum_after(payload_crc);
        out.put_slice(&header.to_bytes());
        out.put_slice(body);
        out.put_slice(tail);
    }
}
