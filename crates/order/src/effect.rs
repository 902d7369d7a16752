//! What an entry did.

use std::sync::Arc;

use crate::access::InviteId;
use lamparina_protocol::message::{RefusalCode, Submit};
use lamparina_protocol::{
    Audience, AuthorKey, Epoch, Lamport, MemberId, Nick, Pseq, RoomName, SessionNumber,
};

/// Who receives a message or an event, fixed at its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Recipients {
    /// Every member there is at this place and not banned, except one.
    AllExcept(MemberId),
    /// These, in ascending order.
    Members(Arc<[MemberId]>),
    /// These, in ascending order, except the author: a room, whose messages all share one list.
    MembersExcept {
        /// The room's members.
        members: Arc<[MemberId]>,
        /// One of them, who does not receive it.
        author: MemberId,
    },
}

impl Recipients {
    /// Whether `member`, a member at this place and not banned, is one of them.
    pub fn contains(&self, member: MemberId) -> bool {
        match self {
            Self::AllExcept(author) => *author != member,
            Self::Members(members) => members.binary_search(&member).is_ok(),
            Self::MembersExcept { members, author } => {
                *author != member && members.binary_search(&member).is_ok()
            }
        }
    }
}

/// What one entry did. Exactly one effect an entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Effect {
    /// A session began.
    Entered {
        /// The author's number.
        member: MemberId,
        /// The author.
        author: AuthorKey,
        /// The nick held.
        nick: Nick,
        /// The nick held before, where this entry changed it.
        renamed_from: Option<Nick>,
        /// The session that this one takes over from, when the author was present.
        took_over: Option<SessionNumber>,
        /// Whether the author became a member by this entry.
        new_member: bool,
        /// The order's clock.
        clock: Lamport,
        /// The last settled `pseq` of the session's epoch.
        settled: Pseq,
        /// The last stamp addressed to this member (0 for none): the `prev` of the next one.
        last_addressed: Lamport,
    },
    /// A session ended; its author is a member still.
    Exited {
        /// The author's number.
        member: MemberId,
        /// The nick held.
        nick: Nick,
        /// The stamp it follows.
        after: Lamport,
    },
    /// A member is called otherwise.
    Renamed {
        /// Who.
        member: MemberId,
        /// Before.
        from: Nick,
        /// From now on.
        to: Nick,
        /// The stamp it follows.
        after: Lamport,
    },
    /// A member came into a room.
    RoomJoined {
        /// Who.
        member: MemberId,
        /// By what name.
        nick: Nick,
        /// Where.
        room: RoomName,
        /// The stamp it follows.
        after: Lamport,
        /// The room's members, this one included; this one alone where it had been in before, and
        /// where more than [`ROOM_TOLD_MAX`](crate::sequenced::ROOM_TOLD_MAX) are.
        recipients: Recipients,
    },
    /// A member went out of a room.
    RoomLeft {
        /// Who.
        member: MemberId,
        /// By what name.
        nick: Nick,
        /// Where.
        room: RoomName,
        /// The stamp it follows.
        after: Lamport,
        /// The room's members, this one included; this one alone where more than
        /// [`ROOM_TOLD_MAX`](crate::sequenced::ROOM_TOLD_MAX) were.
        recipients: Recipients,
    },
    /// A message has its place.
    Stamped {
        /// Its author.
        member: MemberId,
        /// The nick its author holds.
        from: Nick,
        /// Its place.
        stamp: Lamport,
        /// For whom, with the nicks that the recipients hold now, duplicates and the author dropped.
        audience: Audience,
        /// Who receives it: never the author.
        recipients: Recipients,
        /// The message as it came (its `audience` as its author named it).
        message: Submit,
    },
    /// A message that had been settled before: the same answer again.
    Repeated {
        /// Its author.
        member: MemberId,
        /// Its epoch.
        epoch: Epoch,
        /// Its place in the epoch.
        pseq: Pseq,
        /// The stamp it has, or why it was refused.
        outcome: Result<Lamport, RefusalCode>,
    },
    /// There is an invite.
    InviteMade(InviteId),
    /// An invite admits nobody any more.
    InviteRevoked(InviteId),
    /// A member was banned.
    Banned {
        /// Who.
        member: MemberId,
        /// By what name.
        nick: Nick,
        /// Whether a session of its ended by this.
        was_present: bool,
        /// Why; perhaps empty.
        reason: String,
        /// The stamp it follows.
        after: Lamport,
        /// The rooms that it left by this, each with its members, this one included.
        rooms: Vec<(RoomName, Recipients)>,
    },
    /// A member is banned no more.
    Unbanned {
        /// Who.
        member: MemberId,
        /// By what name.
        nick: Nick,
    },
    /// Not done.
    Refused {
        /// The author, where it is a member.
        member: Option<MemberId>,
        /// The message refused, if it was one.
        message: Option<(Epoch, Pseq)>,
        /// Why.
        code: RefusalCode,
        /// Why, and what to do.
        text: String,
    },
}
