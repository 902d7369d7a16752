//! Lamparina's protocol as state machines: bytes in, messages out; no socket, file, clock, thread
//! or randomness.
//!
//! # Map, along the data flow
//!
//! | module | turns |
//! |---|---|
//! | [`frame`] | bytes into frames and back |
//! | [`control`] | payloads of control frames into values and back |
//! | [`fragment`], `window`, `rtt` | messages into frames in flight and back: cutting, repair, timing |
//! | [`datagram`] | what stands around frames in a datagram |
//! | [`link`] | bytes into messages and back: handshake, the above, keep-alive, closing |
//! | [`seal`] | frames into records that nobody on the way can read or change, and back |
//! | [`codec`], [`message`] | messages into bytes and back |
//! | [`clean`] | remote text into text that a terminal may show |
//! | [`peer`] | what peers without a server say |
//! | [`fingerprint`], [`words`] | keys into what people can compare |
//! | [`lamport`], [`identity`], [`nick`], [`audience`] | the values that messages are made of |

pub mod audience;
pub mod bucket;
pub mod clean;
pub mod codec;
pub mod control;
pub mod datagram;
pub mod fingerprint;
pub mod fragment;
pub mod frame;
pub mod identity;
pub mod lamport;
pub mod link;
mod list;
pub mod message;
pub mod nick;
pub mod peer;
mod rtt;
pub mod seal;
mod text;
pub mod time;
mod window;
pub mod words;

pub use audience::Audience;
pub use fingerprint::Fingerprint;
pub use identity::{AuthorKey, Epoch, LogId, MemberId, Pseq, SessionNumber, Term};
pub use lamport::{Lamport, Prev};
pub use nick::{Nick, RoomName};
pub use time::{Instant, UnixMicros};
