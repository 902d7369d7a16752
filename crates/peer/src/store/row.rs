//! A message as a row, and back.

use std::net::SocketAddr;

use bytes::Bytes;
use lamparina_protocol::nick::{Nick, RoomName};
use lamparina_protocol::peer::message::Digest;
use lamparina_protocol::peer::{Foreign, Incarnation, MessageName, PeerName};
use lamparina_protocol::{AuthorKey, Lamport, UnixMicros};
use rusqlite::Row;

use crate::event::{HistoryKey, Kind};

/// Bytes of a key.
pub(super) const KEY_BYTES: usize = 8 + 32 + 8 + 8 + 32;

/// A message to store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewRow {
    /// Its place in the order of delivery here.
    pub position: u64,
    /// It came when lines behind it were final already.
    pub late: bool,
    /// The line, and where it came from.
    pub line: StoredLine,
    /// Its bytes, as its author signed them.
    pub signed: Bytes,
}

/// What is told of a stored message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredLine {
    /// Its place in history.
    pub key: HistoryKey,
    /// What its author is called.
    pub from: PeerName,
    /// Where its author listens, as far as that is known.
    pub addr: Option<SocketAddr>,
    /// How many it is for.
    pub kind: Kind,
    /// For whom: `ALL`, `#room`, or names.
    pub to: Vec<String>,
    /// The room that it is for, folded as names are compared.
    pub room: Option<String>,
    /// What it says; none where that is not for us.
    pub text: Option<String>,
    /// When, by its author's clock.
    pub sent_at: UnixMicros,
    /// When it came here.
    pub received_at: UnixMicros,
    /// It is this peer's own.
    pub own: bool,
    /// Whose it was, where it came over another protocol.
    pub via: Option<Foreign>,
}

impl StoredLine {
    /// Whether both are one foreign message that says the same to us, whoever entered them.
    pub fn is_copy_of(&self, other: &Self) -> bool {
        let ids = self.foreign_id().zip(other.foreign_id());
        let texts = self.text.as_ref().zip(other.text.as_ref());
        ids.is_some_and(|(one, other)| one == other)
            && texts.is_some_and(|(one, other)| one == other)
            && (self.kind, &self.room) == (other.kind, &other.room)
    }

    fn foreign_id(&self) -> Option<(&str, &str)> {
        let via = self.via.as_ref()?;
        Some((&via.peer_id, &via.msg_id))
    }
}

/// The columns of a [`StoredLine`], in the order in which [`read_line`] takes them, and those of a row
/// before and behind.
pub(super) const COLUMNS: &str = "key, name, namespace, addr, kind, \"to\", room, text, sent_at, \
     received_at, own, foreign_peer, foreign_id, foreign_addr, position, late";

/// A key as bytes that sort as it does.
pub(super) fn key_bytes(key: &HistoryKey) -> [u8; KEY_BYTES] {
    let mut bytes = [0; KEY_BYTES];
    bytes[..8].copy_from_slice(&key.stamp.get().to_be_bytes());
    bytes[8..40].copy_from_slice(&key.author.0);
    bytes[40..48].copy_from_slice(&key.incarnation.0.to_be_bytes());
    bytes[48..56].copy_from_slice(&key.n.to_be_bytes());
    bytes[56..].copy_from_slice(&key.digest.0);
    bytes
}

/// The name of a message as bytes.
pub(super) fn name_bytes(name: &MessageName) -> Vec<u8> {
    let mut bytes = name.chain.author.0.to_vec();
    bytes.extend(name.chain.incarnation.0.to_be_bytes());
    bytes.extend(name.n.to_be_bytes());
    bytes
}

/// Reads what [`key_bytes`] made.
pub(super) fn read_key(bytes: &[u8]) -> Option<HistoryKey> {
    let bytes: &[u8; KEY_BYTES] = bytes.try_into().ok()?;
    let number = |at: usize| {
        let mut number = [0; 8];
        number.copy_from_slice(&bytes[at..at + 8]);
        u64::from_be_bytes(number)
    };
    let hash = |at: usize| {
        let mut hash = [0; 32];
        hash.copy_from_slice(&bytes[at..at + 32]);
        hash
    };
    Some(HistoryKey {
        stamp: Lamport::new(number(0)),
        author: AuthorKey(hash(8)),
        incarnation: Incarnation(number(40)),
        n: number(48),
        digest: Digest(hash(56)),
    })
}

/// A stored line with its position and whether it is late; `None` where the row is none of ours.
pub(super) fn read_line(row: &Row<'_>) -> rusqlite::Result<Option<(u64, bool, StoredLine)>> {
    let key: Vec<u8> = row.get(0)?;
    let name = [row.get::<_, String>(1)?, row.get::<_, String>(2)?];
    let kind: String = row.get(4)?;
    let to: String = row.get(5)?;
    let peer: Option<String> = row.get(11)?;
    let id: Option<String> = row.get(12)?;
    let foreign_addr: Option<String> = row.get(13)?;
    let addr: Option<String> = row.get(3)?;
    let read_addr = |addr: Option<String>| addr.and_then(|addr| addr.parse().ok());
    let parts = (read_key(&key), read_name(&name), read_kind(&kind));
    let (Some(key), Some(from), Some(kind)) = parts else {
        return Ok(None);
    };
    let via = peer.zip(id).map(|(peer_id, msg_id)| Foreign {
        peer_id,
        msg_id,
        addr: read_addr(foreign_addr),
    });
    let line = StoredLine {
        key,
        from,
        addr: read_addr(addr),
        kind,
        to: to.split(',').map(str::to_owned).collect(),
        room: row.get(6)?,
        text: row.get(7)?,
        sent_at: UnixMicros(row.get::<_, i64>(8)?.cast_unsigned()),
        received_at: UnixMicros(row.get::<_, i64>(9)?.cast_unsigned()),
        own: row.get(10)?,
        via,
    };
    let position = row.get::<_, i64>(14)?.cast_unsigned();
    Ok(Some((position, row.get(15)?, line)))
}

pub(super) fn read_name([name, namespace]: &[String; 2]) -> Option<PeerName> {
    Some(PeerName {
        name: Nick::try_from(name.as_str()).ok()?,
        namespace: RoomName::try_from(namespace.as_str()).ok()?,
    })
}

fn read_kind(word: &str) -> Option<Kind> {
    let all = [Kind::Unicast, Kind::Multicast, Kind::Broadcast];
    all.into_iter().find(|kind| kind.word() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_bytes() {
        let key = |stamp, author, incarnation, n, digest| HistoryKey {
            stamp: Lamport::new(stamp),
            author: AuthorKey([author; 32]),
            incarnation: Incarnation(incarnation),
            n,
            digest: Digest([digest; 32]),
        };
        let sorted = [
            key(1, 9, u64::MAX, 9, 9),
            key(2, 1, 5, 1, 0),
            key(2, 2, 0, 0, 0),
            key(2, 2, 1, 0, 0),
            key(2, 2, u64::MAX, 1, 0),
            key(2, 2, u64::MAX, 1, 1),
            key(2, 2, u64::MAX, u64::MAX, 0),
            key(256, 0, 0, 0, 0),
        ];
        for pair in sorted.windows(2) {
            assert!(pair[0] < pair[1]);
            assert!(key_bytes(&pair[0]) < key_bytes(&pair[1]));
            assert_eq!(read_key(&key_bytes(&pair[0])), Some(pair[0]));
        }
        assert_eq!(read_key(&[0; KEY_BYTES - 1]), None);
    }
}
