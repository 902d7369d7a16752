//! Messages on disk.

mod error;

pub use error::StoreError;
