use super::super::beacon::{BEACON_BYTES_MAX, Beacon, BeaconKind};
use super::*;
use crate::peer::name::PeerName;
use crate::peer::record::ADDRS_MAX;
use crate::seal::IdentityKey;
use crate::{Nick, RoomName};

fn identity(seed: u8) -> IdentityKey {
    IdentityKey::from_seed(&[seed; 32])
}

fn key(seed: u8) -> AuthorKey {
    AuthorKey(identity(seed).public().0)
}

fn coordinator() -> Coordinator {
    let epoch = ElectionEpoch(7);
    let key = key(2);
    Coordinator { epoch, key }
}

fn record(name: &str, addrs: usize) -> Attested<PeerRecord> {
    let by = coordinator();
    let said = PeerRecord {
        key: key(1),
        incarnation: Incarnation(0x0102_0304_0506_0708),
        beat: 3,
        name: PeerName {
            name: Nick::try_from(name).unwrap(),
            namespace: RoomName::try_from(name).unwrap(),
        },
        port: 5_000,
        udp: true,
        addrs: (0..addrs)
            .map(|at| format!("[fe80::{at}]:5000").parse().unwrap())
            .collect(),
        id: Some(PeerId { by, n: 4 }),
        gone: false,
    };
    Attested::sign(&identity(1), said)
}

fn all() -> Vec<Control> {
    let (key, incarnation) = (key(1), Incarnation(9));
    let sighting = |at: Option<&str>| Sighting {
        record: record("ana", 1),
        at: at.map(|addr| addr.parse().unwrap()),
    };
    let heartbeat = |coordinator| Control::Heartbeat {
        beat: 5,
        echo: 4,
        held_micros: 250,
        coordinator,
    };
    let candidacy = Candidacy {
        key,
        incarnation,
        round: 2,
        epoch: ElectionEpoch(6),
        cause: Cause::Challenge,
    };
    let announced = Announced {
        coordinator: coordinator(),
        beat: 8,
    };
    let id = PeerId {
        by: coordinator(),
        n: 4,
    };
    let answer = JoinAnswer {
        key,
        incarnation,
        id,
        history: vec![key],
    };
    vec![
        heartbeat(None),
        heartbeat(Some(coordinator())),
        Control::Here(sighting(None)),
        Control::Here(sighting(Some("192.0.2.7:5000"))),
        Control::Lost {
            key,
            incarnation,
            beat: 3,
        },
        Control::Peers(vec![]),
        Control::Peers(vec![sighting(None); 2]),
        Control::Election(Attested::sign(&identity(1), candidacy)),
        Control::ElectionOk { key, round: 2 },
        Control::Announcement(Attested::sign(&identity(2), announced)),
        Control::Join { key, incarnation },
        Control::Joined(Attested::sign(&identity(2), answer)),
        Control::Parting(Parting::Pruned),
    ]
}

#[test]
fn every_message_comes_back_as_it_was_and_no_part_of_it_is_one() {
    for control in all() {
        let bytes = control.to_bytes();
        assert_eq!(Control::from_bytes(&bytes).as_ref(), Ok(&control));
        for cut in 0..bytes.len() {
            assert_eq!(Control::from_bytes(&bytes[..cut]), Err(ReadError::Short));
        }
        let more = [&bytes[..], &[0]].concat();
        assert_eq!(Control::from_bytes(&more), Err(ReadError::Trailing(1)));
    }
}

/// The bytes as people can compare them: digits of one message in lines of 32 bytes.
fn digits(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines: Vec<String> = bytes.chunks(32).map(line).collect();
    lines.join("\n    ")
}

#[test]
fn the_bytes_are_those_of_the_text_beside() {
    let mut text = String::new();
    for control in all() {
        let words = format!("{control:?}");
        let name = words.split([' ', '(']).next().unwrap_or_default();
        text += &format!("{name}\n    {}\n", digits(&control.to_bytes()));
    }
    let beacon = Beacon {
        kind: BeaconKind::JoinRequest,
        record: record("ana", 1),
        coordinator: Some(coordinator()),
    };
    text += &format!("Beacon\n    {}\n", digits(&beacon.to_bytes()));
    let is_same = text == include_str!("golden.txt");
    assert!(is_same, "golden.txt holds other bytes than these:\n{text}");
}

#[test]
fn any_changed_bit_of_a_beacon_is_noticed() {
    let beacon = Beacon {
        kind: BeaconKind::Heartbeat,
        record: record("ana", 2),
        coordinator: None,
    };
    let bytes = beacon.to_bytes();
    assert_eq!(Beacon::from_bytes(&bytes).as_ref(), Ok(&beacon));
    assert!(beacon.record.is_proven());
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(Beacon::from_bytes(&damaged).is_err(), "bit {bit}");
    }
    for cut in 0..bytes.len() {
        assert!(Beacon::from_bytes(&bytes[..cut]).is_err());
    }
}

#[test]
fn the_longest_beacon_and_the_longest_list_fit() {
    let record = record(&"x".repeat(24), ADDRS_MAX);
    let beacon = Beacon {
        kind: BeaconKind::Heartbeat,
        record: record.clone(),
        coordinator: Some(coordinator()),
    };
    // A name of 24 graphemes may have 64 bytes; twice.
    let longest = beacon.to_bytes().len() + 2 * (64 - 24);
    assert!(longest <= BEACON_BYTES_MAX, "{longest}");
    let at = "[fe80::1]:5000".parse().ok();
    let sightings = vec![Sighting { record, at }; SIGHTINGS_MAX];
    let bytes = Control::Peers(sightings).to_bytes();
    assert!(bytes.len() + SIGHTINGS_MAX * 80 <= CONTROL_BYTES_MAX);
}

#[test]
fn nobody_speaks_for_another_and_no_statement_is_another() {
    let said = record("ana", 0).said().clone();
    assert!(Attested::sign(&identity(1), said.clone()).is_proven());
    assert!(!Attested::sign(&identity(2), said).is_proven());
    // A signature over the same bytes in another domain is none.
    let mut bytes = Vec::new();
    record("ana", 0).said().write(&mut bytes);
    let digest = blake3::hash(&bytes);
    bytes.extend(identity(1).sign(Candidacy::DOMAIN, digest.as_bytes()));
    let mut reader = Reader(&bytes);
    let forged: Attested<PeerRecord> = Attested::get(&mut reader).unwrap();
    assert!(!forged.is_proven());
}

#[test]
fn what_has_another_form_is_refused() {
    let lost = Control::Peers(vec![]).to_bytes();
    assert_eq!(lost[..], [4, 0]);
    let refused = |bytes: &[u8], why: &str| {
        assert_eq!(Control::from_bytes(bytes).unwrap_err().to_string(), why);
    };
    refused(&[], "it ends too early");
    refused(&[0], "its kind 0 is unknown");
    refused(&[11], "its kind 11 is unknown");
    refused(&[4, 33], "it has 33 peers: at most 32 are taken");
    refused(&[10, 0], "its reason 0 is unknown");
    let long = vec![4; CONTROL_BYTES_MAX + 1];
    refused(&long, "it has 16385 bytes: at most 16384 are taken");
    let mut heartbeat = vec![1; 13];
    heartbeat.push(2);
    refused(&heartbeat, "its flag 2 is unknown");
    heartbeat[13] = 1;
    heartbeat.extend([0xff; 40]);
    refused(&heartbeat, "its epoch 18446744073709551615 is unknown");
}
