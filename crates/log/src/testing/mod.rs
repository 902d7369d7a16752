//! Journals, captures and logs for tests.

mod life;
mod seen;

pub(crate) use life::*;
pub(crate) use seen::*;
