//! The Lamparina chat server, as a library: [`Server::bind`] and [`Server::run`], or [`run`] on a
//! listener of one's own. It works in a multi-threaded runtime and in one of the current thread.
//!
//! # Map, along the data flow
//!
//! | module | holds | |
//! |---|---|---|
//! | `listen`, [`limits`] | the accept loop; how many there may be | shell |
//! | `client` | the task of one client | shell |
//! | [`session`] | what a client may ask now and is told next | pure |
//! | [`reading`] | threads that read the store for sessions; what they answer is pure | shell |
//! | [`sequencer`] | puts requests into one line | shell |
//! | `ordering` | the task that orders | shell |
//! | [`hub`] | what ordered entries say to whom, encoded once | pure |
//! | [`tail`], `doorbell` | the newest batches, shared; who is woken for them | |
//! | [`identity`] | the key by which clients know this server |  |
//! | [`logger`] | `logs/server.log`, written by a subprocess | shell |
//!
//! # Bounds, and what happens when they are reached
//!
//! | what | bound | then |
//! |---|---|---|
//! | requests that wait for their place | [`sequencer::QUEUE_COST_BYTES_MAX`] | sessions wait and stop reading |
//! | one batch | [`sequencer::BATCH_REQUESTS`], [`sequencer::BATCH_COST_BYTES`], [`hub::BATCH_OUTPUT_BYTES`] | the rest is the next one |
//! | the tail | [`tail::TAIL_BYTES`], [`tail::TAIL_ITEMS`] | the oldest batch falls off |
//! | a client that reads slowly | its window, and a little behind it | it follows the tail at its pace |
//! | a client that falls off the tail | one page, [`reading::BYTES_MAX`] | it reads from the store at its pace; `too-slow` where an answer to it fell off, or there is no store |
//! | reads of one client | one at a time, [`lamparina_protocol::message::QUESTIONS_MAX`] questions waiting | more are refused in words |
//! | one turn of reading | [`reading::ROWS_MAX`], [`reading::BYTES_MAX`] | others have their turn |
//! | reads that wait | [`reading::QUEUE_MAX`] for each reader | sessions wait, and go on otherwise |
//! | answers of a session itself | [`session::OWN_WAITING_MAX`], [`session::OWN_WAITING_BYTES_MAX`] | `too-slow` |
//! | connections, handshakes, windows, what one author asks | [`limits::TABLE`] | as the table says |
//! | comings, goings and new names told to all | [`hub::PRESENCE_TOLD_MAX`] present members | only LIST_REQUEST says |
//! | comings and goings told to a room | [`hub::ROOM_TOLD_MAX`] members | only the one who comes or goes is told |
//! | users in one LIST_RESPONSE | [`hub::LIST_USERS_MAX`] | `total` says how many there are |
//!
//! # Known limitations
//!
//! Without [`Server::with_durable`] the log ends with the server. Sessions and presence are in memory
//! always.

pub mod access;
pub mod admin;
mod client;
mod config;
mod directory;
mod doorbell;
mod durable;
pub mod hub;
pub mod identity;
pub mod limits;
mod listen;
pub mod logger;
mod ordering;
pub mod parted;
pub mod reading;
pub mod sequencer;
mod server;
pub mod session;
mod shared;
mod snapshots;
pub mod tail;
#[cfg(test)]
mod testing;

pub use config::{Links, ServerConfig};
pub use durable::Durable;
pub use server::{BindError, GOODBYE_WITHIN, Server, Summary, run};
