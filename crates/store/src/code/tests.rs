use proptest::prelude::*;

use super::*;
use crate::chain::Chainer;
use crate::testing::{any_record, message, record};
use crate::traits::Chain;
use lamparina_order::{InviteHash, InviteId, Recorded, RoomId, To};
use lamparina_protocol::{
    Audience, AuthorKey, Epoch, Lamport, LogId, MemberId, Pseq, Term, UnixMicros,
};

#[track_caller]
fn check(event: Recorded, expected: (i64, Option<i64>, &str, &str, &[u8], &str)) {
    let record = record(7, 5, event);
    let mut encoder = Encoder::default();
    let row = encoder.encode(&record).unwrap();
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or(b"-").to_vec()).unwrap();
    assert_eq!((row.index, row.stamp, row.at), (7, 5, 1_000_007));
    assert_eq!(
        (
            row.kind,
            row.member,
            &*text(row.from),
            &*text(row.to),
            row.detail,
            &*text(row.text)
        ),
        expected
    );
    assert_eq!(row.decode().unwrap(), record);
}

#[test]
fn rows_are_what_the_table_says() {
    let ana = || "ana".try_into().unwrap();
    check(
        Recorded::Began { term: Term(300) },
        (1, None, "-", "-", &[0xac, 2], "-"),
    );
    check(
        Recorded::Clock {
            clock: Lamport::new(127),
        },
        (2, None, "-", "-", &[127], "-"),
    );
    let claimed = Recorded::Claimed {
        member: MemberId(3),
        author: AuthorKey([9; 32]),
        epoch: Epoch(1),
        nick: ana(),
    };
    check(
        claimed,
        (3, Some(3), "ana", "-", &[&[9; 32][..], &[1]].concat(), "-"),
    );
    let renamed = Recorded::Renamed {
        member: MemberId(3),
        from: ana(),
        to: "zoë".try_into().unwrap(),
    };
    check(renamed, (4, Some(3), "ana", "zoë", &[], "-"));
    let joined = Recorded::RoomJoined {
        member: MemberId(3),
        nick: ana(),
        room: RoomId(2),
        name: "lab".try_into().unwrap(),
    };
    check(joined, (5, Some(3), "ana", "#lab", &[2], "-"));
    let refused = Recorded::Refused {
        member: MemberId(3),
        epoch: Epoch(1),
        pseq: Pseq(2),
        clock: Lamport::new(3),
        code: RefusalCode::UnknownUser,
    };
    check(refused, (8, Some(3), "-", "-", &[1, 2, 3, 3], "-"));
}

#[test]
fn what_operators_ask_is_what_the_table_says() {
    let by = || "uid 7".to_owned();
    let by_bytes = b"\x05uid 7";
    let made = Recorded::InviteMade {
        invite: InviteId(300),
        hash: InviteHash([9; 32]),
        uses: 2,
        expires_at: UnixMicros(1),
        by: by(),
    };
    let detail = [&[0xac, 2][..], &[9; 32], &[2, 1], by_bytes].concat();
    check(made, (9, None, "-", "-", &detail, "-"));
    let invite = InviteId(1);
    let revoked = Recorded::InviteRevoked { invite, by: by() };
    let detail = [&[1][..], by_bytes].concat();
    check(revoked, (10, None, "-", "-", &detail, "-"));
    let (member, nick) = (MemberId(3), || "ana".try_into().unwrap());
    let redeemed = Recorded::Redeemed {
        member,
        author: AuthorKey([9; 32]),
        epoch: Epoch(1),
        nick: nick(),
        invite,
    };
    let detail = [&[9; 32][..], &[1, 1]].concat();
    check(redeemed, (11, Some(3), "ana", "-", &detail, "-"));
    let banned = Recorded::Banned {
        member,
        nick: nick(),
        by: by(),
        reason: "zoë".to_owned(),
    };
    let detail = [&by_bytes[..], &[4], "zoë".as_bytes()].concat();
    check(banned, (12, Some(3), "ana", "-", &detail, "-"));
    let unbanned = Recorded::Unbanned {
        member,
        nick: nick(),
        by: by(),
    };
    check(unbanned, (13, Some(3), "ana", "-", by_bytes, "-"));
}

#[test]
fn messages_are_what_the_table_says() {
    let all = message(1, 2, 5, "hi");
    check(
        Recorded::Message(all.clone()),
        (7, Some(1), "m1", "ALL", &[2, 1, 2, 4, 3, 9], "hi"),
    );
    let mut two = all.clone();
    two.audience = Audience::Multicast(vec!["bob".try_into().unwrap(), "al".try_into().unwrap()]);
    two.to = To::Members([MemberId(4), MemberId(6)].into());
    check(
        Recorded::Message(two),
        (
            7,
            Some(1),
            "m1",
            "bob,al",
            &[1, 1, 2, 4, 3, 9, 2, 4, 2],
            "hi",
        ),
    );
    let mut room = all;
    room.audience = Audience::Room("lab".try_into().unwrap());
    room.to = To::Room(RoomId(8));
    check(
        Recorded::Message(room),
        (7, Some(1), "m1", "#lab", &[3, 1, 2, 4, 3, 9, 8], "hi"),
    );
}

#[test]
fn codes_have_their_own_numbers() {
    for number in 0..=u8::MAX {
        if let Some(code) = code_of(number) {
            assert_eq!(number_of(code), number);
        }
    }
    assert_eq!((1..=20).filter_map(code_of).count(), 20);
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Columns<'_>), expected: CodeError) {
    let record = record(7, 5, Recorded::Message(message(1, 2, 5, "hi")));
    let mut encoder = Encoder::default();
    let mut row = encoder.encode(&record).unwrap();
    change(&mut row);
    assert_eq!(row.decode(), Err(expected));
}

#[test]
fn what_is_not_canonical_is_refused() {
    use CodeError::*;
    refused(|row| row.index = -1, Range("log_index"));
    refused(|row| row.member = Some(1 << 32), Range("member"));
    refused(|row| row.kind = 14, Kind(14));
    refused(|row| row.kind = kind::REFUSED, Column("from", 8));
    refused(|row| row.text = None, Column("text", 7));
    refused(|row| row.text = Some(&[0xff]), Utf8("text"));
    refused(|row| row.to = Some(b"all"), Name("to", "all".into()));
    // "e" and a combining mark, where names are kept composed.
    refused(
        |row| row.from = Some("Zoe\u{308}".as_bytes()),
        Name("from", "Zoe\u{308}".into()),
    );
    refused(
        |row| row.detail = &[2, 1, 2, 4, 3, 9, 0],
        Detail("something follows its end"),
    );
    refused(|row| row.detail = &[2, 1, 2, 4, 3], Detail("too short"));
    refused(
        |row| row.detail = &[2, 0x81, 0, 2, 4, 3, 9],
        Detail("a number is longer than it must be"),
    );
    refused(
        |row| {
            row.detail = &[
                2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2, 2, 4, 3, 9,
            ]
        },
        Detail("a number is too large"),
    );
    refused(
        |row| (row.to, row.detail) = (Some(&b"b,c"[..]), &[1, 1, 2, 4, 3, 9, 2, 4, 0]),
        Detail("members are not in ascending order"),
    );
    refused(
        |row| (row.to, row.detail) = (Some(&b"b,c"[..]), &[1, 1, 2, 4, 3, 9, 129, 2]),
        Detail("too many members"),
    );
}

/// Every way to change one column of a row.
fn changed<'a>(row: &Columns<'a>, other: &Columns<'a>) -> Vec<Columns<'a>> {
    let flip = |bytes: Option<&'a [u8]>| match bytes {
        None => Some(&b""[..]),
        Some(_) => None,
    };
    let mut rows = vec![
        Columns {
            index: row.index ^ 1,
            ..*row
        },
        Columns {
            kind: row.kind ^ 1,
            ..*row
        },
        Columns {
            stamp: row.stamp ^ 1,
            ..*row
        },
        Columns {
            at: row.at ^ 1,
            ..*row
        },
        Columns {
            member: row.member.map_or(Some(0), |_| None),
            ..*row
        },
        Columns {
            from: flip(row.from),
            ..*row
        },
        Columns {
            to: flip(row.to),
            ..*row
        },
        Columns {
            text: flip(row.text),
            ..*row
        },
        Columns {
            detail: b"\xff\xff",
            ..*row
        },
        Columns {
            from: other.from,
            ..*row
        },
        Columns {
            to: other.to,
            ..*row
        },
        Columns {
            text: other.text,
            ..*row
        },
        // The same bytes on the other side of a border.
        Columns {
            from: row.to,
            to: row.from,
            ..*row
        },
    ];
    rows.retain(|changed| changed != row);
    rows
}

proptest! {
    #[test]
    fn a_record_has_one_row(record in any_record()) {
        let mut encoder = Encoder::default();
        let row = encoder.encode(&record).unwrap();
        prop_assert_eq!(row.decode(), Ok(record.clone()));
    }

    #[test]
    fn a_row_that_decodes_is_the_one_its_record_has(
        record in any_record(),
        at in 0_usize..40,
        byte: u8,
        cut in 0_usize..40,
    ) {
        let mut encoder = Encoder::default();
        let row = encoder.encode(&record).unwrap();
        let mut detail = row.detail.to_vec();
        if let Some(place) = detail.get_mut(at) {
            *place = byte;
        }
        detail.truncate(detail.len() - cut.min(detail.len()) / 8);
        let changed = Columns { detail: &detail, ..row };
        if let Ok(other) = changed.decode() {
            let mut encoder = Encoder::default();
            prop_assert_eq!(encoder.encode(&other), Ok(changed));
        }
    }

    #[test]
    fn any_changed_column_changes_the_chain(a in any_record(), b in any_record(), log: [u8; 16]) {
        let (mut one, mut two, mut chainer) =
            (Encoder::default(), Encoder::default(), Chainer::default());
        let genesis = Chain::genesis(LogId(log));
        let row = one.encode(&a).unwrap();
        let chain = chainer.next(genesis, &row);
        for other in changed(&row, &two.encode(&b).unwrap()) {
            prop_assert_ne!(chainer.next(genesis, &other), chain, "{:?}", other);
        }
        prop_assert_ne!(chainer.next(chain, &row), chain);
    }
}
