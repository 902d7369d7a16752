//! The grammar of settings: all that is read is within its bounds, what is written reads back as the
//! same settings, and each mistake is answered with what would have been right.

use std::fmt;
use std::str::FromStr;

use crate::settings::{Direction, SETTINGS_BYTES_MAX, Settings, SettingsError};
use crate::value::{DELAY_MAX, PARTITION_MAX};
use crate::value::{Partition, QueueBytes, Rate, Share, Span, digits, parse_burst};

/// Each key, and what it takes.
const KEYS: [(&str, &str); 13] = [
    ("loss", SHARE),
    (
        "burst",
        "an average length in frames from 1 to 10000, as in 8",
    ),
    ("corrupt", SHARE),
    ("dup", SHARE),
    ("delay", TIME),
    ("jitter", TIME),
    ("reorder", SHARE),
    (
        "rate",
        "a speed from 1kbit/s to 100Gbit/s, as in 64kbit/s or 1.5Mbit/s",
    ),
    ("queue", "bytes from 1 to 64MiB, as in 9000 or 64KiB"),
    (
        "partition",
        "two times in order, at most 86400s, as in 2s..5s, or 2s.. without an end",
    ),
    ("down", "no value"),
    ("way", "up (towards the server) or down (from it)"),
    ("seed", "a whole number from 0 to 18446744073709551615"),
];
const SHARE: &str =
    "a share of frames from 0% to 100%, as in 20% or 0.2, to four places of a percent";
const TIME: &str = "a time from 0 to 60s, as in 80ms, 1.5s or 250us";

// The words above name these numbers.
const _: () = assert!(DELAY_MAX.as_secs() == 60 && PARTITION_MAX.as_secs() == 86_400);
const _: () = assert!(crate::BURST_FRAMES_MAX == 10_000 && crate::QUEUE_BYTES_MAX == 64 << 20);
const _: () = assert!(crate::RATE_BITS_MIN == 1_000 && crate::RATE_BITS_MAX == 100_000_000_000);

impl FromStr for Settings {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        if text.len() > SETTINGS_BYTES_MAX {
            let length = text.len();
            return fail(&format!(
                "{length} bytes of settings are too many: at most {SETTINGS_BYTES_MAX}"
            ));
        }
        if text.trim() == "off" {
            return Ok(Self::default());
        }
        let mut settings = Self::default();
        let mut given = Vec::with_capacity(KEYS.len());
        for item in text.split(',').map(str::trim) {
            let (name, value) = match item.split_once('=') {
                Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
                None => (item, None),
            };
            let Some(&(key, takes)) = KEYS.iter().find(|(key, _)| *key == name) else {
                return fail(&unknown(name));
            };
            if given.contains(&key) {
                return fail(&format!("{key} is given twice"));
            }
            given.push(key);
            if settings.set(key, value).is_none() {
                let item = quoted(item);
                return fail(&format!("{item} is not understood: {key} takes {takes}"));
            }
        }
        settings.check(&given)?;
        Ok(settings)
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut items = Vec::new();
        let share = |key, share: Share, even_none: bool| {
            (even_none || share != Share::NONE).then(|| format!("{key}={share}"))
        };
        let span = |key, span: Span| (span != Span::ZERO).then(|| format!("{key}={span}"));
        let queue = (self.queue != QueueBytes::DEFAULT).then_some(self.queue);
        items.extend(share("loss", self.loss, self.burst.is_some()));
        items.extend(self.burst.map(|burst| format!("burst={burst}")));
        items.extend(share("corrupt", self.corrupt, false));
        items.extend(share("dup", self.dup, false));
        items.extend(span("delay", self.delay));
        items.extend(span("jitter", self.jitter));
        items.extend(share("reorder", self.reorder, false));
        items.extend(self.rate.map(|rate| format!("rate={rate}")));
        items.extend(queue.map(|queue| format!("queue={queue}")));
        items.extend(self.partition.map(|partition| partition.to_string()));
        items.extend(self.way.map(|way| match way {
            Direction::Up => "way=up".to_owned(),
            Direction::Down => "way=down".to_owned(),
        }));
        items.extend((self.seed != 0).then(|| format!("seed={}", self.seed)));
        if items.is_empty() {
            return f.write_str("off");
        }
        f.write_str(&items.join(","))
    }
}

impl Settings {
    /// Sets what `key` stands for; `None` where `value` is not what it takes.
    fn set(&mut self, key: &str, value: Option<&str>) -> Option<()> {
        match (key, value) {
            ("loss", Some(value)) => self.loss = Share::parse(value)?,
            ("burst", Some(value)) => self.burst = Some(parse_burst(value)?),
            ("corrupt", Some(value)) => self.corrupt = Share::parse(value)?,
            ("dup", Some(value)) => self.dup = Share::parse(value)?,
            ("delay", Some(value)) => self.delay = Span::parse(value, DELAY_MAX)?,
            ("jitter", Some(value)) => self.jitter = Span::parse(value, DELAY_MAX)?,
            ("reorder", Some(value)) => self.reorder = Share::parse(value)?,
            ("rate", Some(value)) => self.rate = Some(Rate::parse(value)?),
            ("queue", Some(value)) => self.queue = QueueBytes::parse(value)?,
            ("partition", Some(value)) => self.partition = Some(Partition::parse(value)?),
            ("down", None) => self.partition = Some(Partition::DOWN),
            ("way", Some("up")) => self.way = Some(Direction::Up),
            ("way", Some("down")) => self.way = Some(Direction::Down),
            ("seed", Some(value)) => self.seed = digits(value)?,
            _ => return None,
        }
        Some(())
    }

    /// What no key can judge alone.
    fn check(&self, given: &[&str]) -> Result<(), SettingsError> {
        let has = |key| given.contains(&key);
        if has("burst") && !has("loss") {
            return fail(
                "burst says how losses come together: give loss too, as in loss=20%,burst=8",
            );
        }
        if has("queue") && !has("rate") {
            return fail("queue says what waits for the rate: give rate too, as in rate=64kbit/s");
        }
        if has("partition") && has("down") {
            return fail(
                "partition and down exclude each other: down is a partition without an end",
            );
        }
        self.check_burst()
    }

    /// Between two bursts lies at least one frame that passes.
    fn check_burst(&self) -> Result<(), SettingsError> {
        let Some(burst) = self.burst.map(u64::from) else {
            return Ok(());
        };
        let frames = burst + 1;
        if self.loss.millionths() * frames > Share::WHOLE * burst {
            let loss = self.loss;
            return fail(&format!(
                "loss={loss} is too much for burst={burst}: bursts of that average length, with at \
                 least one frame between two of them, lose at most {burst} of {frames} frames"
            ));
        }
        Ok(())
    }
}

fn fail<T>(why: &str) -> Result<T, SettingsError> {
    Err(SettingsError(why.to_owned()))
}

fn unknown(name: &str) -> String {
    let keys: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
    let keys = keys.join(", ");
    match name {
        "" => format!("a setting is missing: write off alone, or some of {keys}"),
        "off" => format!("off stands alone, without any of {keys}"),
        _ => format!(
            "{} is not a setting: write off alone, or some of {keys}",
            quoted(name)
        ),
    }
}

/// What somebody wrote, short and without control characters, for an error.
fn quoted(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    let mut short: String = text.chars().take(CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{}`", short.escape_debug())
}
