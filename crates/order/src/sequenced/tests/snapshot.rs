//! What lasts comes back from its bytes, one state has one form, and other bytes do no harm.

use proptest::prelude::*;

use super::random::Dice;
use super::replay::random;
use super::undo::state;
use super::*;

const SEEDS: u64 = 200;

/// Reads bytes back, which must give the same state and the same bytes.
#[track_caller]
fn check(mut order: Sequenced) {
    let bytes = order.to_bytes();
    let again = Sequenced::from_bytes(&bytes).unwrap();
    assert_eq!(again.to_bytes(), bytes);
    order.end_sessions();
    assert_eq!(order.to_bytes(), bytes, "sessions do not last");
    assert_eq!(state(&again), state(&order));
}

#[test]
fn every_state_comes_back() {
    check(Sequenced::default());
    check(three());
    for seed in 0..SEEDS {
        let run = || {
            check(random(seed, 150).order);
            check(random(seed, 400).order);
        };
        std::panic::catch_unwind(run).unwrap_or_else(|_| panic!("seed {seed}"));
    }
}

#[test]
fn a_full_table_of_answers_comes_back() {
    let (mut order, mut out) = (three(), Vec::new());
    for pseq in 1..=OUTCOMES_KEPT as u64 + 200 {
        let audience = if pseq % 3 == 0 {
            to("nobody")
        } else {
            Audience::All
        };
        out.clear();
        order.apply(
            entry(ANA, 10, Action::Say(message(pseq, audience))),
            &mut out,
        );
    }
    check(order);
}

#[test]
fn these_are_the_bytes() {
    let order = &mut Sequenced::default();
    apply(order, entry(ANA, 10, enter("ana", 7)));
    apply(order, entry(ANA, 10, rename("eva")));
    apply(order, entry(ANA, 10, join("lab")));
    let all = Submit {
        epoch: Epoch(7),
        ..message(1, Audience::All)
    };
    apply(order, entry(ANA, 10, Action::Say(all)));
    let empty = Submit {
        epoch: Epoch(7),
        text: String::new(),
        ..message(2, Audience::All)
    };
    apply(order, entry(ANA, 10, Action::Say(empty)));
    let mut bytes = vec![2];
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 2]); // the clock
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 2]); // the last stamp
    bytes.extend([1, 0, 0, 0, 0]); // said to all: the newest is by 0,
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 2]); // has stamp 2,
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 0]); // and there is none by another
    bytes.extend([0, 0, 0, 1]); // one member
    bytes.extend([ANA; 32]);
    bytes.extend(b"\x03eva");
    bytes.extend(b"\x01\x03ana"); // one former nick
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 7]); // epoch
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 0]); // a member since
    bytes.push(0); // never banned
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 0]); // direct
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 2]); // two are settled
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 0]); // the first block's stamps count from 0
    bytes.extend([0, 3, 2, 0, 4]); // two further; refused as `EmptyText`
    bytes.extend([1, 0, 0, 0, 0, 0, 0, 0, 0]); // in one room, 0,
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 0]); // since 0
    bytes.extend([0, 0, 0, 0]); // no invites
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 1]); // one room was made
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]); // one is there, 0
    bytes.extend(b"\x03lab\0"); // nothing was said in it
    assert_eq!(order.to_bytes(), bytes);
}

/// Bytes may be refused, or be the one form of what they say; anything else is a fault.
fn harmless(bytes: &[u8]) -> bool {
    match Sequenced::from_bytes(bytes) {
        Ok(mut order) => {
            // The version before is read and not written.
            if bytes.first() == Some(&SNAPSHOT_VERSION) {
                assert_eq!(order.to_bytes(), bytes);
            }
            // What was accepted can be gone on with.
            let mut dice = Dice(bytes.len() as u64);
            for _ in 0..12 {
                let step = dice.step(&order);
                step.apply(&mut order, &mut Vec::new());
            }
            true
        }
        Err(error) => {
            assert!(error.to_string().ends_with("replay the journal instead"));
            false
        }
    }
}

#[test]
fn cut_longer_and_changed_bytes_do_no_harm() {
    let (mut accepted, mut refused) = (0, 0);
    for seed in 0..4 {
        let mut bytes = random(seed, 60).order.to_bytes();
        for end in 0..bytes.len() {
            assert!(!harmless(&bytes[..end]));
        }
        for at in 0..bytes.len() {
            for flip in [1, 0x10, 0x80, 0xff] {
                bytes[at] ^= flip;
                match harmless(&bytes) {
                    true => accepted += 1,
                    false => refused += 1,
                }
                bytes[at] ^= flip;
            }
        }
        bytes.push(0);
        assert_eq!(
            Sequenced::from_bytes(&bytes).err(),
            Some(SnapshotError::Trailing(1))
        );
        bytes[0] = 3;
        let version = SnapshotError::Version { found: 3, known: 2 };
        assert_eq!(Sequenced::from_bytes(&bytes).err(), Some(version));
    }
    // Both happen, or this shows little.
    assert!(accepted > 100 && refused > 1_000, "{accepted} {refused}");
}

proptest! {
    #[test]
    fn any_bytes_do_no_harm(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        harmless(&bytes);
        if let Some(version) = bytes.first_mut() {
            *version = SNAPSHOT_VERSION;
        }
        harmless(&bytes);
    }

    #[test]
    fn parts_of_two_states_do_no_harm(seeds in (0_u64..50, 0_u64..50), cut in 0.0..1.0) {
        let one = random(seeds.0, 60).order.to_bytes();
        let other = random(seeds.1, 60).order.to_bytes();
        let at = |bytes: &[u8]| (bytes.len() as f64 * cut) as usize;
        harmless(&[&one[..at(&one)], &other[at(&other)..]].concat());
    }
}
