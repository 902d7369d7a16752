//! For whom a message is, as its author named it. Who that is in fact is fixed by the order, at
//! the message's place.

use crate::list::first;
use crate::nick::{Nick, RoomName};

/// Recipients that one multicast may name, at most.
pub const AUDIENCE_USERS_MAX: usize = 256;

/// Names that are kept of a longer list.
const NAMED_KEPT: usize = AUDIENCE_USERS_MAX + 1;

/// The three ways to address a message.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Audience {
    /// `MSG:user:text`: one member.
    Unicast(Nick),
    /// `MULTICAST:u1,u2:text`: the members named, at most [`AUDIENCE_USERS_MAX`]. Of more that come
    /// one more is kept, so that the order refuses the message for it.
    Multicast(#[serde(deserialize_with = "first::<_, _, NAMED_KEPT>")] Vec<Nick>),
    /// `BROADCAST:ALL:text`: every member, connected or not.
    All,
    /// `BROADCAST:#room:text`: every member of a room.
    Room(RoomName),
}

impl Audience {
    /// The word used in events and logs: `unicast`, `multicast` or `broadcast`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unicast(_) => "unicast",
            Self::Multicast(_) => "multicast",
            Self::All | Self::Room(_) => "broadcast",
        }
    }

    /// The recipients as people write them: nicks, `ALL` or `#room`.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Unicast(nick) => vec![nick.to_string()],
            Self::Multicast(nicks) => nicks.iter().map(Nick::to_string).collect(),
            Self::All => vec!["ALL".to_owned()],
            Self::Room(room) => vec![format!("#{room}")],
        }
    }
}
