//! Events as people and programs read them. Pure.
//!
//! | module | makes |
//! |---|---|
//! | [`json`] | one JSON object a line |
//! | [`plain`] | readable lines |
//! | [`receipts`] | of many receipts those that people want to see |
//! | [`report`] | the answers of `/link`, `/conn`, `/queue` |
//! | [`time`] | a moment as RFC 3339 |

/// Remote text, made harmless for a terminal.
pub use lamparina_protocol::clean;

mod answers;
pub mod json;
pub mod plain;
pub mod receipts;
pub mod report;
pub mod time;
