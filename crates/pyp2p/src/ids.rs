//! Names of messages and of peers, checked once.

use std::fmt;

use crate::limits::{MSG_ID_BYTES_MAX, NAME_CHARS_MAX, PEER_ID_CHARS_MAX};

/// What one message is called, so that its answer can say which one it answers: a UUID where we made
/// it, and whatever text a peer takes for one. 1 to [`MSG_ID_BYTES_MAX`] bytes.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Serialize)]
#[serde(transparent)]
pub struct MsgId(String);

impl MsgId {
    /// The UUID (version 4) of these random bytes.
    pub fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let part = |range: std::ops::Range<usize>| hex[range].concat();
        Self(
            [
                part(0..4),
                part(4..6),
                part(6..8),
                part(8..10),
                part(10..16),
            ]
            .join("-"),
        )
    }

    /// What a peer calls a message; `None` where it is empty or too long.
    pub fn received(text: &str) -> Option<Self> {
        (1..=MSG_ID_BYTES_MAX)
            .contains(&text.len())
            .then(|| Self(text.to_owned()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MsgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A peer: `name@namespace`. Others may call themselves otherwise, too; 1 to [`PEER_ID_CHARS_MAX`]
/// characters.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Serialize)]
#[serde(transparent)]
pub struct PeerId(String);

/// A name or a namespace cannot be one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NameError {
    /// Empty or too long.
    #[error("the {0} must have 1 to {NAME_CHARS_MAX} characters")]
    Length(&'static str),
    /// It has a sign that stands between name and namespace.
    #[error("the {0} must not contain @, which stands between name and namespace")]
    At(&'static str),
}

impl PeerId {
    /// Our own, with one `@` (rule 14).
    ///
    /// # Errors
    ///
    /// [`NameError`]: the name or the namespace cannot be one.
    pub fn own(name: &str, namespace: &str) -> Result<Self, NameError> {
        for (what, text) in [("name", name), ("namespace", namespace)] {
            if !is_name(text) {
                return Err(NameError::Length(what));
            }
            if text.contains('@') {
                return Err(NameError::At(what));
            }
        }
        Ok(Self(format!("{name}@{namespace}")))
    }

    /// Somebody else's, as received; `None` where it is empty or too long.
    pub fn received(text: &str) -> Option<Self> {
        let short = text.chars().nth(PEER_ID_CHARS_MAX).is_none();
        (!text.is_empty() && short).then(|| Self(text.to_owned()))
    }

    /// That of a record of the rendezvous.
    pub fn of_record(name: &str, namespace: &str) -> Option<Self> {
        Self::received(&format!("{name}@{namespace}"))
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the last `@`; all of it where there is none.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('@').map_or(&self.0, |(name, _)| name)
    }

    /// What stands behind the last `@`; empty where there is none.
    pub fn namespace(&self) -> &str {
        self.0
            .rsplit_once('@')
            .map_or("", |(_, namespace)| namespace)
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `text` has the length of a name or a namespace, in characters and not in bytes.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().nth(NAME_CHARS_MAX).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_of_version_4() {
        let id = MsgId::from_random([0xff; 16]);
        assert_eq!(id.as_str(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        let id = MsgId::from_random(std::array::from_fn(|i| i as u8));
        assert_eq!(id.as_str(), "00010203-0405-4607-8809-0a0b0c0d0e0f");
        assert_eq!(MsgId::received(""), None);
        assert_eq!(MsgId::received(&"x".repeat(MSG_ID_BYTES_MAX + 1)), None);
        assert!(MsgId::received(&"x".repeat(MSG_ID_BYTES_MAX)).is_some());
    }

    #[test]
    fn rule_14_our_own_peer_id_has_exactly_one_at() {
        assert_eq!(PeerId::own("ana", "lab").unwrap().as_str(), "ana@lab");
        for (name, namespace) in [("a@b", "lab"), ("ana", "l@b")] {
            assert!(matches!(
                PeerId::own(name, namespace),
                Err(NameError::At(_))
            ));
        }
        let long = "\u{e9}".repeat(NAME_CHARS_MAX);
        assert!(PeerId::own(&long, &long).is_ok());
        assert!(PeerId::own(&format!("{long}x"), "lab").is_err());
        assert!(PeerId::own("ana", "").is_err());
    }

    #[test]
    fn names_of_others_are_taken_as_they_are() {
        #[track_caller]
        fn check(text: &str, name: &str, namespace: &str) {
            let id = PeerId::received(text).unwrap();
            assert_eq!((id.name(), id.namespace()), (name, namespace));
        }
        check("ana@lab", "ana", "lab");
        check("a@b@lab", "a@b", "lab");
        check("ana", "ana", "");
        assert_eq!(PeerId::received(""), None);
        assert_eq!(PeerId::received(&"x".repeat(PEER_ID_CHARS_MAX + 1)), None);
    }
}
