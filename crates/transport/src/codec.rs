//! The frame layer as a `tokio_util` codec.

use std::io;

use bytes::BytesMut;
use lamparina_protocol::frame::{Decoded, Frame, FrameDecoder, LostBoundary, PAYLOAD_BYTES_MAX};
use tokio_util::codec::{Decoder, Encoder};

/// Why a stream of frames ended.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The frame boundaries are lost; nothing after this can be read.
    #[error(transparent)]
    LostBoundary(#[from] LostBoundary),
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame")]
    Truncated,
    /// A payload longer than a frame holds was given to the encoder.
    #[error("a frame holds at most {PAYLOAD_BYTES_MAX} payload bytes, not {0}")]
    TooLong(usize),
    /// The transport failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Decodes a stream into [`Decoded`] frames and encodes [`Frame`]s.
#[derive(Debug, Default)]
pub struct FrameCodec {
    decoder: FrameDecoder,
}

impl Decoder for FrameCodec {
    type Item = Decoded;
    type Error = CodecError;

    fn decode(&mut self, source: &mut BytesMut) -> Result<Option<Decoded>, CodecError> {
        if let Some(decoded) = self.decoder.next()? {
            return Ok(Some(decoded));
        }
        if source.is_empty() {
            return Ok(None);
        }
        self.decoder.push(source.split().freeze());
        Ok(self.decoder.next()?)
    }

    fn decode_eof(&mut self, source: &mut BytesMut) -> Result<Option<Decoded>, CodecError> {
        match self.decode(source)? {
            Some(decoded) => Ok(Some(decoded)),
            None if self.decoder.is_mid_frame() => Err(CodecError::Truncated),
            None => Ok(None),
        }
    }
}

impl Encoder<Frame> for FrameCodec {
    type Error = CodecError;

    fn encode(&mut self, frame: Frame, out: &mut BytesMut) -> Result<(), CodecError> {
        if frame.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(CodecError::TooLong(frame.payload.len()));
        }
        frame.encode_into(out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lamparina_protocol::frame::{FrameType, Seq};

    fn frame(size: usize) -> Frame {
        Frame {
            kind: FrameType::Data,
            seq: Seq::new(9),
            last: true,
            payload: vec![b'x'; size].into(),
        }
    }

    #[test]
    fn frames_come_back_from_any_split() {
        let frames = [frame(0), frame(5), frame(PAYLOAD_BYTES_MAX)];
        let mut wire = BytesMut::new();
        for frame in &frames {
            FrameCodec::default()
                .encode(frame.clone(), &mut wire)
                .unwrap();
        }
        for step in [1, 7, 4_096, wire.len()] {
            let (mut codec, mut buffer, mut got) = (FrameCodec::default(), BytesMut::new(), vec![]);
            for chunk in wire.chunks(step) {
                buffer.extend_from_slice(chunk);
                while let Some(decoded) = codec.decode(&mut buffer).unwrap() {
                    got.push(decoded);
                }
            }
            assert_eq!(got, frames.clone().map(Decoded::Frame));
            assert!(codec.decode_eof(&mut buffer).unwrap().is_none());
        }
    }

    #[test]
    fn too_long_and_cut_short_are_errors() {
        let mut wire = BytesMut::new();
        let long = FrameCodec::default().encode(frame(PAYLOAD_BYTES_MAX + 1), &mut wire);
        assert!(matches!(long, Err(CodecError::TooLong(8_181))));
        wire.extend_from_slice(&frame(5).to_bytes()[..14]);
        let cut = FrameCodec::default().decode_eof(&mut wire);
        assert!(matches!(cut, Err(CodecError::Truncated)));
    }
}
