//! Measures as people read them: three digits or so, and a unit.

use std::time::Duration;

/// `0.412 ms`, `41.2 ms`, `1.25 s`.
pub fn time(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1_000.0;
    match ms {
        ..0.9995 => format!("{ms:.3} ms"),
        ..99.95 => format!("{ms:.1} ms"),
        ..999.5 => format!("{ms:.0} ms"),
        ..99_950.0 => format!("{:.1} s", ms / 1_000.0),
        _ => format!("{:.0} s", ms / 1_000.0),
    }
}

/// `512 B`, `1.2 KiB`, `3.4 MiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1_024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while size >= 1_023.5 {
        let Some(next) = units.next() else { break };
        (size, unit) = (size / 1_024.0, Some(next));
    }
    let unit = unit.copied().unwrap_or_default();
    match size {
        ..9.95 => format!("{size:.1} {unit}"),
        _ => format!("{size:.0} {unit}"),
    }
}

/// `12 KiB/s`.
pub fn rate(bytes_per_s: u64) -> String {
    format!("{}/s", bytes(bytes_per_s))
}

/// `5.1 %`, of millionths.
pub fn share(ppm: u32) -> String {
    match ppm {
        0 => "0 %".to_owned(),
        1..500 => "< 0.1 %".to_owned(),
        _ => format!("{:.1} %", f64::from(ppm) / 10_000.0),
    }
}

/// `1,234`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_its_unit() {
        for (us, text) in [
            (0, "0.000 ms"),
            (412, "0.412 ms"),
            (999, "0.999 ms"),
            (1_000, "1.0 ms"),
            (41_234, "41.2 ms"),
            (99_960, "100 ms"),
            (999_400, "999 ms"),
            (999_600, "1.0 s"),
            (12_340_000, "12.3 s"),
            (300_000_000, "300 s"),
        ] {
            assert_eq!(time(Duration::from_micros(us)), text);
        }
        for (size, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (1 << 20, "1.0 MiB"),
            (12 << 20, "12 MiB"),
            (u64::MAX, "16384 PiB"),
        ] {
            assert_eq!(bytes(size), text);
        }
        for (ppm, text) in [
            (0, "0 %"),
            (1, "< 0.1 %"),
            (51_234, "5.1 %"),
            (1_000_000, "100.0 %"),
        ] {
            assert_eq!(share(ppm), text);
        }
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(number), text);
        }
    }
}
