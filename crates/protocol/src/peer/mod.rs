//! What peers without a server say: chat messages signed by their author, announcements of clocks, and
//! what two neighbours tell each other on their link. Values and bytes only; who decides what is
//! `lamparina_order::converging` and `lamparina_order::membership`.
//!
//! | module | holds |
//! |---|---|
//! | [`name`] | `name@namespace` |
//! | [`message`] | a chat message as its author signs it, and how it is named |
//! | [`announcement`] | an author's word about its clock |
//! | [`link`] | what neighbours say on their link |

pub mod announcement;
pub mod link;
pub mod message;
pub mod name;

pub use announcement::Announcement;
pub use link::{LinkMessage, PeerHello};
pub use message::{Body, Chain, Content, Digest, Envelope, Foreign, Incarnation, MessageName};
pub use name::PeerName;
