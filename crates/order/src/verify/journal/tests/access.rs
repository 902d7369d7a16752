//! Invites and bans: a good journal of them, and each fault.

use super::*;

const CODE: InviteHash = InviteHash([5; 32]);

impl Life {
    fn operate(&mut self, operation: Operation) {
        let at = UnixMicros(1_000 * (self.records.len() as u64 + 1));
        let lasting = self.order.operate(at, operation, &mut self.out).unwrap();
        let event = lasting.recorded(self.out.last().unwrap()).unwrap();
        self.keep(event);
    }

    fn redeem(&mut self, who: u8, name: &str) {
        let at = UnixMicros(1_000 * (self.records.len() as u64 + 1));
        let (nick, epoch, code) = (nick(name), Epoch(1), CODE);
        self.act(
            who,
            Action::Redeem {
                nick,
                epoch,
                code,
                at,
            },
        );
    }
}

/// Entries 1 to 16: invites and bans.
fn guarded() -> Vec<Record> {
    let mut life = Life::default();
    let by = || "uid 7".to_owned();
    let invite = |hash, uses, expires_at| Operation::Invite {
        hash,
        uses,
        expires_at: UnixMicros(expires_at),
        by: by(),
    };
    life.began(1);
    life.enter(ANA, "ana", 1);
    life.operate(invite(CODE, 2, 9_500)); // 3: invite 0, until after entry 9
    life.operate(invite(InviteHash([6; 32]), 1, 0)); // 4: invite 1
    life.redeem(BOB, "bob"); // 5
    life.redeem(EVA, "eva"); // 6
    life.act(BOB, Action::Join { room: room("lab") }); // 7
    life.operate(Operation::Revoke {
        invite: InviteId(1),
        by: by(),
    }); // 8
    life.operate(Operation::Ban {
        member: MemberId(1),
        by: by(),
        reason: "spam".to_owned(),
    }); // 9
    life.say(ANA, 1, 1, Audience::All); // 10
    life.say(ANA, 1, 2, Audience::Unicast(nick("eva"))); // 11
    life.say(ANA, 1, 3, Audience::Unicast(nick("bob"))); // 12: refused
    life.act(ANA, Action::Join { room: room("lab") }); // 13
    life.operate(Operation::Unban {
        member: MemberId(1),
        by: by(),
    }); // 14
    life.enter(BOB, "bob", 2); // 15
    life.say(ANA, 1, 4, Audience::Unicast(nick("bob"))); // 16
    life.records
}

#[test]
fn invites_and_bans_of_a_good_journal_are_found_good() {
    let records = guarded();
    assert_eq!(records.len(), 16);
    let mut judge = Judge::default();
    let mut to_all = Vec::new();
    for record in &records {
        judge.admit(record).unwrap();
        if let Recorded::Message(message) = &record.event {
            to_all.push(
                (0..4)
                    .map(|member| judge.receives(MemberId(member), message))
                    .collect(),
            );
        }
    }
    let received: Vec<Vec<bool>> = to_all;
    assert_eq!(received[0], [false, false, true, false], "bob is banned");
    assert_eq!(received[2], [false, true, false, false]);
}

#[track_caller]
fn check_guarded(edit: impl FnOnce(&mut Vec<Record>), fault: &str, index: u64, against: u64) {
    let mut records = guarded();
    edit(&mut records);
    for (place, record) in (1..).zip(&mut records) {
        record.index = LogIndex(place);
    }
    let violation = *judge(&records).1.unwrap_err();
    let got = (
        violation.fault.name(),
        violation.entry.index.0,
        violation.against.0,
    );
    assert_eq!(got, (fault, index, against), "{violation}");
}

#[test]
fn faults_of_invites_are_named() {
    fn event(all: &mut [Record], at: usize) -> &mut Recorded {
        &mut all[at - 1].event
    }
    fn made(all: &mut [Record], at: usize) -> (&mut InviteId, &mut InviteHash, &mut u32) {
        match event(all, at) {
            Recorded::InviteMade {
                invite, hash, uses, ..
            } => (invite, hash, uses),
            other => panic!("{other:?}"),
        }
    }
    fn spent(all: &mut [Record], at: usize) -> &mut InviteId {
        match event(all, at) {
            Recorded::Redeemed { invite, .. } => invite,
            other => panic!("{other:?}"),
        }
    }
    check_guarded(|all| *made(all, 4).0 = InviteId(2), "invite-number", 4, 3);
    check_guarded(|all| *made(all, 4).1 = CODE, "invite-twice", 4, 3);
    check_guarded(|all| *made(all, 4).2 = 0, "invite-terms", 4, 0);
    check_guarded(|all| all[2].at = UnixMicros(9_500), "invite-terms", 3, 0);
    // Redeemed more often than allowed, by a smaller number and by another invite.
    check_guarded(|all| *made(all, 3).2 = 1, "invite-used-up", 6, 5);
    check_guarded(
        |all| (*spent(all, 5), *spent(all, 6)) = (InviteId(1), InviteId(1)),
        "invite-used-up",
        6,
        5,
    );
    check_guarded(|all| *spent(all, 5) = InviteId(9), "unknown-invite", 5, 0);
    // After it expired, and after it was taken back.
    check_guarded(|all| all[5].at = UnixMicros(9_500), "invite-expired", 6, 3);
    check_guarded(
        |all| {
            *spent(all, 6) = InviteId(1);
            all.swap(5, 7);
        },
        // Entry 8 is now before, and entry 7 still has bob.
        "invite-revoked",
        8,
        6,
    );
    check_guarded(
        |all| match event(all, 6) {
            Recorded::Redeemed { author, .. } => *author = AuthorKey([BOB; 32]),
            other => panic!("{other:?}"),
        },
        "redeemed-again",
        6,
        5,
    );
    check_guarded(
        |all| match event(all, 8) {
            Recorded::InviteRevoked { by, .. } => by.clear(),
            other => panic!("{other:?}"),
        },
        "operator-name",
        8,
        0,
    );
    check_guarded(
        |all| {
            let twice = all[7].clone();
            all.insert(8, twice);
        },
        "nothing-changed",
        9,
        8,
    );
}

#[test]
fn faults_of_bans_are_named() {
    // What bob did before or after, done while he was banned.
    check_guarded(|all| all.swap(6, 8), "banned", 9, 7);
    check_guarded(|all| all.swap(13, 14), "banned", 14, 9);
    check_guarded(
        |all| match &mut all[10].event {
            Recorded::Message(message) => {
                message.audience = Audience::Unicast(nick("bob"));
                message.to = To::Members([MemberId(1)].into());
            }
            other => panic!("{other:?}"),
        },
        "banned",
        11,
        9,
    );
    check_guarded(
        |all| match &mut all[11].event {
            Recorded::Refused { member, .. } => *member = MemberId(1),
            other => panic!("{other:?}"),
        },
        "banned",
        12,
        9,
    );
    // A ban that is left out, and one that is there twice.
    check_guarded(|all| drop(all.remove(8)), "room-number", 12, 7);
    check_guarded(
        |all| {
            let twice = all[8].clone();
            all.insert(9, twice);
        },
        "nothing-changed",
        10,
        9,
    );
    check_guarded(
        |all| {
            let twice = all[13].clone();
            all.insert(14, twice);
        },
        "not-banned",
        15,
        5,
    );
    check_guarded(
        |all| match &mut all[8].event {
            Recorded::Banned { reason, .. } => *reason = "x".repeat(513),
            other => panic!("{other:?}"),
        },
        "reason-too-long",
        9,
        0,
    );
    check_guarded(
        |all| match &mut all[8].event {
            Recorded::Banned { nick: named, .. } => *named = nick("eva"),
            other => panic!("{other:?}"),
        },
        "nick-not-held",
        9,
        5,
    );
}
