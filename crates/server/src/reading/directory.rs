//! What readers must know that a reader of the store does not say: who is called what now, and
//! who there was.

use std::sync::Arc;

use lamparina_order::RoomId;
use lamparina_protocol::{Lamport, MemberId, Nick};

/// Who there is. Asked by the threads that read: it answers at once.
pub trait Directory: Send + Sync {
    /// The nick that a member holds now.
    fn nick(&self, member: MemberId) -> Option<Nick>;

    /// How many members there were when `stamp` was given: they are those with numbers below this
    /// one, for members are numbered as they come. Asked often: it should cost little.
    fn members_before(&self, stamp: Lamport) -> u32;

    /// Whether a member was ever banned: then it is looked up when. Asked often, too.
    fn was_ever_banned(&self, member: MemberId) -> bool;

    /// Who is in a room, ascending, and who was: each is looked up again by its stays, so that it
    /// does no harm to name others. Whoever is not named is not counted among the recipients.
    fn room_members(&self, room: RoomId) -> Arc<[MemberId]>;
}
