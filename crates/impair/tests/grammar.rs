//! Settings as text: what is understood, what is written back, and what each mistake is answered.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

use lamparina_impair::{Direction, SETTINGS_BYTES_MAX, Settings};
use proptest::prelude::*;

#[test]
fn what_is_understood_and_written_back() {
    check("off", "off");
    check(" off ", "off");
    check("seed=0", "off");
    check("seed=7", "seed=7");
    check("seed=18446744073709551615", "seed=18446744073709551615");
    check(
        "loss=20%,corrupt=1%,dup=2%,delay=80ms,jitter=20ms,reorder=5%,seed=7",
        "loss=20%,corrupt=1%,dup=2%,delay=80ms,jitter=20ms,reorder=5%,seed=7",
    );
    check("seed=7, loss = 20 %", "loss=20%,seed=7");
    check("loss=0.2", "loss=20%");
    check("loss=1", "loss=100%");
    check("loss=100.0000%", "loss=100%");
    check("loss=0.0001%", "loss=0.0001%");
    check("loss=0.000001", "loss=0.0001%");
    check("loss=12.50%", "loss=12.5%");
    check("loss=0%", "off");
    check("loss=20%,burst=8", "loss=20%,burst=8");
    check("burst=1,loss=50%", "loss=50%,burst=1");
    check("loss=0,burst=8", "loss=0%,burst=8");
    check("delay=0", "off");
    check("delay=60s", "delay=60s");
    check("delay=1.5s", "delay=1500ms");
    check("delay=0.08s", "delay=80ms");
    check("delay=250us", "delay=250us");
    check("jitter=1000us", "jitter=1ms");
    check("rate=64kbit/s", "rate=64kbit/s");
    check("rate=64000bit/s", "rate=64kbit/s");
    check("rate=1.5Mbit/s", "rate=1500kbit/s");
    check("rate=100Gbit/s", "rate=100Gbit/s");
    check("rate=1234bit/s", "rate=1234bit/s");
    check("rate=1Mbit/s,queue=9000", "rate=1Mbit/s,queue=9000B");
    check("rate=1Mbit/s,queue=64KiB", "rate=1Mbit/s");
    check("rate=1Mbit/s,queue=64MiB", "rate=1Mbit/s,queue=64MiB");
    check("partition=2s..5s", "partition=2s..5s");
    check("partition= 500ms .. 1s", "partition=500ms..1s");
    check("partition=2s..", "partition=2s..");
    check("partition=0..", "down");
    check("down", "down");
    check("way=up,down", "down,way=up");
    check("way=down,loss=1%", "loss=1%,way=down");
}

#[track_caller]
fn check(text: &str, written: &str) {
    let settings: Settings = text.parse().unwrap();
    assert_eq!(settings.to_string(), written);
    assert_eq!(written.parse(), Ok(settings));
}

const KEYS: &str =
    "loss, burst, corrupt, dup, delay, jitter, reorder, rate, queue, partition, down, way, seed";
const SHARE: &str =
    "takes a share of frames from 0% to 100%, as in 20% or 0.2, to four places of a percent";
const TIME: &str = "takes a time from 0 to 60s, as in 80ms, 1.5s or 250us";
const RATE: &str = "rate takes a speed from 1kbit/s to 100Gbit/s, as in 64kbit/s or 1.5Mbit/s";
const QUEUE: &str = "queue takes bytes from 1 to 64MiB, as in 9000 or 64KiB";
const PARTITION: &str = "partition takes two times in order, at most 86400s, as in 2s..5s, or 2s.. \
                         without an end";

#[test]
fn what_each_mistake_is_answered() {
    for text in ["", " ", "loss=1%,", ",loss=1%"] {
        let answer = format!("a setting is missing: write off alone, or some of {KEYS}");
        refused(text, &answer);
    }
    let answer = format!("off stands alone, without any of {KEYS}");
    refused("off,loss=1%", &answer);
    refused("loss=1%,off", &answer);
    let answer = |word| format!("`{word}` is not a setting: write off alone, or some of {KEYS}");
    refused("los=1%", &answer("los"));
    refused("LOSS=1%", &answer("LOSS"));
    refused("\u{1b}[2J=1", &answer("\\u{1b}[2J"));
    refused(
        "settings_that_go_on_and_on_and_on_and_on_and_on",
        &answer("settings_that_go_on_and_on_and_on_and_on…"),
    );

    for value in [
        "=",
        "=%",
        "=x",
        "=-1%",
        "=+1%",
        "=101%",
        "=100.0001%",
        "=20",
        "=1.1",
        "=1e-3",
        "=.5",
        "=5.",
        "=0.00001%",
        "=0.0000001",
        "=20%%",
        "=99999999999999999999%",
        "=1=2",
        "",
    ] {
        let item = format!("loss{value}");
        refused(&item, &format!("`{item}` is not understood: loss {SHARE}"));
    }
    for key in ["corrupt", "dup", "reorder"] {
        let answer = format!("`{key}=x` is not understood: {key} {SHARE}");
        refused(&format!("{key}=x"), &answer);
    }
    for key in ["delay", "jitter"] {
        for value in [
            "80",
            "60.000001s",
            "61s",
            "-1ms",
            "1m",
            "0.5us",
            "ms",
            "1 s 2",
            "∞s",
        ] {
            let answer = format!("`{key}={value}` is not understood: {key} {TIME}");
            refused(&format!("{key}={value}"), &answer);
        }
    }
    for value in ["0", "10001", "1.5", "-1", ""] {
        let answer = format!(
            "`burst={value}` is not understood: burst takes an average length in frames from 1 to \
             10000, as in 8"
        );
        refused(&format!("loss=1%,burst={value}"), &answer);
    }
    for value in [
        "64",
        "999bit/s",
        "101Gbit/s",
        "64kb",
        "64kbit",
        "0.0001kbit/s",
        "kbit/s",
    ] {
        refused(
            &format!("rate={value}"),
            &format!("`rate={value}` is not understood: {RATE}"),
        );
    }
    for value in ["0", "65MiB", "1.5KiB", "1kB", "18446744073709551615MiB"] {
        refused(
            &format!("rate=1Mbit/s,queue={value}"),
            &format!("`queue={value}` is not understood: {QUEUE}"),
        );
    }
    for value in [
        "2s",
        "5s..2s",
        "2s..2s",
        "..",
        "..5s",
        "0..86401s",
        "1..2",
        "1s...2s",
    ] {
        refused(
            &format!("partition={value}"),
            &format!("`partition={value}` is not understood: {PARTITION}"),
        );
    }
    for value in ["18446744073709551616", "-1", "0x7", ""] {
        refused(
            &format!("seed={value}"),
            &format!(
                "`seed={value}` is not understood: seed takes a whole number from 0 to \
                 18446744073709551615"
            ),
        );
    }
    refused(
        "down=1s",
        "`down=1s` is not understood: down takes no value",
    );
    refused(
        "way=left",
        "`way=left` is not understood: way takes up (towards the server) or down (from it)",
    );

    refused("loss=1%,loss=2%", "loss is given twice");
    refused("down,down", "down is given twice");
    refused(
        "burst=8",
        "burst says how losses come together: give loss too, as in loss=20%,burst=8",
    );
    refused(
        "queue=9000",
        "queue says what waits for the rate: give rate too, as in rate=64kbit/s",
    );
    refused(
        "partition=1s..2s,down",
        "partition and down exclude each other: down is a partition without an end",
    );
    refused(
        "loss=88.9%,burst=8",
        "loss=88.9% is too much for burst=8: bursts of that average length, with at least one frame \
         between two of them, lose at most 8 of 9 frames",
    );
    refused(
        "burst=1,loss=50.0001%",
        "loss=50.0001% is too much for burst=1: bursts of that average length, with at least one \
         frame between two of them, lose at most 1 of 2 frames",
    );
    let long = format!("seed={}", "0".repeat(SETTINGS_BYTES_MAX - 4));
    refused(&long, "513 bytes of settings are too many: at most 512");
    assert!(long[..SETTINGS_BYTES_MAX].parse::<Settings>().is_ok());
}

#[track_caller]
fn refused(text: &str, answer: &str) {
    assert_eq!(
        text.parse::<Settings>().unwrap_err().to_string(),
        answer,
        "for {text:?}"
    );
}

#[test]
fn off_is_what_changes_nothing() {
    for (text, is_off) in [
        ("off", true),
        ("seed=7", true),
        ("way=up", true),
        ("loss=0%,seed=7", true),
        ("loss=1%", false),
        ("down", false),
        ("rate=1Gbit/s", false),
        ("jitter=1us", false),
    ] {
        assert_eq!(text.parse::<Settings>().unwrap().is_off(), is_off, "{text}");
    }
    assert_eq!(Settings::default(), "off".parse().unwrap());
}

#[test]
fn each_direction_has_a_seed_of_its_own() {
    let both: Settings = "loss=20%,seed=7".parse().unwrap();
    let [up, down] = [Direction::Up, Direction::Down].map(|way| both.for_direction(way));
    assert_ne!(up.seed(), down.seed());
    assert_ne!(up.seed(), both.seed());
    assert_eq!(up.clone().with_seed(7), both);
    assert_eq!(down.with_seed(7), both);
    // The text of one direction is enough to have it again.
    assert_eq!(up.to_string().parse(), Ok(up));

    let up_only: Settings = "down,way=up".parse().unwrap();
    assert!(!up_only.for_direction(Direction::Up).is_off());
    assert_eq!(up_only.for_direction(Direction::Down), Settings::default());
    let down_only: Settings = "down,way=down".parse().unwrap();
    assert_eq!(down_only.for_direction(Direction::Up), Settings::default());
    assert!(!down_only.for_direction(Direction::Down).is_off());
}

fn item(key: &'static str, value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    proptest::option::of(value).prop_map(move |value| match value {
        Some(value) => format!("{key}{value},"),
        None => String::new(),
    })
}

fn share(key: &'static str) -> impl Strategy<Value = String> {
    item(
        key,
        (0..=1_000_000u32).prop_map(|n| format!("={}.{:06}", n / 1_000_000, n % 1_000_000)),
    )
}

fn micros(longest: u64) -> impl Strategy<Value = String> {
    (0..=longest).prop_map(|n| format!("{n}us"))
}

proptest! {
    #[test]
    fn all_settings_read_back_as_themselves(
        items in (
            share("loss"),
            share("corrupt"),
            share("dup"),
            share("reorder"),
            item("delay=", micros(60_000_000)),
            item("jitter=", micros(60_000_000)),
            item("rate=", (1_000..=100_000_000_000u64).prop_map(|n| format!("{n}bit/s"))),
            item("partition=", (0..43_200_000_000u64, 1..=43_200_000_000u64)
                .prop_map(|(from, long)| format!("{from}us..{}us", from + long))),
            item("way=", "up|down"),
            item("seed=", any::<u64>().prop_map(|n| n.to_string())),
        )
    ) {
        let (a, b, c, d, e, f, g, h, i, j) = items;
        let text = [j, a, b, c, d, e, f, g, h, i].concat();
        let text = if text.is_empty() { "off" } else { text.trim_end_matches(',') };
        let settings: Settings = text.parse().unwrap();
        let written = settings.to_string();
        prop_assert!(written.len() <= SETTINGS_BYTES_MAX);
        prop_assert_eq!(written.parse(), Ok(settings));
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = text.parse::<Settings>();
    }

    #[test]
    fn nearly_right_texts_are_refused_or_read_back(
        text in "(loss|burst|delay|rate|queue|partition|down|seed|off)(=[0-9.%a-zA-Z/]{0,12})?(,(loss|jitter|way|dup)=[0-9.%msup]{0,6})?"
    ) {
        match text.parse::<Settings>() {
            Ok(settings) => prop_assert_eq!(settings.to_string().parse(), Ok(settings)),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
