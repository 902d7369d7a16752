//! What the simulated world over datagrams has found, at the level of one link.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "the line has more than is used here")]

#[path = "datagram_line/mod.rs"]
mod line;

use std::time::Duration;

use bytes::Bytes;
use lamparina_protocol::Instant;
use lamparina_protocol::control::CloseCode;
use lamparina_protocol::datagram::DatagramConfig;
use lamparina_protocol::frame::FrameType;
use lamparina_protocol::link::{Input, Link, LinkConfig, Output};
use line::{CONNECTION, Line, World};

fn clean(seed: u64) -> World {
    let mut world = World::new(seed, Line::clean(20), true, World::config(seed));
    world.open();
    world
}

/// A side that gets much and says little is not kept from saying it by its own acknowledgements.
#[test]
fn acknowledgements_do_not_hold_up_messages() {
    let slow = Line {
        bytes_per_s: 3_000,
        queue_bytes: 6_000,
        ..Line::clean(20)
    };
    let mut world = World::new(1, slow, true, World::config(1));
    world.open();
    let mut until = world.now;
    for _ in 0..60 {
        let small = Bytes::from(vec![1; 600]);
        world.send(1, FrameType::Data, small).unwrap();
        until += Duration::from_millis(200);
        world.run_until(until);
    }
    until += Duration::from_secs(20);
    world.run_until(until);
    assert!(world.sides[1].link.is_drained());
    // The line is better from now on; this side has nothing to find that out with.
    world.line = Line::clean(20);
    for _ in 0..400 {
        let large = Bytes::from(vec![2; 20_000]);
        world.send(0, FrameType::Data, large).unwrap();
        until += Duration::from_millis(25);
        world.run_until(until);
    }
    let before = world.sides[0].came.len();
    let said_at = world.now;
    world
        .send(1, FrameType::Data, Bytes::from_static(b"now"))
        .unwrap();
    world.run_until(said_at + Duration::from_secs(60));
    let (came_at, ..) = world.sides[0].came[before];
    let took = came_at.saturating_since(said_at);
    assert!(took < Duration::from_millis(100), "{took:?}");
}

/// Nothing is lost on a line that loses nothing, also while only PINGs and PONGs travel.
#[test]
fn an_idle_line_shows_no_loss() {
    let mut world = clean(2);
    world
        .send(0, FrameType::Data, Bytes::from_static(b"hello"))
        .unwrap();
    world.run_until(world.now + Duration::from_secs(1_800));
    for side in &world.sides {
        let stats = side.link.stats();
        assert_eq!(side.closed, None);
        assert_eq!(stats.packets_lost, 0, "{stats:#?}");
    }
}

/// The shortest round trip is none that cannot be, whatever came twice during the handshake.
#[test]
fn what_comes_twice_does_not_shorten_a_round_trip() {
    for seed in 0..200 {
        let line = Line {
            twice_permille: 500,
            jitter_us: 15_000,
            ..Line::clean(40)
        };
        let mut world = World::new(seed, line, true, World::config(seed));
        world.open();
        for at in [0, 1] {
            for _ in 0..10 {
                let small = Bytes::from(vec![1; 60]);
                world.send(at, FrameType::Data, small).unwrap();
                world.run_until(world.now + Duration::from_millis(30));
            }
        }
        for side in &world.sides {
            let least = side.link.stats().rtt_min.unwrap();
            assert!(least >= Duration::from_millis(50), "seed {seed}: {least:?}");
        }
    }
}

/// A closed link says of nothing that it is the peer's.
#[test]
fn a_closed_link_vouches_for_nothing() {
    let mut world = clean(4);
    let (code, text) = (CloseCode::Goodbye, String::new());
    world.give(0, Input::Abort { code, text });
    world.run_until(world.now + Duration::from_secs(1));
    assert!(world.sides[1].closed.is_some());
    let made_up = Bytes::from(vec![7; 100]);
    world.give(1, Input::Datagram(made_up));
    assert!(!world.sides[1].link.datagram_outcome().authentic);
    assert_eq!(world.sides[1].link.deadline(), None::<Instant>);
}

/// A line had changed the length of a SYN's frame: what stood behind it was then taken for the beginning of
/// a stream in another protocol, and the caller was told so.
#[test]
fn a_damaged_syn_is_no_other_protocol() {
    let now = Instant::from_millis(1);
    let config = DatagramConfig::new(CONNECTION, 7);
    let mut out = Output::default();
    let mut calling = Link::initiate(LinkConfig::new(1), Bytes::from_static(b"hello"), now)
        .over_datagrams(config);
    calling.handle(now, Input::Tick, &mut out).unwrap();
    let syn = out.wire.remove(0);
    for at in 16..40 {
        for bit in 0..8 {
            let mut damaged = syn.to_vec();
            damaged[at] ^= 1 << bit;
            damaged[19] ^= 5;
            let mut listening = Link::respond(LinkConfig::new(2), now).over_datagrams(config);
            let mut out = Output::default();
            let input = Input::Datagram(damaged.into());
            listening.handle(now, input, &mut out).unwrap();
            assert!(out.wire.is_empty() && out.events.is_empty(), "{at}, {bit}");
        }
    }
}

/// Who has only listened for longer than a silent link lives, and then speaks while the path is away for some
/// seconds, was given up at once: its last news was as old.
#[test]
fn silence_counts_from_when_something_is_under_way() {
    let mut world = clean(9);
    for _ in 0..70 {
        let until = world.now + Duration::from_secs(1);
        world.run_until(until);
        world
            .send(1, FrameType::Data, Bytes::from_static(b"news"))
            .unwrap();
    }
    let until = world.now + Duration::from_millis(500);
    world.run_until(until);
    world.cut = Some((world.now, world.now + Duration::from_secs(5)));
    world
        .send(0, FrameType::Data, Bytes::from_static(b"at last"))
        .unwrap();
    let until = world.now + Duration::from_secs(20);
    world.run_until(until);
    assert_eq!(world.sides[0].closed, None);
    assert_eq!(world.sides[1].came.len(), 1);
}
