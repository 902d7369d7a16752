//! Lines and peers for tests.

use std::time::Duration;

use lamparina_protocol::peer::message::Digest;
use lamparina_protocol::peer::{Foreign, Incarnation, PeerName};
use lamparina_protocol::{AuthorKey, Lamport, RoomName, UnixMicros};

use crate::event::{Direction, HistoryKey, Kind, Line, LinkLine, PeerLine, PeerState, Spoken};

pub(crate) fn name(text: &str) -> PeerName {
    let lan = RoomName::try_from("lan").unwrap();
    PeerName::parse(text, &lan).unwrap()
}

pub(crate) fn key(stamp: u64, author: u8) -> HistoryKey {
    HistoryKey {
        stamp: Lamport::new(stamp),
        author: AuthorKey([author; 32]),
        incarnation: Incarnation(117_650_000_000_000_000),
        n: 3,
        digest: Digest([0xd0; 32]),
    }
}

/// From ana@lab to everybody, provisional.
pub(crate) fn line(stamp: u64, text: &str) -> Line {
    Line {
        key: key(stamp, 0xaa),
        from: name("ana@lab"),
        addr: Some("192.0.2.5:5001".parse().unwrap()),
        kind: Kind::Broadcast,
        to: vec!["ALL".to_owned()],
        text: text.to_owned(),
        sent_at: UnixMicros(1_795_200_121_123_456),
        via: None,
        late: false,
        is_final: false,
        history: false,
        own: false,
        shares_name: false,
    }
}

pub(crate) fn foreign() -> Foreign {
    Foreign {
        peer_id: "kim@there".to_owned(),
        msg_id: "m-1".to_owned(),
        addr: Some("192.0.2.9:4000".parse().unwrap()),
    }
}

pub(crate) fn peer(text: &str, own: bool) -> PeerLine {
    PeerLine {
        key: Some(AuthorKey([0xbb; 32])),
        name: Some(name(text)),
        foreign: None,
        addrs: vec!["192.0.2.6:5002".parse().unwrap()],
        state: PeerState::Active,
        id: Some("bbbb.3.1".to_owned()),
        last_seen_at: Some(UnixMicros(1_795_200_121_123_456)),
        successes: 2,
        failures: 1,
        rtt_mean: Some(Duration::from_micros(412)),
        rtt_last: Some(Duration::from_micros(380)),
        is_coordinator: true,
        own,
    }
}

pub(crate) fn link(number: u64, direction: Direction) -> LinkLine {
    LinkLine {
        number,
        direction,
        spoken: Spoken::Tcp,
        addr: "192.0.2.6:5002".parse().unwrap(),
        key: Some(AuthorKey([0xbb; 32])),
        name: Some("bob@lan".to_owned()),
        since: UnixMicros(1_795_200_121_123_456),
        rtt: Some(Duration::from_micros(380)),
        sent_bytes: 1_000,
        received_bytes: 2_000,
    }
}
