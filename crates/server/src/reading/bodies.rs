//! Messages of the journal become deliveries again: the bytes that were sent when they were new.

use std::ops::Range;

use bytes::Bytes;
use lamparina_order::{Record, Recorded};
use lamparina_protocol::frame::SharedBody;
use lamparina_protocol::lamport::PREV_BYTES;
use lamparina_protocol::message::{Delivery, ToClient};
use lamparina_protocol::{Lamport, Prev, codec};

/// Encoded messages without their last eight bytes, all in one buffer.
#[derive(Clone, Debug, Default)]
pub(super) struct Bodies {
    buffer: Vec<u8>,
    list: Vec<(Lamport, Range<usize>)>,
}

impl Bodies {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.buffer.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Appends a message; anything else is left out.
    pub(super) fn push(&mut self, record: Record, history: bool) {
        let stamp = record.stamp;
        let Recorded::Message(message) = record.event else {
            return;
        };
        let delivery = ToClient::Message(Delivery {
            stamp,
            member: message.member,
            from: message.from,
            epoch: message.epoch,
            pseq: message.pseq,
            clock: message.clock,
            seen: message.seen,
            sent_at: message.sent_at,
            audience: message.audience,
            history,
            text: message.text,
            prev: Prev::default(),
        });
        let start = self.buffer.len();
        let written = codec::encode_into(&delivery, &mut self.buffer);
        debug_assert!(written.is_ok(), "the order took nothing that is too long");
        let end = self.buffer.len().saturating_sub(PREV_BYTES).max(start);
        self.buffer.truncate(end);
        self.list.push((stamp, start..end));
    }

    /// Takes the last one back.
    pub(super) fn pop(&mut self) {
        if let Some((_, range)) = self.list.pop() {
            self.buffer.truncate(range.start);
        }
    }

    /// The bodies, as they were pushed.
    pub(super) fn finish(mut self) -> Vec<(Lamport, SharedBody)> {
        self.buffer.shrink_to_fit();
        let buffer = Bytes::from(self.buffer);
        self.list
            .into_iter()
            .map(|(stamp, range)| (stamp, SharedBody::within(&buffer, range)))
            .collect()
    }
}
