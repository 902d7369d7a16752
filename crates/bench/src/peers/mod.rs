//! Peers without a server, each a process of its own, and their baseline: processes that copy plain frames to
//! each other. Both are told what to do by lines, so that one case measures either.
//!
//! | module | holds |
//! |---|---|
//! | `words` | what a node is told, and what it answers |
//! | `node` | ours: the library's peer |
//! | `plain` | the baseline: no order, no signatures, no seal, no disk |
//! | `crew` | the processes, their answers and their CPU time |

pub(crate) mod crew;
mod node;
mod plain;
mod words;

use std::path::Path;

/// The hidden role of one of our peers, which keeps its messages in `folder`.
pub(crate) fn serve_node(folder: &Path, index: u16) -> Result<(), String> {
    node::serve(folder, index)
}

/// The hidden role of one node of the baseline.
pub(crate) fn serve_plain() -> Result<(), String> {
    plain::serve().map_err(|error| error.to_string())
}
