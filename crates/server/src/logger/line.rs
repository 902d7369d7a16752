//! A whole line: `TIME event=.. key=value ..` and a newline, the only one in it.
//!
//! Pure: the time is an argument. The text of a second is made once and kept, so that a line of a
//! busy server costs its own bytes and six digits.

use jiff::Timestamp;
use lamparina_protocol::UnixMicros;

use super::event::LogEvent;

const MICROS_PER_SECOND: u64 = 1_000_000;

/// Writes lines, and keeps the text of the second it wrote last.
#[derive(Debug, Default)]
pub(super) struct LineWriter {
    second: u64,
    /// `2026-11-20T18:42:01.`; empty before the first line.
    prefix: String,
}

impl LineWriter {
    /// Appends one line to `out`.
    pub(super) fn push(
        &mut self,
        out: &mut Vec<u8>,
        at: UnixMicros,
        event: &LogEvent<'_>,
        with_text: bool,
    ) {
        self.push_time(out, at);
        event.push(out, with_text);
        out.push(b'\n');
    }

    fn push_time(&mut self, out: &mut Vec<u8>, at: UnixMicros) {
        let second = at.0 / MICROS_PER_SECOND;
        if second != self.second || self.prefix.is_empty() {
            self.prefix = second_text(second);
            self.second = second;
        }
        out.extend_from_slice(self.prefix.as_bytes());
        let mut micros = at.0 % MICROS_PER_SECOND;
        let mut digits = *b"000000Z ";
        for digit in digits[..6].iter_mut().rev() {
            *digit += (micros % 10) as u8;
            micros /= 10;
        }
        out.extend_from_slice(&digits);
    }
}

/// `2026-11-20T18:42:01.`; a time beyond the year 9999 is written as the end of it.
fn second_text(second: u64) -> String {
    let timestamp = i64::try_from(second)
        .ok()
        .and_then(|second| Timestamp::from_second(second).ok())
        .unwrap_or(Timestamp::MAX);
    let mut text = timestamp.to_string();
    text.truncate("2026-11-20T18:42:01".len());
    text.push('.');
    text
}

/// Whether `bytes`, the end of a file, can be the beginning of one of our lines.
pub(super) fn looks_like_line_start(bytes: &[u8]) -> bool {
    b"dddd-dd-ddTdd:dd:dd."
        .iter()
        .zip(bytes)
        .all(|(shape, byte)| match shape {
            b'd' => byte.is_ascii_digit(),
            exact => exact == byte,
        })
}
