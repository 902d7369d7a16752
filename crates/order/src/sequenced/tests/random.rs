//! Random entries, honest and not, against a model that is slow and plain: it keeps `prev` for
//! each recipient of each message and every answer ever given.

use std::collections::{BTreeMap, BTreeSet};

use lamparina_protocol::nick::NickKey;

use super::*;
use crate::verify::{Content, MessageId, Observed, OrderCheck};

const SEEDS: u64 = 600;
const ENTRIES: usize = 700;
const NICKS: [&str; 12] = [
    "ana",
    "ANA",
    "bob",
    "Bob",
    "eva",
    "rui",
    "zoë",
    "Zoe\u{308}",
    "x",
    "y",
    "z",
    "nobody",
];
const ROOMS: [&str; 4] = ["lab", "LAB", "tea", "run"];

/// What is applied next.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Entry(Entry),
    Operate(UnixMicros, Operation),
}

impl Step {
    /// Its time, where time matters.
    pub(super) fn at(&self) -> UnixMicros {
        match self {
            Self::Operate(at, _) => *at,
            Self::Entry(entry) => match entry.action {
                Action::Redeem { at, .. } => at,
                _ => UnixMicros(0),
            },
        }
    }

    pub(super) fn apply(self, order: &mut Sequenced, out: &mut Vec<Effect>) -> Option<Recorded> {
        match self {
            Self::Entry(entry) => order.apply_recorded(entry, out),
            Self::Operate(at, operation) => {
                order.operate(at, operation, out)?.recorded(out.last()?)
            }
        }
    }
}

/// SplitMix64.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    pub(super) fn step(&mut self, order: &Sequenced) -> Step {
        if self.below(14) > 0 {
            return Step::Entry(self.entry(order));
        }
        let at = UnixMicros(self.below(100));
        let member = MemberId(self.below(7) as u32);
        let by = String::from("op");
        let operation = match self.below(12) {
            0..3 => Operation::Invite {
                hash: self.hash(),
                uses: self.pick(&[1, 1, 2, 3, 0]),
                expires_at: UnixMicros(self.pick(&[0, 0, 50, 90, 99])),
                by,
            },
            3 => Operation::Revoke {
                invite: InviteId(self.below(12)),
                by,
            },
            4 => Operation::Kick { member },
            5 => Operation::Ban {
                member,
                by,
                reason: String::from("why"),
            },
            6 if self.below(4) == 0 => Operation::Unban {
                member,
                by: String::new(),
            },
            _ => Operation::Unban { member, by },
        };
        Step::Operate(at, operation)
    }

    fn hash(&mut self) -> InviteHash {
        InviteHash([self.below(200) as u8; 32])
    }

    /// The code of an invite that there is, mostly.
    fn code(&mut self, order: &Sequenced) -> InviteHash {
        let made = order.invites.len() as u64;
        let invite = InviteId(self.below(made.max(1)));
        match order.invite(invite) {
            Some(invite) if self.below(8) > 0 => invite.hash,
            _ => self.hash(),
        }
    }

    pub(super) fn entry(&mut self, order: &Sequenced) -> Entry {
        let who = self.below(6) as u8;
        let action = match self.below(24) {
            0..4 => self.claim(order),
            4 => Action::Exit,
            5 => rename(self.pick(&NICKS)),
            6 | 7 => join(self.pick(&ROOMS)),
            8 => leave(self.pick(&ROOMS)),
            _ => Action::Say(self.message(order, who)),
        };
        let open = order
            .member_of(&author(who))
            .and_then(|member| order.session_of(member));
        let session = open.filter(|_| self.below(8) != 0).map(|session| session.0);
        let session = session.unwrap_or_else(|| self.below(4));
        entry(who, session, action)
    }

    fn claim(&mut self, order: &Sequenced) -> Action {
        let nick = nick(self.pick(&NICKS));
        let epoch = Epoch(self.pick(&[1, 1, 1, 1, 2, 3]));
        match self.below(6) {
            0..2 => Action::Enter { nick, epoch },
            2 => Action::Return { nick, epoch },
            _ => Action::Redeem {
                nick,
                epoch,
                code: self.code(order),
                at: UnixMicros(self.below(100)),
            },
        }
    }

    fn message(&mut self, order: &Sequenced, who: u8) -> Submit {
        let member = order.member_of(&author(who));
        let (epoch, settled) = member.and_then(|m| order.settled_of(m)).unwrap_or_default();
        let head = order.clock().get();
        let near = [settled.0 + 1; 8];
        let odd = [
            0,
            1,
            settled.0,
            settled.0 + 2,
            u64::MAX,
            self.below(9),
            settled.0 / 2,
            3,
        ];
        Submit {
            epoch: if self.below(40) == 0 {
                Epoch(self.below(4))
            } else {
                epoch
            },
            pseq: Pseq(if self.below(4) == 0 {
                self.pick(&odd)
            } else {
                self.pick(&near)
            }),
            clock: at(match self.below(12) {
                0 => self.pick(&[head + 2, u64::MAX, u64::MAX - 1, self.0]),
                1..4 => self.below(head + 1),
                _ => head + 1,
            }),
            seen: at(if self.below(30) == 0 {
                head + 1 + self.below(3)
            } else {
                self.below(head + 1)
            }),
            sent_at: UnixMicros::default(),
            audience: self.audience(),
            text: if self.below(20) == 0 {
                String::new()
            } else {
                format!("{}", self.below(1_000))
            },
        }
    }

    fn audience(&mut self) -> Audience {
        match self.below(5) {
            0 => to(self.pick(&NICKS)),
            1 => {
                let count = self.below(5);
                Audience::Multicast((0..count).map(|_| nick(self.pick(&NICKS[..9]))).collect())
            }
            2 => in_room(self.pick(&ROOMS)),
            _ => Audience::All,
        }
    }
}

/// What is true of the entries so far, kept without cleverness.
#[derive(Default)]
struct Model {
    clock: Lamport,
    prev: BTreeMap<MemberId, Lamport>,
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

    fn step(&mut self, step: &Step, effect: &Effect) {
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

fn run(seed: u64) -> Vec<Effect> {
    let mut dice = Dice(seed);
    let (mut order, mut model, mut out) = (Sequenced::default(), Model::default(), Vec::new());
    for step in 0..ENTRIES {
        let next = dice.step(&order);
        next.clone().apply(&mut order, &mut out);
        assert_eq!(out.len(), step + 1, "seed {seed}: one effect an entry");
        model.step(&next, &out[step]);
        assert_eq!(
            order.clock(),
            model.clock,
            "seed {seed}, step {step}: {:?}",
            out[step]
        );
        assert!(order.last_stamp() <= order.clock());
        for (member, prev) in &model.prev {
            assert_eq!(
                order.last_addressed(*member),
                *prev,
                "seed {seed}, step {step}"
            );
        }
    }
    out
}

#[test]
fn random_entries_keep_every_promise_and_give_the_same_effects_twice() {
    let mut kinds = BTreeMap::<&str, usize>::new();
    for seed in 0..SEEDS {
        let effects = std::panic::catch_unwind(|| run(seed));
        let effects = effects.unwrap_or_else(|_| panic!("seed {seed}"));
        if seed % 8 == 0 {
            assert_eq!(run(seed), effects, "seed {seed} twice");
        }
        for effect in &effects {
            *kinds.entry(kind(effect)).or_default() += 1;
        }
    }
    // The dice must reach everything, or the test proves little.
    assert!(
        kinds.len() == 30 && kinds.values().all(|count| *count > 100),
        "{kinds:?}"
    );
}

fn kind(effect: &Effect) -> &'static str {
    match effect {
        Effect::Entered {
            took_over: Some(_), ..
        } => "took over",
        Effect::Entered {
            renamed_from: Some(_),
            ..
        } => "entered renamed",
        Effect::Entered { .. } => "entered",
        Effect::Exited { .. } => "exited",
        Effect::Renamed { .. } => "renamed",
        Effect::RoomJoined { .. } => "room joined",
        Effect::RoomLeft { .. } => "room left",
        Effect::Stamped {
            recipients: Recipients::AllExcept(_),
            ..
        } => "to all",
        Effect::Stamped {
            recipients: Recipients::Members(_),
            ..
        } => "to members",
        Effect::Stamped { .. } => "to a room",
        Effect::Repeated { .. } => "repeated",
        Effect::InviteMade(_) => "invite made",
        Effect::InviteRevoked(_) => "invite revoked",
        Effect::Banned { .. } => "banned a member",
        Effect::Unbanned { .. } => "unbanned",
        Effect::Refused { code, .. } => code.name(),
    }
}
