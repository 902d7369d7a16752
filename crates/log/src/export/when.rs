//! A moment as people give it: RFC 3339, a date, a date and time, or how long ago.

use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp};
use lamparina_protocol::UnixMicros;

/// A moment, as it was given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum When {
    /// This one.
    At(UnixMicros),
    /// So many microseconds before now.
    Ago(u64),
}

impl When {
    /// The moment, seen from `now`.
    pub const fn seen_from(self, now: UnixMicros) -> UnixMicros {
        match self {
            Self::At(at) => at,
            Self::Ago(micros) => UnixMicros(now.0.saturating_sub(micros)),
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(micros) = ago(text) {
            return Ok(Self::Ago(micros));
        }
        let stamp = text.parse::<Timestamp>().ok();
        let civil = || text.parse::<DateTime>().ok().and_then(in_utc);
        let date = || {
            text.parse::<Date>()
                .ok()
                .and_then(|date| in_utc(date.at(0, 0, 0, 0)))
        };
        let stamp = stamp.or_else(civil).or_else(date);
        let micros = stamp.and_then(|stamp| u64::try_from(stamp.as_microsecond()).ok());
        micros.map(|micros| Self::At(UnixMicros(micros))).ok_or_else(|| {
            "give 2026-11-20, 2026-11-20T18:42 (both UTC), 2026-11-20T18:42:01Z, or how long ago: 90s, 30m, 2h, 3d, 1w".to_owned()
        })
    }
}

fn in_utc(civil: DateTime) -> Option<Timestamp> {
    Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

/// `2h`, `3d`: a number and a unit.
fn ago(text: &str) -> Option<u64> {
    let unit = text.chars().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    let number = text[..text.len() - 1].parse::<u64>().ok()?;
    number.checked_mul(seconds)?.checked_mul(1_000_000)
}

/// `at` as `2026-11-20T18:42:01.123456Z`. What no calendar holds becomes its last moment.
pub(super) fn rfc3339(at: UnixMicros) -> String {
    format!("{:.6}", moment(at))
}

/// The day of a moment, in UTC.
pub(super) fn day(at: UnixMicros) -> String {
    moment(at).strftime("%Y-%m-%d").to_string()
}

/// The time of a moment within its day, in UTC.
pub(super) fn time(at: UnixMicros) -> String {
    moment(at).strftime("%H:%M:%S").to_string()
}

fn moment(at: UnixMicros) -> Timestamp {
    let micros = i64::try_from(at.0).unwrap_or(i64::MAX);
    let after = SignedDuration::from_micros(micros);
    Timestamp::UNIX_EPOCH
        .checked_add(after)
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<When>) {
        assert_eq!(text.parse::<When>().ok(), expected, "{text:?}");
    }

    #[test]
    fn moments_are_given_in_many_ways() {
        let day = 1_795_132_800_000_000;
        let at = |micros| Some(When::At(UnixMicros(micros)));
        check("2026-11-20", at(day));
        check("2026-11-20T18:42", at(day + 67_320_000_000));
        check("2026-11-20 18:42:01", at(day + 67_321_000_000));
        check("2026-11-20T18:42:01.5Z", at(day + 67_321_500_000));
        check("2026-11-20T18:42:01+01:00", at(day + 63_721_000_000));
        check("90s", Some(When::Ago(90_000_000)));
        check("30m", Some(When::Ago(1_800_000_000)));
        check("2h", Some(When::Ago(7_200_000_000)));
        check("3d", Some(When::Ago(259_200_000_000)));
        check("1w", Some(When::Ago(604_800_000_000)));
        for wrong in [
            "",
            "h",
            "-2h",
            "2y",
            "2 h",
            "yesterday",
            "1960-01-01",
            "99999999999999999w",
            "2026-13-01",
            "é",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn moments_are_written_in_one_way() {
        assert_eq!(rfc3339(UnixMicros(0)), "1970-01-01T00:00:00.000000Z");
        let at = UnixMicros(1_795_200_121_123_456);
        assert_eq!(rfc3339(at), "2026-11-20T18:42:01.123456Z");
        assert_eq!(
            (day(at).as_str(), time(at).as_str()),
            ("2026-11-20", "18:42:01")
        );
        assert_eq!(rfc3339(UnixMicros(u64::MAX)).len(), 27);
        assert_eq!(When::Ago(5).seen_from(UnixMicros(3)), UnixMicros(0));
    }
}
