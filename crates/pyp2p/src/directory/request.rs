//! Members of a request, with what real servers take for a number (rule 29).

use serde_json::{Map, Value};

use crate::ids::is_name;
use crate::json::shortened;
use crate::limits::{NAME_CHARS_MAX, TTL_SECONDS};

/// A name or a namespace.
pub(super) fn name<'a>(request: &'a Map<String, Value>, member: &str) -> Option<&'a str> {
    let name = request.get(member)?.as_str()?;
    is_name(name).then_some(name)
}

/// Seconds: the default where none are asked for, and never out of bounds.
pub(super) fn ttl(request: &Map<String, Value>) -> Option<u32> {
    let (default, most) = TTL_SECONDS;
    let Some(ttl) = request.get("ttl") else {
        return Some(default);
    };
    let ttl = integer(ttl)?.clamp(1, most.into());
    u32::try_from(ttl).ok()
}

/// A port, which is not 0.
pub(super) fn port(value: &Value) -> Option<u16> {
    let port = u16::try_from(integer(value)?).ok()?;
    (port != 0).then_some(port)
}

/// A value as an error repeats it.
pub(super) fn shown(value: &Value) -> String {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    shortened(&text, NAME_CHARS_MAX)
}

/// A whole number: also the digits of a text, and a number with a fraction, which is cut off. One that
/// is too large for us is too large for every use.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Some(integer),
            // This saturates.
            (None, Some(fraction)) => Some(fraction.trunc() as i64),
            (None, None) => None,
        },
        Value::String(text) => digits(text.trim()),
        _ => None,
    }
}

fn digits(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // All that can be wrong with so many digits is that they are too many.
    let number = digits.parse().unwrap_or(i64::MAX);
    whole.then_some(if negative { -number } else { number })
}
