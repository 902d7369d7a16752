//! `name@namespace`: how people call a peer. Not an identity: that is its key.

use std::fmt;

use crate::nick::{Nick, NickError, RoomName};

/// The namespace of a peer that names none.
pub const DEFAULT_NAMESPACE: &str = "lan";

/// `name@namespace`. The namespace obeys the rules of room names: `#ns` is the room of all its peers.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, serde::Serialize, serde::Deserialize)]
pub struct PeerName {
    /// The part before `@`.
    pub name: Nick,
    /// The part behind it.
    pub namespace: RoomName,
}

/// Why a text is no peer's name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PeerNameError {
    /// There is not exactly one `@`.
    #[error("write name@namespace, with one @")]
    Shape,
    /// The name or the namespace is none.
    #[error(transparent)]
    Part(#[from] NickError),
}

impl PeerName {
    /// Reads `name@namespace`, or `name` with [`DEFAULT_NAMESPACE`] where nothing follows.
    ///
    /// # Errors
    ///
    /// [`PeerNameError`], in words.
    pub fn parse(text: &str, namespace: &RoomName) -> Result<Self, PeerNameError> {
        let Some((name, namespace)) = text.split_once('@') else {
            let name = Nick::try_from(text)?;
            let namespace = namespace.clone();
            return Ok(Self { name, namespace });
        };
        if namespace.contains('@') {
            return Err(PeerNameError::Shape);
        }
        let (name, namespace) = (Nick::try_from(name)?, RoomName::try_from(namespace)?);
        Ok(Self { name, namespace })
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.namespace)
    }
}
