//! Messages are on the wire as section 8 of `docs/protocol.md` says: each has golden bytes, written from
//! that document by hand.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Debug;

use lamparina_protocol::audience::AUDIENCE_USERS_MAX;
use lamparina_protocol::codec::{CodecError, decode, encode};
use lamparina_protocol::message::{
    CHAIN_MAX, ChainLink, ChannelSettings, Delivery, Hit, Mark, PartedDelivery, PartedSubmit,
    Receipt, RefusalCode, SetNick, Submit, TextName, ToClient, ToServer, Trace, UserLine, UserList,
    WhyOrdered,
};
use lamparina_protocol::{
    Audience, AuthorKey, Epoch, Lamport, MemberId, Nick, Prev, Pseq, RoomName, UnixMicros,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn nick(text: &str) -> Nick {
    Nick::try_from(text).unwrap()
}

fn room(text: &str) -> RoomName {
    RoomName::try_from(text).unwrap()
}

fn at(stamp: u64) -> Lamport {
    Lamport::new(stamp)
}

#[track_caller]
fn check<T: Serialize + DeserializeOwned + Debug + PartialEq>(message: T, parts: &[&[u8]]) {
    let bytes = parts.concat();
    assert_eq!(encode(&message).unwrap()[..], bytes, "{message:?}");
    assert_eq!(decode::<T>(&bytes).unwrap(), message);
    for end in 0..bytes.len() {
        assert!(decode::<T>(&bytes[..end]).is_err(), "{message:?} to {end}");
    }
}

#[test]
fn requests() {
    check(SetNick { nick: nick("ana") }, &[b"\x03ana"]);
    let spec = "off".to_owned();
    check(ChannelSettings { spec }, &[b"\x03off"]);
    let submit = |audience| {
        ToServer::Submit(Submit {
            epoch: Epoch(1_700_000_000_000_000),
            pseq: Pseq(250),
            clock: at(251),
            seen: at(65_536),
            sent_at: UnixMicros(0),
            audience,
            text: "hi".to_owned(),
        })
    };
    // Markers 253, 251 and 252 stand before eight, two and four bytes.
    let head: &[u8] =
        b"\x00\xfd\x00\x06\x0a\x24\x18\x1e\x40\x00\xfa\xfb\x00\xfb\xfc\x00\x01\x00\x00\x00";
    check(
        submit(Audience::Unicast(nick("bo"))),
        &[head, b"\x00\x02bo\x02hi"],
    );
    let named = vec![nick("bo"), nick("al")];
    check(
        submit(Audience::Multicast(named)),
        &[head, b"\x01\x02\x02bo\x02al\x02hi"],
    );
    check(submit(Audience::All), &[head, b"\x02\x02hi"]);
    check(
        submit(Audience::Room(room("lab"))),
        &[head, b"\x03\x03lab\x02hi"],
    );
    check(ToServer::Join { room: room("lab") }, &[b"\x01\x03lab"]);
    check(ToServer::Leave { room: room("lab") }, &[b"\x02\x03lab"]);
    check(
        ToServer::Consumed {
            upto: at(9),
            count: 2,
        },
        &[b"\x03\x09\x02"],
    );
    check(
        ToServer::History {
            before: at(9),
            count: 50,
        },
        &[b"\x04\x09\x32"],
    );
    let words = "lamp oil".to_owned();
    let find = ToServer::Find {
        words,
        before: at(0),
        count: 1_000,
    };
    check(find, &[b"\x05\x08lamp oil\x00\xfb\x03\xe8"]);
    check(ToServer::Trace { stamp: at(7) }, &[b"\x06\x07"]);
    check(ToServer::Why { a: at(1), b: at(2) }, &[b"\x07\x01\x02"]);
    let code = "K7QF-2M9X".to_owned();
    check(ToServer::Invite { code }, &[b"\x08\x09K7QF-2M9X"]);
    let password = "correct horse".to_owned();
    check(ToServer::Password { password }, &[b"\x09\x0dcorrect horse"]);
    let ToServer::Submit(mut rest) = submit(Audience::All) else {
        panic!("it is one");
    };
    rest.text = String::new();
    let text = TextName {
        digest: [0xab; 32],
        bytes: 262_144,
    };
    let parted = ToServer::SubmitParted(Box::new(PartedSubmit { text, rest }));
    let name: &[u8] = &[&[0xab; 32][..], b"\xfc\x00\x04\x00\x00"].concat();
    check(parted, &[b"\x0a", name, &head[1..], b"\x02\x00"]);
}

#[test]
fn orders_and_events() {
    let delivery = Delivery {
        stamp: at(42),
        member: MemberId(3),
        from: nick("ana"),
        epoch: Epoch(1),
        pseq: Pseq(2),
        clock: at(41),
        seen: at(40),
        sent_at: UnixMicros(5),
        audience: Audience::All,
        history: true,
        text: "hi".to_owned(),
        prev: Prev(at(40)),
    };
    let bytes: &[u8] = b"\x00\x2a\x03\x03ana\x01\x02\x29\x28\x05\x02\x01\x02hi\0\0\0\0\0\0\0\x28";
    check(ToClient::Message(delivery.clone()), &[bytes]);
    // All but the text, and the recipient's own eight bytes last.
    let text = TextName {
        digest: [0xcd; 32],
        bytes: 9_000,
    };
    let rest = Delivery {
        text: String::new(),
        ..delivery
    };
    let parted = ToClient::MessageParted(Box::new(PartedDelivery { text, rest }));
    let name: &[u8] = &[&[0xcd; 32][..], b"\xfb\x23\x28"].concat();
    let (head, prev) = bytes[1..].split_at(bytes.len() - 12);
    check(parted, &[b"\x0f", name, head, b"\0", &prev[3..]]);
    let (epoch, pseq) = (Epoch(1), Pseq(2));
    check(
        ToClient::Committed {
            epoch,
            pseq,
            stamp: at(9),
        },
        &[b"\x01\x01\x02\x09"],
    );
    let (code, text) = (RefusalCode::NoRecipient, "no".to_owned());
    check(
        ToClient::Refused {
            epoch,
            pseq,
            code,
            text,
        },
        &[b"\x02\x01\x02\x03\x02no"],
    );
    let entered = ToClient::Entered {
        nick: nick("ana"),
        member: MemberId(3),
        clock: at(44),
        settled: Pseq(7),
        resumed: at(40),
        gap: false,
        newest: at(43),
        rewound: true,
        same: at(39),
        left: 1_000,
    };
    check(
        entered,
        &[b"\x03\x03ana\x03\x2c\x07\x28\x00\x2b\x01\x27\xfb\x03\xe8"],
    );
    let (key, after) = (AuthorKey([0xA5; 32]), at(6));
    let joined = ToClient::Joined {
        nick: nick("bo"),
        member: MemberId(4),
        author: key,
        after,
    };
    check(joined, &[b"\x04\x02bo\x04", &[0xA5; 32], b"\x06"]);
    check(
        ToClient::Left {
            nick: nick("bo"),
            after,
        },
        &[b"\x05\x02bo\x06"],
    );
    let (from, to) = (nick("bo"), nick("bob"));
    check(
        ToClient::Renamed { from, to, after },
        &[b"\x06\x02bo\x03bob\x06"],
    );
    let (nick, room) = (nick("bo"), room("lab"));
    let came = ToClient::RoomJoined {
        nick: nick.clone(),
        room: room.clone(),
        after,
    };
    check(came, &[b"\x07\x02bo\x03lab\x06"]);
    check(
        ToClient::RoomLeft {
            nick: nick.clone(),
            room,
            after,
        },
        &[b"\x08\x02bo\x03lab\x06"],
    );
    let (code, text) = (RefusalCode::NotAdmitted, "no".to_owned());
    check(ToClient::Error { code, text }, &[b"\x09\x13\x02no"]);
    let users = vec![UserLine {
        nick,
        member: MemberId(4),
        author: key,
    }];
    let list = UserList {
        after,
        users,
        total: 2,
    };
    check(list, &[b"\x06\x01\x02bo\x04", &[0xA5; 32], b"\x02"]);
}

#[test]
fn answers() {
    check(
        ToClient::History {
            count: 50,
            more: true,
        },
        &[b"\x0a\x32\x01"],
    );
    let hit = Hit {
        stamp: at(9),
        from: nick("ana"),
        sent_at: UnixMicros(5),
        audience: Audience::Room(room("lab")),
        text: "hi".to_owned(),
    };
    let found = ToClient::Found {
        hits: vec![hit],
        more: false,
        upto: at(11),
    };
    check(
        found,
        &[b"\x0b\x01\x09\x03ana\x05\x03\x03lab\x02hi\x00\x0b"],
    );
    let mark = Mark {
        member: MemberId(2),
        nick: nick("bo"),
        consumed: at(9),
        at: UnixMicros(8),
    };
    let trace = Trace {
        stamp: at(9),
        from: nick("ana"),
        epoch: Epoch(1),
        pseq: Pseq(2),
        audience: Audience::All,
        sent_at: UnixMicros(5),
        stored_at: UnixMicros(6),
        entry: 12,
        chain: [7; 32],
        of: 3,
        delivered: 1,
        marks: vec![mark],
    };
    let trace = ToClient::Trace(Box::new(trace));
    let end: &[u8] = b"\x03\x01\x01\x02\x02bo\x09\x08";
    check(
        trace,
        &[b"\x0c\x09\x03ana\x01\x02\x02\x05\x06\x0c", &[7; 32], end],
    );
    let why = |reason, chain, hidden| ToClient::Why {
        earlier: at(3),
        later: at(9),
        reason,
        chain,
        hidden,
        left_out: 300,
    };
    let link = ChainLink {
        stamp: at(3),
        from: nick("ana"),
        seen: at(2),
    };
    let seen = why(WhyOrdered::Seen, vec![link], vec![at(4), at(9)]);
    check(
        seen,
        &[b"\x0d\x03\x09\x01\x01\x03\x03ana\x02\x02\x04\x09\xfb\x01\x2c"],
    );
    let apart = why(WhyOrdered::Concurrent, Vec::new(), Vec::new());
    check(apart, &[b"\x0d\x03\x09\x02\x00\x00\xfb\x01\x2c"]);
    let receipt = Receipt {
        stamp: at(9),
        delivered: 1,
        of: 3,
    };
    let receipts = ToClient::Receipts {
        by: nick("bo"),
        member: MemberId(2),
        messages: vec![receipt],
    };
    check(receipts, &[b"\x0e\x02bo\x02\x01\x09\x01\x03"]);
}

#[test]
fn the_numbers_of_codes() {
    use RefusalCode::*;
    let codes = [
        NickTaken,
        NickInvalid,
        UnknownUser,
        NoRecipient,
        EmptyText,
        TooLong,
        ClockAhead,
        Gap,
        StaleEpoch,
        TakenOver,
        NotInRoom,
        Limit,
        NotAllowed,
        Malformed,
        ShuttingDown,
        StorageFull,
        NotFound,
        TooFast,
        Banned,
        NotAdmitted,
    ];
    for (number, code) in codes.into_iter().enumerate() {
        check(code, &[&[number as u8]]);
    }
    assert!(decode::<RefusalCode>(&[codes.len() as u8]).is_err());
}

#[test]
fn what_a_list_claims_is_not_believed() {
    // A multicast, and a chain, of 70,000 items that never come.
    let many: &[u8] = b"\xfc\x00\x01\x11\x70";
    let submit: &[u8] = b"\x00\x01\x01\x01\x01\x01\x01";
    let early = |bytes: &[&[u8]]| decode::<ToServer>(&bytes.concat()).unwrap_err().to_string();
    assert!(early(&[submit, many]).contains("ends too early"));
    let chain = [b"\x0d\x03\x09\x01", many].concat();
    assert!(decode::<ToClient>(&chain).is_err());
}

/// Of a longer list of names the order gets one too many, and refuses in words; what only a server
/// sends is malformed.
#[test]
fn a_longer_list_is_cut_or_refused() {
    let named = |names: usize| {
        ToServer::Submit(Submit {
            epoch: Epoch(1),
            pseq: Pseq(1),
            clock: at(1),
            seen: at(0),
            sent_at: UnixMicros(0),
            audience: Audience::Multicast(vec![nick("bo"); names]),
            text: "hi".to_owned(),
        })
    };
    for (sent, kept) in [(0, 0), (256, 256), (257, 257), (20_000, 257)] {
        let bytes = encode(&named(sent)).unwrap();
        assert_eq!(decode::<ToServer>(&bytes).unwrap(), named(kept), "{sent}");
    }
    assert_eq!(AUDIENCE_USERS_MAX, 256);
    let hidden = |stamps: usize| ToClient::Why {
        earlier: at(3),
        later: at(9),
        reason: WhyOrdered::Seen,
        chain: Vec::new(),
        hidden: vec![at(4); stamps],
        left_out: 0,
    };
    let read = |stamps| decode::<ToClient>(&encode(&hidden(stamps)).unwrap());
    assert_eq!(read(CHAIN_MAX), Ok(hidden(CHAIN_MAX)));
    let words = "a list in it is longer than the limit".to_owned();
    assert_eq!(read(CHAIN_MAX + 1), Err(CodecError::Malformed(words)));
}
