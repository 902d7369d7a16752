//! Texts that travel apart from their messages, in the BULK lane: a small message in the order names
//! the text, and the text comes beside it.

use serde::{Deserialize, Serialize};

use super::{Delivery, Submit};

/// Bytes of a text up to which it travels in its message, also where the BULK lane is spoken.
pub const INLINE_TEXT_BYTES_MAX: usize = 8 * 1024;

/// Names a text by what it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct TextName {
    /// BLAKE3 of its bytes.
    pub digest: [u8; 32],
    /// How many they are.
    pub bytes: u64,
}

impl TextName {
    /// The name of these bytes.
    pub fn of(text: &[u8]) -> Self {
        Self {
            digest: *blake3::hash(text).as_bytes(),
            bytes: text.len() as u64,
        }
    }

    /// The bytes as the text of this name; `None` where they are another one, or none at all.
    pub fn check(&self, bytes: Vec<u8>) -> Option<String> {
        match Self::of(&bytes) == *self {
            true => String::from_utf8(bytes).ok(),
            false => None,
        }
    }
}

/// A message on its way to the order, without its text.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct PartedSubmit {
    /// Its text, which comes in the BULK lane: the next there that no other message has named.
    pub text: TextName,
    /// All else. Its text is empty.
    pub rest: Submit,
}

/// A message at its place, without its text.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct PartedDelivery {
    /// Its text, which comes in the BULK lane: the next there that no other message has named.
    pub text: TextName,
    /// All else. Its text is empty.
    pub rest: Delivery,
}
