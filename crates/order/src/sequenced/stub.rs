//! Stand-in until the real one is merged.
use super::*;
impl Sequenced {
    /// x
    pub fn begin(&mut self) {
        self.undo = None;
        let c = self.clone();
        self.undo = Some(Box::new(c));
    }
    /// x
    pub fn undo(&mut self) {
        if let Some(b) = self.undo.take() {
            *self = *b;
        }
    }
    /// x
    pub fn keep(&mut self) {
        self.undo = None;
    }
    /// x
    pub fn to_bytes(&self) -> Vec<u8> {
        Vec::new()
    }
    /// x
    pub fn since_of(&self, member: MemberId) -> Lamport {
        self.members.get(member).map_or(Lamport::ZERO, |m| m.since)
    }
}
