//! Events and answers as people and programs read them. Remote text is harmless on a terminal, and exact in
//! JSON. Pure.
//!
//! | module | makes |
//! |---|---|
//! | [`json`] | one JSON object a line |
//! | [`plain`] | readable lines: messages, comings and goings, what a merge brought |
//! | [`answers`] | the answers of `/peers`, `/conn`, `/rtt`, `/trace`, `/why` |

pub mod answers;
pub mod json;
pub mod plain;
#[cfg(test)]
pub(crate) mod testing;

use lamparina_protocol::clean;

use crate::event::PeerLine;

/// What a peer is called, as far as that is known: its name, else what PyP2P says, else its key's first
/// digits, else where it listens.
pub fn called(peer: &PeerLine) -> String {
    if let Some(name) = &peer.name {
        return name.to_string();
    }
    if let Some(foreign) = &peer.foreign {
        return foreign.clone();
    }
    if let Some(key) = &peer.key {
        return short_key(&key.to_string());
    }
    peer.addrs
        .first()
        .map_or_else(|| "?".to_owned(), ToString::to_string)
}

/// `~` and the first digits of a key: enough to name somebody by.
pub(crate) fn short_key(key: &str) -> String {
    let digits = key.get(..crate::event::KEY_DIGITS_MIN).unwrap_or(key);
    format!("~{digits}")
}

/// The same, harmless on a terminal.
pub(crate) fn called_plain(peer: &PeerLine) -> String {
    clean::line(&called(peer))
}
