//! Stand-in until the real one is merged.
use super::*;
use crate::record::*;
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
    /// x
    pub fn apply_recorded(&mut self, entry: Entry, out: &mut Vec<Effect>) -> Option<Recorded> {
        let head = self.head;
        let known = self
            .member_of(&entry.author)
            .map(|m| (self.members[m].nick.clone(), self.members[m].epoch));
        let action = entry.action.clone();
        let n = out.len();
        self.apply(entry, out);
        match &out[n] {
            Effect::Entered {
                member,
                author,
                nick,
                ..
            } => {
                let epoch = self.members[*member].epoch;
                (known != Some((nick.clone(), epoch))).then(|| Recorded::Claimed {
                    member: *member,
                    author: *author,
                    epoch,
                    nick: nick.clone(),
                })
            }
            Effect::Renamed {
                member, from, to, ..
            } => Some(Recorded::Renamed {
                member: *member,
                from: from.clone(),
                to: to.clone(),
            }),
            Effect::RoomJoined {
                member, nick, room, ..
            } => Some(Recorded::RoomJoined {
                member: *member,
                nick: nick.clone(),
                room: RoomId(0),
                name: room.clone(),
            }),
            Effect::RoomLeft {
                member, nick, room, ..
            } => Some(Recorded::RoomLeft {
                member: *member,
                nick: nick.clone(),
                room: RoomId(0),
                name: room.clone(),
            }),
            Effect::Stamped {
                member,
                from,
                audience,
                recipients,
                message,
                ..
            } => Some(Recorded::Message(RecordedMessage {
                member: *member,
                from: from.clone(),
                epoch: message.epoch,
                pseq: message.pseq,
                clock: message.clock,
                seen: message.seen,
                sent_at: message.sent_at,
                audience: audience.clone(),
                to: match recipients {
                    crate::Recipients::AllExcept(_) => To::All,
                    crate::Recipients::Members(m) => To::Members(m.clone()),
                    crate::Recipients::MembersExcept { .. } => To::Room(RoomId(0)),
                },
                text: message.text.clone(),
            })),
            Effect::Refused {
                member: Some(member),
                message: Some((epoch, pseq)),
                code,
                ..
            } if self.settled_of(*member) == Some((*epoch, *pseq)) => {
                let clock = match &action {
                    Action::Say(s) => s.clock,
                    _ => head,
                };
                Some(Recorded::Refused {
                    member: *member,
                    epoch: *epoch,
                    pseq: *pseq,
                    clock,
                    code: *code,
                })
            }
            _ if self.head != head => Some(Recorded::Clock { clock: self.head }),
            _ => None,
        }
    }
}
