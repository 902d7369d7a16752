//! What counts as read, and therefore is not shown again by the next client of the profile.

use lamparina_protocol::{Lamport, LogId};
use tokio::sync::watch;

#[cfg(doc)]
use super::Client;
use crate::net::Handed;

/// When a message counts as read by the person. From there the next client of the profile goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reads {
    /// Once it has been given out by [`Client::next_event`].
    Given,
    /// Once [`Mark::written`] says so of it.
    Written,
    /// Never: nobody is there who reads.
    Nothing,
}

/// Where a message stands, to be said once it has been written where it stays shown.
#[derive(Clone, Debug)]
pub struct Mark {
    pub(super) written: watch::Sender<Handed>,
    pub(super) log: LogId,
    pub(super) upto: Lamport,
}

impl Mark {
    /// Everything up to this message has been written: there the next client of the profile goes
    /// on.
    pub fn written(self) {
        let Self { written, log, upto } = self;
        written.send_modify(|written| {
            let count = written.count + 1;
            *written = Handed { log, upto, count };
        });
    }
}

impl lamparina_console::output::Mark for Mark {
    fn tell(self) {
        self.written();
    }
}
