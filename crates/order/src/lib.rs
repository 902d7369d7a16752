//! One order for everything that changes what people see. Pure: the same entries in the same order
//! give the same stamps, audiences and refusals on every machine.
//!
//! | module | holds |
//! |---|---|
//! | [`access`] | what operators ask for: invites, bans |
//! | [`membership`] | of peers without a server: who is there, whom to be linked with, who coordinates |
//! | [`entry`] | what asks for a place in the order |
//! | [`effect`] | what an entry did: a stamp or a refusal, who receives it, membership changes |
//! | [`sequenced`] | the machine between them |
//! | [`converging`] | another order, of peers without a server |
//! | [`record`] | what a journal keeps of it |
//! | [`verify`] | the check that what recipients saw is one order, without trusting the machine |
//! | [`why`] | cause or arrival: why one message stands before another |
//!
//! # Known limitations
//!
//! State is in memory: whoever keeps the records can make it again by replaying them, from a
//! snapshot or from the first.
//! [`sequenced`] lists its bounds and what is absent on purpose.

pub mod access;
pub mod converging;
pub mod effect;
pub mod entry;
mod link_id;
pub mod membership;
pub mod record;
pub mod sequenced;
pub mod verify;
pub mod why;

pub use access::{Invite, InviteHash, InviteId, Operation, Standing};
pub use effect::{Effect, Recipients};
pub use entry::{Action, Entry};
pub use link_id::LinkId;
pub use membership::Membership;
pub use record::{Lasting, LogIndex, Record, Recorded, RecordedMessage, RoomId, To};
pub use sequenced::{Admission, Mismatch, Sequenced, SnapshotError};
