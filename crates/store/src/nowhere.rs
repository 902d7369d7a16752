//! A journal that keeps nothing, for servers whose log ends with them.

use lamparina_order::{LogIndex, Record};

use crate::traits::{AppendError, Journal, Position};

/// Keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

impl Journal for Nowhere {
    fn append(&mut self, _: &[Record], _: &[Position]) -> Result<(), AppendError> {
        Ok(())
    }

    fn keep_snapshot(&mut self, _: LogIndex, _: Vec<u8>) {}
}
