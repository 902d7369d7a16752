//! Who is asked about people where a simulated server reads its disk: nobody.

use std::sync::Arc;

use lamparina_order::RoomId;
use lamparina_protocol::{Lamport, MemberId, Nick};
use lamparina_server::reading::Directory;

/// Nobody here asks for a message's way.
#[derive(Clone, Copy, Debug)]
pub struct NoDirectory;

impl Directory for NoDirectory {
    fn nick(&self, _: MemberId) -> Option<Nick> {
        None
    }

    fn members_before(&self, _: Lamport) -> u32 {
        0
    }

    fn was_ever_banned(&self, _: MemberId) -> bool {
        false
    }

    fn room_members(&self, _: RoomId) -> Arc<[MemberId]> {
        Arc::from([])
    }
}
