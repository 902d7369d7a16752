//! Messages to bytes and back: the only place that knows `bincode`.
//!
//! Format: bincode 2 `standard()` with big-endian byte order: numbers up to 250 take one byte,
//! larger ones a marker (251, 252, 253) and 2, 4 or 8 bytes. bincode is no longer maintained
//! (RUSTSEC-2025-0141), so it is pinned, kept behind this module, bounded, and can be replaced
//! without a change to the bytes, which `docs/protocol.md` gives in full.

use bincode::config::{BigEndian, Configuration, Limit, Varint};
use bincode::error::DecodeError;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::message::MESSAGE_BYTES_MAX;

type Config = Configuration<BigEndian, Varint, Limit<MESSAGE_BYTES_MAX>>;

const fn config() -> Config {
    bincode::config::standard()
        .with_big_endian()
        .with_limit::<MESSAGE_BYTES_MAX>()
}

/// Bytes that are not the message expected. The sender's fault: their checksum was good.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CodecError {
    /// Ends early, names an unknown variant, or holds an ill-formed value.
    #[error("the message cannot be read: {0}")]
    Malformed(String),
    /// The message ends before the bytes do.
    #[error("{0} bytes stand after the message's end")]
    Trailing(usize),
    /// Our own message is longer than any peer accepts.
    #[error("the message is too long to send (at most {MESSAGE_BYTES_MAX} bytes)")]
    TooLong,
}

/// The bytes of `message`.
///
/// # Errors
///
/// [`CodecError::TooLong`] past [`MESSAGE_BYTES_MAX`].
pub fn encode<T: Serialize>(message: &T) -> Result<Bytes, CodecError> {
    let mut out = Vec::new();
    encode_into(message, &mut out)?;
    Ok(out.into())
}

/// Appends the bytes of `message` to `out`; gives how many.
///
/// # Errors
///
/// [`CodecError::TooLong`] past [`MESSAGE_BYTES_MAX`]; `out` is as before then.
pub fn encode_into<T: Serialize>(message: &T, out: &mut Vec<u8>) -> Result<usize, CodecError> {
    let before = out.len();
    let written = bincode::serde::encode_into_std_write(message, out, config());
    match written {
        Ok(bytes) if bytes <= MESSAGE_BYTES_MAX => Ok(bytes),
        Ok(_) | Err(_) => {
            out.truncate(before);
            Err(CodecError::TooLong)
        }
    }
}

/// Reads a message that takes up all of `bytes`.
///
/// # Errors
///
/// [`CodecError::Malformed`] and [`CodecError::Trailing`]. What a length claims is not believed: for a
/// text at most [`MESSAGE_BYTES_MAX`] bytes are allocated before it is read, and for a list of our
/// messages room for 16 items; a list keeps no more items than its limit.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (message, used) = bincode::serde::borrow_decode_from_slice(bytes, config())
        .map_err(|error| CodecError::Malformed(words(error)))?;
    match bytes.len() - used {
        0 => Ok(message),
        left => Err(CodecError::Trailing(left)),
    }
}

/// What is wrong, for people: nothing of how `bincode` says it.
fn words(error: DecodeError) -> String {
    let words = match error {
        // serde says so of a variant's number.
        DecodeError::OtherString(text) if text.starts_with("invalid value: integer") => UNKNOWN,
        // A value of ours, in its own words.
        DecodeError::OtherString(text) => return text,
        DecodeError::UnexpectedEnd { .. } => "it ends too early",
        DecodeError::Utf8 { .. } | DecodeError::InvalidCharEncoding(_) => {
            "a text in it is not UTF-8"
        }
        DecodeError::LimitExceeded | DecodeError::OutsideUsizeRange(_) => {
            "a length in it is beyond the limit"
        }
        DecodeError::UnexpectedVariant { .. }
        | DecodeError::InvalidBooleanValue(_)
        | DecodeError::InvalidIntegerType { .. } => UNKNOWN,
        _ => "it is ill-formed",
    };
    words.to_owned()
}

const UNKNOWN: &str = "it holds a kind or a value that is unknown";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{SetNick, ToServer};

    #[test]
    fn what_is_wrong_is_said_in_plain_words() {
        let data = |bytes: &[u8]| decode::<ToServer>(bytes).unwrap_err().to_string();
        let nick = |bytes: &[u8]| decode::<SetNick>(bytes).unwrap_err().to_string();
        let is = |why: &str| format!("the message cannot be read: {why}");
        assert_eq!(data(&[]), is("it ends too early"));
        assert_eq!(data(&[77]), is(UNKNOWN));
        assert_eq!(data(&[3, 255]), is(UNKNOWN));
        assert_eq!(nick(&[9, b'a']), is("it ends too early"));
        assert_eq!(nick(&[1, 0xff]), is("a text in it is not UTF-8"));
        let long = [252, 0x7f, 0xff, 0xff, 0xff];
        assert_eq!(nick(&long), is("a length in it is beyond the limit"));
        let blank = crate::Nick::try_from("a b").unwrap_err().to_string();
        assert_eq!(nick(&[3, b'a', b' ', b'b']), is(&blank));
        assert_eq!(nick(&[1, b'a', 0]), "1 bytes stand after the message's end");
    }
}
