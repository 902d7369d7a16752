//! Texts are read where their bytes stand and copied once; by itself serde's `String` asks for room
//! first, fills it with zeros, and then copies.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// For `#[serde(deserialize_with)]` of a `String`.
pub(crate) fn copied<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    deserializer.deserialize_str(Copies)
}

struct Copies;

impl Visitor<'_> for Copies {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<String, E> {
        Ok(text)
    }
}
