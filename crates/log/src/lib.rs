//! Reads the order on disk, and never writes.
//!
//! | module | does |
//! |---|---|
//! | [`captures`] | checks what clients saw, among themselves and against the journal |
//! | [`server_log`] | checks a server's log against the journal |
//! | [`export`] | the journal as JSON, as text, as a page |
//! | [`lines`] | lines of a file, bounded |
//! | [`finding`] | what is wrong, with both sides named |

pub mod captures;
pub mod export;
pub mod finding;
pub mod lines;
pub mod server_log;
#[cfg(test)]
mod testing;
