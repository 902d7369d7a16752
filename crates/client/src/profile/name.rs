//! A profile's name is also a folder's name: nothing in it may lead elsewhere.

use std::fmt;

use lamparina_protocol::Nick;

/// Bytes of a profile's name.
pub const PROFILE_BYTES_MAX: usize = 64;

/// A profile's name.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ProfileName(Box<str>);

/// Why a text is no profile's name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a profile's name has 1 to {PROFILE_BYTES_MAX} bytes, no `/`, no control characters, and does \
     not begin with `.`"
)]
pub struct ProfileNameError;

impl ProfileName {
    /// The profile that goes with a nick, when no other is asked for: lower case, and safe as a
    /// file's name.
    pub fn of(nick: &Nick) -> Self {
        let lower = nick.as_str().to_lowercase();
        let safe = match lower.strip_prefix('.') {
            Some(rest) => format!("%2e{rest}"),
            None => lower,
        };
        Self(safe.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for ProfileName {
    type Err = ProfileNameError;

    fn from_str(text: &str) -> Result<Self, ProfileNameError> {
        let fine = (1..=PROFILE_BYTES_MAX).contains(&text.len())
            && !text.starts_with('.')
            && !text.chars().any(|c| c == '/' || c.is_control());
        fine.then(|| Self(text.into())).ok_or(ProfileNameError)
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nick_never_leads_out_of_its_folder() {
        let of = |name: &str| ProfileName::of(&Nick::try_from(name).unwrap()).0;
        assert_eq!(&*of("Ana"), "ana");
        assert_eq!(&*of(".."), "%2e.");
        assert_eq!(&*of("."), "%2e");
        assert_eq!(&*of("a.b"), "a.b");
    }

    #[test]
    fn names_are_checked() {
        for fine in ["ana", "work laptop", "a.b", "é"] {
            assert!(fine.parse::<ProfileName>().is_ok(), "{fine}");
        }
        for bad in ["", ".", "..", ".x", "a/b", "a\0b", &"x".repeat(65)] {
            assert!(bad.parse::<ProfileName>().is_err(), "{bad:?}");
        }
    }
}
