//! PyP2P without I/O: peers that chat by lines of JSON over TCP, and the rendezvous in which they find
//! each other. `docs/pyp2p.md` has the rules; code and tests cite their numbers.
//!
//! # Map, along the data flow
//!
//! | module | turns |
//! |---|---|
//! | [`mod@line`] | bytes into lines and back |
//! | [`message`] | lines into what peers say, generously, and back, strictly |
//! | [`conversation`] | one connection, from HELLO to BYE |
//! | [`contacts`] | all connections into peers: who is here, who said what, whom to dial |
//! | [`registration`] | the client's side of the rendezvous |
//! | [`directory`] | the rendezvous itself |
//! | [`ids`], [`record`], [`settings`], [`limits`] | what the others are made of |
//!
//! # How to drive it
//!
//! A peer needs one [`Contacts`](contacts::Contacts) and, where there is a rendezvous, one
//! [`Registration`](registration::Registration), both owned by one task. After each
//! `handle(now, input, out)` it does what `out` says, in order, and calls again with `Tick` at
//! `deadline()` at the latest. What the shell has to do:
//!
//! - *Accept.* Peek at the first byte of a connection: `{` (or a blank before it) is PyP2P. Then
//!   [`Input::Accepted`](contacts::Input::Accepted) with a number of its own, then the bytes.
//! - *Dial* what [`Output::Dial`](contacts::Output::Dial) says, within 10 s.
//! - *Write* each line by itself with `TCP_NODELAY`, then say
//!   [`Written`](contacts::Input::Written). Never two at a time for one connection: a task for each
//!   connection with a channel of one is enough. Where writing fails:
//!   [`Broken`](contacts::Input::Broken).
//! - *Read* into a buffer of any size and pass it on; 0 bytes are
//!   [`EndOfStream`](contacts::Input::EndOfStream), an error is
//!   [`Broken`](contacts::Input::Broken).
//! - *Close* when [`Output::Close`](contacts::Output::Close) says so, after the line that is being
//!   written. Inputs for a connection that is closed do nothing.
//! - *The rendezvous:* what [`Registration`](registration::Registration) wants requested, on a new
//!   connection each; `Registered { own: Some(own), .. }` and `Discovered` go on to the contacts.
//! - *Leave:* [`Input::Leave`](contacts::Input::Leave) first, then
//!   [`Unregister`](registration::Input::Unregister); done when
//!   [`is_done()`](contacts::Contacts::is_done) and [`Done`](registration::Output::Done), which takes
//!   at most ten seconds or so.
//!
//! Ids of messages are UUIDs of 16 random bytes ([`MsgId::from_random`](ids::MsgId::from_random)), made by
//! whoever sends them; seeds are 16 random bytes too, used once.
//!
//! # Known limitations
//!
//! Nobody proves who he is: a peer is who he says, and a text is whoever's connection it came by. Nothing
//! is passed on, so that two peers who cannot reach each other do not hear each other. PUB has no ACK.

pub mod contacts;
pub mod conversation;
pub mod directory;
pub mod ids;
mod json;
pub mod limits;
pub mod line;
pub mod message;
mod random;
pub mod record;
pub mod registration;
pub mod settings;

pub use ids::{MsgId, NameError, PeerId};
pub use json::NotObject;
pub use message::Topic;
pub use random::SEED_BYTES;
pub use record::Record;
pub use settings::Settings;
