//! The seed decides, frame by frame; and what it decides has the shares that were asked for. All
//! seeds are fixed, so that these tests cannot fail by chance.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod common;

use std::collections::BTreeSet;

use common::{Out, World, frame, number, numbers, run, settings};
use lamparina_impair::{Direction, Input};

const FRAMES: u32 = 100_000;

/// Which of `count` frames come through, in any order.
fn through(text: &str, count: u32) -> BTreeSet<u32> {
    numbers(&run(text, count, 16, 10).out).into_iter().collect()
}

#[test]
fn the_same_seed_twice_gives_the_same_bytes_at_the_same_times() {
    let text =
        "loss=20%,burst=3,corrupt=10%,dup=10%,delay=80ms,jitter=20ms,reorder=5%,rate=1Mbit/s";
    let [one, again, other] =
        ["7", "7", "8"].map(|seed| run(&format!("{text},seed={seed}"), 2_000, 100, 900).out);
    assert_eq!(one, again);
    assert_ne!(one, other);
}

#[test]
fn these_are_the_fates_of_seed_7_on_every_machine() {
    let world = run("loss=30%,dup=20%,reorder=20%,seed=7", 24, 16, 1_000);
    assert_eq!(numbers(&world.out), FATES_OF_SEED_7);
}

const FATES_OF_SEED_7: &[u32] = &[
    1, 0, 8, 4, 11, 15, 13, 9, 2, 16, 6, 17, 17, 18, 18, 19, 21, 22, 23,
];

#[test]
fn neither_time_nor_contents_nor_length_change_a_fate() {
    let text = "loss=30%,dup=20%,corrupt=20%,seed=11";
    let fates = |out: &Out, original: &dyn Fn(u32) -> bytes::Bytes| -> Vec<(u32, bool)> {
        let fate = |(_, frame): &(u64, bytes::Bytes)| {
            let n = number(frame);
            (n, *frame != original(n))
        };
        out.iter().map(fate).collect()
    };
    let slow = run(text, 1_000, 20, 5_000);
    let mut fast = World::new(text);
    for n in 0..1_000 {
        fast.at(
            u64::from(n % 7),
            Input::Frame(frame(n, 20 + n as usize % 50)),
        );
        fast.at(u64::from(n % 7), Input::Tick);
    }
    fast.finish();
    assert_eq!(
        fates(&slow.out, &|n| frame(n, 20)),
        fates(&fast.out, &|n| frame(n, 20 + n as usize % 50)),
    );
}

#[test]
fn a_partition_and_other_troubles_do_not_change_who_is_lost() {
    let lost_anyway = through("loss=30%,seed=5", 1_000);
    let busy = "loss=30%,corrupt=50%,dup=50%,reorder=50%,delay=1ms,jitter=1ms,seed=5";
    assert_eq!(through(busy, 1_000), lost_anyway);
    // Cut off from frame 300 to frame 399; behind that all is as if nothing had been.
    let cut = through("loss=30%,partition=3ms..4ms,seed=5", 1_000);
    let mut expected = lost_anyway;
    expected.retain(|n| !(300..400).contains(n));
    assert_eq!(cut, expected);
}

#[test]
fn more_loss_loses_the_same_frames_and_others() {
    let mut before = through("seed=9", 5_000);
    for percent in (5..=100).step_by(5) {
        let now = through(&format!("loss={percent}%,seed=9"), 5_000);
        assert!(now.is_subset(&before) && now.len() < before.len());
        before = now;
    }
    assert!(before.is_empty());
}

#[test]
fn new_settings_begin_their_seed_anew() {
    let mut world = World::new("loss=50%,seed=3");
    for n in 0..100 {
        world.at(n, Input::Frame(frame(n as u32, 16)));
    }
    let first = numbers(&world.out);
    world.at(100, Input::Settings(settings("loss=50%,seed=3")));
    for n in 0..100 {
        world.at(100 + n, Input::Frame(frame(n as u32, 16)));
    }
    assert_eq!(numbers(&world.out)[first.len()..], first);
}

#[test]
fn the_directions_of_a_link_do_not_fail_together() {
    let both = settings("loss=50%,seed=1");
    let [up, down] = [Direction::Up, Direction::Down]
        .map(|way| through(&both.for_direction(way).to_string(), 10_000));
    let together = up.intersection(&down).count();
    assert!((2_350..2_650).contains(&together), "{together}");
}

#[test]
fn shares_are_what_was_asked_for() {
    #[track_caller]
    fn near(what: &str, count: u64, percent: f64) {
        // Five standard deviations of as many independent draws.
        let (n, p) = (f64::from(FRAMES), percent / 100.0);
        let off = 5.0 * (n * p * (1.0 - p)).sqrt();
        assert!(
            (count as f64 - n * p).abs() <= off,
            "{what}: {count}, not {percent}% of {n}"
        );
    }
    for seed in [1, 2, 3] {
        for percent in [0.1, 1.0, 20.0, 50.0, 99.0] {
            let run = |key| run(&format!("{key}={percent}%,seed={seed}"), FRAMES, 16, 10).stats();
            near("loss", run("loss").lost, percent);
            near("corrupt", run("corrupt").damaged, percent);
            near("dup", run("dup").duplicated, percent);
            near("reorder", run("reorder").delayed, percent);
        }
    }
}

#[test]
fn independent_losses_know_nothing_of_each_other() {
    // After a lost frame the next is lost as often as any other.
    let came = through("loss=20%,seed=4", FRAMES);
    let lost = |n| !came.contains(&n);
    let pairs = (0..FRAMES - 1).filter(|&n| lost(n) && lost(n + 1)).count();
    assert!((3_800..4_200).contains(&pairs), "{pairs}");
}

#[test]
fn bursts_have_their_length_and_the_average_loss_stays() {
    for (percent, burst, seed) in [
        (5, 2, 1),
        (20, 8, 2),
        (20, 8, 3),
        (40, 30, 4),
        (50, 1, 5),
        (80, 4, 6),
    ] {
        let came = through(
            &format!("loss={percent}%,burst={burst},seed={seed}"),
            FRAMES,
        );
        let mut bursts = vec![];
        let mut lost_before = false;
        for n in 0..FRAMES {
            let lost = !came.contains(&n);
            match bursts.last_mut() {
                Some(length) if lost && lost_before => *length += 1,
                _ if lost => bursts.push(1u32),
                _ => {}
            }
            lost_before = lost;
        }
        let lost: u32 = bursts.iter().sum();
        let average = f64::from(lost) / bursts.len() as f64;
        let share = f64::from(lost) / f64::from(FRAMES) * 100.0;
        let (burst, percent) = (f64::from(burst), f64::from(percent));
        assert!(
            (average / burst - 1.0).abs() < 0.08,
            "{average}, not {burst}"
        );
        assert!(
            (share / percent - 1.0).abs() < 0.08,
            "{share} %, not {percent} %"
        );
        if burst == 1.0 {
            assert!(bursts.iter().all(|length| *length == 1));
        }
    }
}

#[test]
fn a_bursty_channel_may_begin_badly() {
    let begins_lost = |seed| !through(&format!("loss=40%,burst=8,seed={seed}"), 1).contains(&0);
    let count = (0..1_000).filter(|seed| begins_lost(*seed)).count();
    assert!((330..470).contains(&count), "{count}");
}
