//! Names that people choose. A `Nick` or `RoomName` in hand has been checked once, at the edge;
//! two spellings that are the same after normalisation share one `NickKey`, for ever. Names that
//! only look the same share a [`NickLook`], and cannot both be claimed.

mod look;

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

pub use look::{FOLDING_VERSION, LOOK_VERSION, NICK_MARKS_MAX, NickLook};

/// Graphemes of a nick or room name, at most.
pub const NICK_GRAPHEMES_MAX: usize = 24;
/// Bytes of a nick or room name in UTF-8, at most.
pub const NICK_BYTES_MAX: usize = 64;
/// Characters that a typed command gives a meaning to.
const RESERVED: [char; 6] = [':', ',', '#', '@', '/', '*'];

/// Why a text is not a nick or a room name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NickError {
    /// Nothing was given.
    #[error("a name needs at least one character")]
    Empty,
    /// More than [`NICK_GRAPHEMES_MAX`] graphemes or [`NICK_BYTES_MAX`] bytes.
    #[error(
        "a name has at most {NICK_GRAPHEMES_MAX} characters and {NICK_BYTES_MAX} bytes; choose a shorter one"
    )]
    TooLong,
    /// A blank, a control or invisible character, or one with a meaning in commands.
    #[error(
        "a name has no blanks, no control or invisible characters and none of `: , # @ / *`; {0:?} is not allowed"
    )]
    Forbidden(char),
    /// `ALL` means everybody.
    #[error("`ALL` means everybody and cannot be a name; choose another one")]
    Reserved,
    /// Letters of scripts that are not written together.
    #[error(
        "a name is written in one script, and this one mixes several, so that it could pass for \
         another name: choose one in one script (Chinese, Japanese and Korean may have Latin \
         letters too)"
    )]
    MixedScripts,
    /// Nothing in it can be seen: marks and selectors show themselves on another character only.
    #[error("a name needs a character that can be seen: choose one with a letter or a sign")]
    Unseen,
    /// More than [`NICK_MARKS_MAX`] combining marks in a row.
    #[error(
        "a name has at most {NICK_MARKS_MAX} combining marks on one letter: choose one with fewer"
    )]
    Marks,
}

/// A user's name as chosen: 1 to 24 graphemes, at most 64 bytes, NFC. A clone shares the text.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Nick(Arc<str>);

/// A room's name, without its `#`. The rules of a nick hold. A clone shares the text.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RoomName(Arc<str>);

/// What makes two names the same name: NFKC, lower case, NFKC again. It depends on nothing that
/// Unicode may still change, so that a journal means the same for ever.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NickKey(Box<str>);

impl Borrow<str> for NickKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

fn fold(name: &str) -> Cow<'_, str> {
    // The same result without the tables: the order folds every recipient and room named.
    if name.is_ascii() {
        return match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => name.to_ascii_lowercase().into(),
            false => name.into(),
        };
    }
    let lower: String = name.nfkc().flat_map(char::to_lowercase).collect();
    lower.nfkc().collect::<String>().into()
}

fn checked(text: &str) -> Result<Arc<str>, NickError> {
    // Bytes first: nothing longer is normalised or segmented.
    if text.len() > NICK_BYTES_MAX {
        return Err(NickError::TooLong);
    }
    if is_plain(text) {
        return Ok(text.into());
    }
    by_rules(text)
}

/// A text of at most [`NICK_BYTES_MAX`] bytes, judged by every rule.
fn by_rules(text: &str) -> Result<Arc<str>, NickError> {
    let name: String = text.nfc().collect();
    if name.is_empty() {
        return Err(NickError::Empty);
    }
    if name.len() > NICK_BYTES_MAX || name.graphemes(true).count() > NICK_GRAPHEMES_MAX {
        return Err(NickError::TooLong);
    }
    if let Some(bad) = name.chars().find(|&c| forbidden(c)) {
        return Err(NickError::Forbidden(bad));
    }
    if &*fold(&name) == "all" {
        return Err(NickError::Reserved);
    }
    // A compatibility form must not smuggle in what is forbidden in the open (fullwidth colon).
    if let Some(bad) = fold(&name).chars().find(|&c| forbidden(c)) {
        return Err(NickError::Forbidden(bad));
    }
    Ok(name.into())
}

/// Whether a text is a name at first sight: ASCII that no rule forbids, where a character is a
/// grapheme and every normal form is the text itself. Most names are, and each message names some.
fn is_plain(text: &str) -> bool {
    let graphic = |byte: u8| byte.is_ascii_graphic() && !RESERVED.contains(&char::from(byte));
    (1..=NICK_GRAPHEMES_MAX).contains(&text.len())
        && text.bytes().all(graphic)
        && !text.eq_ignore_ascii_case("all")
}

fn forbidden(c: char) -> bool {
    c.is_whitespace() || c.is_control() || RESERVED.contains(&c) || is_invisible(c)
}

/// Format characters that change how a line looks without showing themselves.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

macro_rules! checked_name {
    ($name:ident) => {
        impl $name {
            /// The name as text; a room's without its `#`.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The form under which this name is unique, among its kind.
            pub fn key(&self) -> NickKey {
                NickKey(fold(&self.0).into())
            }

            /// The text of [`Self::key`], for a look among keys: most names are it already.
            pub fn folded(&self) -> Cow<'_, str> {
                fold(&self.0)
            }

            /// What this name looks like: no two owners, and no two rooms, may share one. They may
            /// be equal.
            pub fn looks(&self) -> [NickLook; 2] {
                look::looks(&self.0)
            }

            /// Whether somebody who does not have this name yet may claim it, and a room that is not
            /// there be made under it. Names of old journals stay whatever this says.
            ///
            /// # Errors
            ///
            /// [`NickError`]: mixed scripts, unknown characters, too many marks, nothing to be seen,
            /// or a look of `ALL`.
            pub fn claimable(&self) -> Result<(), NickError> {
                look::claimable(&self.0)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = NickError;

            fn try_from(text: &str) -> Result<Self, NickError> {
                checked(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NickError;

            fn try_from(text: String) -> Result<Self, NickError> {
                checked(&text).map(Self)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                (*name.0).to_owned()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Reads).map(Self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NickError;

            fn from_str(text: &str) -> Result<Self, NickError> {
                checked(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// Reads a name where its bytes stand: each message holds some.
struct Reads;

impl serde::de::Visitor<'_> for Reads {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Arc<str>, E> {
        checked(text).map_err(E::custom)
    }
}

checked_name!(Nick);
checked_name!(RoomName);

#[cfg(test)]
mod tests;
