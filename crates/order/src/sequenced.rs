//! The order of one server or cluster.

use lamparina_protocol::message::UserLine;
use lamparina_protocol::{AuthorKey, Lamport, MemberId, Nick};

use crate::effect::Effect;
use crate::entry::Entry;

/// The state that entries, applied one after the other, lead to.
#[derive(Clone, Debug, Default)]
pub struct Sequenced {}

impl Sequenced {
    /// Applies the next entry; pushes exactly one effect.
    pub fn apply(&mut self, entry: Entry, out: &mut Vec<Effect>) {
        let _ = (entry, out);
        unimplemented!()
    }

    /// The stamp of the last message: the order's clock.
    pub fn clock(&self) -> Lamport {
        unimplemented!()
    }

    /// Members whose session is open now, by number.
    pub fn present(&self) -> impl Iterator<Item = UserLine> + '_ {
        std::iter::empty()
    }

    /// A member's number by its key.
    pub fn member_of(&self, author: &AuthorKey) -> Option<MemberId> {
        let _ = author;
        unimplemented!()
    }

    /// The nick that a member holds.
    pub fn nick_of(&self, member: MemberId) -> Option<&Nick> {
        let _ = member;
        unimplemented!()
    }
}
