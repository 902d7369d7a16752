//! How operators reach a running server: a Unix socket in the data folder, one JSON object a line and
//! one in answer. Whoever may write there is an operator; nobody else gets as far as a question.
//!
//! | file | holds | |
//! |---|---|---|
//! | `line` | questions and answers as lines | pure |
//! | `socket` | the listener, and who may speak | shell |
//!
//! The form of the lines is for other programs too: docs/operations.md.

mod line;
mod operators;
mod socket;

pub use line::{LINE_BYTES_MAX, VERSION};
pub(crate) use operators::Operators;
pub(crate) use socket::{AdminSocket, serve};

/// The socket's name in the data folder.
pub const SOCKET: &str = "admin.sock";
