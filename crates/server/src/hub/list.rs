//! Who is present, encoded at most once for each batch, and not again until it changes, so that
//! asking again and again costs nothing.

use lamparina_order::Sequenced;
use lamparina_protocol::codec;
use lamparina_protocol::frame::{FrameType, SharedBody};
use lamparina_protocol::message::{MESSAGE_BYTES_MAX, USERS_MAX, UserLine, UserList};
use lamparina_protocol::nick::NICK_BYTES_MAX;

/// Users that one answer names; `total` counts all.
pub const LIST_USERS_MAX: usize = USERS_MAX;
/// Bytes of one line: nick and its length, number, key.
const LINE_BYTES_MAX: usize = NICK_BYTES_MAX + 1 + 5 + 32;
const _: () = assert!(LIST_USERS_MAX * LINE_BYTES_MAX + 64 <= MESSAGE_BYTES_MAX);

/// The answer to LIST_REQUEST.
#[derive(Debug, Default)]
pub(super) struct Roster {
    answer: Option<SharedBody>,
    bytes_made: usize,
}

impl Roster {
    /// Somebody came, went or is called otherwise.
    pub(super) fn changed(&mut self) {
        self.answer = None;
    }

    pub(super) fn new_batch(&mut self) {
        self.bytes_made = 0;
    }

    /// Bytes of the answers encoded for this batch.
    pub(super) fn bytes_made(&self) -> usize {
        self.bytes_made
    }

    /// The answer of this moment. Where nothing changed since, its `after` is the stamp up to which
    /// it was first said.
    pub(super) fn answer(&mut self, order: &Sequenced) -> (FrameType, SharedBody) {
        let body = match &self.answer {
            Some(body) => body.clone(),
            None => self.encode(order),
        };
        (FrameType::ListResponse, body)
    }

    fn encode(&mut self, order: &Sequenced) -> SharedBody {
        let users: Vec<UserLine> = order.present().take(LIST_USERS_MAX).collect();
        let list = UserList {
            after: order.last_stamp(),
            users,
            total: order.present_len() as u64,
        };
        // The bound above leaves room for the longest of names.
        let body = SharedBody::new(codec::encode(&list).unwrap_or_default());
        self.bytes_made += body.bytes().len();
        self.answer = Some(body.clone());
        body
    }
}
