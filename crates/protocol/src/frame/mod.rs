//! A frame is a 12-byte header and its payload; only bytes that re-encode to themselves, with a
//! good checksum, become one.
//!
//! Judging order: the length limit, then the checksum, then type and `last`. A frame whose
//! checksum is good and whose fields are not is its sender's fault; before that, the channel's.

pub mod checksum;
mod decode;
mod encode;
mod header;

pub(crate) use decode::next_vouched;
pub use decode::{Decoded, FrameDecoder, LostBoundary};
pub use encode::{SharedBody, put_frame, put_frame_shared};
pub use header::{
    FRAME_BYTES_MAX, FrameFault, FrameType, HEADER_BYTES, Header, PAYLOAD_BYTES_MAX, Seq,
};

use bytes::{Bytes, BytesMut};

/// One accepted frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    /// What the payload is.
    pub kind: FrameType,
    /// Place in its direction's window; 0 where the type is not sequenced.
    pub seq: Seq,
    /// Whether a message ends here.
    pub last: bool,
    /// At most [`PAYLOAD_BYTES_MAX`] bytes.
    pub payload: Bytes,
}

impl Frame {
    /// Appends the frame's bytes to `out`.
    pub fn encode_into(&self, out: &mut BytesMut) {
        put_frame(out, self.kind, self.seq, self.last, &self.payload);
    }

    /// The frame's bytes.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(HEADER_BYTES + self.payload.len());
        self.encode_into(&mut out);
        out.freeze()
    }
}
