//! Cuts a byte stream into frames, whatever way the bytes were split. Nothing is allocated for a
//! frame before its length has been checked; payloads are slices of the chunks that came in.

use bytes::{Buf, Bytes, BytesMut};

use super::header::{FrameFault, FrameType, HEADER_BYTES, Header, PAYLOAD_BYTES_MAX, field};
use super::{Frame, checksum};
use crate::seal::record::SEALED_BYTES_MAX;

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
    /// SEALED frames may be longer than others; their checksum covers the header alone.
    sealed: bool,
}

impl FrameDecoder {
    /// A decoder for a sealed link.
    pub fn sealed() -> Self {
        Self {
            sealed: true,
            ..Self::default()
        }
    }

    /// Gives the decoder the next bytes of the stream.
    ///
    /// Cheapest when [`FrameDecoder::next`] has given `None` before; otherwise the chunks are joined.
    /// After a lost boundary bytes mean nothing and are let go.
    pub fn push(&mut self, chunk: Bytes) {
        if self.lost.is_some() {
            return;
        }
        if self.chunk.is_empty() {
            self.chunk = chunk;
            return;
        }
        let mut joined = BytesMut::with_capacity(self.chunk.len() + chunk.len());
        joined.extend_from_slice(&self.chunk);
        joined.extend_from_slice(&chunk);
        self.chunk = joined.freeze();
    }

    /// Whether a frame has begun and not ended; asked when [`FrameDecoder::next`] has given `None`.
    pub fn is_mid_frame(&self) -> bool {
        !self.partial.is_empty() || !self.chunk.is_empty()
    }

    /// The next frame, or `None` until more bytes come.
    ///
    /// # Errors
    ///
    /// [`LostBoundary`] when a length is impossible, as soon as its four bytes are there; from then
    /// on every call says so, and the decoder holds nothing.
    #[expect(
        clippy::should_implement_trait,
        reason = "an error ends a stream, `None` does not"
    )]
    pub fn next(&mut self) -> Result<Option<Decoded>, LostBoundary> {
        if let Some(lost) = self.lost {
            return Err(lost);
        }
        let decoded = if self.partial.is_empty() {
            self.next_in_chunk()
        } else {
            self.next_across_chunks()
        };
        if let Err(lost) = decoded {
            *self = Self {
                lost: Some(lost),
                ..Self::default()
            };
        }
        decoded
    }

    /// As `next` when the chunk begins at a frame boundary: whole frames are slices of it.
    fn next_in_chunk(&mut self) -> Result<Option<Decoded>, LostBoundary> {
        let Some((header, frame_bytes)) = begun(&self.chunk, self.sealed)? else {
            self.keep_rest();
            return Ok(None);
        };
        if self.chunk.len() < frame_bytes {
            self.keep_rest();
            return Ok(None);
        }
        let mut whole = self.chunk.split_to(frame_bytes);
        whole.advance(HEADER_BYTES);
        Ok(Some(judge(header, whole, self.sealed)))
    }

    /// As `next` when a frame began in an earlier chunk: completes it with as few bytes as it needs.
    fn next_across_chunks(&mut self) -> Result<Option<Decoded>, LostBoundary> {
        self.take(HEADER_BYTES);
        let Some((header, frame_bytes)) = begun(&self.partial, self.sealed)? else {
            return Ok(None);
        };
        self.take(frame_bytes);
        if self.partial.len() < frame_bytes {
            return Ok(None);
        }
        let mut whole = std::mem::take(&mut self.partial).freeze();
        whole.advance(HEADER_BYTES);
        Ok(Some(judge(header, whole, self.sealed)))
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
}

/// The header at the beginning of `bytes` and the length of the whole frame, once that is known to
/// be possible; `None` while bytes are missing.
fn begun(bytes: &[u8], sealed: bool) -> Result<Option<(Header, usize)>, LostBoundary> {
    // The length is judged before the rest has come: who never sends it cannot keep us waiting.
    let Some(length) = bytes.first_chunk().map(|field| u32::from_be_bytes(*field)) else {
        return Ok(None);
    };
    let possible = match sealed && length as usize > PAYLOAD_BYTES_MAX {
        false => length as usize <= PAYLOAD_BYTES_MAX,
        true if length as usize > SEALED_BYTES_MAX => false,
        // Only one type may be so long, and its byte comes next.
        true => bytes
            .get(field::TYPE)
            .is_none_or(|kind| *kind == FrameType::Sealed.number()),
    };
    if !possible {
        return Err(LostBoundary { length });
    }
    Ok(bytes
        .first_chunk()
        .map(|header| (Header::from_bytes(header), HEADER_BYTES + length as usize)))
}

/// The next of the frames in a datagram whose every byte is vouched for (by a seal, or a checksum of all
/// of it), so that their own checksums say nothing new; `None` where nothing but padding follows. What is
/// no whole frame is `Damaged`.
pub(crate) fn next_vouched(frames: &mut Bytes) -> Option<Decoded> {
    let header = Header::from_bytes(frames.first_chunk()?);
    if header.kind == 0 {
        return None;
    }
    let rest = frames.len() - HEADER_BYTES;
    if header.length as usize > rest {
        frames.clear();
        return Some(Decoded::Damaged(header));
    }
    frames.advance(HEADER_BYTES);
    Some(judge_fields(
        header,
        frames.split_to(header.length as usize),
    ))
}

/// Judges one frame between intact boundaries: checksum, then type, then `last`.
fn judge(header: Header, payload: Bytes, sealed: bool) -> Decoded {
    // What is sealed is judged by its seal.
    let covered: &[u8] = match sealed && header.kind == FrameType::Sealed.number() {
        true => &[],
        false => &payload,
    };
    if header.checksum_after(checksum::of(covered)) != header.checksum {
        return Decoded::Damaged(header);
    }
    judge_fields(header, payload)
}

fn judge_fields(header: Header, payload: Bytes) -> Decoded {
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
