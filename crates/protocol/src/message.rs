//! What travels inside sequenced frames: requests to a server and its answers.
//!
//! Only shapes live here. [`crate::codec`] turns them into bytes; `docs/protocol.md` gives those
//! bytes. A new message goes to the end of its enum: a variant's number is its place.

mod parted;
mod refusal;

use serde::{Deserialize, Serialize};

use crate::audience::Audience;
use crate::identity::{AuthorKey, Epoch, MemberId, Pseq};
use crate::lamport::{Lamport, Prev};
use crate::list::bounded;
use crate::nick::{Nick, RoomName};
use crate::time::UnixMicros;

pub use parted::{INLINE_TEXT_BYTES_MAX, PartedDelivery, PartedSubmit, TextName};
pub use refusal::RefusalCode;

/// Bytes of a message's text, at most.
pub const TEXT_BYTES_MAX: usize = 256 * 1024;
/// Bytes of an encoded message, at most: the text and what accompanies it.
pub const MESSAGE_BYTES_MAX: usize = TEXT_BYTES_MAX + 64 * 1024;

/// SET_NICK: claims a nick. The first one of a session enters it; a later one renames.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct SetNick {
    /// The name wanted.
    pub nick: Nick,
}

/// A message on its way to the order. Named `(author, epoch, pseq)`, its author being the session's.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Submit {
    /// The author's epoch.
    pub epoch: Epoch,
    /// Place in that epoch, from 1.
    pub pseq: Pseq,
    /// The author's clock, ticked for this message.
    pub clock: Lamport,
    /// The stamp up to which its author had been delivered.
    pub seen: Lamport,
    /// When its author wrote it, for people.
    pub sent_at: UnixMicros,
    /// For whom.
    pub audience: Audience,
    /// The text, byte for byte; 1 to [`TEXT_BYTES_MAX`] bytes.
    #[serde(deserialize_with = "crate::text::copied")]
    pub text: String,
}

/// DATA from a client.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum ToServer {
    /// Say something.
    Submit(Submit),
    /// Become a member of a room.
    Join {
        /// The room.
        room: RoomName,
    },
    /// Stop being one.
    Leave {
        /// The room.
        room: RoomName,
    },
    /// Deliveries up to this stamp have been handed to the person or program.
    Consumed {
        /// The last stamp handed over.
        upto: Lamport,
        /// How many since the last `Consumed`.
        count: u64,
    },
    /// What was said before, as far as one may see it: answered by [`ToClient::History`].
    History {
        /// Messages before this stamp; 0 for the newest.
        before: Lamport,
        /// How many, at most; 1 to [`HISTORY_MESSAGES_MAX`].
        count: u32,
    },
    /// Messages that hold all these words, as far as one may see them: answered by [`ToClient::Found`].
    Find {
        /// 1 to [`WORDS_BYTES_MAX`] bytes.
        words: String,
        /// Messages before this stamp; 0 for the newest.
        before: Lamport,
        /// How many, at most; 1 to [`HISTORY_MESSAGES_MAX`].
        count: u32,
    },
    /// What is known of a message's way to its recipients: answered by [`ToClient::Trace`].
    Trace {
        /// A message that one wrote, or was delivered.
        stamp: Lamport,
    },
    /// Why one message stands before another: answered by [`ToClient::Why`].
    Why {
        /// One of them.
        a: Lamport,
        /// The other.
        b: Lamport,
    },
    /// The code of an invite, before the first SET_NICK; members need none.
    Invite {
        /// At most [`INVITE_CODE_BYTES_MAX`].
        code: String,
    },
    /// The password for the nick of the first SET_NICK, before it; members need none.
    Password {
        /// 1 to [`PASSWORD_BYTES_MAX`] bytes.
        password: String,
    },
    /// Say something whose text comes in the BULK lane. The next message waits until this one is
    /// settled.
    SubmitParted(Box<PartedSubmit>),
}

/// Bytes of an invite's code as it is written, at most.
pub const INVITE_CODE_BYTES_MAX: usize = 64;
/// Bytes of a password, at most.
pub const PASSWORD_BYTES_MAX: usize = 1_024;

/// Messages that one answer to [`ToServer::History`] or [`ToServer::Find`] may hold.
pub const HISTORY_MESSAGES_MAX: u32 = 1_000;
/// Questions of one client (History, Find, Trace, Why) that a server lets wait; one that asks more
/// is refused, so a client keeps at most so many under way.
pub const QUESTIONS_MAX: usize = 8;
/// Bytes of the words of [`ToServer::Find`], at most.
pub const WORDS_BYTES_MAX: usize = 1_024;
/// Recipients that one [`ToClient::Trace`] names, at most.
pub const MARKS_MAX: usize = 3_000;
/// Messages that one [`ToClient::Receipts`] names, at most.
pub const RECEIPTS_MAX: usize = 1_000;
/// Users that one [`UserList`] names, at most.
pub const USERS_MAX: usize = 3_000;
const HITS_MAX: usize = HISTORY_MESSAGES_MAX as usize;
/// Messages in the chain of one [`ToClient::Why`], at most.
pub const CHAIN_MAX: usize = 1_000;

/// A message at its place, as one recipient gets it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its place in the order.
    pub stamp: Lamport,
    /// Who wrote it, by number; LIST_RESPONSE gives the key behind the number.
    pub member: MemberId,
    /// Who wrote it, by the nick held at its place.
    pub from: Nick,
    /// The author's epoch.
    pub epoch: Epoch,
    /// Place in that epoch.
    pub pseq: Pseq,
    /// The clock it was sent with.
    pub clock: Lamport,
    /// The stamp up to which its author had been delivered.
    pub seen: Lamport,
    /// When its author wrote it, for people.
    pub sent_at: UnixMicros,
    /// For whom, as the order understood it.
    pub audience: Audience,
    /// From before the recipient's membership; `prev` is 0 then and says nothing.
    pub history: bool,
    /// The text.
    #[serde(deserialize_with = "crate::text::copied")]
    pub text: String,
    /// The stamp delivered to this recipient before it. Last, so that the rest is shared.
    pub prev: Prev,
}

/// DATA from a server.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum ToClient {
    /// A message at its place.
    Message(Delivery),
    /// One's own message at its place (also when it had been committed before: same stamp again).
    Committed {
        /// Its epoch.
        epoch: Epoch,
        /// Its place in the epoch.
        pseq: Pseq,
        /// Its place in the order.
        stamp: Lamport,
    },
    /// One's own message is settled without a place.
    Refused {
        /// Its epoch.
        epoch: Epoch,
        /// Its place in the epoch.
        pseq: Pseq,
        /// Why.
        code: RefusalCode,
        /// Why, and what to do.
        text: String,
    },
    /// The session has entered: the answer to its first SET_NICK.
    Entered {
        /// The nick held.
        nick: Nick,
        /// One's own number.
        member: MemberId,
        /// The order's clock.
        clock: Lamport,
        /// The last `pseq` of the session's epoch that is settled.
        settled: Pseq,
        /// The stamp after which deliveries go on: the `prev` of the next one.
        resumed: Lamport,
        /// Some messages between the cursor given and `resumed` are no longer kept here.
        gap: bool,
        /// The last stamp addressed to this member: deliveries up to it were missed, later ones
        /// are new.
        newest: Lamport,
        /// The cursor given was beyond this log, which has lost its end since: what one was
        /// delivered after `resumed` is no longer in it, and those stamps may name others now.
        rewound: bool,
        /// Up to this stamp the log is the one that the client knew in the term of its hello: what
        /// it was shown of later stamps, history too, is no longer in it.
        same: Lamport,
        /// Messages that are left of the burst that the welcome announced; 0 where it announced none.
        left: u32,
    },
    /// Somebody became present.
    Joined {
        /// Who.
        nick: Nick,
        /// The number behind the nick.
        member: MemberId,
        /// The key behind the number.
        author: AuthorKey,
        /// The stamp it follows.
        after: Lamport,
    },
    /// Somebody is no longer present (and still a member).
    Left {
        /// Who.
        nick: Nick,
        /// The stamp it follows.
        after: Lamport,
    },
    /// Somebody, perhaps oneself, is called otherwise now.
    Renamed {
        /// Before.
        from: Nick,
        /// From now on.
        to: Nick,
        /// The stamp it follows.
        after: Lamport,
    },
    /// Somebody, perhaps oneself, became a member of a room that one is in.
    RoomJoined {
        /// Who.
        nick: Nick,
        /// Where.
        room: RoomName,
        /// The stamp it follows.
        after: Lamport,
    },
    /// Somebody, perhaps oneself, stopped being one.
    RoomLeft {
        /// Who.
        nick: Nick,
        /// Where.
        room: RoomName,
        /// The stamp it follows.
        after: Lamport,
    },
    /// A request other than a message was not done.
    Error {
        /// Why.
        code: RefusalCode,
        /// Why, and what to do.
        text: String,
    },
    /// The end of an answer to [`ToServer::History`], or of what a newcomer is shown unasked: the
    /// messages came before it, ascending, each with `history`.
    History {
        /// How many they were.
        count: u32,
        /// There are earlier ones: ask again for those before the first of these.
        more: bool,
    },
    /// The answer to [`ToServer::Find`].
    Found {
        /// Newest first; at most [`HISTORY_MESSAGES_MAX`].
        #[serde(deserialize_with = "bounded::<_, _, HITS_MAX>")]
        hits: Vec<Hit>,
        /// There are earlier ones: ask again for those before the last of these.
        more: bool,
        /// Everything up to this stamp has been looked through.
        upto: Lamport,
    },
    /// The answer to [`ToServer::Trace`].
    Trace(Box<Trace>),
    /// The answer to [`ToServer::Why`].
    Why {
        /// The earlier of the two.
        earlier: Lamport,
        /// The later one.
        later: Lamport,
        /// Why they stand in this order.
        reason: WhyOrdered,
        /// For [`WhyOrdered::Seen`]: the messages from the earlier to the later one, both
        /// included; each was written by, or delivered to, the next one's author before it wrote.
        /// Those that one may not see are not in it, but in `hidden`.
        #[serde(deserialize_with = "bounded::<_, _, CHAIN_MAX>")]
        chain: Vec<ChainLink>,
        /// The stamps of the others of that chain, ascending. Both lists together have at most
        /// [`CHAIN_MAX`] messages.
        #[serde(deserialize_with = "bounded::<_, _, CHAIN_MAX>")]
        hidden: Vec<Lamport>,
        /// How many more there are, in the middle of the chain.
        left_out: u64,
    },
    /// A recipient's client has handed over messages of one's own.
    Receipts {
        /// Who.
        by: Nick,
        /// The number behind the nick.
        member: MemberId,
        /// Which messages, ascending; at most [`RECEIPTS_MAX`].
        #[serde(deserialize_with = "bounded::<_, _, RECEIPTS_MAX>")]
        messages: Vec<Receipt>,
    },
    /// A message at its place, whose text comes in the BULK lane.
    MessageParted(Box<PartedDelivery>),
}

/// One message that one more recipient has.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The message.
    pub stamp: Lamport,
    /// How many of its recipients have it by now.
    pub delivered: u32,
    /// How many recipients it has.
    pub of: u32,
}

/// A message found.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// Its place in the order.
    pub stamp: Lamport,
    /// Who wrote it, by the nick held at its place.
    pub from: Nick,
    /// When its author wrote it, for people.
    pub sent_at: UnixMicros,
    /// For whom.
    pub audience: Audience,
    /// The text.
    pub text: String,
}

/// What is known of a message's way.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// The message.
    pub stamp: Lamport,
    /// Who wrote it.
    pub from: Nick,
    /// Its name: the author's epoch.
    pub epoch: Epoch,
    /// Its name: place in that epoch.
    pub pseq: Pseq,
    /// For whom.
    pub audience: Audience,
    /// When its author wrote it, by the author's clock.
    pub sent_at: UnixMicros,
    /// When it was ordered and stored, by the server's clock.
    pub stored_at: UnixMicros,
    /// Its entry in the journal.
    pub entry: u64,
    /// The journal's chain up to that entry (BLAKE3).
    pub chain: [u8; 32],
    /// How many recipients it has.
    pub of: u32,
    /// How many of them have been delivered it.
    pub delivered: u32,
    /// The recipients by number; at most [`MARKS_MAX`].
    #[serde(deserialize_with = "bounded::<_, _, MARKS_MAX>")]
    pub marks: Vec<Mark>,
}

/// What is known of one recipient. It has been delivered the message where `consumed` is not
/// before its stamp: its client said that it handed over everything up to there.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// The number behind the nick.
    pub member: MemberId,
    /// The nick held now.
    pub nick: Nick,
    /// The last stamp that its client handed over; 0 for none.
    pub consumed: Lamport,
    /// When it said so, by the server's clock; 0 for never.
    pub at: UnixMicros,
}

/// Why two messages stand in their order.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum WhyOrdered {
    /// One author wrote both, in this order.
    SameAuthor,
    /// The later one's author had seen the earlier one, or what its author had written after it,
    /// through the messages of the chain.
    Seen,
    /// Neither had been seen by the other's author: they were placed as they arrived.
    Concurrent,
}

/// One message of a chain of causes.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct ChainLink {
    /// Its place in the order.
    pub stamp: Lamport,
    /// Who wrote it.
    pub from: Nick,
    /// The stamp up to which its author had been delivered.
    pub seen: Lamport,
}

/// One line of LIST_RESPONSE.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct UserLine {
    /// The nick held.
    pub nick: Nick,
    /// The number behind the nick.
    pub member: MemberId,
    /// The key behind the number.
    pub author: AuthorKey,
}

/// LIST_RESPONSE: who is connected, by nick. LIST_REQUEST has an empty body.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct UserList {
    /// The stamp up to which this is the state.
    pub after: Lamport,
    /// Present members, by number; at most [`USERS_MAX`].
    #[serde(deserialize_with = "bounded::<_, _, USERS_MAX>")]
    pub users: Vec<UserLine>,
    /// How many there are in all.
    pub total: u64,
}

/// CHANNEL: from a client the wanted settings, from a server the settings in force, as text in the
/// grammar of the impairment (`loss=20%,delay=80ms`; `off`).
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct ChannelSettings {
    /// At most 512 bytes.
    pub spec: String,
}
