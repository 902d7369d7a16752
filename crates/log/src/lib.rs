//! Reads the order on disk, and never writes.
//!
//! | module | does |
//! |---|---|
//! | [`captures`] | checks what clients saw, among themselves and against the journal |
//! | [`source`] | opens a journal, gives its rows |
//! | [`verify`] | judges a journal and what is derived from it; compares two |
//! | [`why`] | says why one message stands before another |
//! | [`cli`] | the program |
//! | [`server_log`] | checks a server's log against the journal |
//! | [`export`] | the journal as JSON, as text, as a page |
//! | [`lines`] | lines of a file, bounded |
//! | [`finding`] | what is wrong, with both sides named |

pub mod captures;
pub mod cli;
pub mod export;
pub mod finding;
pub mod lines;
pub mod server_log;
pub mod source;
#[cfg(test)]
mod testing;
pub mod verify;
pub mod why;
