//! The order on disk. What was stored is there after any crash, in the order in which it was
//! stored, and a change to it shows.
//!
//! | module | holds |
//! |---|---|
//! | [`index`] | what is derived from the journal: words and snapshots |
//! | [`traits`] | what a server needs of a store: [`Journal`] to append, [`Reader`] to read |
//! | [`code`] | a record as a row of the journal, and back |
//! | [`chain`] | the chain over the rows, in bytes that a stranger can make again |
//! | [`restart`] | how a log goes on in a new term |
//! | [`rows`] | entries in memory, read as those of a file |
//! | [`sim`] | a simulated disk that keeps the same promises |
//! | [`backup`], [`nowhere`] | copies of a journal; a journal that keeps nothing |
//! | [`sqlite`] | the journal in a file |
//! | [`stays`] | where a member was: rooms, bans |
//! | [`viewer`] | which messages reach a member, and which it may see |

pub mod backup;
pub mod chain;
pub mod code;
pub mod index;
pub mod nowhere;
pub mod restart;
pub mod rows;
pub mod sim;
pub mod sqlite;
pub mod stays;
#[cfg(test)]
mod testing;
pub mod traits;
pub mod viewer;

pub use nowhere::Nowhere;
pub use stays::{Ban, Stay, Stays};
pub use traits::{AppendError, Chain, Found, Journal, Position, ReadError, Reader, TermBegan};
pub use viewer::Viewer;
