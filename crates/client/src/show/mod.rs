//! Events as people and programs read them. Pure.
//!
//! | module | makes |
//! |---|---|
//! | [`clean`] | remote text harmless for a terminal |
//! | [`json`] | one JSON object a line |
//! | [`plain`] | readable lines |
//! | [`receipts`] | of many receipts those that people want to see |
//! | [`report`] | the answers of `/link`, `/conn`, `/queue` |
//! | [`time`] | a moment as RFC 3339 |

mod answers;
pub mod clean;
pub mod json;
pub mod plain;
pub mod receipts;
pub mod report;
pub mod time;
