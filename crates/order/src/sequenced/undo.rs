//! Takes back a batch: between [`Sequenced::begin`] and [`Sequenced::undo`] everything that changes
//! is noted first, so that the state can be exactly what it was.
//!
//! What most entries touch is noted once a batch for each member and room, and is small: an
//! author's answers are not copied but cut back. What is rare is noted step by step and taken back
//! in reverse. Without a scope nothing is noted.

use lamparina_protocol::{Epoch, Lamport, MemberId, Nick};

use super::Sequenced;
use super::members::{Claim, Member, Members, Session};
use super::newest::Newest;
use super::outcomes::{Block, Mark, Outcome, Outcomes};
use super::refusal::Refusal;
use super::rooms::Room;
use crate::access::{InviteId, Standing};
use crate::record::RoomId;

/// What is needed to go back to where the scope began.
#[derive(Clone, Debug, Default)]
pub(super) struct Undo {
    /// Whether a scope is open.
    open: bool,
    /// Its number: members and rooms keep the last one in which they were noted.
    scope: u64,
    whole: Whole,
    members: Vec<(MemberId, MemberBefore)>,
    rooms: Vec<(RoomId, Newest)>,
    /// In the order in which they were done.
    steps: Vec<Step>,
}

/// What is one for the whole order.
#[derive(Clone, Debug, Default)]
struct Whole {
    head: Lamport,
    last_stamp: Lamport,
    all: Newest,
    members: usize,
    rooms_made: u64,
    invites_made: usize,
}

/// What messages and sessions change of a member.
#[derive(Clone, Debug)]
struct MemberBefore {
    session: Session,
    epoch: Epoch,
    outcomes: Mark,
    direct: Lamport,
}

/// A change that is rare.
#[derive(Clone, Debug)]
enum Step {
    /// A member took another nick.
    Named {
        member: MemberId,
        nick: Nick,
        former: Vec<Nick>,
        /// The nick that nobody had before.
        claimed: Option<Claim>,
    },
    /// A member came into a room (`None` before) or went out of it.
    Moved {
        member: MemberId,
        room: RoomId,
        since: Option<Lamport>,
    },
    /// The last member went out of a room.
    RoomEnded(RoomId, Room),
    /// An author began an epoch, and the answers of the one before went.
    Began(MemberId, Outcomes),
    /// An author's oldest answers went.
    Dropped(MemberId, Block),
    /// A member was banned or pardoned; it stood so before, since then.
    Stood(MemberId, Standing, Lamport),
    /// An invite was spent once.
    Spent(InviteId),
    /// An invite was taken back.
    Revoked(InviteId),
}

impl Sequenced {
    /// Begins a batch that [`Self::undo`] can take back. A batch begun before is kept.
    pub fn begin(&mut self) {
        self.keep();
        self.undo.open = true;
        self.undo.scope += 1;
        self.undo.whole = Whole {
            head: self.head,
            last_stamp: self.last_stamp,
            all: self.all,
            members: self.members.len(),
            rooms_made: self.rooms.made(),
            invites_made: self.invites.len(),
        };
    }

    /// The batch stays: what was noted to take it back is forgotten.
    pub fn keep(&mut self) {
        self.undo.open = false;
        self.undo.members.clear();
        self.undo.rooms.clear();
        self.undo.steps.clear();
    }

    /// Goes back to the state at [`Self::begin`], sessions and presence included. Without a batch
    /// begun nothing happens.
    pub fn undo(&mut self) {
        if !self.undo.open {
            return;
        }
        let undo = &mut self.undo;
        self.head = undo.whole.head;
        self.last_stamp = undo.whole.last_stamp;
        self.all = undo.whole.all;
        // New rooms first: an old one may have had the same name.
        self.rooms.forget_from(undo.whole.rooms_made);
        while let Some(step) = undo.steps.pop() {
            match step {
                Step::RoomEnded(room, _) if room.0 >= undo.whole.rooms_made => {}
                Step::RoomEnded(room, before) => self.rooms.restore(room, before),
                Step::Moved {
                    member,
                    room,
                    since,
                } => {
                    self.rooms.move_back(room, member, since.is_some());
                    self.members.step_back(step);
                }
                Step::Spent(invite) => self.invites.unspend(invite),
                Step::Revoked(invite) => {
                    if let Some(invite) = self.invites.get_mut(invite) {
                        invite.revoked = false;
                    }
                }
                step => self.members.step_back(step),
            }
        }
        for (member, before) in undo.members.drain(..) {
            self.members.go_back(member, before);
        }
        for (id, before) in undo.rooms.drain(..) {
            if let Some(room) = self.rooms.get_mut(id) {
                room.newest = before;
            }
        }
        self.members.forget_from(undo.whole.members);
        self.invites.forget_from(undo.whole.invites_made);
        undo.open = false;
    }

    /// A member whose session, answers or `direct` are about to change.
    pub(super) fn member_mut(&mut self, id: MemberId) -> &mut Member {
        let member = &mut self.members[id];
        let undo = &mut self.undo;
        if undo.open && member.noted != undo.scope {
            member.noted = undo.scope;
            let before = MemberBefore {
                session: member.session,
                epoch: member.epoch,
                outcomes: member.outcomes.mark(),
                direct: member.direct,
            };
            undo.members.push((id, before));
        }
        member
    }

    /// A room whose newest message is about to change, or which may end.
    pub(super) fn room_mut(&mut self, id: RoomId) -> &mut Room {
        let room = &mut self.rooms[id];
        let undo = &mut self.undo;
        if undo.open && room.noted != undo.scope {
            room.noted = undo.scope;
            undo.rooms.push((id, room.newest));
        }
        room
    }

    /// Gives a member another nick; returns the one before.
    pub(super) fn rename_member(&mut self, id: MemberId, nick: Nick) -> Result<Nick, Refusal> {
        if !self.undo.open {
            return self.members.rename(id, nick);
        }
        let claimed = self.members.unclaimed(&nick);
        let former = self.members[id].former.clone();
        let before = self.members.rename(id, nick)?;
        self.undo.steps.push(Step::Named {
            member: id,
            nick: before.clone(),
            former,
            claimed,
        });
        Ok(before)
    }

    /// Notes that a member comes into a room or goes out of it, where it was since `since`.
    pub(super) fn note_move(&mut self, member: MemberId, room: RoomId, since: Option<Lamport>) {
        if self.undo.open {
            let step = Step::Moved {
                member,
                room,
                since,
            };
            self.undo.steps.push(step);
        }
    }

    /// Notes that the last member has gone out of a room.
    pub(super) fn note_ended(&mut self, id: RoomId, before: Room) {
        if self.undo.open {
            self.undo.steps.push(Step::RoomEnded(id, before));
        }
    }

    /// An author begins a newer epoch: nothing is settled in it.
    pub(super) fn begin_epoch(&mut self, id: MemberId, epoch: Epoch) {
        let author = self.member_mut(id);
        author.epoch = epoch;
        let before = std::mem::take(&mut author.outcomes);
        if self.undo.open {
            self.undo.steps.push(Step::Began(id, before));
        }
    }

    /// A member stands so from here on; `since` is the last stamp.
    pub(super) fn set_standing(&mut self, id: MemberId, standing: Standing, since: Lamport) {
        let member = &mut self.members[id];
        let before = Step::Stood(id, member.standing, member.all_since);
        (member.standing, member.all_since) = (standing, since);
        if self.undo.open {
            self.undo.steps.push(before);
        }
    }

    /// An invite admits one.
    pub(super) fn spend(&mut self, invite: InviteId) {
        self.invites.spend(invite);
        if self.undo.open {
            self.undo.steps.push(Step::Spent(invite));
        }
    }

    /// An invite admits nobody any more.
    pub(super) fn set_revoked(&mut self, id: InviteId) {
        let Some(invite) = self.invites.get_mut(id) else {
            return;
        };
        invite.revoked = true;
        if self.undo.open {
            self.undo.steps.push(Step::Revoked(id));
        }
    }

    /// Settles an author's next message of its newest epoch.
    pub(super) fn settle_next(&mut self, id: MemberId, outcome: Outcome) {
        let dropped = self.member_mut(id).outcomes.settle(outcome);
        if let Some(block) = dropped
            && self.undo.open
        {
            self.undo.steps.push(Step::Dropped(id, block));
        }
    }
}

impl Members {
    fn step_back(&mut self, step: Step) {
        match step {
            Step::Named {
                member,
                nick,
                former,
                claimed,
            } => {
                let found = &mut self[member];
                (found.nick, found.former) = (nick, former);
                if let Some(claim) = claimed {
                    self.unclaim(&claim);
                }
            }
            Step::Moved {
                member,
                room,
                since,
            } => {
                let rooms = &mut self[member].rooms;
                match since {
                    Some(since) => rooms.insert(room, since),
                    None => rooms.remove(&room),
                };
            }
            Step::Began(member, outcomes) => self[member].outcomes = outcomes,
            Step::Dropped(member, block) => self[member].outcomes.put_back(block),
            Step::Stood(member, standing, all_since) => {
                let found = &mut self[member];
                (found.standing, found.all_since) = (standing, all_since);
            }
            // Not the members' own: taken back where this is called.
            Step::RoomEnded(..) | Step::Spent(_) | Step::Revoked(_) => {}
        }
    }

    fn go_back(&mut self, id: MemberId, before: MemberBefore) {
        let member = &mut self[id];
        member.epoch = before.epoch;
        member.outcomes.cut_back(&before.outcomes);
        member.direct = before.direct;
        self.set_session(id, before.session);
    }
}
