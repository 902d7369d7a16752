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
//! | [`attested`] | what a peer states with its signature |
//! | [`record`] | a peer about itself; who coordinates; numbers that were given |
//! | [`control`] | what membership says on a link |
//! | [`beacon`] | the datagram by which peers find each other |
//! | `reader` | all of these from bytes |

pub mod announcement;
pub mod attested;
pub mod beacon;
pub mod control;
pub mod link;
pub mod message;
pub mod name;
mod reader;
pub mod record;

pub use announcement::Announcement;
pub use attested::{Attested, Statement};
pub use beacon::{Beacon, BeaconKind};
pub use control::{Control, ReadError};
pub use link::{LinkMessage, PeerHello};
pub use message::{Body, Chain, Content, Digest, Envelope, Foreign, Incarnation, MessageName};
pub use name::PeerName;
pub use record::{Coordinator, ElectionEpoch, PeerId, PeerRecord};
