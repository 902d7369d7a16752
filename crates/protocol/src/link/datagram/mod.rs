//! A link over datagrams.

use bytes::Bytes;

use super::Link;
use super::Output;
use super::fault::LinkFault;
use crate::datagram::DatagramConfig;
use crate::time::Instant;

impl Link {
    /// Carries the link by datagrams instead of a stream, before its first input: each piece of
    /// [`Output::wire`] is then one whole datagram, and what comes is [`Input::Datagram`](super::Input::Datagram).
    #[must_use]
    pub fn over_datagrams(self, config: DatagramConfig) -> Self {
        Self {
            datagrams: Some(Box::new(config.in_bounds())),
            ..self
        }
    }

    /// A datagram came; of no concern to a link over a stream.
    pub(super) fn on_datagram(
        &mut self,
        _now: Instant,
        _datagram: Bytes,
        _out: &mut Output,
    ) -> Result<(), LinkFault> {
        Ok(())
    }
}
