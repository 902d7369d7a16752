//! Messages accepted beyond the window. They wait whole, sharing their bodies, in the order in which
//! they came; only the first may be cut in part.

use std::collections::VecDeque;

use crate::fragment::Uncut;

/// What a waiting message costs beside its bytes.
const MESSAGE_COST_BYTES: u32 = 128;

/// The queue behind the window. When it holds its limit nothing more is accepted, so that it never
/// holds more than the limit and one message.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Backlog {
    messages: VecDeque<Uncut>,
    cost_bytes: u32,
    limit_bytes: u32,
}

impl Backlog {
    pub(super) fn new(limit_bytes: u32) -> Self {
        Self {
            messages: VecDeque::new(),
            cost_bytes: 0,
            limit_bytes,
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.cost_bytes >= self.limit_bytes
    }

    pub(super) fn push(&mut self, message: Uncut) {
        self.cost_bytes += cost(&message);
        self.messages.push_back(message);
    }

    pub(super) fn first(&self) -> Option<&Uncut> {
        self.messages.front()
    }

    pub(super) fn front(&mut self) -> Option<&mut Uncut> {
        self.messages.front_mut()
    }

    /// The first message, to look at.
    pub(super) fn peek(&self) -> Option<&Uncut> {
        self.messages.front()
    }

    /// The first message has been cut to its end.
    pub(super) fn pop(&mut self) {
        if let Some(message) = self.messages.pop_front() {
            self.cost_bytes -= cost(&message);
        }
        if self.messages.is_empty() {
            self.messages = VecDeque::new();
        }
    }
}

fn cost(message: &Uncut) -> u32 {
    message.bytes() as u32 + MESSAGE_COST_BYTES
}
