//! Chat with no server: peers that find each other, pass on what was said, and agree on its order.
//!
//! Every decision is made by pure machines, `lamparina_order::converging` (what is delivered, in which
//! order, to whom it is passed on) and `lamparina_order::membership` (who is there, who is dialled, who
//! coordinates). Here are sockets, files and time, and what a program says and hears: a [`Peer`].
//!
//! # Map, along the data flow
//!
//! | module | does |
//! |---|---|
//! | [`config`] | what a peer is started with |
//! | [`event`] | what it tells |
//! | [`error`] | why something is not possible, in words |
//! | `foreign` | sockets of PyP2P |
//! | `links` | a task for each link, between its socket and the node |
//! | `node` | the thread that owns the machines and the store |
//! | [`multicast`] | beacons by UDP multicast, on each interface |
//! | [`mod@doctor`] | why peers do not find each other |
//! | [`store`] | messages on disk |
//! | [`show`] | events and answers as JSON and as readable, harmless lines |
//! | [`cli`] | the program |

pub mod cli;
pub mod config;
mod config_file;
pub mod doctor;
pub mod error;
pub mod event;
mod foreign;
mod links;
pub mod multicast;
mod node;
mod peer;
pub mod show;
pub mod store;

pub use config::{MulticastConfig, PeerConfig, RendezvousConfig};
pub use doctor::{DoctorConfig, Report, doctor};
pub use error::PeerError;
pub use event::{
    CoordinatorLine, Direction, Equivocation, Event, HistoryKey, Kind, Line, LinkLine, MergeReport,
    Merged, NamePattern, NamePatternError, PeerLine, PeerState, Recipients, Spoken, Summary, Trace,
    Why,
};
pub use lamparina_keys::Identity;
pub use peer::Peer;
pub use store::StoreError;
