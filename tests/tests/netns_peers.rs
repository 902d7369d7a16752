//! Peers on machines of one network, without a server: they find each other, choose who coordinates, survive
//! its death, part and meet again. Where namespaces cannot be made (no root, no `ip`), each test says so and
//! passes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lamparina_tests::real::lan::Lan;
use lamparina_tests::real::netns::{deafen, forbid_groups};
use lamparina_tests::real::peer::Line;
use lamparina_tests::real::process::Signal;
use lamparina_tests::real::{Folder, Peer, PeerStart, wait_for};
use serde_json::Value;

const NAMES: [&str; 4] = ["ana", "rui", "eva", "bob"];

/// Machines with a peer on each. Peers are dropped before their machines.
struct World {
    peers: Vec<Peer>,
    homes: Folder,
    lan: Lan,
}

impl World {
    /// None of them is started.
    fn try_new(machines: usize) -> Option<Self> {
        match Lan::try_new(machines) {
            Ok(lan) => Some(Self {
                peers: Vec::new(),
                homes: Folder::new(),
                lan,
            }),
            Err(why) => {
                eprintln!("skipped: no network namespaces here: {why}");
                None
            }
        }
    }

    /// A peer on each, and a link between any two.
    fn of_friends(machines: usize) -> Option<Self> {
        let mut world = Self::try_new(machines)?;
        world.peers = (0..machines).map(|at| world.start(at).enter()).collect();
        for peer in &world.peers {
            peer.wait("links to all others", |heard| {
                let links = heard.of_type("link_up").map(author);
                (links.collect::<BTreeSet<_>>().len() == machines - 1).then_some(())
            });
        }
        Some(world)
    }

    fn start(&self, at: usize) -> PeerStart {
        PeerStart::new(self.homes.path(), NAMES[at]).within(self.lan.host(at))
    }

    /// Everybody has `count` lines, and the same ones; gives them.
    #[track_caller]
    fn one_history(&self, count: usize) -> Vec<Line> {
        let histories: Vec<_> = self
            .peers
            .iter()
            .map(|peer| peer.wait_history(count))
            .collect();
        for history in &histories {
            assert_eq!(history, &histories[0]);
        }
        assert_eq!(histories[0].len(), count);
        histories.into_iter().next().unwrap()
    }

    /// The key that everybody of `among` names as the coordinator's.
    #[track_caller]
    fn coordinator(&self, among: &[usize]) -> String {
        wait_for("one coordinator", || {
            let named = among.iter().map(|&at| coordinator_of(&self.peers[at]));
            let named: Option<Vec<String>> = named.collect();
            let named = named?;
            named
                .iter()
                .all(|one| *one == named[0])
                .then(|| named[0].clone())
        })
    }
}

/// Whom a peer named last.
fn coordinator_of(peer: &Peer) -> Option<String> {
    let last = peer.events("coordinator").pop()?;
    last["author"].as_str().map(str::to_owned)
}

fn author(event: &Value) -> String {
    event["author"].as_str().unwrap().to_owned()
}

/// Says lines and waits until they are committed; gives the key of their author.
fn say(peer: &Peer, texts: &[String]) -> String {
    for text in texts {
        peer.say(text);
    }
    author(&peer.wait_where("committed", "text", texts.last().unwrap()))
}

fn lines(words: &str, count: usize) -> Vec<String> {
    (0..count).map(|at| format!("{words} {at}")).collect()
}

#[test]
fn peers_on_one_network_find_each_other_by_beacons() {
    let Some(world) = World::of_friends(3) else {
        return;
    };
    for (peer, name) in world.peers.iter().zip(NAMES) {
        say(peer, &lines(name, 5));
    }
    world.one_history(15);
    let message = world.peers[0].wait_text("eva 0");
    let addr = message["addr"].as_str().unwrap();
    assert!(addr.starts_with("10.78.0.3:"), "{message}");
}

#[test]
fn when_the_coordinator_is_killed_another_follows_and_nothing_is_lost() {
    let Some(mut world) = World::of_friends(3) else {
        return;
    };
    let texts = |at: usize, when: &str| lines(&format!("{} {when}", NAMES[at]), 10);
    let authors: Vec<String> = (0..3)
        .map(|at| say(&world.peers[at], &texts(at, "before")))
        .collect();
    world.one_history(30);
    let coordinator = world.coordinator(&[0, 1, 2]);
    let victim = authors.iter().position(|author| *author == coordinator);
    let victim = victim.expect("one of them coordinates");
    let others: Vec<usize> = (0..3).filter(|&at| at != victim).collect();
    let killed = Instant::now();
    let process = world.peers[victim].process();
    process.signal(Signal::KILL);
    // The others go on talking meanwhile.
    for &at in &others {
        say(&world.peers[at], &texts(at, "meanwhile"));
    }
    let next = wait_for("another coordinator", || {
        let next = world.coordinator(&others);
        (next != coordinator).then_some(next)
    });
    eprintln!("another coordinator {:?} after the kill", killed.elapsed());
    assert!(authors.contains(&next));
    // The one that was killed comes back with its history, and gets what it missed.
    world.peers[victim] = world.start(victim).enter();
    say(&world.peers[victim], &texts(victim, "after"));
    world.one_history(60);
}

#[test]
fn halves_that_parted_go_on_and_converge_when_they_meet() {
    let Some(world) = World::of_friends(4) else {
        return;
    };
    for (at, peer) in world.peers.iter().enumerate() {
        say(peer, &lines(NAMES[at], 3));
    }
    let before = world.one_history(12);
    world.lan.part(&[2, 3]).unwrap();
    for (at, peer) in world.peers.iter().enumerate() {
        say(peer, &lines(&format!("{} apart", NAMES[at]), 5));
    }
    // Each half has what it says, and cannot have what the other one says.
    let halves: Vec<Vec<Line>> = [0, 2]
        .iter()
        .map(|&at| {
            let (one, other) = (&world.peers[at], &world.peers[at + 1]);
            let half = one.wait_history(22);
            assert_eq!(half, other.wait_history(22));
            half
        })
        .collect();
    // Each half takes the other one for gone, and has a coordinator of its own.
    for peer in &world.peers {
        peer.wait_events("left", 2);
    }
    let coordinators = wait_for("a coordinator of each half", || {
        let both = [world.coordinator(&[0, 1]), world.coordinator(&[2, 3])];
        (both[0] != both[1]).then_some(both)
    });
    world.lan.join().unwrap();
    let met = Instant::now();
    let all = world.one_history(32);
    eprintln!("one history {:?} after they met", met.elapsed());
    // What stood in some order stands so still.
    for half in [&before, &halves[0], &halves[1]] {
        let kept: Vec<&Line> = all.iter().filter(|line| half.contains(line)).collect();
        assert!(kept.into_iter().eq(half.iter()));
    }
    // Some half was told what came into the midst of its own.
    wait_for("what was merged", || {
        let reports = world.peers.iter().flat_map(|peer| peer.events("merged"));
        reports
            .into_iter()
            .find(|report| report["inserted"].as_u64() > Some(0))
    });
    let one = world.coordinator(&[0, 1, 2, 3]);
    assert!(coordinators.contains(&one), "{coordinators:?}");
    // And they talk on.
    say(&world.peers[3], &lines("together", 1));
    world.one_history(33);
}

#[test]
fn who_says_much_to_other_machines_waits_and_none_is_refused() {
    // At once as many as the burst has, and 20 a second from then on.
    const LINES: usize = 130;
    let Some(mut world) = World::try_new(2) else {
        return;
    };
    let start = |at: usize| world.start(at).args(&["--udp"]).enter();
    world.peers = (0..2).map(start).collect();
    let link = world.peers[0].wait_event("link_up");
    assert_eq!(link["spoken"], "udp", "{link}");
    let began = Instant::now();
    say(&world.peers[0], &lines("ana", LINES));
    assert!(began.elapsed() > Duration::from_secs(1), "they were paced");
    world.one_history(LINES);
    assert_eq!(world.peers[0].events("error"), [Value::Null; 0]);
}

#[test]
fn a_cable_that_is_plugged_in_later_is_found() {
    let Some(mut world) = World::try_new(2) else {
        return;
    };
    world.lan.plug(1, false).unwrap();
    world.peers = (0..2).map(|at| world.start(at).enter()).collect();
    say(&world.peers[0], &lines("ana alone", 2));
    say(&world.peers[1], &lines("rui alone", 2));
    world.lan.plug(1, true).unwrap();
    world.one_history(4);
}

#[test]
fn the_doctor_says_what_keeps_beacons_away() {
    let Some(world) = World::try_new(1) else {
        return;
    };
    let host = world.lan.host(0);
    let mut well = world.start(0).start_with(&["doctor"]);
    assert_eq!(
        well.process().wait_code(),
        0,
        "{}{}",
        well.out(),
        well.talk()
    );
    let report = well.out();
    assert!(report.contains("multicast by eth0"), "{report}");
    assert!(report.contains("own beacon heard"), "{report}");
    forbid_groups(host).unwrap();
    let mut ill = world.start(0).start_with(&["doctor"]);
    assert_eq!(ill.process().wait_code(), 1);
    let report = ill.out();
    assert!(
        report.contains("eth0 to 239.255.76.77:7677: cannot listen"),
        "{report}"
    );
}

#[test]
fn the_doctor_says_that_beacons_do_not_come_back() {
    let Some(world) = World::try_new(1) else {
        return;
    };
    if let Err(why) = deafen(world.lan.host(0)) {
        eprintln!("skipped: nothing is filtered here: {why}");
        return;
    }
    let mut ill = world.start(0).start_with(&["doctor"]);
    assert_eq!(ill.process().wait_code(), 1);
    let report = ill.out();
    assert!(report.contains("own beacon sent and not heard"), "{report}");
    assert!(report.contains("firewall"), "{report}");
}
