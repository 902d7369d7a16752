//! One entry is made wrong, and that is what is found.

use super::*;

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
