//! `logs/server.log`, read by its documented form and by nothing else: a time, then `key=value`
//! pairs, a value bare or a JSON string.

use std::collections::BTreeMap;
use std::path::Path;

/// One line of the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogLine {
    /// RFC 3339, UTC.
    pub time: String,
    /// The pairs but `event`.
    pub fields: BTreeMap<String, String>,
    /// What happened.
    pub event: String,
    /// The line as it stands.
    pub line: String,
}

impl LogLine {
    /// A field's value; panics with the line where it has none.
    #[track_caller]
    pub fn field(&self, key: &str) -> &str {
        match self.fields.get(key) {
            Some(value) => value,
            None => panic!("no {key} in: {}", self.line),
        }
    }

    /// A field that is a number.
    #[track_caller]
    pub fn number(&self, key: &str) -> u64 {
        let value = self.field(key);
        value
            .parse()
            .unwrap_or_else(|_| panic!("{key} is no number in: {}", self.line))
    }
}

/// The whole lines of the file; none where it does not exist yet. Panics on an ill-formed one.
#[track_caller]
pub fn read(file: &Path) -> Vec<LogLine> {
    let bytes = std::fs::read(file).unwrap_or_default();
    let text = String::from_utf8(bytes).expect("a log is UTF-8");
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| parse(line)).collect()
}

/// The lines as they stand, for failures.
pub fn shown(lines: &[LogLine]) -> String {
    let last = lines.len().saturating_sub(100);
    let shown = lines[last..].iter().map(|line| line.line.as_str());
    shown.collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn parse(line: &str) -> LogLine {
    pairs(line).unwrap_or_else(|| panic!("not of the form of the log: {line:?}"))
}

fn pairs(line: &str) -> Option<LogLine> {
    let (time, mut rest) = line.split_once(' ')?;
    is_time(time).then_some(())?;
    let mut fields = BTreeMap::new();
    loop {
        let (key, after) = rest.split_once('=')?;
        let (value, after) = value(after)?;
        let new = fields.insert(key.to_owned(), value).is_none();
        (new && !key.contains([' ', '"'])).then_some(())?;
        if after.is_empty() {
            break;
        }
        rest = after.strip_prefix(' ')?;
    }
    Some(LogLine {
        time: time.to_owned(),
        event: fields.remove("event")?,
        fields,
        line: line.to_owned(),
    })
}

/// The value that `text` begins with, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    if !text.starts_with('"') {
        let end = text.find(' ').unwrap_or(text.len());
        let bare = &text[..end];
        return (!bare.is_empty() && !bare.contains('"')).then(|| (bare.to_owned(), &text[end..]));
    }
    let mut strings = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let value = strings.next()?.ok()?;
    Some((value, &text[strings.byte_offset()..]))
}

fn is_time(time: &str) -> bool {
    let shape = b"dddd-dd-ddTdd:dd:dd.ddddddZ";
    time.len() == shape.len()
        && shape
            .iter()
            .zip(time.bytes())
            .all(|(shape, byte)| match shape {
                b'd' => byte.is_ascii_digit(),
                exact => *exact == byte,
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_form_and_nothing_else() {
        let time = "2026-11-20T18:42:01.123456Z";
        let line = pairs(&format!(r#"{time} event=x a=1 b="q \"\n=" c=d"#)).unwrap();
        assert_eq!((line.event.as_str(), line.number("a")), ("x", 1));
        assert_eq!((line.field("b"), line.field("c")), ("q \"\n=", "d"));
        for bad in [
            "",
            "x",
            "event=x y",
            "event=x  a=1",
            "event=x a=",
            "event=x a=1 a=2",
        ] {
            assert_eq!(pairs(&format!("{time} {bad}")), None, "{bad}");
        }
        assert_eq!(pairs("2026-11-20 event=x"), None);
    }
}
