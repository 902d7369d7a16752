//! Cuts a byte stream into frames, whatever way the bytes were split. Nothing is allocated for a
//! frame before its length has been checked; payloads are slices of the chunks that came in.

use bytes::{Buf, Bytes, BytesMut};

use super::header::{FrameFault, FrameType, HEADER_BYTES, Header, PAYLOAD_BYTES_MAX};
use super::{Frame, checksum};

/// The length field is impossible: the stream's frame boundaries are lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a frame of {length} payload bytes is impossible (at most {PAYLOAD_BYTES_MAX}): frame boundaries are lost"
)]
pub struct LostBoundary {
    /// What the length field said.
    pub length: u32,
}

/// What stood between two frame boundaries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decoded {
    /// A frame with a good checksum and good fields.
    Frame(Frame),
    /// A bad checksum: the channel's doing. The header is only a hint.
    Damaged(Header),
    /// A good checksum over fields that no sender of this protocol writes: the sender's fault.
    Foreign(FrameFault),
}

/// Incremental decoder of a stream of frames.
///
/// Push chunks as they come and call [`FrameDecoder::next`] until it gives `None`. It holds at
/// most one incomplete frame of its own and the chunk pushed last.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    /// The beginning of a frame whose end has not come. Empty, or without a whole frame in it.
    partial: BytesMut,
    /// Bytes not looked at yet; they follow `partial`.
    chunk: Bytes,
    lost: Option<LostBoundary>,
}

impl FrameDecoder {
    /// Gives the decoder the next bytes of the stream.
    ///
    /// Cheapest when [`FrameDecoder::next`] has given `None` before; otherwise the chunks are joined.
    pub fn push(&mut self, chunk: Bytes) {
        if self.chunk.is_empty() {
            self.chunk = chunk;
            return;
        }
        let mut joined = BytesMut::with_capacity(self.chunk.len() + chunk.len());
        joined.extend_from_slice(&self.chunk);
        joined.extend_from_slice(&chunk);
        self.chunk = joined.freeze();
    }

    /// Whether a frame has begun and not ended.
    pub fn is_mid_frame(&self) -> bool {
        !self.partial.is_empty() || !self.chunk.is_empty()
    }

    /// The next frame, or `None` until more bytes come.
    ///
    /// # Errors
    ///
    /// [`LostBoundary`] when a length is impossible; from then on every call says so.
    #[expect(
        clippy::should_implement_trait,
        reason = "an error ends a stream, `None` does not"
    )]
    pub fn next(&mut self) -> Result<Option<Decoded>, LostBoundary> {
        if let Some(lost) = self.lost {
            return Err(lost);
        }
        if !self.partial.is_empty() {
            return self.next_across_chunks();
        }
        let Some(header) = peek_header(&self.chunk) else {
            self.keep_rest();
            return Ok(None);
        };
        let frame_bytes = self.frame_bytes(header)?;
        if self.chunk.len() < frame_bytes {
            self.keep_rest();
            return Ok(None);
        }
        let mut whole = self.chunk.split_to(frame_bytes);
        whole.advance(HEADER_BYTES);
        Ok(Some(judge(header, whole)))
    }

    /// As `next` when a frame began in an earlier chunk: completes it with as few bytes as it needs.
    fn next_across_chunks(&mut self) -> Result<Option<Decoded>, LostBoundary> {
        self.take(HEADER_BYTES);
        let Some(header) = peek_header(&self.partial) else {
            return Ok(None);
        };
        let frame_bytes = self.frame_bytes(header)?;
        self.take(frame_bytes);
        if self.partial.len() < frame_bytes {
            return Ok(None);
        }
        let mut whole = std::mem::take(&mut self.partial).freeze();
        whole.advance(HEADER_BYTES);
        Ok(Some(judge(header, whole)))
    }

    /// Moves bytes from `chunk` until `partial` holds `target` bytes or `chunk` is empty.
    fn take(&mut self, target: usize) {
        let wanted = target
            .saturating_sub(self.partial.len())
            .min(self.chunk.len());
        self.partial.extend_from_slice(&self.chunk.split_to(wanted));
    }

    /// Copies what is left of the chunk, so that a few bytes do not hold on to all of it.
    fn keep_rest(&mut self) {
        if !self.chunk.is_empty() {
            self.partial.extend_from_slice(&self.chunk);
            self.chunk = Bytes::new();
        }
    }

    /// Bytes of the whole frame, once its length is known to be possible.
    fn frame_bytes(&mut self, header: Header) -> Result<usize, LostBoundary> {
        let length = header.length as usize;
        if length > PAYLOAD_BYTES_MAX {
            let lost = LostBoundary {
                length: header.length,
            };
            self.lost = Some(lost);
            return Err(lost);
        }
        Ok(HEADER_BYTES + length)
    }
}

fn peek_header(bytes: &[u8]) -> Option<Header> {
    bytes.first_chunk::<HEADER_BYTES>().map(Header::from_bytes)
}

/// Judges one frame between intact boundaries: checksum, then type, then `last`.
fn judge(header: Header, payload: Bytes) -> Decoded {
    if header.checksum_after(checksum::of(&payload)) != header.checksum {
        return Decoded::Damaged(header);
    }
    let Some(kind) = FrameType::from_number(header.kind) else {
        return Decoded::Foreign(FrameFault::UnknownType(header.kind));
    };
    if header.last > 1 {
        return Decoded::Foreign(FrameFault::BadLast(header.last));
    }
    Decoded::Frame(Frame {
        kind,
        seq: header.seq,
        last: header.last == 1,
        payload,
    })
}
