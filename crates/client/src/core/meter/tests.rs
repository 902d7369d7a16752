//! Readings of made-up links, second by second.

use super::*;

const PING_AFTER: Duration = Duration::from_secs(20);

fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

/// A link in the middle of something.
fn stats(sent: u64, received: u64) -> LinkStats {
    LinkStats {
        frames_sent: sent,
        frames_received: received,
        bytes_sent: 100 * sent,
        bytes_received: 100 * received,
        rtt: Some(Duration::from_millis(40)),
        ..LinkStats::default()
    }
}

#[test]
fn rates_are_means_over_the_last_seconds() {
    let mut meter = Meter::new(at(0), PING_AFTER);
    // A young link: over a second at least.
    let reading = meter.read(at(100), stats(10, 5));
    assert_eq!(reading.sent_bytes_per_s, 1_000);
    assert_eq!(reading.received_bytes_per_s, 500);
    for second in 1..=20 {
        let (ms, frames) = (1_000 * second, 10 + 20 * second);
        meter.moved();
        meter.look(at(ms), || stats(frames, frames));
    }
    // 20 frames of 100 bytes a second.
    let reading = meter.read(at(20_000), stats(410, 410));
    assert_eq!(reading.sent_bytes_per_s, 2_000);
    assert_eq!(reading.received_bytes_per_s, 2_000);
    // Two quiet seconds of five, and then nothing but quiet.
    let reading = meter.read(at(22_000), stats(410, 410));
    assert_eq!(reading.sent_bytes_per_s, 1_200);
    let reading = meter.read(at(3_600_000), stats(410, 410));
    assert_eq!(reading.sent_bytes_per_s, 0);
    assert_eq!(reading.stats.frames_sent, 410);
}

#[test]
fn what_moved_after_a_long_rest_moved_now() {
    let mut meter = Meter::new(at(0), PING_AFTER);
    meter.read(at(1_000), stats(10, 10));
    let mut moved = stats(60, 60);
    moved.retransmitted = 30;
    moved.timeouts = 4;
    let reading = meter.read(at(100_000), moved);
    assert_eq!(reading.sent_bytes_per_s, 1_000);
    assert_eq!((reading.again_lately, reading.timeouts_lately), (30, 4));
    assert_eq!(reading.word, Word::Poor);
    // They are of the last seconds for that long, and the word is better once it stays so.
    let words = [109_000, 111_000, 114_900, 115_500].map(|ms| {
        let reading = meter.read(at(ms), moved);
        (reading.timeouts_lately, reading.word)
    });
    assert_eq!(
        words,
        [
            (4, Word::Poor),
            (0, Word::Poor),
            (0, Word::Poor),
            (0, Word::Excellent)
        ]
    );
}

#[test]
fn it_looks_only_while_something_moves() {
    let mut meter = Meter::new(at(0), PING_AFTER);
    let unasked = || unreachable!("nothing moved");
    assert_eq!(meter.deadline(), None);
    meter.look(at(10_000), unasked);
    meter.moved();
    assert_eq!(meter.deadline(), Some(at(500)));
    meter.look(at(499), unasked);
    meter.look(at(10_000), || stats(1, 1));
    assert_eq!(meter.deadline(), None);
    meter.moved();
    assert_eq!(meter.deadline(), Some(at(10_500)));
}

#[test]
fn silence_is_what_is_awaited_and_does_not_come() {
    let mut meter = Meter::new(at(0), PING_AFTER);
    meter.read(at(1_000), stats(10, 10));
    let mut sent = stats(11, 10);
    sent.in_flight_frames = 1;
    let mut read = |ms, stats| {
        let reading = meter.read(at(ms), stats);
        (reading.unanswered.as_millis(), reading.word)
    };
    // Long quiet is no silence; what is in flight is awaited from then on.
    assert_eq!(read(15_000, stats(10, 10)), (0, Word::Excellent));
    assert_eq!(read(15_100, sent), (0, Word::Excellent));
    assert_eq!(read(16_100, sent), (1_000, Word::Excellent));
    assert_eq!(read(17_000, sent), (1_900, Word::Fair));
    assert_eq!(read(18_100, sent), (3_000, Word::Poor));
    assert_eq!(read(20_300, sent), (5_200, Word::Silent));
    // The first answer ends it.
    sent.frames_received += 1;
    assert_eq!(read(20_400, sent), (0, Word::Excellent));
    sent.in_flight_frames = 0;
    // Quiet for as long as the link lets it be, and then a PING that is not answered.
    assert_eq!(read(40_000, sent), (0, Word::Excellent));
    assert_eq!(read(43_400, sent), (3_000, Word::Poor));
    assert_eq!(read(90_400, sent), (50_000, Word::Silent));
}

#[test]
fn what_streams_is_never_unanswered_and_takes_bounded_room() {
    let mut meter = Meter::new(at(0), PING_AFTER);
    for step in 1..5_000_u64 {
        let mut stats = stats(step, step);
        stats.in_flight_frames = 7;
        let reading = meter.read(at(100 * step), stats);
        assert!(reading.unanswered <= LOOK_EVERY, "{reading:?}");
        assert_eq!(reading.word, Word::Excellent);
        assert!(meter.looks.len() <= LOOKS_MAX);
        // Ten frames a second, exactly, once there have been enough.
        if step > 100 {
            let error = reading.sent_bytes_per_s.abs_diff(1_000);
            assert!(error <= 100, "{reading:?}");
        }
    }
}

#[test]
fn loss_counts_on_the_way_that_loses_more() {
    for (outward, inward, received, word) in [
        (None, None, 50, Word::Excellent),
        (Some(0), Some(40_000), 50, Word::Good),
        // Of these it is too early to say.
        (Some(0), Some(40_000), 49, Word::Excellent),
        (Some(120_000), None, 0, Word::Fair),
        (Some(200_000), Some(10), 50, Word::Poor),
    ] {
        let mut meter = Meter::new(at(0), PING_AFTER);
        let mut stats = stats(100, 100);
        (stats.loss_out_ppm, stats.loss_in_ppm) = (outward, inward);
        (stats.packets_sent, stats.packets_received) = (50, received);
        assert_eq!(meter.read(at(1_000), stats).word, word);
    }
}

#[test]
fn probes_of_datagrams_are_no_time_outs() {
    for (packets, word) in [(0, Word::Poor), (100, Word::Excellent)] {
        let mut meter = Meter::new(at(0), PING_AFTER);
        let mut stats = stats(100, 100);
        (stats.packets_sent, stats.timeouts) = (packets, 50);
        let reading = meter.read(at(1_000), stats);
        assert_eq!((reading.word, reading.timeouts_lately), (word, 50));
    }
}
