//! The race is repeatable, and what runs in it delivers.

use std::time::Duration;

use lamparina_linkrace::body::Kind;
use lamparina_linkrace::cases::{self, Column, Effort};
use lamparina_linkrace::end::Side;
use lamparina_linkrace::ends::{Congestion, Contender};
use lamparina_linkrace::flow::Flow;
use lamparina_linkrace::load::Load;
use lamparina_linkrace::road::Line;
use lamparina_linkrace::world::{Outcome, World};
use lamparina_protocol::Instant;

const OURS: Contender = Contender::Ours { copies: true };
const CUBIC: Contender = Contender::Quic {
    congestion: Congestion::Cubic,
    two_streams: true,
};
const BBR: Contender = Contender::Quic {
    congestion: Congestion::Bbr,
    two_streams: false,
};
const KCP: Contender = Contender::Kcp { window: 256 };

/// A line with all troubles, little enough that everybody gets through.
fn bad_line() -> Line {
    Line::parse(
        "rate=20Mbit/s,queue=100000",
        "delay=20ms,loss=3%,burst=2,jitter=2ms",
    )
    .expect("the line is written in the grammar")
}

fn small_race(line: &Line, contender: Contender, seed: u64) -> World {
    let flow = Flow::new(contender.pair(seed, Instant::ZERO), Instant::ZERO)
        .with(Load::every(
            Duration::from_millis(20),
            Kind::Small,
            200,
            100,
        ))
        .with(Load::fill(64 << 10, 12));
    World::new(line, seed).with(flow)
}

#[track_caller]
fn check_delivers(contender: Contender) {
    let mut world = small_race(&bad_line(), contender, 7);
    let outcome = world.run(Instant::from_millis(120_000));
    let ledgers = &world.flows[0].ledgers;
    assert_eq!(outcome, Outcome::Done);
    assert_eq!((ledgers.small.delivered, ledgers.bulk.delivered), (100, 12));
    assert!(ledgers.is_clean());
    assert!(world.drops_from(Side::Client).1 > 0, "the line was bad");
}

#[test]
fn our_link_delivers_all() {
    check_delivers(OURS);
    check_delivers(Contender::Ours { copies: false });
}

#[test]
fn quic_delivers_all() {
    check_delivers(CUBIC);
    check_delivers(BBR);
}

#[test]
fn kcp_delivers_all() {
    check_delivers(KCP);
}

#[test]
fn the_same_seed_is_the_same_run_and_another_is_not() {
    let digest = |contender, seed, contents: bool| {
        let world = small_race(&bad_line(), contender, seed);
        let mut world = if contents {
            world.digesting_contents()
        } else {
            world
        };
        world.run(Instant::from_millis(120_000));
        world.digest()
    };
    // The keys of QUIC are not ours to choose: its lengths and times are compared.
    for (contender, contents) in [(OURS, true), (CUBIC, false), (KCP, true)] {
        let first = digest(contender, 3, contents);
        assert_eq!(digest(contender, 3, contents), first, "{contender:?}");
        assert_ne!(digest(contender, 4, contents), first, "{contender:?}");
    }
}

#[test]
fn a_line_without_loss_gives_a_message_its_way_and_no_more() {
    let line = Line::parse("rate=100Mbit/s,queue=500000", "delay=20ms").unwrap();
    let flow = Flow::new(CUBIC.pair(1, Instant::ZERO), Instant::ZERO).with(Load::every(
        Duration::from_millis(50),
        Kind::Small,
        200,
        40,
    ));
    let mut world = World::new(&line, 1).with(flow);
    assert_eq!(world.run(Instant::from_millis(60_000)), Outcome::Done);
    let delays = world.flows[0].ledgers.small.delays_ms(Instant::ZERO);
    assert!(delays[0] >= 20.0 && delays[39] < 21.0, "{delays:?}");
}

#[test]
fn nobody_delivers_more_than_the_line_carries() {
    for case in cases::find("bulk-5") {
        let effort = Effort {
            quick: true,
            trace: false,
        };
        for column in [Column::Ours, Column::QuicBbr, Column::Kcp] {
            let ran = case.run(column, 1, effort);
            let (share, wire) = (ran.values[0], ran.values[1]);
            assert!(share > 0.2 && share < 0.96, "{column:?} {share}");
            assert!(wire > 1.03, "{column:?} {wire}");
        }
    }
}

#[test]
fn every_case_has_a_name_of_its_own_and_is_found_by_it() {
    let all = cases::all();
    for case in &all {
        let found = cases::find(&case.name);
        assert!(found.iter().any(|one| one.name == case.name));
    }
    let bulk: Vec<String> = cases::find("bulk-1")
        .iter()
        .map(|case| case.name.clone())
        .collect();
    assert_eq!(bulk, ["bulk-1"]);
    assert_eq!(cases::find("chat").len(), 10);
    assert!(cases::find("nothing").is_empty());
}

#[test]
fn a_conversation_over_a_slow_line_is_had_to_its_end() {
    for case in cases::find("slow") {
        let ran = case.run(Column::Ours, 1, Effort::default());
        assert_eq!(ran.values[0], 20.0, "{:?}", ran.notes);
    }
}

#[test]
fn flipped_bits_damage_nothing() {
    let effort = Effort {
        quick: true,
        trace: false,
    };
    for case in cases::find("flips") {
        for column in [Column::Ours, Column::QuicCubic] {
            let ran = case.run(column, 1, effort);
            assert_eq!(ran.values, [100.0, 0.0], "{column:?} {:?}", ran.notes);
        }
    }
}

#[test]
fn samples_do_not_change_the_run() {
    let case = cases::find("bulk-1").remove(0);
    let plain = case.run(Column::Ours, 1, Effort::default());
    let effort = Effort {
        quick: false,
        trace: true,
    };
    let traced = case.run(Column::Ours, 1, effort);
    assert_eq!(
        (&traced.values, &traced.notes),
        (&plain.values, &plain.notes)
    );
    let lines = traced.trace.map_or(0, |text| text.lines().count());
    assert!(lines > 100, "{lines}");
}
