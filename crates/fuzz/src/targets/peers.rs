//! What peers without a server read: link messages, signed messages, announcements, membership and beacons. One
//! value has one form, so that a digest is the same everywhere; nothing is proved that nobody signed.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use lamparina_protocol::peer::control::{
    Announced, CONTROL_BYTES_MAX, Candidacy, Cause, Parting, Sighting,
};
use lamparina_protocol::peer::private::{PrivateRecipient, PrivateText, SealingKey, open, seal};
use lamparina_protocol::peer::{
    Announcement, Attested, Beacon, BeaconKind, Body, Chain, Content, Control, Coordinator, Digest,
    ElectionEpoch, Foreign, Incarnation, LinkMessage, MessageName, PeerName, PeerRecord, Signed,
    SignedAnnouncement,
};
use lamparina_protocol::seal::IdentityKey;
use lamparina_protocol::{AuthorKey, Lamport, Nick, RoomName, UnixMicros};
use zeroize::Zeroizing;

/// Every reader on all of the input, and on what it holds.
pub fn peers(input: &[u8]) {
    let bytes = Bytes::copy_from_slice(input);
    signed(&bytes);
    beacon(input);
    control(input);
    let Ok(message) = LinkMessage::decode(&bytes) else {
        return;
    };
    assert_eq!(message.encode(), bytes, "one value, one form");
    match message {
        LinkMessage::Messages(items)
        | LinkMessage::Announcements(items)
        | LinkMessage::Given(items) => {
            items.iter().for_each(signed);
        }
        LinkMessage::Control(body) => control(&body),
        LinkMessage::Want { .. }
        | LinkMessage::PageEnd { .. }
        | LinkMessage::Bye
        | LinkMessage::Need(_)
        | LinkMessage::NameOnly(_) => {}
    }
}

fn signed(bytes: &Bytes) {
    if let Ok(content) = Content::decode(bytes) {
        let again = content.encode().expect("what was read has a form");
        assert_eq!(again, *bytes, "one value, one form");
    }
    if let Ok(kept) = Signed::read_own(bytes) {
        assert_eq!(kept.bytes(), bytes);
        let key = SealingKey::of(&author());
        // Whatever somebody sealed is opened or refused.
        let _ = open(&key, &kept.content().name, &kept.content().body);
        if let Ok(proven) = Signed::read(bytes) {
            assert_eq!(proven.digest(), kept.digest());
        }
    }
    if let Ok(proven) = SignedAnnouncement::read(bytes) {
        let said = proven.announcement().encode();
        assert_eq!(said, bytes[..bytes.len() - 64], "one value, one form");
    }
}

fn control(bytes: &[u8]) {
    if let Ok(control) = Control::from_bytes(bytes) {
        assert!(bytes.len() <= CONTROL_BYTES_MAX);
        assert_eq!(control.to_bytes(), bytes, "one value, one form");
    }
}

fn beacon(bytes: &[u8]) {
    if let Ok(beacon) = Beacon::from_bytes(bytes) {
        assert_eq!(beacon.to_bytes(), bytes, "one value, one form");
    }
}

fn author() -> IdentityKey {
    IdentityKey::from_seed(&[9; 32])
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let messages = contents().map(|content| {
        let signed = Signed::sign(&author(), content).expect("it is the author's own");
        signed.bytes().clone()
    });
    let announced = SignedAnnouncement::sign(&author(), announcement());
    let announced = announced.expect("it is the author's own").bytes().clone();
    let mut seeds: Vec<Bytes> = messages.to_vec();
    seeds.extend(contents().map(|content| Bytes::from(content.encode().expect("it has a form"))));
    let said = [
        LinkMessage::Want {
            has: vec![Digest([1; 32]), Digest([2; 32])],
            limit: 1_024,
        },
        LinkMessage::Messages(messages.to_vec()),
        LinkMessage::PageEnd { more: true },
        LinkMessage::Announcements(vec![announced.clone()]),
        LinkMessage::Control(controls()[0].to_bytes()),
        LinkMessage::Bye,
        LinkMessage::Need(vec![Digest([1; 32])]),
        LinkMessage::Given(vec![messages[0].clone()]),
        LinkMessage::NameOnly(vec![key()]),
    ];
    seeds.extend(said.iter().map(LinkMessage::encode));
    seeds.push(announced);
    seeds.extend(controls().iter().map(Control::to_bytes));
    let beacon = Beacon {
        kind: BeaconKind::JoinRequest,
        record: record(),
        coordinator: Some(coordinator()),
    };
    seeds.push(beacon.to_bytes());
    seeds.iter().map(|seed| seed.to_vec()).collect()
}

fn name() -> PeerName {
    PeerName {
        name: Nick::try_from("ana").expect("it is a nick"),
        namespace: RoomName::try_from("lab").expect("it is a room"),
    }
}

fn key() -> AuthorKey {
    AuthorKey(author().public().0)
}

fn contents() -> [Content; 3] {
    let named = |n| MessageName {
        chain: Chain {
            author: key(),
            incarnation: Incarnation(5),
        },
        n,
    };
    let content = |n, body| Content {
        name: named(n),
        prev: (n > 1).then_some(Digest([3; 32])),
        heads: vec![Digest([4; 32])],
        sent_at: UnixMicros(1_000_000),
        from: name(),
        addr: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 5_000))),
        body,
        foreign: None,
    };
    let to = PrivateRecipient {
        author: key(),
        sealing: SealingKey::of(&author()).public(),
    };
    let text = PrivateText {
        to: vec![name()],
        text: "hush".to_owned(),
    };
    let private = seal(&named(3), &Zeroizing::new([6; 32]), &[to], &text);
    let lab = RoomName::try_from("lab").expect("it is a room");
    let mut foreign = content(2, Body::Room(lab, "bom dia".to_owned()));
    foreign.foreign = Some(Foreign {
        peer_id: "rui@aula".to_owned(),
        msg_id: "6b0d1c1e".to_owned(),
        addr: None,
    });
    [
        content(1, Body::All("hello".to_owned())),
        foreign,
        content(3, private.expect("its key is good")),
    ]
}

fn announcement() -> Announcement {
    Announcement {
        author: key(),
        incarnation: Incarnation(5),
        beat: 2,
        last: Some(Digest([3; 32])),
        clock: Lamport::ZERO,
        name: name(),
        addr: None,
        sealing: SealingKey::of(&author()).public(),
        gone: false,
    }
}

fn record() -> Attested<PeerRecord> {
    let record = PeerRecord {
        key: key(),
        incarnation: Incarnation(5),
        beat: 1,
        name: name(),
        port: 5_000,
        udp: true,
        addrs: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 5_000))],
        id: None,
        gone: false,
    };
    Attested::sign(&author(), record)
}

fn coordinator() -> Coordinator {
    Coordinator {
        epoch: ElectionEpoch(3),
        key: key(),
    }
}

fn controls() -> [Control; 6] {
    let candidacy = Candidacy {
        key: key(),
        incarnation: Incarnation(5),
        round: 1,
        epoch: ElectionEpoch(2),
        cause: Cause::Lost,
    };
    let announced = Announced {
        coordinator: coordinator(),
        beat: 4,
    };
    [
        Control::Heartbeat {
            beat: 2,
            echo: 1,
            held_micros: 40,
            coordinator: Some(coordinator()),
        },
        Control::Here(Sighting {
            record: record(),
            at: None,
        }),
        Control::Election(Attested::sign(&author(), candidacy)),
        Control::Announcement(Attested::sign(&author(), announced)),
        Control::Join {
            key: key(),
            incarnation: Incarnation(5),
        },
        Control::Parting(Parting::Duplicate),
    ]
}
