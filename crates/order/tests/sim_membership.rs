//! Membership among many peers in virtual time. `LAMPARINA_SEED=7` runs only seed 7; `LAMPARINA_SEEDS=10000` so many.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "which seeds to run is asked of the environment"
)]

use std::time::Duration;

use lamparina_order::membership::{DEGREE_KEPT, LINKS_MAX, MembershipConfig};
use membership_world::World;

mod membership_world;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs seeds; a failure prints its own.
fn seeds(count: u64, run: impl Fn(u64) -> u64 + std::panic::RefUnwindSafe) {
    let (first, count) = match number("LAMPARINA_SEED") {
        Some(only) => (only, 1),
        None => (0, number("LAMPARINA_SEEDS").unwrap_or(count)),
    };
    for seed in first..first + count {
        let digest = std::panic::catch_unwind(|| run(seed));
        let Ok(digest) = digest else {
            panic!("only this seed: LAMPARINA_SEED={seed}");
        };
        if seed % 16 == 0 {
            assert_eq!(digest, run(seed), "seed {seed} ran differently twice");
        }
    }
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// What happens to a small group.
fn disturb(world: &mut World) {
    let count = world.nodes.len() as u64;
    let at = world.below(count) as usize;
    let other = world.below(count) as usize;
    match world.below(12) {
        0 | 1 => world.kill(at, true),
        2 => world.kill(at, false),
        3 => world.leave(at),
        4 | 5 => world.start(at),
        6 | 7 => world.flap(at),
        8 => world.wall(at, other, true),
        9 => world.wall(at, other, false),
        10 => world.walls.clear(),
        _ => {
            let ms = world.below(8_000);
            world.sleep(at, Duration::from_millis(ms));
        }
    }
}

/// Time that passes after all trouble has ended, until all is as it should be.
const QUIET: Duration = secs(75);

fn small_world(seed: u64) -> u64 {
    let count = 3 + (seed % 6) as usize;
    let mut world = World::new(seed, count, MembershipConfig::default());
    for at in 0..count {
        world.start(at);
        let pause = world.below(1_500);
        world.run(Duration::from_millis(pause));
    }
    for _ in 0..20 {
        disturb(&mut world);
        let pause = world.below(4_000);
        world.run(Duration::from_millis(pause));
    }
    world.walls.clear();
    for at in 0..count {
        world.start(at);
    }
    world.run(QUIET);
    world.assert_greatest_coordinates();
    world.assert_full_mesh();
    world.assert_everybody_knows_who_is_there();
    world.assert_everybody_has_a_number();
    let before = world.dialled();
    world.run(secs(20));
    assert_eq!(
        world.dialled(),
        before,
        "seed {seed}: who is linked is called"
    );
    world.digest()
}

#[test]
fn small_groups_come_together_whatever_happened() {
    seeds(100, small_world);
}

/// Until everybody follows one coordinator.
fn until_one_coordinator(world: &mut World, most: Duration) -> Duration {
    let begun = world.now;
    loop {
        let up = world.up();
        let of = |at: &usize| world.machine(*at).coordinator();
        let first = of(&up[0]);
        let is_up = first.is_some_and(|one| up.iter().any(|at| world.nodes[*at].key == one.key));
        if is_up && up.iter().all(|at| of(at) == first) {
            return world.now - begun;
        }
        assert!(world.now - begun < most, "no coordinator after {most:?}");
        world.run(Duration::from_millis(10));
    }
}

#[test]
fn a_coordinator_that_dies_is_replaced_within_three_seconds() {
    seeds(16, |seed| {
        let mut world = World::new(seed, 3 + (seed % 14) as usize, MembershipConfig::default());
        (0..world.nodes.len()).for_each(|at| world.start(at));
        world.run(secs(30));
        for is_heard in [true, false] {
            let coordinator = world.assert_one_coordinator();
            world.kill(coordinator, is_heard);
            let took = until_one_coordinator(&mut world, secs(3));
            assert!(took <= secs(3), "seed {seed}: {took:?}");
            world.start(coordinator);
            world.run(secs(40));
            world.assert_greatest_coordinates();
        }
        world.digest()
    });
}

#[test]
fn nobody_who_is_new_unseats_a_living_coordinator() {
    seeds(12, |seed| {
        let mut world = World::new(seed, 6, MembershipConfig::default());
        let greatest = (0..6).max_by_key(|at| world.nodes[*at].key).unwrap();
        (0..6)
            .filter(|at| *at != greatest)
            .for_each(|at| world.start(at));
        world.run(secs(30));
        let lesser = world.assert_one_coordinator();
        world.start(greatest);
        world.run(secs(9));
        assert_eq!(world.assert_one_coordinator(), lesser);
        world.run(secs(6));
        assert_eq!(world.assert_one_coordinator(), greatest);
        // One that flaps never does.
        for _ in 0..8 {
            world.kill(greatest, true);
            until_one_coordinator(&mut world, secs(3));
            world.start(greatest);
            world.run(secs(8));
            assert_ne!(world.assert_one_coordinator(), greatest);
        }
        world.digest()
    });
}

/// Two halves, each with its coordinator, meet again.
#[test]
fn two_coordinators_are_made_one_on_sight() {
    seeds(16, |seed| {
        let config = MembershipConfig::default();
        let mut world = World::new(seed, 8, config);
        (0..8).for_each(|at| world.start(at));
        world.run(secs(30));
        for (a, b) in (0..4).flat_map(|a| (4..8).map(move |b| (a, b))) {
            world.wall(a, b, true);
        }
        let apart = 10 + world.below(120);
        world.run(secs(apart));
        let coordinating = (0..8).filter(|at| world.machine(*at).coordinates());
        assert_eq!(coordinating.count(), 2, "seed {seed}");
        world.walls.clear();
        let took = until_one_coordinator(&mut world, secs(45));
        assert!(took <= secs(45), "seed {seed}: {took:?}");
        world.run(secs(45));
        world.assert_greatest_coordinates();
        world.assert_full_mesh();
        world.assert_everybody_knows_who_is_there();
        world.digest()
    });
}

#[test]
fn one_way_walls_leave_one_coordinator() {
    seeds(16, |seed| {
        let mut world = World::new(seed, 5, MembershipConfig::default());
        (0..5).for_each(|at| world.start(at));
        world.run(secs(30));
        let coordinator = world.assert_one_coordinator();
        let deaf = (coordinator + 1) % 5;
        world.wall(coordinator, deaf, false);
        world.run(secs(20));
        // Its announcements come by the others.
        world.assert_greatest_coordinates();
        let changes = world.coordinators.len();
        world.run(secs(60));
        assert_eq!(
            world.coordinators.len(),
            changes,
            "seed {seed}: it changes again and again"
        );
        world.digest()
    });
}

#[test]
fn without_elections_everything_else_works() {
    seeds(8, |seed| {
        let election = false;
        let config = MembershipConfig {
            election,
            ..MembershipConfig::default()
        };
        let mut world = World::new(seed, 6, config);
        (0..6).for_each(|at| world.start(at));
        world.run(secs(20));
        world.kill(0, false);
        world.run(secs(20));
        world.assert_full_mesh();
        world.assert_everybody_knows_who_is_there();
        assert!(world.coordinators.is_empty());
        world.digest()
    });
}

/// A line by given addresses, without multicast.
fn line(seed: u64, count: usize, mesh: bool) -> World {
    let (beacons, config) = (false, MembershipConfig::default());
    let mut world = World::new(
        seed,
        count,
        MembershipConfig {
            beacons,
            mesh,
            ..config
        },
    );
    world.beacon_loss = 100;
    for at in 1..count {
        world.given.insert(at, vec![at - 1]);
    }
    (0..count).for_each(|at| world.start(at));
    world.run(secs(30));
    world
}

#[test]
fn a_line_of_given_addresses_becomes_a_mesh_or_stays_a_line() {
    seeds(8, |seed| {
        let world = line(seed, 7, true);
        world.assert_full_mesh();
        world.assert_greatest_coordinates();
        world.assert_everybody_has_a_number();
        let mut world = line(seed, 7, false);
        let links = |world: &World, at: usize| world.machine(at).links().len();
        assert_eq!(
            (0..7).map(|at| links(&world, at)).collect::<Vec<_>>(),
            [1, 2, 2, 2, 2, 2, 1]
        );
        world.assert_greatest_coordinates();
        world.assert_everybody_knows_who_is_there();
        world.assert_everybody_has_a_number();
        // Given addresses are tried for ever.
        world.kill(3, true);
        world.run(secs(300));
        world.start(3);
        world.run(secs(12));
        assert!(world.is_connected(), "seed {seed}");
        world.digest()
    });
}

#[test]
fn who_left_is_not_called_again_in_that_life() {
    let mut world = World::new(1, 4, MembershipConfig::default());
    (0..4).for_each(|at| world.start(at));
    world.run(secs(15));
    let before = world.dialled();
    world.leave(2);
    world.run(secs(120));
    world.assert_everybody_knows_who_is_there();
    assert_eq!(world.dialled(), before);
    world.start(2);
    world.run(secs(10));
    world.assert_full_mesh();
}

#[test]
fn attempts_end_and_reconnect_begins_them_anew() {
    let mut world = line(1, 3, true);
    world.assert_full_mesh();
    world.kill(2, true);
    world.run(secs(100));
    let before = world.dialled();
    world.run(secs(300));
    // Now and then only: two peers, each within 20 to 40 seconds.
    let calls = world.dialled() - before;
    assert!(
        (2 * 300 / 41..=2 * 300 / 19).contains(&calls),
        "{calls} calls"
    );
    world.given.clear();
    world.start(2);
    world.reconnect(0);
    world.run(secs(1));
    assert!(world.is_connected());
}

#[test]
fn a_machine_that_slept_takes_nobody_for_dead() {
    let mut world = World::new(1, 4, MembershipConfig::default());
    (0..4).for_each(|at| world.start(at));
    world.run(secs(30));
    // Shorter than what the others bear.
    let changes = world.coordinators.len();
    let dialled = world.dialled();
    let coordinator = world.assert_one_coordinator();
    let other = (coordinator + 1) % 4;
    world.sleep(other, Duration::from_millis(2_300));
    world.run(secs(10));
    assert_eq!(
        (world.coordinators.len(), world.dialled()),
        (changes, dialled)
    );
}

/// Three hundred: degree, one group, repair, one coordinator.
#[test]
fn three_hundred_peers_keep_few_links_and_one_group() {
    let refresh_every = secs(60);
    let config = MembershipConfig {
        refresh_every,
        ..MembershipConfig::default()
    };
    let mut world = World::new(number("LAMPARINA_SEED").unwrap_or(1), 300, config);
    world.beacon_loss = 95;
    for at in 0..300 {
        world.start(at);
        world.run(Duration::from_millis(30));
    }
    world.run(secs(60));
    degrees(&world);
    world.assert_one_coordinator();
    for _ in 0..30 {
        let at = world.below(300) as usize;
        let is_heard = world.below(2) == 0;
        world.kill(at, is_heard);
    }
    world.run(secs(30));
    degrees(&world);
    world.assert_one_coordinator();
    world.assert_everybody_knows_who_is_there();
}

/// Two halves of a group too large for all to be linked with all, by beacons or without.
#[test]
fn halves_of_a_large_group_meet_again() {
    seeds(2, |seed| {
        let mut world = World::new(seed, 40, MembershipConfig::default());
        world.beacon_loss = if seed % 2 == 0 { 95 } else { 100 };
        (1..40).for_each(|at| drop(world.given.insert(at, vec![at / 2])));
        (0..40).for_each(|at| world.start(at));
        world.run(secs(60));
        degrees(&world);
        world.given.clear();
        for (a, b) in (0..20).flat_map(|a| (20..40).map(move |b| (a, b))) {
            world.wall(a, b, true);
        }
        let apart = 20 + world.below(150);
        world.run(secs(apart));
        world.walls.clear();
        world.run(secs(90));
        degrees(&world);
        world.assert_one_coordinator();
        world.assert_everybody_knows_who_is_there();
        world.digest()
    });
}

fn degrees(world: &World) {
    let degrees = world
        .up()
        .into_iter()
        .map(|at| world.machine(at).links().len());
    let degrees: Vec<usize> = degrees.collect();
    let (least, most) = (degrees.iter().min().unwrap(), degrees.iter().max().unwrap());
    let sum: usize = degrees.iter().sum();
    println!(
        "{} peers: {least} to {most} links, {:.1} on average",
        degrees.len(),
        sum as f64 / degrees.len() as f64
    );
    assert!(*least >= 4 && *most <= DEGREE_KEPT + 1 && *most <= LINKS_MAX);
    assert!(world.is_connected());
}

/// A peer that dies unheard and is there again at once: its new links stay, its old ones go.
#[test]
fn who_starts_anew_at_once_is_linked_and_led_at_once() {
    seeds(24, |seed| {
        let mut world = World::new(seed, 4, MembershipConfig::default());
        (0..4).for_each(|at| world.start(at));
        world.run(secs(30));
        let coordinator = world.assert_one_coordinator();
        let at = match seed % 2 {
            0 => coordinator,
            _ => (coordinator + 1) % 4,
        };
        world.kill(at, false);
        world.start(at);
        let took = until_one_coordinator(&mut world, secs(4));
        world.run(secs(4).saturating_sub(took));
        world.assert_full_mesh();
        world.digest()
    });
}

/// Chat beside membership: what befalls `disturb`'s group, and what is said meanwhile.
fn chat_world(seed: u64, election: bool, liars: usize) -> u64 {
    let config = MembershipConfig {
        election,
        ..MembershipConfig::default()
    };
    let count = 3 + (seed % 4) as usize + liars;
    let mut world = World::new(seed, count, config);
    world.chats = true;
    let honest: Vec<usize> = (0..count - liars).collect();
    for liar in count - liars..count {
        world.nodes[liar].lies = true;
    }
    (0..count).for_each(|at| world.start(at));
    for said in 0..60 {
        let at = world.below(count as u64) as usize;
        if world.nodes[at].lies {
            (0..8).for_each(|_| world.lie(at));
        } else {
            world.say(at, format!("{said}"));
        }
        if world.below(4) == 0 {
            disturb(&mut world);
        }
        let pause = world.below(700);
        world.run(Duration::from_millis(pause));
    }
    world.walls.clear();
    for liar in count - liars..count {
        world.kill(liar, true);
    }
    honest.iter().for_each(|at| world.start(*at));
    world.run(QUIET);
    world.assert_one_history(&honest);
    if election {
        world.assert_one_coordinator();
    }
    world.digest()
}

#[test]
fn chat_goes_on_whoever_coordinates() {
    seeds(24, |seed| chat_world(seed, true, 0));
}

#[test]
fn chat_goes_on_without_elections() {
    seeds(16, |seed| chat_world(seed, false, 0));
}

/// Members that claim to coordinate, give numbers and hints, lose and invent peers as they like.
#[test]
fn chat_goes_on_whatever_a_coordinator_answers() {
    seeds(24, |seed| chat_world(seed, true, 1 + (seed % 2) as usize));
}
