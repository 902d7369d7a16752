//! What programs share to which people type lines, and which answer in lines: the same keys, the
//! same commands, the same forms of output, the same exit codes. stdout is data, stderr is talk; nothing
//! here waits for a reader that stalls, and remote text is harmless once it is shown.
//!
//! # Map, along the data flow
//!
//! | module | does | |
//! |---|---|---|
//! | [`terminal`] | the line being typed, below what arrives; or a picture on the other screen | shell |
//! | [`input`] | lines from stdin, typed or piped | shell |
//! | [`lines`] | bytes into lines | pure |
//! | [`command`] | lines into commands, for any program's names and commands of its own | pure |
//! | [`json`] | an event as one line for programs | pure |
//! | [`time`], [`units`] | moments and measures as text | pure |
//! | [`output`] | lines to stdout, in order | shell |
//! | [`countdown`] | talk on stderr, and a line that counts | shell |
//! | [`interrupt`] | the wish to end | shell |
//! | [`logging`] | what the program says of itself | shell |
//! | [`ask`] | a question to the person in front | shell |
//! | [`config_file`] | a file of settings | reads it |
//! | [`exit`] | how it ends, as scripts see it | pure |
//!
//! # Bounds, and what happens when they are reached
//!
//! | what | bound | then |
//! |---|---|---|
//! | a line | [`command::LINE_BYTES_MAX`] | told, skipped, nothing sent; typed, it grows no more |
//! | lines that nobody takes yet | 64 | stdin is not read |
//! | lines that wait to be written | 1,024 | who writes waits |
//! | lines remembered for the arrow keys | 100 | the oldest is forgotten |

pub mod ask;
pub mod command;
pub mod config_file;
pub mod countdown;
mod edit;
pub mod exit;
pub mod input;
pub mod interrupt;
pub mod json;
pub mod lines;
pub mod logging;
pub mod output;
mod picture;
pub mod terminal;
pub mod time;
pub mod units;
