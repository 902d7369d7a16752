//! Each trouble alone, bounds, and what holds for any inputs at all.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod common;

use bytes::Bytes;
use common::{World, frame, number, numbers, run, settings};
use lamparina_impair::{
    HELD_BYTES_MAX, HELD_FRAMES_MAX, HOLD_AT_MOST, Impaired, Input, LENGTH_FIELD_BYTES, Stats,
};
use lamparina_protocol::Instant;
use proptest::prelude::*;

const NOTHING: Stats = Stats {
    entered: 100,
    lost: 0,
    damaged: 0,
    duplicated: 0,
    reordered: 0,
    delayed: 0,
    dropped_by_queue: 0,
    out: 100,
    partitioned: 0,
};

#[test]
fn each_trouble_alone_is_the_only_one() {
    #[track_caller]
    fn check(text: &str, expected: Stats) {
        // 100 frames of 100 bytes, one a millisecond.
        let world = run(text, 100, 100, 1_000);
        assert_eq!(world.stats(), expected, "{text}");
    }
    #[rustfmt::skip]
    let table = [
        ("off", NOTHING),
        ("seed=7", NOTHING),
        ("loss=100%", Stats { lost: 100, out: 0, ..NOTHING }),
        ("corrupt=100%", Stats { damaged: 100, ..NOTHING }),
        ("dup=100%", Stats { duplicated: 100, out: 200, ..NOTHING }),
        ("delay=80ms", Stats { delayed: 100, ..NOTHING }),
        ("reorder=100%", Stats { delayed: 100, ..NOTHING }),
        ("down", Stats { partitioned: 100, out: 0, ..NOTHING }),
        ("partition=10ms..30ms", Stats { partitioned: 20, out: 80, ..NOTHING }),
        ("partition=95ms..", Stats { partitioned: 5, out: 95, ..NOTHING }),
        // 100 bytes come each millisecond and go; then half of them go and 1,000 wait: 50 * 99 + 1,000.
        ("rate=800kbit/s", Stats { delayed: 100, ..NOTHING }),
        ("rate=400kbit/s,queue=1000", Stats { delayed: 59, dropped_by_queue: 41, out: 59, ..NOTHING }),
        ("jitter=200us", Stats { delayed: 58, ..NOTHING }),
        ("loss=100%,down", Stats { partitioned: 100, out: 0, ..NOTHING }),
    ];
    for (text, expected) in table {
        check(text, expected);
    }
}

#[test]
fn off_gives_the_very_frames_at_once() {
    let world = run("off", 50, 64, 10);
    let expected: Vec<_> = (0..50).map(|n| (u64::from(n) * 10, frame(n, 64))).collect();
    assert_eq!(world.out, expected);
}

#[test]
fn a_delay_keeps_order_and_is_exact() {
    let world = run("delay=80ms,seed=3", 50, 64, 10);
    let expected: Vec<_> = (0..50)
        .map(|n| (80_000 + u64::from(n) * 10, frame(n, 64)))
        .collect();
    assert_eq!(world.out, expected);
}

#[test]
fn jitter_stays_within_its_bounds_on_both_sides() {
    let world = run("delay=80ms,jitter=20ms,seed=3", 2_000, 64, 1_000_000);
    let travels: Vec<u64> = (0..)
        .zip(&world.out)
        .map(|(n, (at, _))| at - n * 1_000_000)
        .collect();
    let mean = travels.iter().sum::<u64>() / travels.len() as u64;
    assert!(
        travels
            .iter()
            .all(|micros| (60_000..=100_000).contains(micros))
    );
    assert!(travels.iter().any(|micros| *micros < 60_500));
    assert!(travels.iter().any(|micros| *micros > 99_500));
    assert!((79_000..=81_000).contains(&mean), "{mean}");
    assert_eq!(world.stats().reordered, 0);
    // Frames closer to each other than the jitter overtake, and it is counted.
    assert!(
        run("delay=80ms,jitter=20ms", 2_000, 64, 1_000)
            .stats()
            .reordered
            > 500
    );
}

#[test]
fn a_reordered_frame_lets_one_to_four_others_past_and_none_is_missing() {
    let world = run("reorder=5%,seed=7", 4_000, 64, 1_000);
    let came = numbers(&world.out);
    assert!(
        (150..=250).contains(&world.stats().reordered),
        "{:?}",
        world.stats()
    );
    assert_eq!(world.stats().reordered, world.stats().delayed);
    let mut lateness = [0u32; 8];
    for (place, n) in came.iter().enumerate() {
        lateness[came[..place].iter().filter(|m| *m > n).count().min(7)] += 1;
    }
    // Two held back at once may come out past each other: seldom more than four went past.
    assert!(lateness[1..=4].iter().all(|&n| n > 25), "{lateness:?}");
    assert!(lateness[5..].iter().sum::<u32>() <= 10, "{lateness:?}");
    let mut sorted = came;
    sorted.sort_unstable();
    assert_eq!(sorted, (0..4_000).collect::<Vec<_>>());
}

#[test]
fn a_frame_held_back_behind_nothing_comes_out_all_the_same() {
    let mut world = World::new("reorder=100%,delay=5ms");
    world.at(1_000, Input::Frame(frame(9, 64)));
    assert_eq!(
        world.finish(),
        &[(6_000 + HOLD_AT_MOST.as_micros() as u64, frame(9, 64))]
    );
    assert_eq!(world.stats().reordered, 0);
}

#[test]
fn the_rate_limit_sends_one_frame_after_another() {
    // 1,000 bits a frame: 10 ms each at 100 kbit/s, whether they come at once or not.
    let mut world = World::new("rate=100kbit/s");
    for n in 0..3 {
        world.at(0, Input::Frame(frame(n, 125)));
    }
    world.at(100_000, Input::Frame(frame(3, 125)));
    let times: Vec<u64> = world.finish().iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [10_000, 20_000, 30_000, 110_000]);
    assert_eq!(numbers(&world.out), [0, 1, 2, 3]);
}

#[test]
fn the_rate_holds_over_many_frames_and_uneven_sizes() {
    // 3 bytes of 8 bits at 7 Mbit/s are 3.43 us: nothing may be lost or won by rounding.
    let mut world = World::new("rate=7Mbit/s,queue=64MiB");
    for n in 0..70_000 / 2 {
        world.at(0, Input::Frame(frame(n, 4 + n as usize % 3)));
    }
    let bits: u64 = world
        .finish()
        .iter()
        .map(|(_, frame)| frame.len() as u64 * 8)
        .sum();
    let ended = world.out.last().unwrap().0;
    assert!(ended.abs_diff(bits / 7) <= 35, "{ended} for {bits} bits");
}

#[test]
fn what_finds_no_room_at_the_rate_limit_is_dropped_from_the_tail() {
    let mut world = World::new("rate=8kbit/s,queue=250");
    for n in 0..5 {
        world.at(0, Input::Frame(frame(n, 100)));
    }
    // At 1 byte a millisecond 60 of the 200 bytes are gone: one more fits, a second does not.
    world.at(60_000, Input::Frame(frame(5, 100)));
    world.at(60_000, Input::Frame(frame(6, 100)));
    world.finish();
    assert_eq!(numbers(&world.out), [0, 1, 5]);
    assert_eq!(world.stats().dropped_by_queue, 4);
    // A frame longer than the queue passes an idle sender.
    world.at(1_000_000, Input::Frame(frame(7, 1_000)));
    assert_eq!(world.finish().last(), Some(&(2_000_000, frame(7, 1_000))));
}

#[test]
fn a_partition_is_counted_from_its_settings_and_spares_what_is_under_way() {
    let mut world = World::new("partition=2s..5s,delay=1s");
    // The clock of the settings begins with the first input, here at 10 s.
    for seconds in 10..=16 {
        world.at(seconds * 1_000_000, Input::Frame(frame(seconds as u32, 64)));
    }
    world.finish();
    assert_eq!(numbers(&world.out), [10, 11, 15, 16]);
    assert_eq!(world.stats().partitioned, 3);
    world.at(20_000_000, Input::Settings(settings("partition=1s..2s")));
    for millis in [20_000, 20_999, 21_000, 21_999, 22_000] {
        world.at(millis * 1_000, Input::Frame(frame(millis as u32, 64)));
    }
    world.finish();
    assert_eq!(numbers(&world.out)[4..], [20_000, 20_999, 22_000]);
}

#[test]
fn new_settings_leave_frames_under_way_alone() {
    let mut world = World::new("delay=80ms");
    world.at(0, Input::Frame(frame(0, 64)));
    world.at(10, Input::Settings(settings("off")));
    world.at(20, Input::Frame(frame(1, 64)));
    assert_eq!(world.channel.settings(), &settings("off"));
    assert_eq!(
        world.finish(),
        &[(20, frame(1, 64)), (80_000, frame(0, 64))]
    );
    assert_eq!(world.stats().reordered, 1);
}

#[test]
fn new_settings_find_an_idle_sender() {
    let mut world = World::new("rate=1kbit/s");
    world.at(0, Input::Frame(frame(0, 1_000)));
    world.at(0, Input::Settings(settings("rate=1Mbit/s")));
    world.at(0, Input::Frame(frame(1, 1_000)));
    let expected = [(8_000, frame(1, 1_000)), (8_000_000, frame(0, 1_000))];
    assert_eq!(world.finish(), &expected);
}

#[test]
fn a_frame_held_back_to_the_last_moment_still_lets_another_past() {
    let mut world = World::new("reorder=100%");
    world.at(0, Input::Frame(frame(0, 64)));
    world.at(0, Input::Settings(settings("delay=50ms")));
    world.at(0, Input::Frame(frame(1, 64)));
    assert_eq!(HOLD_AT_MOST.as_millis(), 50);
    world.finish();
    assert_eq!(numbers(&world.out), [1, 0]);
}

#[test]
fn damage_keeps_length_and_on_streams_the_length_field() {
    for (stream, spared) in [(true, LENGTH_FIELD_BYTES), (false, 0)] {
        let mut world = World::with(settings("corrupt=100%,seed=1"), stream);
        for n in 0..2_000 {
            world.at(n, Input::Frame(frame(7, 24)));
        }
        let original = frame(7, 24);
        let mut touched = [false; 24];
        for (_, damaged) in world.finish() {
            assert_eq!(damaged.len(), 24);
            assert_ne!(damaged, &original);
            let both = damaged.iter().zip(&original);
            for (touched, (a, b)) in touched.iter_mut().zip(both) {
                *touched |= a != b;
            }
        }
        let untouched = touched.iter().take_while(|touched| !**touched).count();
        assert_eq!(untouched, spared);
        assert!(touched[spared..].iter().all(|touched| *touched));
    }
}

#[test]
fn frames_with_nothing_to_damage_are_not_counted_as_damaged() {
    let mut world = World::new("corrupt=100%");
    for bytes in [&b""[..], b"abc", b"abcd"] {
        world.at(0, Input::Frame(Bytes::from_static(bytes)));
    }
    assert_eq!(world.stats().damaged, 0);
    assert_eq!(world.finish().len(), 3);
}

#[test]
fn a_double_comes_right_behind_and_may_part_from_its_twin() {
    let world = run("dup=100%", 3, 64, 10);
    assert_eq!(numbers(&world.out), [0, 0, 1, 1, 2, 2]);
    assert_eq!(world.stats().reordered, 0);
    let world = run("dup=100%,delay=5ms,jitter=5ms", 50, 64, 100_000);
    let apart = world.out.chunks(2).filter(|twins| twins[0].0 != twins[1].0);
    assert!(apart.count() > 45);
    let world = run("dup=100%,corrupt=50%", 200, 64, 10);
    let differ = world.out.chunks(2).filter(|twins| twins[0].1 != twins[1].1);
    assert!(differ.count() > 100);
}

#[test]
fn what_is_under_way_is_bounded_in_frames() {
    let mut channel = Impaired::new(settings("delay=60s,dup=100%"), true);
    let mut out = Vec::new();
    for n in 0..HELD_FRAMES_MAX as u64 {
        channel.handle(
            Instant::from_micros(n),
            Input::Frame(Bytes::from_static(b"frame")),
            &mut out,
        );
    }
    assert_eq!(channel.frames_under_way(), HELD_FRAMES_MAX);
    assert_eq!(channel.stats().dropped_by_queue, HELD_FRAMES_MAX as u64);
    channel.handle(Instant::from_millis(120_000), Input::Tick, &mut out);
    assert_eq!(out.len(), HELD_FRAMES_MAX);
    assert_eq!(channel.deadline(), None);
}

#[test]
fn what_is_under_way_is_bounded_in_bytes() {
    let mebibyte = Bytes::from(vec![0; 1 << 20]);
    for text in ["delay=60s", "reorder=100%"] {
        let mut channel = Impaired::new(settings(text), true);
        let mut out = Vec::new();
        for _ in 0..70 {
            channel.handle(Instant::ZERO, Input::Frame(mebibyte.clone()), &mut out);
        }
        assert_eq!(channel.frames_under_way(), HELD_BYTES_MAX >> 20, "{text}");
        assert_eq!(channel.stats().dropped_by_queue, 6, "{text}");
        // There is room again as soon as something has come out.
        let ended = Instant::from_millis(60_000);
        channel.handle(ended, Input::Tick, &mut out);
        assert_eq!(out.len(), HELD_BYTES_MAX >> 20, "{text}");
        channel.handle(ended, Input::Frame(mebibyte.clone()), &mut out);
        assert_eq!(channel.frames_under_way(), 1, "{text}");
    }
}

#[test]
fn a_clock_that_goes_back_counts_as_standing_still() {
    let mut world = World::new("delay=1ms");
    world.at(5_000, Input::Frame(frame(0, 64)));
    world.at(2_000, Input::Frame(frame(1, 64)));
    assert_eq!(
        world.finish(),
        &[(6_000, frame(0, 64)), (6_000, frame(1, 64))]
    );
}

#[test]
fn the_end_of_time_is_no_end_of_the_program() {
    let mut channel = Impaired::new(settings("delay=60s,rate=1kbit/s,reorder=50%"), true);
    let mut out = Vec::new();
    for _ in 0..10 {
        channel.handle(
            Instant::from_micros(u64::MAX),
            Input::Frame(frame(0, 64)),
            &mut out,
        );
    }
    channel.handle(Instant::from_micros(u64::MAX), Input::Tick, &mut out);
    assert_eq!(out.len() + channel.frames_under_way(), 10);
}

fn any_settings() -> impl Strategy<Value = String> {
    let share = || prop_oneof![Just(0u32), 0..=100u32, Just(100)];
    (
        (share(), share(), share(), share()),
        (0..50_000u64, 0..50_000u64, 0..6_000u64),
        (0..4u64, any::<u64>()),
    )
        .prop_map(
            |((loss, corrupt, dup, reorder), (delay, jitter, rate), (partition, seed))| {
                let rate = match rate {
                    0..1_000 => String::new(),
                    _ => format!("rate={rate}kbit/s,queue=20KiB,"),
                };
                let partition = match partition {
                    0 => "partition=20ms..40ms,",
                    _ => "",
                };
                format!(
                    "loss={loss}%,corrupt={corrupt}%,dup={dup}%,reorder={reorder}%,delay={delay}us,\
                 jitter={jitter}us,{rate}{partition}seed={seed}"
                )
            },
        )
}

#[derive(Clone, Debug)]
enum Step {
    Frame(usize),
    Settings(String),
    Tick,
}

fn steps(settings: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        8 => (4..300usize).prop_map(Step::Frame),
        1 => settings.prop_map(Step::Settings),
        2 => Just(Step::Tick),
    ];
    proptest::collection::vec((0..8_000u64, step), 1..80)
}

/// The inputs of the steps, each with its time; frames are numbered from 1.
fn inputs(steps: &[(u64, Step)]) -> Vec<(u64, Input)> {
    let (mut now, mut n) = (0, 0);
    let input = |(after, step): &(u64, Step)| {
        now += after;
        let input = match step {
            Step::Frame(bytes) => {
                n += 1;
                Input::Frame(frame(n, *bytes))
            }
            Step::Settings(text) => Input::Settings(settings(text)),
            Step::Tick => Input::Tick,
        };
        (now, input)
    };
    steps.iter().map(input).collect()
}

/// Walks the steps to the end; `World` checks its invariants at each.
fn walk(text: &str, steps: &[(u64, Step)]) -> World {
    let mut world = World::new(text);
    for (now, input) in inputs(steps) {
        world.at(now, input);
    }
    world.finish();
    world
}

proptest! {
    #[test]
    fn any_inputs_keep_the_invariants_and_repeat(
        text in any_settings(),
        steps in steps(any_settings()),
    ) {
        let (one, two) = (walk(&text, &steps), walk(&text, &steps));
        prop_assert_eq!(&one.out, &two.out);
        prop_assert_eq!(one.stats(), two.stats());
    }

    /// A shell that ticks late gives frames late, but the same ones in the same order.
    #[test]
    fn how_often_it_is_ticked_changes_no_order(
        text in any_settings(),
        steps in steps(any_settings()),
    ) {
        let punctual: Vec<Bytes> = walk(&text, &steps).out.into_iter().map(|(_, f)| f).collect();
        let mut channel = Impaired::new(settings(&text), true);
        let mut late = Vec::new();
        for (now, input) in inputs(&steps) {
            channel.handle(Instant::from_micros(now), input, &mut late);
        }
        channel.handle(Instant::from_millis(1_000_000), Input::Tick, &mut late);
        prop_assert_eq!(late, punctual);
    }

    /// Without chance nothing is lost, nothing comes twice, and nothing is damaged.
    #[test]
    fn with_all_shares_at_zero_no_frame_is_lost(
        delay in 0..100_000u64,
        jitter in 0..100_000u64,
        seed: u64,
        steps in steps((0..50_000u64).prop_map(|micros| format!("delay={micros}us"))),
    ) {
        let world = walk(&format!("delay={delay}us,jitter={jitter}us,seed={seed}"), &steps);
        let sizes = steps.iter().filter_map(|(_, step)| match step {
            Step::Frame(bytes) => Some(*bytes),
            _ => None,
        });
        let mut expected: Vec<Bytes> = (1..).zip(sizes).map(|(n, bytes)| frame(n, bytes)).collect();
        let mut came: Vec<Bytes> = world.out.iter().map(|(_, frame)| frame.clone()).collect();
        expected.sort_by_key(number);
        came.sort_by_key(number);
        prop_assert_eq!(came, expected);
    }
}
