//! Why one message stands before another, for one who may see both.

use lamparina_protocol::Lamport;
use lamparina_protocol::message::RefusalCode;
use lamparina_store::{ReadError, Reader};

use super::ask::{Asker, ReadAnswer, Turn};

/// A question about two messages.
#[derive(Clone, Debug)]
pub struct Asking {
    a: Lamport,
    b: Lamport,
}

impl Asking {
    /// About the messages at `a` and `b`.
    pub fn new(a: Lamport, b: Lamport) -> Self {
        Self { a, b }
    }
}

pub(super) fn why(
    _reader: &mut dyn Reader,
    _by: Asker,
    asking: Box<Asking>,
) -> Result<Turn, ReadError> {
    let text = format!("why {} and {} is not known yet", asking.a, asking.b);
    let code = RefusalCode::NotAllowed;
    Ok(Turn::Done(ReadAnswer::Refused { code, text }))
}
