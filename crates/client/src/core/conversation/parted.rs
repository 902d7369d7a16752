//! Messages whose texts come beside them, in the BULK lane. A message without its text takes its place
//! when it comes, and so does everything behind it that has a place in the order: it is judged and shown
//! once the text is there, in order as ever. What has no place there (commits, receipts, most answers)
//! does not wait. Nothing that waits moves the cursor: after a lost connection it comes again.

use std::collections::VecDeque;

use bytes::Bytes;
use lamparina_protocol::Instant;
use lamparina_protocol::message::{Delivery, PartedDelivery, ToClient};

use super::{Conversation, Output, Phase};

/// Bytes of what waits, as it came, and of texts that came before their messages. A server that sends
/// this much behind one text breaks its word that small and big share the line.
pub const PARTED_WAITING_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What each of them costs beside its own bytes: many that are empty fill memory too.
const ITEM_BYTES: usize = 512;

/// What waits for texts, and texts that wait for their messages.
#[derive(Debug, Default)]
pub(super) struct Parted {
    /// The link speaks the BULK lane.
    pub(super) spoken: bool,
    /// In order, each with its size; the first is a message without its text.
    waiting: VecDeque<(ToClient, usize)>,
    /// Texts that no message has named yet, in order.
    texts: VecDeque<Bytes>,
    bytes: usize,
    /// How many of what waits may answer a request.
    answers: usize,
}

impl Parted {
    fn is_over(&self) -> bool {
        self.bytes > PARTED_WAITING_BYTES_MAX
    }

    fn has_to_wait(&self, message: &ToClient) -> bool {
        if self.waiting.is_empty() {
            return matches!(message, ToClient::MessageParted(_));
        }
        match Manner::of(message) {
            Manner::Placed | Manner::PlacedAnswer => true,
            Manner::Answer => self.answers > 0,
            Manner::Free => false,
        }
    }

    fn push(&mut self, message: ToClient, bytes: usize) {
        let bytes = bytes + ITEM_BYTES;
        self.answers += usize::from(Manner::of(&message).answers());
        self.bytes += bytes;
        self.waiting.push_back((message, bytes));
    }

    /// Takes what is next, where it is complete.
    fn next(&mut self) -> Option<Next> {
        let is_parted = matches!(self.waiting.front()?.0, ToClient::MessageParted(_));
        let text = match is_parted {
            true => Some(self.texts.pop_front()?),
            false => None,
        };
        let (message, bytes) = self.waiting.pop_front()?;
        self.answers -= usize::from(Manner::of(&message).answers());
        self.bytes -= bytes + text.as_ref().map_or(0, |text| text.len() + ITEM_BYTES);
        Some(match (message, text) {
            (ToClient::MessageParted(parted), Some(text)) => Next::Parted(*parted, text),
            (message, _) => Next::Whole(message),
        })
    }
}

enum Next {
    Whole(ToClient),
    Parted(PartedDelivery, Bytes),
}

/// What a message is to those that wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Manner {
    /// It has a place in the order of what is shown.
    Placed,
    /// The same, and it may answer a request.
    PlacedAnswer,
    /// It answers a request: it passes all but other answers, for those come in the order of requests.
    Answer,
    /// It passes all.
    Free,
}

impl Manner {
    fn of(message: &ToClient) -> Self {
        match message {
            ToClient::Message(_)
            | ToClient::MessageParted(_)
            | ToClient::Joined { .. }
            | ToClient::Left { .. } => Self::Placed,
            ToClient::Renamed { .. }
            | ToClient::RoomJoined { .. }
            | ToClient::RoomLeft { .. }
            | ToClient::History { .. } => Self::PlacedAnswer,
            ToClient::Error { .. }
            | ToClient::Found { .. }
            | ToClient::Trace(_)
            | ToClient::Why { .. } => Self::Answer,
            ToClient::Committed { .. }
            | ToClient::Refused { .. }
            | ToClient::Entered { .. }
            | ToClient::Receipts { .. } => Self::Free,
        }
    }

    const fn answers(self) -> bool {
        matches!(self, Self::PlacedAnswer | Self::Answer)
    }
}

impl Conversation {
    /// A message of `bytes` bytes came.
    pub(super) fn in_turn(
        &mut self,
        now: Instant,
        message: ToClient,
        bytes: usize,
        out: &mut Vec<Output>,
    ) {
        if !self.parted.has_to_wait(&message) {
            return self.data(now, message, out);
        }
        self.parted.push(message, bytes);
        self.join(now, out);
    }

    /// A text came.
    pub(super) fn text_came(&mut self, now: Instant, text: Bytes, out: &mut Vec<Output>) {
        self.parted.bytes += text.len() + ITEM_BYTES;
        self.parted.texts.push_back(text);
        self.join(now, out);
    }

    /// Everything that is complete, as far as nothing before it is missing.
    fn join(&mut self, now: Instant, out: &mut Vec<Output>) {
        while matches!(self.phase, Phase::Live { .. } | Phase::Leaving { .. })
            && let Some(next) = self.parted.next()
        {
            match next {
                Next::Whole(message) => self.data(now, message, out),
                Next::Parted(PartedDelivery { text: name, rest }, text) => {
                    let Some(text) = name.check(text.to_vec()) else {
                        let text = "the server sent another text than a message names".to_owned();
                        return self.broken(now, text, out);
                    };
                    let whole = ToClient::Message(Delivery { text, ..rest });
                    self.data(now, whole, out);
                }
            }
        }
        if self.parted.is_over() {
            let text = "the server sent too much behind a text that did not come".to_owned();
            self.broken(now, text, out);
        }
    }

    /// The connection is another one: what waited comes again.
    pub(super) fn forget_parted(&mut self) {
        self.parted = Parted::default();
    }
}
