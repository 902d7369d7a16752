//! Stand-in until the real one is merged.
use super::*;
impl Sequenced {
    /// The order's clock when a member first claimed a nick: messages to all after it are for that member.
    pub fn since_of(&self, member: MemberId) -> Lamport {
        self.members.get(member).map_or(Lamport::ZERO, |m| m.since)
    }
}
