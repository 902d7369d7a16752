//! A line as a JSON object: blanks, order and escaping do not matter, nor half a surrogate pair,
//! which programs that count in UTF-16 send when they cut a text.

use serde_json::{Map, Value};

/// What a line is not.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotObject {
    /// Empty, or blanks only.
    #[error("the line is empty")]
    Empty,
    /// Not JSON.
    #[error("the line is not JSON")]
    NotJson,
    /// JSON, and no object.
    #[error("the line is no object")]
    Other,
}

/// Reads the object of a line.
pub(crate) fn object(line: &str) -> Result<Map<String, Value>, NotObject> {
    let line = line.trim();
    if line.is_empty() {
        return Err(NotObject::Empty);
    }
    let value = serde_json::from_str(line)
        .or_else(|error| mended(line).map_or(Err(error), |line| serde_json::from_str(&line)))
        .map_err(|_error| NotObject::NotJson)?;
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(NotObject::Other),
    }
}

/// At most the first `chars_max` characters: for what is only told.
pub(crate) fn shortened(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

/// The line with U+FFFD for each half of a surrogate pair; `None` where there is none.
fn mended(line: &str) -> Option<String> {
    const HALF: &str = "\\ufffd";
    let mut mended = String::new();
    let mut rest = line;
    let mut found = false;
    while let Some(at) = rest.find('\\') {
        mended.push_str(&rest[..at]);
        rest = &rest[at..];
        let (take, keep) = match (unit(rest), rest.get(6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (12, true),
            (Some(0xd800..=0xdfff), _) => (6, false),
            // An escaped backslash begins no other escape.
            _ => (rest.chars().take(2).map(char::len_utf8).sum(), true),
        };
        found |= !keep;
        mended.push_str(if keep { &rest[..take] } else { HALF });
        rest = &rest[take..];
    }
    found.then(|| mended + rest)
}

/// The unit that `text` begins with where that is `\uXXXX`.
fn unit(text: &str) -> Option<u16> {
    let hex = text.strip_prefix("\\u")?.get(..4)?;
    let plain = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u16::from_str_radix(hex, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_pair_is_replaced_and_nothing_else() {
        #[track_caller]
        fn check(json: &str, text: &str) {
            let read = object(&format!(r#" {{"a":"{json}"}} "#)).unwrap();
            assert_eq!(read["a"], text);
        }
        check(r"\ud83d\ude00", "\u{1f600}");
        check(r"cut \ud83d", "cut \u{fffd}");
        check(r"\ude00\ud83d", "\u{fffd}\u{fffd}");
        check(r"\ud83d\u0041", "\u{fffd}A");
        check(r"\ud83d\ud83d\ude00", "\u{fffd}\u{1f600}");
        check(r"\\ud83d \uD83D", "\\ud83d \u{fffd}");
        check(r"\ud83d\\\u00e9", "\u{fffd}\\\u{e9}");
    }

    #[test]
    fn other_lines_are_named() {
        for (line, expect) in [
            ("", NotObject::Empty),
            (" \t\r", NotObject::Empty),
            ("[]", NotObject::Other),
            ("1", NotObject::Other),
            ("null", NotObject::Other),
            ("{", NotObject::NotJson),
            ("{} {}", NotObject::NotJson),
            (r#"{"a":"\ud83"}"#, NotObject::NotJson),
            (r#"{"a":"\"#, NotObject::NotJson),
            ("\u{e9}\\", NotObject::NotJson),
        ] {
            assert_eq!(object(line), Err(expect), "{line:?}");
        }
        assert_eq!(object(&"[".repeat(30_000)), Err(NotObject::NotJson));
        assert_eq!(shortened("\u{e9}\u{e9}\u{e9}", 2), "\u{e9}\u{e9}...");
        assert_eq!(shortened("ab", 2), "ab");
    }
}
