//! The order on disk. What was stored is there after any crash, in the order in which it was
//! stored, and a change to it shows.
//!
//! | module | holds |
//! |---|---|
//! | [`index`] | what is derived from the journal: words and snapshots |
//! | [`traits`] | what a server needs of a store: [`Journal`] to append, [`Reader`] to read |
//! | [`viewer`] | which messages reach a member, and which it may see |

pub mod backup;
pub mod index;
pub mod nowhere;
pub mod traits;
pub mod viewer;

pub use nowhere::Nowhere;
pub use traits::{
    AppendError, Chain, Found, Journal, Position, ReadError, Reader, Stay, TermBegan,
};
pub use viewer::Viewer;
