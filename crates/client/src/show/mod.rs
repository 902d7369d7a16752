//! Events as people and programs read them. Pure.
//!
//! | module | makes |
//! |---|---|
//! | [`json`] | one JSON object a line |
//! | [`plain`] | readable lines |
//! | [`receipts`] | of many receipts those that people want to see |
//! | [`link`] | the answers of `/link` and `/rtt` |
//! | [`watch`] | the link's window, drawn |
//! | [`units`] | measures as people read them |
//! | [`report`] | the answers of `/conn`, `/queue` |
//! | [`time`] | a moment as RFC 3339 |

pub use lamparina_console::{time, units};
/// Remote text, made harmless for a terminal.
pub use lamparina_protocol::clean;

mod answers;
pub mod json;
pub mod link;
pub mod plain;
pub mod receipts;
pub mod report;
#[cfg(test)]
pub(crate) mod testing;
pub mod watch;
