//! The PyP2P rendezvous: one request and one reply for each connection, records that last over a
//! restart. What is answered is decided by [`lamparina_pyp2p::directory`]; here bytes and time move.
//!
//! | module | does |
//! |---|---|
//! | `connection` | one connection: a request, a reply, an end that destroys neither |
//! | `file` | the records on disk, whole or not at all |
//! | `serve` | accepts, saves, ends |
//!
//! # Known limitations
//!
//! A reply does not wait until its record is on disk: the file follows within a moment, so that a crash
//! can lose the registrations of that moment. Peers renew them.

mod connection;
mod file;
mod serve;

use std::path::PathBuf;
use std::time::Duration;

use lamparina_pyp2p::limits::{RATE_LIMIT, RECORDS_MAX};

pub use file::OpenError;
pub use serve::{Rendezvous, Summary, run};

/// Connections at a time, at most; others wait in the system's queue.
pub const CONNECTIONS_MAX: usize = 768;
/// The default time in which something has to come from who asks.
pub const IDLE: Duration = Duration::from_secs(5);

/// What whoever runs a rendezvous may choose.
#[derive(Clone, Debug)]
pub struct Config {
    /// Connections of one address in 60 s that are answered; 0: all.
    pub limit: u32,
    /// Records, at most.
    pub records_max: usize,
    /// How long a connection may be silent before its request is complete.
    pub idle: Duration,
    /// Where the records are kept; `None`: nowhere.
    pub data: Option<PathBuf>,
    /// Whether what is in that file is taken over; else it is replaced.
    pub resume: bool,
}

impl Default for Config {
    /// The protocol's, with nothing on disk.
    fn default() -> Self {
        Self {
            limit: RATE_LIMIT,
            records_max: RECORDS_MAX,
            idle: IDLE,
            data: None,
            resume: true,
        }
    }
}
