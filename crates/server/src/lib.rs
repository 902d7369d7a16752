//! To come.

pub mod logger;
