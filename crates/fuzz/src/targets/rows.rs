//! Rows of a journal: one that is read as a record is exactly the row that the record has.

use lamparina_order::{LogIndex, Record, Recorded, RecordedMessage, RoomId, To};
use lamparina_protocol::message::RefusalCode;
use lamparina_protocol::{
    Audience, AuthorKey, Epoch, Lamport, MemberId, Nick, Pseq, RoomName, Term, UnixMicros,
};
use lamparina_store::Chain;
use lamparina_store::chain::Chainer;
use lamparina_store::code::{Columns, Encoder};

use crate::choices::Choices;

/// Column by column: which are there, the numbers, the texts; then what it stands for.
pub fn rows(input: &[u8]) {
    let mut choices = Choices::new(input);
    let there = choices.byte();
    let kind = match choices.below(16) {
        0 => choices.u64() as i64,
        small => small as i64,
    };
    let has = |bit: u8| there >> bit & 1 == 1;
    let number = |choices: &mut Choices<'_>| match choices.flag() {
        true => choices.u64() as i64,
        false => i64::from(choices.u16()),
    };
    let row = Columns {
        index: number(&mut choices),
        kind,
        stamp: number(&mut choices),
        at: number(&mut choices),
        member: has(0).then(|| number(&mut choices)),
        from: has(1).then(|| choices.bytes(80)),
        to: has(2).then(|| choices.bytes(200)),
        text: has(3).then(|| choices.bytes(200)),
        detail: choices.rest(),
    };
    // Also what nobody wrote has a chain, and another one than its neighbour.
    let mut chainer = Chainer::default();
    let chain = chainer.next(Chain([0; 32]), &row);
    let other = Columns {
        stamp: row.stamp ^ 1,
        ..row
    };
    assert_ne!(chainer.next(Chain([0; 32]), &other), chain);
    let Ok(record) = row.decode() else { return };
    let mut encoder = Encoder::default();
    assert_eq!(encoder.encode(&record).as_ref(), Ok(&row));
}

/// The input that is read as `row`.
fn input_of(row: &Columns<'_>) -> Vec<u8> {
    let columns = [row.from, row.to, row.text];
    let there = u8::from(row.member.is_some())
        | columns.iter().enumerate().fold(0, |bits, (place, column)| {
            bits | u8::from(column.is_some()) << (place + 1)
        });
    let mut input = vec![there, row.kind as u8];
    for number in [Some(row.index), Some(row.stamp), Some(row.at), row.member] {
        let Some(number) = number else { continue };
        input.push(1);
        input.extend_from_slice(&number.to_be_bytes());
    }
    for column in columns.into_iter().flatten() {
        input.extend_from_slice(&(column.len() as u16).to_be_bytes());
        input.extend_from_slice(column);
    }
    input.extend_from_slice(row.detail);
    input
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let nick = |text: &str| Nick::try_from(text).expect("only nicks are given");
    let name = RoomName::try_from("lab").expect("a room's name");
    let (member, room, epoch) = (MemberId(3), RoomId(1), Epoch(1_700_000_000_000_000));
    let said = |audience, to| {
        Recorded::Message(RecordedMessage {
            member,
            from: nick("ana"),
            epoch,
            pseq: Pseq(5),
            clock: Lamport::new(8),
            seen: Lamport::new(7),
            sent_at: UnixMicros(9),
            audience,
            to,
            text: "hello".to_owned(),
        })
    };
    let (bob, zoe) = (MemberId(4), MemberId(200));
    let two = vec![nick("bob"), nick("zoë")];
    let events = [
        Recorded::Began { term: Term(2) },
        Recorded::Clock {
            clock: Lamport::new(300),
        },
        Recorded::Claimed {
            member,
            author: AuthorKey([5; 32]),
            epoch,
            nick: nick("ana"),
        },
        Recorded::Renamed {
            member,
            from: nick("ana"),
            to: nick("eva"),
        },
        Recorded::RoomJoined {
            member,
            nick: nick("ana"),
            room,
            name: name.clone(),
        },
        Recorded::RoomLeft {
            member,
            nick: nick("ana"),
            room,
            name: name.clone(),
        },
        said(Audience::All, To::All),
        said(Audience::Room(name), To::Room(room)),
        said(Audience::Unicast(nick("bob")), To::Members([bob].into())),
        said(Audience::Multicast(two), To::Members([bob, zoe].into())),
        Recorded::Refused {
            member,
            epoch,
            pseq: Pseq(6),
            clock: Lamport::new(9),
            code: RefusalCode::Gap,
        },
    ];
    let mut encoder = Encoder::default();
    events
        .into_iter()
        .map(|event| {
            let record = Record {
                index: LogIndex(12),
                at: UnixMicros(1_000_000),
                stamp: Lamport::new(9),
                event,
            };
            input_of(&encoder.encode(&record).expect("these have rows"))
        })
        .collect()
}
