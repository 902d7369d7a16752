//! The limits that the protocol or the order fixes: two servers of one log must agree on them, and
//! clients may rely on them.

use lamparina_order::sequenced::{
    MEMBERS_MAX, NICKS_PER_MEMBER_MAX, OUTCOMES_KEPT, ROOMS_MAX, ROOMS_PER_MEMBER_MAX,
};
use lamparina_protocol::audience::AUDIENCE_USERS_MAX;
use lamparina_protocol::control::WINDOW_FRAMES_MAX;
use lamparina_protocol::frame::PAYLOAD_BYTES_MAX;
use lamparina_protocol::link::HANDSHAKE_WITHIN;
use lamparina_protocol::message::{
    HISTORY_MESSAGES_MAX, INLINE_TEXT_BYTES_MAX, MESSAGE_BYTES_MAX, QUESTIONS_MAX, TEXT_BYTES_MAX,
    WORDS_BYTES_MAX,
};
use lamparina_protocol::nick::{NICK_BYTES_MAX, NICK_GRAPHEMES_MAX};

use crate::session::{
    NAME_WITHIN, OWN_WAITING_BYTES_MAX, OWN_WAITING_MAX, TEXTS_WAITING_BYTES_MAX,
};

/// One limit that nobody chooses.
#[derive(Debug)]
pub struct Fixed {
    /// What it counts.
    pub about: &'static str,
    /// What one of it is.
    pub unit: &'static str,
    /// What it is.
    pub value: u64,
    /// What happens beyond it.
    pub beyond: &'static str,
}

macro_rules! fixed {
    ($($about:literal, $unit:literal, $value:expr, $beyond:literal;)*) => {
        /// Every limit that is fixed.
        pub const FIXED: &[Fixed] = &[$(Fixed {
            about: $about,
            unit: $unit,
            value: $value as u64,
            beyond: $beyond,
        },)*];
    };
}

fixed! {
    "Payload of a frame", "bytes", PAYLOAD_BYTES_MAX, "the boundaries are lost: closed as damaged";
    "Frames unacknowledged, each way", "frames", WINDOW_FRAMES_MAX, "closed: beyond the window";
    "A message being put together, one in each lane of a connection", "bytes", MESSAGE_BYTES_MAX, "closed: message too long";
    "Text of a message", "bytes", TEXT_BYTES_MAX, "refused in words";
    "Text that travels in its message where the BULK lane is spoken", "bytes", INLINE_TEXT_BYTES_MAX, "travels in the BULK lane";
    "Long texts that wait for that lane of a connection", "bytes", TEXTS_WAITING_BYTES_MAX, "deliveries wait in the tail, then on disk";
    "Recipients named by a message", "names", AUDIENCE_USERS_MAX, "refused in words";
    "A name, in characters", "graphemes", NICK_GRAPHEMES_MAX, "refused in words";
    "A name, in bytes", "bytes", NICK_BYTES_MAX, "refused in words";
    "Names of one author, former ones included", "names", NICKS_PER_MEMBER_MAX, "refused in words";
    "Members of a log", "members", MEMBERS_MAX, "refused in words";
    "Rooms", "rooms", ROOMS_MAX, "refused in words";
    "Rooms of one member that a journal may hold", "rooms", ROOMS_PER_MEMBER_MAX, "refused in words";
    "Answers kept to an author's newest messages", "messages", OUTCOMES_KEPT, "answered as settled long ago";
    "Questions that wait on one connection", "questions", QUESTIONS_MAX, "refused in words";
    "Messages that one question asks for", "messages", HISTORY_MESSAGES_MAX, "as many come";
    "Words to find", "bytes", WORDS_BYTES_MAX, "refused in words";
    "Answers that wait for a client that does not read", "answers", OWN_WAITING_MAX, "closed: too slow a reader";
    "Bytes of these answers", "bytes", OWN_WAITING_BYTES_MAX, "closed: too slow a reader";
    "Time for a handshake", "seconds", HANDSHAKE_WITHIN.as_secs(), "closed: nothing heard for too long";
    "Time to claim a name behind it", "seconds", NAME_WITHIN.as_secs(), "closed: nothing heard for too long";
}
