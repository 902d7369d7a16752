//! Files of keys, for clients and servers alike: whole or not at all, for their owner's eyes only, and
//! never overwritten.
//!
//! | module | holds |
//! |---|---|
//! | [`identity`] | an Ed25519 key and its file |
//! | [`files`] | how such files are read and written |

pub mod files;
pub mod identity;

pub use identity::{IDENTITY_BYTES_MAX, Identity, IdentityError};
