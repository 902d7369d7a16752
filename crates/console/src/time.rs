//! A moment as RFC 3339 in UTC, with microseconds: always 27 characters.

use jiff::Timestamp;
use lamparina_protocol::UnixMicros;

/// `at` as `2026-11-20T18:42:01.123456Z`. What no calendar holds becomes its last moment.
pub fn rfc3339(at: UnixMicros) -> String {
    let micros = i64::try_from(at.0).unwrap_or(i64::MAX);
    let moment = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX);
    moment.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn always_the_same_width() {
        assert_eq!(rfc3339(UnixMicros(0)), "1970-01-01T00:00:00.000000Z");
        assert_eq!(
            rfc3339(UnixMicros(1_795_200_121_123_456)),
            "2026-11-20T18:42:01.123456Z"
        );
        assert_eq!(rfc3339(UnixMicros(u64::MAX)).len(), 27);
    }
}
