//! How fast a link over datagrams is, and what it wastes, on lines of many kinds. Everything happens in
//! virtual time from a seed, so the figures are the same on every machine.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "each test uses its part")]
#[path = "datagram_line/mod.rs"]
mod line;

use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::Instant;
use lamparina_protocol::datagram::Copies;
use lamparina_protocol::frame::FrameType;
use line::{Line, World};

const CHUNK_BYTES: usize = 256 * 1024;
const BASE: Line = Line {
    bytes_per_s: 12_500_000,
    queue_bytes: 500_000,
    ..Line::clean(20)
};

/// Bytes that came as a share of what the line takes, and bytes on the wire for each.
fn bulk(seed: u64, line: Line, chunks: usize) -> (f64, f64) {
    let mut world = World::new(seed, line, true, World::config(seed));
    world.open();
    let (begun, wire_before) = (world.now, world.sides[0].wire_bytes);
    let mut left = chunks;
    while world.sides[1].came.len() < chunks {
        while left > 0 && world.sides[0].link.has_room_bulk() {
            let body = Bytes::from(vec![7; CHUNK_BYTES]);
            world.send(0, FrameType::Bulk, body).unwrap();
            left -= 1;
        }
        let until = world.now + Duration::from_secs(1);
        world.step(until);
        assert!(world.now < Instant::from_millis(600_000), "seed {seed}");
    }
    let bytes = (chunks * CHUNK_BYTES) as f64;
    let took_s = world.now.saturating_since(begun).as_secs_f64();
    let passes = 1.0 - line.loss_permille as f64 / 1_000.0;
    let wire = (world.sides[0].wire_bytes - wire_before) as f64;
    (
        bytes / took_s / (line.bytes_per_s as f64 * passes),
        wire / bytes * passes,
    )
}

#[track_caller]
fn check_bulk(name: &str, line: Line, chunks: usize, share_least: f64, wire_most: f64) {
    for seed in 1..=2 {
        let (share, wire) = bulk(seed, line, chunks);
        assert!(
            share >= share_least,
            "{name}, seed {seed}: share {share:.3}"
        );
        assert!(wire <= wire_most, "{name}, seed {seed}: wire {wire:.3}");
    }
}

#[test]
fn chance_does_not_slow_a_link() {
    for (loss_permille, least) in [(0, 0.83), (10, 0.80), (100, 0.75), (200, 0.70)] {
        let line = Line {
            loss_permille,
            ..BASE
        };
        check_bulk(&format!("{loss_permille} ‰"), line, 64, least, 1.10);
    }
    let jittery = Line {
        jitter_us: 5_000,
        ..BASE
    };
    check_bulk("jitter", jittery, 64, 0.80, 1.10);
}

#[test]
fn a_short_queue_is_not_taken_for_chance() {
    for queue_bytes in [3_000, 10_000, 50_000] {
        for loss_permille in [0, 50] {
            let line = Line {
                queue_bytes,
                loss_permille,
                ..BASE
            };
            let name = format!("queue {queue_bytes}, {loss_permille} ‰");
            check_bulk(&name, line, 96, 0.40, 1.25);
        }
    }
}

#[test]
fn slow_and_fast_lines_are_filled() {
    for (bytes_per_s, delay_ms, share) in [
        (30_000, 20, 0.80),
        (125_000, 20, 0.80),
        (125_000, 300, 0.75),
        (1_250_000, 2, 0.85),
    ] {
        let line = Line {
            bytes_per_s,
            queue_bytes: (bytes_per_s * 2 * delay_ms / 1_000).max(3_000),
            ..Line::clean(delay_ms)
        };
        check_bulk(&format!("{bytes_per_s} B/s"), line, 16, share, 1.25);
    }
}

/// The time within which 99 of 100 messages came, in milliseconds, and packets for each.
fn chat(seed: u64, loss_permille: u64, copies: Copies) -> (u64, f64) {
    const MESSAGES: usize = 1_000;
    let line = Line {
        loss_permille,
        ..BASE
    };
    let mut world = World::new(seed, line, true, |at| {
        let (link, datagrams) = World::config(seed)(at);
        (
            link,
            lamparina_protocol::datagram::DatagramConfig {
                copies,
                ..datagrams
            },
        )
    });
    world.open();
    let begun = world.now;
    let before = world.sides[0].datagrams;
    let mut said = Vec::new();
    for number in 0..MESSAGES as u64 {
        world.run_until(begun + Duration::from_millis(20 * number));
        let body = Bytes::from(vec![1; 200]);
        world.send(0, FrameType::Data, body).unwrap();
        said.push(world.now);
    }
    let until = world.now + Duration::from_secs(10);
    world.run_until(until);
    let came = world.sides[1].came.iter().zip(&said);
    let mut took: Vec<u64> = came
        .map(|((at, ..), said)| at.saturating_since(*said).as_millis() as u64)
        .collect();
    assert_eq!(took.len(), MESSAGES);
    took.sort_unstable();
    let sent = world.sides[0].datagrams - before;
    (took[MESSAGES * 99 / 100], sent as f64 / MESSAGES as f64)
}

#[test]
fn a_message_that_was_lost_comes_a_round_trip_later_and_its_copies_at_once() {
    // One way takes 20 ms, a round trip 40.
    for (loss_permille, alone_most, copied_most) in [(10, 70, 26), (50, 110, 28), (100, 112, 45)] {
        let (alone, _) = chat(1, loss_permille, Copies::NONE);
        let (copied, packets) = chat(1, loss_permille, Copies::default());
        assert!(alone <= alone_most, "{loss_permille} ‰: {alone} ms");
        assert!(copied <= copied_most, "{loss_permille} ‰: {copied} ms");
        assert!(packets <= 4.2, "{loss_permille} ‰: {packets} packets");
    }
}

#[test]
fn a_clean_line_carries_nothing_twice() {
    let (took, packets) = chat(1, 0, Copies::default());
    assert_eq!(took, 20);
    // The first few, until the line is known, and nothing after.
    assert!(packets < 1.25, "{packets}");
}
