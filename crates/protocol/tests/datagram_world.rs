//! Links over datagrams with a bad line between them: each message of each lane once and in order,
//! whatever the line does, and nothing lost by an orderly end. One seed, one run.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "datagram_line/mod.rs"]
mod line;

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use lamparina_protocol::Instant;
use lamparina_protocol::control::CloseCode;
use lamparina_protocol::datagram::{Copies, DatagramConfig};
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::link::{CloseReason, Input, LinkConfig, SendError};
use line::{CONNECTION, Dice, Line, World};

const LANES: [FrameType; 2] = [FrameType::Data, FrameType::Bulk];

/// What one seed does to a line and asks of a link.
struct Plan {
    line: Line,
    sealed: bool,
    slow: bool,
    copies: Copies,
    window_frames: u16,
    window_bytes: u32,
    /// Messages of each lane, from each side.
    counts: [[u32; 2]; 2],
    bulk_bytes: u64,
    cut: Option<(Instant, Instant)>,
}

fn plan(seed: u64) -> Plan {
    let mut dice = Dice(seed.wrapping_mul(0xD134_2543_DE82_EF95) | 1);
    for _ in 0..8 {
        dice.roll();
    }
    let slow = dice.below(8) == 0;
    let cut = (dice.below(6) == 0).then(|| {
        let from = dice.below(3_000);
        let until = from + 1_000 + dice.below(10_000);
        (Instant::from_millis(from), Instant::from_millis(until))
    });
    let bytes_per_s = match slow {
        true => 300 + dice.below(3_000),
        false => 20_000 + dice.below(3_000_000),
    };
    let window_frames = dice.below(14);
    let window_frames = 1 + dice.below(16_384 >> window_frames) as u16;
    let least_queue = if slow { 4_000 } else { 3_000 };
    Plan {
        line: Line {
            loss_permille: dice.below(2) * dice.below(300),
            damage_permille: dice.below(2) * dice.below(50),
            twice_permille: dice.below(2) * dice.below(100),
            delay_us: dice.below(if slow { 1_000_000 } else { 150_000 }),
            jitter_us: dice.below(2) * dice.below(30_000),
            bytes_per_s,
            queue_bytes: least_queue + dice.below(bytes_per_s / 2),
        },
        sealed: dice.below(3) > 0,
        slow,
        copies: if dice.below(2) == 0 {
            Copies::NONE
        } else {
            Copies::default()
        },
        window_frames,
        window_bytes: 1_400 << dice.below(12),
        counts: [0, 1].map(|_| {
            let few = if slow { 6 } else { 60 };
            [dice.below(few) as u32, dice.below(few / 6 + 1) as u32]
        }),
        bulk_bytes: if slow { 1_500 } else { 40_000 },
        cut,
    }
}

fn world(seed: u64, plan: &Plan) -> World {
    let mut world = World::new(seed, plan.line, plan.sealed, |at| {
        let link = LinkConfig {
            window_frames: plan.window_frames,
            window_bytes: plan.window_bytes,
            handshake_within: Duration::from_secs(600),
            dead_after: Duration::from_secs(600),
            ping_after: Duration::from_secs(200),
            ..LinkConfig::new(at as u32 + 1)
        };
        let datagrams = DatagramConfig::new(CONNECTION, seed + at as u64);
        let datagrams = if plan.slow {
            datagrams.slow()
        } else {
            datagrams
        };
        let copies = plan.copies;
        (
            link,
            DatagramConfig {
                copies,
                ..datagrams
            },
        )
    });
    world.cut = plan.cut;
    world
}

/// The `number`-th message of a lane: its number, then bytes that depend on it.
fn body(lane: usize, number: u32, dice: &mut Dice, bulk_bytes: u64) -> Bytes {
    let length = match lane {
        0 => 4 + dice.below(if number % 9 == 8 { 5_000 } else { 300 }),
        _ => 4 + dice.below(bulk_bytes),
    };
    let mut out = BytesMut::new();
    out.put_u32(number);
    out.resize(length as usize, number as u8 ^ lane as u8);
    out.freeze()
}

fn check_came(world: &World, seed: u64, counts: &[[u32; 2]; 2]) {
    for at in [0, 1] {
        for (lane, kind) in LANES.into_iter().enumerate() {
            let came = world.sides[at].came.iter().filter(|(_, k, _)| *k == kind);
            let numbers: Vec<u32> = came
                .map(|(_, _, body)| {
                    let number = u32::from_be_bytes(*body.first_chunk::<4>().unwrap());
                    let rest = number as u8 ^ lane as u8;
                    assert!(body[4..].iter().all(|&byte| byte == rest), "seed {seed}");
                    number
                })
                .collect();
            let expected: Vec<u32> = (0..counts[1 - at][lane]).collect();
            assert_eq!(numbers, expected, "seed {seed}, side {at}, {kind:?}");
        }
    }
}

/// Runs a seed to its orderly end; gives a digest of all that was on the wire.
fn run(seed: u64) -> u64 {
    let plan = plan(seed);
    let mut world = world(seed, &plan);
    let mut dice = Dice(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) | 1);
    let mut said = [[0; 2]; 2];
    let mut closing = [false; 2];
    let limit = Instant::from_millis(3_000_000);
    while world.sides.iter().any(|side| side.closed.is_none()) {
        for at in [0, 1] {
            say(&mut world, at, &plan, &mut said[at], &mut dice);
            // What the peer has not said before it hears of an end it cannot say any more.
            let all_said = world.sides[at].opened && said == plan.counts;
            if all_said && !closing[at] && dice.below(3) == 0 {
                closing[at] = true;
                let (code, text) = (CloseCode::Goodbye, String::new());
                world.give(at, Input::Close { code, text });
            }
        }
        let until = world.now + Duration::from_millis(1 + dice.below(40));
        while world.step(until) && dice.below(4) > 0 {}
        if dice.below(200) == 0 {
            let at = dice.below(2) as usize;
            world.sides[at].link.begin_path(world.now);
        }
        assert!(world.now < limit, "seed {seed} does not end");
    }
    for at in [0, 1] {
        let closed = world.sides[at].closed.as_ref();
        assert_eq!(
            closed,
            Some(&CloseReason::Orderly),
            "seed {seed}, side {at}"
        );
    }
    check_came(&world, seed, &plan.counts);
    world.trace
}

/// Says a message or none.
fn say(world: &mut World, at: usize, plan: &Plan, said: &mut [u32; 2], dice: &mut Dice) {
    let lane = dice.below(2) as usize;
    if !world.sides[at].opened || said[lane] == plan.counts[at][lane] {
        return;
    }
    let body = body(lane, said[lane], dice, plan.bulk_bytes);
    match world.send(at, LANES[lane], body) {
        Ok(()) => said[lane] += 1,
        Err(SendError::Full) => {}
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn each_message_once_and_in_order_whatever_the_line_does() {
    for seed in 0..400 {
        run(seed);
    }
}

/// A line that loses a third, seconds long: who waits for nothing but a goodbye must have more patience
/// than its peer's longest pauses.
#[test]
fn what_a_slow_peer_has_to_say_is_waited_for() {
    for seed in [
        611, 2494, 3504, 6239, 6858, 7625, 9276, 9372, 10199, 11555, 13252, 15614, 15893, 18927,
        19084,
    ] {
        run(seed);
    }
}

/// `LAMPARINA_SEEDS=from..to cargo test --release -p lamparina-protocol --test datagram_world -- --ignored`
#[test]
#[ignore = "for as many seeds as one has time for"]
#[expect(clippy::disallowed_methods, reason = "who runs it says how many seeds")]
fn the_same_for_more_seeds() {
    let seeds = std::env::var("LAMPARINA_SEEDS").unwrap_or_default();
    let (from, to) = seeds.split_once("..").unwrap_or(("400", "5000"));
    for seed in from.parse().unwrap()..to.parse().unwrap() {
        run(seed);
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..8 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}

#[test]
fn small_messages_do_not_wait_for_large_ones() {
    let line = Line {
        loss_permille: 10,
        bytes_per_s: 1_250_000,
        queue_bytes: 50_000,
        ..Line::clean(20)
    };
    let mut world = World::new(1, line, true, World::config(1));
    world.open();
    let large = Bytes::from(vec![1; 1 << 20]);
    world.send(0, FrameType::Bulk, large).unwrap();
    let begun = world.now;
    for number in 0..10_u64 {
        world.run_until(begun + Duration::from_millis(50 * number));
        let small = Bytes::from(vec![2; 200]);
        world.send(0, FrameType::Data, small).unwrap();
    }
    world.run_until(begun + Duration::from_millis(700));
    let came = |kind| {
        let came = world.sides[1].came.iter();
        came.filter(|(_, k, _)| *k == kind).count()
    };
    assert_eq!((came(FrameType::Data), came(FrameType::Bulk)), (10, 0));
}

#[test]
fn old_datagrams_change_nothing_however_often_they_come_again() {
    let mut world = World::new(3, Line::clean(5), true, World::config(3));
    world.open();
    for number in 0..20_u32 {
        let body = Bytes::copy_from_slice(&number.to_be_bytes());
        world.send(0, FrameType::Data, body).unwrap();
    }
    let mut seen = Vec::new();
    let until = world.now + Duration::from_secs(2);
    while world.step(until) {
        seen.extend(world.last_datagram(1));
    }
    assert!(seen.len() > 2, "{}", seen.len());
    let before = world.sides[1].link.stats();
    for datagram in seen.iter().cycle().take(500) {
        world.give(1, Input::Datagram(datagram.clone()));
        assert!(!world.sides[1].link.datagram_outcome().authentic);
    }
    let after = world.sides[1].link.stats();
    assert_eq!(world.sides[1].came.len(), 20);
    assert_eq!(after.frames_received, before.frames_received);
    assert_eq!(after.packets_sent, before.packets_sent);
}

#[test]
fn an_answer_is_awaited_by_who_has_said_something_and_by_nobody_else() {
    let mut world = World::new(5, Line::clean(10), true, World::config(5));
    let awaited = |world: &World| [0, 1].map(|at: usize| world.sides[at].link.awaits_answer());
    assert_eq!(awaited(&world), [true, false]);
    world.open();
    let until = world.now + Duration::from_secs(1);
    world.run_until(until);
    assert_eq!(awaited(&world), [false, false]);
    let body = Bytes::from_static(b"hello");
    world.send(1, FrameType::Data, body).unwrap();
    let until = world.now + Duration::from_millis(15);
    world.run_until(until);
    // It has come and was acknowledged: that alone asks for nothing.
    assert_eq!(world.sides[0].came.len(), 1);
    assert_eq!(awaited(&world), [false, true]);
    let until = world.now + Duration::from_secs(1);
    world.run_until(until);
    assert_eq!(awaited(&world), [false, false]);
}
