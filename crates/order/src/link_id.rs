//! Names a link of a peer for the machines that decide about it.

/// A link to another peer, numbered by the shell; no number is used twice in a life.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LinkId(pub u64);
