//! What peers without a server say: chat messages signed by their author, announcements of clocks, and
//! what two neighbours tell each other on their link. Values and bytes only; who decides what is
//! `lamparina_order::converging` and `lamparina_order::membership`.
//!
//! | module | holds |
//! |---|---|
//! | [`name`] | `name@namespace` |
//! | [`message`], `content` | a chat message as its author signs it, how it is named; its bytes |
//! | [`private`] | messages that only some can read |
//! | [`announcement`] | an author's word about its clock |
//! | [`signed`] | both with their author's signature, proved |
//! | [`link`] | what neighbours say on their link |

pub mod announcement;
mod bytes;
mod content;
pub mod link;
pub mod message;
pub mod name;
pub mod private;
pub mod signed;

pub use announcement::Announcement;
pub use bytes::ReadError;
pub use link::{LinkMessage, PeerHello};
pub use message::{Body, Chain, Content, Digest, Envelope, Foreign, Incarnation, MessageName};
pub use name::PeerName;
pub use signed::{SignError, Signed, SignedAnnouncement};
