//! Random entries, honest and not, against a model that is slow and plain: it keeps `prev` for
//! each recipient of each message and every answer ever given.

mod model;

use std::collections::BTreeMap;

use super::*;
use model::Model;

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
