//! Journals that the machine made are found good; each fault is named, with the entry that it contradicts.

use std::sync::Arc;

use lamparina_protocol::message::Submit;
use lamparina_protocol::{Audience, Epoch, Pseq, RoomName, SessionNumber};

use super::*;
use crate::access::{InviteHash, InviteId, Operation};
use crate::record::{RoomId, To};
use crate::{Action, Effect, Entry, Sequenced};

const ANA: u8 = 1;
const BOB: u8 = 2;
const EVA: u8 = 3;

fn nick(text: &str) -> Nick {
    Nick::try_from(text).unwrap()
}

fn room(text: &str) -> RoomName {
    RoomName::try_from(text).unwrap()
}

/// A server's life as far as a journal is concerned.
#[derive(Default)]
struct Life {
    order: Sequenced,
    records: Vec<Record>,
    out: Vec<Effect>,
}

impl Life {
    fn keep(&mut self, event: Recorded) {
        let index = LogIndex(self.records.len() as u64 + 1);
        self.records.push(Record {
            index,
            at: UnixMicros(1_000 * index.0),
            stamp: self.order.last_stamp(),
            event,
        });
    }

    fn began(&mut self, term: u32) {
        self.keep(Recorded::Began { term: Term(term) });
    }

    fn act(&mut self, who: u8, action: Action) {
        let entry = Entry {
            author: AuthorKey([who; 32]),
            session: SessionNumber(1),
            action,
        };
        if let Some(event) = self.order.apply_recorded(entry, &mut self.out) {
            self.keep(event);
        }
    }

    fn enter(&mut self, who: u8, name: &str, epoch: u64) {
        let (nick, epoch) = (nick(name), Epoch(epoch));
        self.act(who, Action::Enter { nick, epoch });
    }

    fn say(&mut self, who: u8, epoch: u64, pseq: u64, audience: Audience) {
        let head = self.order.clock();
        self.act(
            who,
            Action::Say(Submit {
                epoch: Epoch(epoch),
                pseq: Pseq(pseq),
                clock: head.tick().unwrap(),
                seen: head,
                sent_at: UnixMicros(7),
                audience,
                text: format!("text {pseq} of {who}"),
            }),
        );
    }
}

/// Entries 1 to 20, of every kind.
fn story() -> Vec<Record> {
    let mut life = Life::default();
    life.began(1);
    life.enter(ANA, "ana", 1);
    life.enter(BOB, "bob", 1);
    life.enter(EVA, "eva", 1);
    life.say(ANA, 1, 1, Audience::All); // 5
    life.say(BOB, 1, 1, Audience::Unicast(nick("ana")));
    let both = vec![nick("eva"), nick("bob")];
    life.say(ANA, 1, 2, Audience::Multicast(both));
    life.act(ANA, Action::Join { room: room("lab") });
    life.act(BOB, Action::Join { room: room("lab") });
    life.say(BOB, 1, 2, Audience::Room(room("lab"))); // 10
    life.say(ANA, 1, 3, Audience::Unicast(nick("nobody")));
    life.act(EVA, Action::Rename { nick: nick("Evi") });
    life.say(ANA, 1, 2, Audience::All);
    life.say(ANA, 1, 4, Audience::Unicast(nick("eva")));
    life.began(2); // 15
    life.enter(ANA, "ana", 5);
    life.say(ANA, 5, 1, Audience::All);
    life.act(ANA, Action::Leave { room: room("lab") });
    life.act(BOB, Action::Leave { room: room("lab") });
    life.act(BOB, Action::Join { room: room("lab") }); // 20
    life.say(BOB, 1, 3, Audience::All);
    life.records
}

fn judge(records: &[Record]) -> (Judge, Result<(), Box<Violation>>) {
    let mut judge = Judge::default();
    let judged = records.iter().try_for_each(|record| judge.admit(record));
    (judge, judged)
}

#[test]
fn a_good_journal_is_found_good() {
    let records = story();
    let (judge, judged) = judge(&records);
    assert_eq!(judged, Ok(()));
    let expected = Judgement {
        entries: 21,
        messages: 7,
        refused: 1,
        term: Term(2),
        last_stamp: Lamport::new(16),
        members: 3,
    };
    assert_eq!(judge.judgement(), expected);
    let clock = judge.remarks().next();
    assert_eq!(clock, None);
}

/// After `edit`, the entry at `index` is named, for `fault`, against `against`.
#[track_caller]
fn check(edit: impl FnOnce(&mut Vec<Record>), fault: &str, index: u64, against: u64) {
    let mut records = story();
    edit(&mut records);
    let violation = *judge(&records).1.unwrap_err();
    let got = (
        violation.fault.name(),
        violation.entry.index.0,
        violation.against.0,
    );
    assert_eq!(got, (fault, index, against), "{violation}");
}

fn message(records: &mut [Record], index: usize) -> &mut RecordedMessage {
    match &mut records[index - 1].event {
        Recorded::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

/// Counts entries anew, as a forger would.
fn renumber(records: &mut [Record]) {
    for (place, record) in records.iter_mut().enumerate() {
        record.index = LogIndex(place as u64 + 1);
    }
}

#[test]
fn places_and_stamps() {
    check(|all| drop(all.remove(6)), "index", 8, 6);
    check(|all| all.insert(6, all[5].clone()), "index", 6, 6);
    check(|all| drop(all.remove(0)), "index", 2, 0);
    let renumbered = |all: &mut Vec<Record>| {
        all.remove(6);
        renumber(all);
    };
    check(renumbered, "follows", 7, 6);
    check(|all| all[9].stamp = Lamport::new(9), "stamp", 10, 9);
    check(|all| all[9].stamp = Lamport::new(3), "stamp", 10, 9);
    check(|all| all[11].stamp = Lamport::new(6), "follows", 12, 10);
    check(|all| all[11].stamp = Lamport::new(2), "follows", 12, 10);
    let swapped = |all: &mut Vec<Record>| {
        all.swap(4, 5);
        renumber(all);
    };
    check(swapped, "clock-ahead", 5, 4);
    check(
        |all| all[14].event = Recorded::Began { term: Term(1) },
        "term",
        15,
        1,
    );
    let no_term = |all: &mut Vec<Record>| {
        all.remove(0);
        renumber(all);
    };
    check(no_term, "term", 1, 0);
}

#[test]
fn clocks_and_causes() {
    check(
        |all| message(all, 10).clock = Lamport::new(8),
        "clock-ahead",
        10,
        9,
    );
    check(
        |all| message(all, 10).seen = Lamport::new(7),
        "seen-ahead",
        10,
        9,
    );
    let clock = |to| Recorded::Clock {
        clock: Lamport::new(to),
    };
    check(|all| all[12].event = clock(11), "clock-move", 13, 12);
    check(|all| all[12].event = clock(9), "clock-move", 13, 12);
    let refused = |all: &mut Vec<Record>| match &mut all[10].event {
        Recorded::Refused { clock, .. } => *clock = Lamport::new(10),
        other => panic!("{other:?}"),
    };
    check(refused, "clock-ahead", 11, 10);
}

#[test]
fn authors_and_their_messages() {
    check(|all| message(all, 7).pseq = Pseq(1), "pseq-repeated", 7, 5);
    check(|all| message(all, 7).pseq = Pseq(3), "pseq-gap", 7, 5);
    check(
        |all| message(all, 17).epoch = Epoch(1),
        "epoch-order",
        17,
        16,
    );
    check(
        |all| message(all, 17).epoch = Epoch(0),
        "epoch-order",
        17,
        16,
    );
    check(|all| message(all, 17).pseq = Pseq(2), "pseq-gap", 17, 16);
    check(
        |all| message(all, 10).member = MemberId(0),
        "nick-not-held",
        10,
        2,
    );
    check(
        |all| message(all, 10).member = MemberId(9),
        "unknown-member",
        10,
        0,
    );
    let forged = |all: &mut Vec<Record>| {
        let message = message(all, 10);
        (message.member, message.from) = (MemberId(0), nick("ana"));
    };
    check(forged, "pseq-repeated", 10, 7);
    check(
        |all| message(all, 10).from = nick("Bob"),
        "nick-not-held",
        10,
        3,
    );
    check(|all| message(all, 10).text.clear(), "text-empty", 10, 0);
    let long = |all: &mut Vec<Record>| message(all, 10).text = "x".repeat(TEXT_BYTES_MAX + 1);
    check(long, "text-too-long", 10, 0);
}

#[test]
fn claims_and_names() {
    let claim = |number, who, epoch, name| Recorded::Claimed {
        member: MemberId(number),
        author: AuthorKey([who; 32]),
        epoch: Epoch(epoch),
        nick: nick(name),
    };
    check(
        |all| all[3].event = claim(7, EVA, 1, "eva"),
        "member-number",
        4,
        0,
    );
    check(
        |all| all[3].event = claim(1, EVA, 1, "eva"),
        "member-number",
        4,
        3,
    );
    check(
        |all| all[3].event = claim(2, EVA, 1, "BOB"),
        "nick-taken",
        4,
        3,
    );
    check(
        |all| all[3].event = claim(1, ANA, 2, "eva"),
        "another-member",
        4,
        2,
    );
    check(
        |all| all[15].event = claim(0, ANA, 1, "ana"),
        "nothing-changed",
        16,
        14,
    );
    check(
        |all| all[15].event = claim(0, ANA, 0, "ana"),
        "epoch-order",
        16,
        14,
    );
    check(
        |all| all[15].event = claim(0, ANA, 5, "bob"),
        "nick-taken",
        16,
        3,
    );
    let rename = |number, from, to| Recorded::Renamed {
        member: MemberId(number),
        from: nick(from),
        to: nick(to),
    };
    check(
        |all| all[11].event = rename(2, "Eva", "Evi"),
        "nick-not-held",
        12,
        4,
    );
    check(
        |all| all[11].event = rename(2, "eva", "eva"),
        "nothing-changed",
        12,
        4,
    );
    check(
        |all| all[11].event = rename(2, "eva", "ana"),
        "nick-taken",
        12,
        2,
    );
    check(
        |all| all[11].event = rename(8, "eva", "ana"),
        "unknown-member",
        12,
        0,
    );
}

fn numbers<const N: usize>(members: [u32; N]) -> To {
    To::Members(members.into_iter().map(MemberId).collect::<Arc<[_]>>())
}

#[test]
fn audiences() {
    check(|all| message(all, 6).to = numbers([2]), "recipients", 6, 0);
    check(
        |all| message(all, 6).to = numbers([0, 2]),
        "recipients",
        6,
        0,
    );
    check(|all| message(all, 6).to = To::All, "recipients", 6, 0);
    check(
        |all| message(all, 7).to = numbers([2, 1]),
        "recipients",
        7,
        0,
    );
    check(|all| message(all, 7).to = numbers([1]), "recipients", 7, 0);
    check(
        |all| message(all, 5).to = numbers([1, 2]),
        "recipients",
        5,
        0,
    );
    let to = |name| Audience::Unicast(nick(name));
    check(
        |all| message(all, 6).audience = to("eva"),
        "recipients",
        6,
        0,
    );
    check(
        |all| message(all, 6).audience = to("Ana"),
        "audience-nick",
        6,
        2,
    );
    check(
        |all| message(all, 14).audience = to("eva"),
        "audience-nick",
        14,
        12,
    );
    check(
        |all| message(all, 6).audience = to("rui"),
        "unknown-nick",
        6,
        0,
    );
    check(
        |all| message(all, 6).audience = to("bob"),
        "author-receives",
        6,
        3,
    );
    let many = |names: [&str; 2]| Audience::Multicast(names.map(nick).to_vec());
    check(
        |all| message(all, 7).audience = many(["eva", "eva"]),
        "named-twice",
        7,
        4,
    );
    check(
        |all| message(all, 7).audience = Audience::Multicast(vec![]),
        "no-recipient",
        7,
        0,
    );
}

#[test]
fn rooms() {
    let in_room = |name| Audience::Room(room(name));
    check(
        |all| message(all, 10).audience = in_room("bar"),
        "unknown-room",
        10,
        0,
    );
    check(
        |all| message(all, 10).audience = in_room("Lab"),
        "room-name",
        10,
        8,
    );
    check(
        |all| message(all, 10).to = To::Room(RoomId(1)),
        "room-number",
        10,
        8,
    );
    let outsider = |all: &mut Vec<Record>| {
        let message = message(all, 17);
        (message.audience, message.to) = (in_room("lab"), To::Room(RoomId(0)));
        message.member = MemberId(2);
        (message.from, message.epoch) = (nick("Evi"), Epoch(1));
    };
    check(outsider, "not-in-room", 17, 8);
    let joined = |number, name, id, place| Recorded::RoomJoined {
        member: MemberId(number),
        nick: nick(name),
        room: RoomId(id),
        name: room(place),
    };
    check(
        |all| all[8].event = joined(0, "ana", 0, "lab"),
        "in-room",
        9,
        8,
    );
    check(
        |all| all[8].event = joined(1, "bob", 1, "lab"),
        "room-number",
        9,
        8,
    );
    check(
        |all| all[8].event = joined(1, "bob", 0, "LAB"),
        "room-name",
        9,
        8,
    );
    check(
        |all| all[19].event = joined(1, "bob", 0, "lab"),
        "room-number",
        20,
        0,
    );
    let left = |number, name, id| Recorded::RoomLeft {
        member: MemberId(number),
        nick: nick(name),
        room: RoomId(id),
        name: room("lab"),
    };
    check(
        |all| all[17].event = left(2, "Evi", 0),
        "not-in-room",
        18,
        8,
    );
    check(
        |all| all[17].event = left(0, "ana", 4),
        "room-number",
        18,
        8,
    );
    check(
        |all| drop(all.splice(19.., [all[18].clone()])),
        "index",
        19,
        19,
    );
}

#[test]
fn refusals() {
    let coded = |with| {
        move |all: &mut Vec<Record>| match &mut all[10].event {
            Recorded::Refused { code, .. } => *code = with,
            other => panic!("{other:?}"),
        }
    };
    check(coded(RefusalCode::Gap), "settles-nothing", 11, 0);
    check(coded(RefusalCode::StorageFull), "settles-nothing", 11, 0);
}

#[test]
fn what_is_odd_is_told_and_is_no_fault() {
    let mut records = story();
    records[6].at = UnixMicros(3);
    message(&mut records, 14).seen = Lamport::ZERO;
    let last = message(&mut records, 21);
    last.clock = last.seen;
    records[20].stamp = Lamport::new(15);
    let (judge, judged) = judge(&records);
    assert_eq!(judged, Ok(()));
    let met: Vec<_> = judge
        .remarks()
        .map(|(remark, met)| (remark, met.count, met.first.0))
        .collect();
    let expected = [
        (Remark::TimeWentBack, 1, 7),
        (Remark::ClockNotAboveSeen, 1, 21),
        (Remark::SeenWentBack, 1, 14),
    ];
    assert_eq!(met, expected);
}

#[test]
fn who_receives_a_message_is_known_at_its_place() {
    let records = story();
    let mut judge = Judge::default();
    let mut got = String::new();
    for record in &records {
        judge.admit(record).unwrap();
        if let Recorded::Message(message) = &record.event {
            let who = (0..4).filter(|number| judge.receives(MemberId(*number), message));
            let who: Vec<_> = who.map(|number| number.to_string()).collect();
            got.push_str(&format!("{}:{} ", record.index, who.join(",")));
        }
    }
    assert_eq!(got, "5:1,2 6:0 7:1,2 10:0 14:2 17:1,2 21:0,2 ");
}

/// Whatever is asked of the order, in any state, its journal is found good.
#[test]
fn every_journal_that_the_order_makes_is_found_good() {
    for seed in 1..200_u64 {
        let mut random = seed;
        let mut pick = |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        let mut life = Life::default();
        life.began(1);
        let mut term = 1;
        for _ in 0..300 {
            let who = 1 + pick(4) as u8;
            let name = ["ana", "bob", "eva", "rui", "Ana", "lia"][pick(6) as usize];
            let place = room(["lab", "tea", "LAB"][pick(3) as usize]);
            let action = match pick(12) {
                0 | 1 => Action::Enter {
                    nick: nick(name),
                    epoch: Epoch(1 + pick(3)),
                },
                2 => Action::Rename { nick: nick(name) },
                3 | 4 => Action::Join { room: place },
                5 => Action::Leave { room: place },
                6 if pick(4) == 0 => {
                    term += 1;
                    life.began(term);
                    continue;
                }
                _ => {
                    let author = AuthorKey([who; 32]);
                    let settled = life
                        .order
                        .member_of(&author)
                        .and_then(|member| life.order.settled_of(member));
                    let (epoch, last) = settled.unwrap_or((Epoch(1), Pseq(0)));
                    let head = life.order.clock().get();
                    let audience = match pick(4) {
                        0 => Audience::All,
                        1 => Audience::Room(place),
                        2 => Audience::Unicast(nick(name)),
                        _ => Audience::Multicast(vec![nick(name), nick("bob"), nick("ana")]),
                    };
                    Action::Say(Submit {
                        epoch: Epoch(epoch.0 + pick(20) / 19),
                        pseq: Pseq(last.0 + 1 + pick(8) / 7 - pick(8) / 7),
                        clock: Lamport::new(head + 2 - pick(3).min(head)),
                        seen: Lamport::new((head + pick(8) / 7).saturating_sub(pick(3))),
                        sent_at: UnixMicros(1),
                        audience,
                        text: "x".repeat(pick(9) as usize),
                    })
                }
            };
            life.act(who, action);
        }
        let (judge, judged) = judge(&life.records);
        assert_eq!(judged, Ok(()), "seed {seed}");
        assert_eq!(judge.clock(), life.order.clock(), "seed {seed}");
        let judgement = judge.judgement();
        assert_eq!(judgement.last_stamp, life.order.last_stamp());
        assert_eq!(judgement.members, life.order.members_len());
        assert!(
            judgement.members == 0 || judgement.entries > 3,
            "seed {seed}"
        );
    }
}

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
