//! The values in settings: exact integers, so that what is written back is what was read.

use std::fmt;
use std::time::Duration;

/// The longest delay, and the largest jitter.
pub const DELAY_MAX: Duration = Duration::from_secs(60);
/// The latest moment at which a partition may begin or end.
pub const PARTITION_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest average burst of losses, in frames.
pub const BURST_FRAMES_MAX: u32 = 10_000;
/// The slowest rate, in bits a second.
pub const RATE_BITS_MIN: u64 = 1_000;
/// The fastest rate, in bits a second; faster is no limit.
pub const RATE_BITS_MAX: u64 = 100_000_000_000;
/// What waits at the rate limit, in bytes, unless told.
pub const QUEUE_BYTES_DEFAULT: u64 = 64 << 10;
/// What waits at the rate limit, in bytes, at most.
pub const QUEUE_BYTES_MAX: u64 = 64 << 20;

/// A share of frames, in millionths.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Share(u64);

impl Share {
    /// No frame.
    pub(crate) const NONE: Self = Self(0);
    /// Every frame, in millionths.
    pub(crate) const WHOLE: u64 = 1_000_000;

    /// `20%` or `0.2`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let millionths = match text.strip_suffix('%') {
            Some(percent) => decimal(percent.trim_end(), Self::WHOLE / 100)?,
            None => decimal(text, Self::WHOLE)?,
        };
        (millionths <= Self::WHOLE).then_some(Self(millionths))
    }

    /// The share in millionths.
    pub(crate) const fn millionths(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 10_000, self.0 % 10_000);
        if rest == 0 {
            return write!(f, "{whole}%");
        }
        let digits = format!("{rest:04}");
        write!(f, "{whole}.{}%", digits.trim_end_matches('0'))
    }
}

/// A time, written in the largest unit that divides it.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Span(Duration);

impl Span {
    /// No time.
    pub(crate) const ZERO: Self = Self(Duration::ZERO);

    /// `80ms`, `1.5s`, `250us` or `0`; at most `longest`.
    pub(crate) fn parse(text: &str, longest: Duration) -> Option<Self> {
        let micros = if let Some(number) = text.strip_suffix("us") {
            decimal(number.trim_end(), 1)?
        } else if let Some(number) = text.strip_suffix("ms") {
            decimal(number.trim_end(), 1_000)?
        } else if let Some(number) = text.strip_suffix('s') {
            decimal(number.trim_end(), 1_000_000)?
        } else if text == "0" {
            0
        } else {
            return None;
        };
        let span = Duration::from_micros(micros);
        (span <= longest).then_some(Self(span))
    }

    /// The time.
    pub(crate) const fn duration(self) -> Duration {
        self.0
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        if micros.is_multiple_of(1_000_000) {
            write!(f, "{}s", micros / 1_000_000)
        } else if micros.is_multiple_of(1_000) {
            write!(f, "{}ms", micros / 1_000)
        } else {
            write!(f, "{micros}us")
        }
    }
}

/// When nothing passes, counted from when the settings came into force.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Partition {
    /// The first moment at which nothing passes.
    pub(crate) from: Span,
    /// The first moment at which frames pass again, if there is one.
    pub(crate) until: Option<Span>,
}

impl Partition {
    /// Nothing ever passes.
    pub(crate) const DOWN: Self = Self {
        from: Span::ZERO,
        until: None,
    };

    /// `2s..5s`, or `2s..` without an end.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (from, until) = text.split_once("..")?;
        let from = Span::parse(from.trim(), PARTITION_MAX)?;
        let until = match until.trim() {
            "" => None,
            until => Some(Span::parse(until, PARTITION_MAX)?),
        };
        until
            .is_none_or(|until| from < until)
            .then_some(Self { from, until })
    }

    /// Whether nothing passes `age` after the settings came into force.
    pub(crate) fn covers(self, age: Duration) -> bool {
        self.from.duration() <= age && self.until.is_none_or(|until| age < until.duration())
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.until {
            None if *self == Self::DOWN => f.write_str("down"),
            None => write!(f, "partition={}..", self.from),
            Some(until) => write!(f, "partition={}..{until}", self.from),
        }
    }
}

/// Bits a second, between [`RATE_BITS_MIN`] and [`RATE_BITS_MAX`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Rate(u64);

impl Rate {
    const UNITS: [(&'static str, u64); 4] = [
        ("Gbit/s", 1_000_000_000),
        ("Mbit/s", 1_000_000),
        ("kbit/s", 1_000),
        ("bit/s", 1),
    ];

    /// `64kbit/s`, `1.5Mbit/s`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (number, unit) = Self::UNITS
            .iter()
            .find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))?;
        let bits = decimal(number.trim_end(), unit)?;
        (RATE_BITS_MIN..=RATE_BITS_MAX)
            .contains(&bits)
            .then_some(Self(bits))
    }

    /// Bits a second; never 0.
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, unit) in Self::UNITS {
            if self.0.is_multiple_of(unit) {
                return write!(f, "{}{name}", self.0 / unit);
            }
        }
        Ok(()) // Not reached: every number is a multiple of the last unit, 1.
    }
}

/// Bytes of a queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct QueueBytes(u64);

impl QueueBytes {
    const UNITS: [(&'static str, u64); 3] = [("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

    /// What waits unless told.
    pub(crate) const DEFAULT: Self = Self(QUEUE_BYTES_DEFAULT);

    /// `64KiB`, `1MiB`, `9000B` or `9000`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (number, unit) = Self::UNITS
            .iter()
            .find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))
            .unwrap_or((text, 1));
        let bytes = digits(number.trim_end())?.checked_mul(unit)?;
        (1..=QUEUE_BYTES_MAX)
            .contains(&bytes)
            .then_some(Self(bytes))
    }

    /// The number of bytes.
    pub(crate) const fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for QueueBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, unit) in Self::UNITS {
            if self.0.is_multiple_of(unit) {
                return write!(f, "{}{name}", self.0 / unit);
            }
        }
        Ok(()) // Not reached: every number is a multiple of the last unit, 1.
    }
}

/// An average burst of losses, in frames: 1 to [`BURST_FRAMES_MAX`].
pub(crate) fn parse_burst(text: &str) -> Option<u32> {
    let frames = u32::try_from(digits(text)?).ok()?;
    (1..=BURST_FRAMES_MAX).contains(&frames).then_some(frames)
}

/// A whole number without a sign.
pub(crate) fn digits(text: &str) -> Option<u64> {
    // `parse` alone would take a plus sign.
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(())?;
    text.parse().ok()
}

/// `text` as a decimal number times `unit`, a power of ten; `None` where that is no whole number.
fn decimal(text: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some((whole, fraction)) => (whole, fraction),
        None => (text, ""),
    };
    let mut value = digits(whole)?.checked_mul(unit)?;
    let mut place = unit;
    for byte in fraction.bytes() {
        let digit = char::from(byte).to_digit(10)?;
        if place == 1 && digit != 0 {
            return None; // Finer than the finest unit: refused, never rounded.
        }
        if place > 1 {
            place /= 10;
            value = value.checked_add(u64::from(digit) * place)?;
        }
    }
    Some(value)
}
