//! What strangers and members may send to harm a peer: floods of beacons, records of peers that are none, answers that nobody
//! asked for, any bytes at all. Memory, answers and the cost of looking at it stay bounded.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::net::SocketAddr;

use bytes::Bytes;
use lamparina_order::LinkId;
use lamparina_order::membership::{
    Closing, Event, Input, LINKS_MAX, Membership, MembershipConfig, Output, Own, PeerState,
};
use lamparina_protocol::peer::control::{
    Announced, Candidacy, Cause, JoinAnswer, Parting, SIGHTINGS_MAX, Sighting,
};
use lamparina_protocol::peer::{
    Attested, Beacon, BeaconKind, Control, Coordinator, ElectionEpoch, Incarnation, PeerHello,
    PeerId, PeerName, PeerRecord,
};
use lamparina_protocol::seal::IdentityKey;
use lamparina_protocol::{AuthorKey, Instant, RoomName};
use proptest::prelude::*;

fn identity(n: u64) -> IdentityKey {
    let mut seed = [3; 32];
    seed[..8].copy_from_slice(&n.to_be_bytes());
    IdentityKey::from_seed(&seed)
}

fn key(n: u64) -> AuthorKey {
    AuthorKey(identity(n).public().0)
}

fn name() -> PeerName {
    PeerName::parse("eve", &RoomName::try_from("lan").unwrap()).unwrap()
}

fn addr(n: u64) -> SocketAddr {
    format!("10.{}.{}.{}:5000", n >> 16, (n >> 8) & 255, n & 255)
        .parse()
        .unwrap()
}

const NOW: Instant = Instant::from_millis(50_000);
const OWN: u64 = 0;

fn victim() -> Membership {
    victim_in(Incarnation(1))
}

fn victim_in(incarnation: Incarnation) -> Membership {
    let own = Own {
        identity: identity(OWN),
        incarnation,
        name: name(),
        port: 5_000,
        udp: false,
        addrs: vec![],
        epoch: ElectionEpoch(0),
        seed: 1,
    };
    Membership::new(own, MembershipConfig::default(), NOW)
}

fn give(peer: &mut Membership, input: Input<'_>) -> Vec<Output> {
    let mut out = Vec::new();
    peer.handle(NOW, input, &mut out);
    out
}

fn link(peer: &mut Membership, n: u64) -> Vec<Output> {
    let hello = PeerHello {
        version: 1,
        name: name(),
        incarnation: Incarnation(5),
        port: 5_000,
    };
    let input = Input::LinkUp {
        link: LinkId(n),
        attempt: None,
        key: key(n),
        hello,
        addr: addr(n),
    };
    give(peer, input)
}

fn say(peer: &mut Membership, from: u64, control: &Control) -> Vec<Output> {
    let bytes = &control.to_bytes();
    let link = LinkId(from);
    give(peer, Input::Control { link, bytes })
}

fn record(signer: u64, of: u64, beat: u64) -> Attested<PeerRecord> {
    let said = PeerRecord {
        key: key(of),
        incarnation: Incarnation(5),
        beat,
        name: name(),
        port: 5_000,
        udp: false,
        addrs: vec![addr(of)],
        id: None,
        gone: false,
    };
    Attested::sign(&identity(signer), said)
}

fn here(of: u64, beat: u64) -> Sighting {
    let record = record(of, of, beat);
    Sighting { record, at: None }
}

fn beacon(signer: u64, of: u64) -> Bytes {
    let beacon = Beacon {
        kind: BeaconKind::Heartbeat,
        record: record(signer, of, 1),
        coordinator: None,
    };
    beacon.to_bytes()
}

fn joined(out: &[Output]) -> Vec<AuthorKey> {
    let joined = |output: &Output| match output {
        Output::Event(Event::Joined(key)) => Some(*key),
        _ => None,
    };
    out.iter().filter_map(joined).collect()
}

fn sent(out: &[Output]) -> usize {
    let is_sent = |output: &&Output| matches!(output, Output::Send { .. });
    out.iter().filter(is_sent).count()
}

#[test]
fn a_flood_of_beacons_costs_a_bounded_number_of_checks() {
    for (sources, most) in [(1, 20), (5, 100), (1_000, 200)] {
        let mut peer = victim();
        let mut known = BTreeSet::new();
        for n in 1..=1_500 {
            let from = addr(70_000 + n % sources);
            let bytes = &beacon(n, n);
            known.extend(joined(&give(&mut peer, Input::Beacon { from, bytes })));
        }
        assert_eq!(known.len(), most, "{sources} addresses");
        // Who is known already costs nothing, and is heard.
        let bytes = &beacon(1, 1);
        let from = addr(70_001);
        give(&mut peer, Input::Beacon { from, bytes });
        let first = peer.peers().into_iter().find(|one| one.key == Some(key(1)));
        assert_eq!(first.unwrap().last_seen, Some(NOW));
    }
}

#[test]
fn a_beacon_speaks_for_nobody_else_and_ones_own_is_told() {
    let mut peer = victim_in(Incarnation(5));
    let from = addr(9);
    let bytes = &beacon(2, 1);
    assert_eq!(joined(&give(&mut peer, Input::Beacon { from, bytes })), []);
    let bytes = &beacon(OWN, OWN);
    let out = give(&mut peer, Input::Beacon { from, bytes });
    assert_eq!(out, [Output::Event(Event::OwnBeacon(from))]);
    assert!(peer.peers().is_empty());
}

/// Whether people are told that somebody else runs with our key.
fn told_of_our_key(out: &[Output]) -> bool {
    let same = |output: &Output| matches!(output, Output::Event(Event::SameKey(_)));
    out.iter().any(same)
}

#[test]
fn a_copy_with_our_key_is_told_by_links_beacons_and_records() {
    for (life, by_link, by_record) in [(4, true, false), (5, false, false), (6, true, true)] {
        let mut peer = victim_in(Incarnation(5));
        let incarnation = Incarnation(life);
        let hello = PeerHello {
            version: 1,
            name: name(),
            incarnation,
            port: 5_000,
        };
        let up = Input::LinkUp {
            link: LinkId(1),
            attempt: None,
            key: key(OWN),
            hello,
            addr: addr(9),
        };
        let out = give(&mut peer, up);
        assert_eq!(told_of_our_key(&out), by_link, "link of {life}");
        let (link_closed, why) = (LinkId(1), Closing::Ourselves);
        assert!(out.contains(&Output::Close {
            link: link_closed,
            why
        }));
        // Records of earlier lives go about for long, and prove nothing.
        let said = PeerRecord {
            incarnation,
            ..record(OWN, OWN, 9).said().clone()
        };
        let record = Attested::sign(&identity(OWN), said.clone());
        let beacon = Beacon {
            kind: BeaconKind::Heartbeat,
            record: record.clone(),
            coordinator: None,
        };
        let (from, bytes) = (addr(9), &beacon.to_bytes());
        let out = give(&mut peer, Input::Beacon { from, bytes });
        assert_eq!(told_of_our_key(&out), by_record, "beacon of {life}");
        link(&mut peer, 2);
        let out = say(&mut peer, 2, &Control::Here(Sighting { record, at: None }));
        assert_eq!(told_of_our_key(&out), by_record, "record of {life}");
        // Signed by somebody else it is nothing.
        let forged = Attested::sign(&identity(2), said);
        let out = say(
            &mut peer,
            2,
            &Control::Here(Sighting {
                record: forged,
                at: None,
            }),
        );
        assert!(!told_of_our_key(&out));
    }
}

#[test]
fn the_table_is_bounded_and_who_is_linked_stays() {
    let mut peer = victim();
    link(&mut peer, 1);
    for from in (2..2_002).collect::<Vec<u64>>().chunks(SIGHTINGS_MAX) {
        let sightings = from.iter().map(|n| here(*n, 1)).collect();
        say(&mut peer, 1, &Control::Peers(sightings));
    }
    let peers = peer.peers();
    // A neighbour's statements are checked so many at once, and no more.
    assert_eq!(peers.len(), 1_024);
    let linked = peers.iter().filter(|one| one.state == PeerState::Active);
    assert_eq!(linked.count(), 1);
}

#[test]
fn no_more_than_so_many_links_whoever_calls() {
    let mut peer = victim();
    for n in 1..=100 {
        link(&mut peer, n);
        assert!(peer.links().len() <= LINKS_MAX);
    }
    assert_eq!(peer.links().len(), LINKS_MAX);
    // Nor many with one.
    let first = peer.links()[0].key;
    let n = (1..=100).find(|n| key(*n) == first).unwrap();
    for _ in 0..50 {
        let hello = PeerHello {
            version: 1,
            name: name(),
            incarnation: Incarnation(5),
            port: 0,
        };
        let input = Input::LinkUp {
            link: LinkId(1_000 + peer.links().len() as u64),
            attempt: None,
            key: first,
            hello,
            addr: addr(n),
        };
        give(&mut peer, input);
    }
    assert!(peer.links().len() <= LINKS_MAX + 2);
}

#[test]
fn an_answer_that_nobody_asked_for_gives_no_number() {
    let mut peer = victim();
    link(&mut peer, 1);
    let answer = |by: u64, signer: u64| {
        let (epoch, by) = (ElectionEpoch(1), key(by));
        let answer = JoinAnswer {
            key: key(OWN),
            incarnation: Incarnation(1),
            id: PeerId {
                by: Coordinator { epoch, key: by },
                n: 7,
            },
            history: vec![key(77)],
        };
        Control::Joined(Attested::sign(&identity(signer), answer))
    };
    say(&mut peer, 1, &answer(1, 1));
    assert_eq!(peer.id(), None);
    let coordinator = Coordinator {
        epoch: ElectionEpoch(1),
        key: key(2),
    };
    let beat = 1;
    let announced = Attested::sign(&identity(2), Announced { coordinator, beat });
    say(&mut peer, 1, &Control::Announcement(announced));
    assert_eq!(peer.coordinator(), Some(coordinator));
    say(&mut peer, 1, &answer(1, 1));
    say(&mut peer, 1, &answer(2, 1));
    assert_eq!(peer.id(), None);
    say(&mut peer, 1, &answer(2, 2));
    assert_eq!(peer.id().map(|id| id.n), Some(7));
}

#[test]
fn nobody_makes_another_coordinate_or_leave() {
    let mut peer = victim();
    link(&mut peer, 1);
    let coordinator = Coordinator {
        epoch: ElectionEpoch(9),
        key: key(2),
    };
    let beat = 1;
    let forged = Attested::sign(&identity(1), Announced { coordinator, beat });
    let out = say(&mut peer, 1, &Control::Announcement(forged));
    assert_eq!((peer.coordinator(), sent(&out)), (None, 0));
    say(&mut peer, 1, &Control::Here(here(2, 1)));
    let mut gone = here(2, 1).record.said().clone();
    (gone.gone, gone.beat) = (true, 2);
    let record = Attested::sign(&identity(1), gone);
    say(&mut peer, 1, &Control::Here(Sighting { record, at: None }));
    let is_here = |peer: &Membership| {
        let peers = peer.peers();
        peers
            .iter()
            .any(|one| one.key == Some(key(2)) && one.present)
    };
    assert!(is_here(&peer));
    // Who is linked is not lost, whatever is said; nor is a record that nobody told yet.
    let lost = |of: u64, beat: u64| Control::Lost {
        key: key(of),
        incarnation: Incarnation(5),
        beat,
    };
    say(&mut peer, 1, &lost(2, u64::MAX));
    assert!(is_here(&peer));
    say(&mut peer, 1, &lost(2, 1));
    assert!(!is_here(&peer));
    say(&mut peer, 1, &Control::Here(here(2, 2)));
    assert!(is_here(&peer));
}

#[test]
fn what_cannot_be_read_ends_the_link() {
    let mut peer = victim();
    link(&mut peer, 1);
    let (link, bytes) = (LinkId(1), &[99][..]);
    let out = give(&mut peer, Input::Control { link, bytes });
    let why = Closing::Fault("it said of membership what cannot be read");
    assert!(out.contains(&Output::Close { link, why }));
    assert!(peer.links().is_empty());
}

/// A control message of some kind, well formed, by neighbour 1 or 2, about few peers: so that they meet.
fn control() -> impl Strategy<Value = Control> {
    let who = 0_u64..6;
    let coordinator = (1_u64..4, 0_u64..4).prop_map(|(epoch, n)| Coordinator {
        epoch: ElectionEpoch(epoch),
        key: key(n),
    });
    prop_oneof![
        (
            any::<u32>(),
            any::<u32>(),
            any::<u32>(),
            proptest::option::of(coordinator.clone())
        )
            .prop_map(
                |(beat, echo, held_micros, coordinator)| Control::Heartbeat {
                    beat,
                    echo,
                    held_micros,
                    coordinator
                }
            ),
        (who.clone(), 1_u64..4).prop_map(|(of, beat)| Control::Here(here(of, beat))),
        (who.clone(), 1_u64..4).prop_map(|(of, beat)| Control::Lost {
            key: key(of),
            incarnation: Incarnation(5),
            beat
        }),
        (who.clone(), 1_u64..5, 0_u64..5, any::<bool>()).prop_map(|(of, round, epoch, lost)| {
            let candidacy = Candidacy {
                key: key(of),
                incarnation: Incarnation(5),
                round,
                epoch: ElectionEpoch(epoch),
                cause: if lost { Cause::Lost } else { Cause::Challenge },
            };
            Control::Election(Attested::sign(&identity(of), candidacy))
        }),
        (who.clone(), any::<u64>()).prop_map(|(of, round)| Control::ElectionOk {
            key: key(of),
            round
        }),
        (coordinator, 1_u64..5, who.clone()).prop_map(|(coordinator, beat, signer)| {
            let said = Announced { coordinator, beat };
            Control::Announcement(Attested::sign(&identity(signer), said))
        }),
        who.prop_map(|of| Control::Join {
            key: key(of),
            incarnation: Incarnation(5)
        }),
        Just(Control::Parting(Parting::Full)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each thing that is said costs a few answers for each link, and no state is out of bounds.
    #[test]
    fn whatever_neighbours_say_costs_little(
        said in proptest::collection::vec((1_u64..4, control(), 0_u64..2_000), 1..120),
    ) {
        let mut peer = victim();
        let mut now = NOW;
        for n in 1..4 {
            link(&mut peer, n);
        }
        for (from, control, pause) in said {
            now += std::time::Duration::from_millis(pause);
            let bytes = &control.to_bytes();
            let mut out = Vec::new();
            peer.handle(now, Input::Control { link: LinkId(from), bytes }, &mut out);
            for output in out {
                if let Output::Persist(epoch) = output {
                    peer.handle(now, Input::Persisted(epoch), &mut Vec::new());
                }
            }
            let mut out = Vec::new();
            peer.handle(now, Input::Tick, &mut out);
            prop_assert!(sent(&out) <= 16, "{out:?}");
            prop_assert!(peer.deadline() > Some(now));
            prop_assert!(peer.peers().len() <= 8);
        }
    }

    #[test]
    fn any_bytes_are_borne(bytes in proptest::collection::vec(any::<u8>(), 0..600), kind in 0_u8..11) {
        let mut peer = victim();
        link(&mut peer, 1);
        let from = addr(9);
        give(&mut peer, Input::Beacon { from, bytes: &bytes });
        let mut said = vec![kind];
        said.extend(bytes);
        let link = LinkId(1);
        give(&mut peer, Input::Control { link, bytes: &said });
    }
}
