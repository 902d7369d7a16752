//! Cuts pieces of wire bytes into single frames without judging them, for a channel that treats
//! frame by frame. Boundaries are as the length fields say; an impossible length ends the cutting.

use bytes::{Buf, Bytes, BytesMut};
use lamparina_protocol::frame::{FRAME_BYTES_MAX, HEADER_BYTES};

/// Splits a stream into frames, whole ones only; holds at most one frame's beginning.
#[derive(Debug, Default)]
pub(crate) struct FrameCutter {
    rest: BytesMut,
    /// Set once boundaries are lost: everything passes as it comes, for the link to judge.
    lost: bool,
}

impl FrameCutter {
    /// Takes `bytes`; pushes every frame that is complete now to `frames`.
    pub(crate) fn cut(&mut self, bytes: &[u8], frames: &mut Vec<Bytes>) {
        self.rest.extend_from_slice(bytes);
        while let Some(length) = self.rest.first_chunk::<4>() {
            let whole = (u32::from_be_bytes(*length) as usize).saturating_add(HEADER_BYTES);
            self.lost |= whole > FRAME_BYTES_MAX;
            if self.lost {
                frames.push(self.rest.split().freeze());
            } else if self.rest.remaining() >= whole {
                frames.push(self.rest.split_to(whole).freeze());
            } else {
                return;
            }
        }
        if self.lost && !self.rest.is_empty() {
            frames.push(self.rest.split().freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lamparina_protocol::frame::{Frame, FrameType, Seq};

    #[test]
    fn any_split_gives_the_same_frames() {
        let frame = |size: usize| Frame {
            kind: FrameType::Data,
            seq: Seq::new(size as u16),
            last: true,
            payload: vec![7; size].into(),
        };
        let expected: Vec<Bytes> = [0, 1, 300, 8_180].map(|size| frame(size).to_bytes()).into();
        let stream = expected.concat();
        for step in [1, 5, 11, 12, 13, 4_096, stream.len()] {
            let (mut cutter, mut frames) = (FrameCutter::default(), Vec::new());
            stream
                .chunks(step)
                .for_each(|chunk| cutter.cut(chunk, &mut frames));
            assert_eq!(frames, expected, "in steps of {step}");
        }
    }

    #[test]
    fn an_impossible_length_passes_everything_on() {
        let (mut cutter, mut frames) = (FrameCutter::default(), Vec::new());
        cutter.cut(b"GET / HTTP/1.1\r\n", &mut frames);
        cutter.cut(b"x", &mut frames);
        assert_eq!(frames.concat(), b"GET / HTTP/1.1\r\nx");
    }
}
