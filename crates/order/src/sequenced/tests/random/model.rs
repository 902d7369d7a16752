//! A slow and plain second opinion on what entries do.

use std::collections::{BTreeMap, BTreeSet};

use lamparina_protocol::nick::NickKey;

use super::super::*;
use super::Step;
use crate::verify::{Content, MessageId, Observed, OrderCheck};

/// What is true of the entries so far, kept without cleverness.
#[derive(Default)]
pub(super) struct Model {
    pub(super) clock: Lamport,
    pub(super) prev: BTreeMap<MemberId, Lamport>,
    open: BTreeMap<AuthorKey, SessionNumber>,
    owners: BTreeMap<NickKey, MemberId>,
    rooms: BTreeMap<NickKey, BTreeSet<MemberId>>,
    settled: BTreeMap<(MemberId, Epoch, Pseq), Result<Lamport, RefusalCode>>,
    members: BTreeMap<AuthorKey, MemberId>,
    banned: BTreeSet<MemberId>,
    /// Hash, uses left, when it expires, taken back.
    invites: Vec<(InviteHash, u32, u64, bool)>,
    check: OrderCheck,
}

impl Model {
    fn recipients(&self, author: MemberId, audience: &Audience) -> BTreeSet<MemberId> {
        let mut all: BTreeSet<MemberId> = match audience {
            Audience::All => self
                .prev
                .keys()
                .copied()
                .filter(|member| !self.banned.contains(member))
                .collect(),
            Audience::Room(room) => self.rooms[&room.key()].clone(),
            Audience::Unicast(nick) => [self.owners[&nick.key()]].into(),
            Audience::Multicast(nicks) => nicks.iter().map(|n| self.owners[&n.key()]).collect(),
        };
        all.remove(&author);
        all
    }

    fn settle(&mut self, id: (MemberId, Epoch, Pseq), outcome: Result<Lamport, RefusalCode>) {
        assert_eq!(self.settled.insert(id, outcome), None, "settled twice");
        let before = (id.0, id.1, Pseq(id.2.0 - 1));
        assert!(
            id.2 == Pseq(1) || self.settled.contains_key(&before),
            "left one out"
        );
    }

    /// Lamport's rule: the clock of whatever is said in an open session counts, if it is honest.
    fn receive(&mut self, clock: Lamport) {
        if clock.get() <= self.clock.get().saturating_add(1) {
            self.clock = self.clock.max(clock);
        }
    }

    pub(super) fn step(&mut self, step: &Step, effect: &Effect) {
        match step {
            Step::Entry(entry) => self.apply(entry, effect),
            Step::Operate(at, operation) => self.operate(*at, operation, effect),
        }
    }

    fn author_of(&self, member: MemberId) -> Option<AuthorKey> {
        let mut known = self.members.iter();
        known.find(|(_, id)| **id == member).map(|(key, _)| *key)
    }

    fn operate(&mut self, at: UnixMicros, operation: &Operation, effect: &Effect) {
        let done = !matches!(effect, Effect::Refused { .. });
        match operation {
            Operation::Invite {
                hash,
                uses,
                expires_at,
                ..
            } => {
                let known = self.invites.iter().any(|(known, ..)| known == hash);
                let over = expires_at.0 != 0 && expires_at.0 <= at.0;
                assert_eq!(done, !known && !over && *uses > 0);
                if done {
                    let id = InviteId(self.invites.len() as u64);
                    assert_eq!(*effect, Effect::InviteMade(id));
                    self.invites.push((*hash, *uses, expires_at.0, false));
                }
            }
            Operation::Revoke { invite, .. } => {
                let found = self.invites.get_mut(invite.0 as usize);
                let found = found.filter(|(.., revoked)| !revoked);
                assert_eq!(done, found.is_some());
                if let Some((.., revoked)) = found {
                    *revoked = true;
                }
            }
            Operation::Kick { member } => {
                let author = self.author_of(*member);
                let open = author.and_then(|author| self.open.remove(&author));
                assert_eq!(done, open.is_some());
            }
            Operation::Ban { member, .. } => {
                let author = self.author_of(*member);
                assert_eq!(done, author.is_some() && !self.banned.contains(member));
                let Effect::Banned {
                    was_present, rooms, ..
                } = effect
                else {
                    return;
                };
                let open = author.and_then(|author| self.open.remove(&author));
                assert_eq!(*was_present, open.is_some());
                self.banned.insert(*member);
                let mut left = 0;
                for inside in self.rooms.values_mut() {
                    left += usize::from(inside.remove(member));
                }
                assert_eq!(rooms.len(), left);
            }
            Operation::Unban { member, by } => {
                let may = self.banned.contains(member) && !by.is_empty();
                assert_eq!(done, may);
                if done {
                    self.banned.remove(member);
                }
            }
        }
    }

    /// Whether a first claim is admitted; spends the invite.
    fn admits(&mut self, action: &Action) -> bool {
        match action {
            Action::Redeem { code, at, .. } => {
                let found = self.invites.iter_mut().find(|(hash, ..)| hash == code);
                let Some((_, left, expires_at, revoked)) = found else {
                    return false;
                };
                let open = *left > 0 && !*revoked && (*expires_at == 0 || at.0 < *expires_at);
                *left -= u32::from(open);
                open
            }
            Action::Enter { .. } => true,
            _ => false,
        }
    }

    fn apply(&mut self, entry: &Entry, effect: &Effect) {
        let Entry {
            author,
            session,
            action,
        } = entry;
        let enters = action.claims();
        let member = self.members.get(author);
        if member.is_some_and(|member| self.banned.contains(member)) {
            let is_banned = matches!(effect, Effect::Refused { code: RefusalCode::Banned, message, .. } if *message == message_of(action));
            assert!(is_banned, "a banned member did {effect:?}");
            return;
        }
        if !enters && self.open.get(author) != Some(session) {
            use RefusalCode::{Malformed, TakenOver};
            let code = match effect {
                Effect::Refused { code, message, .. } if *message == message_of(action) => code,
                other => panic!("a closed session did {other:?}"),
            };
            assert!(matches!(code, Malformed | TakenOver));
            return;
        }
        if let Action::Say(message) = action {
            self.receive(message.clock);
        }
        self.apply_open(entry, effect);
    }

    fn apply_open(&mut self, entry: &Entry, effect: &Effect) {
        match effect {
            Effect::Entered {
                member,
                nick,
                new_member,
                took_over,
                settled,
                last_addressed,
                ..
            } => {
                let before = self.open.insert(entry.author, entry.session);
                assert_eq!(*took_over, before.filter(|before| *before != entry.session));
                assert!(*took_over < Some(entry.session));
                assert_eq!(*new_member, !self.prev.contains_key(member));
                if *new_member {
                    assert!(self.admits(&entry.action), "was not admitted");
                    self.members.insert(entry.author, *member);
                }
                assert_eq!(self.prev.entry(*member).or_default(), last_addressed);
                assert_eq!(*self.owners.entry(nick.key()).or_insert(*member), *member);
                let (Action::Enter { epoch, .. }
                | Action::Return { epoch, .. }
                | Action::Redeem { epoch, .. }) = entry.action
                else {
                    panic!("not asked")
                };
                let of_epoch = (*member, epoch, Pseq(0))..=(*member, epoch, Pseq(u64::MAX));
                let last = self.settled.range(of_epoch).next_back().map(|(id, _)| id.2);
                assert_eq!(*settled, last.unwrap_or_default());
            }
            Effect::Exited { .. } => {
                assert_eq!(self.open.remove(&entry.author), Some(entry.session));
            }
            Effect::Renamed {
                member, from, to, ..
            } => {
                assert_eq!(self.owners[&from.key()], *member);
                assert_eq!(*self.owners.entry(to.key()).or_insert(*member), *member);
                assert_ne!(from, to);
            }
            Effect::RoomJoined {
                member,
                room,
                recipients,
                ..
            } => {
                let inside = self.rooms.entry(room.key()).or_default();
                let told = if inside.insert(*member) {
                    inside.clone()
                } else {
                    [*member].into()
                };
                assert_eq!(*recipients, Recipients::Members(told.into_iter().collect()));
            }
            Effect::RoomLeft {
                member,
                room,
                recipients,
                ..
            } => {
                let inside = self.rooms.get_mut(&room.key()).unwrap();
                let told = inside.iter().copied().collect();
                assert_eq!(*recipients, Recipients::Members(told));
                assert!(inside.remove(member));
            }
            Effect::Stamped {
                member,
                from,
                stamp,
                audience,
                recipients,
                message,
            } => {
                assert_eq!(entry.action, Action::Say(message.clone()));
                self.stamped(*member, from, *stamp, audience, recipients, message);
            }
            Effect::Repeated {
                member,
                epoch,
                pseq,
                outcome,
            } => {
                assert_eq!(message_of(&entry.action), Some((*epoch, *pseq)));
                assert_eq!(self.settled[&(*member, *epoch, *pseq)], *outcome);
            }
            Effect::InviteMade(_)
            | Effect::InviteRevoked(_)
            | Effect::Banned { .. }
            | Effect::Unbanned { .. } => panic!("no entry does {effect:?}"),
            Effect::Refused {
                member,
                message,
                code,
                text,
            } => {
                assert!(!text.is_empty());
                if *code == RefusalCode::NotAdmitted {
                    assert!(!self.members.contains_key(&entry.author));
                    assert!(!self.admits(&entry.action), "was not let in");
                }
                assert_eq!(*message, message_of(&entry.action));
                use RefusalCode::{Gap, Malformed, StaleEpoch};
                if let (Some(member), Some((epoch, pseq))) = (member, message)
                    && !matches!(code, Gap | StaleEpoch | Malformed)
                {
                    self.settle((*member, *epoch, *pseq), Err(*code));
                }
            }
        }
    }

    fn stamped(
        &mut self,
        member: MemberId,
        from: &Nick,
        stamp: Lamport,
        audience: &Audience,
        recipients: &Recipients,
        message: &Submit,
    ) {
        assert_eq!(Some(stamp), self.clock.tick());
        self.clock = stamp;
        let (epoch, pseq) = (message.epoch, message.pseq);
        self.settle((member, epoch, pseq), Ok(stamp));
        let id = MessageId {
            member,
            epoch,
            pseq,
        };
        self.check
            .committed(&member.to_string(), id, stamp)
            .unwrap();
        let told = self.recipients(member, &message.audience);
        assert_eq!(told, self.recipients(member, audience));
        let (text, clock, seen) = (message.text.clone(), message.clock, message.seen);
        let content = Content {
            from: from.clone(),
            clock,
            seen,
            audience: audience.clone(),
            text,
        };
        for to in self.prev.keys().copied().collect::<Vec<_>>() {
            let is_told = recipients.contains(to) && !self.banned.contains(&to);
            assert_eq!(is_told, told.contains(&to));
            assert!(!told.contains(&to) || !self.banned.contains(&to));
            if told.contains(&to) {
                let prev = self.prev.insert(to, stamp);
                let observed = Observed {
                    stamp,
                    prev,
                    id,
                    content: content.clone(),
                };
                self.check.delivered(&to.to_string(), &observed).unwrap();
            }
        }
    }
}
