//! Our contacts and each of six programs as they were seen, in virtual time: whoever dials, and however
//! they read, nothing that was said is lost, shown twice, or breaks them. A failure prints its seed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod stranger;
mod world;

use lamparina_pyp2p::contacts::{Input, Output};
use stranger::{ALL, FirstLineOnly, Quirks};
use world::World;

/// Texts that each side says.
const TEXTS: usize = 20;
const SEEDS: u64 = 40;

#[derive(Clone, Copy, Debug)]
enum Dials {
    They,
    We,
    Both,
}

/// Runs `check` for each program, each way of dialling and each seed; says which one failed.
fn each(check: impl Fn(&mut World, Quirks, Dials) + std::panic::RefUnwindSafe) {
    for quirks in ALL {
        for dials in [Dials::They, Dials::We, Dials::Both] {
            for seed in 1..=SEEDS {
                let failed = std::panic::catch_unwind(|| {
                    let mut world = World::new(seed, quirks, TEXTS);
                    check(&mut world, quirks, dials);
                });
                assert!(
                    failed.is_ok(),
                    "program {}, {dials:?} dialled, seed {seed}",
                    quirks.name
                );
            }
        }
    }
}

fn meet(world: &mut World, dials: Dials) {
    if matches!(dials, Dials::We | Dials::Both) {
        world.discover();
    }
    if matches!(dials, Dials::They | Dials::Both) {
        world.stranger_dials();
    }
    // One that only speaks where it dialled does that, too.
    if let (Dials::We, true) = (dials, world.stranger.quirks.speaks_where_it_dialled) {
        world.stranger_dials();
    }
    world.run(400);
    assert!(world.stranger.is_connected());
}

fn shown(world: &World) -> Vec<String> {
    let all = world.told.iter().filter_map(|told| match told {
        Output::Said { said, .. } => Some(said.text.clone()),
        _ => None,
    });
    all.collect()
}

#[test]
fn rules_5_6_12_20_everything_said_arrives_once_whoever_dials() {
    each(|world, quirks, dials| {
        meet(world, dials);
        for n in 0..TEXTS {
            assert!(world.send(n as u8, &format!("{n} ol\u{e1}")));
        }
        world.run(20_000);
        assert_eq!(world.stranger.heard.len(), TEXTS);
        assert!(world.stranger.is_content());
        let mut texts = shown(world);
        texts.sort();
        let mut expect: Vec<_> = (0..TEXTS)
            .map(|n| format!("{} says {n} \u{e9}", quirks.name))
            .collect();
        expect.sort();
        assert_eq!(texts, expect, "each once");
        let acked = world
            .told
            .iter()
            .filter(|told| matches!(told, Output::Acknowledged { .. }));
        assert_eq!(acked.count(), TEXTS);
        let here = world
            .told
            .iter()
            .filter(|told| matches!(told, Output::Appeared { .. }));
        assert_eq!(here.count(), 1, "shown once");
        assert!(
            !world
                .told
                .iter()
                .any(|told| matches!(told, Output::Gone { .. }))
        );
    });
}

#[test]
fn rules_17_40_everybody_hears_bye_when_we_leave() {
    each(|world, _, dials| {
        meet(world, dials);
        world.run(1_000);
        world.give(Input::Leave { reason: "fim" });
        world.run(12_000);
        assert!(world.ana.is_done());
        assert!(!world.stranger.is_connected());
    });
}

#[test]
fn rules_11_23_who_leaves_is_gone_and_not_dialled_at_once() {
    each(|world, _, dials| {
        meet(world, dials);
        world.run(1_000);
        world.stranger_leaves();
        world.run(9_000);
        world.discover();
        world.run(9_900);
        let gone = world
            .told
            .iter()
            .filter(|told| matches!(told, Output::Gone { .. }));
        assert_eq!(gone.count(), 1);
        assert!(!world.stranger.is_connected());
    });
}

#[test]
fn rule_18_who_breaks_on_pub_comes_back() {
    each(|world, quirks, dials| {
        meet(world, dials);
        // Everybody is listed, so that whoever is lost is found again.
        world.discover();
        world.run(3_000);
        world.publish("a todos");
        world.run(8_000);
        assert!(world.send(7, "ainda?"));
        world.run(30_000);
        assert!(world.stranger.heard.contains("ainda?"));
        assert_eq!(
            world.stranger.heard.contains("a todos"),
            !quirks.closes_on_pub
        );
        assert!(world.stranger.is_content());
    });
}

#[test]
fn rules_10_19_connections_live_through_silence() {
    each(|world, _, dials| {
        meet(world, dials);
        world.run(300_000);
        assert!(world.stranger.is_connected());
        let peer = world.peer();
        assert!(world.ana.is_here(&peer));
        assert!(
            !world
                .told
                .iter()
                .any(|told| matches!(told, Output::Gone { .. }))
        );
    });
}

#[test]
fn the_programs_of_this_world_do_drop_what_is_sent_too_fast() {
    // Else the tests above would show nothing.
    let careful = ALL
        .iter()
        .find(|quirks| quirks.first_line_only == FirstLineOnly::Always);
    let mut stranger = stranger::Stranger::new(*careful.unwrap(), 0);
    stranger.opened(1, false);
    let hello = "{\"type\":\"HELLO\",\"peer_id\":\"ana@lab\",\"ttl\":1}\n";
    let send =
        "{\"type\":\"SEND\",\"msg_id\":\"m\",\"src\":\"ana@lab\",\"payload\":\"x\",\"ttl\":1}\n";
    stranger.read(1, format!("{hello}{send}{send}").as_bytes());
    assert_eq!((stranger.dropped, stranger.heard.len()), (2, 0));
}

#[test]
fn the_same_seed_is_the_same_world() {
    let trace = |seed| {
        let mut world = World::new(seed, ALL[5], TEXTS);
        meet(&mut world, Dials::Both);
        world.run(10_000);
        world.trace
    };
    assert_eq!(trace(3), trace(3));
    assert_ne!(trace(3), trace(4));
}
