//! Payloads of DISCONNECT, PING and PONG.

use bytes::BufMut;

use super::ControlError;
use crate::frame::Seq;

/// Bytes of the words in DISCONNECT, at most.
pub const CLOSE_TEXT_BYTES_MAX: usize = 512;
/// Code, flags, next.
const FIXED_BYTES: usize = 2 + 1 + 2;
const FLAG_ORDERLY: u8 = 1;

/// DISCONNECT: the end, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Disconnect {
    /// Why, as a number: a later version may have more.
    pub code: u16,
    /// Everything sent before was acknowledged, and the answer is awaited. Otherwise the sender
    /// has ended already.
    pub orderly: bool,
    /// The place that the sender's next sequenced frame would have had.
    pub next: Seq,
    /// Why, in words.
    pub text: String,
}

impl Disconnect {
    /// Code, flags, next, text to the end; the text is cut at [`CLOSE_TEXT_BYTES_MAX`] bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let text = cut(&self.text);
        let mut out = Vec::with_capacity(FIXED_BYTES + text.len());
        out.put_u16(self.code);
        out.put_u8(if self.orderly { FLAG_ORDERLY } else { 0 });
        out.put_u16(self.next.get());
        out.put_slice(text.as_bytes());
        out
    }

    /// Reads a whole payload. What is not UTF-8 in the text becomes U+FFFD: words that cannot be
    /// read are no reason to miss the end.
    ///
    /// # Errors
    ///
    /// [`ControlError::Length`] and [`ControlError::Flags`].
    pub fn from_bytes(payload: &[u8]) -> Result<Self, ControlError> {
        let (&[c0, c1, flags, n0, n1], text) = payload
            .split_first_chunk::<FIXED_BYTES>()
            .ok_or(ControlError::Length)?;
        if text.len() > CLOSE_TEXT_BYTES_MAX {
            return Err(ControlError::Length);
        }
        if flags > FLAG_ORDERLY {
            return Err(ControlError::Flags(u16::from(flags)));
        }
        Ok(Self {
            code: u16::from_be_bytes([c0, c1]),
            orderly: flags == FLAG_ORDERLY,
            next: Seq::new(u16::from_be_bytes([n0, n1])),
            text: String::from_utf8_lossy(text).into_owned(),
        })
    }
}

/// As much of `text` as fits, without cutting a character in two.
pub fn cut(text: &str) -> &str {
    if text.len() <= CLOSE_TEXT_BYTES_MAX {
        return text;
    }
    let mut end = CLOSE_TEXT_BYTES_MAX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Reads the eight bytes of a PING, which its PONG gives back.
///
/// # Errors
///
/// [`ControlError::Length`].
pub fn read_ping(payload: &[u8]) -> Result<[u8; 8], ControlError> {
    payload.try_into().map_err(|_error| ControlError::Length)
}
