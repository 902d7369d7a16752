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
//! | [`attested`] | what a peer states with its signature, proved when somebody asks |
//! | [`record`] | a peer about itself; who coordinates; numbers that were given |
//! | [`control`] | what membership says on a link |
//! | [`beacon`] | the datagram by which peers find each other |

pub mod announcement;
pub mod attested;
pub mod beacon;
mod bytes;
mod content;
pub mod control;
pub mod link;
pub mod message;
pub mod name;
pub mod private;
pub mod record;
pub mod signed;

pub use announcement::Announcement;
pub use attested::{Attested, Statement};
pub use beacon::{Beacon, BeaconKind};
pub use bytes::ReadError;
pub use control::Control;
pub use link::{LinkMessage, PeerHello};
pub use message::{Body, Chain, Content, Digest, Envelope, Foreign, Incarnation, MessageName};
pub use name::PeerName;
pub use record::{Coordinator, ElectionEpoch, PeerId, PeerRecord};
pub use signed::{SignError, Signed, SignedAnnouncement};
