//! Settings are always within their bounds: the only way in is the grammar, and what `Display`
//! writes reads back as the same settings.

use std::fmt;
use std::str::FromStr;

use crate::rng::{Purpose, Stream};
use crate::value::{DELAY_MAX, PARTITION_MAX};
use crate::value::{Partition, QueueBytes, Rate, Share, Span, digits, parse_burst};

/// Bytes of settings as text, at most: what a CHANNEL message carries.
pub const SETTINGS_BYTES_MAX: usize = 512;

/// A direction of a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// Towards the server.
    Up,
    /// From the server.
    Down,
}

/// How bad the channel is, in one direction. Read from and written as
/// `loss=20%,corrupt=1%,dup=2%,delay=80ms,jitter=20ms,reorder=5%,seed=7`, or `off`.
///
/// | key | value | |
/// |---|---|---|
/// | `loss` | `20%`, `0.2` | share of frames that vanish |
/// | `burst` | `8` | losses come in bursts of this average length, with `loss` still the average |
/// | `corrupt` | share | frames with 1 to 8 flipped bits |
/// | `dup` | share | frames that come twice |
/// | `delay` | `80ms`, `1.5s`, `250us` | travelling time, at most 60 s |
/// | `jitter` | time | travelling time is the delay give or take up to this; may change the order |
/// | `reorder` | share | frames that are held back until 1 to 4 others have gone past |
/// | `rate` | `64kbit/s`, `1Mbit/s` | frames go one after another at this speed |
/// | `queue` | `64KiB`, `9000` | bytes that wait for the rate; what finds no room is dropped |
/// | `partition` | `2s..5s`, `2s..` | nothing passes, counted from when the settings came into force |
/// | `down` | | nothing ever passes |
/// | `way` | `up`, `down` | only towards or only from the server is bad; both unless told |
/// | `seed` | `7` | what chance decides, it decides from this |
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub(crate) loss: Share,
    pub(crate) burst: Option<u32>,
    pub(crate) corrupt: Share,
    pub(crate) dup: Share,
    pub(crate) delay: Span,
    pub(crate) jitter: Span,
    pub(crate) reorder: Share,
    pub(crate) rate: Option<Rate>,
    pub(crate) queue: QueueBytes,
    pub(crate) partition: Option<Partition>,
    way: Option<Direction>,
    seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            loss: Share::NONE,
            burst: None,
            corrupt: Share::NONE,
            dup: Share::NONE,
            delay: Span::ZERO,
            jitter: Span::ZERO,
            reorder: Share::NONE,
            rate: None,
            queue: QueueBytes::DEFAULT,
            partition: None,
            way: None,
            seed: 0,
        }
    }
}

/// Why a text is not a channel's settings, in words for whoever wrote it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

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

impl Settings {
    /// Whether frames pass as they are, at once, whatever the seed.
    pub fn is_off(&self) -> bool {
        *self
            == Self {
                seed: self.seed,
                way: self.way,
                ..Self::default()
            }
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The same settings from another seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The settings of one direction of a link that has these: a seed of its own, so that the
    /// directions do not fail together; or `off` where `way` names the other direction.
    #[must_use]
    pub fn for_direction(&self, direction: Direction) -> Self {
        if self.way.is_some_and(|way| way != direction) {
            return Self::default();
        }
        let purpose = match direction {
            Direction::Up => Purpose::Up,
            Direction::Down => Purpose::Down,
        };
        self.clone()
            .with_seed(Stream::new(self.seed, purpose).at(0))
    }

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
