//! Messages: one that is read is written and read again as itself, in no more bytes than any honest
//! sender needs; whatever stands behind its end, or is missing there, is refused.

use std::fmt::Debug;

use lamparina_protocol::codec::{CodecError, decode, encode};
use lamparina_protocol::message::{
    ChainLink, ChannelSettings, Delivery, Hit, MESSAGE_BYTES_MAX, Mark, PartedDelivery,
    PartedSubmit, Receipt, RefusalCode, SetNick, Submit, TextName, ToClient, ToServer, Trace,
    UserLine, UserList, WhyOrdered,
};
use lamparina_protocol::{
    Audience, AuthorKey, Epoch, Lamport, MemberId, Nick, Prev, Pseq, RoomName, UnixMicros,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A name may grow this many times when it is brought into the form in which it is kept (NFC).
const GROWTH_MAX: usize = 3;

/// Reads the bytes as every message there is.
pub fn codec(input: &[u8]) {
    check::<ToServer>(input);
    check::<ToClient>(input);
    check::<SetNick>(input);
    check::<UserList>(input);
    check::<ChannelSettings>(input);
}

fn check<T: Serialize + DeserializeOwned + Debug + PartialEq>(input: &[u8]) {
    let message = match decode::<T>(input) {
        Ok(message) => message,
        Err(CodecError::Trailing(left)) => {
            assert!((1..=input.len()).contains(&left));
            let whole = decode::<T>(&input[..input.len() - left]);
            assert!(whole.is_ok(), "what stands before the rest is a message");
            return;
        }
        Err(error) => {
            // In words for people, whatever was sent.
            assert!(error.to_string().len() < 1_000, "{error}");
            return;
        }
    };
    let written = encode(&message).expect("what was read fits");
    assert!(written.len() <= MESSAGE_BYTES_MAX);
    assert!(written.len() <= GROWTH_MAX * input.len());
    assert_eq!(decode::<T>(&written).as_ref(), Ok(&message));
    let longer = [&written[..], &[0]].concat();
    assert_eq!(decode::<T>(&longer), Err(CodecError::Trailing(1)));
    if let Some((_, shorter)) = written.split_last() {
        let cut = &written[..shorter.len()];
        assert!(decode::<T>(cut).is_err(), "without its last byte");
    }
}

fn nick(text: &str) -> Nick {
    Nick::try_from(text).expect("only nicks are given")
}

fn room(text: &str) -> RoomName {
    RoomName::try_from(text).expect("only rooms are given")
}

fn seed<T: Serialize>(message: &T) -> Vec<u8> {
    encode(message).expect("seeds are short").to_vec()
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = to_server();
    seeds.extend(to_client());
    let line = UserLine {
        nick: nick("bob"),
        member: MemberId(300),
        author: AuthorKey([9; 32]),
    };
    seeds.push(seed(&SetNick { nick: nick("zoë") }));
    seeds.push(seed(&UserList {
        after: Lamport::new(70_000),
        users: vec![line.clone(), line],
        total: 2,
    }));
    let spec = "loss=20%,delay=80ms".to_owned();
    seeds.push(seed(&ChannelSettings { spec }));
    // Lists and texts that claim more than there is.
    for bomb in [
        &[11, 252, 0x7f, 0xff, 0xff, 0xff, 0][..],
        &[11, 253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0, 1, 1, 1, 1, 1, 1, 252, 0x00, 0xff, 0xff, 0xff, 1, b'a'],
        &[14, 1, b'a', 1, 252, 0x10, 0, 0, 0, 1, 1, 1],
        &[252, 0x7f, 0xff, 0xff, 0xff],
    ] {
        seeds.push(bomb.to_vec());
    }
    seeds
}

fn to_server() -> Vec<Vec<u8>> {
    let submit = |audience| {
        seed(&ToServer::Submit(Submit {
            epoch: Epoch(1_700_000_000_000_000),
            pseq: Pseq(7),
            clock: Lamport::new(251),
            seen: Lamport::new(250),
            sent_at: UnixMicros(1_700_000_000_000_001),
            audience,
            text: "hello".to_owned(),
        }))
    };
    let stamp = Lamport::new(9);
    vec![
        submit(Audience::Unicast(nick("bob"))),
        submit(Audience::Multicast(vec![nick("bob"), nick("zoe\u{308}")])),
        submit(Audience::All),
        submit(Audience::Room(room("lab"))),
        seed(&ToServer::Join { room: room("lab") }),
        seed(&ToServer::Leave { room: room("lab") }),
        seed(&ToServer::Consumed {
            upto: stamp,
            count: 3,
        }),
        seed(&ToServer::History {
            before: stamp,
            count: 10,
        }),
        seed(&ToServer::Find {
            words: "a b".to_owned(),
            before: stamp,
            count: 10,
        }),
        seed(&ToServer::SubmitParted(Box::new(PartedSubmit {
            text: TextName::of(b"hello"),
            rest: Submit {
                epoch: Epoch(1),
                pseq: Pseq(2),
                clock: stamp,
                seen: stamp,
                sent_at: UnixMicros(5),
                audience: Audience::All,
                text: String::new(),
            },
        }))),
        seed(&ToServer::Trace { stamp }),
        seed(&ToServer::Why {
            a: stamp,
            b: Lamport::new(11),
        }),
    ]
}

fn to_client() -> Vec<Vec<u8>> {
    let (stamp, member, after) = (Lamport::new(42), MemberId(2), Lamport::new(40));
    let delivery = Delivery {
        stamp,
        member,
        from: nick("ana"),
        epoch: Epoch(1),
        pseq: Pseq(2),
        clock: Lamport::new(41),
        seen: after,
        sent_at: UnixMicros(5),
        audience: Audience::Room(room("lab")),
        history: false,
        text: "hello".to_owned(),
        prev: Prev(after),
    };
    let hit = Hit {
        stamp,
        from: nick("ana"),
        sent_at: UnixMicros(5),
        audience: Audience::All,
        text: "found".to_owned(),
    };
    let mark = Mark {
        member,
        nick: nick("bob"),
        consumed: stamp,
        at: UnixMicros(6),
    };
    let trace = Trace {
        stamp,
        from: nick("ana"),
        epoch: Epoch(1),
        pseq: Pseq(2),
        audience: Audience::Unicast(nick("bob")),
        sent_at: UnixMicros(5),
        stored_at: UnixMicros(6),
        entry: 50,
        chain: [3; 32],
        of: 1,
        delivered: 1,
        marks: vec![mark],
    };
    let link = ChainLink {
        stamp,
        from: nick("ana"),
        seen: after,
    };
    let receipt = Receipt {
        stamp,
        delivered: 1,
        of: 2,
    };
    let entered = ToClient::Entered {
        nick: nick("ana"),
        member,
        clock: stamp,
        settled: Pseq(3),
        resumed: after,
        gap: false,
        newest: stamp,
        rewound: true,
        same: after,
        left: 300,
    };
    let text = "no such user".to_owned();
    let code = RefusalCode::UnknownUser;
    let (from, to) = (nick("ana"), nick("bob"));
    vec![
        seed(&ToClient::Message(delivery.clone())),
        seed(&ToClient::MessageParted(Box::new(PartedDelivery {
            text: TextName::of(b"hello"),
            rest: Delivery {
                text: String::new(),
                ..delivery
            },
        }))),
        seed(&ToClient::Committed {
            epoch: Epoch(1),
            pseq: Pseq(2),
            stamp,
        }),
        seed(&ToClient::Refused {
            epoch: Epoch(1),
            pseq: Pseq(2),
            code,
            text: text.clone(),
        }),
        seed(&entered),
        seed(&ToClient::Joined {
            nick: nick("ana"),
            member,
            author: AuthorKey([1; 32]),
            after,
        }),
        seed(&ToClient::Left {
            nick: nick("ana"),
            after,
        }),
        seed(&ToClient::Renamed { from, to, after }),
        seed(&ToClient::RoomJoined {
            nick: nick("ana"),
            room: room("lab"),
            after,
        }),
        seed(&ToClient::RoomLeft {
            nick: nick("ana"),
            room: room("lab"),
            after,
        }),
        seed(&ToClient::Error { code, text }),
        seed(&ToClient::History {
            count: 50,
            more: true,
        }),
        seed(&ToClient::Found {
            hits: vec![hit.clone(), hit],
            more: false,
            upto: stamp,
        }),
        seed(&ToClient::Trace(Box::new(trace))),
        seed(&ToClient::Why {
            earlier: after,
            later: stamp,
            reason: WhyOrdered::Seen,
            chain: vec![link.clone(), link],
            hidden: vec![after],
            left_out: 300,
        }),
        seed(&ToClient::Receipts {
            by: nick("bob"),
            member,
            messages: vec![receipt, receipt],
        }),
    ]
}
