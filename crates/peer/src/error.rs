//! Why something is not possible, in words that say what to do.

use std::io;
use std::net::SocketAddr;

use crate::store::StoreError;

/// Why a peer does not start, or does not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// What it was started with makes no sense.
    #[error("{0}")]
    Config(String),
    /// It cannot listen.
    #[error("cannot listen at {addr}: {source}; {}", listen_hint(.source))]
    Listen {
        /// Where.
        addr: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Its messages cannot be read or kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(#[from] getrandom::Error),
    /// The system says no.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What came of it.
        source: io::Error,
    },
    /// Nobody is called so.
    #[error("nobody is called {asked}{}", near(.candidates))]
    NoSuchPeer {
        /// The name, as it was given.
        asked: String,
        /// Who is there.
        candidates: Vec<String>,
    },
    /// Several are.
    #[error("{asked} may be any of {}; name one of them in full, or by its ~key", .candidates.join(", "))]
    Ambiguous {
        /// The name, as it was given.
        asked: String,
        /// Who is meant, perhaps.
        candidates: Vec<String>,
    },
    /// The message has a shape that it must not have.
    #[error("{0}")]
    Refused(String),
    /// Too much waits already.
    #[error("{0} messages wait to be stored; try again in a moment")]
    Full(usize),
    /// The peer has ended.
    #[error("the peer has closed")]
    Closed,
}

pub(crate) fn listen_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program has this port: choose another one, or 0 for any that is free"
        }
        io::ErrorKind::AddrNotAvailable => {
            "no interface of this machine has this address: 0.0.0.0 means all of them"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 need permission: choose a higher one",
        _ => "check the address",
    }
}

fn near(candidates: &[String]) -> String {
    match candidates {
        [] => "; nobody else is known yet".to_owned(),
        known => format!("; known are {}", known.join(", ")),
    }
}
