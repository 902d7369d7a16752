//! The line keeps its bounds: speed, queue, losses, and what each datagram counts for.

use bytes::Bytes;
use lamparina_impair::Direction;
use lamparina_linkrace::road::{Line, PACKET_BYTES, Road};
use lamparina_protocol::Instant;

const BODY_BYTES: usize = 1_200;
const WIRE_BYTES: u64 = (BODY_BYTES + PACKET_BYTES) as u64;

struct Came {
    at: Instant,
    flow: u32,
    datagram: Bytes,
}

/// Offers a datagram every `every_us` and gives all that comes.
fn offer(road: &mut Road, datagrams: u64, every_us: u64) -> Vec<Came> {
    let mut came = Vec::new();
    let mut out = Vec::new();
    let mut take = |road: &mut Road, at: Instant, came: &mut Vec<Came>| {
        road.release(at, &mut out);
        came.extend(
            out.drain(..)
                .map(|(flow, datagram)| Came { at, flow, datagram }),
        );
    };
    for number in 0..datagrams {
        let at = Instant::from_micros(number * every_us);
        while let Some(due) = road.deadline().filter(|due| *due <= at) {
            take(road, due, &mut came);
        }
        road.enter(at, number as u32 % 3, &vec![number as u8; BODY_BYTES]);
    }
    while let Some(due) = road.deadline() {
        take(road, due, &mut came);
    }
    came
}

fn road(bottleneck: &str, path: &str) -> Road {
    Road::new(
        &Line::parse(bottleneck, path).expect("the line is written in the grammar"),
        Direction::Up,
        5,
    )
}

#[test]
fn the_bottleneck_sends_at_its_speed_and_counts_headers() {
    // 10 Mbit/s: 982.4 us for each datagram; offered at twice that speed.
    let mut road = road("rate=10Mbit/s,queue=50000", "delay=20ms");
    let came = offer(&mut road, 2_000, 491);
    let first = came[0].at.as_micros();
    assert_eq!(first, 20_000 + 983);
    let last = came[came.len() - 1].at.as_micros();
    let taken_ns = (last - first) * 1_000;
    let ideal_ns = (came.len() as u64 - 1) * WIRE_BYTES * 8 * 100;
    assert!(
        taken_ns.abs_diff(ideal_ns) <= 2_000,
        "{taken_ns} {ideal_ns}"
    );
    assert_eq!(road.bytes(), 2_000 * WIRE_BYTES);
    // What did not come was dropped before the bottleneck, and the last one waited for a full queue.
    let (queue, chance) = road.drops();
    assert_eq!(queue, 2_000 - came.len() as u64);
    assert_eq!(chance, 0);
    let offered = 1_999 * 491;
    let waited_us = last - 20_000 - offered;
    let queue_us = 50_000 * 8 / 10;
    assert!(
        waited_us <= queue_us && waited_us > queue_us - 2 * 983,
        "{waited_us}"
    );
}

#[test]
fn losses_are_as_many_as_asked_for_and_come_after_the_bottleneck() {
    for (path, least, most) in [
        ("delay=1ms,loss=5%", 460, 540),
        ("delay=1ms,loss=2%,burst=8", 130, 270),
        ("delay=1ms", 0, 0),
    ] {
        let mut road = road("rate=100Mbit/s,queue=500000", path);
        let came = offer(&mut road, 10_000, 99);
        let (queue, chance) = road.drops();
        assert_eq!(queue, 0);
        assert_eq!(came.len() as u64 + chance, 10_000);
        assert!((least..=most).contains(&chance), "{path}: {chance}");
        // A lost one has taken its time at the bottleneck: the last one comes as without losses.
        let last = came[came.len() - 1].at.as_micros();
        assert!(last + 20 * 99 > 9_999 * 99 + 1_000, "{last}");
    }
}

#[test]
fn datagrams_come_as_they_were_sent_to_whom_they_belong() {
    let mut road = road("rate=1Gbit/s,queue=1000000", "delay=5ms,jitter=2ms");
    let came = offer(&mut road, 1_000, 20);
    assert_eq!(came.len(), 1_000);
    assert!(came.windows(2).all(|pair| pair[0].at <= pair[1].at));
    assert!(
        came.windows(2)
            .any(|pair| pair[0].datagram[0] > pair[1].datagram[0])
    );
    let mut flows = [0; 3];
    for came in &came {
        flows[came.flow as usize] += 1;
        assert_eq!(came.datagram, vec![came.datagram[0]; BODY_BYTES]);
    }
    assert_eq!(flows, [334, 333, 333]);
}

#[test]
fn damage_spares_whose_datagram_it_is() {
    let mut road = road("rate=1Gbit/s,queue=1000000", "delay=5ms,corrupt=100%");
    let came = offer(&mut road, 300, 20);
    assert_eq!(came.len(), 300);
    assert!(came.iter().all(|came| came.flow < 3));
    let damaged = |came: &Came| came.datagram.iter().any(|byte| *byte != came.datagram[0]);
    assert!(came.iter().all(damaged));
}
