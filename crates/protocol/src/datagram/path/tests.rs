use proptest::prelude::*;

use super::*;

const NEW: DatagramOutcome = DatagramOutcome {
    authentic: true,
    newest: true,
    answered: None,
};
const LATE: DatagramOutcome = DatagramOutcome {
    authentic: true,
    newest: false,
    answered: None,
};
/// Damaged, of somebody else, or come before.
const NOT_ITS: DatagramOutcome = DatagramOutcome {
    authentic: false,
    newest: false,
    answered: None,
};
/// Bytes of a challenge's datagram.
const PING: usize = 52;

fn addr(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn open() -> Paths {
    let mut paths = Paths::new(addr(1), false, 7);
    paths.came(addr(1), 512);
    paths.prove();
    paths
}

/// A datagram of 100 bytes; gives the challenge that follows.
fn hears(paths: &mut Paths, millis: u64, port: u16, outcome: DatagramOutcome) -> Option<Challenge> {
    paths.came(addr(port), 100);
    paths.judged(at(millis), addr(port), 100, outcome);
    challenges(paths, millis)
}

/// The challenge that leaves now.
fn challenges(paths: &mut Paths, millis: u64) -> Option<Challenge> {
    let challenge = paths.challenge(at(millis))?;
    paths.may_challenge(challenge.to, PING).then_some(challenge)
}

/// A datagram with a PONG; gives whether the link moved.
fn pongs(paths: &mut Paths, millis: u64, port: u16, nonce: [u8; 8]) -> bool {
    let answered = Some(nonce);
    paths.came(addr(port), 60);
    let outcome = DatagramOutcome { answered, ..LATE };
    paths.judged(at(millis), addr(port), 60, outcome) == Way::OtherPort
}

#[test]
fn an_address_that_proved_nothing_gets_what_came_from_it() {
    let mut paths = Paths::new(addr(1), false, 7);
    assert!(!paths.may_send(1));
    paths.came(addr(1), 512);
    assert!(paths.may_send(400) && !paths.may_send(113) && paths.may_send(112));
    paths.came(addr(2), 9_999);
    assert!(!paths.may_send(1), "what comes from elsewhere counts there");
    paths.came(addr(1), 20);
    assert!(paths.may_send(20) && !paths.may_send(1));
    paths.prove();
    assert!(paths.may_send(usize::MAX));
    assert!(
        Paths::new(addr(1), true, 7).may_send(9_999),
        "a cookie proves it"
    );
}

#[test]
fn a_link_follows_its_peer_once_the_challenge_is_answered_there() {
    let mut paths = open();
    let challenge = hears(&mut paths, 0, 2, NEW).unwrap();
    assert_eq!(challenge.to, addr(2));
    assert_eq!(
        paths.current(),
        addr(1),
        "data keeps going to the old address"
    );
    assert!(
        !pongs(&mut paths, 0, 1, challenge.nonce),
        "an answer from there says nothing"
    );
    assert!(!pongs(&mut paths, 0, 3, challenge.nonce));
    assert!(!pongs(&mut paths, 0, 2, [0; 8]));
    assert_eq!(paths.current(), addr(1));
    assert!(pongs(&mut paths, 0, 2, challenge.nonce));
    assert_eq!((paths.current(), paths.moves()), (addr(2), 1));
    assert!(!pongs(&mut paths, 0, 2, challenge.nonce), "once");
    assert_eq!(paths.deadline(), None);
    // The first address is a new one again, with another challenge.
    let back = hears(&mut paths, 10, 1, NEW).unwrap();
    assert_ne!(back.nonce, challenge.nonce);
    assert!(!pongs(&mut paths, 0, 1, challenge.nonce));
    assert!(pongs(&mut paths, 0, 1, back.nonce));
    assert_eq!((paths.current(), paths.moves()), (addr(1), 2));
}

#[test]
fn another_address_is_another_way_and_another_port_is_not() {
    let mut paths = open();
    let elsewhere: SocketAddr = "198.51.100.9:1".parse().unwrap();
    let port = SocketAddr::new(elsewhere.ip(), 2);
    for (to, way) in [
        (elsewhere, Way::Other),
        (port, Way::OtherPort),
        (addr(1), Way::Other),
    ] {
        paths.came(to, 100);
        assert_eq!(paths.judged(at(0), to, 100, NEW), Way::Same);
        let answered = challenges(&mut paths, 0).map(|challenge| challenge.nonce);
        let outcome = DatagramOutcome { answered, ..NEW };
        assert_eq!(paths.judged(at(1), to, 60, outcome), way);
        assert_eq!(paths.current(), to);
    }
}

#[test]
fn only_the_newest_authentic_datagram_says_where_the_peer_is() {
    let mut paths = open();
    for outcome in [LATE, NOT_ITS] {
        assert_eq!(hears(&mut paths, 0, 2, outcome), None);
        assert_eq!(paths.deadline(), None);
    }
    // Before the handshake is complete nothing moves.
    let mut early = Paths::new(addr(1), false, 7);
    early.came(addr(1), 512);
    assert_eq!(hears(&mut early, 0, 2, NEW), None);
}

#[test]
fn who_copies_datagrams_moves_nothing() {
    let mut paths = open();
    for turn in 0..100 {
        // The copy is faster, from port 666, and the original is a repetition then; the next
        // datagram comes straight.
        let challenge = hears(&mut paths, turn * 20, 666, NEW).unwrap();
        assert_eq!(hears(&mut paths, turn * 20 + 1, 1, NOT_ITS), None);
        assert!(
            !pongs(&mut paths, 0, 666, turn.to_be_bytes()),
            "he cannot read the challenge"
        );
        assert_eq!(hears(&mut paths, turn * 20 + 10, 1, NEW), None);
        assert_eq!(paths.deadline(), None, "the matter is over");
        assert!(
            !pongs(&mut paths, 0, 666, challenge.nonce),
            "and an answer comes too late"
        );
        assert_eq!(paths.current(), addr(1));
    }
    // What was recorded and comes again is not authentic at all.
    assert_eq!(hears(&mut paths, 9_000, 666, NOT_ITS), None);
}

#[test]
fn a_challenge_is_repeated_with_the_same_words_and_then_given_up() {
    let mut paths = open();
    let mut sent = vec![(0, hears(&mut paths, 0, 2, NEW).unwrap())];
    // Late ones come from there too: nothing more is sent for them.
    while let Some(due) = paths.deadline() {
        paths.came(addr(2), 100);
        let millis = due.as_micros() / 1_000;
        sent.extend(challenges(&mut paths, millis).map(|challenge| (millis, challenge)));
        assert_eq!(paths.challenge(due), None);
    }
    let times: Vec<_> = sent.iter().map(|(millis, _)| *millis).collect();
    assert_eq!(times, [0, 250, 750, 1_750, 3_750, 7_750]);
    assert!(sent.iter().all(|(_, challenge)| *challenge == sent[0].1));
    assert_eq!(paths.current(), addr(1));
    assert!(!pongs(&mut paths, 0, 2, sent[0].1.nonce));
    assert!(
        hears(&mut paths, 60_000, 2, NEW).is_some(),
        "then it may begin anew"
    );
}

#[test]
fn the_peer_may_move_on_before_it_has_answered() {
    let mut paths = open();
    let first = hears(&mut paths, 0, 2, NEW).unwrap();
    let second = hears(&mut paths, 5, 3, NEW).unwrap();
    assert!(!pongs(&mut paths, 0, 2, first.nonce));
    assert!(pongs(&mut paths, 0, 3, second.nonce));
    assert_eq!(paths.current(), addr(3));
}

/// What may happen.
#[derive(Clone, Copy, Debug)]
enum Step {
    Hears {
        port: u16,
        bytes: usize,
        outcome: DatagramOutcome,
    },
    Ticks,
    Sends(usize),
    Prove,
    /// A PONG from here, with the nonce last sent to that port.
    Ponged {
        from: u16,
        of: u16,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![Just(NEW), Just(LATE), Just(NOT_ITS)];
    let step = prop_oneof![
        4 => (1_u16..5, 16_usize..200, outcome)
            .prop_map(|(port, bytes, outcome)| Step::Hears { port, bytes, outcome }),
        2 => Just(Step::Ticks),
        2 => (1_usize..300).prop_map(Step::Sends),
        1 => Just(Step::Prove),
        2 => (1_u16..5, 1_u16..5).prop_map(|(from, of)| Step::Ponged { from, of }),
    ];
    proptest::collection::vec(step, 0..80)
}

proptest! {
    /// Whatever comes: data goes only to an address that was proved or, before, no more than came from
    /// it; challenges too; and a link moves only where its newest challenge was answered.
    #[test]
    fn nothing_unproved_gets_more_than_it_brought(steps in steps()) {
        let mut paths = Paths::new(addr(1), false, 9);
        let (mut brought, mut got) = ([0_usize; 5], [0_usize; 5]);
        let mut nonces = [None; 5];
        let (mut proven, mut millis) = ([false; 5], 0);
        for step in steps {
            millis += 40;
            match step {
                Step::Hears { port, bytes, outcome } => {
                    brought[usize::from(port)] += bytes;
                    paths.came(addr(port), bytes);
                    paths.judged(at(millis), addr(port), bytes, outcome);
                }
                Step::Ticks => {}
                Step::Sends(bytes) => {
                    if paths.may_send(bytes) {
                        got[usize::from(paths.current().port())] += bytes;
                    }
                }
                Step::Prove => {
                    paths.prove();
                    proven[usize::from(paths.current().port())] = true;
                }
                Step::Ponged { from, of } => {
                    let before = paths.current();
                    let nonce = nonces[usize::from(of)].unwrap_or([0; 8]);
                    brought[usize::from(from)] += 60;
                    if pongs(&mut paths, millis, from, nonce) {
                        prop_assert!(from == of && nonces[usize::from(of)].is_some());
                        proven[usize::from(from)] = true;
                        nonces[usize::from(of)] = None;
                    } else {
                        prop_assert_eq!(paths.current(), before);
                    }
                }
            }
            if let Some(Challenge { to, nonce }) = challenges(&mut paths, millis) {
                got[usize::from(to.port())] += PING;
                nonces[usize::from(to.port())] = Some(nonce);
            }
            for port in 1..5 {
                prop_assert!(proven[port] || got[port] <= brought[port], "port {port}");
            }
        }
    }
}
