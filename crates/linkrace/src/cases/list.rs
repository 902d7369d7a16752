//! All cases. Goals, and the figures that existing transports reached on the simulator that the goals
//! come from, stand here and nowhere else.

use std::time::Duration;

use super::{Case, Column, Goal, Row, Scenario};
use crate::road::Line;

use Column::{Kcp, Oracle, Ours, QuicBbr, QuicCubic};

/// 100 Mbit/s, before which a round trip of 40 ms finds room.
const FAST: &str = "rate=100Mbit/s,queue=500000";
/// The same for a round trip of 200 ms.
const FAST_FAR: &str = "rate=100Mbit/s,queue=2500000";
/// 20 Mbit/s and 40 ms.
const SHARED: &str = "rate=20Mbit/s,queue=100000";
/// 10 Mbit/s and 40 ms.
const NARROW: &str = "rate=10Mbit/s,queue=50000";
/// A modem: its round trip holds 600 bytes, so that it must keep more than that.
const SLOW: &str = "rate=2.4kbit/s,queue=4000";

/// A little more than twice what the fast line holds in a round trip. With less KCP does not fill it;
/// with more it only loses more before the bottleneck.
const KCP_WINDOW: u16 = 1_024;
/// KCP's default. With the other window it overwhelms a line of 20 Mbit/s so far that next to nothing
/// comes whole.
const KCP_WINDOW_SHARED: u16 = 128;

const WIRE: &str = "the same: wire bytes per payload byte";

const BULK_BYTES: u64 = 16 << 20;
const RACERS: [Column; 4] = [Ours, QuicCubic, QuicBbr, Kcp];

/// All cases, in the order of the table.
pub fn all() -> Vec<Case> {
    let mut cases = bulk();
    cases.extend(chat());
    cases.extend(sparse());
    cases.extend(beside_others());
    cases.extend(special());
    cases
}

/// The cases that `name` means: itself, or all whose names begin with it and a hyphen.
pub fn find(name: &str) -> Vec<Case> {
    let mut cases = all();
    cases.retain(|case| {
        let rest = case.name.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    });
    cases
}

fn row(label: impl Into<String>, digits: usize, goal: Goal) -> Row {
    Row {
        label: label.into(),
        digits,
        goal: Some(goal),
        reference: [None; 3],
        oracle: None,
    }
}

/// A figure that nobody has set a goal for.
fn plain(label: &str, digits: usize) -> Row {
    Row {
        goal: None,
        ..row(label, digits, Goal::AtLeast(0.0))
    }
}

impl Row {
    fn elsewhere(mut self, cubic: f64, bbr: f64, kcp: f64) -> Self {
        self.reference = [cubic, bbr, kcp].map(|value| (!value.is_nan()).then_some(value));
        self
    }
}

fn case(name: String, bottleneck: &str, path: &str, scenario: Scenario, rows: Vec<Row>) -> Case {
    Case {
        name,
        rows,
        line: Line::parse(bottleneck, path).expect("lines of the list are written in the grammar"),
        scenario,
        copies: true,
        two_streams: false,
        kcp_window: KCP_WINDOW,
        columns: RACERS.to_vec(),
    }
}

fn transfer(name: &str, path: &str, what: &str, loss: f64, share: Row) -> Case {
    let scenario = Scenario::Bulk {
        bytes: BULK_BYTES,
        capacity_bits: 100e6,
        loss,
    };
    let wire = row(
        format!("{what}: wire bytes per payload byte x (1-p)"),
        2,
        Goal::AtMost(1.10),
    );
    let rows = vec![share, wire.elsewhere(1.06, 1.07, 1.97)];
    case(name.to_owned(), FAST, path, scenario, rows)
}

fn bulk() -> Vec<Case> {
    let mut cases = Vec::new();
    for (percent, goal, elsewhere) in [
        (0, 0.85, [0.84, 0.76, 0.63]),
        (1, 0.82, [0.03, 0.79, 0.50]),
        (5, 0.77, [0.01, 0.65, 0.45]),
        (10, 0.73, [0.01, 0.60, 0.41]),
        (20, 0.70, [0.01, 0.47, 0.31]),
    ] {
        let what = format!("bulk 16 MiB, {percent} % loss");
        let share = row(format!("{what}: share"), 2, Goal::AtLeast(goal));
        let [cubic, bbr, kcp] = elsewhere;
        cases.push(transfer(
            &format!("bulk-{percent}"),
            &format!("delay=20ms,loss={percent}%"),
            &what,
            f64::from(percent) / 100.0,
            share.elsewhere(cubic, bbr, kcp),
        ));
    }
    let share = row(
        "bulk 16 MiB, bursts of 8, 2 %: share",
        2,
        Goal::AtLeast(0.80),
    );
    cases.push(transfer(
        "bulk-bursts",
        "delay=20ms,loss=2%,burst=8",
        "bulk 16 MiB, bursts of 8, 2 %",
        0.02,
        share.elsewhere(0.06, 0.78, 0.53),
    ));
    let share = row("bulk 16 MiB, 5 ms jitter: share", 2, Goal::AtLeast(0.80));
    cases.push(transfer(
        "bulk-jitter",
        "delay=20ms,jitter=5ms",
        "bulk 16 MiB, 5 ms jitter",
        0.0,
        share.elsewhere(0.02, f64::NAN, f64::NAN),
    ));
    cases
}

fn talk(
    name: String,
    bottleneck: &str,
    one_way_ms: u64,
    percent: u32,
    every: u64,
    row: Row,
) -> Case {
    let path = format!("delay={one_way_ms}ms,loss={percent}%");
    let scenario = Scenario::Chat {
        every: Duration::from_millis(every),
        one_way: Duration::from_millis(one_way_ms),
    };
    let mut talk = case(name, bottleneck, &path, scenario, vec![row, plain(WIRE, 1)]);
    talk.copies = false;
    talk.columns.push(Oracle);
    talk
}

fn chat() -> Vec<Case> {
    let mut cases = Vec::new();
    for (percent, goal, elsewhere, oracle) in [
        (1, 62.0, [65.0, 66.0, 81.0], 60.0),
        (5, 65.0, [115.0, 114.0, 95.0], 61.0),
        (10, 105.0, [159.0, 154.0, 173.0], 101.0),
        (20, 150.0, [290.0, 249.0, 299.0], 141.0),
    ] {
        let label = format!("chat 50/s, 40 ms, {percent} % loss, without copies: p99 ms");
        let [cubic, bbr, kcp] = elsewhere;
        let mut row = row(label, 1, Goal::AtMost(goal)).elsewhere(cubic, bbr, kcp);
        row.oracle = Some(oracle);
        cases.push(talk(format!("chat-{percent}"), FAST, 20, percent, 20, row));
    }
    for (percent, goal) in [(1, 25.0), (5, 29.0), (10, 30.0), (20, 35.0)] {
        let label = format!("chat 50/s, 40 ms, {percent} % loss, with copies: p99 ms");
        let row = row(label, 1, Goal::AtMost(goal));
        let mut case = talk(format!("chat-copies-{percent}"), FAST, 20, percent, 20, row);
        case.copies = true;
        case.columns = vec![Ours];
        cases.push(case);
    }
    for (percent, goal, elsewhere) in [
        (5, 480.0, [684.0, 523.0, 539.0]),
        (20, 900.0, [3639.0, 964.0, 1054.0]),
    ] {
        let label = format!("chat 50/s, 200 ms, {percent} % loss, without copies: p99 ms");
        let [cubic, bbr, kcp] = elsewhere;
        let row = row(label, 1, Goal::AtMost(goal)).elsewhere(cubic, bbr, kcp);
        cases.push(talk(
            format!("chat-far-{percent}"),
            FAST_FAR,
            100,
            percent,
            20,
            row,
        ));
    }
    cases
}

fn sparse() -> Vec<Case> {
    [
        (FAST, 40, 66.0, [127.0, 127.0, 89.0]),
        (FAST_FAR, 200, 306.0, [527.0, 527.0, 329.0]),
    ]
    .map(|(bottleneck, round_trip_ms, goal, [cubic, bbr, kcp])| {
        let label =
            format!("sparse chat 2/s, {round_trip_ms} ms, 5 % loss, without copies: p99 ms");
        let row = row(label, 1, Goal::AtMost(goal)).elsewhere(cubic, bbr, kcp);
        let name = format!("sparse-{round_trip_ms}");
        talk(name, bottleneck, round_trip_ms / 2, 5, 500, row)
    })
    .into()
}

fn beside_others() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, copies, two_streams, words, goal, small, big) in [
        (
            "mixed-plain",
            false,
            true,
            "ours without copies, QUIC with two streams",
            65.0,
            [65.0, 73.0, f64::NAN],
            [3000.0, 1020.0, f64::NAN],
        ),
        (
            "mixed-copies",
            true,
            false,
            "ours with copies, QUIC with one stream",
            25.0,
            [3401.0, 917.0, f64::NAN],
            [f64::NAN; 3],
        ),
    ] {
        let [cubic, bbr, kcp] = small;
        let label = format!("50/s beside 1 MiB every 10 s, {words}: small p99 ms");
        let small = row(label, 1, Goal::AtMost(goal)).elsewhere(cubic, bbr, kcp);
        let [cubic, bbr, kcp] = big;
        let label = format!("the 1 MiB there, {words}: p50 ms");
        let big = row(label, 0, Goal::AtMost(1150.0)).elsewhere(cubic, bbr, kcp);
        let path = "delay=20ms,loss=1%";
        let mut mixed = case(
            name.to_owned(),
            NARROW,
            path,
            Scenario::Mixed,
            vec![small, big],
        );
        mixed.copies = copies;
        mixed.two_streams = two_streams;
        cases.push(mixed);
    }
    for (name, first, words) in [
        ("share-first", true, "which began 5 s later"),
        ("share-second", false, "which began 5 s before"),
    ] {
        let label = format!("20 Mbit/s beside one CUBIC flow {words}: percent of it");
        let row = row(label, 0, Goal::Between(40.0, 60.0)).elsewhere(50.0, 96.0, 89.0);
        let scenario = Scenario::Share { first };
        let mut share = case(name.to_owned(), SHARED, "delay=20ms", scenario, vec![row]);
        share.kcp_window = KCP_WINDOW_SHARED;
        cases.push(share);
    }
    cases
}

fn special() -> Vec<Case> {
    let flips = case(
        "flips".to_owned(),
        FAST,
        "delay=20ms,corrupt=1%",
        Scenario::Flips,
        vec![
            row(
                "1 % bit flips, chat and 4 MiB: percent that came whole",
                1,
                Goal::AtLeast(100.0),
            ),
            row("the same: damaged or twice", 0, Goal::AtMost(0.0)),
        ],
    );
    let slow = case(
        "slow".to_owned(),
        SLOW,
        "delay=1s,loss=10%",
        Scenario::Slow,
        vec![
            row(
                "conversation over 2.4 kbit/s, 2 s, 10 % loss: delivered of 20",
                0,
                Goal::AtLeast(20.0),
            ),
            plain("the same: median of its messages, s", 1),
            plain("the same: slowest message, s", 1),
            plain(
                "the same: bytes on the wire, both ways, handshake included",
                0,
            ),
        ],
    );
    let mut cpu = case(
        "cpu".to_owned(),
        "rate=1Gbit/s,queue=125000",
        "delay=500us",
        Scenario::Cpu,
        vec![
            row(
                "CPU sealed, sender: ns/KiB (real time)",
                0,
                Goal::AtMost(1000.0),
            )
            .elsewhere(1074.0, f64::NAN, f64::NAN),
            row(
                "CPU sealed, receiver: ns/KiB (real time)",
                0,
                Goal::AtMost(900.0),
            )
            .elsewhere(905.0, f64::NAN, f64::NAN),
        ],
    );
    cpu.columns = vec![Ours, QuicCubic];
    vec![flips, slow, cpu]
}
