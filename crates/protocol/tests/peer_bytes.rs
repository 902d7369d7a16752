//! What peers say is on the wire as section 12 of `docs/protocol.md` says, in one form only; what is signed cannot
//! be changed, and what is private is read by those whom it is for.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use lamparina_protocol::message::TEXT_BYTES_MAX;
use lamparina_protocol::peer::link::{BUNDLE_MAX, HAS_MAX, LINK_MESSAGE_BYTES_MAX};
use lamparina_protocol::peer::message::{
    ENVELOPE_KEY_BYTES, ENVELOPES_MAX, HEADS_MAX, MSG_ID_BYTES_MAX, PEER_ID_BYTES_MAX,
    SEALED_BYTES_MAX, SIGNED_BYTES_MAX,
};
use lamparina_protocol::peer::private::{
    PrivateError, PrivateRecipient, PrivateText, SealingKey, open, seal,
};
use lamparina_protocol::peer::{
    Announcement, Body, Chain, Content, Digest, Envelope, Foreign, Incarnation, LinkMessage,
    MessageName, PeerHello, PeerName, ReadError, SignError, Signed, SignedAnnouncement, signed,
};
use lamparina_protocol::seal::IdentityKey;
use lamparina_protocol::{AuthorKey, Lamport, RoomName, UnixMicros, codec};
use proptest::prelude::*;

fn key(of: u8) -> IdentityKey {
    IdentityKey::from_seed(&[of; 32])
}

fn author(of: u8) -> AuthorKey {
    AuthorKey(key(of).public().0)
}

fn named(text: &str) -> PeerName {
    PeerName::parse(text, &RoomName::try_from("lan").unwrap()).unwrap()
}

fn content() -> Content {
    let chain = Chain {
        author: author(1),
        incarnation: Incarnation(7),
    };
    Content {
        name: MessageName { chain, n: 2 },
        prev: Some(Digest([9; 32])),
        heads: vec![Digest([3; 32]), Digest([4; 32])],
        sent_at: UnixMicros(1_700_000_000_000_000),
        from: named("ana"),
        addr: Some("127.0.0.1:7001".parse().unwrap()),
        body: Body::All("hi".to_owned()),
        foreign: None,
    }
}

/// The greatest content of a body.
fn greatest(body: Body) -> Content {
    let digest = |i: usize| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(i as u64).to_be_bytes());
        Digest(bytes)
    };
    Content {
        heads: (0..HEADS_MAX).map(digest).collect(),
        addr: Some("[::1]:65535".parse().unwrap()),
        body,
        foreign: Some(Foreign {
            peer_id: "p".repeat(PEER_ID_BYTES_MAX),
            msg_id: "m".repeat(MSG_ID_BYTES_MAX),
            addr: Some("[2001:db8::1]:1".parse().unwrap()),
        }),
        ..content()
    }
}

#[track_caller]
fn round_trip(content: &Content) -> Vec<u8> {
    let bytes = content.encode().unwrap();
    assert_eq!(Content::decode(&bytes).as_ref(), Ok(content));
    bytes
}

#[test]
fn content_has_the_bytes_of_12_3() {
    let head = [&[1][..], &author(1).0, &[0, 0, 0, 0, 0, 0, 0, 7]].concat();
    let first = [0, 0, 0, 0, 0, 0, 0, 1, 0, 0];
    let sent_at = 1_700_000_000_000_000_u64.to_be_bytes();
    let from = b"\x03ana\x03lan";
    let addr = [4, 127, 0, 0, 1, 0x1b, 0x59];
    let bytes = round_trip(&content());
    let second = [
        &head[..],
        &[0, 0, 0, 0, 0, 0, 0, 2],
        &[9; 32],
        &[0, 2],
        &[3; 32],
        &[4; 32],
        &sent_at,
        from,
        &addr,
        b"\x00\x00\x00\x00\x02hi\x00",
    ];
    assert_eq!(bytes, second.concat());
    for end in 0..bytes.len() {
        assert!(Content::decode(&bytes[..end]).is_err(), "cut at {end}");
    }

    let mut first_one = content();
    (first_one.name.n, first_one.prev, first_one.heads) = (1, None, Vec::new());
    first_one.addr = None;
    first_one.body = Body::Room(RoomName::try_from("lab").unwrap(), "ola".to_owned());
    first_one.foreign = Some(Foreign {
        peer_id: "rui@lab".to_owned(),
        msg_id: "x1".to_owned(),
        addr: Some("[::1]:2".parse().unwrap()),
    });
    let v6 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2];
    let expected = [
        &head[..],
        &first,
        &sent_at,
        from,
        b"\x00\x01\x03lab\x00\x00\x00\x03ola",
        b"\x01\x00\x07rui@lab\x00\x02x1\x06",
        &v6,
    ];
    assert_eq!(round_trip(&first_one), expected.concat());

    let envelope = Envelope {
        to: author(2),
        key: [5; ENVELOPE_KEY_BYTES],
    };
    first_one.body = Body::Private {
        envelopes: vec![envelope],
        sealed: Bytes::from_static(b"???"),
    };
    first_one.foreign = None;
    let expected = [
        &head[..],
        &first,
        &sent_at,
        from,
        b"\x00\x02\x01",
        &author(2).0,
        &[5; ENVELOPE_KEY_BYTES],
        b"\x00\x00\x00\x03???\x00",
    ];
    assert_eq!(round_trip(&first_one), expected.concat());
}

#[test]
fn each_limit_is_reached_and_not_passed() {
    let longest = greatest(Body::All("x".repeat(TEXT_BYTES_MAX)));
    round_trip(&longest);
    let envelopes = |count: usize| {
        let envelope = |i: usize| Envelope {
            to: AuthorKey([i as u8; 32]),
            key: [0; ENVELOPE_KEY_BYTES],
        };
        (0..count).map(envelope).collect()
    };
    let private = |count, bytes| Body::Private {
        envelopes: envelopes(count),
        sealed: vec![0; bytes].into(),
    };
    let content = greatest(private(ENVELOPES_MAX, SEALED_BYTES_MAX));
    let bytes = round_trip(&content);
    assert!(bytes.len() + 64 <= SIGNED_BYTES_MAX, "{}", bytes.len());
    let bundle = LinkMessage::Messages(vec![bytes.into()]).encode();
    assert!(bundle.len() <= LINK_MESSAGE_BYTES_MAX);

    #[track_caller]
    fn refused(change: impl FnOnce(&mut Content)) {
        let mut content = self::content();
        change(&mut content);
        content.encode().unwrap_err();
    }
    refused(|content| content.body = Body::All("x".repeat(TEXT_BYTES_MAX + 1)));
    refused(|content| content.body = private(ENVELOPES_MAX + 1, 1));
    refused(|content| content.body = private(0, 1));
    refused(|content| content.body = private(1, SEALED_BYTES_MAX + 1));
    refused(|content| content.heads = greatest(Body::All(String::new())).heads.repeat(2));
    refused(|content| content.heads.reverse());
    refused(|content| content.heads = vec![Digest([3; 32]); 2]);
    refused(|content| content.heads.push(Digest([9; 32])));
    refused(|content| content.prev = None);
    refused(|content| content.name.n = 1);
    refused(|content| content.name.n = 0);
    refused(|content| {
        content.foreign = Some(Foreign {
            peer_id: "p".repeat(PEER_ID_BYTES_MAX + 1),
            msg_id: String::new(),
            addr: None,
        });
    });
}

#[test]
fn another_form_of_the_same_is_refused() {
    let bytes = round_trip(&content());
    let name = bytes.len() - 8 - 7 - 8;
    assert_eq!(&bytes[name..name + 4], b"\x03ana");
    // "a" and a combining acute accent: the normal form is one letter.
    let decomposed = [&bytes[..name], b"\x03a\xcc\x81", &bytes[name + 4..]].concat();
    assert_eq!(Content::decode(&decomposed), Err(ReadError::Form("names")));
    let long = [&bytes[..], b"x"].concat();
    assert_eq!(Content::decode(&long), Err(ReadError::Trailing(1)));
    for (at, value) in [(0, 2), (bytes.len() - 1, 2), (bytes.len() - 8, 3)] {
        let mut other = bytes.clone();
        other[at] = value;
        let error = Content::decode(&other).unwrap_err();
        assert!(matches!(error, ReadError::Unknown { .. }), "{error}");
    }
}

#[test]
fn who_did_not_sign_is_refused() {
    let message = Signed::sign(&key(1), content()).unwrap();
    assert_eq!(Signed::read(message.bytes()), Ok(message.clone()));
    assert_eq!(Signed::read_own(message.bytes()), Ok(message.clone()));
    assert_eq!(signed::digest_of(message.bytes()), Ok(message.digest()));
    assert_eq!(Signed::sign(&key(1), content()), Ok(message.clone()));
    assert_eq!(Signed::sign(&key(2), content()), Err(SignError::Author));
    for at in 0..message.bytes().len() {
        let mut changed = message.bytes().to_vec();
        changed[at] ^= 1;
        Signed::read(&changed.into()).unwrap_err();
    }
    let cut = message.bytes().slice(..63);
    assert_eq!(Signed::read(&cut), Err(ReadError::Short));

    let announcement = SignedAnnouncement::sign(&key(1), announcement()).unwrap();
    assert_eq!(
        SignedAnnouncement::read(announcement.bytes()),
        Ok(announcement.clone())
    );
    for at in 0..announcement.bytes().len() {
        let mut changed = announcement.bytes().to_vec();
        changed[at] ^= 1;
        SignedAnnouncement::read(&changed.into()).unwrap_err();
    }
}

fn announcement() -> Announcement {
    Announcement {
        author: author(1),
        incarnation: Incarnation(7),
        beat: 3,
        last: Some(Digest([8; 32])),
        clock: Lamport::new(90),
        name: named("ana@lab"),
        addr: None,
        sealing: [6; 32],
        gone: false,
    }
}

#[test]
fn announcements_have_the_bytes_of_12_6() {
    let rest: &[u8] = b"\0\0\0\0\0\0\0\x5a\x03ana\x03lab\0";
    let head = [
        &[1][..],
        &author(1).0,
        b"\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x03",
    ]
    .concat();
    let expected = [&head, &[1][..], &[8; 32], rest, &[6; 32], &[0]].concat();
    assert_eq!(announcement().encode(), expected);
    assert_eq!(Announcement::decode(&expected), Ok(announcement()));
    let newcomer = Announcement {
        last: None,
        gone: true,
        ..announcement()
    };
    let expected = [&head, &[0][..], rest, &[6; 32], &[1]].concat();
    assert_eq!(newcomer.encode(), expected);
    assert_eq!(Announcement::decode(&expected), Ok(newcomer));
}

#[track_caller]
fn check(message: &LinkMessage, expected: &[u8]) {
    let bytes = message.encode();
    assert_eq!(bytes[..], *expected, "{message:?}");
    assert_eq!(LinkMessage::decode(&bytes).as_ref(), Ok(message));
}

#[test]
fn link_messages_have_the_bytes_of_12_8() {
    let item = Bytes::from_static;
    let want = |has: &[Digest], limit| LinkMessage::Want {
        has: has.to_vec(),
        limit,
    };
    check(&want(&[], 0), &[1, 0, 0, 0, 0, 0, 0]);
    let digests = [Digest([2; 32]), Digest([1; 32])];
    let expected = [&[1, 0, 0, 4, 0, 0, 2][..], &[2; 32], &[1; 32]].concat();
    check(&want(&digests, 1_024), &expected);
    check(
        &LinkMessage::Messages(vec![item(b"ab"), item(b"")]),
        b"\x02\0\x02\0\0\0\x02ab\0\0\0\0",
    );
    check(&LinkMessage::PageEnd { more: true }, &[3, 1]);
    check(&LinkMessage::PageEnd { more: false }, &[3, 0]);
    check(
        &LinkMessage::Announcements(vec![item(b"c")]),
        b"\x04\0\x01\0\0\0\x01c",
    );
    check(&LinkMessage::Control(item(b"xyz")), b"\x05xyz");
    check(&LinkMessage::Bye, &[6]);
    let expected = [&[7, 2][..], &[2; 32], &[1; 32]].concat();
    check(&LinkMessage::Need(digests.to_vec()), &expected);
    check(
        &LinkMessage::Given(vec![item(b"ab")]),
        b"\x08\0\x01\0\0\0\x02ab",
    );
    let expected = [&[9, 1][..], &[3; 32]].concat();
    check(&LinkMessage::NameOnly(vec![AuthorKey([3; 32])]), &expected);

    let hello = PeerHello {
        version: 1,
        name: named("ana"),
        incarnation: Incarnation(7),
        port: 5_000,
    };
    let bytes = codec::encode(&hello).unwrap();
    assert_eq!(bytes[..], b"\x01\x03ana\x03lan\x07\xfb\x13\x88"[..]);
    assert_eq!(codec::decode::<PeerHello>(&bytes), Ok(hello));
}

#[test]
fn counts_that_lie_cost_nothing() {
    #[track_caller]
    fn refused(bytes: &[u8]) -> ReadError {
        LinkMessage::decode(&Bytes::copy_from_slice(bytes)).unwrap_err()
    }
    assert_eq!(refused(&[]), ReadError::Short);
    assert_eq!(refused(&[2, 4, 0]), ReadError::Short);
    assert_eq!(refused(&[2, 0, 1, 0, 0, 0, 9, 1]), ReadError::Short);
    assert_eq!(refused(&[6, 0]), ReadError::Trailing(1));
    let too_many = |error| matches!(error, ReadError::TooMany { .. });
    let [high, low] = (BUNDLE_MAX as u16 + 1).to_be_bytes();
    assert!(too_many(refused(&[2, high, low])));
    let [high, low] = (HAS_MAX as u16 + 1).to_be_bytes();
    assert!(too_many(refused(&[1, 0, 0, 0, 0, high, low])));
    assert!(too_many(refused(&[2, 0, 1, 255, 255, 255, 255])));
    assert!(too_many(refused(&vec![5; LINK_MESSAGE_BYTES_MAX + 1])));
}

#[test]
fn a_private_text_is_read_by_those_whom_it_is_for() {
    let name = content().name;
    let keys: Vec<_> = (1..=4).map(|of| SealingKey::of(&key(of))).collect();
    let recipient = |of: u8| PrivateRecipient {
        author: author(of),
        sealing: keys[usize::from(of) - 1].public(),
    };
    let said = PrivateText {
        to: vec![named("rui"), named("bo@lab")],
        text: "psst".to_owned(),
    };
    let sealed = |seed: u8, to: &[PrivateRecipient]| seal(&name, &[seed; 32].into(), to, &said);
    let to = [recipient(1), recipient(2), recipient(3), recipient(2)];
    let body = sealed(0, &to).unwrap();
    assert_eq!(sealed(0, &to), Ok(body.clone()));
    assert_ne!(sealed(1, &to), Ok(body.clone()));
    for key in &keys[..3] {
        assert_eq!(open(key, &name, &body), Ok(said.clone()));
    }
    assert_eq!(open(&keys[3], &name, &body), Err(PrivateError::NotOurs));
    let all = Body::All(String::new());
    assert_eq!(open(&keys[0], &name, &all), Err(PrivateError::NotOurs));

    let other = MessageName { n: 3, ..name };
    assert_eq!(open(&keys[0], &other, &body), Err(PrivateError::NotOpened));
    let Body::Private {
        envelopes,
        sealed: text,
    } = &body
    else {
        panic!("it is private");
    };
    assert_eq!(envelopes.len(), 3);
    for at in 0..text.len() {
        let mut changed = text.to_vec();
        changed[at] ^= 1;
        let changed = Body::Private {
            envelopes: envelopes.clone(),
            sealed: changed.into(),
        };
        assert_eq!(
            open(&keys[0], &name, &changed),
            Err(PrivateError::NotOpened)
        );
    }
    let mine = envelopes.iter().position(|e| e.to == author(1)).unwrap();
    for at in 0..ENVELOPE_KEY_BYTES {
        let mut changed = envelopes.clone();
        changed[mine].key[at] ^= 1;
        let changed = Body::Private {
            envelopes: changed,
            sealed: text.clone(),
        };
        // X25519 ignores the highest bit of a point's last byte, but the handshake's hash does not.
        assert_eq!(
            open(&keys[0], &name, &changed),
            Err(PrivateError::NotOpened)
        );
    }

    assert_eq!(sealed(0, &[]), Err(PrivateError::Recipients));
    let many: Vec<_> = (0..=64)
        .map(|i| PrivateRecipient {
            author: AuthorKey([i; 32]),
            sealing: keys[0].public(),
        })
        .collect();
    assert_eq!(sealed(0, &many), Err(PrivateError::Recipients));
    assert!(sealed(0, &many[..ENVELOPES_MAX]).unwrap() != all);
    let weak = PrivateRecipient {
        author: author(2),
        sealing: [0; 32],
    };
    assert_eq!(sealed(0, &[weak]), Err(PrivateError::Key(author(2))));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_and_read_to_one_form(bytes: Vec<u8>) {
        if let Ok(content) = Content::decode(&bytes) {
            prop_assert_eq!(content.encode().unwrap(), bytes.clone());
        }
        if let Ok(announcement) = Announcement::decode(&bytes) {
            prop_assert_eq!(announcement.encode(), bytes.clone());
        }
        let bytes = Bytes::from(bytes);
        if let Ok(message) = LinkMessage::decode(&bytes) {
            prop_assert_eq!(message.encode(), bytes);
        }
    }

    #[test]
    fn content_with_changed_bytes_is_read_to_one_form(at: prop::sample::Index, value: u8) {
        let mut bytes = content().encode().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = value;
        if let Ok(content) = Content::decode(&bytes) {
            prop_assert_eq!(content.encode().unwrap(), bytes);
        }
    }
}
